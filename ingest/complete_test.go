package ingest

import (
	"path/filepath"
	"slices"
	"testing"

	"bestand/ingest/verapdf"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// complete runs the job and then every submission that it made.
func (w *workshop) complete() (made []catalog.Submission) {
	w.Helper()
	if err := w.Complete(w.Context(), w.tenant, catalog.Job{Kind: "complete"}); err != nil {
		w.Fatal(err)
	}
	open, err := w.tenant.Submissions(w.Context(), catalog.SubmissionFilter{Status: catalog.Received}, "", 100)
	if err != nil {
		w.Fatal(err)
	}
	for _, sub := range open {
		made = append(made, w.process(sub.ID))
	}
	return made
}

// family lists the files that were taken out of others, and counts the renditions.
func family(e catalog.Entry) (taken []preservation.FileID, renditions int) {
	from := map[preservation.FileID]bool{}
	for _, f := range e.Files {
		from[f.DerivedFrom] = true
	}
	for _, f := range e.Files {
		switch {
		case f.Representation != preservation.Preservation:
		case f.Verdict != "" && !from[f.ID]:
			renditions++
		default:
			taken = append(taken, f.ID)
		}
	}
	return taken, renditions
}

func TestComplete(t *testing.T) {
	w := newWorkshop(t)
	w.equip(filepath.Join(t.TempDir(), "none"), "")
	inner := message([3]string{"innen.txt", "text/plain", "ganz innen"})
	first := w.process(w.submit("1", "a.eml", message([3]string{"brief.html", "text/html", "<p>Guten Tag</p>"}, [3]string{"weiter.eml", "message/rfc822", inner})).ID)
	if first.Status != catalog.Archived {
		t.Fatal(first.Status, first.Problems)
	}
	v1 := w.record(first.RecordID)
	if len(incomplete(v1.Files)) == 0 {
		t.Fatal("nothing is incomplete without the validator")
	}
	taken, renditions := family(v1)
	if len(taken) != 3 || renditions != 4 {
		t.Fatalf("version 1 has %v taken out and %d renditions", taken, renditions)
	}
	if made := w.complete(); len(made) != 0 {
		t.Fatalf("completed without the validator: %v", made)
	}

	w.equip(verapdf.DefaultDir, "")
	if err := w.PDFA.Installed(); err != nil {
		w.without(err)
	}
	made := w.complete()
	if len(made) != 1 || made[0].Status != catalog.Archived || made[0].Version != 2 {
		t.Fatal(made)
	}
	v2 := w.record(first.RecordID)
	again, validated := family(v2)
	if !slices.Equal(again, taken) || validated != renditions || len(v2.Files) != len(v1.Files) {
		t.Errorf("version 2 has %v taken out and %d renditions, version 1 had %v and %d", again, validated, taken, renditions)
	}
	s, err := w.Store(t.Context(), w.tenant)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range v2.Files {
		if f.Verdict != "" && f.Verdict != preservation.VerdictValid {
			t.Errorf("%s %q is %s", f.ID, f.Name, f.Verdict)
		}
		_, at, err := w.tenant.File(t.Context(), v2.ID, f.ID)
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(t.Context(), at.Key, at.VersionID, at.Pos, at.Size)
		if err != nil {
			t.Fatal(err)
		}
		d, err := save(filepath.Join(t.TempDir(), "x"), r)
		r.Close()
		if err != nil || d != f.Digests {
			t.Errorf("%s is not where the catalog says: %v", f.ID, err)
		}
		_, version, _ := preservation.ParsePackageKey(at.Key)
		if kept := slices.Contains(taken, f.ID) || f.Representation == preservation.Original; kept != (version == 1) {
			t.Errorf("%s of %s is held in version %d", f.ID, f.Representation, version)
		}
	}
	if made := w.complete(); len(made) != 0 {
		t.Errorf("completed once more: %v", made)
	}
	r, err := w.Sealer.ReadReceipt(made[0].Receipt)
	if err != nil || len(r.Records) != 1 || len(r.Records[0].Files) != 1 || r.Records[0].Files[0].HeldIn != 1 {
		t.Errorf("receipt %+v, %v", r.Records, err)
	}
}

// A tool that is there and yet does not help must not make a version an hour.
func TestCompleteInVain(t *testing.T) {
	w := newWorkshop(t)
	w.equip(filepath.Join(t.TempDir(), "none"), "")
	sub := w.process(w.submit("1", "a.html", "<html><body><p>Guten Tag</p></body></html>").ID)
	other := w.process(w.submit("2", "b.html", "<html><body><p>Auf Wiedersehen</p></body></html>").ID)
	// The validator is found, but the converter has none.
	converter := w.Convert
	w.equip(verapdf.DefaultDir, "")
	if err := w.PDFA.Installed(); err != nil {
		w.without(err)
	}
	useful := w.Convert
	w.Convert = converter
	made := w.complete()
	if len(made) != 2 || made[0].Status != catalog.Rejected || made[0].Problems[0].Code != "nothing-completed" {
		t.Fatal(made)
	}
	if err := w.Report(t.Context(), w.tenant, catalog.Job{Key: string(made[0].ID)}); err != nil {
		t.Fatal(err)
	}
	s, err := w.client.Bucket(t.Context(), "musterstadt")
	if err != nil {
		t.Fatal(err)
	}
	for o, err := range s.Versions(t.Context(), "") {
		if _, version, ok := preservation.ParsePackageKey(o.Key); err != nil || ok && version != 1 || !ok && o.Key[:4] != "evt/" {
			t.Errorf("object %s, %v", o.Key, err)
		}
	}
	if made := w.complete(); len(made) != 0 {
		t.Errorf("tried once more with the same tools: %v", made)
	}
	w.tried, w.Convert = nil, useful // as after a restart
	if made := w.complete(); len(made) != 2 || made[0].Status != catalog.Archived {
		t.Error(made)
	}
	for _, id := range []preservation.RecordID{sub.RecordID, other.RecordID} {
		if e := w.record(id); e.Version != 2 || len(incomplete(e.Files)) != 0 {
			t.Errorf("version %d: %v", e.Version, e.Files)
		}
	}
}
