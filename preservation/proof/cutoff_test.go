package proof_test

import (
	"context"
	"errors"
	"io"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// watched tells of everything that is asked of a store, before or after it was done.
type watched struct {
	preservation.Store
	before, after func()
}

func (w *watched) Open(ctx context.Context, key, version string, off, n int64) (io.ReadCloser, error) {
	w.before()
	defer w.after()
	return w.Store.Open(ctx, key, version, off, n)
}

func (w *watched) Get(ctx context.Context, key, version string) (preservation.Object, io.ReadCloser, error) {
	w.before()
	defer w.after()
	return w.Store.Get(ctx, key, version)
}

func (w *watched) Put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	w.before()
	defer w.after()
	return w.Store.Put(ctx, key, r, o)
}

// cut does something again and again, cut off one step later each time, once before
// the step and once after it, until it comes to its end.
func (a *archive) cut(do func(context.Context, *catalog.Tenant) error) (rounds int) {
	a.Helper()
	whole := a.bucket
	defer func() { a.bucket = whole }()
	for step := int64(1); step < 200; step++ {
		for _, late := range []bool{false, true} {
			rounds++
			ctx, cancel := context.WithCancel(a.Context())
			var done atomic.Int64
			at := func(here bool) func() {
				return func() {
					if here && done.Add(1) == step {
						cancel()
					}
				}
			}
			a.bucket = &watched{Store: whole, before: at(!late), after: at(late)}
			err := do(ctx, a.Tenant)
			cancel()
			if err == nil {
				return rounds
			}
			if !errors.Is(err, context.Canceled) {
				a.Fatalf("step %d: %v", step, err)
			}
		}
	}
	a.Fatal("it does not come to an end")
	return 0
}

// pairs counts the stamps in the bucket, of which each has its leaves and one token.
func (a *archive) pairs() (n int) {
	a.Helper()
	parts := map[string]string{}
	for o, err := range a.bucket.Versions(a.Context(), preservation.StampPrefix) {
		a.must(err)
		parts[path.Dir(o.Key)] += " " + path.Base(o.Key)
	}
	for id, names := range parts {
		if names != " leaves.txt token.tst" {
			a.Errorf("%s holds%s", id, names)
		}
	}
	return len(parts)
}

// TestBatchCutOff cuts a batch and then a time-stamp renewal off at every step.
func TestBatchCutOff(t *testing.T) {
	a := newArchive(t)
	a.now = time.Now()
	packages := map[preservation.RecordID][]byte{}
	for range 3 {
		c, b := a.archived(1)
		packages[c.Record.ID] = b
	}
	rounds := a.cut(func(ctx context.Context, tn *catalog.Tenant) error {
		_, err := a.notary.Batch(ctx, tn)
		return err
	})
	if rounds < 10 {
		t.Errorf("%d rounds", rounds)
	}
	stamps := a.pairs()
	q, err := a.View().StampQueue(t.Context())
	a.must(err)
	if q.Waiting > 0 {
		t.Errorf("%+v", q)
	}
	for id, pkg := range packages {
		a.proves(a.Tenant, id, pkg)
	}
	a.now = a.now.AddDate(4, 9, 0)
	a.newKeys()
	a.cut(func(ctx context.Context, tn *catalog.Tenant) error {
		_, err := a.notary.Renew(ctx, tn)
		return err
	})
	if n := a.pairs(); n != stamps+1 {
		t.Errorf("%d stamps, there were %d before the renewal", n, stamps)
	}
	a.restored(packages)
}

// TestRestoreOfDamage restores from a bucket in which something is wrong: that is
// said, as a check says it, and the rest is proved.
func TestRestoreOfDamage(t *testing.T) {
	a := newArchive(t)
	whole := a.bucket
	packages := map[preservation.RecordID][]byte{}
	var commits []catalog.Commit
	for range 2 {
		c, b := a.archived(1)
		commits, packages[c.Record.ID] = append(commits, c), b
		if _, err := a.notary.Batch(t.Context(), a.Tenant); err != nil {
			t.Fatal(err)
		}
	}
	places, err := a.View().StampPlaces(t.Context(), string(commits[0].Record.ID), 1)
	a.must(err)
	broken, other := places[0].Stamp, commits[1].Record.ID
	for name, change := range map[string]func(leaves, token string) (string, string){
		"another digest":  func(l, k string) (string, string) { return flip(l), k },
		"no head":         func(l, k string) (string, string) { return l[strings.Index(l, "\n")+1:], k },
		"head of another": func(l, k string) (string, string) { return strings.Replace(l, tenant, "beispielhausen", 1), k },
		"later format": func(l, k string) (string, string) {
			return strings.Replace(l, "bestand-stamp/1", "bestand-stamp/9", 1), k
		},
		"unknown algorithm": func(l, k string) (string, string) { return strings.Replace(l, "SHA-256", "SHA-999", 1), k },
		"leaves cut off":    func(l, k string) (string, string) { return l[:len(l)-40], k },
		"no leaf":           func(l, k string) (string, string) { return l[:strings.Index(l, "\n")+1], k },
		"endless line":      func(l, k string) (string, string) { return l + strings.Repeat("a", 8<<10), k },
		"negative leaves":   func(l, k string) (string, string) { return strings.Replace(l, `"leaves":1`, `"leaves":-1`, 1), k },
		"millions of leaves": func(l, k string) (string, string) {
			return strings.Replace(l, `"leaves":1`, `"leaves":1000000000`, 1), k
		},
		"token cut off":    func(l, k string) (string, string) { return l, k[:len(k)-10] },
		"token of rubbish": func(l, k string) (string, string) { return l, "rubbish" },
		"no leaves at all": func(l, k string) (string, string) { return "", k },
	} {
		t.Run(name, func(t *testing.T) {
			a.TB = t
			a.bucket = &altered{Store: whole, stamp: broken, change: change}
			fresh := newCatalog(t)
			a.must(fresh.CommitRecords(t.Context(), commits...))
			_, problems, err := a.notary.Restore(t.Context(), fresh)
			a.must(err)
			if len(problems) == 0 {
				t.Error("nothing is said")
			}
			for _, p := range problems {
				if !strings.Contains(p.Subject, broken) || p.Detail == "" || p.Clause == "" {
					t.Errorf("%+v", p)
				}
			}
			a.proves(fresh, other, packages[other])
			if found := a.checked(); len(found) == 0 {
				t.Error("a check finds nothing")
			}
		})
	}
	a.TB, a.bucket = t, whole
	if found := a.checked(); len(found) > 0 {
		t.Errorf("nothing is wrong: %+v", found)
	}
}

// checked holds all objects of stamps against the catalog.
func (a *archive) checked() (all []preservation.Finding) {
	a.Helper()
	keys, err := a.notary.Keys(a.Context(), a.Tenant)
	a.must(err)
	for _, key := range keys {
		_, body, err := a.bucket.Get(a.Context(), key, "")
		a.must(err)
		known, found, err := a.notary.CheckObject(a.Context(), a.Tenant, key, body)
		a.must(err)
		if body.Close(); !known {
			a.Errorf("%s is not known", key)
		}
		all = append(all, found...)
	}
	return all
}

// flip changes the digest of the first leaf.
func flip(leaves string) string {
	at := strings.Index(leaves, "\n") + 1
	digit := "0"
	if leaves[at] == '0' {
		digit = "1"
	}
	return leaves[:at] + digit + leaves[at+1:]
}

// altered is a bucket in which the objects of one stamp are others.
type altered struct {
	preservation.Store
	stamp  string
	only   string // the object that is; empty: both
	change func(leaves, token string) (string, string)
}

func (s *altered) is(key string) bool {
	return strings.Contains(key, s.stamp) && (s.only == "" || path.Base(key) == s.only)
}

func (s *altered) content(ctx context.Context, key, version string) (string, error) {
	read := func(name string) (string, error) {
		body, err := s.Store.Open(ctx, path.Join(path.Dir(key), name), "", 0, -1)
		if err != nil {
			return "", err
		}
		defer body.Close()
		b, err := io.ReadAll(body)
		return string(b), err
	}
	leaves, err := read("leaves.txt")
	if err != nil {
		return "", err
	}
	token, err := read("token.tst")
	if err != nil && s.only == "" {
		return "", err
	}
	if leaves, token = s.change(leaves, token); path.Base(key) == "leaves.txt" {
		return leaves, nil
	}
	return token, nil
}

func (s *altered) Open(ctx context.Context, key, version string, off, n int64) (io.ReadCloser, error) {
	if !s.is(key) {
		return s.Store.Open(ctx, key, version, off, n)
	}
	text, err := s.content(ctx, key, version)
	return io.NopCloser(strings.NewReader(text)), err
}

func (s *altered) Get(ctx context.Context, key, version string) (preservation.Object, io.ReadCloser, error) {
	if !s.is(key) {
		return s.Store.Get(ctx, key, version)
	}
	o, err := s.Stat(ctx, key, version)
	if err != nil {
		return o, nil, err
	}
	text, err := s.content(ctx, key, version)
	return o, io.NopCloser(strings.NewReader(text)), err
}
