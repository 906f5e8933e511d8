package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bestand/ingest"
	"bestand/preservation/fixity"
	"bestand/preservation/verdict"
	"bestand/retention"
)

// checker verifies records with everything that this installation trusts.
func (a *archive) checker(dir string) *fixity.Checker {
	n := a.newNotary()
	return &fixity.Checker{
		Stamps: n.Keys, Stamp: n.CheckObject,
		Seal:    verdict.Seal(a.trust, time.Now),
		Receipt: func(jws string) ([]byte, error) { return ingest.VerifyJWS(jws, a.trust) },
		Trigger: retention.TriggerOf, Annotation: retention.AnnotationOf, Retention: a.officer.EvaluateAt,
		Dir: dir, Now: a.now,
	}
}

// checkCommand verifies everything that an installation holds.
func checkCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("check", stderr)
	repair := fs.Bool("repair", false, "write again from the second copy (--copy-endpoint) what is damaged or lost, and the other way round, then check again")
	cfg, err := loadConfig(fs, args)
	if err != nil {
		return err
	}
	a, err := open(ctx, cfg, newLog(cfg, stderr))
	if err != nil {
		return err
	}
	if *repair && a.second == nil {
		return errors.Join(usageError{errors.New("--repair: there is no second copy to repair from (--copy-endpoint)")}, a.close())
	}
	bad, err := a.check(ctx, stdout)
	if err == nil && bad > 0 && *repair {
		if err = a.repair(ctx); err == nil {
			bad, err = a.check(ctx, stdout)
		}
	}
	if err = errors.Join(err, a.close()); err == nil && bad > 0 {
		return exitCode(1)
	}
	return err
}

// repair makes right again what can be in every tenant.
func (a *archive) repair(ctx context.Context) error {
	tenants, err := a.catalog.Tenants(ctx)
	if err != nil {
		return err
	}
	scrub := a.newScrub(os.TempDir())
	for _, info := range tenants {
		if err := scrub.Everything(ctx, a.catalog.Tenant(info.ID)); err != nil {
			return fmt.Errorf("tenant %s: %w", info.ID, err)
		}
	}
	return nil
}

// check verifies every tenant and returns how much does not agree.
func (a *archive) check(ctx context.Context, stdout io.Writer) (bad int, err error) {
	tenants, err := a.catalog.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	for _, info := range tenants {
		t := a.catalog.Tenant(info.ID)
		store, err := a.store(ctx, t)
		if err != nil {
			return bad, err
		}
		start := time.Now()
		r, err := a.checker(os.TempDir()).Holding(ctx, t, store)
		bad += len(r.Failed)
		fmt.Fprintf(stdout, "%s: %s and %s read back in %s, %s\n", info.ID, quantity(r.Records, "record"), quantity(r.Objects, "object"), time.Since(start).Round(time.Millisecond), quantity(len(r.Failed), "finding"))
		for _, f := range r.Failed {
			fmt.Fprintf(stdout, "  %-7s %s: %s: %s\n", f.Severity, f.Code, f.Subject, f.Detail)
		}
		if err != nil {
			return bad, fmt.Errorf("tenant %s: %w", info.ID, err)
		}
	}
	return bad, nil
}
