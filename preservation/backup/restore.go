package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bestand/preservation"
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
	wanted, err := r.wanted(t, stones, out)
	if err != nil {
		return out, err
	}
	return out, r.put(ctx, t, r.Newer, store, stones, wanted, out, moved)
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
