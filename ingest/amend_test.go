package ingest

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"bestand/ingest/verapdf"
	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// amend delivers a later version of a record: files by name, each with its name as content.
func (w *workshop) amend(id preservation.RecordID, r catalog.Revision, change func(*preservation.Metadata), names ...string) (catalog.Submission, bool, error) {
	w.Helper()
	a := Amendment{Record: w.record(id), Revision: r}
	a.Metadata = a.Record.Metadata
	if change != nil {
		change(&a.Metadata)
	}
	d, err := w.Intake.BeginVersion(w.Context(), w.tenant, "dms", a)
	if err != nil {
		return catalog.Submission{}, false, err
	}
	defer d.Abort(w.Context())
	for _, name := range names {
		w.file(d, name, "Inhalt von "+name)
	}
	return d.Commit(w.Context())
}

func revision(kind, source string, replaces ...preservation.FileID) catalog.Revision {
	return catalog.Revision{Revision: preservation.Revision{Kind: kind, Reason: "Nachtrag", Replaces: replaces}, Source: source}
}

// originals are the names of what was sent, in order.
func originals(e catalog.Entry) (names []string) {
	for _, f := range e.Files {
		if f.Representation == preservation.Original && f.DerivedFrom == "" {
			names = append(names, f.Name)
		}
	}
	return names
}

func TestVersions(t *testing.T) {
	w := newWorkshop(t)
	w.equip(filepath.Join(t.TempDir(), "none"), "")
	ctx := t.Context()
	id := w.process(w.submit("1", "a.txt", "erste Fassung").ID).RecordID
	v1 := w.record(id)

	sub, created, err := w.amend(id, revision(preservation.Addition, "1/b"), nil, "b.txt")
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if n, err := w.tenant.View().Arriving(ctx, id); err != nil || n != 1 {
		t.Errorf("%d arriving, %v: it would be destroyed meanwhile", n, err)
	}
	if _, _, err := w.amend(id, revision(preservation.Addition, "1/x"), nil, "x.txt"); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("another version at the same time: %v", err)
	}
	if sub = w.process(sub.ID); sub.Status != catalog.Archived || sub.Version != 2 || sub.Receipt == "" {
		t.Fatalf("%s, version %d, %+v", sub.Status, sub.Version, sub.Problems)
	}
	v2 := w.record(id)
	if got := originals(v2); v2.Version != 2 || !slices.Equal(got, []string{"a.txt", "b.txt"}) {
		t.Errorf("version %d has %v", v2.Version, got)
	}
	// The same once more, and other bytes under its name.
	if again, created, err := w.amend(id, revision(preservation.Addition, "1/b"), nil, "b.txt"); err != nil || created || again.ID != sub.ID {
		t.Errorf("sent again: %s, %t, %v", again.ID, created, err)
	}
	var taken *catalog.SourceConflict
	if _, _, err := w.amend(id, revision(preservation.Addition, "1/b"), nil, "c.txt"); !errors.As(err, &taken) {
		t.Errorf("other bytes under its name: %v", err)
	}
	if _, _, err := w.amend(id, revision(preservation.Addition, "1"), nil, "c.txt"); !errors.As(err, &taken) {
		t.Errorf("the name of the first delivery: %v", err)
	}

	// A correction takes a file and all that was made of it out, and changes the title.
	last := v2.Files[len(v2.Files)-1].ID.Number()
	fix := revision(preservation.Correction, "1/c", v1.Files[0].ID)
	fix.Changes = []byte(`{"title":"Berichtigt"}`)
	sub, _, err = w.amend(id, fix, func(m *preservation.Metadata) { m.Title = "Berichtigt" }, "a2.txt")
	if err != nil {
		t.Fatal(err)
	}
	w.process(sub.ID)
	v3 := w.record(id)
	if got := originals(v3); v3.Version != 3 || v3.Title != "Berichtigt" || !slices.Equal(got, []string{"b.txt", "a2.txt"}) {
		t.Errorf("version %d, %q, has %v", v3.Version, v3.Title, got)
	}
	for _, f := range v3.Files {
		if f.DerivedFrom == v1.Files[0].ID {
			t.Errorf("%s was made of the file that was replaced", f.ID)
		}
		if _, ok := v2.File(f.ID); !ok && f.ID.Number() <= last {
			t.Errorf("the identifier %s is used again", f.ID)
		}
	}
	// Metadata alone.
	only := revision(preservation.Correction, "1/d")
	only.Changes = []byte(`{"reference":"63/1"}`)
	if sub, _, err = w.amend(id, only, func(m *preservation.Metadata) { m.Reference = "63/1" }); err != nil {
		t.Fatal(err)
	}
	if sub = w.process(sub.ID); sub.Status != catalog.Archived {
		t.Fatal(sub.Status, sub.Problems)
	}

	s, err := w.Store(ctx, w.tenant)
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range map[int]*preservation.Revision{1: nil, 2: {Kind: "addition", Reason: "Nachtrag", Actor: "dms"},
		3: {Kind: "correction", Reason: "Nachtrag", Actor: "dms", Replaces: []preservation.FileID{v1.Files[0].ID}}, 4: {Kind: "correction", Reason: "Nachtrag", Actor: "dms"}} {
		packed, err := ledger.PackagedRecord(ctx, s, id, version)
		if err != nil {
			t.Fatal(err)
		}
		if got := packed.Revision; (got == nil) != (want == nil) || got != nil && (got.Kind != want.Kind || got.Reason != want.Reason || got.Actor != want.Actor || !slices.Equal(got.Replaces, want.Replaces)) {
			t.Errorf("version %d says %+v, want %+v", version, got, want)
		}
		o, err := s.Stat(ctx, preservation.PackageKey(id, version), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range aip.Verify(ctx, ledger.Ahead(ctx, s, o), o.Size, aip.Options{}) {
			if f.Severity == preservation.Failed {
				t.Errorf("version %d: %+v", version, f)
			}
		}
		own := 0
		for _, f := range packed.Files {
			if f.HeldIn == 0 && f.Representation == preservation.Original {
				own++
			}
		}
		if want := map[int]int{1: 1, 2: 1, 3: 1, 4: 0}[version]; own != want {
			t.Errorf("version %d holds %d originals itself, want %d", version, own, want)
		}
	}
	w.equip(verapdf.DefaultDir, "")
	if w.PDFA.Installed() == nil {
		if made := w.complete(); len(made) != 1 || made[0].Version != 5 || made[0].Status != catalog.Archived {
			t.Errorf("what was incomplete is completed in a version of its own: %+v", made)
		}
		if v5 := w.record(id); v5.Title != "Berichtigt" || v5.Reference != "63/1" || !slices.Equal(originals(v5), []string{"b.txt", "a2.txt"}) {
			t.Errorf("%+v", v5)
		}
	}
}

func TestVersionRefused(t *testing.T) {
	w := newWorkshop(t)
	w.equip(filepath.Join(t.TempDir(), "none"), "")
	id := w.process(w.submit("1", "a.txt", "erste Fassung").ID).RecordID
	v1 := w.record(id)
	derived := v1.Files[len(v1.Files)-1].ID
	withChanges := func(r catalog.Revision) catalog.Revision { r.Changes = []byte(`{"title":"T"}`); return r }
	for _, c := range []struct {
		name        string
		r           catalog.Revision
		files       []string
		field, code string
	}{
		{"nothing", revision(preservation.Addition, "2"), nil, "files", "required"},
		{"a file taken away and none for it", withChanges(revision(preservation.Correction, "2", v1.Files[0].ID)), nil, "files", "required"},
		{"an addition that replaces", revision(preservation.Addition, "2", v1.Files[0].ID), []string{"b"}, "replaces", "misplaced"},
		{"a file that is not there", revision(preservation.Correction, "2", "f0099"), []string{"b"}, "replaces[0]", "unknown-file"},
		{"what was made here", revision(preservation.Correction, "2", derived), []string{"b"}, "replaces[0]", "derived-file"},
		{"a file twice", revision(preservation.Correction, "2", v1.Files[0].ID, v1.Files[0].ID), []string{"b"}, "replaces[1]", "unique"},
	} {
		_, _, err := w.amend(id, c.r, nil, c.files...)
		var bad *Invalid
		if !errors.As(err, &bad) || bad.Problems[0].Field != c.field || bad.Problems[0].Code != c.code {
			t.Errorf("%s: %v, want %s of %s", c.name, err, c.code, c.field)
		}
	}
}
