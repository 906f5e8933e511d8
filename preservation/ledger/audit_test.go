package ledger_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// note adds an entry to an audit log and has the log stored.
func (a *archive) note(t *catalog.Tenant, actor string) error {
	a.Helper()
	a.must(t.Audit(a.Context(), catalog.AuditEntry{Actor: actor, Action: "record.read", Object: "x"}))
	return ledger.StoreAudit(a.Context(), t, a.bucket, a.lock)
}

// TestSealAuditDamaged: a segment that is away, and one that was exchanged, keep no
// others waiting; an outage does.
func TestSealAuditDamaged(t *testing.T) {
	a := newArchive(t)
	asked := 0
	var outage error
	seal := func() error {
		return ledger.SealAudit(t.Context(), a.Tenant, a.bucket, a.lock, func(context.Context, []byte) ([]byte, error) {
			asked++
			return []byte("seal"), outage
		})
	}
	gone, other := audit.Key(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), 1, 1), audit.Key(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), 2, 2)
	a.put(other, []byte("something else"))
	a.must(a.Update(t.Context(), func(x *catalog.Tx) error {
		return errors.Join(x.AddAuditSegment(catalog.AuditSegment{Key: gone, SHA256: "00"}), x.AddAuditSegment(catalog.AuditSegment{Key: other, SHA256: "00"}))
	}))
	const segments = 101 // and two: more than a page
	for range segments {
		a.must(a.note(a.Tenant, "anna"))
	}
	outage = preservation.Down(preservation.PartTSA, errors.New("no answer"))
	if err := seal(); !errors.Is(err, preservation.ErrUnavailable) || asked != 1 {
		t.Errorf("outage: %v, %d seals were asked for", err, asked)
	}
	asked, outage = 0, errors.New("broken")
	if err := seal(); !errors.Is(err, outage) || asked > 100 {
		t.Errorf("none can be made: %v, %d seals were asked for", err, asked)
	}
	asked, outage = 0, nil
	err := seal()
	if !errors.Is(err, preservation.ErrNotFound) || !errors.Is(err, preservation.ErrCorrupt) || !strings.Contains(err.Error(), gone) || !strings.Contains(err.Error(), other) {
		t.Error(err)
	}
	left, err := a.View().WaitingAudit(t.Context(), false, "", 10)
	a.must(err)
	if asked != segments || len(left) != 2 {
		t.Errorf("%d seals, %d segments without", asked, len(left))
	}
}

// TestStoreAuditOlderCatalog: a catalog that is older than the bucket says what is to
// be done, and after that goes on.
func TestStoreAuditOlderCatalog(t *testing.T) {
	a := newArchive(t)
	a.must(a.note(a.Tenant, "anna"))
	a.must(a.note(a.Tenant, "anna"))
	dump := newCatalog(t)
	for range 2 {
		if err := a.note(dump, "berta"); !errors.Is(err, preservation.ErrCorrupt) || !strings.Contains(err.Error(), "bestand rebuild") {
			t.Fatal(err)
		}
	}
	if report := a.rebuild(dump); len(report.Problems) > 0 {
		t.Errorf("%+v", report.Problems)
	}
	a.must(a.note(dump, "berta"))
	log, err := dump.AuditLog(t.Context(), 0, "", 10)
	a.must(err)
	var said []string
	for _, e := range log {
		said = append(said, e.Actor+" "+e.Action+" "+e.Detail["noted_as"])
	}
	want := []string{"anna record.read ", "anna record.read ", "system audit.resume ", "berta record.read 1", "berta record.read 2", "berta record.read "}
	if !slices.Equal(said, want) {
		t.Errorf("%q", said)
	}
	if found := a.chained(dump); len(found) != 1 || found[0].Code != audit.CodeResumed {
		t.Errorf("%+v", found)
	}
	// A catalog that is made anew has the same.
	anew := newCatalog(t)
	a.rebuild(anew)
	if again, err := anew.AuditLog(t.Context(), 0, "", 10); err != nil || !reflect.DeepEqual(again, log) {
		t.Errorf("%v: %+v", err, again)
	}
	if found := a.chained(anew); len(found) != 1 {
		t.Errorf("%+v", found)
	}
}

// chained verifies the chain in the catalog and that in the bucket, and returns all that
// is not in order or worth a notice, but for seals and evidence.
func (a *archive) chained(t *catalog.Tenant) []preservation.Finding {
	a.Helper()
	found, err := t.VerifyAudit(a.Context())
	a.must(err)
	chain := audit.Chain{Check: audit.Check{Tenant: t.ID(), At: time.Now()}}
	for o, err := range a.bucket.Versions(a.Context(), audit.Prefix) {
		a.must(err)
		_, body, err := a.bucket.Get(a.Context(), o.Key, "")
		a.must(err)
		data, err := io.ReadAll(body)
		a.must(errors.Join(err, body.Close()))
		for _, f := range chain.Add(audit.Segment{Name: o.Key, Content: data}) {
			if f.Severity != preservation.Passed && f.Code != audit.CodeUnproven {
				found = append(found, f)
			}
		}
	}
	return found
}

// TestStoreAuditLater: a catalog that is older than the bucket and has noted nothing since
// takes up the segments; one that was changed displaces no entry.
func TestStoreAuditLater(t *testing.T) {
	a := newArchive(t)
	a.must(a.note(a.Tenant, "anna"))
	older := newCatalog(t)
	a.rebuild(older)
	a.must(a.note(a.Tenant, "anna"))
	a.rebuild(older)
	a.must(a.note(older, "berta"))
	if found := a.chained(older); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	forged := audit.Entry{Seq: 4, At: time.Now(), Actor: "eva", Action: "record.read", Object: "x", Prev: "00"}
	forged.Hash = forged.Sum(older.ID())
	data, err := audit.Encode(older.ID(), []audit.Entry{forged})
	a.must(err)
	a.must(older.Audit(t.Context(), catalog.AuditEntry{Actor: "berta", Action: "record.read", Object: "x"}))
	a.put(audit.Key(time.Now(), 4, 4), data)
	a.rebuild(older)
	log, err := older.AuditLog(t.Context(), 3, "", 10)
	if err != nil || len(log) != 1 || log[0].Actor != "berta" {
		t.Errorf("%v: %+v", err, log)
	}
}

// TestStoreAuditOverNewYear: the catalog is that of the old year, the bucket has gone on
// in the new one. What stands there under another year is found.
func TestStoreAuditOverNewYear(t *testing.T) {
	at := time.Date(2026, 12, 31, 23, 0, 0, 0, time.UTC)
	dated := func() *catalog.Tenant {
		db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "catalog.db"), Now: func() time.Time { return at }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if err := db.RestoreTenant(t.Context(), catalog.TenantInfo{ID: "musterstadt", Name: "Musterstadt"}); err != nil {
			t.Fatal(err)
		}
		return db.Tenant("musterstadt")
	}
	a := newArchive(t)
	living, older := dated(), dated()
	for _, other := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		a.must(a.note(living, "anna"))
		a.rebuild(older)
		at = at.Add(other) // over the new year, and back with the clock
		a.must(a.note(living, "anna"))
		at = at.Add(-other)
		if err := a.note(older, "berta"); !errors.Is(err, preservation.ErrCorrupt) || !strings.Contains(err.Error(), "bestand rebuild") {
			t.Errorf("%s: %v", other, err)
		}
		a.rebuild(older)
		a.must(a.note(older, "berta"))
		a.rebuild(living)
		at = at.Add(other)
	}
}
