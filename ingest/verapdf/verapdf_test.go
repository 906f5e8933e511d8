package verapdf

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/ingest/sandbox"
)

// open returns a validator that may read the returned folder.
func open(t *testing.T, change func(*Config)) (*Validator, string) {
	t.Helper()
	s, err := sandbox.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cfg := Config{Sandbox: s, Read: []string{dir}}
	if change != nil {
		change(&cfg)
	}
	v := New(cfg)
	t.Cleanup(func() { v.Close() })
	if err := v.Installed(); err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return v, dir
}

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func training(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("sidecar/training.pdf")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// plain is a PDF of one page without a claim.
func plain(content string) string {
	var b, xref strings.Builder
	var flate bytes.Buffer
	z := zlib.NewWriter(&flate)
	io.WriteString(z, content) // a Buffer takes everything
	z.Close()
	b.WriteString("%PDF-1.4\n")
	objects := []string{
		"<</Type/Catalog/Pages 2 0 R>>",
		"<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R>>",
		fmt.Sprintf("<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream", flate.Len(), flate.String()),
	}
	for i, o := range objects {
		fmt.Fprintf(&xref, "%010d 00000 n \n", b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 5\n0000000000 65535 f \n%strailer\n<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", xref.String(), start)
	return b.String()
}

func TestValidate(t *testing.T) {
	v, dir := open(t, nil)
	pdfa := training(t)
	tests := []struct {
		name, content    string
		flavour          Flavour
		valid            bool
		claimed, against Flavour
		err              error
	}{
		{name: "valid", content: pdfa, valid: true, claimed: "2b", against: "2b"},
		{name: "name with\nline break \"and\" quotes ü", content: pdfa, valid: true, claimed: "2b", against: "2b"},
		{name: "other flavour", content: pdfa, flavour: "1b", claimed: "2b", against: "1b"},
		{name: "false claim", content: strings.Replace(pdfa, "/OutputIntents", "/OutputIntentz", 1), claimed: "2b", against: "2b"},
		{name: "no claim", content: plain("")},
		{name: "no claim, validated", content: plain(""), flavour: "2b", against: "2b"},
		{name: "long stream", content: plain(strings.Repeat("0 0 m 9 9 l S ", 300_000)), flavour: "2b", against: "2b"},
		{name: "truncated", content: pdfa[:2000], err: ErrUnreadable},
		{name: "no PDF", content: "hello", err: ErrUnreadable},
		{name: "empty", content: "", err: ErrUnreadable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := v.Validate(t.Context(), write(t, dir, tt.name, tt.content), tt.flavour)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if got.Valid != tt.valid || got.Claimed != tt.claimed || got.Flavour != tt.against {
				t.Errorf("got %+v", got)
			}
			if got.Flavour != "" && !got.Valid && len(got.Failed) == 0 {
				t.Error("invalid without a failed rule")
			}
			if got.Version == "" || got.Duration <= 0 {
				t.Errorf("version %q, duration %s", got.Version, got.Duration)
			}
		})
	}
}

func TestEncrypted(t *testing.T) {
	v, dir := open(t, nil)
	in, out := write(t, dir, "in.pdf", training(t)), filepath.Join(dir, "out.pdf")
	res, err := v.cfg.Sandbox.Run(t.Context(), sandbox.Command{Name: "qpdf", Dir: dir, Args: []string{"--encrypt", "a", "b", "256", "--", in, out}})
	if errors.Is(err, sandbox.ErrMissing) && os.Getenv("BESTAND_REQUIRE_TOOLS") != "1" {
		t.Skip(err)
	}
	if err != nil || !res.OK() {
		t.Fatal(res, err)
	}
	if _, err := v.Validate(t.Context(), out, Auto); !errors.Is(err, ErrEncrypted) {
		t.Errorf("error %v, want ErrEncrypted", err)
	}
}

func TestOutside(t *testing.T) {
	v, dir := open(t, nil)
	other := write(t, t.TempDir(), "x.pdf", training(t))
	for _, p := range []string{other, "x.pdf", dir + "/../x", dir} {
		if _, err := v.Validate(t.Context(), p, Auto); err == nil {
			t.Errorf("%s was validated", p)
		}
	}
	if v.cfg.Sandbox.Isolation() != sandbox.Bubblewrap {
		return
	}
	link := filepath.Join(dir, "link.pdf")
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Validate(t.Context(), link, Auto); err == nil {
		t.Errorf("read through a link out of the work folder: %+v", got)
	}
}

func TestMissing(t *testing.T) {
	v := New(Config{Dir: t.TempDir(), Read: []string{t.TempDir()}})
	defer v.Close()
	p := write(t, v.cfg.Read[0], "x.pdf", "x")
	if _, err := v.Validate(t.Context(), p, Auto); !errors.Is(err, ErrMissing) {
		t.Errorf("error %v, want ErrMissing", err)
	}
}

// What a file does to the validator ends with that file.
func TestRecovery(t *testing.T) {
	bomb := plain(strings.Repeat("0 0 m 9 9 l S ", 5_000_000)) // 200 KB that unfold
	tests := []struct {
		name   string
		change func(*Config)
	}{
		{"time-out", func(c *Config) { c.Time = 6 * time.Second }},
		{"memory", func(c *Config) { c.Memory = 150 << 20 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, dir := open(t, tt.change)
			good, bad := write(t, dir, "good.pdf", training(t)), write(t, dir, "bad.pdf", bomb)
			for range 2 {
				if _, err := v.Validate(t.Context(), bad, "2b"); !errors.Is(err, ErrLimit) {
					t.Errorf("bad file: error %v, want ErrLimit", err)
				}
				if got, err := v.Validate(t.Context(), good, Auto); err != nil || !got.Valid {
					t.Errorf("good file afterwards: %+v, %v", got, err)
				}
			}
		})
	}
	t.Run("killed between two files", func(t *testing.T) {
		v, dir := open(t, nil)
		good := write(t, dir, "good.pdf", training(t))
		for range 2 {
			if got, err := v.Validate(t.Context(), good, Auto); err != nil || !got.Valid {
				t.Errorf("%+v, %v", got, err)
			}
			p := <-v.slots
			p.cancel()
			v.slots <- p
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		v, dir := open(t, nil)
		good, bad := write(t, dir, "good.pdf", training(t)), write(t, dir, "bad.pdf", bomb)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := v.Validate(ctx, bad, "2b"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if got, err := v.Validate(t.Context(), good, Auto); err != nil || !got.Valid {
			t.Errorf("afterwards: %+v, %v", got, err)
		}
	})
}

func TestConcurrent(t *testing.T) {
	v, dir := open(t, func(c *Config) { c.Processes = 2 })
	pdfa := training(t)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			content, want := pdfa, true
			if i%3 == 0 {
				content, want = plain(""), false
			}
			p := filepath.Join(dir, fmt.Sprint(i))
			if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
				t.Error(err)
				return
			}
			if got, err := v.Validate(t.Context(), p, "2b"); err != nil || got.Valid != want {
				t.Errorf("file %d: %+v, %v", i, got, err)
			}
		})
	}
	wg.Wait()
}

func TestClose(t *testing.T) {
	v, dir := open(t, nil)
	good := write(t, dir, "good.pdf", training(t))
	if version, err := v.Version(t.Context()); err != nil || version == "" {
		t.Errorf("version %q, %v", version, err)
	}
	p := <-v.slots
	v.slots <- p
	w := New(v.cfg)
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.Validate(t.Context(), good, Auto); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want ErrClosed", err)
	}
	p.stop()
	if _, err := os.Stat(p.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder is left: %v", err)
	}
}

func BenchmarkValidate(b *testing.B) {
	s, err := sandbox.New(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	file, err := filepath.Abs("sidecar/training.pdf")
	if err != nil {
		b.Fatal(err)
	}
	v := New(Config{Sandbox: s, Read: []string{filepath.Dir(file)}})
	defer v.Close()
	for b.Loop() {
		if _, err := v.Validate(b.Context(), file, Auto); err != nil {
			b.Fatal(err)
		}
	}
}
