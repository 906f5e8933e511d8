package main

import (
	"context"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
)

// newScrub reads everything back while the service runs.
func (s *service) newScrub() *fixity.Scrub {
	var copies func(context.Context, *catalog.Tenant) (fixity.Pair, error)
	if s.second != nil {
		copies = func(ctx context.Context, t *catalog.Tenant) (p fixity.Pair, err error) {
			one, err := s.bucket(ctx, t.ID())
			if err != nil {
				return p, err
			}
			two, err := s.second.bucket(ctx, t.ID())
			if err != nil {
				return p, err
			}
			return fixity.Pair{Primary: one, Copy: two}, nil
		}
	}
	return &fixity.Scrub{
		Copies:  copies,
		Checker: s.checker(s.pipeline.WorkDir),
		Store:   s.store,
		Event: func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, e preservation.Event) error {
			return s.officer.AddEvent(ctx, t, id, preservation.EventObject{Record: id, Event: e})
		},
		Period: time.Duration(s.cfg.ScrubPeriod) * 24 * time.Hour,
		Limit:  fixity.NewLimit(s.cfg.ScrubRate),
		Log:    s.log,
	}
}
