package search

import "testing"

func TestMemory(t *testing.T) {
	ix, o := someRecords(t, 1500)
	before := ix.set.Memory()
	if err := ix.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	columns := ix.set.Memory()
	if want := before + 1500*(10*4+2*8); columns < want || columns > 2*want {
		t.Errorf("with columns %d bytes, want %d or a few more", columns, want)
	}
	o.words.least = 1
	if _, err := ix.Search(t.Context(), Query{Text: source().Words[0]}); err != nil {
		t.Fatal(err)
	}
	if got := ix.set.Memory(); got <= columns {
		t.Errorf("with a frequent word %d bytes, without %d", got, columns)
	}
	if docs := []Document{nth(1), nth(2)}; needs(docs, 1<<20) < 2*batchMemory {
		t.Errorf("two documents need %d bytes", needs(docs, 1<<20))
	}
	ix.mu.Lock()
	ix.open = nil
	ix.mu.Unlock()
	if got := ix.set.Memory(); got != 0 {
		t.Errorf("with no index open %d bytes", got)
	}
	ix.mu.Lock()
	ix.open = o
	ix.mu.Unlock()
}
