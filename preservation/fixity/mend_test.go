package fixity_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sys/unix"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
	"bestand/preservation/ledger"
	"bestand/preservation/replica"
	"bestand/preservation/s3"
)

// doubled is an archive with a second copy in a store of its own.
type doubled struct {
	archived
	copy      *s3.Bucket
	dir       string        // folder of the second copy
	copyAside *minio.Client // as behind, of the second copy
}

func double(t *testing.T) doubled {
	t.Helper()
	d, _ := following(t)
	d.follow(t)
	return d
}

func (d doubled) copier() *replica.Copier {
	return &replica.Copier{Place: "test", Now: time.Now, Stays: func(g catalog.Tombstone, key string) bool { return key == g.Key || key == g.Intent }, Log: slog.New(slog.DiscardHandler),
		Store: func(context.Context, *catalog.Tenant) (preservation.Store, error) { return d.bucket, nil },
		Copy:  func(context.Context, *catalog.Tenant) (preservation.Store, error) { return d.copy, nil }}
}

// follow brings everything to the second copy.
func (d doubled) follow(t *testing.T) {
	t.Helper()
	if err := d.copier().Run(t.Context(), d.tenant, catalog.Job{}); err != nil {
		t.Fatal(err)
	}
	if n, _, err := d.tenant.View().Copies(t.Context(), d.id); err != nil || n != 2 {
		t.Fatalf("%d copies: %v", n, err)
	}
}

func (d doubled) scrub(t *testing.T, log *bytes.Buffer) *fixity.Scrub {
	s := d.archived.scrub(t, log, &replica.Store{Store: d.bucket, Tenant: d.tenant})
	s.Copies = func(context.Context, *catalog.Tenant) (fixity.Pair, error) {
		return fixity.Pair{Primary: d.bucket, Copy: d.copy}, nil
	}
	return s
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestMend(t *testing.T) {
	pkg := func(d doubled) string { return preservation.PackageKey(d.id, 1) }
	for _, c := range []struct {
		name   string
		damage func(*testing.T, doubled)
		code   string // of the event about the repair; none: it cannot be repaired
		kept   bool   // the damaged version is there still
	}{
		{"a bit of the package", func(t *testing.T, d doubled) { edit(t, d.file, flipBit) }, fixity.CodeMended, true},
		{"the package cut off", func(t *testing.T, d doubled) { edit(t, d.file, func(b []byte) []byte { return b[:len(b)/2] }) }, fixity.CodeMended, true},
		{"the package is gone", func(t *testing.T, d doubled) { remove(t, d.file) }, fixity.CodeMended, false},
		{"the receipt is gone", func(t *testing.T, d doubled) { remove(t, d.object(d.receipt)) }, fixity.CodeMended, false},
		{"a letter of the receipt", func(t *testing.T, d doubled) {
			edit(t, d.object(d.receipt), func(b []byte) []byte { return bytes.Replace(b, []byte("signed"), []byte("sigmed"), 1) })
		}, fixity.CodeMended, true},
		{"a bit of the copy", func(t *testing.T, d doubled) { edit(t, filepath.Join(d.dir, pkg(d)), flipBit) }, fixity.CodeCopyMended, true},
		{"the copy is gone", func(t *testing.T, d doubled) { remove(t, filepath.Join(d.dir, d.receipt)) }, fixity.CodeCopyMended, false},
		{"both are damaged", func(t *testing.T, d doubled) {
			edit(t, d.file, flipBit)
			edit(t, filepath.Join(d.dir, pkg(d)), func(b []byte) []byte { b[len(b)/3] ^= 4; return b })
		}, "", false},
		{"damaged and gone", func(t *testing.T, d doubled) { edit(t, d.file, flipBit); remove(t, filepath.Join(d.dir, pkg(d))) }, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := double(t)
			var log bytes.Buffer
			s := d.scrub(t, &log)
			run(t, s, d.archived)
			if told := d.told(t); len(told) > 0 {
				t.Fatalf("intact, and %+v", told)
			}
			c.damage(t, d)
			run(t, s, d.archived)
			check, err := d.tenant.View().Checked(t.Context(), d.id)
			if err != nil {
				t.Fatal(err)
			}
			told := d.told(t)
			if c.code == "" {
				if len(check.Findings) == 0 || len(told) != 1 {
					t.Fatalf("%+v, events %+v", check, told)
				}
				return
			}
			if len(check.Findings) > 0 || len(told) != 2 || told[0].Outcome != preservation.Failure || told[1].Code != c.code || d.audited(t, "fixity.repair") != 1 {
				t.Fatalf("%+v, events %+v\n%s", check, told, &log)
			}
			d.follow(t)
			for range 2 { // all is well now
				run(t, s, d.archived)
			}
			if again := d.told(t); len(again) != 2 {
				t.Errorf("events %+v", again)
			}
			bucket := d.bucket
			if c.code == fixity.CodeCopyMended {
				bucket = d.copy
			}
			versions := 0
			for _, key := range []string{pkg(d), d.receipt} {
				for _, err := range bucket.Versions(t.Context(), key) {
					if err != nil {
						t.Fatal(err)
					}
					versions++
				}
			}
			if want := map[bool]int{false: 2, true: 3}[c.kept]; versions != want {
				t.Errorf("%d versions, want %d", versions, want)
			}
			if c.code == fixity.CodeMended {
				d.rebuilt(t)
			}
		})
	}
}

// TestCopyTouched has something else than the archive write into the second copy, hide an
// object of it and take a lock away: each is found and told, and what can be is mended.
func TestCopyTouched(t *testing.T) {
	pkg := func(d doubled) string { return preservation.PackageKey(d.id, 1) }
	for _, c := range []struct {
		name  string
		touch func(*testing.T, doubled)
		left  []string // codes of findings that stay, for a person to look at
		audit string   // action of the entry about what was mended
	}{
		{"a version on top of the package", func(t *testing.T, d doubled) { over(t, d.copyAside, d.copy.Name(), pkg(d)) },
			[]string{fixity.CodeCopySurplus}, "fixity.repair"},
		{"a version on top of the receipt", func(t *testing.T, d doubled) { over(t, d.copyAside, d.copy.Name(), d.receipt) },
			[]string{fixity.CodeCopySurplus}, "fixity.repair"},
		{"a delete marker on the package", func(t *testing.T, d doubled) {
			if err := d.copyAside.RemoveObject(t.Context(), d.copy.Name(), pkg(d), minio.RemoveObjectOptions{}); err != nil {
				t.Fatal(err)
			}
		}, []string{fixity.CodeCopySurplus}, "fixity.repair"},
		{"the lock is gone", func(t *testing.T, d doubled) {
			if err := unix.Removexattr(filepath.Join(d.dir, pkg(d)), "user.object-retention"); err != nil {
				t.Fatal(err)
			}
		}, nil, "fixity.relock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := double(t)
			var log bytes.Buffer
			s := d.scrub(t, &log)
			run(t, s, d.archived)
			if told := d.told(t); len(told) > 0 {
				t.Fatalf("intact, and %+v", told)
			}
			c.touch(t, d)
			for range 3 {
				run(t, s, d.archived)
			}
			check, err := d.tenant.View().Checked(t.Context(), d.id)
			if err != nil {
				t.Fatal(err)
			}
			var left []string
			for _, f := range check.Findings {
				left = append(left, f.Code)
			}
			if !slices.Equal(left, c.left) || d.audited(t, c.audit) != 1 {
				t.Errorf("left %+v, %d entries %s, events %+v\n%s", check.Findings, d.audited(t, c.audit), c.audit, d.told(t), &log)
			}
			if f, err := d.tenant.View().Fixity(t.Context()); err != nil || f.Findings != int64(len(c.left)) { // as the metric tells
				t.Errorf("%+v %v", f, err)
			}
			if told := d.told(t); len(told) == 0 || told[0].Outcome != preservation.Failure {
				t.Errorf("events %+v", told)
			}
			want, err := d.bucket.Stat(t.Context(), pkg(d), "")
			if err != nil {
				t.Fatal(err)
			}
			have, err := d.copy.Stat(t.Context(), pkg(d), "")
			if err != nil || have.SHA256 != want.SHA256 || have.Lock != want.Lock {
				t.Errorf("the second copy has %+v, want %+v: %v", have, want, err)
			}
		})
	}
}

// rebuilt restores the catalog from the bucket, which has to read the right versions.
func (d doubled) rebuilt(t *testing.T) {
	t.Helper()
	db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.RestoreTenant(t.Context(), catalog.TenantInfo{ID: "musterstadt", Name: "Musterstadt"}); err != nil {
		t.Fatal(err)
	}
	tenant := db.Tenant("musterstadt")
	report, err := ledger.Rebuild(t.Context(), tenant, d.bucket, ledger.Options{})
	if err != nil || len(report.Problems) > 0 {
		t.Fatalf("%+v %v", report, err)
	}
	have, err := tenant.Objects(t.Context(), d.id)
	if err != nil {
		t.Fatal(err)
	}
	want, err := d.tenant.Objects(t.Context(), d.id)
	if err != nil {
		t.Fatal(err)
	}
	same := func(a, b catalog.RecordObject) bool {
		return a.Key == b.Key && a.VersionID == b.VersionID && a.SHA256 == b.SHA256
	}
	if !slices.EqualFunc(have, want, same) {
		t.Errorf("rebuilt\n%+v, was\n%+v", have, want)
	}
}

// TestCopyAway: a second copy that cannot be asked is no finding, and takes none away.
func TestCopyAway(t *testing.T) {
	d := double(t)
	var log bytes.Buffer
	s := d.scrub(t, &log)
	edit(t, filepath.Join(d.dir, preservation.PackageKey(d.id, 1)), flipBit)
	edit(t, d.file, func(b []byte) []byte { b[len(b)/3] ^= 4; return b })
	run(t, s, d.archived)
	before, err := d.tenant.View().Checked(t.Context(), d.id)
	if err != nil || !slices.ContainsFunc(before.Findings, func(f preservation.Finding) bool { return f.Code == fixity.CodeCopyDigest }) {
		t.Fatalf("%+v %v", before, err)
	}
	s.Copies = func(context.Context, *catalog.Tenant) (fixity.Pair, error) {
		return fixity.Pair{}, preservation.Down(preservation.PartStore, os.ErrDeadlineExceeded)
	}
	run(t, s, d.archived)
	after, err := d.tenant.View().Checked(t.Context(), d.id)
	if err != nil || len(after.Findings) != len(before.Findings) || !after.At.After(before.At) {
		t.Errorf("%+v, before %+v %v", after, before, err)
	}
}

// TestMendRest: what belongs to no record is repaired too, in either place.
func TestMendRest(t *testing.T) {
	d := double(t)
	docs := d.documents(t, "one", "two", "three")
	var log bytes.Buffer
	s := d.scrub(t, &log)
	run(t, s, d.archived)
	if log.Len() > 0 {
		t.Fatal(log.String())
	}
	alter := func(b []byte) []byte { return bytes.Replace(b, []byte("anna"), []byte("otto"), 1) }
	edit(t, d.object(docs["one"]), alter)
	remove(t, d.object(docs["two"]))
	edit(t, filepath.Join(d.dir, docs["three"]), alter)
	run(t, s, d.archived)
	if n := d.audited(t, "fixity.repair"); n != 3 {
		t.Fatalf("%d repairs\n%s", n, &log)
	}
	log.Reset()
	for range 2 {
		run(t, s, d.archived)
	}
	if found, err := d.tenant.View().Findings(t.Context(), ""); err != nil || len(found) > 0 || d.audited(t, "fixity.repair") != 3 {
		t.Errorf("%+v %v\n%s", found, err, &log)
	}
	d.reads(t, docs)
}

// documents puts configuration into catalog and both copies, and returns the keys by name.
func (d doubled) documents(t *testing.T, names ...string) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for _, name := range names {
		doc := catalog.Document{Kind: "rule", Name: name, Version: 1, Key: preservation.ConfigKey(name), Body: []byte(`{"years":10}`), Actor: "anna", At: 1}
		data, sum, err := preservation.ConfigObject{Kind: doc.Kind, Name: name, Version: 1, At: 1, Actor: "anna", Body: doc.Body}.Encode()
		if err == nil {
			noted := &replica.Store{Store: d.bucket, Tenant: d.tenant}
			_, err = noted.Put(t.Context(), doc.Key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: sum,
				Lock: preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(time.Hour)}})
		}
		if err == nil {
			err = d.tenant.Update(t.Context(), func(x *catalog.Tx) error { return errors.Join(x.AddDocument(doc), x.DocumentStored(doc.Key)) })
		}
		if err != nil {
			t.Fatal(err)
		}
		docs[name] = doc.Key
	}
	d.follow(t)
	return docs
}

// reads wants the newest version of each document in both copies to be the one that anna
// wrote.
func (d doubled) reads(t *testing.T, docs map[string]string) {
	t.Helper()
	for name, key := range docs {
		for _, b := range []*s3.Bucket{d.bucket, d.copy} {
			_, body, err := b.Get(t.Context(), key, "")
			if err != nil {
				t.Errorf("%s in %s: %v", name, b.Name(), err)
				continue
			}
			data, err := io.ReadAll(body)
			body.Close()
			if err != nil || !bytes.Contains(data, []byte("anna")) {
				t.Errorf("%s in %s: %s %v", name, b.Name(), data, err)
			}
		}
	}
}

// TestMendRestAbove: what something else has written above an object that belongs to no
// record, or hidden it with, in either place, stays and is told; the object is written
// again above that. A lock that is lost is set again.
func TestMendRestAbove(t *testing.T) {
	d := double(t)
	docs := d.documents(t, "above", "above-copy", "hidden", "hidden-copy", "unlocked")
	s := d.scrub(t, new(bytes.Buffer))
	var locked []string
	s.Protect = func(_ context.Context, _ *catalog.Tenant, key string) (bool, error) {
		locked = append(locked, key)
		return true, nil
	}
	hide := func(c *minio.Client, bucket, key string) {
		t.Helper()
		if err := c.RemoveObject(t.Context(), bucket, key, minio.RemoveObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	d.over(t, docs["above"])
	over(t, d.copyAside, d.copy.Name(), docs["above-copy"])
	hide(d.behind, d.bucket.Name(), docs["hidden"])
	hide(d.copyAside, d.copy.Name(), docs["hidden-copy"])
	if err := unix.Removexattr(d.object(docs["unlocked"]), "user.object-retention"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		run(t, s, d.archived)
	}
	d.reads(t, docs)
	if n := d.audited(t, "fixity.repair"); n != 4 {
		t.Errorf("%d repairs", n)
	}
	want := []string{fixity.CodeCopySurplus + " " + docs["above-copy"], fixity.CodeCopySurplus + " " + docs["hidden-copy"],
		fixity.CodeLockGone + " " + docs["unlocked"], fixity.CodeSurplus + " " + docs["above"], fixity.CodeSurplus + " " + docs["hidden"]}
	have := d.codes(t, "")
	slices.Sort(have)
	if slices.Sort(want); !slices.Equal(have, want) {
		t.Errorf("found %q, want %q", have, want)
	}
	if !slices.Contains(locked, docs["unlocked"]) || d.audited(t, "fixity.relock") != len(locked) {
		t.Errorf("locked %q", locked)
	}
}

// TestMendRestLock: what is written again has the lock of what was stored first, whatever
// lock something else has set above it.
func TestMendRestLock(t *testing.T) {
	d := double(t)
	docs := d.documents(t, "longer", "weaker")
	s := d.scrub(t, new(bytes.Buffer))
	first := map[string]preservation.Lock{}
	for name, lock := range map[string]preservation.Lock{
		"longer": {Mode: preservation.Compliance, Until: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)},
		"weaker": {Mode: preservation.Governance, Until: time.Now().AddDate(1, 0, 0)},
	} {
		o, err := d.bucket.Stat(t.Context(), docs[name], "")
		if err != nil {
			t.Fatal(err)
		}
		first[name] = o.Lock
		sum := sha256.Sum256([]byte("strange"))
		if _, err := d.bucket.Replace(t.Context(), docs[name], strings.NewReader("strange"), preservation.PutOptions{Size: 7, SHA256: hex.EncodeToString(sum[:]), Lock: lock}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		run(t, s, d.archived)
	}
	d.reads(t, docs)
	for name, key := range docs {
		if o, err := d.bucket.Stat(t.Context(), key, ""); err != nil || o.Lock.Mode != first[name].Mode || !o.Lock.Until.Equal(first[name].Until) {
			t.Errorf("%s: locked %+v, first %+v, %v", name, o.Lock, first[name], err)
		}
	}
}
