package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/objectstore"
	"bestand/preservation/s3"
)

// beside opens an archive on which a service runs, to be read and no more. The service
// keeps the data folder, the clock, the keys and its object store, which lends its
// account: nothing is renewed, tried out or tidied up.
func beside(ctx context.Context, cfg *Config, log *slog.Logger) (a *archive, err error) {
	a = &archive{cfg: cfg, log: log, now: time.Now, buckets: map[preservation.TenantID]*s3.Bucket{}}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("data folder %s is in use: %w", cfg.Data, err), a.close())
		}
	}()
	if err := refuseRestoring(cfg); err != nil {
		return a, err
	}
	if a.catalog, err = catalog.Open(ctx, catalog.Config{URL: cfg.catalogURL(), AsItIs: true}); errors.Is(err, catalog.ErrOlder) {
		return a, fmt.Errorf("%w: the service that runs is of another release; start it with this one, or use the program that it was started with", err)
	}
	if err != nil {
		return a, err
	}
	seen, err := a.catalog.ClockSeen(ctx)
	if err != nil {
		return a, err
	}
	if now := a.now(); !within(now.Sub(seen), leap) {
		return a, fmt.Errorf("%w: this machine shows %s, and the service believed %s last: see bestand clock", preservation.ErrClock, stamp(now), stamp(seen))
	}
	var own objectstore.Account
	if cfg.S3Endpoint == "" {
		if own, err = objectstore.Running(cfg.path("objects")); err != nil {
			return a, err
		}
	}
	c, err := a.storeConfig(own)
	if err != nil {
		return a, err
	}
	if a.s3, err = s3.Dial(c); err != nil {
		return a, err
	}
	if err := a.openKeys(ctx, false); err != nil {
		return a, fmt.Errorf("keys: %w", err)
	}
	return a, nil
}
