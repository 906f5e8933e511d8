package convert

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"bestand/preservation"
)

// spareFor is how long a spare worker is kept when nobody asks for it: it takes
// some 200 MB of memory.
const spareFor = time.Minute

// Session renders the files of one submission.
//
// Starting LibreOffice costs several times as much as converting a document, so a
// session keeps one running, and that of the next one starts meanwhile. Submissions stay apart: a process that has seen a document of one
// never sees another one's. It comes fresh out of its own sandbox, with a profile that
// no document has touched, and is killed with its folder at the end of the session.
//
// The documents of one submission come from one sender and end in one record. One
// that takes the process over could spoil the renditions of those after it, but not
// their originals, and veraPDF and the comparison with the source look at each
// rendition apart. One that merely breaks the process harms none: what it does not
// convert is converted again in a process that sees nothing else, whose word counts.
// So every finding and every limit names the document that caused it.
//
// Without bubblewrap every document has a process of its own.
type Session struct {
	c *Converter

	mu sync.Mutex // while w converts: it does one document after the other
	w  *worker
}

// Begin opens a session, which is to be closed when nothing is rendered any more.
func (c *Converter) Begin() *Session { return &Session{c: c} }

// Close ends the processes of the session.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
}

// drop ends the worker without waiting for its end.
func (s *Session) drop() {
	if w := s.w; w != nil {
		s.w = nil
		s.c.running.Go(w.kill)
	}
}

// warm converts a document in the process of the session. It is done when there is
// a PDF, or when a process that saw nothing before passed a limit; everything else
// is for a process of the document's own to say.
func (j *job) warm(ctx context.Context, o order, ext string, fill func(io.Writer) error, to string) (done bool, err error) {
	s := j.session
	if s == nil {
		return false, nil
	}
	if err := j.outOfOrder(ctx, "soffice"); err != nil {
		return false, err
	}
	j.used = append(j.used, "soffice")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.w != nil && !s.w.alive() {
		s.drop()
	}
	if s.w == nil {
		if s.w = j.worker(ctx); s.w == nil {
			return false, ctx.Err()
		}
	}
	if s.w.wait(ctx) == nil {
		j.prepare(ctx) // a start takes longer than a conversion
	}
	made, limit, err := s.w.convert(ctx, o, ext, fill, to)
	documents := s.w.documents
	if !made {
		s.drop()
	}
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.Is(err, preservation.ErrUnavailable):
		return false, err
	case documents == 0: // it did not start
		j.notNow()
		return false, nil
	case documents == 1 && limit != "":
		return true, limited("soffice", limit)
	case errors.Is(err, errEnded):
		return false, nil
	}
	return made, err
}

// worker takes the spare one, or starts one. It is nil where there cannot be one.
func (c *Converter) worker(ctx context.Context) *worker {
	w := c.spares.take()
	if w != nil && w.alive() {
		return w
	}
	if w != nil {
		c.running.Go(w.kill)
	}
	if w, _ = c.startWorker(ctx); w != nil { // the other way has its own words for what is wrong
		return w
	}
	return nil
}

// prepare starts the spare worker if there is none.
func (c *Converter) prepare(ctx context.Context) {
	c.spares.Lock()
	defer c.spares.Unlock()
	if c.spares.next != nil || c.spares.closed {
		return
	}
	w, err := c.startWorker(ctx)
	if err != nil {
		return
	}
	c.spares.next = w
	c.running.Go(func() { // ends when the worker does, at the latest after a while
		select {
		case <-time.After(spareFor):
		case <-c.ending:
		case <-w.ended:
		}
		if c.spares.remove(w) {
			w.kill()
		}
	})
}

// spares holds the worker that nobody has taken yet.
type spares struct {
	sync.Mutex
	next   *worker
	closed bool
}

func (s *spares) take() *worker {
	s.Lock()
	defer s.Unlock()
	w := s.next
	s.next = nil
	return w
}

func (s *spares) remove(w *worker) bool {
	s.Lock()
	defer s.Unlock()
	if s.next != w {
		return false
	}
	s.next = nil
	return true
}

// Warm tries whether LibreOffice can be kept running, for the doctor.
func (c *Converter) Warm(ctx context.Context) error {
	w, err := c.startWorker(ctx)
	if err != nil {
		return err
	}
	defer w.kill()
	return w.wait(ctx)
}

// Close ends all processes. Sessions must be closed before.
func (c *Converter) Close() error {
	c.spares.Lock()
	c.spares.closed = true
	c.spares.Unlock()
	close(c.ending)
	c.running.Wait()
	return nil
}
