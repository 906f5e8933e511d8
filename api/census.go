package api

import (
	"context"
	"sync"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// census is what takes a look at everything that a tenant has. It does not change once
// taken.
type census struct {
	at          time.Time
	submissions map[catalog.Status]int64
	days        []catalog.DayStored
}

// censuses keeps the newest of each tenant. One is taken again when it is a hundred
// times as old as it took.
type censuses struct {
	mu sync.Mutex
	of map[preservation.TenantID]*lastCensus
}

type lastCensus struct {
	mu sync.Mutex // held while it is taken: all who ask wait for the same
	census
	took time.Duration
}

const censusAge = 100

func (s *server) census(ctx context.Context) (census, error) {
	t := s.tenant(ctx)
	s.counts.mu.Lock()
	last := s.counts.of[t.ID()]
	if last == nil {
		last = &lastCensus{}
		if s.counts.of == nil {
			s.counts.of = map[preservation.TenantID]*lastCensus{}
		}
		s.counts.of[t.ID()] = last
	}
	s.counts.mu.Unlock()
	last.mu.Lock()
	defer last.mu.Unlock()
	if age := s.now().Sub(last.at); age >= 0 && age < censusAge*last.took {
		return last.census, nil
	}
	begin := time.Now()
	c := census{at: s.now()}
	var err error
	if c.submissions, err = t.CountSubmissions(ctx, catalog.SubmissionFilter{}); err != nil {
		return c, err
	}
	if c.days, err = t.StoredByDay(ctx); err != nil {
		return c, err
	}
	last.census, last.took = c, time.Since(begin)
	return last.census, nil
}
