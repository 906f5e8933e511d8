package catalog

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/timestamp"
)

// Stamp is a hash tree with one time-stamp over its root: an evidence batch, or a
// renewal (RFC 4998, 4 and 5). It is filled, becomes full, and is stamped; from
// then on it never changes, but that a later one may cover its token.
type Stamp struct {
	ID      string
	Kind    StampKind
	Digest  string // algorithm of the tree, such as "SHA-256"
	State   StampState
	Leaves  int
	Nodes   []byte // the digests of one level of the tree, so that a path needs a part of the leaves only
	Token   []byte // DER; empty until stamped, and in lists
	Imprint []byte // the digest of the token, which a renewal stamps
	Covered string // the stamp that covers this one's token; empty: none does
	Opened  time.Time
	Since   time.Time             // of a hash-tree renewal: tokens up to this time are in the chains that it covers
	Stamped time.Time             // of the token
	Expires time.Time             // when the first certificate in the token ends
	Rests   []timestamp.Algorithm // on what the token rests
}

// StampKind is what the leaves of a stamp are.
type StampKind string

const (
	StampRecords StampKind = "records" // versions of records and segments of the audit log, for the first time
	StampTokens  StampKind = "tokens"  // tokens of earlier stamps: time-stamp renewal
	StampRenewed StampKind = "renewed" // the same with all chains before: hash-tree renewal
)

// StampState is how far a stamp has come.
type StampState string

const (
	StampFilling StampState = "filling" // leaves are added
	StampFull    StampState = "full"    // none is added any more; a token is wanted
	StampDone    StampState = "stamped"
)

// StampLeaf is a leaf of a stamp.
type StampLeaf struct {
	Subject string // a record, the key of a segment of the audit log, or the stamp whose token it is
	Version int    // of the record; 0 for the others
	Digest  []byte
	Before  string // of a hash-tree renewal: the stamp that holds the version until now
}

// StampPlace is where a version of a record stands in a stamp.
type StampPlace struct {
	Stamp  string
	Pos    int
	Digest []byte
}

const stampColumns = `id, kind, digest, state, leaves, nodes, imprint, covered_by, algorithms, opened_ms, since_ms, stamped_ms, expires_ms`

func scanStamp(row scanner) (s Stamp, err error) {
	var rests string
	var opened, since, stamped, expires int64
	err = row.Scan(&s.ID, &s.Kind, &s.Digest, &s.State, &s.Leaves, &s.Nodes, &s.Imprint, &s.Covered, &rests, &opened, &since, &stamped, &expires)
	if err == nil && rests != "" {
		s.Rests, err = fromJSON[[]timestamp.Algorithm](rests)
	}
	s.Opened, s.Since, s.Stamped, s.Expires = fromMS(opened), fromMS(since), fromMS(stamped), fromMS(expires)
	return s, err
}

// Stamp returns one stamp with its token.
func (v View) Stamp(ctx context.Context, id string) (Stamp, error) {
	s, err := scanStamp(v.q.QueryRowContext(ctx, `SELECT `+stampColumns+` FROM stamp WHERE tenant = $1 AND id = $2`, string(v.tenant), id))
	if err == nil && s.State == StampDone {
		err = v.q.QueryRowContext(ctx, `SELECT token FROM stamp_token WHERE tenant = $1 AND stamp = $2`, string(v.tenant), id).Scan(&s.Token)
	}
	return s, found(err, "stamp", id)
}

// OpenStamps lists those that are not stamped yet, in the order of their names.
func (v View) OpenStamps(ctx context.Context) ([]Stamp, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT `+stampColumns+` FROM stamp WHERE tenant = $1 AND state <> 'stamped' ORDER BY id`, string(v.tenant))
	return collect(rows, err, scanStamp)
}

// DoneStamps lists the stamps that have a token in the order of their names, with no
// more than name, kind and when they were opened: there are thousands a year.
func (v View) DoneStamps(ctx context.Context) ([]Stamp, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT id, kind, opened_ms FROM stamp WHERE tenant = $1 AND state = 'stamped' ORDER BY id`, string(v.tenant))
	return collect(rows, err, func(row scanner) (s Stamp, err error) {
		var opened int64
		err = row.Scan(&s.ID, &s.Kind, &opened)
		s.Opened = fromMS(opened)
		return s, err
	})
}

// NewestStamp returns the stamp with the latest token, without it: what the
// authority gives now. ErrNotFound when there is none.
func (v View) NewestStamp(ctx context.Context) (Stamp, error) {
	s, err := scanStamp(v.q.QueryRowContext(ctx, `SELECT `+stampColumns+` FROM stamp WHERE tenant = $1 AND state = 'stamped' ORDER BY stamped_ms DESC, id DESC LIMIT 1`, string(v.tenant)))
	return s, found(err, "stamp", "")
}

// Unmarked lists the stamps of records that have a token and are not known as
// marked: SetStamped has not seen all of their leaves.
func (v View) Unmarked(ctx context.Context) ([]Stamp, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT `+stampColumns+` FROM stamp
		WHERE tenant = $1 AND state = 'stamped' AND kind = 'records' AND marked = 0 ORDER BY id`, string(v.tenant))
	return collect(rows, err, scanStamp)
}

// LastStamped is the time in the newest token, zero when there is none: the next
// one has to be later.
func (v View) LastStamped(ctx context.Context) (time.Time, error) {
	var at int64
	err := v.q.QueryRowContext(ctx, lastStamped, string(v.tenant)).Scan(&at)
	return fromMS(at), err
}

// Questions that must not look at everything.
const (
	unstamped = `SELECT record_id, key, kind, version, version_id, size, sha256, stored_ms FROM record_object
		WHERE tenant = $1 AND kind = 'package' AND stamp = '' AND (record_id, version) > ($2, $3) ORDER BY record_id, version LIMIT $4`
	lastStamped = `SELECT COALESCE(MAX(stamped_ms), 0) FROM stamp WHERE tenant = $1`
	bareTokens  = `SELECT digest, algorithms, COALESCE(MIN(NULLIF(expires_ms, 0)), 0), COUNT(*) FROM stamp
		WHERE tenant = $1 AND state = 'stamped' AND covered_by = '' GROUP BY digest, algorithms ORDER BY digest, algorithms`
)

// Unstamped lists versions of records that no stamp holds, in the order of
// records behind a place, with their packages.
func (v View) Unstamped(ctx context.Context, after preservation.RecordID, version, limit int) ([]StampPackage, error) {
	rows, err := v.q.QueryContext(ctx, unstamped, string(v.tenant), string(after), version, limit)
	return collect(rows, err, func(row scanner) (p StampPackage, err error) {
		var stored int64
		err = row.Scan(&p.Record, &p.Key, &p.Kind, &p.Version, &p.VersionID, &p.Size, &p.SHA256, &stored)
		p.Stored = fromMS(stored)
		return p, err
	})
}

// StampQueue is what of a tenant waits.
type StampQueue struct {
	Waiting int64     // versions of records that no token covers yet
	Oldest  time.Time // when the first of them was stored, or its stamp opened
}

// StampQueue says what waits for a time-stamp.
func (v View) StampQueue(ctx context.Context) (q StampQueue, err error) {
	var oldest int64
	err = v.q.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MIN(stored_ms), 0) FROM record_object WHERE tenant = $1 AND kind = 'package' AND stamp = ''`,
		string(v.tenant)).Scan(&q.Waiting, &oldest)
	q.Oldest = fromMS(oldest)
	if err != nil {
		return q, err
	}
	var open, opened int64
	err = v.q.QueryRowContext(ctx, `SELECT COUNT(*), COALESCE(MIN(s.opened_ms), 0) FROM stamp s JOIN stamp_leaf l ON l.tenant = s.tenant AND l.stamp = s.id AND l.version > 0
		WHERE s.tenant = $1 AND s.state <> 'stamped' AND s.kind = 'records'`, string(v.tenant)).Scan(&open, &opened)
	if q.Waiting += open; open > 0 && (q.Oldest.IsZero() || fromMS(opened).Before(q.Oldest)) {
		q.Oldest = fromMS(opened)
	}
	return q, err
}

// StampPackage is the package of a version of a record that wants a stamp.
type StampPackage struct {
	Record preservation.RecordID
	RecordObject
}

// StampLeaves returns the leaves of a stamp from one position to before another.
func (v View) StampLeaves(ctx context.Context, id string, from, to int) ([]StampLeaf, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT subject, version, digest FROM stamp_leaf WHERE tenant = $1 AND stamp = $2 AND pos >= $3 AND pos < $4 ORDER BY pos`,
		string(v.tenant), id, from, to)
	return collect(rows, err, func(row scanner) (l StampLeaf, err error) { return l, row.Scan(&l.Subject, &l.Version, &l.Digest) })
}

// StampPlaces lists where a version of a record stands, in the order of the
// stamps' names: that of its batch, and one for each hash-tree renewal. With version 0 it is where
// the token of the stamp that subject names stands.
func (v View) StampPlaces(ctx context.Context, subject string, version int) ([]StampPlace, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT stamp, pos, digest FROM stamp_leaf WHERE tenant = $1 AND subject = $2 AND version = $3 ORDER BY stamp`,
		string(v.tenant), subject, version)
	return collect(rows, err, func(row scanner) (p StampPlace, err error) { return p, row.Scan(&p.Stamp, &p.Pos, &p.Digest) })
}

// Stamped says since when a version of a record is proved, and under which digest
// algorithm its newest hash tree is. ErrNotFound while no stamp covers it.
func (v View) Stamped(ctx context.Context, id preservation.RecordID, version int) (since time.Time, digest string, err error) {
	rows, err := v.q.QueryContext(ctx, `SELECT s.stamped_ms, s.digest FROM stamp_leaf l JOIN stamp s ON s.tenant = l.tenant AND s.id = l.stamp
		WHERE l.tenant = $1 AND l.subject = $2 AND l.version = $3 AND s.state = 'stamped' ORDER BY s.stamped_ms DESC`, string(v.tenant), string(id), version)
	all, err := collect(rows, err, func(row scanner) (s Stamp, err error) {
		var at int64
		err = row.Scan(&at, &s.Digest)
		s.Stamped = fromMS(at)
		return s, err
	})
	if err != nil || len(all) == 0 {
		return since, "", errors.Join(err, ErrNotFound)
	}
	return all[len(all)-1].Stamped, all[0].Digest, nil
}

// StampedLeaves returns the leaf of each version of a record in the first stamp
// that holds it, in hex.
func (v View) StampedLeaves(ctx context.Context, id preservation.RecordID) ([]string, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT version, digest FROM stamp_leaf WHERE tenant = $1 AND subject = $2 AND version > 0 ORDER BY version, stamp`, string(v.tenant), string(id))
	last := 0
	all, err := collect(rows, err, func(row scanner) (leaf string, err error) {
		var version int
		var digest []byte
		if err = row.Scan(&version, &digest); err == nil && version != last {
			last, leaf = version, hex.EncodeToString(digest)
		}
		return leaf, err
	})
	return slices.DeleteFunc(all, func(leaf string) bool { return leaf == "" }), err
}

// Bare is what the tokens have in common that no other one covers.
type Bare struct {
	Digest  string // algorithm of their trees
	Rests   []timestamp.Algorithm
	Expires time.Time // when the first certificate among them ends; zero: not known
	Stamps  int
}

// Bare says of all tokens that none covers on what they rest.
func (v View) Bare(ctx context.Context) ([]Bare, error) {
	rows, err := v.q.QueryContext(ctx, bareTokens, string(v.tenant))
	return collect(rows, err, func(row scanner) (b Bare, err error) {
		var rests string
		var expires int64
		if err = row.Scan(&b.Digest, &rests, &expires, &b.Stamps); err == nil {
			b.Rests, err = fromJSON[[]timestamp.Algorithm](rests)
		}
		b.Expires = fromMS(expires)
		return b, err
	})
}

// OpenStamp adds an empty stamp, one after the other.
func (x *Tx) OpenStamp(s Stamp) error {
	if _, err := x.tx.exec(`UPDATE tenant SET name = name WHERE id = $1`, string(x.tenant)); err != nil {
		return err
	}
	_, err := x.tx.exec(`INSERT INTO stamp (tenant, id, kind, digest, state, nodes, imprint, opened_ms, since_ms) VALUES ($1, $2, $3, $4, 'filling', $5, $5, $6, $7)`,
		string(x.tenant), s.ID, string(s.Kind), s.Digest, []byte{}, ms(s.Opened), ms(s.Since))
	return err
}

// take holds the row of a stamp that is filling until the transaction ends.
// ErrConflict when it is full by now, or gone: somebody else went on with it.
func (x *Tx) take(id string) error {
	n, err := x.tx.exec(`UPDATE stamp SET leaves = leaves WHERE tenant = $1 AND id = $2 AND state = 'filling'`, string(x.tenant), id)
	if err == nil && n == 0 {
		err = fmt.Errorf("stamp %s: %w", id, ErrConflict)
	}
	return err
}

// AddLeaves adds leaves to a stamp that is filling, behind the last one, and
// otherwise returns ErrConflict. A version that went to another stamp or was
// destroyed meanwhile is left out.
func (x *Tx) AddLeaves(s Stamp, leaves []StampLeaf) error {
	if err := x.take(s.ID); err != nil {
		return err
	}
	var pos int
	if err := x.tx.queryRow(`SELECT COALESCE(MAX(pos) + 1, 0) FROM stamp_leaf WHERE tenant = $1 AND stamp = $2`, string(x.tenant), s.ID).Scan(&pos); err != nil {
		return err
	}
	for _, l := range leaves {
		if s.Kind != StampTokens {
			if held, err := x.hold(s.ID, l); err != nil {
				return err
			} else if !held {
				continue
			}
		}
		if _, err := x.tx.exec(`INSERT INTO stamp_leaf (tenant, stamp, pos, subject, version, digest) VALUES ($1, $2, $3, $4, $5, $6)`,
			string(x.tenant), s.ID, pos, l.Subject, l.Version, l.Digest); err != nil {
			return err
		}
		pos++
	}
	return nil
}

// AddBare makes all tokens of trees of one digest algorithm that none covers the
// leaves of a stamp.
func (x *Tx) AddBare(s Stamp) error {
	if err := x.take(s.ID); err != nil {
		return err
	}
	_, err := x.tx.exec(`INSERT INTO stamp_leaf (tenant, stamp, pos, subject, version, digest)
		SELECT tenant, CAST($2 AS TEXT), ROW_NUMBER() OVER (ORDER BY id) - 1, id, 0, imprint FROM stamp
		WHERE tenant = $1 AND state = 'stamped' AND covered_by = '' AND digest = $3`, string(x.tenant), s.ID, s.Digest)
	return err
}

// FillStamp ends the filling of a stamp; one without leaves is taken away again.
func (x *Tx) FillStamp(id string) error {
	if err := x.take(id); errors.Is(err, ErrConflict) {
		return nil
	} else if err != nil {
		return err
	}
	if _, err := x.tx.exec(`DELETE FROM stamp WHERE tenant = $1 AND id = $2 AND state = 'filling'
		AND NOT EXISTS (SELECT 1 FROM stamp_leaf WHERE stamp_leaf.tenant = $1 AND stamp_leaf.stamp = $2)`, string(x.tenant), id); err != nil {
		return err
	}
	_, err := x.tx.exec(`UPDATE stamp SET state = 'full', leaves = (SELECT COUNT(*) FROM stamp_leaf WHERE stamp_leaf.tenant = $1 AND stamp_leaf.stamp = $2)
		WHERE tenant = $1 AND id = $2 AND state = 'filling'`, string(x.tenant), id)
	return err
}

// FinishStamp notes the token of a full stamp, which stands in the bucket by then,
// and reports whether it had none. A renewal of tokens covers from then on the
// stamps that are its leaves.
func (x *Tx) FinishStamp(s Stamp) (bool, error) {
	n, err := x.tx.exec(`UPDATE stamp SET state = 'stamped', nodes = $3, imprint = $4, algorithms = $5, stamped_ms = $6, expires_ms = $7
		WHERE tenant = $1 AND id = $2 AND state = 'full'`, string(x.tenant), s.ID, s.Nodes, s.Imprint, toJSON(s.Rests), ms(s.Stamped), ms(s.Expires))
	if err != nil || n == 0 {
		return false, err
	}
	if _, err := x.tx.exec(`INSERT INTO stamp_token (tenant, stamp, token) VALUES ($1, $2, $3)`, string(x.tenant), s.ID, s.Token); err != nil || s.Kind != StampTokens {
		return true, err
	}
	return true, x.Cover(s.ID)
}

// Cover has the stamps known as covered whose tokens are leaves of a renewal.
func (x *Tx) Cover(id string) error {
	_, err := x.tx.exec(`UPDATE stamp SET covered_by = $2 WHERE tenant = $1 AND covered_by = '' AND state = 'stamped'
		AND EXISTS (SELECT 1 FROM stamp_leaf l WHERE l.tenant = $1 AND l.subject = stamp.id AND l.version = 0 AND l.stamp = $2 AND l.digest = stamp.imprint)`,
		string(x.tenant), id)
	return err
}

// SetMarked notes that SetStamped has seen all leaves of a stamp.
func (x *Tx) SetMarked(id string) error {
	_, err := x.tx.exec(`UPDATE stamp SET marked = 1 WHERE tenant = $1 AND id = $2`, string(x.tenant), id)
	return err
}

// SetStamped has the records in part of a stamp known as stamped, where it holds
// the newest version, and tells the index.
func (x *Tx) SetStamped(id string, from, to int) error {
	rows, err := x.tx.query(`SELECT r.id FROM stamp_leaf l JOIN record r ON r.id = l.subject AND r.tenant = l.tenant AND r.version = l.version
		WHERE l.tenant = $1 AND l.stamp = $2 AND l.pos >= $3 AND l.pos < $4 AND r.evidence <> 'stamped' ORDER BY l.pos`, string(x.tenant), id, from, to)
	ids, err := collect(rows, err, func(row scanner) (id preservation.RecordID, err error) { return id, row.Scan(&id) })
	if err != nil {
		return err
	}
	for _, r := range ids {
		if _, err := x.tx.exec(`UPDATE record SET evidence = 'stamped' WHERE id = $1 AND tenant = $2`, string(r), string(x.tenant)); err != nil {
			return err
		}
		if err := x.tx.change(x.tenant, r); err != nil {
			return err
		}
	}
	return nil
}

// RestoreStamp adds a stamp that the bucket tells of, full and without a token.
// One that is there already stays as it is.
func (x *Tx) RestoreStamp(s Stamp) error {
	_, err := x.tx.exec(`INSERT INTO stamp (tenant, id, kind, digest, state, leaves, nodes, imprint, opened_ms, since_ms) VALUES ($1, $2, $3, $4, 'full', $5, $6, $6, $7, $8)
		ON CONFLICT (tenant, id) DO UPDATE SET state = 'full', leaves = excluded.leaves WHERE stamp.state = 'filling'`,
		string(x.tenant), s.ID, string(s.Kind), s.Digest, s.Leaves, []byte{}, ms(s.Opened), ms(s.Since))
	return err
}

// RestoreLeaves adds the leaves of such a stamp from a position on.
func (x *Tx) RestoreLeaves(s Stamp, from int, leaves []StampLeaf) error {
	for i, l := range leaves {
		if _, err := x.tx.exec(`INSERT INTO stamp_leaf (tenant, stamp, pos, subject, version, digest) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			string(x.tenant), s.ID, from+i, l.Subject, l.Version, l.Digest); err != nil {
			return err
		}
		if s.Kind == StampTokens {
			continue
		}
		if err := x.holdAgain(s, l); err != nil {
			return err
		}
	}
	return nil
}
