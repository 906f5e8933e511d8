package search

// batchMemory is what lives while a document is brought in, beside some 25 times
// its text: its words with their places, before they are written.
const batchMemory = 64 << 10

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
		n += batchMemory + 25*int64(min(len(docs[i].Text), maxText))
	}
	return n
}
