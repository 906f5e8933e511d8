package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestStoppedUnderLoad sends SIGTERM to the service and to everything that it
// started, as a service manager does, while clients send and search, a document is
// converted and uploads come in. It ends well and in time, nothing that was
// acknowledged is lost, and the upload that was broken off goes on where it was.
func TestStoppedUnderLoad(t *testing.T) {
	converters(t)
	t.Parallel()
	in := install(t).serve(t)
	c := in.admin(t)
	l := &clients{caller: c, known: map[string]string{}}

	slow, quick := newTrickle(t, 4<<20), newTrickle(t, 256<<10)
	slow.begin(c)
	quick.begin(c)
	for i := range 4 { // one after the other, so that there is always one
		l.once(fmt.Sprint("docx-", i), fromDisk(t, "../../testdata/samples/bauakte/bauantrag.docx"))
	}
	eventually(t, "a document is being converted", func() bool {
		return slices.ContainsFunc(proc(in.cmd.Process.Pid), func(pid int) bool {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			return strings.HasPrefix(string(name), "soffice")
		})
	})
	for i := range 8 {
		l.wg.Go(func() {
			for n := 0; l.once(fmt.Sprintf("load-%d-%d", i, n), file("daten.bin", blob(fmt.Sprint(i, n)))); n++ {
			}
		})
	}
	for range 2 {
		l.wg.Go(func() {
			for l.search("Eingang") {
			}
		})
	}
	eventually(t, "the clients are at work", func() bool { return l.count() > 50 })

	began := time.Now()
	for _, pid := range append(proc(in.cmd.Process.Pid), in.cmd.Process.Pid) {
		syscall.Kill(pid, syscall.SIGTERM) // one may have ended meanwhile
	}
	time.AfterFunc(time.Second, quick.hurry)
	if code := in.wait(t, drain+15*time.Second); code != 0 {
		t.Errorf("exit code %d after SIGTERM:\n%s", code, in.log.tail(15))
	}
	t.Logf("%d deliveries acknowledged, ended %s after SIGTERM", l.count(), time.Since(began).Round(time.Millisecond))
	slow.stop()
	l.wg.Wait()
	for _, wrong := range l.wrong {
		t.Error(wrong)
	}
	if errors := in.log.count(`"level":"ERROR"`); errors > 0 {
		t.Errorf("%d errors in the log:\n%s", errors, in.log.tail(20))
	}
	if status := <-quick.status; status != http.StatusNoContent {
		t.Errorf("an upload that could be finished within the time was answered %d", status)
	}
	if status := <-slow.status; status == http.StatusNoContent {
		t.Error("an upload that came to no end was acknowledged")
	}
	if left := in.count(t, `SELECT COUNT(*) FROM job WHERE state <> 'queued'`); left > 0 {
		t.Errorf("%d jobs were not given back", left)
	}

	in.serve(t)
	l.caller = in.admin(t)
	at := slow.offset(l.caller)
	t.Logf("%d of %d bytes of the broken upload are there, %d were sent", at, len(slow.content), slow.sent)
	if at == 0 || at > slow.sent {
		t.Errorf("the upload goes on at %d, %d bytes had been sent", at, slow.sent)
	}
	slow.finish(l.caller, at)
	for i, u := range []*trickle{slow, quick} {
		m := about(fmt.Sprint("upload-", i), "63.10", "Eingang", "files", []any{map[string]any{"name": "gross.bin", "upload": u.id, "sha256": hex256(u.content)}})
		if s := l.await(l.post("/v1/submissions", m).accepted(t)); s.Status != "archived" {
			t.Errorf("%+v", s)
		}
	}
	for id, sub := range l.known {
		var s status
		r := l.send(about(id, "63.10", "Eingang"), l.files(id)...)
		r.decode(t, &s)
		switch {
		case sub != "" && (r.StatusCode != 200 || s.ID != sub):
			t.Errorf("%s was acknowledged as %s and is now %d %s", id, sub, r.StatusCode, r.body)
		case sub == "" && r.StatusCode != 200 && r.StatusCode != 202: // nobody knows what became of it
			t.Errorf("%s: %d %s", id, r.StatusCode, r.body)
		}
		l.known[id] = s.ID
	}
	for _, sub := range l.known {
		if s := l.await(sub); s.Status != "archived" {
			t.Errorf("%+v", s)
		}
	}
	in.sweep(t)
	if records := in.audit(t); len(records) != len(l.known)+2 {
		t.Errorf("%d records, want %d", len(records), len(l.known)+2)
	}
}

// clients is what clients know of what they sent.
type clients struct {
	*caller
	wg sync.WaitGroup

	mu    sync.Mutex
	known map[string]string // submission by producer's identifier, empty while it is not acknowledged
	sent  map[string][]sent
	wrong []string
}

func (l *clients) files(id string) []sent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent[id]
}

func (l *clients) count() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, sub := range l.known {
		if sub != "" {
			n++
		}
	}
	return n
}

// once sends a delivery and reports whether the service answers.
func (l *clients) once(id string, files ...sent) bool {
	l.mu.Lock()
	if l.sent == nil {
		l.sent = map[string][]sent{}
	}
	l.known[id], l.sent[id] = "", files
	l.mu.Unlock()
	r, err := l.trySend(about(id, "63.10", "Eingang"), files...)
	if err != nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var s status
	if r.StatusCode != 202 || json.Unmarshal(r.body, &s) != nil {
		l.wrong = append(l.wrong, fmt.Sprintf("%s: %d %s", id, r.StatusCode, r.body))
		return false
	}
	l.known[id] = s.ID
	return true
}

// search asks for a word and reports whether the service answers.
func (l *clients) search(word string) bool {
	r, err := l.request(http.MethodGet, "/v1/records?q="+word, nil)
	if err != nil {
		return false
	}
	if r.StatusCode != 200 {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wrong = append(l.wrong, fmt.Sprintf("search: %d %s", r.StatusCode, r.body))
	}
	return true
}

// trickle is an upload of which a little comes at a time.
type trickle struct {
	*testing.T
	id      string
	content []byte
	status  chan int // of the answer, 0 without one

	sent   int
	quick  chan struct{} // closed when the rest is to come at once
	broken chan struct{} // closed when no more is to come
	once   sync.Once
}

func newTrickle(t *testing.T, size int64) *trickle {
	content, err := io.ReadAll(noise(byte(size>>10), size))
	if err != nil {
		t.Fatal(err)
	}
	u := &trickle{T: t, content: content, status: make(chan int, 1), quick: make(chan struct{}), broken: make(chan struct{})}
	t.Cleanup(u.stop)
	return u
}

func (u *trickle) hurry() { close(u.quick) }
func (u *trickle) stop()  { u.once.Do(func() { close(u.broken) }) }

// Read implements io.Reader.
func (u *trickle) Read(b []byte) (int, error) {
	if u.sent == len(u.content) {
		return 0, io.EOF
	}
	select {
	case <-u.quick:
	case <-time.After(20 * time.Millisecond):
		b = b[:min(len(b), 1<<10)]
	case <-u.broken:
		return 0, errors.New("the client is gone")
	}
	n := copy(b, u.content[u.sent:])
	u.sent += n
	return n, nil
}

func (u *trickle) tus(more ...string) []string {
	return append([]string{"Tus-Resumable", "1.0.0"}, more...)
}

// begin creates the upload and sends on and on.
func (u *trickle) begin(c *caller) {
	u.Helper()
	r := c.do(http.MethodPost, "/v1/uploads", nil, u.tus("Upload-Length", fmt.Sprint(len(u.content)))...).want(u.T, 201)
	u.id = filepath.Base(r.Header.Get("Location"))
	go func() {
		r, err := c.request(http.MethodPatch, "/v1/uploads/"+u.id, io.NopCloser(u), u.tus("Upload-Offset", "0", "Content-Type", "application/offset+octet-stream")...)
		if err != nil {
			u.status <- 0
			return
		}
		u.status <- r.StatusCode
	}()
}

// offset is how much of it the service has.
func (u *trickle) offset(c *caller) (n int) {
	u.Helper()
	r := c.do(http.MethodHead, "/v1/uploads/"+u.id, nil, u.tus()...).want(u.T, 200)
	if _, err := fmt.Sscan(r.Header.Get("Upload-Offset"), &n); err != nil {
		u.Fatal(err)
	}
	return n
}

func (u *trickle) finish(c *caller, at int) {
	u.Helper()
	c.do(http.MethodPatch, "/v1/uploads/"+u.id, bytes.NewReader(u.content[at:]), u.tus("Upload-Offset", fmt.Sprint(at), "Content-Type", "application/offset+octet-stream")...).want(u.T, 204)
}

// TestSecondService starts a second service on a data folder. It is refused in
// words, and the first one does not notice.
func TestSecondService(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	c := in.admin(t)
	for _, args := range [][]string{
		{"serve", "--data", in.dir, "--listen", "127.0.0.1:0"},
		{"serve", "--data", in.dir + "/../" + filepath.Base(in.dir), "--listen", "127.0.0.1:0"}, // by another name
		{"check", "--data", in.dir},
		{"rebuild", "--data", in.dir},
	} {
		if out, complaint, code := program(t, args...); code != 1 || !strings.Contains(complaint, "in use by a running service") || strings.Contains(complaint, "rebuild: the buckets") {
			t.Errorf("%q: exit code %d: %s%s", args, code, out, complaint)
		}
	}
	if _, complaint, code := program(t, "serve", "--data", t.TempDir(), "--listen", strings.TrimPrefix(in.url, "http://")); code != 1 || !strings.Contains(complaint, "address already in use") {
		t.Errorf("on a taken port: %d %s", code, complaint)
	}
	_, r := c.archive(about("1", "63.10", "Eingang"), file("a.bin", blob("1")))
	c.verified(r.ID)
	in.audit(t)
}

// TestNewerFolder starts the program on data folders that a newer release wrote. It
// is refused, with what to do, and nothing in the folder is changed.
func TestNewerFolder(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	in.admin(t).archive(about("1", "63.10", "Eingang"), file("a.bin", blob("1")))
	in.stop(t)
	refused := func(name, want string, commands ...string) {
		t.Helper()
		for _, command := range commands {
			args := []string{command, "--data", in.dir}
			if command == "serve" {
				args = append(args, "--listen", "127.0.0.1:0")
			}
			out, complaint, code := program(t, args...)
			if code != 1 || !strings.Contains(complaint, want) || strings.Contains(complaint, "move it away") || len(strings.Split(strings.TrimSpace(complaint), "\n")) > 4 {
				t.Errorf("%s: %s ends with %d: %s%s", name, command, code, out, complaint)
			}
		}
	}
	in.change(t, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
	refused("catalog", "start the release that wrote it", "serve", "check", "rebuild")
	in.change(t, `DELETE FROM goose_db_version WHERE version_id = 9999`)
	layout := filepath.Join(in.dir, "objects", "layout")
	old, err := os.ReadFile(layout)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(layout, []byte(`{"format":9,"metadata":"xattr"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("objects", "format 9 is newer than this program", "serve", "check", "rebuild")
	if err := os.WriteFile(layout, old, 0o600); err != nil {
		t.Fatal(err)
	}
	in.serve(t)
	if records := in.audit(t); len(records) != 1 {
		t.Errorf("%d records", len(records))
	}
}
