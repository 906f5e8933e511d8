package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"reflect"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
)

// Evaluation is what package retention last found out about a record. The
// catalog stores and queries it and never computes it.
type Evaluation struct {
	State       string // active, closed, retention, due, held, unresolved, conflict, permanent
	Rule        string
	Trigger     string
	Disposition string // A, B or V; empty when unknown
	Start       preservation.Date
	End         preservation.Date // last day on which the record must be kept; zero when unknown
	Due         preservation.Date // first day on which it may be disposed of
	Next        preservation.Date // first day on which time alone changes the evaluation; zero: none does
	Body        json.RawMessage   // the whole evaluation
	Evaluated   time.Time
}

const evaluationColumns = `retention_state, retention_rule, retention_trigger, retention_disposition, retention_start, retention_end, retention_due, retention_next, retention, evaluated_ms`

type evaluationScan struct {
	e                           Evaluation
	start, end, due, next, body string
	at                          int64
}

func (s *evaluationScan) dest() []any {
	return []any{&s.e.State, &s.e.Rule, &s.e.Trigger, &s.e.Disposition, &s.start, &s.end, &s.due, &s.next, &s.body, &s.at}
}

func (s *evaluationScan) value() (Evaluation, error) {
	err := errors.Join(s.e.Start.UnmarshalText([]byte(s.start)), s.e.End.UnmarshalText([]byte(s.end)), s.e.Due.UnmarshalText([]byte(s.due)),
		s.e.Next.UnmarshalText([]byte(s.next)))
	s.e.Body, s.e.Evaluated = json.RawMessage(s.body), fromMS(s.at)
	return s.e, err
}

// Retention is what the rules look at: the facts of a record and its last evaluation.
type Retention struct {
	Record     preservation.RecordID
	Version    int
	Class      string
	Parent     preservation.RecordID
	Producer   string
	Submission preservation.SubmissionID
	Opened     preservation.Date
	Closed     preservation.Date
	Subjects   []preservation.Subject
	Received   time.Time
	Status     string // "live" or "releasing"
	Last       Evaluation
	LockMode   preservation.LockMode
	LockUntil  time.Time // what stands on all objects of the record
}

// RetentionFilter selects records by what matters to retention. Empty fields
// select everything.
type RetentionFilter struct {
	Status     string
	States     []string
	Classes    []string
	NotClasses []string
	IDs        []preservation.RecordID
	Parent     preservation.RecordID
	DueBy      preservation.Date // due on this day or before
	NextBy     preservation.Date // time alone changes their evaluation on this day or before
	LockBefore time.Time
	Stale      bool // touched since the last evaluation, or never evaluated
}

func (f RetentionFilter) where(tenant preservation.TenantID, after preservation.RecordID) conditions {
	q := conditions{cond: "tenant = $1 AND id > $2", args: []any{string(tenant), string(after)}}
	if f.Status != "" {
		q.and("status = %s", f.Status)
	}
	f.kinds(&q, "retention_state")
	if len(f.IDs) > 0 {
		in(&q, "id", f.IDs)
	}
	if f.Parent != "" {
		q.and("parent <> '' AND parent = %s", string(f.Parent))
	}
	if !f.DueBy.IsZero() {
		q.and("retention_due <> '' AND retention_due <= %s", f.DueBy.String())
	}
	if !f.NextBy.IsZero() {
		q.and("retention_next <> '' AND retention_next <= %s", f.NextBy.String())
	}
	if !f.LockBefore.IsZero() {
		q.and("lock_until_ms < %s", ms(f.LockBefore))
	}
	if f.Stale {
		q.and("stale = 1")
	}
	return q
}

// kinds adds the conditions on state and class.
func (f *RetentionFilter) kinds(q *conditions, state string) {
	if len(f.States) > 0 {
		in(q, state, f.States)
	}
	if len(f.Classes) > 0 {
		in(q, "class", f.Classes)
	}
	if len(f.NotClasses) > 0 {
		in(q, "NOT class", f.NotClasses)
	}
}

const retentionColumns = `id, version, class, parent, producer, submission, opened, closed, metadata, received_ms, status, lock_mode, lock_until_ms, ` + evaluationColumns

func scanRetention(row scanner) (r Retention, err error) {
	var opened, closed, metadata string
	var received, lock int64
	ev := evaluationScan{}
	err = row.Scan(append([]any{&r.Record, &r.Version, &r.Class, &r.Parent, &r.Producer, &r.Submission, &opened, &closed, &metadata, &received, &r.Status, &r.LockMode, &lock}, ev.dest()...)...)
	if err != nil {
		return r, err
	}
	m, err := fromJSON[preservation.Metadata](metadata)
	if err != nil {
		return r, err
	}
	r.Opened, r.Closed, r.Subjects = m.Opened, m.Closed, m.Subjects
	r.Received, r.LockUntil = fromMS(received), fromMS(lock)
	r.Last, err = ev.value()
	return r, err
}

// Retentions lists records in the order of their identifiers, after one of them.
func (v View) Retentions(ctx context.Context, f RetentionFilter, after preservation.RecordID, limit int) ([]Retention, error) {
	q := f.where(v.tenant, after)
	rows, err := v.q.QueryContext(ctx, `SELECT `+retentionColumns+` FROM record WHERE `+q.cond+` ORDER BY id LIMIT `+q.mark(limit), q.args...)
	return collect(rows, err, scanRetention)
}

// ClassPlace is where a list of the records of a class goes on.
type ClassPlace struct {
	archived int64
	id       preservation.RecordID
}

// The order is that of an index, so that no page costs more than its records.
const ofClass = `SELECT ` + retentionColumns + `, archived_ms FROM record WHERE tenant = $1 AND class = $2 AND (archived_ms, id) > ($3, $4) ORDER BY archived_ms, id LIMIT $5`

// OfClass lists the records of a class in the order in which they were archived, after a
// place, and says where it goes on. It costs what the class has.
func (v View) OfClass(ctx context.Context, class string, after ClassPlace, limit int) ([]Retention, ClassPlace, error) {
	rows, err := v.q.QueryContext(ctx, ofClass, string(v.tenant), class, after.archived, string(after.id), limit)
	all, err := collect(rows, err, func(row scanner) (Retention, error) {
		r, err := scanRetention(beside{row, &after.archived})
		after.id = r.Record
		return r, err
	})
	return all, after, err
}

// beside scans one column more than is asked for.
type beside struct {
	scanner
	last any
}

func (b beside) Scan(dest ...any) error { return b.scanner.Scan(append(dest, b.last)...) }

// Part is a record that belongs to another one.
type Part struct {
	Record preservation.RecordID
	Parent preservation.RecordID
	Class  string
}

// The order is that of an index, which is entered behind the part before.
const (
	partsOf    = `SELECT id, parent, class FROM record WHERE tenant = $1 AND parent <> '' AND parent = $2 AND id > $3 ORDER BY id LIMIT $4`
	partsOfAll = `SELECT id, parent, class FROM record WHERE tenant = $1 AND parent <> '' AND parent IN (%s) ORDER BY parent, id LIMIT $2`
)

// Within lists the parts of some records in the order of parents and parts, after one of
// them; the zero Part is before the first. It costs what it lists.
func (v View) Within(ctx context.Context, parents []preservation.RecordID, after Part, limit int) (parts []Part, err error) {
	list := func(query string, args ...any) error {
		rows, err := v.q.QueryContext(ctx, query, args...)
		more, err := collect(rows, err, func(row scanner) (p Part, err error) { return p, row.Scan(&p.Record, &p.Parent, &p.Class) })
		parts = append(parts, more...)
		return err
	}
	if after.Parent != "" {
		if err := list(partsOf, string(v.tenant), string(after.Parent), string(after.Record), limit); err != nil {
			return nil, err
		}
	}
	q := conditions{args: []any{string(v.tenant), limit - len(parts)}}
	var marks []string
	for _, p := range parents {
		if p > after.Parent {
			marks = append(marks, q.mark(string(p)))
		}
	}
	if len(parts) < limit && len(marks) > 0 {
		err = list(fmt.Sprintf(partsOfAll, strings.Join(marks, ", ")), q.args...)
	}
	return parts, err
}

// Retention returns one record, or ErrNotFound, also when it was destroyed.
func (v View) Retention(ctx context.Context, id preservation.RecordID) (Retention, error) {
	r, err := scanRetention(v.q.QueryRowContext(ctx, `SELECT `+retentionColumns+` FROM record WHERE tenant = $1 AND id = $2`, string(v.tenant), string(id)))
	return r, found(err, "record", string(id))
}

// CountRetentions counts what Retentions would list. By state and class alone it looks
// at no record but those that were never evaluated.
func (v View) CountRetentions(ctx context.Context, f RetentionFilter) (n int64, err error) {
	if reflect.DeepEqual(f, RetentionFilter{States: f.States, Classes: f.Classes, NotClasses: f.NotClasses}) && !slices.Contains(f.States, "") {
		q := conditions{cond: "tenant = $1", args: []any{string(v.tenant)}}
		f.kinds(&q, "state")
		err := v.q.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(records), 0) AS BIGINT) FROM retention_count WHERE `+q.cond, q.args...).Scan(&n)
		if err != nil || len(f.States) > 0 {
			return n, err
		}
		f.States = []string{""}
	}
	q := f.where(v.tenant, "")
	var scanned int64
	err = v.q.QueryRowContext(ctx, `SELECT COUNT(*) FROM record WHERE `+q.cond, q.args...).Scan(&scanned)
	return n + scanned, err
}

// ClassCounts says of each of the classes how many records are in it; those
// without any are left out.
func (v View) ClassCounts(ctx context.Context, classes []string) (map[string]int64, error) {
	counts := map[string]int64{}
	if len(classes) == 0 {
		return counts, nil
	}
	q := conditions{cond: "tenant = $1", args: []any{string(v.tenant)}}
	in(&q, "class", classes)
	rows, err := v.q.QueryContext(ctx, `SELECT class, COUNT(*) FROM record WHERE `+q.cond+` GROUP BY class`, q.args...)
	_, err = collect(rows, err, func(row scanner) (_ struct{}, err error) {
		var class string
		var n int64
		err = row.Scan(&class, &n)
		counts[class] = n
		return struct{}{}, err
	})
	return counts, err
}

// Trigger is an event that a retention rule may wait for.
type Trigger struct {
	ID     string
	Record preservation.RecordID
	Type   string
	Name   string
	Date   preservation.Date
	At     time.Time
	Actor  string
	Key    string // of its event object
}

// Triggers returns the triggers of the given records.
func (v View) Triggers(ctx context.Context, ids ...preservation.RecordID) (map[preservation.RecordID][]Trigger, error) {
	out := map[preservation.RecordID][]Trigger{}
	if len(ids) == 0 {
		return out, nil
	}
	q := conditions{cond: "tenant = $1", args: []any{string(v.tenant)}}
	in(&q, "record_id", ids)
	rows, err := v.q.QueryContext(ctx, `SELECT id, record_id, type, name, date, at_ms, actor, key FROM trigger_event WHERE `+q.cond+` ORDER BY id`, q.args...)
	list, err := collect(rows, err, func(row scanner) (g Trigger, err error) {
		var date string
		var at int64
		if err := row.Scan(&g.ID, &g.Record, &g.Type, &g.Name, &date, &at, &g.Actor, &g.Key); err != nil {
			return g, err
		}
		g.At = fromMS(at)
		return g, g.Date.UnmarshalText([]byte(date))
	})
	for _, g := range list {
		out[g.Record] = append(out[g.Record], g)
	}
	return out, err
}

// AddTrigger stores a trigger and marks its record stale. The same one again
// changes nothing.
func (x *Tx) AddTrigger(g Trigger) error {
	n, err := x.tx.exec(`INSERT INTO trigger_event (id, tenant, record_id, type, name, date, actor, key, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING`,
		g.ID, string(x.tenant), string(g.Record), g.Type, g.Name, g.Date.String(), g.Actor, g.Key, ms(g.At))
	if err != nil || n == 0 {
		return err
	}
	if _, err := x.tx.exec(`UPDATE record SET stale = 1 WHERE tenant = $1 AND id = $2`, string(x.tenant), string(g.Record)); err != nil {
		return err
	}
	return x.Enqueue(Job{Kind: "evaluate", Key: "stale"})
}

// SetEvaluation stores an evaluation. The index hears of it when something
// changed that it shows.
func (x *Tx) SetEvaluation(id preservation.RecordID, e Evaluation) error {
	var state, rule, end string
	err := x.tx.queryRow(`SELECT retention_state, retention_rule, retention_end FROM record WHERE tenant = $1 AND id = $2`, string(x.tenant), string(id)).Scan(&state, &rule, &end)
	if err != nil {
		return found(err, "record", string(id))
	}
	_, err = x.tx.exec(`UPDATE record SET retention_state = $3, retention_rule = $4, retention_trigger = $5, retention_disposition = $6, retention_start = $7,
		retention_end = $8, retention_due = $9, retention_next = $10, retention = $11, evaluated_ms = $12, stale = 0 WHERE tenant = $1 AND id = $2`,
		string(x.tenant), string(id), e.State, e.Rule, e.Trigger, e.Disposition, e.Start.String(), e.End.String(), e.Due.String(), e.Next.String(), string(e.Body), ms(e.Evaluated))
	if err != nil || (state == e.State && rule == e.Rule && end == e.End.String()) {
		return err
	}
	return x.tx.change(x.tenant, id)
}

// SetLock notes the lock that now stands on all objects of the record.
func (x *Tx) SetLock(id preservation.RecordID, l preservation.Lock) error {
	_, err := x.tx.exec(`UPDATE record SET lock_mode = $3, lock_until_ms = $4 WHERE tenant = $1 AND id = $2`, string(x.tenant), string(id), string(l.Mode), ms(l.Until))
	return err
}

// MarkStale has the records that match evaluated anew.
func (x *Tx) MarkStale(f RetentionFilter) error {
	q := f.where(x.tenant, "")
	n, err := x.tx.exec(`UPDATE record SET stale = 1 WHERE `+q.cond, q.args...)
	if err != nil || n == 0 {
		return err
	}
	return x.Enqueue(Job{Kind: "evaluate", Key: "stale"})
}

// RetentionLock is the name under which package retention decides about records,
// and under which a later version of a record is committed.
const RetentionLock = "retention"

// Lock excludes other transactions of the tenant that lock the same name until
// this one ends. SQLite has one writer and needs nothing.
func (x *Tx) Lock(name string) error { return x.tx.lock(x.tenant, name) }

func (x *tx) lock(tenant preservation.TenantID, name string) error {
	if x.db.dialect != postgres {
		return nil
	}
	h := fnv.New64a()
	h.Write([]byte(string(tenant) + "\x00" + name))
	_, err := x.exec(`SELECT pg_advisory_xact_lock($1)`, int64(h.Sum64()))
	return err
}

// Concerned is a record and the persons whom it names.
type Concerned struct {
	Record    preservation.RecordID
	Title     string
	Reference string
	Class     string
	Subjects  []preservation.Subject
}

// Persons lists records that name persons, in the order of identifiers after one.
func (v View) Persons(ctx context.Context, after preservation.RecordID, limit int) ([]Concerned, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT id, metadata FROM record WHERE tenant = $1 AND id > $2 AND metadata LIKE '%"subjects":[{%' ORDER BY id LIMIT $3`,
		string(v.tenant), string(after), limit)
	return collect(rows, err, func(row scanner) (c Concerned, err error) {
		var text string
		if err := row.Scan(&c.Record, &text); err != nil {
			return c, err
		}
		m, err := fromJSON[preservation.Metadata](text)
		c.Title, c.Reference, c.Class, c.Subjects = m.Title, m.Reference, m.Class, m.Subjects
		return c, err
	})
}
