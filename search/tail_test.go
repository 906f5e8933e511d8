package search

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
)

// growingFeed is a listFeed that may be added to while it is followed.
type growingFeed struct {
	mu sync.Mutex
	listFeed
}

func (f *growingFeed) Changes(ctx context.Context, id preservation.TenantID, after string, limit int) (
	[]Document, []preservation.RecordID, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listFeed.Changes(ctx, id, after, limit)
}

func (f *growingFeed) Behind(ctx context.Context, id preservation.TenantID, after string) (int64, time.Time, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listFeed.Behind(ctx, id, after)
}

func (f *growingFeed) add(c ...change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, c...)
}

func (f *growingFeed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = err
}

func running(t *testing.T, tail *Tail) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tail.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the tail does not stop")
		}
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatal(what)
		}
	}
}

func count(t *testing.T, ix *Index) int {
	n, err := ix.Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

func TestTail(t *testing.T) {
	ix := testIndex(t)
	feed := &growingFeed{}
	for n := range 50 {
		feed.add(change0(doc(n, "Titel", fmt.Sprintf("Antrag%d", n))))
	}
	ix.set.o.Now = func() time.Time { return epoch.Add(time.Minute) }
	tail := NewTail(TailConfig{Index: ix, Feed: feed, Limit: 7, Poll: time.Hour})
	lag := func() Lag {
		l, err := tail.Lag(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := lag(); l.Changes != 50 || l.Age != time.Minute || !l.Applied.IsZero() {
		t.Errorf("before the start: %+v", l)
	}
	running(t, tail)
	eventually(t, "first changes", func() bool { return count(t, ix) == 50 })
	eventually(t, "lag", func() bool { l := lag(); return l.Changes == 0 && l.Age == 0 && !l.Applied.IsZero() })

	feed.add(change0(doc(50, "Titel", "")), change{removed: id(3), at: epoch}, change{removed: id(4), at: epoch})
	tail.Wake()
	tail.Wake()
	eventually(t, "changes after waking", func() bool { return count(t, ix) == 49 })

	feed.fail(errors.New("catalog is away"))
	feed.add(change0(doc(51, "Titel", "")))
	tail.Wake()
	eventually(t, "fault is shown", func() bool { return lag().Fault != nil })
	feed.fail(nil)
	eventually(t, "recovery by itself", func() bool { return count(t, ix) == 50 })
	eventually(t, "fault is gone", func() bool { return lag().Fault == nil })

	if err := ix.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	tail.Wake()
	eventually(t, "return after a reset", func() bool { return count(t, ix) == 50 })
}

// TestRestoredCatalog gives the tail a feed that has lost its end.
func TestRestoredCatalog(t *testing.T) {
	ix := testIndex(t)
	long, short := &listFeed{}, &listFeed{}
	for n := range 20 {
		long.changes = append(long.changes, change0(doc(n, "Titel", "")))
		if n < 5 {
			short.changes = append(short.changes, change0(doc(n, "Titel", "")))
		}
	}
	catchUp(t, ix, long)
	catchUp(t, ix, short)
	if n := count(t, ix); n != 5 {
		t.Errorf("%d records", n)
	}
}

// TestRemovedRecordsArePurged follows a removal through the feed to the files.
func TestRemovedRecordsArePurged(t *testing.T) {
	ix := testIndex(t)
	feed := &listFeed{changes: []change{change0(doc(1, "eins", "")), change0(doc(2, "zwei", "")), {removed: id(1)}}}
	if err := NewTail(TailConfig{Index: ix, Feed: feed, Limit: 1}).CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	o, err := ix.acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer ix.release(o)
	if ok, err := o.isPurged(); err != nil || !ok {
		t.Errorf("purged: %v, %v", ok, err)
	}
	if open, err := ix.unpurged(t.Context()); err != nil || open {
		t.Errorf("still to be purged: %v, %v", open, err)
	}
}

// TestRemovalIsRememberedUntilPurged: a kill between removal and purge must not
// leave content behind, and a removal of what was never there must cost nothing.
func TestRemovalIsRememberedUntilPurged(t *testing.T) {
	ix := testIndex(t)
	add(t, ix, doc(1, "eins", ""), doc(2, "zwei", ""))
	for _, tc := range []struct {
		removed int
		want    bool
	}{{99, false}, {1, true}, {98, true}} {
		at, _ := ix.Checkpoint(t.Context())
		if err := ix.Apply(t.Context(), Batch{After: at, Next: at + "-", Removed: []preservation.RecordID{id(tc.removed)}}); err != nil {
			t.Fatal(err)
		}
		if got, err := ix.unpurged(t.Context()); err != nil || got != tc.want {
			t.Errorf("after removing %d: %v, %v", tc.removed, got, err)
		}
	}
	feed := &emptyFeed{}
	if err := NewTail(TailConfig{Index: ix, Feed: feed}).CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := ix.unpurged(t.Context()); err != nil || got {
		t.Errorf("after catching up: %v, %v", got, err)
	}
}

// emptyFeed has nothing behind any place.
type emptyFeed struct{ listFeed }

func (emptyFeed) Changes(_ context.Context, _ preservation.TenantID, after string, _ int) ([]Document, []preservation.RecordID, string, error) {
	return nil, nil, after, nil
}

// TestIdleTailLeavesTheIndexClosed: a tenant without changes costs no memory.
func TestIdleTailLeavesTheIndexClosed(t *testing.T) {
	set := testSet(t, t.TempDir(), Options{Idle: 50 * time.Millisecond})
	ix, _ := set.Tenant("musterstadt")
	running(t, NewTail(TailConfig{Index: ix, Feed: &growingFeed{}, Poll: time.Millisecond}))
	eventually(t, "opened once", func() bool { _, open := ix.lastUse(); return open })
	eventually(t, "closed", func() bool { _, open := ix.lastUse(); return !open })
	time.Sleep(100 * time.Millisecond)
	if _, open := ix.lastUse(); open {
		t.Error("opened again without a change")
	}
}

// TestGathering lets the feed hand out small steps; each record's newest state
// must win.
func TestGathering(t *testing.T) {
	feed := &listFeed{changes: []change{
		change0(doc(1, "eins", "alt")), change0(doc(2, "zwei", "")), change0(doc(3, "drei", "")),
		change0(doc(1, "eins", "neu")), {removed: id(2)}, {removed: id(4)}, change0(doc(4, "vier", "")), change0(doc(5, "fünf", "")),
	}}
	for limit := 1; limit <= 9; limit++ {
		ix := testIndex(t)
		steps := feedInSteps{feed, 1}
		if err := NewTail(TailConfig{Index: ix, Feed: steps, Limit: limit}).CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		ids := found(t, ix, Query{Order: ByOldest})
		if len(ids) != 4 || len(found(t, ix, Query{Text: "neu"})) != 1 || len(found(t, ix, Query{Text: "alt"})) != 0 || len(found(t, ix, Query{Text: "vier"})) != 1 {
			t.Errorf("limit %d: %v", limit, short(ids))
		}
	}
}

// feedInSteps hands out fewer changes than asked for.
type feedInSteps struct {
	*listFeed
	most int
}

func (f feedInSteps) Changes(ctx context.Context, id preservation.TenantID, after string, limit int) ([]Document, []preservation.RecordID, string, error) {
	return f.listFeed.Changes(ctx, id, after, min(limit, f.most))
}
