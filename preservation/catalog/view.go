package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"bestand/preservation"
)

// View reads a tenant's data, on its own (Tenant.View) or within a transaction
// (Tx.View), where it sees what the transaction has written.
type View struct {
	q interface {
		QueryContext(context.Context, string, ...any) (answer, error)
		QueryRowContext(context.Context, string, ...any) scanner
	}
	tenant preservation.TenantID
}

// View reads the committed state.
func (t *Tenant) View() View { return View{q: t.db.reader, tenant: t.id} }

// Tx is a write transaction of one tenant. It is valid within Tenant.Update only.
type Tx struct {
	tx     *tx
	tenant preservation.TenantID
	job    *Job // in whose attempt it is made, if in one
}

// Update runs fn in one transaction and returns when it is durable. On an error
// nothing of it remains. fn may run more than once, so it must change nothing
// but the catalog.
func (t *Tenant) Update(ctx context.Context, fn func(*Tx) error) error {
	return t.db.write(ctx, func(x *tx) error { return fn(&Tx{tx: x, tenant: t.id, job: t.job}) })
}

// View reads within the transaction.
func (x *Tx) View() View { return View{q: within{x.tx}, tenant: x.tenant} }

// within reads in a transaction that others may share: the context of one
// caller must not interrupt it.
type within struct{ x *tx }

func (w within) QueryContext(_ context.Context, query string, args ...any) (answer, error) {
	return w.x.query(query, args...)
}

func (w within) QueryRowContext(_ context.Context, query string, args ...any) scanner {
	return w.x.queryRow(query, args...)
}

// Audit appends an entry in the same transaction.
func (x *Tx) Audit(e AuditEntry) error { return x.tx.audit(x.tenant, e) }

// Enqueue promises work in the same transaction.
func (x *Tx) Enqueue(j Job) error { return x.tx.enqueue(x.tenant, j) }

// Hasten has the jobs of a kind that wait done now, but for those that are being tried
// again after a failure. One that runs may have looked before: it runs once more.
func (x *Tx) Hasten(kind string) error {
	now := ms(x.tx.db.now())
	_, err := x.tx.exec(`UPDATE job SET again = CASE WHEN state = 'running' THEN 1 ELSE again END, run_at_ms = CASE WHEN state = 'running' THEN run_at_ms ELSE $3 END
		WHERE tenant = $1 AND kind = $2 AND (state = 'running' OR state = 'queued' AND attempt = 0 AND run_at_ms > $3)`, string(x.tenant), kind, now)
	if err != nil {
		return fmt.Errorf("hasten %s: %w", kind, err)
	}
	x.tx.wokeJobs = append(x.tx.wokeJobs, kind)
	return nil
}

// AddEvents stores events of a record.
func (x *Tx) AddEvents(id preservation.RecordID, events ...preservation.Event) error {
	return x.tx.addEvents(x.tenant, "", id, events)
}

// AddObject notes an object of a record that was written to the bucket.
func (x *Tx) AddObject(id preservation.RecordID, o RecordObject) error {
	return x.tx.addObject(x.tenant, id, o)
}

// Changed tells the index that a record changed.
func (x *Tx) Changed(id preservation.RecordID) error { return x.tx.change(x.tenant, id) }

// Cursor returns how far a long piece of work of this name has come; empty at the start.
func (v View) Cursor(ctx context.Context, name string) (string, error) {
	var s string
	err := v.q.QueryRowContext(ctx, `SELECT value FROM cursor WHERE tenant = $1 AND name = $2`, string(v.tenant), name).Scan(&s)
	if err == sql.ErrNoRows {
		return "", nil
	}
	return s, err
}

// SetCursor notes how far a long piece of work has come.
func (x *Tx) SetCursor(name, value string) error {
	_, err := x.tx.exec(`INSERT INTO cursor (tenant, name, value) VALUES ($1, $2, $3) ON CONFLICT (tenant, name) DO UPDATE SET value = excluded.value`, string(x.tenant), name, value)
	return err
}

// Document is one version of something that is configured and never edited in
// place: classification, rules, permits, holds. Each version is also an object
// in the bucket.
type Document struct {
	Kind    string
	Name    string
	Version int    // counted from 1
	Key     string // of the object
	Body    json.RawMessage
	Actor   string
	At      int64 // milliseconds since 1970
}

// AddDocument stores the next version of a document and promises to write its
// object. ErrConflict when that version exists: somebody else was faster.
func (x *Tx) AddDocument(d Document) error {
	_, err := x.tx.exec(`INSERT INTO document (tenant, kind, name, version, key, body, actor, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		string(x.tenant), d.Kind, d.Name, d.Version, d.Key, string(d.Body), d.Actor, d.At)
	if unique(err) {
		return &DocumentConflict{Kind: d.Kind, Name: d.Name, Version: d.Version}
	}
	if err != nil {
		return err
	}
	return x.Enqueue(Job{Kind: "configure", Key: "store"})
}

// RestoreDocument adds a version that was read from the bucket. One that is
// already there stays as it is.
func (x *Tx) RestoreDocument(d Document) error {
	_, err := x.tx.exec(`INSERT INTO document (tenant, kind, name, version, key, body, actor, at_ms, stored) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)
		ON CONFLICT (tenant, kind, name, version) DO NOTHING`,
		string(x.tenant), d.Kind, d.Name, d.Version, d.Key, string(d.Body), d.Actor, d.At)
	return err
}

// ForgetDocument removes all versions of a document whose objects were purged.
func (x *Tx) ForgetDocument(kind, name string) error {
	_, err := x.tx.exec(`DELETE FROM document WHERE tenant = $1 AND kind = $2 AND name = $3`, string(x.tenant), kind, name)
	return err
}

const documentColumns = `kind, name, version, key, body, actor, at_ms`

func scanDocument(row scanner) (d Document, err error) {
	var body string
	err = row.Scan(&d.Kind, &d.Name, &d.Version, &d.Key, &body, &d.Actor, &d.At)
	d.Body = json.RawMessage(body)
	return d, err
}

// Document returns a version of a document, the newest for version 0.
func (v View) Document(ctx context.Context, kind, name string, version int) (Document, error) {
	d, err := scanDocument(v.q.QueryRowContext(ctx, `SELECT `+documentColumns+` FROM document
		WHERE tenant = $1 AND kind = $2 AND name = $3 AND (version = $4 OR $4 = 0) ORDER BY version DESC LIMIT 1`, string(v.tenant), kind, name, version))
	return d, found(err, kind, name)
}

// EachVersion calls fn with every version of a document, newest first.
func (v View) EachVersion(ctx context.Context, kind, name string, fn func(Document) error) error {
	rows, err := v.q.QueryContext(ctx, `SELECT `+documentColumns+` FROM document WHERE tenant = $1 AND kind = $2 AND name = $3 ORDER BY version DESC`, string(v.tenant), kind, name)
	_, err = collect(rows, err, func(row scanner) (_ struct{}, err error) {
		d, err := scanDocument(row)
		if err == nil {
			err = fn(d)
		}
		return struct{}{}, err
	})
	return err
}

// Documents returns the newest version of every document of a kind, by name.
func (v View) Documents(ctx context.Context, kind string) ([]Document, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT `+documentColumns+` FROM document d WHERE tenant = $1 AND kind = $2
		AND version = (SELECT MAX(version) FROM document m WHERE m.tenant = d.tenant AND m.kind = d.kind AND m.name = d.name) ORDER BY name`, string(v.tenant), kind)
	return collect(rows, err, scanDocument)
}

// UnstoredDocuments returns versions whose object is still to be written, oldest first.
func (v View) UnstoredDocuments(ctx context.Context, limit int) ([]Document, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT `+documentColumns+` FROM document WHERE tenant = $1 AND stored = 0 ORDER BY key LIMIT $2`, string(v.tenant), limit)
	return collect(rows, err, scanDocument)
}

// DocumentStored notes that the object of a version stands in the bucket.
func (x *Tx) DocumentStored(key string) error {
	_, err := x.tx.exec(`UPDATE document SET stored = 1 WHERE tenant = $1 AND key = $2 AND stored = 0`, string(x.tenant), key)
	return err
}

// DocumentConflict says that a version of a document was written by somebody
// else in the meantime. It is an ErrConflict.
type DocumentConflict struct {
	Kind, Name string
	Version    int
}

func (e *DocumentConflict) Error() string {
	return e.Kind + " " + e.Name + " was changed by somebody else: read it again"
}

// Unwrap makes it an ErrConflict.
func (e *DocumentConflict) Unwrap() error { return ErrConflict }
