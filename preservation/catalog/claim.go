package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
)

// MaxAttempts is how often a job is tried without getting ahead before it becomes a dead
// letter that a person must look at. With the back-off of Fail that is about seven hours.
const MaxAttempts = 50

// Claim takes up to n jobs that are ready, of the given kinds, for an owner,
// those that wait longest first. They are the owner's until the lease ends;
// Heartbeat renews it. A job whose owner died is taken over when its lease has
// ended, and counts the attempt: one that takes its program down each time
// becomes a dead letter too.
func (db *DB) Claim(ctx context.Context, owner string, kinds []string, n int, lease time.Duration) ([]Job, error) {
	if len(kinds) == 0 || n < 1 {
		return nil, nil
	}
	now := db.now()
	var jobs []Job
	err := db.write(ctx, func(x *tx) error {
		jobs = nil
		if err := x.takeBack(kinds, now); err != nil {
			return err
		}
		waiting, err := x.waiting(kinds, now)
		if err != nil {
			return err
		}
		lock := ""
		if db.dialect == postgres {
			lock = "FOR UPDATE SKIP LOCKED"
		}
		for _, kind := range waiting {
			// What is asked for while it runs makes it run again; what was asked before does not.
			rows, err := x.query(`WITH c AS MATERIALIZED (SELECT id FROM job WHERE state = 'queued' AND kind = $1 AND run_at_ms <= $2
					ORDER BY run_at_ms, id LIMIT $3 `+lock+`)
				UPDATE job SET state = 'running', owner = $4, lease_ms = $5, attempt = attempt + 1, again = 0
				WHERE id IN (SELECT id FROM c) RETURNING `+jobColumns, kind, ms(now), n-len(jobs), owner, ms(now.Add(lease)))
			claimed, err := collect(rows, err, scanJob)
			if err != nil {
				return err
			}
			for _, j := range claimed {
				x.works(j.Tenant)
			}
			if jobs = append(jobs, claimed...); len(jobs) >= n {
				return nil
			}
		}
		return nil
	})
	for i := range jobs {
		jobs[i].owner = owner
	}
	slices.SortFunc(jobs, func(a, b Job) int { return a.RunAt.Compare(b.RunAt) })
	return jobs, err
}

// takeBack puts jobs whose lease has ended into the queue again.
func (x *tx) takeBack(kinds []string, now time.Time) error {
	q := conditions{cond: "state = 'running' AND lease_ms < $1", args: []any{ms(now), MaxAttempts}}
	in(&q, "kind", kinds)
	_, err := x.exec(`UPDATE job SET owner = '', error = 'the program ended or lost the database during an attempt',
		state = CASE WHEN attempt - progressed < $2 THEN 'queued' ELSE 'dead' END WHERE `+q.cond, q.args...)
	return err
}

// waiting returns the kinds of which a job is ready, the one that waits longest
// first. Each kind is looked up by itself in the index: a queue that is long in
// one kind costs the others nothing.
func (x *tx) waiting(kinds []string, now time.Time) ([]string, error) {
	q := conditions{args: []any{ms(now)}}
	oldest := make([]string, len(kinds))
	for i, kind := range kinds {
		oldest[i] = `SELECT kind, run_at_ms FROM (SELECT kind, run_at_ms FROM job WHERE state = 'queued' AND kind = ` + q.mark(kind) + ` AND run_at_ms <= $1 ORDER BY run_at_ms LIMIT 1) o`
	}
	rows, err := x.query(strings.Join(oldest, " UNION ALL ")+` ORDER BY run_at_ms, kind`, q.args...)
	return collect(rows, err, func(row scanner) (kind string, err error) {
		var at int64
		return kind, row.Scan(&kind, &at)
	})
}

// anyReady reports whether a job of the given kinds could be claimed now.
func (db *DB) anyReady(ctx context.Context, kinds []string) (ready bool, err error) {
	if len(kinds) == 0 {
		return false, nil
	}
	queued := conditions{cond: "state = 'queued' AND run_at_ms <= $1", args: []any{ms(db.now())}}
	in(&queued, "kind", kinds)
	left := conditions{cond: "state = 'running' AND lease_ms < $1", args: queued.args}
	in(&left, "kind", kinds)
	err = db.reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM job WHERE `+queued.cond+`) OR EXISTS (SELECT 1 FROM job WHERE `+left.cond+`)`, left.args...).Scan(&ready)
	return ready, err
}

// Heartbeat renews the lease. ErrConflict says that the job is no longer the
// caller's: stop at once.
func (db *DB) Heartbeat(ctx context.Context, j Job, lease time.Duration) error {
	return db.settle(ctx, j, `UPDATE job SET lease_ms = $4`, ms(db.now().Add(lease)))
}

// Finish ends a job that is done, and the dead letters of its kind and key,
// whose work is done with it.
func (db *DB) Finish(ctx context.Context, j Job) error {
	return db.write(ctx, func(x *tx) error {
		n, err := x.owned(j, `UPDATE job SET state = 'queued', again = 0, attempt = 0, progressed = 0, failures = 0, owner = '', error = '', run_at_ms = $4`, `again = 1`, ms(db.now()))
		if err != nil {
			return err
		}
		if n == 1 {
			x.wokeJobs = append(x.wokeJobs, j.Kind)
		}
		if n == 0 {
			if n, err = x.owned(j, `DELETE FROM job`, ``); err != nil {
				return err
			}
		}
		if n == 0 {
			return fmt.Errorf("finish job %s: %w", j.ID, ErrConflict)
		}
		_, err = x.exec(`DELETE FROM job WHERE tenant = $1 AND kind = $2 AND key = $3 AND state = 'dead'`, string(j.Tenant), j.Kind, j.Key)
		return err
	})
}

// Fail ends an attempt. The job is tried again after a pause that grows with the
// failures in a row, or becomes a dead letter after MaxAttempts or when final is
// set.
func (db *DB) Fail(ctx context.Context, j Job, cause error, final bool) error {
	return db.write(ctx, func(x *tx) error {
		var again, progressed int // this attempt may have got ahead
		err := x.queryRow(`SELECT again, progressed FROM job WHERE id = $1`, j.ID).Scan(&again, &progressed)
		if errors.Is(err, sql.ErrNoRows) {
			return lost(nil, j)
		}
		if err != nil {
			return err
		}
		if !final && j.Attempt-progressed < MaxAttempts {
			pause := min(time.Second<<min(j.failures, 10), 10*time.Minute)
			n, err := x.owned(j, `UPDATE job SET state = 'queued', owner = '', failures = failures + 1, error = $4, run_at_ms = $5`, ``, short(cause), ms(db.now().Add(pause)))
			if err != nil || n == 0 {
				return lost(err, j)
			}
			return nil
		}
		n, err := x.owned(j, `UPDATE job SET state = 'dead', owner = '', again = 0, error = $4`, ``, short(cause))
		if err != nil || n == 0 {
			return lost(err, j)
		}
		if j.Kind == JobProcess {
			if err := x.giveUp(j.Tenant, preservation.SubmissionID(j.Key), cause); err != nil {
				return err
			}
		}
		if again == 0 {
			return nil
		}
		return x.enqueue(j.Tenant, Job{Kind: j.Kind, Key: j.Key, Payload: j.Payload}) // asked for since this attempt began
	})
}

// Postpone gives a job back to run at a later time, as the work asks for. That
// is no failure: attempts are counted anew.
func (db *DB) Postpone(ctx context.Context, j Job, until time.Time, reason string) error {
	return db.settle(ctx, j, `UPDATE job SET state = 'queued', owner = '', attempt = 0, progressed = 0, failures = 0, error = $4, run_at_ms = CASE WHEN again = 1 THEN CAST($5 AS BIGINT) ELSE $6 END, again = 0`,
		reason, ms(db.now()), ms(until))
}

// giveBack gives a job back that was interrupted, without counting the attempt.
func (db *DB) giveBack(ctx context.Context, j Job, reason string) error {
	return db.settle(ctx, j, `UPDATE job SET state = 'queued', owner = '', attempt = attempt - 1, error = $4`, reason)
}

// putOff ends an attempt that a part of the archive made impossible. It does not
// count; the pause grows with the failures in a row, up to a minute.
func (db *DB) putOff(ctx context.Context, j Job, cause error) error {
	var which *preservation.Outage
	if errors.As(cause, &which) {
		cause = which // what is waited for stands at the beginning
	}
	pause := min(time.Second<<min(j.failures, 6), time.Minute)
	return db.settle(ctx, j, `UPDATE job SET state = 'queued', owner = '', attempt = attempt - 1, failures = failures + 1, error = $4, run_at_ms = $5`,
		short(cause), ms(db.now().Add(pause)))
}

func (db *DB) settle(ctx context.Context, j Job, change string, args ...any) error {
	return db.write(ctx, func(x *tx) error {
		n, err := x.owned(j, change, ``, args...)
		if err != nil || n == 0 {
			return lost(err, j)
		}
		return nil
	})
}

// owned changes a job if it is still its claimant's. The arguments of the change
// count from $4, the further condition has none.
func (x *tx) owned(j Job, change, and string, args ...any) (int64, error) {
	where := ` WHERE id = $1 AND owner = $2 AND attempt = $3 AND state = 'running'`
	if and != "" {
		where += ` AND ` + and
	}
	x.works(j.Tenant)
	return x.exec(change+where, append([]any{j.ID, j.owner, j.Attempt}, args...)...)
}

// during returns a handle for the attempt at one job.
func (t *Tenant) during(j Job) *Tenant { return &Tenant{db: t.db, id: t.id, job: &j} }

// attempt is write for what an attempt says of its work. A worker that slept while
// its lease ended must not speak into the attempt of another one.
func (t *Tenant) attempt(ctx context.Context, f func(*tx) error) error {
	return t.db.write(ctx, func(x *tx) error {
		if t.job != nil {
			// A change that changes nothing holds the row until the end.
			if n, err := x.owned(*t.job, `UPDATE job SET owner = owner`, ``); err != nil || n == 0 {
				return lost(err, *t.job)
			}
		}
		return f(x)
	})
}

// Progressed notes that the work of the job in whose attempt it is called got ahead, with
// what this transaction does: the attempts until now do not count against it any more, as
// when the program was ended in many of them. Outside of an attempt it does nothing.
func (x *Tx) Progressed() error {
	if x.job == nil {
		return nil
	}
	_, err := x.tx.owned(*x.job, `UPDATE job SET progressed = attempt`, `progressed < attempt`)
	return err
}

func lost(err error, j Job) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("job %s: %w", j.ID, ErrConflict)
}

// short bounds what an error may leave in the catalog.
func short(err error) string {
	s := err.Error()
	if len(s) > 2000 {
		s = strings.ToValidUTF8(s[:2000], "") + "…"
	}
	return s
}

// Unjam makes jobs ready that wait for a time that no back-off gives: their clock
// was ahead when they were put off. What handlers themselves put off (Later) may
// wait for long; the kinds that do are named.
func (db *DB) Unjam(ctx context.Context, except ...string) (n int64, err error) {
	now := db.now()
	args := []any{ms(now), ms(now.Add(15 * time.Minute))}
	cond := ""
	for _, kind := range except {
		args = append(args, kind)
		cond += fmt.Sprintf(" AND kind <> $%d", len(args))
	}
	err = db.write(ctx, func(x *tx) error {
		n, err = x.exec(`UPDATE job SET run_at_ms = $1 WHERE state = 'queued' AND run_at_ms > $2`+cond, args...)
		if err != nil {
			return err
		}
		_, err = x.exec(`UPDATE job SET lease_ms = $1 WHERE state = 'running' AND lease_ms > $2`, args[:2]...)
		return err
	})
	return n, err
}

// TakeBack ends the leases of all running jobs and of destructions under way, so
// that they can be claimed at once. It is for a program that knows that no other
// works on this catalog.
func (db *DB) TakeBack(ctx context.Context) error {
	return db.write(ctx, func(x *tx) error {
		if _, err := x.exec(`UPDATE job SET lease_ms = 0 WHERE state = 'running'`); err != nil {
			return err
		}
		_, err := x.exec(`UPDATE disposal SET try_ms = 0 WHERE phase = 'purging'`)
		return err
	})
}
