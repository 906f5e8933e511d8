package ledger_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// much is content that nobody reads in order to know what a package is.
var much = strings.Repeat("0123456789abcdef", 40<<10)

// shown are the texts that a rebuild shows, by record.
type shown struct {
	mu sync.Mutex
	of map[preservation.RecordID]string
}

func (s *shown) packaged(r preservation.Record, at io.ReaderAt, places map[preservation.FileID]int64) {
	for _, f := range r.Files {
		if f.Representation != preservation.Text {
			continue
		}
		b := make([]byte, f.Size)
		if n, _ := at.ReadAt(b, places[f.ID]); int64(n) == f.Size {
			s.mu.Lock()
			s.of[r.ID] += string(b)
			s.mu.Unlock()
		}
	}
}

// restore rebuilds into a new catalog.
func (a *archive) restore(later bool) (*catalog.Tenant, ledger.Report, map[preservation.RecordID]string) {
	a.Helper()
	into := newCatalog(a.T)
	o, texts := options(), shown{of: map[preservation.RecordID]string{}}
	o.ContentsLater, o.Packaged = later, texts.packaged
	report, err := ledger.Rebuild(a.Context(), into, a.bucket, o)
	a.must(err)
	return into, report, texts.of
}

// large archives a record of an original, and a text in front of it and behind it.
func (a *archive) large(source string) preservation.Record {
	a.Helper()
	r := record(source)
	content := map[preservation.FileID][]byte{}
	for i, c := range []string{"Vorwort zu " + source, much + "Original von " + source + much, "Text von " + source} {
		f, b := file(i+1, c)
		if i != 1 {
			f.Representation = preservation.Text
		}
		r.Files, content[f.ID] = append(r.Files, f), b
	}
	return a.keep(r, content)
}

// What is restored is the same whether the contents are read or not; the records that
// were not read wait to be checked before all others.
func TestContentsLaterRestoresTheSame(t *testing.T) {
	a := filled(t)
	want := []preservation.RecordID{a.large("groß").ID}
	many := record("many") // its description takes more than the first look
	content := map[preservation.FileID][]byte{}
	for i := range 250 {
		f, b := file(i+1, much[:8000+i])
		many.Files, content[f.ID] = append(many.Files, f), b
	}
	want = append(want, a.keep(many, content).ID)
	amended := a.large("groß und ergänzt")
	amended.Version, amended.Submission = 2, preservation.SubmissionID(preservation.NewID(now()))
	for i := range amended.Files {
		amended.Files[i].HeldIn = 1
	}
	f, b := file(4, "klein")
	amended.Files = append(amended.Files, f)
	want = append(want, a.keep(amended, map[preservation.FileID][]byte{f.ID: b}).ID)
	slices.Sort(want)

	full, fullReport, fullTexts := a.restore(false)
	into, report, texts := a.restore(true)
	differences(t, seen(t, full), seen(t, into))
	if len(report.Problems) > 0 || len(fullReport.Problems) > 0 || report.Packages != fullReport.Packages || report.Events != fullReport.Events {
		t.Errorf("%+v, and from all bytes %+v", report, fullReport)
	}
	if len(texts) != len(fullTexts) || texts[want[0]] == "" {
		t.Errorf("texts %q, from all bytes %q", texts, fullTexts)
	}
	for id, text := range fullTexts {
		if texts[id] != text {
			t.Errorf("%s has text %q, from all bytes %q", id, texts[id], text)
		}
	}
	waiting := func(n *catalog.Tenant) []preservation.RecordID {
		t.Helper()
		ids, err := n.LeastChecked(t.Context(), time.UnixMilli(1), 100)
		a.must(err)
		f, err := n.View().Fixity(t.Context())
		if a.must(err); f.Unread != int64(len(ids)) || f.Oldest.Before(time.UnixMilli(1)) {
			t.Errorf("%+v with %d unread", f, len(ids))
		}
		return ids
	}
	if ids := waiting(into); !slices.Equal(ids, want) {
		t.Errorf("first %v, want %v", ids, want)
	}
	if ids := waiting(full); len(ids) != 0 {
		t.Errorf("read and not checked: %v", ids)
	}
	for _, later := range []bool{true, false} { // over what is there it changes nothing
		o := options()
		o.ContentsLater = later
		report, err := ledger.Rebuild(t.Context(), into, a.bucket, o)
		if a.must(err); len(report.Problems) > 0 {
			t.Errorf("again: %+v", report.Problems)
		}
		differences(t, seen(t, full), seen(t, into))
		if ids := waiting(into); !slices.Equal(ids, want) {
			t.Errorf("again: first %v, want %v", ids, want)
		}
	}
}

// counting counts what is read whole.
type counting struct {
	preservation.Store
	mu    sync.Mutex
	whole []string
}

func (c *counting) Get(ctx context.Context, key, version string) (preservation.Object, io.ReadCloser, error) {
	c.mu.Lock()
	c.whole = append(c.whole, key)
	c.mu.Unlock()
	return c.Store.Get(ctx, key, version)
}

// A flipped byte in what describes a package is found as it is when every byte is read; one
// in an original is left to the check.
func TestContentsLaterFindsDamage(t *testing.T) {
	for _, test := range []struct {
		name, where string // the byte that is flipped is the first of it
		found       bool
	}{
		{"original", "Original von", false},
		{"text at the end", "Text von", true},
		{"text in front", "Vorwort", true},
		{"METS", "OBJID", true},
		{"a digest in METS", "CHECKSUM=", true},
		{"record.json", "bestand-aip/1\",\"id", true},
		{"PREMIS", "<eventDetail>", true},
		{"seal", "seal over", true},
		{"directory", "PK\x01\x02", true},
		{"end of the ZIP", "PK\x05\x06", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := newArchive(t)
			r := a.large("beschädigt")
			key := preservation.PackageKey(r.ID, 1)
			a.flip(key, []byte(test.where))
			full, fullReport, _ := a.restore(false)
			into := newCatalog(t)
			o, store := options(), &counting{Store: a.bucket}
			o.ContentsLater = true
			report, err := ledger.Rebuild(t.Context(), into, store, o)
			a.must(err)
			if slices.Contains(store.whole, key) != test.found {
				t.Errorf("read whole: %v", store.whole)
			}
			if len(fullReport.Problems) == 0 {
				t.Error("not found by reading every byte")
			}
			if !test.found {
				if f, err := into.View().Fixity(t.Context()); err != nil || len(report.Problems) > 0 || f.Unread != 1 {
					t.Errorf("%+v %v %+v", report.Problems, err, f)
				}
				return
			}
			if !slices.Equal(report.Problems, fullReport.Problems) {
				t.Errorf("%+v, from all bytes %+v", report.Problems, fullReport.Problems)
			}
			differences(t, seen(t, full), seen(t, into))
		})
	}
}

// A package that no receipt proves is read, and so is one whose seal nobody can check.
func TestContentsLaterNeedsProof(t *testing.T) {
	a := newArchive(t)
	stray := record("stray")
	f, b := file(1, much)
	stray.Files = []preservation.File{f}
	zip, _ := a.pack(&stray, map[preservation.FileID][]byte{f.ID: b})
	a.put(preservation.PackageKey(stray.ID, 1), zip)
	refused := a.large("Quittung gilt nicht")
	for _, sealed := range []bool{true, false} {
		o := options()
		o.ContentsLater = true
		o.Receipt = func(string) ([]byte, error) { return nil, aip.ErrInvalid }
		full := o
		full.ContentsLater = false
		if !sealed {
			o.Seal = nil
		}
		into, whole := newCatalog(t), newCatalog(t)
		report, err := ledger.Rebuild(t.Context(), into, a.bucket, o)
		a.must(err)
		fullReport, err := ledger.Rebuild(t.Context(), whole, a.bucket, full)
		a.must(err)
		if !slices.Equal(report.Problems, fullReport.Problems) || len(report.Problems) == 0 {
			t.Errorf("%+v, from all bytes %+v", report.Problems, fullReport.Problems)
		}
		for _, id := range []preservation.RecordID{stray.ID, refused.ID} {
			objects, err := into.Objects(t.Context(), id)
			a.must(err)
			wanted, err := whole.Objects(t.Context(), id)
			a.must(err)
			if !slices.Equal(objects, wanted) || objects[0].SHA256 == "" {
				t.Errorf("%+v, from all bytes %+v", objects, wanted)
			}
		}
		if left, err := into.Undigested(t.Context(), "", 10); err != nil || len(left) > 0 {
			t.Error(left, err)
		}
	}
}

// A catalog that is there already says of what was not read now that it was not.
func TestContentsLaterOverLiving(t *testing.T) {
	a := newArchive(t)
	a.large("gelesen")
	o := options()
	o.ContentsLater = true
	report, err := ledger.Rebuild(t.Context(), a.Tenant, a.bucket, o)
	a.must(err)
	if f, err := a.View().Fixity(t.Context()); err != nil || len(report.Problems) > 0 || f.Unread != 1 {
		t.Errorf("%+v %v %+v", report.Problems, err, f)
	}
}
