package ingest

import (
	"errors"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// What is destroyed leaves nothing in staging: neither a version that was under
// way nor the package that the record came out of.
func TestForget(t *testing.T) {
	w := newWorkshop(t)
	ctx := t.Context()
	pkg := w.submit("package", "sip.zip", "alles")
	d := w.begin("1")
	defer d.Abort(ctx)
	d.sub.Parent = pkg.ID
	w.file(d, "a.txt", "eins")
	part, _, err := d.Commit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	later := catalog.Submission{ID: preservation.SubmissionID(preservation.NewID(w.Now())), RecordID: part.RecordID, Version: 2, Metadata: part.Metadata, Received: w.Now()}
	if err := w.tenant.CreateSubmission(ctx, later); err != nil {
		t.Fatal(err)
	}
	other := w.submit("2", "b.txt", "zwei")
	frozen := stagingPrefix(w.tenant.ID(), later.ID) + "package"
	if _, err := w.staging.Put(ctx, frozen, strings.NewReader("zip"), preservation.PutOptions{Size: -1}); err != nil {
		t.Fatal(err)
	}
	if n := w.staged(); n != 4 {
		t.Fatalf("%d files in staging", n)
	}

	var wait *catalog.Later
	if err := w.Forget(ctx, w.tenant, part.RecordID); !errors.As(err, &wait) {
		t.Errorf("while the package is being unpacked: %v", err)
	}
	if err := w.tenant.Unpacked(ctx, pkg.ID, nil, preservation.Event{ID: preservation.NewID(w.Now()), Type: preservation.EventUnpack, At: w.Now()}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.Forget(ctx, w.tenant, part.RecordID); err != nil {
			t.Fatal(err)
		}
	}
	for o, err := range w.staging.List(ctx, "") {
		if err != nil || !strings.HasPrefix(o.Key, stagingPrefix(w.tenant.ID(), other.ID)) {
			t.Errorf("%s is left, %v", o.Key, err)
		}
	}
}
