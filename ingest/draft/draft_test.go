package draft

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bestand/ingest/sandbox"
	"bestand/preservation/pades"
)

// TestMain makes the test program the child, as the product is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == ChildArg {
		os.Exit(Child(os.Args[2:], os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

var form = pades.Form{Name: "Archiv Görlitz", Reason: "Archivsiegel", Now: time.Now(), Room: 4000}

func open(t testing.TB) *Drafter {
	t.Helper()
	box, err := sandbox.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := New(box)
	t.Cleanup(func() { d.Close() })
	return d
}

// table is a PDF with a classic cross-reference and the entries in its trailer.
func table(trailer string, objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	var at []int
	for i, o := range objects {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, trailer, start)
	return b.Bytes()
}

// streamed is a PDF whose only object is a cross-reference stream with such entries.
func streamed(entries, rows string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%" + strings.Repeat("x", 200) + "\n")
	start := b.Len()
	fmt.Fprintf(&b, "1 0 obj\n<</Type/XRef/Root 1 0 R/Length %d%s>>\nstream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n", len(rows), entries, rows, start)
	return b.Bytes()
}

func plain(more ...string) []byte {
	return table("", append([]string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>"}, more...)...)
}

func inflated(n int) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	io.Copy(w, io.LimitReader(zeros{}, int64(n)))
	w.Close()
	return b.String()
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// nested has as many arrays as fit into a document of one process's memory.
func nested() []byte { return table("/A "+strings.Repeat("[", 6<<20), "<</Type/Catalog/Pages 1 0 R>>") }

// hostiles are documents for which the parser alone takes the memory of a machine,
// its stack, or for ever.
func hostiles() map[string][]byte {
	wide := "/W[1 4 1]/Size 3"
	inside := "\x00\x00\x00\x00\x00\x00" + "\x02\x00\x00\x00\x02\x00" + "\x02\x00\x00\x00\x02\x01" // both in the stream that is the second
	return map[string][]byte{
		"huge Size":               streamed("/W[1 4 1]/Size 1000000000", ""),
		"huger Size":              streamed("/W[1 4 1]/Size 9000000000000", ""),
		"huge width":              streamed("/W[1 90000000000 1]/Size 3", ""),
		"rows of nothing":         streamed("/W[0 0 0]/Size 3/Index[0 9000000000000]", ""),
		"rows of a bomb":          streamed("/W[1 1 1]/Size 3/Index[0 900000000]/Filter/FlateDecode", inflated(64<<20)),
		"huge start of a table":   bytes.Replace(plain(), []byte("xref\n0 4"), []byte("xref\n4000000000 4"), 1),
		"huge table":              bytes.Replace(plain(), []byte("xref\n0 4"), []byte("xref\n0 4000000000"), 1),
		"object stream in itself": streamed(wide, inside),
		"length in itself":        table("", "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Length 2 0 R>>\nstream\nx\nendstream"),
		"nested":                  nested(),
		"nested catalog":          table("", "<</Type/Catalog/Pages 2 0 R/A "+strings.Repeat("[", 4<<20)+strings.Repeat("]", 4<<20)+">>", "<</Type/Pages/Kids[]/Count 0>>"),
		"pages in themselves":     table("", "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Parent 2 0 R/Kids[2 0 R]/Count 1>>"),
		"form in itself":          table("", "<</Type/Catalog/Pages 2 0 R/AcroForm 1 0 R>>", "<</Type/Pages/Kids[]/Count 0>>"),
		"words":                   []byte("%PDF-1.7\nlorem ipsum\n%%EOF"),
		"nothing":                 nil,
	}
}

// TestHostile gives documents to a drafter that would harm this process. Each is
// refused, or done, and the next one is done as if nothing had been.
func TestHostile(t *testing.T) {
	d := open(t)
	for name, doc := range hostiles() {
		start := time.Now()
		update, err := d.Draft(t.Context(), bytes.NewReader(doc), int64(len(doc)), form)
		t.Logf("%s, %d bytes: %s, %d bytes, %.200v", name, len(doc), time.Since(start).Round(time.Millisecond), len(update), err)
		if err != nil && !errors.Is(err, pades.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			continue
		}
		good := plain()
		if update, err := d.Draft(t.Context(), bytes.NewReader(good), int64(len(good)), form); err != nil || len(update) < 2*form.Room {
			t.Errorf("after %s: %d bytes, %v", name, len(update), err)
		}
	}
	if peak := residentPeak(t); peak > 300<<20 {
		t.Errorf("this process took %d MiB", peak>>20)
	}
}

func residentPeak(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// TestDraft gives the same as pades.Draft does, from one process and for many callers.
func TestDraft(t *testing.T) {
	d := open(t)
	good := plain()
	want, err := pades.Draft(bytes.NewReader(good), int64(len(good)), form)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			got, err := d.Draft(t.Context(), bytes.NewReader(good), int64(len(good)), form)
			if err != nil || len(got) < len(want)-20 || len(got) > len(want)+20 { // its numbers differ in length
				t.Errorf("%d bytes, want some %d, %v", len(got), len(want), err)
			}
		})
	}
	group.Wait()
	if d.p == nil || d.p.used != 8 {
		t.Error("more than one process")
	}
	d.last = time.Now().Add(-idleFor)
	if d.rest(); d.p != nil {
		t.Error("the process is kept")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Draft(ctx, bytes.NewReader(good), int64(len(good)), form); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := d.Draft(t.Context(), bytes.NewReader(good[:10]), int64(len(good)), form); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("file that became shorter: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := d.Draft(t.Context(), bytes.NewReader(good), int64(len(good)), form); err == nil {
		t.Error("drafted after the end")
	}
}

// TestKilled kills the process between two documents: nobody notices.
func TestKilled(t *testing.T) {
	d := open(t)
	good := plain()
	for range 3 {
		if update, err := d.Draft(t.Context(), bytes.NewReader(good), int64(len(good)), form); err != nil || len(update) == 0 {
			t.Fatalf("%d bytes, %v", len(update), err)
		}
		kill(t)
	}
}

// kill ends the children of this process. What is below the one that was killed last
// may have answered once more, and nothing is left then.
func kill(t *testing.T) {
	t.Helper()
	for n, end := 0, time.Now().Add(time.Second); n == 0 && time.Now().Before(end); {
		lists, _ := filepath.Glob("/proc/self/task/*/children") // the pattern is well-formed
		for _, list := range lists {
			b, _ := os.ReadFile(list) // none when the thread has ended
			for _, f := range strings.Fields(string(b)) {
				if pid, err := strconv.Atoi(f); err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil {
					n++
				}
			}
		}
	}
}

// BenchmarkDraft is what sealing takes for the process apart.
func BenchmarkDraft(b *testing.B) {
	good := plain(strings.Repeat("%"+strings.Repeat("x", 1000)+"\n", 100) + "null")
	for name, draft := range map[string]pades.Drafter{
		"apart": open(b).Draft,
		"here": func(_ context.Context, in io.ReaderAt, size int64, f pades.Form) ([]byte, error) {
			return pades.Draft(in, size, f)
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := draft(b.Context(), bytes.NewReader(good), int64(len(good)), form); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzAnswer reads what a process says that a document has taken over.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"", "r\x00\x00\x00\x00", "u\x00\x00\x00\x03abc", "u\xff\xff\xff\xff", "n\x00\x00\x00\x02no", "u\x00\x00\x00\x09abc"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, body, err := readAnswer(bytes.NewReader(b), 1000)
		if len(body) > 1000 || err == nil && len(body) > len(b) {
			t.Errorf("%d bytes of %d, %v", len(body), len(b), err)
		}
		for _, r := range legible(body) {
			if r < ' ' {
				t.Errorf("%q", legible(body))
			}
		}
	})
}
