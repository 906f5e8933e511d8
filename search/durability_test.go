package search

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
)

// filesOf returns the files of the tenant's index that match.
func filesOf(t *testing.T, dir, suffix string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, suffix) {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s in %s: %v", suffix, dir, err)
	}
	return files
}

// TestDamage damages an index in every way a disk or a person can, and expects
// it to come back from the feed.
func TestDamage(t *testing.T) {
	change := func(suffix string, f func(b []byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			for _, path := range filesOf(t, dir, suffix) {
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, f(b), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	half := func(b []byte) []byte { return b[:len(b)/2] }
	none := func([]byte) []byte { return nil }
	noise := func(b []byte) []byte { return bytes.Repeat([]byte{0xA5, 0x17}, len(b)/2) }
	remove := func(suffix string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			for _, path := range filesOf(t, dir, suffix) {
				os.Remove(path)
			}
		}
	}
	tests := []struct {
		name   string
		damage func(t *testing.T, dir string)
	}{
		{"segment: flipped bit", change(".zap", flip)},
		{"segment: cut off", change(".zap", half)},
		{"segment: empty", change(".zap", none)},
		{"segment: noise", change(".zap", noise)},
		{"segment: gone", remove(".zap")},
		{"root: cut off", change("root.bolt", half)},
		{"root: cut off after 1/8", change("root.bolt", func(b []byte) []byte { return b[:len(b)/8] })},
		{"root: cut off after 1/4", change("root.bolt", func(b []byte) []byte { return b[:len(b)/4] })},
		{"root: cut off after 3/4", change("root.bolt", func(b []byte) []byte { return b[:len(b)*3/4] })},
		{"root: cut off after 7/8", change("root.bolt", func(b []byte) []byte { return b[:len(b)*7/8] })},
		{"root: noise behind the head", change("root.bolt", func(b []byte) []byte { return append(b[:8192:8192], noise(b[8192:])...) })},
		{"root: zeros behind the head", change("root.bolt", func(b []byte) []byte { clear(b[8192:]); return b })},
		{"root: empty", change("root.bolt", none)},
		{"root: noise", change("root.bolt", noise)},
		{"root: gone", remove("root.bolt")},
		{"meta: gone", remove("index_meta.json")},
		{"meta: noise", change("index_meta.json", noise)},
		{"folder: a file instead", func(t *testing.T, dir string) {
			os.RemoveAll(filepath.Join(dir, "musterstadt"))
			os.WriteFile(filepath.Join(dir, "musterstadt"), []byte("x"), 0o600)
		}},
		{"folder: gone", func(t *testing.T, dir string) { os.RemoveAll(filepath.Join(dir, "musterstadt")) }},
	}
	feed := &listFeed{}
	for n := range 300 {
		feed.changes = append(feed.changes, change0(doc(n, "Titel", fmt.Sprintf("Bauantrag Nummer%d", n))))
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			set := testSetOnce(t, dir)
			ix, _ := set.Tenant("musterstadt")
			catchUp(t, ix, feed)
			if err := set.Close(); err != nil {
				t.Fatal(err)
			}
			tc.damage(t, dir)

			set = testSet(t, dir, Options{})
			ix, err := set.Tenant("musterstadt")
			if err != nil {
				t.Fatal(err)
			}
			catchUp(t, ix, feed)
			for text, want := range map[string]int{"Antrag": 300, "Nummer17": 1} {
				if p, err := ix.Search(t.Context(), Query{Text: text}); err != nil || p.Total != want {
					t.Errorf("%s: %d hits, %v", text, p.Total, err)
				}
			}
		})
	}
}

func change0(d Document) change { return change{doc: d, at: epoch} }

func catchUp(t *testing.T, ix *Index, feed Feed) {
	t.Helper()
	if err := NewTail(TailConfig{Index: ix, Feed: feed, Limit: 100}).CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestDamageWhileOpen(t *testing.T) {
	dir := t.TempDir()
	ix, _ := testSet(t, dir, Options{}).Tenant("musterstadt")
	feed := &listFeed{changes: []change{change0(doc(1, "Titel", "Text"))}}
	catchUp(t, ix, feed)
	if err := os.RemoveAll(filepath.Join(dir, "musterstadt")); err != nil {
		t.Fatal(err)
	}
	if err := ix.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	catchUp(t, ix, feed)
	if ids := found(t, ix, Query{Text: "Text"}); len(ids) != 1 {
		t.Error(ids)
	}
}

func TestOtherSchema(t *testing.T) {
	dir := t.TempDir()
	set := testSetOnce(t, dir)
	ix, _ := set.Tenant("musterstadt")
	add(t, ix, doc(1, "Titel", "Text"))
	o, err := ix.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := o.bleve.SetInternal(keyFingerprint, []byte("an older one")); err != nil {
		t.Fatal(err)
	}
	ix.release(o)
	set.Close()

	ix, _ = testSet(t, dir, Options{}).Tenant("musterstadt")
	if at, err := ix.Checkpoint(t.Context()); err != nil || at != "" {
		t.Errorf("at %q, %v; want a new index", at, err)
	}
}

// TestHeld opens an index that another set holds: it must be neither waited for
// nor dropped.
func TestHeld(t *testing.T) {
	dir := t.TempDir()
	first, _ := testSet(t, dir, Options{}).Tenant("musterstadt")
	add(t, first, doc(1, "Titel", "Text"))
	second, _ := testSet(t, dir, Options{}).Tenant("musterstadt")
	if _, err := second.Checkpoint(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	if ids := found(t, first, Query{Text: "Text"}); len(ids) != 1 {
		t.Error(ids)
	}
}

func TestDroppedFoldersGo(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, droppedPrefix+"musterstadt.x", "store")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	testSet(t, dir, Options{})
	if _, err := os.Stat(filepath.Dir(left)); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestErase looks for the bytes of an erased record in the index files.
func TestErase(t *testing.T) {
	const secret, name = "Quastelrumpfzinnober", "Xaverius Plumpsdorf"
	holds := func(dir string) bool {
		for _, suffix := range []string{".zap", ".bolt"} {
			for _, path := range filesOf(t, dir, suffix) {
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range []string{secret, "quastelrumpfzinnob", "Xaverius", "plumpsdorf", string(id(7))} {
					if bytes.Contains(b, []byte(s)) {
						return true
					}
				}
			}
		}
		return false
	}
	secretDoc := doc(7, "Vertraulich", "Das Wort "+secret+" steht hier.")
	secretDoc.Subjects = []preservation.Subject{{Name: name}}
	for _, others := range []int{0, 1, 400} {
		t.Run(fmt.Sprint(others), func(t *testing.T) {
			dir := t.TempDir()
			ix, _ := testSet(t, dir, Options{}).Tenant("musterstadt")
			for n := range others {
				if n == others/2 {
					add(t, ix, secretDoc)
				}
				if n != 7 && n%50 == 0 {
					add(t, ix, doc(n, "anderes", "Text"))
				}
			}
			add(t, ix, secretDoc)
			if !holds(dir) {
				t.Fatal("the search for the bytes does not work")
			}
			before, _ := ix.Count(t.Context())
			if err := ix.Erase(t.Context(), []preservation.RecordID{id(7), id(9999)}); err != nil {
				t.Fatal(err)
			}
			if holds(dir) {
				t.Error("the erased record is still in the files")
			}
			if n, _ := ix.Count(t.Context()); n != before-1 {
				t.Errorf("%d records, want %d", n, before-1)
			}
			if ids := found(t, ix, Query{Text: secret}); len(ids) != 0 {
				t.Error(ids)
			}
			add(t, ix, secretDoc) // a late step of the feed
			if ids := found(t, ix, Query{Text: secret}); len(ids) != 0 {
				t.Error("an erased record came back")
			}
			if err := ix.Erase(t.Context(), []preservation.RecordID{id(7)}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestEraseWhileSearching keeps snapshots of the old state in use.
func TestEraseWhileSearching(t *testing.T) {
	ix := testIndex(t)
	for n := range 20 {
		add(t, ix, doc(n, "Titel", "Bauantrag"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := ix.Search(t.Context(), Query{Text: "Antrag", Facets: Facets(), Snippets: true}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range 5 {
		if err := ix.Erase(t.Context(), []preservation.RecordID{id(n)}); err != nil {
			t.Error(err)
		}
	}
	cancel()
	wg.Wait()
	if n, _ := ix.Count(t.Context()); n != 15 {
		t.Errorf("%d records", n)
	}
}

func TestIdleIndexesClose(t *testing.T) {
	set := testSet(t, t.TempDir(), Options{MaxOpen: 3, Idle: 500 * time.Millisecond})
	open := func() int {
		n := 0
		for i := range 10 {
			ix, _ := set.Tenant(preservation.TenantID(fmt.Sprintf("stadt-%d", i)))
			if _, ok := ix.lastUse(); ok {
				n++
			}
		}
		return n
	}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			ix, err := set.Tenant(preservation.TenantID(fmt.Sprintf("stadt-%d", i)))
			if err != nil {
				t.Error(err)
				return
			}
			for n := range 5 {
				add(t, ix, doc(n, "Titel", fmt.Sprintf("Stadt%d", i)))
				if ids := found(t, ix, Query{Text: fmt.Sprintf("Stadt%d", i)}); len(ids) != n+1 {
					t.Errorf("tenant %d: %v", i, ids)
				}
			}
		})
	}
	wg.Wait()
	ix, _ := set.Tenant("stadt-0")
	found(t, ix, Query{Text: "Stadt1"})
	eventually(t, "more indexes stay open than allowed", func() bool { return open() <= 3 })
	eventually(t, "idle indexes stay open", func() bool { return open() == 0 })
	if ids := found(t, ix, Query{Text: "Stadt0"}); len(ids) != 5 {
		t.Errorf("after reopening: %v", ids)
	}
	if ids := found(t, ix, Query{Text: "Stadt1"}); len(ids) != 0 {
		t.Errorf("another tenant's records: %v", ids)
	}
}

func TestTenantNames(t *testing.T) {
	set := testSet(t, t.TempDir(), Options{})
	for _, name := range []preservation.TenantID{"", "..", "a/b", "Stadt", droppedPrefix + "x"} {
		if _, err := set.Tenant(name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

func TestClosedSet(t *testing.T) {
	set := testSetOnce(t, t.TempDir())
	ix, _ := set.Tenant("musterstadt")
	add(t, ix, doc(1, "Titel", "Text"))
	for range 2 {
		if err := set.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ix.Search(t.Context(), Query{}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := set.Tenant("musterstadt"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
