package ledger_test

import (
	"io"
	"slices"
	"sync"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// Who was shown the package of a destroyed record learns that it is none: when its
// tombstone is found after its package, and when the catalog knew that before.
func TestRebuildWithdrawsDestroyedRecords(t *testing.T) {
	a := newArchive(t)
	kept := a.simple("kept")
	survivor, zip := a.stray(func(*preservation.Record) {})
	a.put(preservation.PackageKey(survivor.ID, 1), zip)
	a.tombstone(survivor.ID)
	into := newCatalog(t)
	for run := range 2 {
		var mu sync.Mutex
		var shown []preservation.RecordID
		o := options()
		o.Packaged = func(r preservation.Record, _ io.ReaderAt, _ map[preservation.FileID]int64) {
			mu.Lock()
			defer mu.Unlock()
			shown = append(shown, r.ID)
		}
		o.Withdrawn = func(id preservation.RecordID) {
			mu.Lock()
			defer mu.Unlock()
			if !slices.Contains(shown, id) && run == 0 {
				t.Errorf("%s was withdrawn before it was shown", id)
			}
			shown = slices.DeleteFunc(shown, func(s preservation.RecordID) bool { return s == id })
		}
		_, err := ledger.Rebuild(t.Context(), into, a.bucket, o)
		a.must(err)
		if !slices.Equal(shown, []preservation.RecordID{kept.ID}) {
			t.Errorf("run %d: %v are left of those shown, want %s", run, shown, kept.ID)
		}
	}
}

// So does one whose record the catalog refuses for another reason: here
// another tenant has it.
func TestRebuildWithdrawsRefusedRecords(t *testing.T) {
	a := newArchive(t)
	r := a.simple("1")
	into := newCatalog(t)
	a.must(into.DB().RestoreTenant(t.Context(), catalog.TenantInfo{ID: "beispielhausen", Name: "beispielhausen"}))
	a.must(into.DB().Tenant("beispielhausen").CommitRecord(t.Context(), catalog.Commit{Record: r, Package: catalog.RecordObject{Key: "x", Kind: "package", Version: 1}}))
	var withdrawn []preservation.RecordID
	o := options()
	o.Withdrawn = func(id preservation.RecordID) { withdrawn = append(withdrawn, id) }
	report, err := ledger.Rebuild(t.Context(), into, a.bucket, o)
	a.must(err)
	if !slices.Equal(withdrawn, []preservation.RecordID{r.ID}) || report.Packages != 0 {
		t.Errorf("withdrawn %v, %+v", withdrawn, report)
	}
}
