package replica

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// JobCopy is the job whose handler is Copier.Run. It comes every minute.
const JobCopy = "copy"

// Copier brings to the second copy what it lacks.
type Copier struct {
	// Store opens the bucket of a tenant, and Copy its second copy.
	Store func(context.Context, *catalog.Tenant) (preservation.Store, error)
	Copy  func(context.Context, *catalog.Tenant) (preservation.Store, error)
	// Place names the second copy: what was copied to another place does not count.
	Place string
	// Seen is told of each object of a record that the second copy was seen to have for
	// the first time, maybe again. Nil: nobody is.
	Seen func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, o catalog.RecordObject) error
	// Stays reports whether an object is part of what stays of a destroyed record.
	Stays func(stone catalog.Tombstone, key string) bool
	// Configure writes new documents of the catalog to the bucket: where the second copy
	// is stands there before anything is copied. Nil: it is left to others.
	Configure func(context.Context, *catalog.Tenant) error
	Now       func() time.Time
	Log       *slog.Logger

	objects, bytes atomic.Int64
	// fault fails at a named boundary, in tests.
	fault func(boundary string) error
}

const (
	batch    = 100           // keys at a time
	parallel = 6             // of them under way
	longest  = 2 * time.Hour // until another attempt at an object
)

// Copied is how many objects and bytes were written to second copies since the start.
func (c *Copier) Copied() (objects, bytes int64) { return c.objects.Load(), c.bytes.Load() }

// Run is the handler of the job "copy": it brings over everything that is due. It
// is interrupted at any point without harm. preservation.ErrUnavailable when the
// second copy cannot be reached.
func (c *Copier) Run(ctx context.Context, t *catalog.Tenant, _ catalog.Job) error {
	from, err := c.Store(ctx, t)
	if err != nil {
		return err
	}
	to, err := c.Copy(ctx, t)
	if err != nil {
		return fmt.Errorf("second copy: %w", err)
	}
	r := &run{c, t, from, to}
	if err := r.begin(ctx); err != nil {
		return fmt.Errorf("note the second copy: %w", err)
	}
	if err := r.survey(ctx); err != nil {
		return fmt.Errorf("survey of the second copy: %w", err)
	}
	for {
		due, err := t.CopiesDue(ctx, batch)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := r.bringAll(ctx, due); err != nil {
			return err
		}
	}
}

// run is one run for one tenant.
type run struct {
	*Copier
	t        *catalog.Tenant
	from, to preservation.Store
}

// bringAll brings objects over. One that does not go is put off, so that it holds
// nothing up; when none goes the second copy is away.
func (r *run) bringAll(ctx context.Context, due []catalog.CopyDue) error {
	errs := make([]error, len(due))
	rows := make([]*seen, len(due))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, d := range due {
		g.Go(func() error {
			if errs[i] = ctx.Err(); errs[i] == nil {
				rows[i], errs[i] = r.bring(ctx, d.Key)
			}
			return nil
		})
	}
	g.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.away(ctx, errs); err != nil {
		return err
	}
	var fresh []*CameBack
	err := r.t.Update(ctx, func(x *catalog.Tx) error {
		fresh = nil
		for i, d := range due {
			if errs[i] != nil {
				pause := min(time.Minute<<min(d.Tries, 10), longest)
				if err := x.CopyFailed(d, errs[i], r.Now().Add(pause)); err != nil {
					return err
				}
				var back *CameBack
				if errors.As(errs[i], &back) {
					added, err := back.note(x)
					if err != nil {
						return err
					}
					if added {
						fresh = append(fresh, back)
					}
				}
				continue
			}
			if s := rows[i]; s != nil {
				if _, err := x.CopySeen(s.record, s.object.Key); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, back := range fresh {
		r.Log.ErrorContext(ctx, "second copy: a destroyed record is back in the archive", "tenant", string(r.t.ID()), "record", string(back.Record), "proof", back.Proof, "do", back.Error())
	}
	told := r.tell(ctx, due, rows, errs)
	err = r.t.Update(ctx, func(x *catalog.Tx) error {
		for i, d := range due {
			if errs[i] == nil {
				if err := x.Copied(d); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, err := range errs {
		if err != nil {
			r.Log.ErrorContext(ctx, "second copy: an object was not copied; it is tried again", "tenant", string(r.t.ID()), "key", due[i].Key, "tries", due[i].Tries+1, "err", err)
		}
	}
	return told
}

// away returns the error of objects none of which went, when it is that of a bucket
// that does not answer.
func (r *run) away(ctx context.Context, errs []error) error {
	var away error
	for _, err := range errs {
		if err == nil {
			return nil
		}
		if errors.Is(err, preservation.ErrUnavailable) {
			away = err
		}
	}
	if away == nil {
		return nil
	}
	for _, b := range []struct {
		name  string
		store preservation.Store
	}{{"bucket", r.from}, {"second copy", r.to}} {
		if !answers(ctx, b.store) {
			return fmt.Errorf("%s: %w", b.name, away)
		}
	}
	return ctx.Err() // it is the objects
}

// answers reports whether a bucket can be asked.
func answers(ctx context.Context, s preservation.Store) bool {
	for _, err := range s.Versions(ctx, "cfg/") {
		return err == nil
	}
	return true
}

// tell says which objects of records are in both places now. What could not be told
// stays due, and gets its error.
func (r *run) tell(ctx context.Context, due []catalog.CopyDue, rows []*seen, errs []error) (wrong error) {
	for i, s := range rows {
		if s == nil || errs[i] != nil || r.Seen == nil {
			continue
		}
		if errs[i] = r.Seen(ctx, r.t, s.record, s.object); errs[i] == nil {
			continue
		}
		wrong = errors.Join(wrong, errs[i])
		pause := r.Now().Add(min(time.Minute<<min(due[i].Tries, 10), longest))
		if err := r.t.Update(ctx, func(x *catalog.Tx) error { return x.CopyFailed(due[i], errs[i], pause) }); err != nil {
			return errors.Join(wrong, err)
		}
	}
	return wrong
}

// seen is an object of a record that the second copy has.
type seen struct {
	record preservation.RecordID
	object catalog.RecordObject
}

// RecordOf names the record that an object belongs to; none: the key is not one of
// a record.
func RecordOf(key string) (preservation.RecordID, bool) {
	parts := strings.Split(key, "/")
	if len(parts) < 3 || parts[0] != "aip" && parts[0] != "evt" {
		return "", false
	}
	id := preservation.RecordID(parts[len(parts)-2])
	return id, id.Valid()
}

// errUnlocked: there is no lock to copy.
var errUnlocked = errors.New("no lock is in force on it; the scrub says so too")

// errDestroyed: the second copy has something of a record whose destruction has begun
// or is over.
var errDestroyed = errors.New("the record is being destroyed, or was, and the second copy has it: see that it goes there as well")

// errHeld: the second copy may know of a hold of which the archive lost the memory.
var errHeld = errors.New("the second copy is under a legal hold, which stays: no release of it is noted. Set the hold again, and release it when it is over")

// gone is for an object that the bucket does not have: it was destroyed, or it is
// lost, for which the scrub looks.
func (r *run) gone(ctx context.Context, key string, destroyed bool) error {
	if !destroyed {
		return nil
	}
	_, err := r.to.Stat(ctx, key, "")
	if errors.Is(err, preservation.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = errDestroyed
	}
	return err
}

// end is how far the destruction of a record is.
type end int

const (
	none  end = iota // it lives, or is not known
	begun            // it may be called off yet
	over             // there is its tombstone
)

// ending tells how far the destruction of a record is, if there is one, and whether an
// object is part of the proof of it.
func (r *run) ending(ctx context.Context, id preservation.RecordID, key string, state catalog.Retention) (_ end, stays bool, err error) {
	if id == "" || state.Status == "live" {
		return none, true, nil
	}
	stone, err := r.t.Tombstone(ctx, id)
	if err == nil {
		return over, r.Stays(stone, key), nil
	}
	if !errors.Is(err, catalog.ErrNotFound) {
		return none, false, err
	}
	w, err := r.t.View().Disposal(ctx, id)
	if err == nil {
		return begun, key == w.Key || key == preservation.EventKey(id, w.ID), nil
	}
	if errors.Is(err, catalog.ErrNotFound) {
		err = nil
	}
	return none, true, err
}

// bring makes the copy of one object what the object is.
func (r *run) bring(ctx context.Context, key string) (*seen, error) {
	var known *seen
	want := preservation.Object{Key: key}
	var state catalog.Retention
	id, ofRecord := RecordOf(key)
	if !ofRecord {
		id = ""
	} else {
		row, err := r.t.Object(ctx, id, key)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return nil, err
		}
		if err == nil {
			known = &seen{id, row}
			want.VersionID, want.SHA256 = row.VersionID, row.SHA256
		}
		if state, err = r.t.View().Retention(ctx, id); err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return nil, err
		}
	}
	ends, stays, err := r.ending(ctx, id, key, state)
	if err != nil {
		return nil, err
	}
	if ends == over && !stays {
		return nil, r.gone(ctx, key, true)
	}
	have, err := r.from.Stat(ctx, key, want.VersionID)
	if errors.Is(err, preservation.ErrNotFound) {
		return nil, r.gone(ctx, key, ofRecord && state.Status != "live")
	}
	if err != nil {
		return nil, err
	}
	if want.SHA256 == "" {
		want.SHA256 = have.SHA256
	}
	lock := have.Lock
	if !lock.Until.After(r.Now()) && state.LockUntil.After(r.Now()) && state.Status == "live" {
		lock = preservation.Lock{Mode: state.LockMode, Until: state.LockUntil} // it was lost, and is not lost here
	}
	there, err := r.to.Stat(ctx, key, "")
	switch {
	case errors.Is(err, preservation.ErrNotFound):
		// Of a record that is being destroyed nothing more comes but the proof of it.
		if ends != none && !stays {
			return nil, nil
		}
		if lock.Mode == preservation.Unlocked || !lock.Until.After(r.Now()) {
			return nil, errUnlocked
		}
		if err := r.wanted(ctx, id, state); err != nil {
			return nil, err
		}
		if there, err = r.write(ctx, have, want.SHA256, lock); err != nil {
			return nil, err
		}
		if ofRecord { // it takes minutes, in which the record may be destroyed
			now, err := r.t.View().Retention(ctx, id)
			if err != nil && !errors.Is(err, catalog.ErrNotFound) {
				return nil, err
			}
			if now.Status != "live" && known != nil {
				return nil, errDestroyed
			}
		}
	case err != nil:
		return nil, err
	case known == nil && there.SHA256 != "" && there.SHA256 == have.SHA256:
		// Of what is no record's the digests that both stores noted will do: the scrub
		// reads both. Every extension of their locks would read all of them again.
	case known == nil || known.object.Copied.IsZero():
		if err := r.wanted(ctx, id, state); err != nil {
			return nil, err
		}
		if want.SHA256 == "" {
			if want.SHA256, err = preservation.StoredSHA256(ctx, r.from, have); err != nil {
				return nil, err
			}
		}
		if err := same(ctx, r.to, there, want.SHA256); err != nil {
			return nil, err
		}
	}
	if lock.Mode != preservation.Unlocked && lock.Until.After(r.Now()) {
		if err := r.to.Extend(ctx, key, there.VersionID, lock); err != nil {
			return nil, err
		}
	}
	switch {
	case have.Hold && !there.Hold:
		err = r.to.SetHold(ctx, key, there.VersionID, true)
	case there.Hold && !have.Hold:
		err = r.release(ctx, id, key, there.VersionID)
	}
	if err != nil {
		return nil, err
	}
	return known, nil
}

// wanted refuses to copy anything of a record that lives and of which the second copy
// holds the proof that it was destroyed.
func (r *run) wanted(ctx context.Context, id preservation.RecordID, state catalog.Retention) error {
	if state.Status != "live" {
		return nil
	}
	back, err := Returned(ctx, r.t, r.to, id)
	if err == nil && back != nil {
		err = back
	}
	return err
}

// release takes a legal hold off a copy, when its release is noted.
func (r *run) release(ctx context.Context, id preservation.RecordID, key, version string) error {
	if id == "" {
		return errHeld
	}
	released, err := Released(ctx, r.t, id, r.from, r.to)
	if err != nil {
		return err
	}
	if !released {
		return errHeld
	}
	return r.to.SetHold(ctx, key, version, false)
}

// write copies the bytes of an object, which have to have the digest, if there is one
// to be had.
func (r *run) write(ctx context.Context, o preservation.Object, digest string, lock preservation.Lock) (preservation.Object, error) {
	if digest == "" {
		sum, err := preservation.StoredSHA256(ctx, r.from, o)
		if err != nil {
			return preservation.Object{}, err
		}
		digest = sum
	}
	body, err := r.from.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return preservation.Object{}, err
	}
	defer body.Close()
	source := &counted{r: body, h: sha256.New()}
	there, err := r.to.Put(ctx, o.Key, source, preservation.PutOptions{Size: o.Size, SHA256: digest, Lock: lock, ContentType: o.ContentType})
	if errors.Is(err, preservation.ErrCorrupt) && source.n == o.Size && hex.EncodeToString(source.h.Sum(nil)) != digest {
		return there, fmt.Errorf("the bucket holds other bytes than were stored, which are not copied: %w", err)
	}
	if err != nil {
		return there, err
	}
	if err := r.at("written"); err != nil {
		return there, err
	}
	r.objects.Add(1)
	r.bytes.Add(o.Size)
	return there, nil
}

// same reads an object back that the second copy has already, from an attempt before
// or from elsewhere.
func same(ctx context.Context, second preservation.Store, there preservation.Object, digest string) error {
	sum, err := preservation.StoredSHA256(ctx, second, there)
	if err == nil && sum != digest {
		err = fmt.Errorf("%w: the second copy has other bytes there (SHA-256 %s, stored was %s)", preservation.ErrCorrupt, sum, digest)
	}
	return err
}

// counted knows what was read through it.
type counted struct {
	r io.Reader
	n int64
	h hash.Hash
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.h.Write(p[:n])
	return n, err
}

func (c *Copier) at(boundary string) error {
	if c.fault == nil {
		return nil
	}
	return c.fault(boundary)
}
