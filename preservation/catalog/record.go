package catalog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"bestand/preservation"
)

// RecordObject is an object in the bucket that belongs to a record.
type RecordObject struct {
	Key       string
	Kind      string // "package" or "event"
	Version   int    // of the record
	VersionID string
	Size      int64
	SHA256    string
	Stored    time.Time
}

// Entry is a record as the catalog knows it: its newest version and its state.
type Entry struct {
	preservation.Record
	Archived  time.Time
	Changed   time.Time
	Status    string // "live", or "releasing" once its destruction has begun
	Retention Evaluation
	Lock      preservation.Lock
	Evidence  string // "pending" until an evidence batch covers it
}

// Commit is what the pipeline knows of a version once its package is stored,
// read back and locked.
type Commit struct {
	Record  preservation.Record
	Events  []preservation.Event
	Package RecordObject
	Pos     map[preservation.FileID]int64 // offset of each file's bytes within the package
	Lock    preservation.Lock
}

// CommitRecord adds a record, or a new version of one, with its files, its
// events, its change-feed entry and the promise to evaluate its retention. The
// same version again changes nothing. ErrDestroyed when the record has a
// tombstone.
func (t *Tenant) CommitRecord(ctx context.Context, c Commit) error {
	r := c.Record
	return t.db.write(ctx, func(x *tx) error {
		var have int
		if err := x.queryRow(`SELECT COUNT(*) FROM tombstone WHERE tenant = $1 AND record_id = $2`, string(t.id), string(r.ID)).Scan(&have); err != nil {
			return err
		} else if have > 0 {
			return fmt.Errorf("record %s: %w", r.ID, ErrDestroyed)
		}
		now := ms(t.db.now())
		n, err := x.exec(`INSERT INTO record (id, tenant, version, submission, producer, producer_record_id, kind, class, title, reference, reference_key,
				creator, opened, closed, confidentiality, personal_data, parent, metadata, formats, received_ms, archived_ms, changed_ms, lock_mode, lock_until_ms)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)
			ON CONFLICT (id) DO UPDATE SET version = excluded.version, kind = excluded.kind, class = excluded.class, title = excluded.title,
				reference = excluded.reference, reference_key = excluded.reference_key, creator = excluded.creator, opened = excluded.opened,
				closed = excluded.closed, confidentiality = excluded.confidentiality, personal_data = excluded.personal_data, parent = excluded.parent,
				metadata = excluded.metadata, formats = excluded.formats, changed_ms = excluded.changed_ms, stale = 1
			WHERE record.tenant = excluded.tenant AND record.version < excluded.version`,
			string(r.ID), string(t.id), r.Version, string(r.Submission), r.Producer, r.ProducerRecordID, r.Kind, r.Class, r.Title, r.Reference, ReferenceKey(r.Reference),
			r.Creator, r.Opened.String(), r.Closed.String(), r.Confidentiality, bit(r.PersonalData), string(r.Parent), toJSON(r.Metadata), formats(r.Files),
			ms(r.Received), ms(c.Package.Stored), now, string(c.Lock.Mode), ms(c.Lock.Until))
		if err != nil || n == 0 {
			return err
		}
		if err := x.setFiles(t.id, r, c.Pos); err != nil {
			return err
		}
		if err := x.addEvents(t.id, "", r.ID, c.Events); err != nil {
			return err
		}
		if err := x.addObject(t.id, r.ID, c.Package); err != nil {
			return err
		}
		if err := x.enqueue(t.id, Job{Kind: "evaluate", Key: "stale"}); err != nil {
			return err
		}
		return x.change(t.id, r.ID)
	})
}

// setFiles makes the files of a version those of the record. The bytes of a file
// that an earlier version holds stay where they are.
func (x *tx) setFiles(tenant preservation.TenantID, r preservation.Record, pos map[preservation.FileID]int64) error {
	keep := map[preservation.FileID]bool{}
	for _, f := range r.Files {
		keep[f.ID] = true
		version := f.HeldIn
		if version == 0 {
			version = r.Version
		}
		if _, err := x.exec(`INSERT INTO file (tenant, record_id, id, version, representation, name, title, document, size, sha256, sha512, format, derived_from, path, pos, verdict, flavour)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
			ON CONFLICT (record_id, id) DO UPDATE SET title = excluded.title, document = excluded.document, format = excluded.format, verdict = excluded.verdict, flavour = excluded.flavour`,
			string(tenant), string(r.ID), string(f.ID), version, string(f.Representation), []byte(f.Name), f.Title, f.Document, f.Size, f.SHA256, f.SHA512,
			toJSON(f.Format), string(f.DerivedFrom), f.Path, pos[f.ID], f.Verdict, f.Flavour); err != nil {
			return err
		}
	}
	if r.Version == 1 {
		return nil
	}
	rows, err := x.QueryContext(x.ctx, `SELECT id FROM file WHERE record_id = $1`, string(r.ID))
	ids, err := collect(rows, err, func(row scanner) (id preservation.FileID, err error) { return id, row.Scan(&id) })
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !keep[id] {
			if _, err := x.exec(`DELETE FROM file WHERE record_id = $1 AND id = $2`, string(r.ID), string(id)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *tx) addObject(tenant preservation.TenantID, id preservation.RecordID, o RecordObject) error {
	_, err := x.exec(`INSERT INTO record_object (tenant, record_id, key, kind, version, version_id, size, sha256, stored_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant, record_id, key) DO NOTHING`,
		string(tenant), string(id), o.Key, o.Kind, o.Version, o.VersionID, o.Size, o.SHA256, ms(o.Stored))
	return err
}

// AddObject notes an object of a record that was written to the bucket.
func (t *Tenant) AddObject(ctx context.Context, id preservation.RecordID, o RecordObject) error {
	return t.db.write(ctx, func(x *tx) error { return x.addObject(t.id, id, o) })
}

// Objects lists the objects of a record, packages first, each kind in order of keys.
func (t *Tenant) Objects(ctx context.Context, id preservation.RecordID) ([]RecordObject, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT key, kind, version, version_id, size, sha256, stored_ms FROM record_object
		WHERE tenant = $1 AND record_id = $2 ORDER BY kind DESC, key`, string(t.id), string(id))
	return collect(rows, err, func(row scanner) (o RecordObject, err error) {
		var stored int64
		err = row.Scan(&o.Key, &o.Kind, &o.Version, &o.VersionID, &o.Size, &o.SHA256, &stored)
		o.Stored = fromMS(stored)
		return o, err
	})
}

// formats is the list of format identifiers of the originals and renditions,
// each between spaces so that one can be looked for.
func formats(files []preservation.File) string {
	seen, out := map[string]bool{}, " "
	for _, f := range files {
		if p := f.Format.PUID; p != "" && !seen[p] {
			seen[p] = true
			out += p + " "
		}
	}
	return out
}

// ReferenceKey folds a reference number for comparison: compatibility form,
// lower case, without white space.
func ReferenceKey(s string) string {
	return strings.Join(strings.Fields(strings.ToLower(norm.NFKC.String(s))), "")
}

const entryColumns = `id, version, submission, metadata, received_ms, archived_ms, changed_ms, status, evidence, lock_mode, lock_until_ms, ` + evaluationColumns

// Record returns a record with its files. ErrDestroyed when only its tombstone
// is left, ErrNotFound when the tenant never had it.
func (t *Tenant) Record(ctx context.Context, id preservation.RecordID) (Entry, error) {
	e, err := t.scanEntry(t.db.reader.QueryRowContext(ctx, `SELECT `+entryColumns+` FROM record WHERE tenant = $1 AND id = $2`, string(t.id), string(id)))
	if err = found(err, "record", string(id)); errors.Is(err, ErrNotFound) {
		if _, terr := t.Tombstone(ctx, id); terr == nil {
			return e, fmt.Errorf("record %s: %w", id, ErrDestroyed)
		}
	}
	if err != nil {
		return e, err
	}
	e.Files, err = t.files(ctx, id)
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
	var name []byte
	var format string
	dest := []any{&f.ID, &f.Representation, &name, &f.Title, &f.Document, &f.Size, &f.SHA256, &f.SHA512, &format, &f.DerivedFrom, &f.Path, &f.Verdict, &f.Flavour}
	if err = row.Scan(append(dest, more...)...); err != nil {
		return f, err
	}
	f.Name = string(name)
	f.Format, err = fromJSON[preservation.Format](format)
	return f, err
}

func (t *Tenant) files(ctx context.Context, id preservation.RecordID) ([]preservation.File, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+fileColumns+` FROM file WHERE tenant = $1 AND record_id = $2 ORDER BY length(id), id`, string(t.id), string(id))
	return collect(rows, err, func(row scanner) (preservation.File, error) { return scanFile(row) })
}

// Location is where the bytes of a file stand in the bucket.
type Location struct {
	Key       string // of the package
	VersionID string
	Pos       int64 // offset of the first byte
	Size      int64
}

// File returns one file of a record and where its bytes are. Errors as for Record.
func (t *Tenant) File(ctx context.Context, id preservation.RecordID, file preservation.FileID) (preservation.File, Location, error) {
	var l Location
	f, err := scanFile(t.db.reader.QueryRowContext(ctx, `SELECT f.id, f.representation, f.name, f.title, f.document, f.size, f.sha256, f.sha512, f.format, f.derived_from, f.path, f.verdict, f.flavour,
			o.key, o.version_id, f.pos
		FROM file f JOIN record_object o ON o.tenant = f.tenant AND o.record_id = f.record_id AND o.version = f.version AND o.kind = 'package'
		WHERE f.tenant = $1 AND f.record_id = $2 AND f.id = $3`, string(t.id), string(id), string(file)), &l.Key, &l.VersionID, &l.Pos)
	if err = found(err, "file", string(file)); errors.Is(err, ErrNotFound) {
		if _, rerr := t.Record(ctx, id); rerr != nil {
			return f, l, rerr
		}
	}
	l.Size = f.Size
	return f, l, err
}

// RecordFilter selects records. Empty fields select everything.
type RecordFilter struct {
	Class     string // the class or any below it: "63" selects "63.10"
	Producer  string
	Reference string            // compared by ReferenceKey
	From, To  preservation.Date // of closure, both included
	State     string            // of retention
	Format    string            // PUID
	Kind      string
	Parent    preservation.RecordID
	Status    string
}

// where writes the filter as SQL conditions and their arguments, the tenant first.
func (f RecordFilter) where(tenant preservation.TenantID) (string, []any) {
	args := []any{string(tenant)}
	cond := "tenant = $1"
	add := func(format string, values ...any) {
		var marks []any
		for _, v := range values {
			args = append(args, v)
			marks = append(marks, fmt.Sprintf("$%d", len(args)))
		}
		cond += " AND " + fmt.Sprintf(format, marks...)
	}
	if f.Class != "" {
		// Main groups are subdivided by further digits and then by points: 6, 63, 63.10.
		if below := f.Class + "."; strings.Contains(f.Class, ".") {
			add("(class = %s OR (class >= %s AND class < %s))", f.Class, below, f.Class+"/")
		} else {
			add("class >= %s AND class < %s", f.Class, f.Class+"\U0010ffff")
		}
	}
	if f.Producer != "" {
		add("producer = %s", f.Producer)
	}
	if f.Reference != "" {
		add("reference_key = %s", ReferenceKey(f.Reference))
	}
	if !f.From.IsZero() {
		add("closed >= %s", f.From.String())
	}
	if !f.To.IsZero() {
		add("closed <> '' AND closed <= %s", f.To.String())
	}
	if f.State != "" {
		add("retention_state = %s", f.State)
	}
	if f.Format != "" {
		add("formats LIKE %s ESCAPE '!'", "% "+strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(f.Format)+" %")
	}
	if f.Kind != "" {
		add("kind = %s", f.Kind)
	}
	if f.Parent != "" {
		add("parent = %s", string(f.Parent))
	}
	if f.Status != "" {
		add("status = %s", f.Status)
	}
	return cond, args
}

// recordSorts are the orders that a list can have: column and direction.
var recordSorts = map[string][2]string{
	"":           {"archived_ms", "DESC"},
	"-archived":  {"archived_ms", "DESC"},
	"archived":   {"archived_ms", "ASC"},
	"-closed":    {"closed", "DESC"},
	"closed":     {"closed", "ASC"},
	"reference":  {"reference_key", "ASC"},
	"-reference": {"reference_key", "DESC"},
}

// Records lists the records that match a filter in one of the orders archived,
// closed and reference, descending with a leading "-". The cursor is empty at
// the start and again behind the last page. Files are not filled in.
func (t *Tenant) Records(ctx context.Context, f RecordFilter, sort, after string, limit int) ([]Entry, string, error) {
	order, ok := recordSorts[sort]
	if !ok {
		return nil, "", fmt.Errorf("sort %q: want archived, closed or reference, with - in front for descending: %w", sort, ErrSort)
	}
	column, direction := order[0], order[1]
	cond, args := f.where(t.id)
	if after != "" {
		c, err := decodeCursor(after)
		if err != nil {
			return nil, "", err
		}
		op := ">"
		if direction == "DESC" {
			op = "<"
		}
		var value any = c.Text
		if column == "archived_ms" {
			value = c.Number
		}
		args = append(args, value, c.ID)
		cond += fmt.Sprintf(" AND (%s, id) %s ($%d, $%d)", column, op, len(args)-1, len(args))
	}
	args = append(args, limit+1)
	rows, err := t.db.reader.QueryContext(ctx, fmt.Sprintf(`SELECT %s FROM record WHERE %s ORDER BY %s %s, id %s LIMIT $%d`,
		entryColumns, cond, column, direction, direction, len(args)), args...)
	list, err := collect(rows, err, t.scanEntry)
	if err != nil || len(list) <= limit {
		return list, "", err
	}
	list = list[:limit]
	last := list[limit-1]
	c := cursor{ID: string(last.ID)}
	switch column {
	case "archived_ms":
		c.Number = ms(last.Archived)
	case "closed":
		c.Text = last.Closed.String()
	default:
		c.Text = ReferenceKey(last.Reference)
	}
	return list, c.encode(), nil
}

// CountRecords counts the records that match a filter.
func (t *Tenant) CountRecords(ctx context.Context, f RecordFilter) (n int64, err error) {
	cond, args := f.where(t.id)
	err = t.db.reader.QueryRowContext(ctx, `SELECT COUNT(*) FROM record WHERE `+cond, args...).Scan(&n)
	return n, err
}

// EntriesByID returns those of the given records that exist, in the order
// asked for, with their files.
func (t *Tenant) EntriesByID(ctx context.Context, ids []preservation.RecordID) ([]Entry, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	args := []any{string(t.id)}
	marks := make([]string, len(ids))
	for i, id := range ids {
		args = append(args, string(id))
		marks[i] = fmt.Sprintf("$%d", i+2)
	}
	in := `(` + strings.Join(marks, ", ") + `)`
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+entryColumns+` FROM record WHERE tenant = $1 AND id IN `+in, args...)
	list, err := collect(rows, err, t.scanEntry)
	if err != nil {
		return nil, err
	}
	type owned struct {
		record preservation.RecordID
		file   preservation.File
	}
	rows, err = t.db.reader.QueryContext(ctx, `SELECT `+fileColumns+`, record_id FROM file WHERE tenant = $1 AND record_id IN `+in+` ORDER BY length(id), id`, args...)
	files, err := collect(rows, err, func(row scanner) (o owned, err error) {
		o.file, err = scanFile(row, &o.record)
		return o, err
	})
	if err != nil {
		return nil, err
	}
	byID := map[preservation.RecordID]*Entry{}
	for i := range list {
		byID[list[i].ID] = &list[i]
	}
	for _, o := range files {
		if e := byID[o.record]; e != nil {
			e.Files = append(e.Files, o.file)
		}
	}
	out := make([]Entry, 0, len(list))
	for _, id := range ids {
		if e := byID[id]; e != nil {
			out = append(out, *e)
		}
	}
	return out, nil
}
