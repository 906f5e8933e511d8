package search

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
)

const childDir = "BESTAND_SEARCH_TEST_CHILD"

// listFeed is a feed of numbered changes kept in memory.
type listFeed struct {
	changes []change
	failure error
	calls   int
}

type change struct {
	doc     Document
	removed preservation.RecordID
	at      time.Time
}

func (f *listFeed) Changes(_ context.Context, _ preservation.TenantID, after string, limit int) (
	docs []Document, removed []preservation.RecordID, next string, err error) {
	f.calls++
	if f.failure != nil {
		return nil, nil, "", f.failure
	}
	from, err := f.position(after)
	if err != nil {
		return nil, nil, "", err
	}
	to := min(from+limit, len(f.changes))
	last := map[preservation.RecordID]int{}
	for i := from; i < to; i++ {
		last[f.changes[i].id()] = i
	}
	for i := from; i < to; i++ {
		switch c := f.changes[i]; {
		case last[c.id()] != i:
		case c.removed != "":
			removed = append(removed, c.removed)
		default:
			docs = append(docs, c.doc)
		}
	}
	if to == 0 {
		return nil, nil, after, nil
	}
	return docs, removed, strconv.Itoa(to), nil
}

func (c change) id() preservation.RecordID {
	if c.removed != "" {
		return c.removed
	}
	return c.doc.ID
}

func (f *listFeed) position(after string) (int, error) {
	if after == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(after)
	if err != nil || n > len(f.changes) {
		return 0, ErrReset
	}
	return n, nil
}

func (f *listFeed) Behind(_ context.Context, _ preservation.TenantID, after string) (int64, time.Time, error) {
	n, err := f.position(after)
	if err != nil || n == len(f.changes) {
		return 0, time.Time{}, err
	}
	return int64(len(f.changes) - n), f.changes[n].at, nil
}

// crashFeed is the same in parent and child: documents, changed documents and removals.
func crashFeed() *listFeed {
	f := &listFeed{}
	for n := range 3000 {
		switch {
		case n%7 == 3 && n > 100:
			f.changes = append(f.changes, change{removed: id(n - 50)})
		case n%11 == 5 && n > 100:
			f.changes = append(f.changes, change{doc: doc(n-97, "geändert", fmt.Sprintf("Fassung%d", n))})
		default:
			f.changes = append(f.changes, change{doc: doc(n, "neu", fmt.Sprintf("Fassung%d", n))})
		}
	}
	return f
}

// childMain is the process that gets killed: it follows the feed and says when
// it has reached which place.
func childMain() bool {
	dir := os.Getenv(childDir)
	if dir == "" {
		return false
	}
	set, err := Open(dir, Options{})
	if err != nil {
		panic(err)
	}
	ix, err := set.Tenant("musterstadt")
	if err != nil {
		panic(err)
	}
	t := NewTail(TailConfig{Index: ix, Feed: crashFeed(), Limit: 37})
	for {
		more, err := t.step(context.Background())
		if err != nil {
			panic(err)
		}
		fmt.Println(t.place)
		if !more {
			break
		}
	}
	fmt.Println("done")
	select {}
}

// TestKill kills the process at random moments until it has come to the end.
// What it reported as durable must be there each time, and the result must be
// the same as without kills.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	for round := 0; ; round++ {
		if round > 200 {
			t.Fatal("no progress")
		}
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		reported, done := 0, false
		lines := bufio.NewScanner(out)
		for n, stop := 0, 1+rand.IntN(25); n < stop && lines.Scan(); n++ {
			if lines.Text() == "done" {
				done = true
				break
			}
			reported, _ = strconv.Atoi(lines.Text())
		}
		time.Sleep(time.Duration(rand.IntN(8000)) * time.Microsecond) // into the middle of the next batch
		cmd.Process.Kill()
		cmd.Wait()

		set := testSetOnce(t, dir)
		ix, _ := set.Tenant("musterstadt")
		at, err := ix.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		reached, _ := strconv.Atoi(at)
		if reached < reported {
			t.Fatalf("reported %d, but only %d is there", reported, reached)
		}
		compareWithFeed(t, ix, reached)
		if err := set.Close(); err != nil {
			t.Fatal(err)
		}
		if done {
			t.Logf("%d kills", round+1)
			return
		}
	}
}

func testSetOnce(t *testing.T, dir string) *Set {
	t.Helper()
	set, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// compareWithFeed checks that the index holds the state after n changes and
// nothing else.
func compareWithFeed(t *testing.T, ix *Index, n int) {
	t.Helper()
	want := map[preservation.RecordID]string{}
	for _, c := range crashFeed().changes[:n] {
		if c.removed != "" {
			delete(want, c.removed)
		} else {
			want[c.doc.ID] = c.doc.Text
		}
	}
	got := 0
	for q := (Query{Order: ByOldest, Limit: MaxLimit, Snippets: true, Text: "Fassung*"}); ; {
		p, err := ix.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range p.Hits {
			got++
			if text := h.Snippets[0][0].Text; want[h.ID] != text {
				t.Fatalf("record %s holds %q, want %q", h.ID, text, want[h.ID])
			}
		}
		if q.Cursor = p.Next; q.Cursor == "" {
			break
		}
	}
	if got != len(want) {
		t.Fatalf("%d records after %d changes, want %d", got, n, len(want))
	}
}

func TestApplyChecksThePlace(t *testing.T) {
	ix := testIndex(t)
	if err := ix.Apply(t.Context(), Batch{Next: "1", Docs: []Document{doc(1, "eins", "")}}); err != nil {
		t.Fatal(err)
	}
	for _, after := range []string{"", "2", "11"} {
		if err := ix.Apply(t.Context(), Batch{After: after, Next: "3", Docs: []Document{doc(2, "zwei", "")}}); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("after %q: %v", after, err)
		}
	}
	if n, _ := ix.Count(t.Context()); n != 1 {
		t.Errorf("%d records", n)
	}
}

func TestLargeBatchInPieces(t *testing.T) {
	ix := testIndex(t)
	var docs []Document
	for n := range batchDocs + 10 {
		docs = append(docs, doc(n, "Titel", ""))
	}
	docs[3].Text = strings.Repeat("Füllung ", 1<<20) // beyond the limit: only its beginning counts
	docs[4].Text = strings.Repeat("ä", 1<<19) + " Ende"
	add(t, ix, docs...)
	if n, _ := ix.Count(t.Context()); n != batchDocs+10 {
		t.Errorf("%d records", n)
	}
	if ids := found(t, ix, Query{Text: "Ende"}); len(ids) != 0 {
		t.Errorf("text beyond the limit was found: %v", ids)
	}
	if ids := found(t, ix, Query{Text: "Füllung"}); len(ids) != 1 {
		t.Errorf("long text was not found: %v", ids)
	}
}
