package main

import (
	"io"
	"sync"

	"bestand/preservation"
)

// fulltexts keeps the full texts of packages that a rebuild has in its hands until
// the index takes them, so that they are not read from the store again. Those of
// records with later versions lie in several packages and are left to the feed.
type fulltexts struct {
	mu   sync.Mutex
	left int64 // bytes that may still be kept
	of   map[preservation.RecordID]string
}

const mostTexts = 64 << 20 // bytes

func newFulltexts() *fulltexts {
	return &fulltexts{left: mostTexts, of: map[preservation.RecordID]string{}}
}

// packaged is ledger.Options.Packaged.
func (t *fulltexts) packaged(r preservation.Record, at io.ReaderAt, places map[preservation.FileID]int64) {
	if r.Version > 1 {
		t.take(r.ID)
		return
	}
	var text []byte
	for _, f := range r.Files {
		left := recordText - int64(len(text))
		if f.Representation != preservation.Text || left <= 0 {
			continue
		}
		b := make([]byte, min(f.Size, left))
		if n, _ := at.ReadAt(b, places[f.ID]); n < len(b) {
			return // the feed will say why
		}
		text = append(append(text, b...), '\n')
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := int64(len(text)); n <= t.left {
		t.of[r.ID], t.left = string(text), t.left-n
	}
}

// withdrawn is ledger.Options.Withdrawn.
func (t *fulltexts) withdrawn(id preservation.RecordID) { t.take(id) }

// take gives the text of a record away, if it is kept.
func (t *fulltexts) take(id preservation.RecordID) (string, bool) {
	if t == nil {
		return "", false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	text, ok := t.of[id]
	if ok {
		delete(t.of, id)
		t.left += int64(len(text))
	}
	return text, ok
}
