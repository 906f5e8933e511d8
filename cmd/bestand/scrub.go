package main

import (
	"context"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
)

// newScrub reads everything back and repairs what it can. dir is for what does not fit
// into memory.
func (a *archive) newScrub(dir string) *fixity.Scrub {
	var copies func(context.Context, *catalog.Tenant) (fixity.Pair, error)
	if a.second != nil {
		copies = func(ctx context.Context, t *catalog.Tenant) (p fixity.Pair, err error) {
			one, err := a.bucket(ctx, t.ID())
			if err != nil {
				return p, err
			}
			two, err := a.second.bucket(ctx, t.ID())
			if err != nil {
				return p, err
			}
			return fixity.Pair{Primary: one, Copy: two}, nil
		}
	}
	return &fixity.Scrub{
		Copies:  copies,
		Checker: a.checker(dir),
		Store:   a.store,
		Event: func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, e preservation.Event) error {
			return a.officer.AddEvent(ctx, t, id, preservation.EventObject{Record: id, Event: e})
		},
		Release: a.officer.ReleaseLeft,
		Protect: a.officer.Protect,
		Period:  time.Duration(a.cfg.ScrubPeriod) * 24 * time.Hour,
		Limit:   fixity.NewLimit(a.cfg.ScrubRate),
		Log:     a.log,
	}
}
