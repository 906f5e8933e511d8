package convert

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// offices lists the LibreOffice processes below this one.
func offices() (pids []int) {
	for _, pid := range below(os.Getpid()) {
		if named(pid, nil, "soffice.bin") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// warm skips where LibreOffice cannot be kept running.
func (b *bench) warm(t *testing.T) {
	t.Helper()
	if i := b.cfg.Sandbox.Isolation(); i != sandbox.Bubblewrap {
		t.Skipf("isolation by %s: every document has a process of its own", i)
	}
}

// page renders a document of one sentence and wants that sentence back.
func (b *bench) page(t *testing.T, s *Session, sentence string) {
	t.Helper()
	r, err := s.Render(t.Context(), Source{Path: b.file(t, docx(paragraph(sentence))), Name: "a.docx", Format: preservation.Format{MIME: mimeDocx}}, b.folder(t))
	if err != nil {
		t.Fatal(err)
	}
	if rendition(t, r); r.Verdict != preservation.VerdictValid || strings.TrimSpace(r.Text) != sentence {
		t.Errorf("verdict %s, text %q", r.Verdict, r.Text)
	}
}

// TestSession wants the documents of a session out of one process, and out of no
// other session's.
func TestSession(t *testing.T) {
	b := open(t, nil)
	b.warm(t)
	s := b.Begin()
	for i := range 3 {
		b.page(t, s, fmt.Sprint("Seite ", i))
	}
	if s.w == nil || s.w.documents != 3 {
		t.Fatalf("three documents, worker %+v", s.w)
	}
	first := s.w.dir
	if b.spares.next == nil {
		t.Error("nothing is ready for the next session")
	}
	s.Close()
	s = b.Begin()
	defer s.Close()
	b.page(t, s, "anderswo")
	if s.w == nil || s.w.dir == first || s.w.documents != 1 {
		t.Errorf("second session: worker %+v, the first had %s", s.w, first)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(first); os.IsNotExist(err) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the folder of a session that is closed is still there")
		}
	}
}

// TestSessionLeavesNoTrace changes everything that a document could change that took
// its process over. The next session sees nothing of it.
func TestSessionLeavesNoTrace(t *testing.T) {
	b := open(t, nil)
	b.warm(t)
	inside := func(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), "root", name) }
	const profile = "/tmp/home/profile" + "/user/registrymodifications.xcu"
	var seen []int
	for i := range 3 {
		s := b.Begin()
		b.page(t, s, fmt.Sprint("Vorgang ", i))
		dir := s.w.dir
		found := 0
		for _, pid := range offices() {
			if _, err := os.Stat(inside(pid, dir)); err != nil {
				if os.IsPermission(err) {
					t.Skip(err)
				}
				continue // the spare one
			}
			found++
			if slices.Contains(seen, pid) {
				t.Errorf("process %d served two sessions", pid)
			}
			seen = append(seen, pid)
			for _, name := range []string{"/tmp/planted", "/dev/shm/planted", filepath.Join(dir, "planted"), "/tmp/home/profile" + "/user/planted"} {
				if _, err := os.Stat(inside(pid, name)); err == nil {
					t.Errorf("session %d: %s is there", i, name)
				}
				if err := os.WriteFile(inside(pid, name), []byte("x"), 0o600); err != nil {
					t.Errorf("plant %s: %v", name, err)
				}
			}
			if content, err := os.ReadFile(inside(pid, profile)); err != nil || strings.Contains(string(content), "planted") {
				t.Errorf("session %d: settings %v %s", i, err, content)
			}
			if err := os.WriteFile(inside(pid, profile), []byte("planted"), 0o600); err != nil {
				t.Error(err)
			}
		}
		if found != 1 {
			t.Errorf("%d processes of session %d", found, i)
		}
		s.Close()
	}
}

// TestSessionSurvives breaks the process of a session in every way. Each document
// that is not to blame has its rendition.
func TestSessionSurvives(t *testing.T) {
	b := open(t, nil)
	b.warm(t)
	wall := officeLimits.Wall
	t.Cleanup(func() { officeLimits.Wall = wall })
	signal := func(s *Session, sig syscall.Signal) {
		for _, pid := range offices() {
			if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid), "root", s.w.dir)); err == nil {
				syscall.Kill(pid, sig)
			}
		}
	}
	for _, tt := range []struct {
		name string
		harm func(s *Session)
	}{
		{"killed", func(s *Session) { signal(s, syscall.SIGKILL) }},
		{"crashed", func(s *Session) { signal(s, syscall.SIGSEGV) }},
		{"hangs", func(s *Session) { signal(s, syscall.SIGSTOP) }},
		{"garbage", func(s *Session) {
			garbage := make(chan string, 1)
			garbage <- "%PDF-1.7 done"
			s.w.answers = garbage
		}},
		{"folder gone", func(s *Session) { os.RemoveAll(s.w.dir) }},
		{"folder taken", func(s *Session) { os.Symlink("/etc", filepath.Join(s.w.dir, "2")) }},
		{"killed in the middle", func(s *Session) {
			go func() {
				time.Sleep(50 * time.Millisecond)
				signal(s, syscall.SIGKILL)
			}()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			officeLimits.Wall = 15 * time.Second
			s := b.Begin()
			defer s.Close()
			b.page(t, s, "vorher")
			tt.harm(s)
			b.page(t, s, "dabei")
			b.page(t, s, "nachher")
		})
	}
}

// TestSessionLimit wants a limit to be found with the document that passed it,
// whatever the process did before.
func TestSessionLimit(t *testing.T) {
	b := open(t, nil)
	b.warm(t)
	s := b.Begin()
	defer s.Close()
	memory := officeLimits.Memory
	t.Cleanup(func() { officeLimits.Memory = memory })
	officeLimits.Memory = 400 << 20
	b.page(t, s, "vorher")
	bomb := odf("text", "<text:p>"+strings.Repeat("x", 150<<20)+"</text:p>")
	r, err := s.Render(t.Context(), Source{Path: b.file(t, bomb), Name: "a.odt", Format: preservation.Format{MIME: mimeODF + "text"}}, b.folder(t))
	if err != nil || r.Verdict != preservation.VerdictNoRendition || !hasCode(r.Events, codeLimit+sandbox.LimitMemory) {
		t.Errorf("%v %+v", err, r)
	}
	b.page(t, s, "nachher")
}

// TestSpare wants the spare process to go when nobody needs it, and at the end.
func TestSpare(t *testing.T) {
	b := open(t, nil)
	b.warm(t)
	s := b.Begin()
	b.page(t, s, "Seite")
	s.Close()
	w := b.spares.next
	if err := b.Converter.Warm(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := w.wait(ctx); err != nil {
		t.Fatal(err)
	}
	b.Close()
	b.ending = make(chan struct{}) // it is closed again at the end of the test
	if left := offices(); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
	if _, err := os.Stat(w.dir); !os.IsNotExist(err) {
		t.Errorf("folder %s: %v", w.dir, err)
	}
}
