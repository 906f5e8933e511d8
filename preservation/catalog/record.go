package catalog

import (
	"cmp"
	"context"
	"database/sql"
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
	SHA256    string // empty only during a rebuild, of a package whose receipt is still to come
	Stored    time.Time
	Copied    time.Time // when the second copy was seen to have it; zero: not yet
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
	Unread  bool // the contents of the package were not read back: the record is the next to be checked
}

// CommitRecord adds a record, or a new version of one, with its files, its
// events, its change-feed entry and the promise to evaluate its retention. A
// version that is known already stays as it is. ErrDestroyed when the record has
// a tombstone, ErrConflict when its bytes are being purged.
func (t *Tenant) CommitRecord(ctx context.Context, c Commit) error {
	return t.CommitRecords(ctx, c)
}

// CommitRecords is CommitRecord for many in one transaction: all of them or none.
func (t *Tenant) CommitRecords(ctx context.Context, commits ...Commit) error {
	return t.db.write(ctx, func(x *tx) error {
		stale := false
		for _, c := range commits {
			added, err := x.commitRecord(t.id, c)
			if err != nil {
				return err
			}
			stale = stale || added
		}
		if !stale {
			return nil
		}
		return x.enqueue(t.id, Job{Kind: "evaluate", Key: "stale"})
	})
}

// commitRecord reports whether the version was not known yet.
func (x *tx) commitRecord(tenant preservation.TenantID, c Commit) (bool, error) {
	r := c.Record
	if r.Version > 1 {
		// Nobody may evaluate or claim the record by what it was before.
		if err := (&Tx{tx: x, tenant: tenant}).Lock(RetentionLock); err != nil {
			return false, err
		}
	}
	if err := x.unburied(tenant, r.ID); err != nil {
		return false, err // before anything of it is written, even if only to be undone
	}
	if r.Version > 1 {
		class, err := x.reclassified(tenant, r.ID)
		if err != nil {
			return false, err
		}
		r.Class = cmp.Or(class, r.Class)
	}
	now := ms(x.db.now())
	checked := ms(c.Package.Stored) // storing reads it back
	if c.Unread {
		checked = 0
	}
	// The lock of a record is the earliest of those on its objects.
	added, err := x.exec(`INSERT INTO record (id, tenant, version, submission, producer, producer_record_id, kind, class, title, reference, reference_key,
			creator, opened, closed, confidentiality, personal_data, parent, metadata, formats, received_ms, archived_ms, changed_ms, lock_mode, lock_until_ms, checked_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)
		ON CONFLICT (id) DO UPDATE SET version = excluded.version, submission = excluded.submission, kind = excluded.kind, class = excluded.class,
			title = excluded.title, reference = excluded.reference, reference_key = excluded.reference_key, creator = excluded.creator,
			opened = excluded.opened, closed = excluded.closed, confidentiality = excluded.confidentiality, personal_data = excluded.personal_data,
			parent = excluded.parent, metadata = excluded.metadata, formats = excluded.formats, received_ms = excluded.received_ms,
			changed_ms = excluded.changed_ms, stale = 1, evidence = 'pending', checked_ms = CASE WHEN excluded.checked_ms = 0 THEN 0 ELSE record.checked_ms END,
			lock_until_ms = CASE WHEN excluded.lock_until_ms < record.lock_until_ms THEN excluded.lock_until_ms ELSE record.lock_until_ms END
		WHERE record.tenant = excluded.tenant AND record.version < excluded.version
			AND NOT EXISTS (SELECT 1 FROM disposal WHERE disposal.record_id = record.id AND disposal.phase <> 'intended')`,
		string(r.ID), string(tenant), r.Version, string(r.Submission), r.Producer, r.ProducerRecordID, r.Kind, r.Class, r.Title, r.Reference, ReferenceKey(r.Reference),
		r.Creator, r.Opened.String(), r.Closed.String(), r.Confidentiality, bit(r.PersonalData), string(r.Parent), toJSON(r.Metadata), formats(r.Files),
		ms(r.Received), ms(c.Package.Stored), now, string(c.Lock.Mode), ms(c.Lock.Until), checked)
	if err != nil {
		return false, err
	}
	if x.db.dialect == postgres { // a destruction that was under way has ended by now
		if err := x.unburied(tenant, r.ID); err != nil {
			return false, err
		}
	}
	if added == 0 {
		return false, x.commitKnown(tenant, c)
	}
	if err := x.setFiles(tenant, r, c.Pos); err != nil {
		return false, err
	}
	if err := x.setFormats(tenant, r); err != nil {
		return false, err
	}
	if err := x.addPackage(tenant, c); err != nil {
		return false, err
	}
	return true, x.change(tenant, r.ID)
}

// unburied refuses a record that has a tombstone.
func (x *tx) unburied(tenant preservation.TenantID, id preservation.RecordID) error {
	var n int
	err := x.queryRow(`SELECT COUNT(*) FROM tombstone WHERE tenant = $1 AND record_id = $2`, string(tenant), string(id)).Scan(&n)
	if err == nil && n > 0 {
		err = fmt.Errorf("record %s: %w", id, ErrDestroyed)
	}
	return err
}

// commitKnown adds what may be missing of a version that is known or not the newest, as
// when a rebuild could not read it at first.
func (x *tx) commitKnown(tenant preservation.TenantID, c Commit) error {
	var version int
	err := x.queryRow(`SELECT version FROM record WHERE tenant = $1 AND id = $2`, string(tenant), string(c.Record.ID)).Scan(&version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if version < c.Record.Version {
		return fmt.Errorf("record %s: %w", c.Record.ID, ErrConflict) // being purged, or of another tenant
	}
	if c.Unread {
		if _, err := x.exec(`UPDATE record SET checked_ms = 0 WHERE tenant = $1 AND id = $2`, string(tenant), string(c.Record.ID)); err != nil {
			return err
		}
	}
	for id, pos := range c.Pos {
		if _, err := x.exec(`UPDATE file SET pos = $4 WHERE record_id = $1 AND id = $2 AND version = $3 AND pos < 0`,
			string(c.Record.ID), string(id), c.Record.Version, pos); err != nil {
			return err
		}
	}
	return x.addPackage(tenant, c)
}

func (x *tx) addPackage(tenant preservation.TenantID, c Commit) error {
	if err := x.addEvents(tenant, c.Record.Submission, c.Record.ID, c.Events); err != nil {
		return err
	}
	return x.addObject(tenant, c.Record.ID, c.Package)
}

// setFiles makes the files of a version those of the record. The bytes of a file
// that an earlier version holds stay where they are.
func (x *tx) setFiles(tenant preservation.TenantID, r preservation.Record, pos map[preservation.FileID]int64) error {
	keep := map[preservation.FileID]bool{}
	for _, f := range r.Files {
		keep[f.ID] = true
		version, at := r.Version, pos[f.ID]
		if f.HeldIn != 0 {
			version, at = f.HeldIn, -1 // not known, unless the row says so
		}
		if _, err := x.exec(`INSERT INTO file (tenant, record_id, id, version, representation, name, title, document, size, sha256, sha512, format, derived_from, path, pos, verdict, flavour)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
			ON CONFLICT (record_id, id) DO UPDATE SET version = excluded.version, representation = excluded.representation, name = excluded.name,
				title = excluded.title, document = excluded.document, size = excluded.size, sha256 = excluded.sha256, sha512 = excluded.sha512,
				format = excluded.format, derived_from = excluded.derived_from, path = excluded.path, verdict = excluded.verdict, flavour = excluded.flavour,
				pos = CASE WHEN file.version = excluded.version THEN file.pos ELSE excluded.pos END`,
			string(tenant), string(r.ID), string(f.ID), version, string(f.Representation), []byte(f.Name), f.Title, f.Document, f.Size, f.SHA256, f.SHA512,
			toJSON(f.Format), string(f.DerivedFrom), f.Path, at, f.Verdict, f.Flavour); err != nil {
			return err
		}
	}
	if r.Version == 1 {
		return nil
	}
	rows, err := x.query(`SELECT id FROM file WHERE record_id = $1`, string(r.ID))
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
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (tenant, record_id, key) DO UPDATE SET sha256 = excluded.sha256 WHERE record_object.sha256 = '' AND excluded.sha256 <> ''`,
		string(tenant), string(id), o.Key, o.Kind, o.Version, o.VersionID, o.Size, o.SHA256, ms(o.Stored))
	return err
}

// AddObject notes an object of a record that was written to the bucket.
func (t *Tenant) AddObject(ctx context.Context, id preservation.RecordID, o RecordObject) error {
	return t.db.write(ctx, func(x *tx) error { return x.addObject(t.id, id, o) })
}

// Objects lists the objects of a record, packages first, each kind in order of keys.
func (t *Tenant) Objects(ctx context.Context, id preservation.RecordID) ([]RecordObject, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+objectColumns+` FROM record_object
		WHERE tenant = $1 AND record_id = $2 ORDER BY kind DESC, key`, string(t.id), string(id))
	return collect(rows, err, scanObject)
}

const objectColumns = `key, kind, version, version_id, size, sha256, stored_ms, copied_ms`

func scanObject(row scanner) (o RecordObject, err error) {
	var stored, copied int64
	err = row.Scan(&o.Key, &o.Kind, &o.Version, &o.VersionID, &o.Size, &o.SHA256, &stored, &copied)
	o.Stored, o.Copied = fromMS(stored), fromMS(copied)
	return o, err
}

// setFormats has the record found by the formats of its files and no others.
func (x *tx) setFormats(tenant preservation.TenantID, r preservation.Record) error {
	if r.Version > 1 {
		if _, err := x.exec(`DELETE FROM record_format WHERE record_id = $1`, string(r.ID)); err != nil {
			return err
		}
	}
	for _, f := range strings.Fields(formats(r.Files)) {
		if _, err := x.exec(`INSERT INTO record_format (tenant, record_id, format) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			string(tenant), string(r.ID), f); err != nil {
			return err
		}
	}
	return nil
}

// formats is the list of format identifiers of the originals and renditions,
// each between spaces so that one can be looked for.
func formats(files []preservation.File) string {
	seen, out := map[string]bool{}, " "
	for _, f := range files {
		if p := strings.ToLower(f.Format.PUID); p != "" && !seen[p] {
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
