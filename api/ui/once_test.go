package ui

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestOnceBounds wants the answers that are kept to be few and small, the newest of
// them, and each form that is being answered to stay.
func TestOnceBounds(t *testing.T) {
	var o once
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	form := func(n int) [sha256.Size]byte { return sha256.Sum256([]byte(fmt.Sprint(n))) }
	answered := func(n, size int) {
		t.Helper()
		a, mine := o.begin(form(n), now)
		if !mine {
			t.Fatalf("form %d was sent before", n)
		}
		a.good, a.given.status = true, http.StatusOK
		a.given.body.Write(make([]byte, size))
		o.end(form(n), a, now)
		now = now.Add(time.Millisecond)
	}
	kept := func(n int) bool { _, mine := o.begin(form(n), now); return !mine }

	flying, _ := o.begin(form(-1), now)
	for n := range 2 * onceAtMost {
		answered(n, 100)
	}
	if len(o.answers) != onceAtMost+1 || kept(0) || !kept(2*onceAtMost-1) || !kept(onceAtMost+1) {
		t.Errorf("%d answers are kept", len(o.answers))
	}

	now = now.Add(onceTime) // all of these are over, and the one in flight takes long
	if again, mine := o.begin(form(-1), now); mine || again != flying {
		t.Error("a form that is being answered begins again")
	}
	for n := range 20 {
		answered(1000+n, onceBytes/8)
	}
	bytes := 0
	for _, a := range o.answers {
		bytes += a.given.body.Cap()
	}
	if bytes > onceBytes || !kept(1019) || kept(1000) {
		t.Errorf("%d bytes are kept", bytes)
	}
	o.end(form(-1), flying, now) // refused
	if _, mine := o.begin(form(-1), now); !mine {
		t.Error("a refusal is given again")
	}
}

// TestOnceFiles wants forms that differ only in their file to be two.
func TestOnceFiles(t *testing.T) {
	u, done := &UI{}, 0
	u.Now = func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	send := func(name, text string) string {
		t.Helper()
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		f, err := w.CreateFormFile("file", name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
		w.WriteField("plan", "file")
		w.Close()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/einrichtung/aktenplan", &body)
		r.Header.Set("Content-Type", w.FormDataContentType())
		if err := r.ParseMultipartForm(planBytes); err != nil {
			t.Fatal(err)
		}
		answer := httptest.NewRecorder()
		v := &visit{ui: u, w: answer, r: r}
		if err := u.once.do(v, func(v *visit) error {
			done++
			text, err := v.formFile()
			if err == nil {
				_, err = v.w.Write(text)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return answer.Body.String()
	}
	for i, c := range []struct {
		name, text string
		done       int
	}{{"a.csv", "A", 1}, {"a.csv", "A", 1}, {"a.csv", "B", 2}, {"b.csv", "B", 3}, {"a.csv", "A", 3}} {
		if got := send(c.name, c.text); got != c.text || done != c.done {
			t.Errorf("form %d is answered with %q, %d of them did their work", i, got, done)
		}
	}
}
