package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
)

// put stores the entries of a run, or those of them that are wanted.
func (r *Restore) put(ctx context.Context, t preservation.TenantID, run *Run, store preservation.Store, stones map[preservation.RecordID]catalog.Tombstone, wanted func(Entry) (bool, error), out *Restored, moved func([]Moved) error) error {
	var batch []Entry
	last := ""
	flush := func() error {
		done := make([]Moved, len(batch))
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(parallel)
		for i, e := range batch {
			g.Go(func() (err error) {
				o, err := r.object(ctx, t, run, store, e)
				if damaged(err) {
					out.fail(e.Key, err)
					return nil
				}
				if err != nil {
					return fmt.Errorf("restore %s: %w", e.Key, err)
				}
				if id, ok := recordOf(e.Key); ok {
					done[i] = Moved{id, e.Key, o.VersionID}
				}
				out.count(e)
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		batch = batch[:0]
		return moved(slices.DeleteFunc(done, func(m Moved) bool { return m.Key == "" }))
	}
	for e, err := range run.Entries(t) {
		if err != nil {
			return err
		}
		if wanted != nil {
			if ok, err := wanted(e); err != nil {
				return err
			} else if !ok {
				continue
			}
			switch {
			case strings.HasPrefix(e.Key, documents):
				out.Newer++
			case strings.HasPrefix(e.Key, audit.Prefix):
				out.Audit++
			}
		}
		if id, ok := recordOf(e.Key); ok && wanted == nil {
			if stone, gone := stones[id]; gone && !r.Stays(stone, e.Key) {
				out.Destroyed++
				continue
			}
		}
		if e.Key == last { // the oldest is the object
			continue
		}
		last = e.Key
		if batch = append(batch, e); len(batch) == together {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func (out *Restored) fail(key string, err error) {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.Failed = append(out.Failed, preservation.Finding{Code: CodeDamaged, Severity: preservation.Failed, Subject: key, Detail: err.Error()})
}

func (out *Restored) count(e Entry) {
	out.mu.Lock()
	defer out.mu.Unlock()
	out.Objects, out.Bytes = out.Objects+1, out.Bytes+e.Size
	if e.Lost {
		out.Lost++
	}
}

// object stores one object with its lock and its hold.
func (r *Restore) object(ctx context.Context, t preservation.TenantID, run *Run, store preservation.Store, e Entry) (preservation.Object, error) {
	f, err := run.open(t, e)
	if err != nil {
		return preservation.Object{}, err
	}
	defer f.Close()
	lock := r.lock(preservation.Lock{Mode: e.LockMode, Until: e.LockUntil})
	from := &summed{f, sha256.New()}
	o, err := store.Put(ctx, e.Key, from, preservation.PutOptions{Size: e.Size, SHA256: e.SHA256, Lock: lock, ContentType: e.ContentType})
	switch {
	case errors.Is(err, preservation.ErrExists):
		if o, err = same(ctx, store, e); err == nil {
			err = store.Extend(ctx, e.Key, o.VersionID, lock)
		}
	case errors.Is(err, preservation.ErrCorrupt) && from.sum() != e.SHA256:
		err = fmt.Errorf("the copy %s has SHA-256 %s, stored was %s: %w", f.Name(), from.sum(), e.SHA256, preservation.ErrCorrupt)
	}
	if err == nil && e.Hold {
		err = store.SetHold(ctx, e.Key, o.VersionID, true)
	}
	return o, err
}

// lock is the one that an object gets in its new bucket.
func (r *Restore) lock(had preservation.Lock) preservation.Lock {
	if had.Mode == preservation.Unlocked {
		had.Mode = preservation.Compliance
	}
	if least := r.Now().Add(atLeast); had.Until.Before(least) {
		had.Until = least
	}
	return had
}

// summed keeps the digest of what was read.
type summed struct {
	from io.Reader
	hash hash.Hash
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.hash.Write(p[:n])
	return n, err
}

func (s *summed) sum() string { return hex.EncodeToString(s.hash.Sum(nil)) }

// same accepts what an earlier attempt has brought, if it reads back as it should.
func same(ctx context.Context, store preservation.Store, e Entry) (preservation.Object, error) {
	o, body, err := store.Get(ctx, e.Key, "")
	if err != nil {
		return o, err
	}
	defer body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, body); err != nil {
		return o, err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != e.SHA256 {
		return o, fmt.Errorf("the bucket holds SHA-256 %s under this key, the backup %s: %w", sum, e.SHA256, preservation.ErrCorrupt)
	}
	return o, nil
}
