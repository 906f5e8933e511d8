package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// clockCommand shows what the archive knows of the time and lets a person say that
// the clock is right. It may be used beside a running service.
func clockCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	return clockAt(ctx, args, time.Now, stdout, stderr)
}

func clockAt(ctx context.Context, args []string, wall func() time.Time, stdout, stderr io.Writer) error {
	fs := flags("clock", stderr)
	confirm := fs.Bool("confirm", false, "the clock of this machine is right: go on by it")
	cfg, err := loadConfig(fs, args)
	if err != nil {
		return err
	}
	g := &guard{wall: wall}
	if err := g.born(); err != nil {
		return err
	}
	db, err := openCatalog(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	if *confirm {
		return confirmClock(ctx, db, g.wall(), stdout)
	}
	seen, err := db.ClockSeen(ctx)
	if err != nil {
		return err
	}
	now := g.wall()
	fmt.Fprintf(stdout, "clock of this machine: %s\nlast believed:         %s\n", stamp(now), stamp(seen))
	if away := now.Sub(seen); !seen.IsZero() && (away <= -leap || away >= slumber) {
		fmt.Fprintln(stdout, "not believed:          the archive does not go by this clock; set it or, if it is right, run bestand clock --confirm")
	}
	return eachTenant(ctx, db, func(t *catalog.Tenant) error {
		stopped, err := (&retention.Disposer{}).Stopped(ctx, t)
		if err == nil && stopped != nil {
			fmt.Fprintf(stdout, "destruction of %s stopped itself at %s: %s\n", t.ID(), stamp(stopped.At), stopped.Reason)
		}
		return err
	})
}

// confirmClock notes that a person believes a time, and has destructions go on
// that stopped for the clock alone.
func confirmClock(ctx context.Context, db *catalog.DB, now time.Time, stdout io.Writer) error {
	if err := db.SetClockSeen(ctx, now); err != nil {
		return err
	}
	disposer := &retention.Disposer{Officer: &retention.Officer{Now: func() time.Time { return now }}}
	err := eachTenant(ctx, db, func(t *catalog.Tenant) error {
		return errors.Join(
			t.Audit(ctx, catalog.AuditEntry{Actor: "cli", Action: "clock.confirm", Object: string(t.ID()), Detail: map[string]string{"time": stamp(now)}}),
			disposer.ConfirmClock(ctx, t, "cli"),
		)
	})
	if err == nil {
		fmt.Fprintf(stdout, "%s is confirmed; a running service goes on by it within a minute\n", stamp(now))
	}
	return err
}

func eachTenant(ctx context.Context, db *catalog.DB, fn func(*catalog.Tenant) error) error {
	all, err := db.Tenants(ctx)
	for _, info := range all {
		err = errors.Join(err, fn(db.Tenant(preservation.TenantID(info.ID))))
	}
	return err
}
