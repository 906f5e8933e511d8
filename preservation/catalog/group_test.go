package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bestand/preservation/catalog"
)

var errRefused = errors.New("refused")

// Writes that are committed together have nothing else to do with each other.
func TestNeighboursOfFailingWrites(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				name := fmt.Sprint(i)
				ctx, want := t.Context(), error(nil)
				if i%5 == 3 {
					ctx, want = ended, context.Canceled
				}
				if i%5 == 1 {
					want = errRefused
				}
				defer func() {
					if r := recover(); (r == "bug "+name) != (i%5 == 2) {
						t.Errorf("%s: recovered %v", name, r)
					}
				}()
				err := f.tenant.Update(ctx, func(x *catalog.Tx) error {
					if err := x.SetCursor(name, "x"); err != nil {
						return err
					}
					switch i % 5 {
					case 1:
						return fmt.Errorf("%s: %w", name, errRefused)
					case 2:
						panic("bug " + name)
					case 4:
						// A statement that the database refuses takes only its own write with it.
						return x.AddTrigger(catalog.Trigger{ID: name, Record: "missing"})
					}
					return nil
				})
				if i%5 == 4 {
					want = catalog.ErrNotFound
				}
				if !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", name, err, want)
				}
			})
		}
		wg.Wait()
		for i := range 200 {
			v, err := f.tenant.View().Cursor(t.Context(), fmt.Sprint(i))
			if err != nil || (v == "x") != (i%5 == 0) {
				t.Errorf("write %d left %q (%v)", i, v, err)
			}
		}
	})
}

// Whoever leaves while a shared transaction runs neither stops it nor spoils
// what others wrote.
func TestCallerLeavesDuringWrite(t *testing.T) {
	f := open(t, "sqlite")
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := f.tenant.Update(ctx, func(x *catalog.Tx) error {
				if i%2 == 0 {
					cancel()
				}
				if _, err := x.View().Documents(ctx, "rule"); err != nil {
					return err
				}
				return x.SetCursor(fmt.Sprint(i), "x")
			})
			if err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	wg.Wait()
	for i := range 100 {
		if v, err := f.tenant.View().Cursor(t.Context(), fmt.Sprint(i)); err != nil || v != "x" {
			t.Errorf("%d: %q %v", i, v, err)
		}
	}
}

// A write that returned without error before or while the catalog was closed is
// there; one that failed is not.
func TestCloseWhileWriting(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		db := reopen(t, f)
		tn := db.Tenant("musterstadt")
		var written, refused sync.Map
		var count atomic.Int64
		var wg sync.WaitGroup
		for w := range 16 {
			wg.Go(func() {
				for n := 0; ; n++ {
					name := fmt.Sprintf("%d/%d", w, n)
					err := tn.Update(context.Background(), func(x *catalog.Tx) error { return x.SetCursor(name, "x") })
					if err != nil {
						refused.Store(name, true)
						return
					}
					written.Store(name, true)
					count.Add(1)
				}
			})
		}
		eventually(t, "some writes", func() bool { return count.Load() > 100 })
		must(t, db.Close())
		must(t, db.Close())
		ended := make(chan struct{})
		go func() { defer close(ended); wg.Wait() }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatal("a writer hangs")
		}
		check := func(m *sync.Map, want string) {
			m.Range(func(name, _ any) bool {
				if v, err := f.tenant.View().Cursor(t.Context(), name.(string)); err != nil || v != want {
					t.Errorf("%s: %q, want %q (%v)", name, v, want, err)
				}
				return true
			})
		}
		check(&written, "x")
		check(&refused, "")
	})
}
