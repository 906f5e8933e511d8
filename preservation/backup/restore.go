package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
)

// Restore brings the objects of a run into empty buckets, or goes on with that.
type Restore struct {
	Run *Run
	// Newer is a later run of the same archive, whose tombstones count as well, the
	// documents that decide on destruction, what came to records of Run (versions and
	// events say when these may be destroyed), and the audit log. Nil: there is none.
	Newer *Run
	// Second opens the second copy of a tenant's bucket, which has lived on since the run
	// was made and counts like a later one. Nil: there is none.
	Second func(context.Context, preservation.TenantID) (preservation.Store, error)
	// Stays reports whether an object is part of what stays of a destroyed record.
	Stays func(stone catalog.Tombstone, key string) bool
	// Decides reports whether documents of a kind decide on what may be destroyed.
	Decides func(kind string) bool
	Now     func() time.Time
}

// Moved says which version of an object of a record the new bucket has.
type Moved struct {
	Record    preservation.RecordID
	Key       string
	VersionID string
}

// Restored says what was done with the objects of one tenant.
type Restored struct {
	Objects   int
	Bytes     int64
	Destroyed int // objects of destroyed records that were left out
	Lost      int // that were gone from the old bucket and are back
	Newer     int // later documents
	Grown     int // later objects of records that the run has
	Audit     int // later segments of the audit log, and their seals
	Failed    []preservation.Finding

	mu sync.Mutex
}

// atLeast is the lock of an object whose lock has ended since the backup: a bucket takes
// none without, and whoever extends locks does the rest.
const atLeast = 24 * time.Hour

// Bucket restores the objects of a tenant and hands over where they are. Each is read
// back and compared with its digest, also those that an earlier attempt has brought.
// A damaged copy is a finding and does not stop the rest; nothing of it is stored.
func (r *Restore) Bucket(ctx context.Context, t preservation.TenantID, store preservation.Store, moved func([]Moved) error) (*Restored, error) {
	out := &Restored{}
	stones := map[preservation.RecordID]catalog.Tombstone{}
	if err := r.Run.Tombstones(t, stones); err != nil {
		return out, err
	}
	newer := r.Newer != nil && r.Newer.has(t)
	if newer {
		if err := r.Newer.Tombstones(t, stones); err != nil {
			return out, err
		}
	}
	if r.Second != nil {
		if err := r.fromSecond(ctx, t, store, stones, out); err != nil {
			return out, err
		}
	}
	if err := r.put(ctx, t, r.Run, store, stones, nil, out, moved); err != nil || !newer {
		return out, err
	}
	had := map[string]string{} // documents and segments of the audit log of this run, with their digests
	for e, err := range r.Run.Entries(t) {
		if err != nil {
			return out, err
		}
		if strings.HasPrefix(e.Key, documents) || strings.HasPrefix(e.Key, audit.Prefix) {
			had[e.Key] = e.SHA256
		}
	}
	grown, err := r.grown(t, stones)
	if err != nil {
		return out, err
	}
	// The proof that a record was destroyed later belongs to it, and so do holds that were
	// set or released since, with all else that decides on destruction by now. The audit log
	// is one chain, which goes on behind its end.
	later := func(e Entry) (bool, error) {
		if strings.HasPrefix(e.Key, audit.Prefix) {
			_, known := had[e.Key]
			return !known, nil
		}
		if strings.HasPrefix(e.Key, documents) {
			if _, known := had[e.Key]; known {
				return false, nil
			}
			d, err := r.Newer.document(t, e)
			if damaged(err) {
				out.fail(e.Key, err)
				return false, nil
			}
			return r.Decides(d.Kind), err
		}
		id, ok := recordOf(e.Key)
		if stone, gone := stones[id]; gone {
			return ok && r.Stays(stone, e.Key), nil
		}
		if !slices.Contains(grown[id], e.Key) {
			return false, nil
		}
		out.Grown++
		return true, nil
	}
	return out, r.put(ctx, t, r.Newer, store, stones, later, out, moved)
}

// grown are the keys of the later run, by record, that came to records of the run which
// live. Of an end that was begun nothing comes: it is for the new archive to begin it. Nor
// do events of legal holds, which it sets and notes anew by the documents.
func (r *Restore) grown(t preservation.TenantID, stones map[preservation.RecordID]catalog.Tombstone) (map[preservation.RecordID][]string, error) {
	keys := map[preservation.RecordID][]string{}
	next, stop := iter.Pull2(r.Run.Entries(t))
	defer stop()
	had, err, more := next()
	for e, fault := range r.Newer.Entries(t) {
		for more && err == nil && had.Key < e.Key {
			had, err, more = next()
		}
		if err := errors.Join(err, fault); err != nil {
			return nil, err
		}
		id, ok := recordOf(e.Key)
		if !ok || e.Intent || e.Tombstone != nil || more && had.Key == e.Key {
			continue
		}
		if hold, err := r.Newer.tellsOfHold(t, e); err != nil {
			return nil, err
		} else if !hold {
			keys[id] = append(keys[id], e.Key)
		}
	}
	return keys, r.Run.ofLiving(t, keys, stones)
}

// ofLiving leaves those records of which the run has a package and that have no tombstone.
func (r *Run) ofLiving(t preservation.TenantID, keys map[preservation.RecordID][]string, stones map[preservation.RecordID]catalog.Tombstone) error {
	living := map[preservation.RecordID]bool{}
	for e, err := range r.Entries(t) {
		if err != nil {
			return err
		}
		id, _, ok := preservation.ParsePackageKey(e.Key)
		if _, gone := stones[id]; ok && !gone && len(keys[id]) > 0 {
			living[id] = true
		}
	}
	maps.DeleteFunc(keys, func(id preservation.RecordID, _ []string) bool { return !living[id] })
	return nil
}

// tellsOfHold reports whether an entry is an event about a legal hold. One that cannot be
// read is brought, which says what is wrong with it.
func (r *Run) tellsOfHold(t preservation.TenantID, entry Entry) (bool, error) {
	if !strings.HasPrefix(entry.Key, events) || entry.Size > preservation.MaxEventObject {
		return false, nil
	}
	f, err := r.open(t, entry)
	if damaged(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, preservation.MaxEventObject))
	if err != nil {
		return false, err
	}
	e, _, err := preservation.DecodeEventObject(data)
	return err == nil && e.Event.Type == preservation.EventHold, nil
}

// Succeeds refuses a later run that is not one of the same archive: it has every document
// that the earlier one has, but those of kinds that are deleted when their time has come.
func (r *Run) Succeeds(earlier *Run, deleted func(kind string) bool) error {
	for _, tenant := range earlier.Tenants {
		if !r.has(tenant.ID) {
			return fmt.Errorf("the later backup has no tenant %s: it is one of another archive", tenant.ID)
		}
		later := map[string]string{}
		for e, err := range r.Entries(tenant.ID) {
			if err != nil {
				return err
			}
			if strings.HasPrefix(e.Key, documents) {
				later[e.Key] = e.SHA256
			}
		}
		for e, err := range earlier.Entries(tenant.ID) {
			if err != nil {
				return err
			}
			if strings.HasPrefix(e.Key, documents) && later[e.Key] != e.SHA256 {
				if later[e.Key] == "" {
					if d, err := earlier.document(tenant.ID, e); err == nil && deleted(d.Kind) {
						continue
					}
				}
				return fmt.Errorf("the later backup of tenant %s does not have %s as the earlier one has it: it is one of another archive", tenant.ID, e.Key)
			}
		}
	}
	return nil
}

// document reads a configured document. preservation.ErrCorrupt and ErrUnreadable mean that
// it is none any more.
func (r *Run) document(t preservation.TenantID, e Entry) (d preservation.ConfigObject, err error) {
	f, err := r.open(t, e)
	if err != nil {
		return d, err
	}
	defer f.Close()
	if e.Size > preservation.MaxConfigObject {
		return d, fmt.Errorf("%d bytes, at most %d were expected: %w", e.Size, preservation.MaxConfigObject, preservation.ErrUnreadable)
	}
	data, err := io.ReadAll(io.LimitReader(f, preservation.MaxConfigObject))
	if err != nil {
		return d, err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != e.SHA256 {
		return d, fmt.Errorf("the copy %s has SHA-256 %x, stored was %s: %w", f.Name(), sum, e.SHA256, preservation.ErrCorrupt)
	}
	return preservation.DecodeConfigObject(data)
}

// Documents yields the configured documents of a kind. What is damaged is left out:
// bringing it back says so.
func (r *Run) Documents(t preservation.TenantID, kind string) iter.Seq2[preservation.ConfigObject, error] {
	return func(yield func(preservation.ConfigObject, error) bool) {
		for e, err := range r.Entries(t) {
			if err == nil && !strings.HasPrefix(e.Key, documents) {
				continue
			}
			var d preservation.ConfigObject
			if err == nil {
				d, err = r.document(t, e)
			}
			if damaged(err) || err == nil && d.Kind != kind {
				continue
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// damaged tells objects that cannot be had any more from a restore that cannot go on.
func damaged(err error) bool {
	return errors.Is(err, preservation.ErrCorrupt) || errors.Is(err, preservation.ErrUnreadable) || errors.Is(err, fs.ErrNotExist)
}

// Stray returns a key of a bucket that must not be there: any, or when a restore goes on
// one that is not in the backup. It returns nothing when all is well.
func (r *Restore) Stray(ctx context.Context, t preservation.TenantID, store preservation.Store, again bool) (string, error) {
	known := []func(string) (bool, error){}
	for _, run := range []*Run{r.Run, r.Newer} {
		if again && run != nil && run.has(t) {
			next, stop := iter.Pull2(run.Entries(t))
			defer stop()
			e, err, more := next()
			known = append(known, func(key string) (bool, error) {
				for more && err == nil && e.Key < key {
					e, err, more = next()
				}
				return more && e.Key == key, err
			})
		}
	}
	if again && r.Second != nil {
		is, stop, err := r.inSecond(ctx, t)
		if err != nil {
			return "", err
		}
		defer stop()
		known = append(known, is)
	}
	for o, err := range store.Versions(ctx, "") {
		if err != nil {
			return "", err
		}
		found := false
		for _, is := range known {
			ok, err := is(o.Key)
			if err != nil {
				return "", err
			}
			found = found || ok
		}
		if !found {
			return o.Key, nil
		}
	}
	return "", nil
}

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

// CopyCatalog writes the catalog of the run to a path where there is none.
func (r *Run) CopyCatalog(to string) error {
	if r.Catalog == nil {
		return nil
	}
	from, err := os.Open(r.Path(CatalogName))
	if err != nil {
		return err
	}
	defer from.Close()
	tmp := to + ".restoring"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("restore catalog: %w", err)
	}
	if err := os.Rename(tmp, to); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
