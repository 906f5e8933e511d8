package catalog

import (
	"context"
	"errors"
	"fmt"

	"bestand/preservation"
)

const entryColumns = `id, version, submission, metadata, received_ms, archived_ms, changed_ms, status, evidence, lock_mode, lock_until_ms, ` + evaluationColumns

// Record returns a record with its files. ErrDestroyed when only its tombstone
// is left, ErrNotFound when the tenant never had it.
func (t *Tenant) Record(ctx context.Context, id preservation.RecordID) (Entry, error) {
	e, err := t.Head(ctx, id)
	if err != nil {
		return e, err
	}
	e.Files, err = t.files(ctx, id)
	return e, err
}

// Head returns a record without its files, of which there may be very many. Errors
// as for Record.
func (t *Tenant) Head(ctx context.Context, id preservation.RecordID) (Entry, error) {
	e, err := t.scanEntry(t.db.reader.QueryRowContext(ctx, `SELECT `+entryColumns+` FROM record WHERE tenant = $1 AND id = $2`, string(t.id), string(id)))
	if err = found(err, "record", string(id)); errors.Is(err, ErrNotFound) {
		if _, terr := t.Tombstone(ctx, id); terr == nil {
			return e, fmt.Errorf("record %s: %w", id, ErrDestroyed)
		}
	}
	return e, err
}

func (t *Tenant) scanEntry(row scanner) (e Entry, err error) {
	var metadata string
	var received, archived, changed, lock int64
	ev := evaluationScan{}
	err = row.Scan(append([]any{&e.ID, &e.Version, &e.Submission, &metadata, &received, &archived, &changed, &e.Status, &e.Evidence, &e.Lock.Mode, &lock}, ev.dest()...)...)
	if err != nil {
		return e, err
	}
	e.Tenant = t.id
	e.Received, e.Archived, e.Changed, e.Lock.Until = fromMS(received), fromMS(archived), fromMS(changed), fromMS(lock)
	if e.Metadata, err = fromJSON[preservation.Metadata](metadata); err != nil {
		return e, err
	}
	e.Retention, err = ev.value()
	return e, err
}

const fileColumns = `id, representation, name, title, document, size, sha256, sha512, format, derived_from, path, verdict, flavour`

func scanFile(row scanner, more ...any) (f preservation.File, err error) {
	return formatsOnce{}.scanFile(row, more...)
}

// formatsOnce keeps by its column what a format is: there may be very many files,
// and they are of few.
type formatsOnce map[string]preservation.Format

func (known formatsOnce) scanFile(row scanner, more ...any) (f preservation.File, err error) {
	var name []byte
	var format string
	dest := []any{&f.ID, &f.Representation, &name, &f.Title, &f.Document, &f.Size, &f.SHA256, &f.SHA512, &format, &f.DerivedFrom, &f.Path, &f.Verdict, &f.Flavour}
	if err = row.Scan(append(dest, more...)...); err != nil {
		return f, err
	}
	f.Name = string(name)
	var ok bool
	if f.Format, ok = known[format]; !ok {
		if f.Format, err = fromJSON[preservation.Format](format); err == nil {
			known[format] = f.Format
		}
	}
	return f, err
}

func (t *Tenant) files(ctx context.Context, id preservation.RecordID) ([]preservation.File, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+fileColumns+` FROM file WHERE tenant = $1 AND record_id = $2 ORDER BY length(id), id`, string(t.id), string(id))
	known := formatsOnce{}
	return collect(rows, err, func(row scanner) (preservation.File, error) { return known.scanFile(row) })
}

// Location is where the bytes of a file stand in the bucket.
type Location struct {
	Key       string // of the package
	VersionID string
	Pos       int64 // offset of the first byte
	Size      int64
}

// EachFile calls do for each file of a record, in no order, with its place: one
// without a key where that is not known. do must not ask the catalog.
func (t *Tenant) EachFile(ctx context.Context, id preservation.RecordID, do func(preservation.File, Location)) error {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT f.id, f.representation, f.name, f.title, f.document, f.size, f.sha256, f.sha512, f.format, f.derived_from, f.path, f.verdict, f.flavour,
			f.pos, coalesce(o.key, ''), coalesce(o.version_id, '')
		FROM file f LEFT JOIN record_object o ON o.tenant = f.tenant AND o.record_id = f.record_id AND o.version = f.version AND o.kind = 'package'
		WHERE f.tenant = $1 AND f.record_id = $2`, string(t.id), string(id))
	known := formatsOnce{}
	_, err = collect(rows, err, func(row scanner) (none struct{}, err error) {
		var at Location
		f, err := known.scanFile(row, &at.Pos, &at.Key, &at.VersionID)
		if err != nil {
			return none, err
		}
		if at.Size = f.Size; at.Pos < 0 {
			at = Location{}
		}
		do(f, at)
		return none, nil
	})
	return err
}

// File returns one file of a record and where its bytes are. Errors as for Record.
func (t *Tenant) File(ctx context.Context, id preservation.RecordID, file preservation.FileID) (preservation.File, Location, error) {
	var l Location
	f, err := scanFile(t.db.reader.QueryRowContext(ctx, `SELECT f.id, f.representation, f.name, f.title, f.document, f.size, f.sha256, f.sha512, f.format, f.derived_from, f.path, f.verdict, f.flavour,
			o.key, o.version_id, f.pos
		FROM file f JOIN record_object o ON o.tenant = f.tenant AND o.record_id = f.record_id AND o.version = f.version AND o.kind = 'package'
		WHERE f.tenant = $1 AND f.record_id = $2 AND f.id = $3`, string(t.id), string(id), string(file)), &l.Key, &l.VersionID, &l.Pos)
	if err = found(err, "file", string(file)); errors.Is(err, ErrNotFound) {
		if _, rerr := t.Head(ctx, id); rerr != nil {
			return f, l, rerr
		}
	}
	l.Size = f.Size
	if err == nil && l.Pos < 0 {
		err = fmt.Errorf("place of file %s of record %s: %w", file, id, ErrNotFound)
	}
	return f, l, err
}

// Titles are those of the given records, as far as there are such.
func (t *Tenant) Titles(ctx context.Context, ids []preservation.RecordID) (map[preservation.RecordID]string, error) {
	all := map[preservation.RecordID]string{}
	if len(ids) == 0 {
		return all, nil
	}
	q := conditions{cond: "tenant = $1", args: []any{string(t.id)}}
	in(&q, "id", ids)
	rows, err := t.db.reader.QueryContext(ctx, `SELECT id, metadata FROM record WHERE `+q.cond, q.args...)
	_, err = collect(rows, err, func(row scanner) (m struct{ Title string }, err error) {
		var id preservation.RecordID
		var metadata string
		if err = row.Scan(&id, &metadata); err == nil {
			m, err = fromJSON[struct{ Title string }](metadata)
		}
		all[id] = m.Title
		return m, err
	})
	return all, err
}

// EntriesByID returns those of the given records that exist, in the order
// asked for, with their files.
func (t *Tenant) EntriesByID(ctx context.Context, ids []preservation.RecordID) ([]Entry, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	q := conditions{cond: "tenant = $1", args: []any{string(t.id)}}
	in(&q, "id", ids)
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+entryColumns+` FROM record WHERE `+q.cond, q.args...)
	list, err := collect(rows, err, t.scanEntry)
	if err != nil {
		return nil, err
	}
	byID := map[preservation.RecordID]*Entry{}
	for i := range list {
		byID[list[i].ID] = &list[i]
	}
	q = conditions{cond: "tenant = $1", args: []any{string(t.id)}}
	in(&q, "record_id", ids)
	rows, err = t.db.reader.QueryContext(ctx, `SELECT `+fileColumns+`, record_id FROM file WHERE `+q.cond+` ORDER BY length(id), id`, q.args...)
	known := formatsOnce{}
	if _, err := collect(rows, err, func(row scanner) (_ struct{}, err error) {
		var record preservation.RecordID
		f, err := known.scanFile(row, &record)
		if e := byID[record]; e != nil && err == nil {
			e.Files = append(e.Files, f)
		}
		return struct{}{}, err
	}); err != nil {
		return nil, err
	}
	out := make([]Entry, 0, len(list))
	for _, id := range ids {
		if e := byID[id]; e != nil {
			out = append(out, *e)
		}
	}
	return out, nil
}
