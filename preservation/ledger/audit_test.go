package ledger_test

import (
	"context"
	"errors"
	"fmt"
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
	"bestand/preservation/storetest"
)

// note adds an entry to an audit log and has the log stored.
func (a *archive) note(t *catalog.Tenant, actor string) error {
	a.Helper()
	a.must(t.Audit(a.Context(), catalog.AuditEntry{Actor: actor, Action: "record.read", Object: "x"}))
	return ledger.StoreAudit(a.Context(), t, a.bucket, a.lock)
}

// sealed seals the segments of a catalog that have no seal yet.
func (a *archive) sealed(t *catalog.Tenant) {
	a.Helper()
	a.must(ledger.SealAudit(a.Context(), t, a.bucket, a.lock, func(context.Context, []byte) ([]byte, error) { return []byte("seal"), nil }))
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
	a.sealed(a.Tenant)
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
		if strings.HasSuffix(o.Key, audit.SealSuffix) {
			continue
		}
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

// following makes entries of somebody that follow one another behind another entry.
func following(prev audit.Entry, actor string, n int) (all []audit.Entry) {
	for range n {
		e := audit.Entry{Seq: prev.Seq + 1, At: now(), Actor: actor, Action: "record.read", Object: "x", Prev: prev.Hash}
		e.Hash = e.Sum(tenant)
		all, prev = append(all, e), e
	}
	return all
}

// putSegment writes a segment past every catalog, with a seal unless that is empty.
func (a *archive) putSegment(at time.Time, entries []audit.Entry, seal string) (key string) {
	a.Helper()
	data, err := audit.Encode(tenant, entries)
	a.must(err)
	key = audit.Key(at, entries[0].Seq, entries[len(entries)-1].Seq)
	a.put(key, data)
	if seal != "" {
		a.put(key+audit.SealSuffix, []byte(seal))
	}
	return key
}

// said tells a log in short: number, actor, what was noted before and as what.
func (a *archive) said(t *catalog.Tenant) (said []string) {
	a.Helper()
	log, err := t.AuditLog(a.Context(), 0, "", 100)
	a.must(err)
	for _, e := range log {
		s := fmt.Sprintf("%d %s", e.Seq, e.Actor)
		if as := e.Detail["noted_as"]; as != "" {
			s += " " + as
		}
		said = append(said, s)
	}
	return said
}

// TestRestoreAuditForged: a segment that is well chained displaces entries of the catalog
// only with a seal of the archive.
func TestRestoreAuditForged(t *testing.T) {
	for _, c := range []struct {
		name, seal string
		displaces  bool
	}{{"no seal", "", false}, {"a seal of somebody", "forged", false}, {"the archive's seal", "seal", true}} {
		t.Run(c.name, func(t *testing.T) {
			a := newArchive(t)
			a.must(a.note(a.Tenant, "anna"))
			a.sealed(a.Tenant)
			a.must(a.Audit(t.Context(), catalog.AuditEntry{Actor: "berta", Action: "record.read", Object: "x"}))
			first, err := a.AuditLog(t.Context(), 0, "", 1)
			a.must(err)
			key := a.putSegment(now(), following(first[0], "eva", 2), c.seal)
			report := a.rebuild(a.Tenant)
			said, known := a.said(a.Tenant), int64(0)
			known, err = a.View().AuditKnown(t.Context())
			a.must(err)
			if c.displaces {
				if len(report.Problems) > 0 || known != 3 || !slices.Equal(said, []string{"1 anna", "2 eva", "3 eva", "4 system", "5 berta 2"}) {
					t.Errorf("%+v, known up to %d: %q", report.Problems, known, said)
				}
				return
			}
			if len(report.Problems) != 1 || report.Problems[0].Subject != key || report.Problems[0].Code != "audit-fork" || report.Problems[0].Severity != preservation.Failed {
				t.Errorf("%+v", report.Problems)
			}
			if known != 1 || !slices.Equal(said, []string{"1 anna", "2 berta"}) {
				t.Errorf("known up to %d: %q", known, said)
			}
		})
	}
}

// TestRestoreAuditKnown: what a segment holds that is known is not displaced by another.
func TestRestoreAuditKnown(t *testing.T) {
	a := newArchive(t)
	a.must(a.note(a.Tenant, "anna"))
	a.must(a.note(a.Tenant, "anna"))
	a.sealed(a.Tenant)
	first, err := a.AuditLog(t.Context(), 0, "", 1)
	a.must(err)
	key := a.putSegment(now(), following(first[0], "eva", 3), "seal")
	report := a.rebuild(a.Tenant)
	if len(report.Problems) != 1 || report.Problems[0].Subject != key || !slices.Equal(a.said(a.Tenant), []string{"1 anna", "2 anna"}) {
		t.Errorf("%+v: %q", report.Problems, a.said(a.Tenant))
	}
}

// TestRestoreAuditNumbers: no segment brings entries in by the numbers of those that are
// set aside.
func TestRestoreAuditNumbers(t *testing.T) {
	a := newArchive(t)
	key := a.putSegment(now(), following(audit.Entry{Seq: -3}, "eva", 2), "")
	report := a.rebuild(a.Tenant)
	if len(report.Problems) != 1 || report.Problems[0].Subject != key || len(a.said(a.Tenant)) > 0 {
		t.Errorf("%+v: %q", report.Problems, a.said(a.Tenant))
	}
}

// TestRestoreAuditBehindDamage: where the catalog went another way is in a segment that is
// damaged, or in one whose key comes later than those of its successors.
func TestRestoreAuditBehindDamage(t *testing.T) {
	for _, c := range []struct {
		name    string
		own     int // entries of the older catalog behind the first
		damaged bool
		want    []string
	}{
		{"damaged", 4, true, []string{"1 anna", "4 anna", "5 anna", "6 system", "7 berta 2", "8 berta 3", "9 berta 4", "10 berta 5"}},
		{"damaged, and the catalog ends within", 1, true, []string{"1 anna", "4 anna", "5 anna", "6 system", "7 berta 2"}},
		{"damaged, and the catalog ends before", 0, true, []string{"1 anna", "4 anna", "5 anna"}},
		{"clock went back over a new year", 3, false, []string{"1 anna", "2 anna", "3 anna", "4 anna", "5 anna", "6 system", "7 berta 2", "8 berta 3", "9 berta 4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newArchive(t)
			a.must(a.note(a.Tenant, "anna"))
			a.sealed(a.Tenant)
			for range c.own {
				a.must(a.Audit(t.Context(), catalog.AuditEntry{Actor: "berta", Action: "record.read", Object: "x"}))
			}
			first, err := a.AuditLog(t.Context(), 0, "", 1)
			a.must(err)
			bucket := following(first[0], "anna", 4)
			if c.damaged {
				a.put(audit.Key(now(), 2, 3), []byte("damaged\n"))
			} else {
				a.putSegment(now().AddDate(1, 0, 0), bucket[:2], "seal")
			}
			a.putSegment(now(), bucket[2:], "seal")
			for round := range 2 {
				report := a.rebuild(a.Tenant)
				if (len(report.Problems) == 1) != c.damaged || !slices.Equal(a.said(a.Tenant), c.want) {
					t.Errorf("round %d: %+v: %q", round, report.Problems, a.said(a.Tenant))
				}
				a.must(ledger.StoreAudit(t.Context(), a.Tenant, a.bucket, a.lock)) // all of it goes to the bucket
			}
			if found, err := a.VerifyAudit(t.Context()); err != nil || (len(found) > 0) != c.damaged { // the gap
				t.Errorf("%v: %+v", err, found)
			}
		})
	}
}

// TestRestoreAuditCutOff: entries that a rebuild has set aside and not appended are found,
// and come back with the next start or rebuild, even if others were noted meanwhile.
func TestRestoreAuditCutOff(t *testing.T) {
	a := newArchive(t)
	a.must(a.note(a.Tenant, "anna"))
	a.sealed(a.Tenant)
	berta := func() {
		a.must(a.Audit(t.Context(), catalog.AuditEntry{Actor: "berta", Action: "record.read", Object: "x"}))
	}
	berta()
	berta()
	first, err := a.AuditLog(t.Context(), 0, "", 1)
	a.must(err)
	bucket := following(first[0], "anna", 2)
	a.putSegment(now(), bucket[:1], "seal")
	a.putSegment(now(), bucket[1:], "seal")
	a.must(a.Update(t.Context(), func(x *catalog.Tx) error { return x.RestoreAudit(bucket[:1], true) })) // and then it was cut off
	found, err := a.VerifyAudit(t.Context())
	if err != nil || len(found) != 1 || found[0].Code != "audit-aside" || found[0].Severity != preservation.Failed || !strings.Contains(found[0].Subject, "2") {
		t.Errorf("%v: %+v", err, found)
	}
	berta()
	a.rebuild(a.Tenant)
	if said, want := a.said(a.Tenant), []string{"1 anna", "2 anna", "3 anna", "4 system", "5 berta 3", "6 system 4", "7 berta 2", "8 berta 3"}; !slices.Equal(said, want) {
		t.Errorf("%q", said)
	}
	for range 2 { // as a start of the service does
		a.must(a.ResumeAudit(t.Context()))
	}
	if found, err := a.VerifyAudit(t.Context()); err != nil || len(found) > 0 || len(a.said(a.Tenant)) != 8 {
		t.Errorf("%v: %+v: %q", err, found, a.said(a.Tenant))
	}
}

// TestRestoreAuditAnew: a catalog that was lost says up to where the log of the bucket
// went, once, wherever the rebuild was cut off.
func TestRestoreAuditAnew(t *testing.T) {
	a := newArchive(t)
	description := catalog.TenantInfo{ID: tenant, Name: "Musterstadt"}
	a.must(a.DescribeTenant(t.Context(), description, "anna"))
	d, err := a.View().Document(t.Context(), catalog.KindTenant, catalog.KindTenant, 0)
	a.must(err)
	data, _, err := preservation.ConfigObject{Kind: d.Kind, Name: d.Name, Version: d.Version, At: d.At, Actor: d.Actor, Body: d.Body}.Encode()
	a.must(err)
	a.put(d.Key, data)
	a.must(a.note(a.Tenant, "anna"))
	a.must(a.note(a.Tenant, "anna"))
	for name, after := range map[string]int{"in the log": 1, "behind the log": 2, "not": 99} { // segments that can be read
		t.Run(name, func(t *testing.T) {
			into := newCatalog(t)
			broken := &storetest.Fault{Store: a.bucket}
			for n := range 20 {
				broken.Add(storetest.Plan{Op: storetest.OpOpen, Nth: after + n + 1, Err: storetest.ErrInjected})
				broken.Add(storetest.Plan{Op: storetest.OpStat, Nth: n + 1, Err: storetest.ErrInjected})
			}
			var failed error
			for range 3 {
				o := options()
				o.Anew, err = ledger.Anew(t.Context(), into)
				a.must(err)
				if _, err = ledger.Rebuild(t.Context(), into, broken, o); err != nil {
					failed = err
				}
				broken.Heal()
			}
			if err != nil || (failed != nil) != (after < 99) {
				t.Fatal(failed, err)
			}
			log, err := into.AuditLog(t.Context(), 0, "", 100)
			a.must(err)
			found := audit.History("", log)
			if len(found) != 1 || found[0].Code != audit.CodeRebuilt || !strings.Contains(found[0].Detail, "ended with entry 3;") {
				t.Errorf("%+v", found)
			}
		})
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
		a.sealed(living)
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
