package main

import (
	"context"
	"slices"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/dip"
	"bestand/retention"
)

// filing says where a record of the catalog stands in the file plan, which is not where
// its package has it once it was reclassified. Records above it that are there no more,
// or go in a circle, end the way up.
func (s *service) filing(ctx context.Context, t *catalog.Tenant, r preservation.Record, stands retention.Evaluation) (f dip.Filing, err error) {
	f.Class = r.Class
	f.Disposition = string(stands.Disposition)
	rules, err := s.officer.Rules(ctx, t)
	if err != nil {
		return f, err
	}
	for _, rule := range rules {
		if rule.Ref() == stands.Rule {
			f.Permanent = rule.Permanent
			if d := rule.Duration; d.Months == 0 && d.Days == 0 {
				f.Years = d.Years
			}
		}
	}
	scheme, err := s.officer.Scheme(ctx, t)
	if err != nil {
		return f, err
	}
	for _, class := range scheme.Classes {
		if class.Code == r.Class {
			f.ClassTitle = class.Title
		}
	}
	seen := map[preservation.RecordID]bool{r.ID: true}
	for up := r.Parent; up != "" && !seen[up]; {
		seen[up] = true
		entries, err := t.EntriesByID(ctx, []preservation.RecordID{up})
		if err != nil {
			return f, err
		}
		if len(entries) == 0 {
			break
		}
		f.Parents = slices.Insert(f.Parents, 0, entries[0].Record)
		up = entries[0].Parent
	}
	return f, nil
}
