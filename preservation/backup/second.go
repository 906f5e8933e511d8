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
	"strings"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// fromSecond brings from the second copy what counts of it: tombstones that the runs do
// not have, with the proofs of these destructions, and later documents that decide on
// what may be destroyed.
func (r *Restore) fromSecond(ctx context.Context, t preservation.TenantID, store preservation.Store, stones map[preservation.RecordID]catalog.Tombstone, out *Restored) error {
	second, err := r.Second(ctx, t)
	if err != nil {
		return err
	}
	common := 0
	found := 0
	for e, err := range r.since(ctx, t, second, documents, &common) {
		if err != nil {
			return fmt.Errorf("second copy: %w", err)
		}
		found++
		d, err := preservation.DecodeConfigObject(e.data)
		if err != nil || !r.Decides(d.Kind) {
			continue // what is wrong with a document, a check of the second copy says
		}
		if err := r.bring(ctx, store, e); err != nil {
			return err
		}
		out.Newer++
		out.count(Entry{Size: e.object.Size})
	}
	if found > 0 && common == 0 {
		return errors.New("the second copy has no document that the backup has: it is one of another archive")
	}
	var events []later
	for e, err := range r.since(ctx, t, second, "evt/", &common) {
		if err != nil {
			return fmt.Errorf("second copy: %w", err)
		}
		id, ok := recordOf(e.object.Key)
		if !ok {
			continue
		}
		if len(events) > 0 {
			if before, _ := recordOf(events[0].object.Key); before != id {
				events = nil
			}
		}
		// The intent, which is a part of the proof, comes before the tombstone.
		events = append(events, e)
		stone, ok := tombstone(id, e.data)
		if !ok {
			continue
		}
		stones[id] = stone
		for _, e := range events {
			if !r.Stays(stone, e.object.Key) {
				continue
			}
			if err := r.bring(ctx, store, e); err != nil {
				return err
			}
			out.count(Entry{Size: e.object.Size})
		}
		events = nil
	}
	return nil
}

// tombstone is the proof that a record was destroyed, if an event object is one.
func tombstone(id preservation.RecordID, data []byte) (stone catalog.Tombstone, ok bool) {
	e, _, err := preservation.DecodeEventObject(data)
	if err != nil || e.Event.Type != preservation.EventDelete || json.Unmarshal(e.Body, &stone) != nil {
		return catalog.Tombstone{}, false
	}
	return stone, e.Record == id && stone.Record == id
}

// later is an object that the second copy has and the run does not.
type later struct {
	object preservation.Object
	data   []byte
}

// since yields these objects below a prefix, and counts those that both have. Both are
// in the order of keys.
func (r *Restore) since(ctx context.Context, t preservation.TenantID, second preservation.Store, prefix string, common *int) iter.Seq2[later, error] {
	return func(yield func(later, error) bool) {
		next, stop := iter.Pull2(r.Run.Entries(t))
		defer stop()
		e, err, more := next()
		last := ""
		for o, oerr := range second.Versions(ctx, prefix) {
			for more && err == nil && e.Key < o.Key {
				e, err, more = next()
			}
			if err = errors.Join(err, oerr); err != nil {
				yield(later{}, err)
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
			l, err := readLater(ctx, second, o.Key)
			if errors.Is(err, preservation.ErrNotFound) {
				continue // gone since
			}
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}

func readLater(ctx context.Context, s preservation.Store, key string) (l later, err error) {
	o, body, err := s.Get(ctx, key, "")
	if err != nil {
		return l, fmt.Errorf("%s: %w", key, err)
	}
	defer body.Close()
	l.object = o
	if l.data, err = io.ReadAll(io.LimitReader(body, preservation.MaxConfigObject)); err != nil {
		return l, fmt.Errorf("%s: %w", key, err)
	}
	return l, nil
}

// bring stores an object of the second copy with its lock.
func (r *Restore) bring(ctx context.Context, store preservation.Store, l later) error {
	lock := l.object.Lock
	if lock.Mode == preservation.Unlocked {
		lock.Mode = preservation.Compliance
	}
	if least := r.Now().Add(atLeast); lock.Until.Before(least) {
		lock.Until = least
	}
	sum := sha256.Sum256(l.data)
	digest := hex.EncodeToString(sum[:])
	if noted := l.object.SHA256; noted != "" && noted != digest {
		return fmt.Errorf("%s of the second copy has SHA-256 %s, stored was %s: %w", l.object.Key, digest, noted, preservation.ErrCorrupt)
	}
	_, err := store.Put(ctx, l.object.Key, bytes.NewReader(l.data), preservation.PutOptions{Size: int64(len(l.data)), SHA256: digest, Lock: lock, ContentType: l.object.ContentType})
	if errors.Is(err, preservation.ErrExists) { // an earlier attempt brought it
		_, err = same(ctx, store, Entry{Key: l.object.Key, SHA256: digest})
	}
	if err != nil {
		return fmt.Errorf("restore %s from the second copy: %w", l.object.Key, err)
	}
	return nil
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
		return more && o.Key == key && (strings.HasPrefix(key, documents) || strings.HasPrefix(key, "evt/")), err
	}, stop, nil
}
