package convert

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// killer kills programs below this process as soon as they show up, by the name
// that the kernel has for them or by a word of their command line. It returns how
// many it has killed when the context ends.
func killer(ctx context.Context, sig syscall.Signal, word string, most int) <-chan int {
	done := make(chan int, 1)
	go func() {
		killed := map[int]bool{}
		for ctx.Err() == nil && len(killed) < most {
			for _, pid := range below(os.Getpid()) {
				if line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); err == nil && !killed[pid] && named(pid, line, word) {
					if syscall.Kill(pid, sig) == nil {
						killed[pid] = true
					}
					break
				}
			}
			time.Sleep(500 * time.Microsecond)
		}
		done <- len(killed)
	}()
	return done
}

func named(pid int, line []byte, word string) bool {
	if strings.HasPrefix(word, "-") {
		return bytes.Contains(line, []byte(word))
	}
	comm, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	return strings.TrimSpace(string(comm)) == word
}

// below lists the processes below another one.
func below(pid int) (tree []int) {
	threads, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	for _, t := range threads {
		children, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + t.Name() + "/children")
		for _, f := range bytes.Fields(children) {
			if child, err := strconv.Atoi(string(f)); err == nil {
				tree = append(append(tree, child), below(child)...)
			}
		}
	}
	return tree
}

// learn asks all tools for their versions: the killer would take that for work.
func (b *bench) learn(t *testing.T) {
	for _, ask := range []func(context.Context) preservation.Agent{b.libreOffice, b.ghostscript, b.poppler, b.chromium} {
		ask(t.Context())
	}
}

// TestKilled kills each tool once while it works. The file is rendered all the
// same, and nothing tells of the attempt.
func TestKilled(t *testing.T) {
	b := open(t, nil)
	b.learn(t)
	html := []byte("<p>Grüße aus Görlitz</p>")
	pdf := drawing(sentence, "") // its font is not embedded: it goes through every tool
	for _, tt := range []struct {
		tool, mime string
		content    []byte
	}{
		{"oosplash", mimeDocx, docx(paragraph("Grüße aus Köln"))},
		{"soffice.bin", mimeDocx, docx(paragraph("Grüße aus Köln"))},
		{"bwrap", mimeDocx, docx(paragraph("Grüße aus Köln"))},
		{"gs", "application/pdf", pdf},
		{"pdfinfo", "application/pdf", pdf},
		{"pdftotext", "application/pdf", pdf},
		{"pdftoppm", "application/pdf", pdf},
		{"pdfdetach", "application/pdf", pdf},
		{"qpdf", "application/pdf", drawing(square, "")},
		{"java", "application/pdf", pdf},
		{"-type=renderer", "text/html", html},
		{"-type=zygote", "text/html", html},
		{"-print-to-pdf", "text/html", html},
	} {
		t.Run(tt.tool, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			killed := killer(ctx, syscall.SIGKILL, tt.tool, 1)
			r := b.render(t, tt.mime, tt.content)
			stop()
			if <-killed != 1 {
				t.Fatal("it was not killed")
			}
			rendition(t, r)
			if r.Verdict != preservation.VerdictValid {
				t.Errorf("%+v", r)
			}
			for _, e := range r.Events {
				if e.Outcome == preservation.Failure {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

// TestRendererGone kills the process of a page while the browser prints it: the
// browser may then say nothing, and end as if all were well.
func TestRendererGone(t *testing.T) {
	b := open(t, nil)
	b.learn(t)
	for _, delay := range []int{2, 4, 6} {
		ctx, stop := context.WithCancel(t.Context())
		killed := make(chan bool)
		go func() {
			defer close(killed)
			for ctx.Err() == nil {
				for _, pid := range below(os.Getpid()) {
					if line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); err == nil && named(pid, line, "-type=renderer") {
						time.Sleep(time.Duration(delay) * 15 * time.Millisecond)
						_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
						return
					}
				}
				time.Sleep(500 * time.Microsecond)
			}
		}()
		r := b.render(t, "text/html", []byte("<p>Grüße aus Görlitz</p>"))
		stop()
		<-killed
		if r.Verdict != preservation.VerdictValid {
			t.Errorf("killed after %d ms: %+v", delay*15, r)
		}
	}
}

// TestKilledEachTime kills a tool whenever it starts: that is no verdict on the
// file, and it ends.
func TestKilledEachTime(t *testing.T) {
	b := open(t, nil)
	b.learn(t)
	for _, tt := range []struct {
		tool, mime string
		content    []byte
		sig        syscall.Signal
	}{
		{"soffice.bin", mimeDocx, docx(paragraph("Grüße aus Köln")), syscall.SIGKILL},
		{"soffice.bin", mimeDocx, docx(paragraph("Grüße aus Köln")), syscall.SIGTERM},
		{"pdfdetach", "application/pdf", drawing(sentence, ""), syscall.SIGKILL},
		{"java", "application/pdf", drawing(sentence, ""), syscall.SIGKILL},
		{"java", "application/pdf", drawing(sentence, ""), syscall.SIGTERM},
		{"-type=renderer", "text/html", []byte("<p>Grüße</p>"), syscall.SIGKILL},
	} {
		t.Run(tt.tool+" "+tt.sig.String(), func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			killed := killer(ctx, tt.sig, tt.tool, 100)
			src := Source{Path: b.file(t, tt.content), Name: "a", Format: preservation.Format{MIME: tt.mime}}
			r, err := b.Render(t.Context(), src, b.folder(t))
			stop()
			if n := <-killed; !errors.Is(err, sandbox.ErrKilled) || n < tries || n > 6*tries { // java has its own tries
				t.Errorf("killed %d times: %v, %+v", n, err, r)
			}
		})
	}
}
