package fixity_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/replica"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
)

// following is an archived record with a second copy that nothing was brought to yet.
func following(t *testing.T) (doubled, *replica.Copier) {
	second := storetest.OwnSite(t)
	d := doubled{archived: archive(t), copy: second.Bucket, dir: second.Dir, copyAside: behind(t, second.Server)}
	return d, d.copier()
}

// TestToldAgain: what could not be told the first time, such as a later receipt, is
// told with the next run.
func TestToldAgain(t *testing.T) {
	d, c := following(t)
	told, failed := map[string]bool{}, false
	c.Seen = func(_ context.Context, _ *catalog.Tenant, _ preservation.RecordID, o catalog.RecordObject) error {
		if !failed {
			failed = true
			return errors.New("not now")
		}
		told[o.Key] = true
		return nil
	}
	if err := c.Run(t.Context(), d.tenant, catalog.Job{}); err == nil {
		t.Error("nothing is said")
	}
	c.Now = func() time.Time { return time.Now().Add(time.Hour) }
	d.change(t, "UPDATE copy_due SET try_ms = 0")
	if err := c.Run(t.Context(), d.tenant, catalog.Job{}); err != nil {
		t.Fatal(err)
	}
	objects, err := d.tenant.Objects(t.Context(), d.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if !told[o.Key] {
			t.Errorf("%s was not told", o.Key)
		}
	}
}

// change edits the catalog.
func (a archived) change(t *testing.T, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", a.catalog)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
}

// putting tells of every object before it is written.
type putting struct {
	*s3.Bucket
	before func()
}

func (p putting) Put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	p.before()
	return p.Bucket.Put(ctx, key, r, o)
}

// TestDestroyedWhileCopying begins a destruction while the copier writes: that the
// second copy has the package is said and stays due until it goes.
func TestDestroyedWhileCopying(t *testing.T) {
	d, c := following(t)
	begun := false
	c.Copy = func(context.Context, *catalog.Tenant) (preservation.Store, error) {
		return putting{d.copy, func() {
			if !begun {
				begun = true
				d.change(t, "UPDATE record SET status = 'releasing'")
				remove(t, d.file)
			}
		}}, nil
	}
	for range 2 {
		if err := c.Run(t.Context(), d.tenant, catalog.Job{}); err != nil {
			t.Fatal(err)
		}
		lag, err := d.tenant.View().CopyLag(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.copy.Stat(t.Context(), preservation.PackageKey(d.id, 1), ""); err == nil && (lag.Objects == 0 || lag.Error == "") {
			t.Errorf("the second copy has the package, and nothing is due: %+v", lag)
		}
		d.change(t, "UPDATE copy_due SET try_ms = 0")
	}
}

// TestCopiesOfDamage: two damaged copies are not two copies.
func TestCopiesOfDamage(t *testing.T) {
	d := double(t)
	var log bytes.Buffer
	s := d.scrub(t, &log)
	edit(t, filepath.Join(d.dir, preservation.PackageKey(d.id, 1)), flipBit)
	edit(t, d.file, func(b []byte) []byte { b[len(b)/3] ^= 4; return b })
	run(t, s, d.archived)
	if n, _, err := d.tenant.View().Copies(t.Context(), d.id); n != 1 || err != nil {
		t.Errorf("%d copies, %v", n, err)
	}
}

// TestLateLockIsNotSetAgain: where the catalog's lock is over as well, nothing is set
// and nothing is claimed.
func TestLateLockIsNotSetAgain(t *testing.T) {
	d := double(t)
	var log bytes.Buffer
	s := d.scrub(t, &log)
	d.change(t, "UPDATE record SET lock_until_ms = 1000")
	s.Checker.Now = func() time.Time { return time.Now().AddDate(0, 0, 400) }
	for range 2 {
		if err := s.Run(t.Context(), d.tenant, catalog.Job{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.audited(t, "fixity.relock"); n != 0 {
		t.Errorf("%d locks are said to be set again", n)
	}
}
