package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"bestand/preservation"
)

// Job is a piece of work that was promised in the transaction that made it
// necessary. Of one kind and key there is at most one at a time.
type Job struct {
	ID      string
	Tenant  preservation.TenantID
	Kind    string
	Key     string // what it is about
	Payload json.RawMessage
	Attempt int       // counted from 1
	RunAt   time.Time // not before
	Error   string    // of the last attempt
	Created time.Time
	Dead    bool
	owner   string
}

// MaxAttempts is how often a job is tried before it becomes a dead letter that
// a person must look at. With the back-off of Fail that is about eight hours.
const MaxAttempts = 50

// Enqueue promises work. When a job of that kind and key is queued already,
// nothing changes; when one is running, it runs once more afterwards.
func (t *Tenant) Enqueue(ctx context.Context, j Job) error {
	return t.db.write(ctx, func(x *tx) error { return x.enqueue(t.id, j) })
}

func (x *tx) enqueue(tenant preservation.TenantID, j Job) error {
	now := ms(x.db.now())
	_, err := x.exec(`INSERT INTO job (id, tenant, kind, key, state, payload, run_at_ms, created_ms) VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7)
		ON CONFLICT (tenant, kind, key) WHERE state <> 'dead' DO UPDATE SET again = CASE WHEN job.state = 'running' THEN 1 ELSE 0 END,
		run_at_ms = CASE WHEN job.state = 'queued' AND excluded.run_at_ms < job.run_at_ms THEN excluded.run_at_ms ELSE job.run_at_ms END`,
		preservation.NewID(x.db.now()), string(tenant), j.Kind, j.Key, string(j.Payload), max(ms(j.RunAt), now), now)
	if err != nil {
		return fmt.Errorf("enqueue %s: %w", j.Kind, err)
	}
	x.wokeJobs = true
	return nil
}

const jobColumns = `id, tenant, kind, key, payload, attempt, run_at_ms, error, created_ms, state`

// Claim takes up to n jobs that are ready, of the given kinds, for an owner.
// They are the owner's until the lease ends; Heartbeat renews it. A job whose
// owner died is taken over when its lease has ended.
func (db *DB) Claim(ctx context.Context, owner string, kinds []string, n int, lease time.Duration) ([]Job, error) {
	now := db.now()
	args := []any{owner, ms(now.Add(lease)), ms(now), n}
	marks := make([]string, len(kinds))
	for i, k := range kinds {
		args = append(args, k)
		marks[i] = fmt.Sprintf("$%d", len(args))
	}
	lock := ""
	if db.dialect == postgres {
		lock = "FOR UPDATE SKIP LOCKED"
	}
	query := `WITH c AS (SELECT id FROM job WHERE kind IN (` + strings.Join(marks, ", ") + `)
			AND ((state = 'queued' AND run_at_ms <= $3) OR (state = 'running' AND lease_ms < $3))
			ORDER BY run_at_ms, id LIMIT $4 ` + lock + `)
		UPDATE job SET state = 'running', owner = $1, lease_ms = $2, attempt = attempt + 1
		WHERE id IN (SELECT id FROM c) RETURNING ` + jobColumns
	var jobs []Job
	err := db.write(ctx, func(x *tx) error {
		rows, err := x.QueryContext(x.ctx, query, args...)
		jobs, err = collect(rows, err, scanJob)
		return err
	})
	for i := range jobs {
		jobs[i].owner = owner
	}
	return jobs, err
}

// Ready returns how many jobs of the given kinds could be claimed now.
func (db *DB) anyReady(ctx context.Context, kinds []string) (bool, error) {
	args := []any{ms(db.now())}
	marks := make([]string, len(kinds))
	for i, k := range kinds {
		args = append(args, k)
		marks[i] = fmt.Sprintf("$%d", len(args))
	}
	var any bool
	err := db.reader.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM job WHERE kind IN (`+strings.Join(marks, ", ")+`)
		AND ((state = 'queued' AND run_at_ms <= $1) OR (state = 'running' AND lease_ms < $1)))`, args...).Scan(&any)
	return any, err
}

// Heartbeat renews the lease. ErrConflict says that the job is no longer the
// caller's: stop at once.
func (db *DB) Heartbeat(ctx context.Context, j Job, lease time.Duration) error {
	return db.owned(ctx, j, `UPDATE job SET lease_ms = $4 WHERE id = $1 AND owner = $2 AND attempt = $3 AND state = 'running'`, ms(db.now().Add(lease)))
}

// Finish ends a job that is done.
func (db *DB) Finish(ctx context.Context, j Job) error {
	return db.write(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE job SET state = 'queued', again = 0, attempt = 0, owner = '', error = '', run_at_ms = $4
			WHERE id = $1 AND owner = $2 AND attempt = $3 AND state = 'running' AND again = 1`, j.ID, j.owner, j.Attempt, ms(db.now()))
		if err != nil || n == 1 {
			x.wokeJobs = n == 1
			return err
		}
		n, err = x.exec(`DELETE FROM job WHERE id = $1 AND owner = $2 AND attempt = $3 AND state = 'running'`, j.ID, j.owner, j.Attempt)
		if err == nil && n == 0 {
			return fmt.Errorf("finish job %s: %w", j.ID, ErrConflict)
		}
		return err
	})
}

// Fail ends an attempt. The job is tried again after a growing pause, or
// becomes a dead letter after MaxAttempts or when final is set.
func (db *DB) Fail(ctx context.Context, j Job, cause error, final bool) error {
	if final || j.Attempt >= MaxAttempts {
		return db.owned(ctx, j, `UPDATE job SET state = 'dead', owner = '', error = $4 WHERE id = $1 AND owner = $2 AND attempt = $3 AND state = 'running'`, short(cause))
	}
	pause := min(time.Second<<min(j.Attempt-1, 10), 10*time.Minute)
	return db.owned(ctx, j, `UPDATE job SET state = 'queued', owner = '', error = $4, run_at_ms = $5 WHERE id = $1 AND owner = $2 AND attempt = $3 AND state = 'running'`,
		short(cause), ms(db.now().Add(pause)))
}

// Postpone gives a job back to run at a later time, without counting the attempt.
func (db *DB) Postpone(ctx context.Context, j Job, until time.Time, reason string) error {
	return db.owned(ctx, j, `UPDATE job SET state = 'queued', owner = '', attempt = attempt - 1, error = $4, run_at_ms = $5 WHERE id = $1 AND owner = $2 AND attempt = $3 AND state = 'running'`,
		reason, ms(until))
}

func (db *DB) owned(ctx context.Context, j Job, query string, args ...any) error {
	return db.write(ctx, func(x *tx) error {
		n, err := x.exec(query, append([]any{j.ID, j.owner, j.Attempt}, args...)...)
		if err == nil && n == 0 {
			return fmt.Errorf("job %s: %w", j.ID, ErrConflict)
		}
		return err
	})
}

// short bounds what an error may leave in the catalog.
func short(err error) string {
	s := err.Error()
	if len(s) > 2000 {
		s = strings.ToValidUTF8(s[:2000], "") + "…"
	}
	return s
}

// QueueState counts the jobs by kind and state, over all tenants.
type QueueState struct {
	Kind    string
	State   string
	Count   int64
	Overdue time.Duration // age of the oldest that could run
}

// Queue describes the queue.
func (db *DB) Queue(ctx context.Context) ([]QueueState, error) {
	now := ms(db.now())
	rows, err := db.reader.QueryContext(ctx, `SELECT kind, state, COUNT(*), MIN(run_at_ms) FROM job GROUP BY kind, state ORDER BY kind, state`)
	return collect(rows, err, func(row scanner) (q QueueState, err error) {
		var oldest int64
		err = row.Scan(&q.Kind, &q.State, &q.Count, &oldest)
		if q.State == "queued" && oldest < now {
			q.Overdue = time.Duration(now-oldest) * time.Millisecond
		}
		return q, err
	})
}

// JobOf returns the job of a kind and key, or ErrNotFound when there is none.
func (t *Tenant) JobOf(ctx context.Context, kind, key string) (Job, error) {
	j, err := scanJob(t.db.reader.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM job WHERE tenant = $1 AND kind = $2 AND key = $3 ORDER BY state DESC, id DESC LIMIT 1`, string(t.id), kind, key))
	return j, found(err, "job", kind+" "+key)
}

// DeadJobs lists the dead letters of the tenant, oldest first.
func (t *Tenant) DeadJobs(ctx context.Context, limit int) ([]Job, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+jobColumns+` FROM job WHERE tenant = $1 AND state = 'dead' ORDER BY id LIMIT $2`, string(t.id), limit)
	return collect(rows, err, scanJob)
}

func scanJob(row scanner) (j Job, err error) {
	var payload, state string
	var run, created int64
	err = row.Scan(&j.ID, &j.Tenant, &j.Kind, &j.Key, &payload, &j.Attempt, &run, &j.Error, &created, &state)
	if payload != "" {
		j.Payload = json.RawMessage(payload)
	}
	j.RunAt, j.Created, j.Dead = fromMS(run), fromMS(created), state == "dead"
	return j, err
}
