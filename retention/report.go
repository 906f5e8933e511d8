package retention

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// DueRow says how many records of a class become due in a year.
type DueRow struct {
	Year        int         `json:"year"`
	Class       string      `json:"class"`
	Title       string      `json:"title,omitempty"` // of the class, or of its successor
	Disposition Disposition `json:"disposition"`
	Records     int64       `json:"records"`
	Held        int64       `json:"held"` // of these, under a hold
}

// DueReport says what is due, by year, class and disposition, up to the end of so
// many years after this one. What is due already stands in the year in which it
// became so.
func (o *Officer) DueReport(ctx context.Context, t *catalog.Tenant, years int) ([]DueRow, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return nil, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return nil, err
	}
	counts, err := t.View().DueCounts(ctx, o.Now().In(policy.zone()).Year()+years+1)
	if err != nil {
		return nil, fmt.Errorf("report what is due: %w", err)
	}
	rows := make([]DueRow, len(counts))
	for i, c := range counts {
		rows[i] = DueRow{c.Year, c.Class, p.schedule.classes[c.Class].Title, Disposition(c.Disposition), c.Records, c.Held}
	}
	return rows, nil
}

// OpenRow says how many records of a class wait for a person, and for what.
type OpenRow struct {
	Class    string                  `json:"class"`
	Title    string                  `json:"title,omitempty"`
	Rule     string                  `json:"rule,omitempty"`
	Reason   string                  `json:"reason"`            // code of a Reason
	Subject  string                  `json:"subject,omitempty"` // what it is about, such as the event that is missing
	Records  int64                   `json:"records"`
	Examples []preservation.RecordID `json:"examples"`
}

const (
	reportPage     = 1000
	reportExamples = 5
)

// OpenReport says which records are in a state that wants a person (Unresolved
// or Conflict), and why. A record with several reasons counts for each.
func (o *Officer) OpenReport(ctx context.Context, t *catalog.Tenant, state State) ([]OpenRow, error) {
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return nil, err
	}
	type key struct{ class, rule, reason, subject string }
	table := make(map[key]*OpenRow)
	var after preservation.RecordID
	for {
		page, err := t.View().Evaluations(ctx, string(state), after, reportPage)
		if err != nil {
			return nil, fmt.Errorf("report %s: %w", state, err)
		}
		if len(page) == 0 {
			break
		}
		after = page[len(page)-1].Record
		for _, r := range page {
			var e Evaluation
			if err := json.Unmarshal(r.Body, &e); err != nil {
				return nil, fmt.Errorf("evaluation of record %s: %w", r.Record, err)
			}
			for _, why := range e.Reasons {
				switch why.Code {
				case OfFile, OfSuccessor, Sampled:
					continue // no reason for the state
				case UnknownFile:
					why.Subject = "" // a file of its own each
				}
				k := key{r.Class, e.Rule.ID, why.Code, why.Subject}
				row := table[k]
				if row == nil {
					row = &OpenRow{Class: r.Class, Title: p.schedule.classes[r.Class].Title, Rule: e.Rule.ID, Reason: why.Code, Subject: why.Subject, Examples: []preservation.RecordID{}}
					table[k] = row
				}
				if row.Records++; len(row.Examples) < reportExamples {
					row.Examples = append(row.Examples, r.Record)
				}
			}
		}
	}
	rows := make([]OpenRow, 0, len(table))
	for _, row := range table {
		rows = append(rows, *row)
	}
	slices.SortFunc(rows, func(a, b OpenRow) int {
		return cmp.Or(cmp.Compare(a.Class, b.Class), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Subject, b.Subject))
	})
	return rows, nil
}

// HoldRow is a hold that stands, how far it is applied, and whether it has to be
// looked at again.
type HoldRow struct {
	Hold
	Progress
	Past bool `json:"past_review"` // the day of its review is over
}

// Progress is how far a hold has come in the store.
type Progress struct {
	Total   int64 `json:"total"`   // records in its scope, parts of files that it names not included
	Applied int64 `json:"applied"` // of these, whose objects carry a legal hold
}

// HoldReport lists the holds that stand, those to be reviewed first come first.
func (o *Officer) HoldReport(ctx context.Context, t *catalog.Tenant) ([]HoldRow, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return nil, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return nil, err
	}
	now := o.Now()
	today := preservation.DateOf(now.In(policy.zone()))
	var rows []HoldRow
	for _, h := range p.held {
		if !h.Active(now) {
			continue
		}
		done, err := p.progress(ctx, t.View(), &h)
		if err == nil {
			h.Late, err = o.fates(ctx, t, h.Late)
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, HoldRow{h, done, h.Review.Before(today)})
	}
	slices.SortFunc(rows, func(a, b HoldRow) int {
		return cmp.Or(a.Review.Compare(b.Review), cmp.Compare(a.ID, b.ID))
	})
	return rows, nil
}
