package catalog

import (
	"context"
	"fmt"
	"time"

	"bestand/preservation"
)

// Schedule is a recurring job of a tenant.
type Schedule struct {
	Tenant preservation.TenantID
	Kind   string // of the job that it enqueues
	Spec   string // cron expression in the tenant's time zone
	Next   time.Time
	Last   time.Time
	Paused bool
}

// EnsureSchedule adds a schedule or changes its expression; an unchanged one
// keeps its next time, so that a run missed while the program was down is
// caught up once.
func (t *Tenant) EnsureSchedule(ctx context.Context, kind, spec string, next time.Time) error {
	return t.db.write(ctx, func(x *tx) error {
		_, err := x.exec(`INSERT INTO schedule (tenant, kind, spec, next_ms) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant, kind) DO UPDATE SET spec = excluded.spec, next_ms = excluded.next_ms WHERE schedule.spec <> excluded.spec`,
			string(t.id), kind, spec, ms(next))
		return err
	})
}

// Schedules lists the tenant's schedules.
func (t *Tenant) Schedules(ctx context.Context) ([]Schedule, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT tenant, kind, spec, next_ms, last_ms, paused FROM schedule WHERE tenant = $1 ORDER BY kind`, string(t.id))
	return collect(rows, err, func(row scanner) (s Schedule, err error) {
		var next, last, paused int64
		err = row.Scan(&s.Tenant, &s.Kind, &s.Spec, &next, &last, &paused)
		s.Next, s.Last, s.Paused = fromMS(next), fromMS(last), paused == 1
		return s, err
	})
}

// Fire enqueues the job of a schedule if it is due and moves it to its next
// time, in one transaction: of several programs that fire at once, one does.
// It reports whether it was this one.
func (t *Tenant) Fire(ctx context.Context, kind string, next time.Time) (fired bool, err error) {
	err = t.db.write(ctx, func(x *tx) error {
		now := ms(t.db.now())
		n, err := x.exec(`UPDATE schedule SET next_ms = $3, last_ms = $4 WHERE tenant = $1 AND kind = $2 AND next_ms <= $4 AND paused = 0`,
			string(t.id), kind, ms(next), now)
		fired = n == 1
		if err != nil || !fired {
			return err
		}
		return x.enqueue(t.id, Job{Kind: kind, Key: "scheduled"})
	})
	return fired, err
}

// Reschedule moves a schedule to another time without running it.
func (t *Tenant) Reschedule(ctx context.Context, kind string, next time.Time) error {
	return t.db.write(ctx, func(x *tx) error {
		_, err := x.exec(`UPDATE schedule SET next_ms = $3 WHERE tenant = $1 AND kind = $2`, string(t.id), kind, ms(next))
		return err
	})
}

// Run enqueues the job of a schedule now, whether or not it is paused. Its next
// time stays. ErrNotFound when there is no such schedule.
func (t *Tenant) Run(ctx context.Context, kind, actor string) error {
	return t.Update(ctx, func(x *Tx) error { return x.Run(kind, actor, nil) })
}

// Run does so in the same transaction. Detail is for the audit log.
func (x *Tx) Run(kind, actor string, detail map[string]string) error {
	n, err := x.tx.exec(`UPDATE schedule SET last_ms = $3 WHERE tenant = $1 AND kind = $2`, string(x.tenant), kind, ms(x.tx.db.now()))
	if err == nil && n == 0 {
		err = fmt.Errorf("schedule %s: %w", kind, ErrNotFound)
	}
	if err != nil {
		return err
	}
	if err := x.Enqueue(Job{Kind: kind, Key: "scheduled"}); err != nil {
		return err
	}
	return x.Audit(AuditEntry{Actor: actor, Action: "schedule.run", Object: kind, Detail: detail})
}

// Advance enqueues the job of a schedule now, unless that is paused or there is none.
func (x *Tx) Advance(kind string) error {
	n, err := x.tx.exec(`UPDATE schedule SET last_ms = $3 WHERE tenant = $1 AND kind = $2 AND paused = 0`, string(x.tenant), kind, ms(x.tx.db.now()))
	if err != nil || n == 0 {
		return err
	}
	return x.Enqueue(Job{Kind: kind, Key: "scheduled"})
}

// Pause keeps a schedule from firing, or lets it fire again: runs that were
// missed meanwhile are caught up once. To do so twice changes nothing.
// ErrNotFound when there is no such schedule.
func (t *Tenant) Pause(ctx context.Context, kind string, paused bool, actor string) error {
	want, action := 0, "schedule.resume"
	if paused {
		want, action = 1, "schedule.pause"
	}
	return t.db.write(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE schedule SET paused = $3 WHERE tenant = $1 AND kind = $2 AND paused <> $3`, string(t.id), kind, want)
		if err != nil {
			return err
		}
		if n == 0 {
			var is int
			return found(x.queryRow(`SELECT paused FROM schedule WHERE tenant = $1 AND kind = $2`, string(t.id), kind).Scan(&is), "schedule", kind)
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: action, Object: kind})
	})
}
