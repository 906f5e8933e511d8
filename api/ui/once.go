package ui

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	onceField  = "_einmal"       // what makes the forms of a page differ from those of the same page later
	onceTime   = 2 * time.Minute // for which a form counts as sent again
	onceAtMost = 200             // answers that are kept
	onceBytes  = 8 << 20         // of their pages
)

// once sees to it that a form that is sent twice, by a double click or from a page that
// was gone back to, does its work once: the second one gets the answer of the first. It
// knows what this process was sent. Its zero value is ready.
type once struct {
	mu      sync.Mutex
	answers map[[sha256.Size]byte]*onceAnswer
}

// onceAnswer is an answer that was given, or is about to be.
type onceAnswer struct {
	ready chan struct{} // closed when the rest is known
	ended time.Time     // zero until then
	good  bool          // it is one to be given again; a refusal is not
	given answer
}

// do answers a form by an action, or with what the same form came to. The action goes
// on when the browser turns to the second click.
func (o *once) do(v *visit, action action) error {
	id, err := v.formID()
	if err != nil {
		return err
	}
	for {
		first, mine := o.begin(id, v.ui.Now())
		if mine {
			return o.run(id, first, v, action)
		}
		select {
		case <-first.ready:
		case <-v.r.Context().Done():
			return v.r.Context().Err()
		}
		if first.good {
			first.given.to(v.w)
			return nil
		}
	}
}

// formID tells the form that was sent from others: by the session, the address, what was
// entered, and the names and contents of the files.
func (v *visit) formID() (id [sha256.Size]byte, err error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s", v.session.Hash, v.r.URL.Path, v.r.PostForm.Encode())
	if m := v.r.MultipartForm; m != nil {
		for _, field := range slices.Sorted(maps.Keys(m.File)) {
			for _, head := range m.File[field] {
				sum, err := fileSum(head)
				if err != nil {
					return id, err
				}
				fmt.Fprintf(h, "\x00%q %q %x", field, head.Filename, sum)
			}
		}
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// fileSum is the SHA-256 of a file that came with a form.
func fileSum(head *multipart.FileHeader) ([]byte, error) {
	f, err := head.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}

// begin returns the answer to a form, which the caller has to find if it is the first.
func (o *once) begin(id [sha256.Size]byte, now time.Time) (a *onceAnswer, mine bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tidy(now)
	if a = o.answers[id]; a != nil {
		return a, false
	}
	if o.answers == nil {
		o.answers = map[[sha256.Size]byte]*onceAnswer{}
	}
	a = &onceAnswer{ready: make(chan struct{}), given: answer{header: http.Header{}}}
	o.answers[id] = a
	return a, true
}

// end notes that an answer is known. One that is not good may be sought again.
func (o *once) end(id [sha256.Size]byte, a *onceAnswer, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if a.ended = now; !a.good {
		delete(o.answers, id)
	}
	o.tidy(now)
	close(a.ready)
}

// tidy forgets answers whose time is over, and of too many the oldest. Forms that are
// being answered stay whatever comes: forgotten, they could do their work twice.
func (o *once) tidy(now time.Time) {
	var kept [][sha256.Size]byte
	for id, a := range o.answers {
		if !a.ended.IsZero() {
			kept = append(kept, id)
		}
	}
	slices.SortFunc(kept, func(a, b [sha256.Size]byte) int { return o.answers[b].ended.Compare(o.answers[a].ended) })
	bytes := 0
	for i, id := range kept {
		a := o.answers[id]
		if bytes += a.given.body.Cap(); i >= onceAtMost || bytes > onceBytes || now.Sub(a.ended) >= onceTime {
			delete(o.answers, id)
		}
	}
}

func (o *once) run(id [sha256.Size]byte, a *onceAnswer, v *visit, action action) error {
	defer func() { o.end(id, a, v.ui.Now()) }() // also when the action panics
	w := v.w
	defer func() { v.w = w }() // whoever tells of a panic writes to the browser
	v.w, v.r = &a.given, v.r.WithContext(context.WithoutCancel(v.r.Context()))
	a.given.header = w.Header().Clone()
	err := action(v)
	v.w = w
	if err != nil {
		return err
	}
	a.good = a.given.status < 400
	a.given.to(w)
	return nil
}

// to gives an answer to a browser.
func (a *answer) to(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(cmp.Or(a.status, http.StatusOK))
	w.Write(a.body.Bytes()) // where the browser is gone, nobody can be told
}
