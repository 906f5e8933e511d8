package aip_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"hash/crc32"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
)

var update = flag.Bool("update", false, "write the golden digest anew")

// TestGolden keeps the stored format from changing unnoticed: the bytes of a
// fixed package must be the same on any build.
func TestGolden(t *testing.T) {
	p, _ := sample()
	zip, _ := pack(t, p)
	sum := sha256.Sum256(zip)
	got := hex.EncodeToString(sum[:]) + "\n"
	const golden = "testdata/golden.sha256"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the package of a fixed record has SHA-256 %s want %s", got, want)
	}
	// The zone of a time and the instance of a slice are no part of the record.
	p.Record.Received = p.Record.Received.In(time.FixedZone("CET", 3600))
	if again, _ := pack(t, p); !bytes.Equal(zip, again) {
		t.Error("the same record gave other bytes")
	}
}

func TestRoundTrip(t *testing.T) {
	p, s := sample()
	zip, m := pack(t, p)
	if got := codes(verify(t, zip)); !slices.Equal(got, []string{"seal-valid", aip.CodeIntact}) {
		t.Fatalf("findings %v", verify(t, zip))
	}
	r, err := aip.Open(bytes.NewReader(zip), int64(len(zip)))
	if err != nil {
		t.Fatal(err)
	}
	want := p.Record
	want.Files = slices.Clone(want.Files)
	for i, path := range []string{"representations/original/data/f0001.docx", "representations/preservation/data/f0002.pdf",
		"representations/original/data/f0003"} {
		want.Files[i].Path = path
	}
	if got := r.Record(); !reflect.DeepEqual(got, want) {
		t.Errorf("record\n%+v\nwant\n%+v", got, want)
	}
	events, err := r.Events()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(events, p.Events) {
		t.Errorf("events\n%+v\nwant\n%+v", events, p.Events)
	}
	manifest, err := r.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(manifest, m) {
		t.Errorf("manifest of the reader\n%+v\nof the writer\n%+v", manifest, m)
	}
	for id, content := range s {
		f, err := r.File(id)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(f); !bytes.Equal(got, content) {
			t.Errorf("%s holds %q, want %q", id, got, content)
		}
		e, ok := m.File(id)
		if !ok || !bytes.Equal(zip[e.Offset:e.Offset+e.Size], content) || e.CRC32 != crc32.ChecksumIEEE(content) {
			t.Errorf("%s is not where the manifest says: %+v", id, e)
		}
	}
	for _, e := range m.Entries {
		if got := digests(zip[e.Offset : e.Offset+e.Size]); got != e.Digests {
			t.Errorf("%s: the manifest has other digests than the bytes", e.Path)
		}
	}
	if _, err := r.File("f0009"); !errors.Is(err, aip.ErrNoFile) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestRecordWithoutFilesAndEvents(t *testing.T) {
	p, _ := sample()
	p.Record.Files, p.Events = nil, nil
	zip, _ := pack(t, p)
	if got := codes(verify(t, zip)); !slices.Contains(got, aip.CodeIntact) {
		t.Errorf("findings %v", got)
	}
	validate(t, zip)
}

// TestLaterVersion stores a version that changes one of three files.
func TestLaterVersion(t *testing.T) {
	p, s := sample()
	first, _ := pack(t, p)
	r, err := aip.Open(bytes.NewReader(first), int64(len(first)))
	if err != nil {
		t.Fatal(err)
	}
	p.Record = r.Record()
	p.Record.Version = 2
	p.Record.Files = slices.Clone(p.Record.Files)
	p.Record.Files[0].HeldIn, p.Record.Files[2].HeldIn = 1, 1
	p.Record.Files[0].Name = "renamed.bin" // its place stays where it is
	s["f0002"] = []byte("%PDF-1.7 a better rendition\n")
	p.Record.Files[1].Size, p.Record.Files[1].Digests = int64(len(s["f0002"])), digests(s["f0002"])
	delete(s, "f0001")
	delete(s, "f0003")

	second, _ := pack(t, p)
	if got := codes(verify(t, second)); !slices.Equal(got, []string{aip.CodeHeldElsewhere, "seal-valid", aip.CodeIntact}) {
		t.Errorf("findings %v", verify(t, second))
	}
	validate(t, second)
	if r, err = aip.Open(bytes.NewReader(second), int64(len(second))); err != nil {
		t.Fatal(err)
	}
	if _, err := r.File("f0001"); !errors.Is(err, aip.ErrHeldElsewhere) {
		t.Errorf("a file of version 1: %v", err)
	}
	f, _ := p.Record.File("f0001")
	rec := r.Record()
	if got, _ := rec.File("f0001"); got != f || got.HeldIn != 1 || got.Path != "representations/original/data/f0001.docx" {
		t.Errorf("file %+v", got)
	}
	if _, err := r.File("f0002"); err != nil {
		t.Error(err)
	}
}

func (s shelf) with(id preservation.FileID, content string) shelf { s[id] = []byte(content); return s }

func TestWriteRefuses(t *testing.T) {
	big := bytes.Repeat([]byte("large enough to be read in parts\n"), 20_000)
	for name, c := range map[string]struct {
		change func(*aip.Package, shelf)
		want   error
	}{
		"changed content": {func(_ *aip.Package, s shelf) { s.with("f0001", "not really an office documenT\n") }, aip.ErrChanged},
		"shorter content": {func(_ *aip.Package, s shelf) { s.with("f0001", "short") }, aip.ErrChanged},
		"longer content":  {func(_ *aip.Package, s shelf) { s.with("f0003", "x") }, aip.ErrChanged},
		"other SHA-512":   {func(p *aip.Package, _ shelf) { p.Record.Files[0].SHA512 = strings.Repeat("0", 128) }, aip.ErrChanged},
		"no such content": {func(_ *aip.Package, s shelf) { delete(s, "f0002") }, nil},
		"wrong CRC-32 told": {func(p *aip.Package, s shelf) {
			s.add(&p.Record, "original", "big", big)
			p.CRC32 = func(preservation.FileID) (uint32, bool) { return 1, true }
		}, aip.ErrChanged},
		"big file changed": {func(p *aip.Package, s shelf) {
			f := s.add(&p.Record, "original", "big", big)
			s[f.ID] = append(slices.Clone(big[1:]), 'x')
		}, aip.ErrChanged},
		"record id":          {func(p *aip.Package, _ shelf) { p.Record.ID = "../../etc" }, aip.ErrInvalid},
		"version 0":          {func(p *aip.Package, _ shelf) { p.Record.Version = 0 }, aip.ErrInvalid},
		"no time":            {func(p *aip.Package, _ shelf) { p.Record.Received = time.Time{} }, aip.ErrInvalid},
		"file id twice":      {func(p *aip.Package, _ shelf) { p.Record.Files[1].ID = "f0001" }, aip.ErrInvalid},
		"representation":     {func(p *aip.Package, _ shelf) { p.Record.Files[1].Representation = "../x" }, aip.ErrInvalid},
		"derived from none":  {func(p *aip.Package, _ shelf) { p.Record.Files[1].DerivedFrom = "f0042" }, aip.ErrInvalid},
		"upper-case digest":  {func(p *aip.Package, _ shelf) { p.Record.Files[0].SHA256 = strings.ToUpper(p.Record.Files[0].SHA256) }, aip.ErrInvalid},
		"held in itself":     {func(p *aip.Package, _ shelf) { p.Record.Files[0].HeldIn = 1 }, aip.ErrInvalid},
		"title not UTF-8":    {func(p *aip.Package, _ shelf) { p.Record.Title = "\xff" }, aip.ErrInvalid},
		"no such day":        {func(p *aip.Package, _ shelf) { p.Record.Closed = preservation.Date{Year: 2015, Month: 2, Day: 30} }, aip.ErrInvalid},
		"event twice":        {func(p *aip.Package, _ shelf) { p.Events[1].ID = p.Events[0].ID }, aip.ErrInvalid},
		"event of no file":   {func(p *aip.Package, _ shelf) { p.Events[1].Files = []preservation.FileID{"f0042"} }, aip.ErrInvalid},
		"event without type": {func(p *aip.Package, _ shelf) { p.Events[1].Type = "" }, aip.ErrInvalid},
		"no seal":            {func(p *aip.Package, _ shelf) { p.Seal = nil }, aip.ErrInvalid},
		"empty seal": {func(p *aip.Package, _ shelf) {
			p.Seal = func(context.Context, []byte) ([]byte, error) { return nil, nil }
		}, aip.ErrInvalid},
		"failing seal": {func(p *aip.Package, _ shelf) {
			p.Seal = func(context.Context, []byte) ([]byte, error) { return nil, io.ErrNoProgress }
		}, io.ErrNoProgress},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := sample()
			p.Events = slices.Clone(p.Events)
			sealed := false
			c.change(&p, s)
			if seal := p.Seal; seal != nil {
				p.Seal = func(ctx context.Context, mets []byte) ([]byte, error) { sealed = true; return seal(ctx, mets) }
			}
			_, err := aip.Write(t.Context(), io.Discard, p)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if sealed && !strings.Contains(name, "seal") {
				t.Error("sealed all the same")
			}
		})
	}
	t.Run("ended context", func(t *testing.T) {
		p, _ := sample()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := aip.Write(ctx, io.Discard, p); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("full disk", func(t *testing.T) {
		p, s := sample()
		s.add(&p.Record, preservation.Original, "big", big)
		if _, err := aip.Write(t.Context(), &full{}, p); !errors.Is(err, errFull) {
			t.Errorf("error %v", err)
		}
	})
}

var errFull = errors.New("no space left")

type full struct{ n int }

func (f *full) Write(p []byte) (int, error) {
	if f.n += len(p); f.n > 100_000 {
		return 0, errFull
	}
	return len(p), nil
}
