package catalog

import (
	"context"
	"encoding/json"
	"fmt"
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
	Running bool

	owner    string
	failures int // in a row; interrupted attempts are none
}

// Failing reports whether the last attempt failed, or a part of the archive was away: RunAt
// is then the end of its pause, and Error says why.
func (j *Job) Failing() bool { return j.failures > 0 }

// Enqueue promises work. When a job of that kind and key waits already, it runs
// no later than asked for, unless it is being tried again after a failure: its
// pause remains. When one is running, it runs once more afterwards.
func (t *Tenant) Enqueue(ctx context.Context, j Job) error {
	return t.db.write(ctx, func(x *tx) error { return x.enqueue(t.id, j) })
}

func (x *tx) enqueue(tenant preservation.TenantID, j Job) error {
	now := ms(x.db.now())
	_, err := x.exec(`INSERT INTO job (id, tenant, kind, key, state, payload, run_at_ms, created_ms) VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7)
		ON CONFLICT (tenant, kind, key) WHERE state <> 'dead' DO UPDATE SET again = CASE WHEN job.state = 'running' THEN 1 ELSE 0 END,
		run_at_ms = CASE WHEN job.state = 'queued' AND job.attempt = 0 AND excluded.run_at_ms < job.run_at_ms THEN excluded.run_at_ms ELSE job.run_at_ms END`,
		preservation.NewID(x.db.now()), string(tenant), j.Kind, j.Key, string(j.Payload), max(ms(j.RunAt), now), now)
	if err != nil {
		return fmt.Errorf("enqueue %s: %w", j.Kind, err)
	}
	x.wokeJobs = append(x.wokeJobs, j.Kind)
	x.works(tenant)
	return nil
}

// DropJob takes a job back that waits. One that runs is left alone.
func (x *Tx) DropJob(kind, key string) error {
	_, err := x.tx.exec(`DELETE FROM job WHERE tenant = $1 AND kind = $2 AND key = $3 AND state = 'queued'`, string(x.tenant), kind, key)
	return err
}

const jobColumns = `id, tenant, kind, key, payload, attempt, failures, run_at_ms, error, created_ms, state`

func scanJob(row scanner) (j Job, err error) {
	var payload, state string
	var run, created int64
	err = row.Scan(&j.ID, &j.Tenant, &j.Kind, &j.Key, &payload, &j.Attempt, &j.failures, &run, &j.Error, &created, &state)
	if payload != "" {
		j.Payload = json.RawMessage(payload)
	}
	j.RunAt, j.Created, j.Dead, j.Running = fromMS(run), fromMS(created), state == "dead", state == "running"
	return j, err
}

// QueueState counts the jobs by kind and state.
type QueueState struct {
	Kind    string
	State   string
	Count   int64
	Held    int64         // of them, those whose last attempt failed or found a part of the archive away
	Overdue time.Duration // age of the oldest that could run
}

// Queue describes the queue of all tenants.
func (db *DB) Queue(ctx context.Context) ([]QueueState, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT `+queueColumns+` FROM job GROUP BY kind, state ORDER BY kind, state`)
	return collect(rows, err, scanQueue(ms(db.now())))
}

// Queue describes what of the queue is the tenant's.
func (t *Tenant) Queue(ctx context.Context) ([]QueueState, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+queueColumns+` FROM job WHERE tenant = $1 GROUP BY kind, state ORDER BY kind, state`, string(t.id))
	return collect(rows, err, scanQueue(ms(t.db.now())))
}

const queueColumns = `kind, state, COUNT(*), COUNT(CASE WHEN failures > 0 THEN 1 END), MIN(run_at_ms)`

func scanQueue(now int64) func(scanner) (QueueState, error) {
	return func(row scanner) (q QueueState, err error) {
		var oldest int64
		err = row.Scan(&q.Kind, &q.State, &q.Count, &q.Held, &oldest)
		if q.State == "queued" && oldest < now {
			q.Overdue = time.Duration(now-oldest) * time.Millisecond
		}
		return q, err
	}
}

// Away is what waits for a part of the archive that is away.
type Away struct {
	Jobs int64
	Why  string // as one of them met it
}

// Away tells for which parts of the archive jobs of any tenant wait.
func (db *DB) Away(ctx context.Context) (map[preservation.Part]Away, error) {
	return away(db.reader.QueryContext(ctx, `SELECT `+awayColumns+` GROUP BY SUBSTR(error, 1, 80)`))
}

// Away tells for which those of the tenant do.
func (t *Tenant) Away(ctx context.Context) (map[preservation.Part]Away, error) {
	return away(t.db.reader.QueryContext(ctx, `SELECT `+awayColumns+` AND tenant = $1 GROUP BY SUBSTR(error, 1, 80)`, string(t.id)))
}

// The rest of an error differs from job to job. One that is tried again waits still, until it
// has come through.
const awayColumns = `MAX(error), COUNT(*) FROM job WHERE state IN ('queued', 'running') AND failures > 0`

func away(rows answer, err error) (map[preservation.Part]Away, error) {
	all := map[preservation.Part]Away{}
	counts, err := collect(rows, err, func(row scanner) (a Away, err error) { return a, row.Scan(&a.Why, &a.Jobs) })
	for _, a := range counts {
		if p, ok := preservation.OutageOf(a.Why); ok {
			a.Jobs += all[p].Jobs
			all[p] = a
		}
	}
	return all, err
}

// JobOf returns the job of a kind and key, or ErrNotFound when there is none. A
// dead letter counts only when no job took its place.
func (t *Tenant) JobOf(ctx context.Context, kind, key string) (Job, error) {
	j, err := scanJob(t.db.reader.QueryRowContext(ctx, `SELECT `+jobColumns+` FROM job WHERE tenant = $1 AND kind = $2 AND key = $3
		ORDER BY CASE WHEN state = 'dead' THEN 1 ELSE 0 END, id DESC LIMIT 1`, string(t.id), kind, key))
	return j, found(err, "job", kind+" "+key)
}

// DeadJobs lists the dead letters of the tenant, oldest first.
func (t *Tenant) DeadJobs(ctx context.Context, limit int) ([]Job, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+jobColumns+` FROM job WHERE tenant = $1 AND state = 'dead' ORDER BY id LIMIT $2`, string(t.id), limit)
	return collect(rows, err, scanJob)
}

// RetryJob gives a dead letter another MaxAttempts. When a job of its kind and
// key waits already, that one does the work. ErrNotFound when there is no such
// dead letter.
func (t *Tenant) RetryJob(ctx context.Context, id, actor string) error {
	return t.db.write(ctx, func(x *tx) error {
		j, err := scanJob(x.queryRow(`SELECT `+jobColumns+` FROM job WHERE tenant = $1 AND id = $2 AND state = 'dead'`, string(t.id), id))
		if err != nil {
			return found(err, "dead job", id)
		}
		if _, err := x.exec(`DELETE FROM job WHERE id = $1`, id); err != nil {
			return err
		}
		if err := x.enqueue(t.id, Job{Kind: j.Kind, Key: j.Key, Payload: j.Payload}); err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: "job.retry", Object: j.Key, Detail: map[string]string{"kind": j.Kind}})
	})
}
