package catalog

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"bestand/preservation"
)

// CopyDue is a key that the second copy does not have as the bucket does.
type CopyDue struct {
	Key   string
	Turn  int64 // rises when it is asked for again
	Tries int
}

// NeedCopy notes that an object has to be brought to the second copy.
func (x *Tx) NeedCopy(key string) error {
	_, err := x.tx.exec(`INSERT INTO copy_due (tenant, key, since_ms) VALUES ($1, $2, $3)
		ON CONFLICT (tenant, key) DO UPDATE SET turn = copy_due.turn + 1, try_ms = 0`, string(x.tenant), key, ms(x.tx.db.now()))
	return err
}

// NeedCopies does that for objects of records that the second copy was never seen to
// have, after one of them, and returns the last; nothing behind the last page.
func (t *Tenant) NeedCopies(ctx context.Context, record preservation.RecordID, key string, limit int) (lastRecord preservation.RecordID, lastKey string, err error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT record_id, key FROM record_object WHERE tenant = $1 AND copied_ms = 0 AND (record_id, key) > ($2, $3)
		ORDER BY record_id, key LIMIT $4`, string(t.id), string(record), key, limit)
	type place struct {
		record preservation.RecordID
		key    string
	}
	list, err := collect(rows, err, func(row scanner) (p place, err error) { return p, row.Scan(&p.record, &p.key) })
	if err != nil || len(list) == 0 {
		return "", "", err
	}
	last := list[len(list)-1]
	return last.record, last.key, t.Update(ctx, func(x *Tx) error {
		for _, p := range list {
			if err := x.NeedCopy(p.key); err != nil {
				return err
			}
		}
		return nil
	})
}

// CopiesDue lists keys whose turn it is, those that wait longest first.
func (t *Tenant) CopiesDue(ctx context.Context, limit int) ([]CopyDue, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT key, turn, tries FROM copy_due WHERE tenant = $1 AND try_ms <= $2 ORDER BY try_ms, since_ms, key LIMIT $3`,
		string(t.id), ms(t.db.now()), limit)
	return collect(rows, err, func(row scanner) (d CopyDue, err error) { return d, row.Scan(&d.Key, &d.Turn, &d.Tries) })
}

// CopiesDueBelow returns the keys below a prefix, which ends in a slash, that the second
// copy does not have as the bucket does.
func (v View) CopiesDueBelow(ctx context.Context, prefix string) (map[string]bool, error) {
	end := prefix[:len(prefix)-1] + "0" // follows the slash
	rows, err := v.q.QueryContext(ctx, `SELECT key FROM copy_due WHERE tenant = $1 AND key >= $2 AND key < $3`, string(v.tenant), prefix, end)
	keys, err := collect(rows, err, func(row scanner) (key string, err error) { return key, row.Scan(&key) })
	due := make(map[string]bool, len(keys))
	for _, key := range keys {
		due[key] = true
	}
	return due, err
}

// CopyIsDue reports whether the second copy does not have an object as the bucket does.
func (v View) CopyIsDue(ctx context.Context, key string) (due bool, err error) {
	err = v.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM copy_due WHERE tenant = $1 AND key = $2)`, string(v.tenant), key).Scan(&due)
	return due, err
}

// Copied notes that the second copy has an object as the bucket does. What was asked
// for meanwhile stays due.
func (x *Tx) Copied(d CopyDue) error {
	_, err := x.tx.exec(`DELETE FROM copy_due WHERE tenant = $1 AND key = $2 AND turn = $3`, string(x.tenant), d.Key, d.Turn)
	return err
}

// CopyFailed puts an object off.
func (x *Tx) CopyFailed(d CopyDue, cause error, next time.Time) error {
	_, err := x.tx.exec(`UPDATE copy_due SET tries = tries + 1, try_ms = $4, error = $5 WHERE tenant = $1 AND key = $2 AND turn = $3`,
		string(x.tenant), d.Key, d.Turn, ms(next), short(cause))
	return err
}

// CopySeen notes that an object of a record was seen in the second copy with its
// digest. It reports whether that was not known.
func (x *Tx) CopySeen(id preservation.RecordID, key string) (bool, error) {
	now := ms(x.tx.db.now())
	n, err := x.tx.exec(`UPDATE record_object SET copied_ms = $4 WHERE tenant = $1 AND record_id = $2 AND key = $3 AND copied_ms = 0`, string(x.tenant), string(id), key, now)
	if err != nil || n == 0 {
		return false, err
	}
	_, err = x.tx.exec(`UPDATE record SET copy_checked_ms = $3 WHERE tenant = $1 AND id = $2 AND copy_checked_ms = 0`, string(x.tenant), string(id), now)
	return true, err
}

// ForgetCopies is for a second copy that is another one, or none any more.
func (x *Tx) ForgetCopies() error {
	for _, q := range []string{
		`UPDATE record_object SET copied_ms = 0 WHERE tenant = $1 AND copied_ms > 0`,
		`UPDATE record SET copy_checked_ms = 0 WHERE tenant = $1 AND copy_checked_ms > 0`,
		`DELETE FROM copy_due WHERE tenant = $1`,
	} {
		if _, err := x.tx.exec(q, string(x.tenant)); err != nil {
			return err
		}
	}
	return nil
}

// CopyLag is what the second copy lacks.
type CopyLag struct {
	Objects int64
	Since   time.Time // the oldest change that it lacks; zero when it lacks none
	Error   string    // why the last attempt at one failed
}

// CopyLag sums up what the second copy lacks.
func (v View) CopyLag(ctx context.Context) (l CopyLag, err error) {
	var since int64
	err = v.q.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MIN(since_ms), 0), COALESCE(MAX(error), '') FROM copy_due WHERE tenant = $1`, string(v.tenant)).
		Scan(&l.Objects, &since, &l.Error)
	l.Since = fromMS(since)
	return l, err
}

// LeastCopyChecked is LeastChecked for the second copy.
func (t *Tenant) LeastCopyChecked(ctx context.Context, before time.Time, limit int) ([]preservation.RecordID, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT id FROM record WHERE tenant = $1 AND copy_checked_ms > 0 AND copy_checked_ms < $2 ORDER BY copy_checked_ms, id LIMIT $3`,
		string(t.id), ms(before), limit)
	return collect(rows, err, func(row scanner) (id preservation.RecordID, err error) { return id, row.Scan(&id) })
}

// SetCopyChecked notes that the second copy of a record was read back at an instant.
func (x *Tx) SetCopyChecked(id preservation.RecordID, at time.Time) error {
	_, err := x.tx.exec(`UPDATE record SET copy_checked_ms = $3 WHERE tenant = $1 AND id = $2 AND copy_checked_ms > 0`, string(x.tenant), string(id), ms(at))
	return err
}

// Copies counts the verified copies of a record: 2 when the second copy has every
// object of it and neither is known to be damaged, one less while the bucket was not
// read back. Checked is when the second copy was last read back, else zero.
func (v View) Copies(ctx context.Context, id preservation.RecordID) (n int, checked time.Time, err error) {
	var at, read, single int64
	err = v.q.QueryRowContext(ctx, `SELECT copy_checked_ms, CASE WHEN checked_ms > 0 THEN 1 ELSE 0 END, (SELECT COUNT(*) FROM record_object WHERE tenant = $1 AND record_id = $2 AND copied_ms = 0)
		+ (SELECT COUNT(*) FROM finding WHERE tenant = $1 AND record_id = $2)
		FROM record WHERE tenant = $1 AND id = $2`, string(v.tenant), string(id)).Scan(&at, &read, &single)
	if err != nil {
		return 0, time.Time{}, found(err, "record", string(id))
	}
	if at == 0 || single > 0 {
		return int(read), time.Time{}, nil
	}
	return int(read) + 1, fromMS(at), nil
}

// Object returns what the catalog knows of an object of a record; ErrNotFound when
// it knows none of that key.
func (t *Tenant) Object(ctx context.Context, id preservation.RecordID, key string) (RecordObject, error) {
	o, err := scanObject(t.db.reader.QueryRowContext(ctx, `SELECT `+objectColumns+` FROM record_object WHERE tenant = $1 AND record_id = $2 AND key = $3`,
		string(t.id), string(id), key))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return o, err
}

// Replaced notes the version under which an object was written again with the bytes
// that it had.
func (x *Tx) Replaced(id preservation.RecordID, key string, o preservation.Object) error {
	_, err := x.tx.exec(`UPDATE record_object SET version_id = $4, stored_ms = $5 WHERE tenant = $1 AND record_id = $2 AND key = $3`,
		string(x.tenant), string(id), key, o.VersionID, ms(o.Modified))
	return err
}
