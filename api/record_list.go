package api

import (
	"context"
	"regexp"
	"strings"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/search"
)

// ListRecords finds records: by text in the index, by their properties in the
// catalog, which is faster and never behind. What the catalog does not keep as a
// column the index finds as well.
func (s *server) ListRecords(ctx context.Context, request ListRecordsRequestObject) (ListRecordsResponseObject, error) {
	p := request.Params
	if err := checkFilter(p); err != nil {
		return nil, err
	}
	hidden, err := s.hidden(ctx)
	if err != nil {
		return nil, err
	}
	var answer RecordPage
	if onlyIndexed(p) {
		answer, err = s.searchRecords(ctx, p, hidden)
	} else {
		answer, err = s.browseRecords(ctx, p, hidden)
	}
	if err != nil {
		return nil, err
	}
	if answer.Total == 0 {
		if err := s.classExists(ctx, p.Class); err != nil {
			return nil, err
		}
	}
	return ListRecords200JSONResponse(answer), nil
}

var (
	pronom    = regexp.MustCompile(`^(?i)(x-)?fmt/[0-9]+$`)
	mediaName = regexp.MustCompile(`^[a-zA-Z0-9][\w!#$&^.+-]*/[\w!#$&^.+-]+`)
	yearName  = regexp.MustCompile(`^([0-9]{4}|-)$`)
)

// checkFilter refuses values that no record can have, which would find nothing
// without a word.
func checkFilter(p ListRecordsParams) error {
	var fields []FieldError
	if p.Format != "" && p.Format != search.Absent && !pronom.MatchString(p.Format) && !mediaName.MatchString(p.Format) {
		fields = append(fields, fieldError("format", "format", "must be a PRONOM identifier such as fmt/95, or a media type such as application/pdf"))
	}
	if p.Year != "" && !yearName.MatchString(p.Year) {
		fields = append(fields, fieldError("year", "format", "must have four digits"))
	}
	if p.Q != "" && p.Reference != "" {
		fields = append(fields, fieldError("reference", "excluded", "cannot be combined with q, which finds references too"))
	}
	if len(fields) > 0 {
		return badParameter.in(fields...)
	}
	return nil
}

// classExists refuses to have found nothing in a class that does not exist.
// Records may well be in one that the classification no longer has.
func (s *server) classExists(ctx context.Context, class string) error {
	if class == "" {
		return nil
	}
	schedule, err := s.config.Officer.Schedule(ctx, s.tenant(ctx))
	if err != nil {
		return err
	}
	if _, ok := schedule.Class(class); !ok {
		return badParameter.in(fieldError("class", "unknown-class", "there is no class "+class+"; GET /v1/classification lists the classes"))
	}
	return nil
}

// onlyIndexed reports whether the catalog cannot answer.
func onlyIndexed(p ListRecordsParams) bool {
	return p.Q != "" || p.Confidentiality != "" || p.Year != "" || p.Hold != "" || p.Evidence != "" || p.Sort == ListRecordsParamsSortTitle ||
		strings.Contains(p.Format, "/") && !pronom.MatchString(p.Format) ||
		p.Kind == search.Absent || p.State == search.Absent || p.Format == search.Absent
}

// browseRecords asks the catalog, and the index for the facets, without what is hidden.
func (s *server) browseRecords(ctx context.Context, p ListRecordsParams, hidden []preservation.RecordID) (page RecordPage, err error) {
	if p.Sort == ListRecordsParamsSortRelevance {
		return page, badParameter.in(fieldError("sort", "oneof", "relevance needs q; without it: archived, -archived, closed, -closed, reference, -reference or title"))
	}
	t := s.tenant(ctx)
	f := catalog.RecordFilter{Class: p.Class, Producer: p.Producer, Reference: p.Reference, From: p.From, To: p.To, Kind: p.Kind,
		State: p.State, Format: p.Format, Status: live, Without: hidden}
	counted := s.counted(ctx, p, hidden)
	if counted.exact && counted.total == 0 && p.After == "" {
		return RecordPage{Items: []RecordSummary{}, Facets: counted.facets}, nil
	}
	f.Expected = counted.total
	entries, next, err := t.Records(ctx, f, string(p.Sort), p.After, pageSize(p.Limit))
	if err != nil {
		return page, err
	}
	if !counted.exact {
		if counted.total, err = t.CountRecords(ctx, f); err != nil {
			return page, err
		}
	}
	shown, err := s.summaries(ctx, entries)
	return RecordPage{Total: counted.total, Items: shown, Facets: counted.facets, Next: next}, err
}

// live is the status of records whose destruction has not begun.
const live = "live"

// summaries are those of the records that the caller may read.
func (s *server) summaries(ctx context.Context, entries []catalog.Entry) ([]RecordSummary, error) {
	entries, err := s.listed(ctx, entries)
	all := []RecordSummary{}
	for _, e := range entries {
		if e.Status == live {
			all = append(all, summary(e))
		}
	}
	return all, err
}

func summary(e catalog.Entry) RecordSummary {
	return RecordSummary{
		ID: e.ID, Kind: e.Kind, Title: e.Title, Reference: e.Reference, Class: e.Class, Creator: e.Creator,
		Producer: e.Producer, ProducerRecordID: e.ProducerRecordID, Opened: e.Opened, Closed: e.Closed, Archived: e.Archived,
		State: e.Retention.State, End: e.Retention.End, Evidence: e.Evidence, Links: recordLinks(e.ID),
	}
}
