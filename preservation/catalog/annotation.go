package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"bestand/preservation"
)

// Annotation is what a person added to a record after its package was made. It
// stands in an event object of the record; the package stays as it is.
type Annotation struct {
	ID     string
	Record preservation.RecordID
	Kind   string
	Body   json.RawMessage
	Actor  string
	Key    string // of its event object
	At     time.Time
}

// Reclassification is the kind of annotations whose body names another class of
// the record in the member "class". The last one counts, whatever a later package
// says: what it says was true when it was submitted.
const Reclassification = "reclassification"

// AddAnnotation stores an annotation. The same one again changes nothing;
// ErrNotFound when there is no such record.
func (x *Tx) AddAnnotation(a Annotation) error {
	n, err := x.tx.exec(`INSERT INTO annotation (id, tenant, record_id, kind, body, actor, key, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`,
		a.ID, string(x.tenant), string(a.Record), a.Kind, string(a.Body), a.Actor, a.Key, ms(a.At))
	if err != nil || n == 0 {
		return err
	}
	if a.Kind == Reclassification {
		if err := x.reclassify(a.Record); err != nil {
			return err
		}
	}
	return x.Changed(a.Record)
}

// reclassify gives a record the class of its last reclassification and has it
// evaluated anew.
func (x *Tx) reclassify(id preservation.RecordID) error {
	class, err := x.tx.reclassified(x.tenant, id)
	if err != nil {
		return err
	}
	var text string
	if err := x.tx.queryRow(`SELECT metadata FROM record WHERE tenant = $1 AND id = $2`, string(x.tenant), string(id)).Scan(&text); err != nil {
		return found(err, "record", string(id))
	}
	m, err := fromJSON[preservation.Metadata](text)
	if err != nil {
		return err
	}
	m.Class = class
	if _, err := x.tx.exec(`UPDATE record SET class = $3, metadata = $4, changed_ms = $5, stale = 1 WHERE tenant = $1 AND id = $2`,
		string(x.tenant), string(id), class, toJSON(m), ms(x.tx.db.now())); err != nil {
		return err
	}
	return x.Enqueue(Job{Kind: "evaluate", Key: "stale"})
}

// reclassified returns the class that a record was last given, empty when it has
// that of its package.
func (x *tx) reclassified(tenant preservation.TenantID, id preservation.RecordID) (string, error) {
	rows, err := x.query(`SELECT body FROM annotation WHERE tenant = $1 AND record_id = $2 AND kind = $3 ORDER BY at_ms DESC, id DESC LIMIT 1`,
		string(tenant), string(id), Reclassification)
	bodies, err := collect(rows, err, func(row scanner) (s string, err error) { return s, row.Scan(&s) })
	if err != nil || len(bodies) == 0 {
		return "", err
	}
	var body struct {
		Class string `json:"class"`
	}
	if err := json.Unmarshal([]byte(bodies[0]), &body); err != nil {
		return "", fmt.Errorf("reclassification of record %s: %w", id, err)
	}
	return body.Class, nil
}

// Annotations lists those of a record, of one kind or of all, oldest first.
func (v View) Annotations(ctx context.Context, id preservation.RecordID, kind string) ([]Annotation, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT id, record_id, kind, body, actor, key, at_ms FROM annotation
		WHERE tenant = $1 AND record_id = $2 AND (kind = $3 OR $3 = '') ORDER BY at_ms, id`, string(v.tenant), string(id), kind)
	return collect(rows, err, scanAnnotation)
}

// AnnotationsOf lists those of one kind of some records, oldest first.
func (v View) AnnotationsOf(ctx context.Context, kind string, ids ...preservation.RecordID) ([]Annotation, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	q := conditions{cond: "tenant = $1 AND kind = $2", args: []any{string(v.tenant), kind}}
	in(&q, "record_id", ids)
	rows, err := v.q.QueryContext(ctx, `SELECT id, record_id, kind, body, actor, key, at_ms FROM annotation WHERE `+q.cond+` ORDER BY at_ms, id`, q.args...)
	return collect(rows, err, scanAnnotation)
}

// Annotated lists the annotations of one kind of all records, oldest first.
func (v View) Annotated(ctx context.Context, kind string) ([]Annotation, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT id, record_id, kind, body, actor, key, at_ms FROM annotation WHERE tenant = $1 AND kind = $2 ORDER BY at_ms, id`,
		string(v.tenant), kind)
	return collect(rows, err, scanAnnotation)
}

func scanAnnotation(row scanner) (a Annotation, err error) {
	var body string
	var at int64
	err = row.Scan(&a.ID, &a.Record, &a.Kind, &body, &a.Actor, &a.Key, &at)
	a.Body, a.At = json.RawMessage(body), fromMS(at)
	return a, err
}

// TakenOver reports whether an archive has taken a record over, of which the copy
// here was kept.
func (v View) TakenOver(ctx context.Context, id preservation.RecordID) (bool, error) {
	var n int
	err := v.q.QueryRowContext(ctx, `SELECT COUNT(*) FROM run_item WHERE tenant = $1 AND record_id = $2 AND state = 'transferred'`, string(v.tenant), string(id)).Scan(&n)
	return n > 0, err
}
