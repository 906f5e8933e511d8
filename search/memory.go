package search

// batchMemory is what a document needs while it is brought in, beside some 38 times
// its text: its words with their places, in the batch, in the segment made of it and
// in merges, and most of it once more, so that the collector seldom has to look.
const batchMemory = 192 << 10

// Memory is about how many bytes the open indexes need: for what they keep
// unpacked of their records, and for batches that are being written. Whoever
// limits the memory of the process leaves so much more room.
func (s *Set) Memory() int64 {
	s.mu.Lock()
	all := s.all()
	s.mu.Unlock()
	n := int64(0)
	for _, ix := range all {
		ix.mu.Lock()
		o := ix.open
		ix.mu.Unlock()
		if o != nil {
			n += o.columns.size() + o.words.total() + o.writing.Load()
		}
	}
	return n
}

// needs is about how much memory it takes to bring documents in.
func needs(docs []Document, maxText int) int64 {
	n := int64(0)
	for i := range docs {
		n += batchMemory + 38*int64(min(len(docs[i].Text), maxText))
	}
	return n
}
