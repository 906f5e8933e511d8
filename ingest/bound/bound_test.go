package bound

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"bestand/ingest/hostile"
)

// hostileFile returns the bytes of one of the hostile files.
func hostileFile(t *testing.T, name string) []byte {
	t.Helper()
	for _, f := range hostile.Files(hostile.Trap{}) {
		if f.Name == name {
			return f.Content()
		}
	}
	t.Fatalf("no hostile file %s", name)
	return nil
}

// allotted returns the bytes that f takes from the heap.
func allotted(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestZIP(t *testing.T) {
	for name, want := range map[string]error{"crowded.zip": ErrTooMuch, "traversal.odt": nil, "overlap.zip": nil, "nested-50.zip": nil} {
		b := hostileFile(t, name)
		var err error
		if n := allotted(func() { _, err = ZIP(bytes.NewReader(b), int64(len(b))) }); n > 64<<20 {
			t.Errorf("%s took %d MiB", name, n>>20)
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if _, err := ZIP(strings.NewReader("no ZIP"), 6); err == nil || errors.Is(err, ErrTooMuch) {
		t.Errorf("no ZIP: %v", err)
	}
}

func TestTokens(t *testing.T) {
	long := strings.Repeat("x", 10<<20)
	for _, tt := range []struct {
		name, document string
		want           error
	}{
		{"short tokens", "<r>" + strings.Repeat("<a>x</a>", 100_000) + "</r>", io.EOF},
		{"text", "<r>" + long + "</r>", ErrTooMuch},
		{"attribute", `<r a="` + long + `"/>`, ErrTooMuch},
		{"name", "<" + long + "/>", ErrTooMuch},
		{"comment", "<!--" + long + "--><r/>", ErrTooMuch},
		{"instruction", "<?x " + long + "?><r/>", ErrTooMuch},
		{"document type", "<!DOCTYPE " + long + "><r/>", ErrTooMuch},
		{"without end", "<r>" + long, ErrTooMuch},
	} {
		r := &Tokens{R: strings.NewReader(tt.document), Most: 1 << 20}
		d := xml.NewDecoder(r)
		var err error
		for err == nil {
			_, err = d.Token()
			r.Next()
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}
