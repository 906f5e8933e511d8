package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
)

// fromSecond brings from the second copy what counts of it: tombstones that the runs do
// not have, with the proofs of these destructions, later documents that decide on what
// may be destroyed, what came to records of the run, and the audit log. One that cannot be read, or is
// not what was stored, is a finding: nobody knows what it decides.
func (r *Restore) fromSecond(ctx context.Context, t preservation.TenantID, store preservation.Store, stones map[preservation.RecordID]catalog.Tombstone, out *Restored) error {
	second, err := r.Second(ctx, t)
	if err != nil {
		return err
	}
	common, found := 0, 0
	for l, err := range r.read(ctx, t, second, documents, &common) {
		if err != nil {
			return fmt.Errorf("second copy: %w", err)
		}
		found++
		d, err := preservation.DecodeConfigObject(l.data)
		if err = errors.Join(l.damage, err); err != nil {
			out.failSecond(l.object.Key, err)
			continue
		}
		if !r.Decides(d.Kind) {
			continue
		}
		if brought, err := r.bring(ctx, store, l, out); err != nil {
			return err
		} else if brought {
			out.Newer++
		}
	}
	if found > 0 && common == 0 {
		return errors.New("the second copy has no document that the backup has: it is one of another archive")
	}
	grown := map[preservation.RecordID][]string{} // later keys of records, but of their end
	var proofs []later
	for l, err := range r.read(ctx, t, second, events, &common) {
		if err != nil {
			return fmt.Errorf("second copy: %w", err)
		}
		id, ok := recordOf(l.object.Key)
		if !ok {
			continue
		}
		if len(proofs) > 0 {
			if before, _ := recordOf(proofs[0].object.Key); before != id {
				proofs = nil
			}
		}
		e, err := eventOf(l)
		if err != nil {
			out.failSecond(l.object.Key, err)
			continue
		}
		// The intent, which is a part of the proof, comes before the tombstone.
		proofs = append(proofs, l)
		switch e.Event.Type {
		case preservation.EventIntent, preservation.EventHold: // of holds the documents tell
			continue
		case preservation.EventDelete:
		default:
			grown[id] = append(grown[id], l.object.Key)
			continue
		}
		var stone catalog.Tombstone
		if err := json.Unmarshal(e.Body, &stone); err != nil || stone.Record != id {
			out.failSecond(l.object.Key, fmt.Errorf("no tombstone of this record: %w", preservation.ErrUnreadable))
			continue
		}
		stones[id] = stone
		for _, l := range proofs {
			if !r.Stays(stone, l.object.Key) {
				continue
			}
			if _, err := r.bring(ctx, store, l, out); err != nil {
				return err
			}
		}
		proofs = nil
	}
	for o, err := range r.since(ctx, t, second, packages, &common) {
		if err != nil {
			return fmt.Errorf("second copy: %w", err)
		}
		if id, ok := recordOf(o.Key); ok {
			grown[id] = append(grown[id], o.Key)
		}
	}
	for o, err := range r.since(ctx, t, second, audit.Prefix, &common) {
		if err != nil {
			return fmt.Errorf("second copy: %w", err)
		}
		if err := r.bringLarge(ctx, store, second, o.Key, out, &out.Audit); err != nil {
			return err
		}
	}
	if err := r.Run.ofLiving(t, grown, stones); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(grown)) {
		for _, key := range grown[id] {
			if err := r.bringLarge(ctx, store, second, key, out, &out.Grown); err != nil {
				return err
			}
		}
	}
	return nil
}

// failSecond notes what is wrong with an object of the second copy.
func (out *Restored) failSecond(key string, err error) {
	out.fail(key, fmt.Errorf("second copy, of which nobody knows now what it says about destruction: %w", err))
}

// eventOf returns the event that an object holds, which must be that of its key.
func eventOf(l later) (preservation.EventObject, error) {
	if l.damage != nil {
		return preservation.EventObject{}, l.damage
	}
	e, _, err := preservation.DecodeEventObject(l.data)
	if err == nil && l.object.Key != preservation.EventKey(e.Record, e.Event.ID) {
		err = fmt.Errorf("it tells of record %s: %w", e.Record, preservation.ErrUnreadable)
	}
	return e, err
}

// later is an object that the second copy has and the run does not.
type later struct {
	object preservation.Object
	data   []byte
	digest string // SHA-256 of data, in hex
	damage error  // it is not what was stored
}

// read yields what since finds, with its bytes.
func (r *Restore) read(ctx context.Context, t preservation.TenantID, second preservation.Store, prefix string, common *int) iter.Seq2[later, error] {
	return func(yield func(later, error) bool) {
		for o, err := range r.since(ctx, t, second, prefix, common) {
			var l later
			if err == nil {
				l, err = readLater(ctx, second, o.Key)
			}
			if errors.Is(err, preservation.ErrNotFound) {
				continue // gone since
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

// since yields the objects below a prefix that the second copy has and the run does not,
// and counts those that both have. Both are in the order of keys.
func (r *Restore) since(ctx context.Context, t preservation.TenantID, second preservation.Store, prefix string, common *int) iter.Seq2[preservation.Object, error] {
	return func(yield func(preservation.Object, error) bool) {
		next, stop := iter.Pull2(r.Run.Entries(t))
		defer stop()
		e, err, more := next()
		last := ""
		for o, oerr := range second.Versions(ctx, prefix) {
			for more && err == nil && e.Key < o.Key {
				e, err, more = next()
			}
			if err = errors.Join(err, oerr); err != nil {
				yield(preservation.Object{}, err)
				return
			}
			if o.Marker || o.Key == last {
				continue
			}
			last = o.Key
			if more && e.Key == o.Key {
				*common++
				continue
			}
			if !yield(o, nil) {
				return
			}
		}
	}
}

// readLater reads an object whole and holds it against the digest that was noted when it
// was stored. Bytes that are not those are the damage, no error.
func readLater(ctx context.Context, s preservation.Store, key string) (l later, err error) {
	o, body, err := s.Get(ctx, key, "")
	if err != nil {
		return l, fmt.Errorf("%s: %w", key, err)
	}
	defer body.Close()
	l.object = o
	if o.Size > preservation.MaxConfigObject {
		l.damage = fmt.Errorf("%d bytes, at most %d were expected: %w", o.Size, preservation.MaxConfigObject, preservation.ErrUnreadable)
		return l, nil
	}
	l.data, err = io.ReadAll(io.LimitReader(body, preservation.MaxConfigObject))
	if errors.Is(err, preservation.ErrCorrupt) {
		l.damage = err
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("%s: %w", key, err)
	}
	sum := sha256.Sum256(l.data)
	l.digest = hex.EncodeToString(sum[:])
	if o.SHA256 != "" && o.SHA256 != l.digest {
		l.damage = fmt.Errorf("it has SHA-256 %s, stored was %s: %w", l.digest, o.SHA256, preservation.ErrCorrupt)
	}
	return l, nil
}

// bring stores an object of the second copy with its lock. What an earlier attempt has
// brought must be the same; other bytes there are a finding.
func (r *Restore) bring(ctx context.Context, store preservation.Store, l later, out *Restored) (brought bool, err error) {
	lock := r.lock(l.object.Lock)
	key := l.object.Key
	_, err = store.Put(ctx, key, bytes.NewReader(l.data), preservation.PutOptions{Size: int64(len(l.data)), SHA256: l.digest, Lock: lock, ContentType: l.object.ContentType})
	if errors.Is(err, preservation.ErrExists) {
		_, err = same(ctx, store, Entry{Key: key, SHA256: l.digest})
	}
	if errors.Is(err, preservation.ErrCorrupt) {
		out.fail(key, err)
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("restore %s from the second copy: %w", key, err)
	}
	out.count(Entry{Size: l.object.Size})
	return true, nil
}

// bringLarge stores an object of any size of the second copy with its lock, and counts it.
func (r *Restore) bringLarge(ctx context.Context, store, second preservation.Store, key string, out *Restored, n *int) error {
	o, body, err := second.Get(ctx, key, "")
	if errors.Is(err, preservation.ErrNotFound) {
		return nil // gone since
	}
	if err != nil {
		return fmt.Errorf("second copy: %s: %w", key, err)
	}
	defer body.Close()
	if o.SHA256 == "" { // a store that keeps none: what is read twice alike is what it has
		if o.SHA256, err = digestOf(ctx, second, key); err != nil {
			return fmt.Errorf("second copy: %s: %w", key, err)
		}
	}
	_, err = store.Put(ctx, key, body, preservation.PutOptions{Size: o.Size, SHA256: o.SHA256, Lock: r.lock(o.Lock), ContentType: o.ContentType})
	if errors.Is(err, preservation.ErrExists) {
		_, err = same(ctx, store, Entry{Key: key, SHA256: o.SHA256})
	}
	if errors.Is(err, preservation.ErrCorrupt) {
		out.failSecond(key, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore %s from the second copy: %w", key, err)
	}
	out.count(Entry{Size: o.Size})
	*n++
	return nil
}

func digestOf(ctx context.Context, s preservation.Store, key string) (string, error) {
	_, body, err := s.Get(ctx, key, "")
	if err != nil {
		return "", err
	}
	defer body.Close()
	h := sha256.New()
	_, err = io.Copy(h, body)
	return hex.EncodeToString(h.Sum(nil)), err
}

// inSecond reports whether a key, asked for in their order, is one of the second copy
// that a restore may have brought from there.
func (r *Restore) inSecond(ctx context.Context, t preservation.TenantID) (is func(key string) (bool, error), stop func(), err error) {
	second, err := r.Second(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	next, stop := iter.Pull2(second.Versions(ctx, ""))
	o, err, more := next()
	return func(key string) (bool, error) {
		for more && err == nil && o.Key < key {
			o, err, more = next()
		}
		_, ofRecord := recordOf(key)
		return more && o.Key == key && (strings.HasPrefix(key, documents) || strings.HasPrefix(key, audit.Prefix) || ofRecord), err
	}, stop, nil
}
