package api

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"bestand/retention"
	"bestand/retention/fileplan"
)

// csvWanted reports whether the answer is to be CSV and not JSON.
func csvWanted(ctx context.Context) bool {
	return accepted(note(ctx).accept, mediaJSON, mediaCSV) == mediaCSV
}

// sheet writes rows below a heading for a spreadsheet.
func sheet[T any](heading []string, rows []T, cells func(T) []string) (*bytes.Buffer, error) {
	table := [][]string{heading}
	for _, r := range rows {
		table = append(table, cells(r))
	}
	var b bytes.Buffer
	return &b, fileplan.WriteTable(&b, table)
}

// ReportDue says what is due in which year.
func (s *server) ReportDue(ctx context.Context, request ReportDueRequestObject) (ReportDueResponseObject, error) {
	years := 30
	if n := request.Params.Years; n != nil {
		years = *n
	}
	rows, err := s.config.Officer.DueReport(ctx, s.tenant(ctx), years)
	if err != nil {
		return nil, err
	}
	if !csvWanted(ctx) {
		return ReportDue200JSONResponse{Items: list(rows)}, nil
	}
	b, err := sheet([]string{"Jahr", "Kennzeichen", "Bezeichnung", "Aussonderungsart", "Anzahl", "davon gesperrt"}, rows, func(r retention.DueRow) []string {
		return []string{fmt.Sprint(r.Year), r.Class, r.Title, string(r.Disposition), fmt.Sprint(r.Records), fmt.Sprint(r.Held)}
	})
	return ReportDue200TextCsvResponse{Body: b, ContentLength: int64(b.Len())}, err
}

// ReportUnresolved says what is missing of which records.
func (s *server) ReportUnresolved(ctx context.Context, _ ReportUnresolvedRequestObject) (ReportUnresolvedResponseObject, error) {
	rows, err := s.config.Officer.OpenReport(ctx, s.tenant(ctx), retention.Unresolved)
	if err != nil {
		return nil, err
	}
	if !csvWanted(ctx) {
		return ReportUnresolved200JSONResponse{Items: list(rows)}, nil
	}
	b, err := openSheet(rows)
	return ReportUnresolved200TextCsvResponse{Body: b, ContentLength: int64(b.Len())}, err
}

// ReportConflicts says which records contradict themselves.
func (s *server) ReportConflicts(ctx context.Context, _ ReportConflictsRequestObject) (ReportConflictsResponseObject, error) {
	rows, err := s.config.Officer.OpenReport(ctx, s.tenant(ctx), retention.Conflict)
	if err != nil {
		return nil, err
	}
	if !csvWanted(ctx) {
		return ReportConflicts200JSONResponse{Items: list(rows)}, nil
	}
	b, err := openSheet(rows)
	return ReportConflicts200TextCsvResponse{Body: b, ContentLength: int64(b.Len())}, err
}

func openSheet(rows []retention.OpenRow) (*bytes.Buffer, error) {
	return sheet([]string{"Kennzeichen", "Bezeichnung", "Aufbewahrungsregel", "Grund", "Bedeutung", "Gegenstand", "Anzahl", "Beispiel"}, rows, func(r retention.OpenRow) []string {
		return []string{r.Class, r.Title, r.Rule, r.Reason, retention.GermanCode(r.Reason), r.Subject, fmt.Sprint(r.Records), string(r.Examples[0])}
	})
}

// ReportHolds lists the holds that stand.
func (s *server) ReportHolds(ctx context.Context, _ ReportHoldsRequestObject) (ReportHoldsResponseObject, error) {
	rows, err := s.config.Officer.HoldReport(ctx, s.tenant(ctx))
	if err != nil {
		return nil, err
	}
	if !csvWanted(ctx) {
		return ReportHolds200JSONResponse{Items: list(rows)}, nil
	}
	b, err := sheet([]string{"Sperre", "Veranlasst von", "Grund", "Gesetzt", "Gesetzt von", "Überprüfung", "überfällig", "Anzahl", "davon angewandt", "zu spät für"}, rows, func(r retention.HoldRow) []string {
		past := ""
		if r.Past {
			past = "ja"
		}
		var late []string
		for _, l := range r.Late {
			if l.Fate.Lost() {
				late = append(late, string(l.Record))
			}
		}
		return []string{r.ID, r.Authority, r.Reason, r.Set.Format("2006-01-02"), r.SetBy, r.Review.String(), past, fmt.Sprint(r.Total), fmt.Sprint(r.Applied), strings.Join(late, " ")}
	})
	return ReportHolds200TextCsvResponse{Body: b, ContentLength: int64(b.Len())}, err
}
