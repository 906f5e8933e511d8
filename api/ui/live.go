package ui

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// Pages on which work can be watched have a stream of events (WHATWG HTML, 9.2) that
// says when to look again, and no more: what has changed a page asks for as always. A
// stream costs a goroutine, and a look at the session now and then.
const (
	streamsMost   = 500
	streamsOfOne  = 6 // of one session: browsers have no more connections to a server
	streamPause   = time.Second
	streamSilence = 15 * time.Second // then it says so anyway: another program may have worked
)

// streams counts those that are open.
type streams struct {
	mu  sync.Mutex
	all int
	of  map[string]int // by session
}

// begin counts a stream in, unless there are too many.
func (s *streams) begin(session string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= streamsMost || s.of[session] >= streamsOfOne {
		return false
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.all++
	s.of[session]++
	return true
}

func (s *streams) end(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[session]--; s.of[session] == 0 {
		delete(s.of, session)
	}
}

// Stop ends the streams, which would keep a server from its end, and writes the refused
// logins that were counted into the audit log.
func (u *UI) Stop() {
	u.stopping.Do(func() {
		close(u.stopped)
		u.refusals.stop(u.Log)
	})
}

// work streams an event whenever the archive has worked, until the browser leaves or
// stops to read, the session ends, or the program does.
func work(v *visit) error {
	ctx, session := v.r.Context(), v.session
	if !v.ui.streams.begin(session.ID) {
		v.w.WriteHeader(http.StatusNoContent) // browsers do not come again after that
		return nil
	}
	defer v.ui.streams.end(session.ID)
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies hold short answers back otherwise
	out := http.NewResponseController(v.w)
	say := func(event string) bool {
		_, err := io.WriteString(v.w, "event: "+event+"\ndata:\n\n")
		return err == nil && out.Flush() == nil
	}
	t := v.ui.Catalog.Tenant(v.who.Tenant)
	for worked := t.Worked(); say("work"); {
		select {
		case <-worked:
		case <-time.After(streamSilence):
		case <-ctx.Done():
			return nil
		case <-v.ui.stopped:
			return nil
		}
		select { // many steps are one event
		case <-time.After(streamPause):
		case <-ctx.Done():
			return nil
		case <-v.ui.stopped:
			return nil
		}
		worked = t.Worked()
		switch _, err := v.ui.Catalog.QuietSession(ctx, session.Hash, auth.SessionIdle); {
		case errors.Is(err, catalog.ErrNotFound):
			say("end")
			return nil
		case err != nil:
			return nil // the browser comes again
		}
	}
	return nil
}
