package objectstore

import (
	"sync"
	"time"
)

// place is where a page of a listing ends and the next one begins. It is what
// the client sends to get that.
type place struct {
	bucket, prefix, key, version string
}

// bookmarks keep the cursors of listings whose next page is still to be asked
// for, so that no page reads again what the one before it has read. They are
// few and for a short time: without one, the next page looks for its place.
type bookmarks struct {
	mu   sync.Mutex
	kept map[place]*bookmark
}

type bookmark struct {
	cursor  *cursor
	expires time.Time
	timer   *time.Timer
}

const (
	maxBookmarks    = 16
	bookmarkTimeout = time.Minute
)

// take returns the cursor left at a place, which is the caller's from now on, or nil.
func (b *bookmarks) take(at place) *cursor {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.kept[at]
	if m == nil {
		return nil
	}
	b.remove(at)
	return m.cursor
}

// leave keeps a cursor for who asks next.
func (b *bookmarks) leave(at place, c *cursor) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(at)
	for len(b.kept) >= maxBookmarks {
		var oldest place
		for p, m := range b.kept {
			if o := b.kept[oldest]; o == nil || m.expires.Before(o.expires) {
				oldest = p
			}
		}
		b.remove(oldest)
	}
	m := &bookmark{cursor: c, expires: time.Now().Add(bookmarkTimeout)}
	m.timer = time.AfterFunc(bookmarkTimeout, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.kept[at] == m {
			b.remove(at)
		}
	})
	if b.kept == nil {
		b.kept = map[place]*bookmark{}
	}
	b.kept[at] = m
}

func (b *bookmarks) remove(at place) {
	if m := b.kept[at]; m != nil {
		m.timer.Stop()
		delete(b.kept, at)
	}
}
