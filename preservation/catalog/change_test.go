package catalog_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// A reader that follows the feed while many write sees every change exactly
// once: also on PostgreSQL, where a transaction that began earlier may commit
// later.
func TestChangesUnderConcurrentWriters(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		const writers, each = 8, 250
		var writing sync.WaitGroup
		var done atomic.Bool
		for w := range writers {
			writing.Go(func() {
				for n := range each {
					err := f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
						if err := x.Changed(preservation.RecordID(fmt.Sprintf("%d/%d", w, n))); err != nil {
							return err
						}
						if n%7 == 0 {
							time.Sleep(time.Duration(w) * 300 * time.Microsecond) // others commit in between
						}
						if n%10 == 9 {
							return errUndone
						}
						return nil
					})
					if err != nil && !errors.Is(err, errUndone) {
						t.Error(err)
					}
				}
			})
		}
		go func() {
			writing.Wait()
			done.Store(true)
		}()
		seen := map[preservation.RecordID]int{}
		cursor := ""
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
			ended := done.Load()
			page, next, err := f.tenant.Changes(t.Context(), cursor, 40)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range page {
				seen[c.Record]++
			}
			cursor = next
			if len(page) > 0 && page[len(page)-1].Cursor != next {
				t.Fatalf("the last change stands at %s, the page ends at %s", page[len(page)-1].Cursor, next)
			}
			if ended && len(page) == 0 {
				n, _, err := f.tenant.Behind(t.Context(), cursor)
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					break
				}
			}
		}
		if want := writers * each * 9 / 10; len(seen) != want {
			t.Errorf("saw %d changes of %d", len(seen), want)
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("saw %s %d times", id, n)
			}
		}
	})
}

var errUndone = errors.New("undone")

func TestChangeFeed(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		wake := f.Changed()
		a := archive(t, f.tenant, "1")
		select {
		case <-wake:
		case <-time.After(5 * time.Second):
			t.Error("nobody was told of the change")
		}
		f.clock.advance(time.Minute)
		b := archive(t, f.tenant, "2")
		archive(t, f.other, "1")
		page, next, err := f.tenant.Changes(t.Context(), "", 1)
		if err != nil || len(page) != 1 || page[0].Record != a.Record.ID {
			t.Fatal(page, err)
		}
		if n, since, err := f.tenant.Behind(t.Context(), next); n != 1 || since != f.Now().UnixMilli() || err != nil {
			t.Error(n, since, err)
		}
		page, next, err = f.tenant.Changes(t.Context(), next, 10)
		if err != nil || len(page) != 1 || page[0].Record != b.Record.ID {
			t.Fatal(page, err)
		}
		if page, again, err := f.tenant.Changes(t.Context(), next, 10); err != nil || len(page) != 0 || again != next {
			t.Error(page, again, err)
		}
		if err := f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.Changed(a.Record.ID) }); err != nil {
			t.Fatal(err)
		}
		all, _, err := f.tenant.Changes(t.Context(), "", 10)
		if err != nil || len(all) != 2 || all[0].Record != b.Record.ID || all[1].Record != a.Record.ID {
			t.Error("what changed again stands once, at the end:", all, err)
		}
		if page, _, err := f.tenant.Changes(t.Context(), next, 10); err != nil || len(page) != 1 || page[0].Record != a.Record.ID {
			t.Error(page, err)
		}
		for _, bad := range []string{"x", "1", "1.", ".1", "1.2.3", "-1.2", "1.-2", "1.2 OR 1=1", "99999999999999999999.1"} {
			if _, _, err := f.tenant.Changes(t.Context(), bad, 1); !errors.Is(err, catalog.ErrCursor) {
				t.Errorf("cursor %q: %v", bad, err)
			}
			if _, _, err := f.tenant.Behind(t.Context(), bad); !errors.Is(err, catalog.ErrCursor) {
				t.Errorf("cursor %q: %v", bad, err)
			}
		}
	})
}
