package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Stopped says that a run stopped itself before destroying anything. A person
// has to look and, if all is well, call Allow.
type Stopped struct {
	Reason  string    `json:"reason"`
	Records int       `json:"records"` // that would have been destroyed
	Holding int64     `json:"holding"` // that there are
	At      time.Time `json:"at"`
	Clock   bool      `json:"clock,omitempty"` // for the clock alone
	Void    bool      `json:"-"`               // the approval of a disposal run is for something else
}

func (s *Stopped) Error() string { return "destruction stopped itself: " + s.Reason }

const (
	stoppedName = "dispose.stopped" // cursor: Stopped as JSON, empty when nothing is stopped
	allowedName = "dispose.allowed" // cursor: how many records the next run may destroy
	clockName   = "dispose.clock"   // cursor: when the last run began
)

// unusual says why a run would destroy an unusual part of the holding, or nothing.
func (d *Disposer) unusual(ctx context.Context, t *catalog.Tenant, n int) (*Stopped, error) {
	floor, share := d.Floor, d.Share
	if floor == 0 {
		floor = 100
	}
	if share == 0 {
		share = 0.1
	}
	if n <= floor {
		return nil, nil
	}
	holding, err := t.View().CountRetentions(ctx, catalog.RetentionFilter{})
	if err != nil || float64(n) <= share*float64(holding) {
		return nil, err
	}
	return &Stopped{
		Reason:  fmt.Sprintf("%d of %d records in one run are more than the configured share of %g", n, holding, share),
		Records: n, Holding: holding,
	}, nil
}

// checkBatch refuses a run under standing permits that is unusual and not allowed.
func (d *Disposer) checkBatch(ctx context.Context, t *catalog.Tenant, n int) error {
	s, err := d.unusual(ctx, t, n)
	if err != nil || s == nil {
		return err
	}
	allowed, err := t.View().Cursor(ctx, allowedName)
	if err != nil {
		return err
	}
	if a, err := strconv.Atoi(allowed); err == nil && n <= a {
		return t.Update(ctx, func(x *catalog.Tx) error { return x.SetCursor(allowedName, "") })
	}
	return s
}

// checkClock refuses to act on a clock that went back or leapt ahead.
func (d *Disposer) checkClock(ctx context.Context, t *catalog.Tenant) error {
	if d.Clock != nil {
		if err := d.Clock(ctx); errors.Is(err, preservation.ErrClock) {
			return &Stopped{Reason: err.Error(), Clock: true}
		} else if err != nil {
			return err
		}
	}
	now := d.Officer.Now()
	audited, err := t.View().LastAudited(ctx)
	if err != nil {
		return err
	}
	if audited.Sub(now) > 5*time.Minute {
		return &Stopped{Clock: true, Reason: "the clock shows " + now.UTC().Format(time.RFC3339) + ", earlier than the newest entry of the audit log, " + audited.Format(time.RFC3339) + ": " + setClock}
	}
	gap := d.Gap
	if gap == 0 {
		gap = 45 * 24 * time.Hour
	}
	text, err := t.View().Cursor(ctx, clockName)
	if err != nil {
		return err
	}
	if last, err := time.Parse(time.RFC3339, text); err == nil {
		switch away := now.Sub(last); {
		case away < -5*time.Minute:
			return &Stopped{Clock: true, Reason: "the clock shows " + now.UTC().Format(time.RFC3339) + ", earlier than at the run before, " + text + ": " + setClock}
		case away > gap:
			return &Stopped{Clock: true, Reason: "the run before was on " + text + ": is it really " + now.UTC().Format(time.RFC3339) + "? " + setClock}
		}
	}
	before, err := d.Stopped(ctx, t)
	if err != nil {
		return err
	}
	return t.Update(ctx, func(x *catalog.Tx) error {
		err := x.SetCursor(clockName, now.UTC().Format(time.RFC3339))
		if err == nil && before != nil && before.Clock { // it agrees again
			err = x.SetCursor(stoppedName, "")
		}
		return err
	})
}

const setClock = "set the clock of the machine or, if it is right, run bestand clock --confirm"

// stop records a Stopped where people find it: as a dead letter, in the audit
// log and in the log. Other errors pass through.
func (d *Disposer) stop(ctx context.Context, t *catalog.Tenant, err error) error {
	var s *Stopped
	if !errors.As(err, &s) {
		return err
	}
	s.At = d.Officer.Now().UTC()
	raw, merr := json.Marshal(s)
	if merr != nil {
		return merr
	}
	known := false
	inner := context.WithoutCancel(ctx)
	uerr := t.Update(ctx, func(x *catalog.Tx) error {
		before, err := x.View().Cursor(inner, stoppedName)
		if err != nil {
			return err
		}
		if known = before != ""; known {
			return x.SetCursor(stoppedName, string(raw))
		}
		return errors.Join(
			x.SetCursor(stoppedName, string(raw)),
			x.Audit(catalog.AuditEntry{Actor: System, Action: "dispose.stop", Object: string(t.ID()), Detail: map[string]string{"reason": s.Reason}}),
		)
	})
	d.Officer.Log.ErrorContext(ctx, "destruction stopped itself", "tenant", string(t.ID()), "reason", s.Reason)
	if uerr != nil || known {
		return uerr // one dead letter is enough
	}
	return &catalog.Final{Err: s}
}

// Stopped returns why the runs of a tenant stopped themselves, nil when they did not.
func (d *Disposer) Stopped(ctx context.Context, t *catalog.Tenant) (*Stopped, error) {
	text, err := t.View().Cursor(ctx, stoppedName)
	if err != nil || text == "" {
		return nil, err
	}
	s := new(Stopped)
	return s, json.Unmarshal([]byte(text), s)
}

// ConfirmClock says that the clock is right. Runs that stopped for another reason
// stay stopped.
func (d *Disposer) ConfirmClock(ctx context.Context, t *catalog.Tenant, actor string) error {
	stopped, err := d.Stopped(ctx, t)
	if err != nil {
		return err
	}
	now := d.Officer.Now().UTC().Format(time.RFC3339)
	return t.Update(ctx, func(x *catalog.Tx) error {
		if err := x.SetCursor(clockName, now); err != nil || stopped == nil || !stopped.Clock {
			return err
		}
		return errors.Join(
			x.SetCursor(stoppedName, ""),
			x.Audit(catalog.AuditEntry{Actor: actor, Action: "dispose.allow", Object: string(t.ID()), Detail: map[string]string{"clock": now}}),
			x.Enqueue(catalog.Job{Kind: JobDispose, Key: "allowed"}),
		)
	})
}

// Allow says that a stopped run is right: the clock is, and the next run may
// destroy up to n records whatever their share of the holding.
func (d *Disposer) Allow(ctx context.Context, t *catalog.Tenant, n int, actor string) error {
	return t.Update(ctx, func(x *catalog.Tx) error {
		return errors.Join(
			x.SetCursor(stoppedName, ""),
			x.SetCursor(allowedName, strconv.Itoa(n)),
			x.SetCursor(clockName, d.Officer.Now().UTC().Format(time.RFC3339)),
			x.Audit(catalog.AuditEntry{Actor: actor, Action: "dispose.allow", Object: string(t.ID()), Detail: map[string]string{"records": strconv.Itoa(n)}}),
			x.Enqueue(catalog.Job{Kind: JobDispose, Key: "allowed"}),
		)
	})
}
