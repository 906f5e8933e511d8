package ledger_test

import (
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
	"bestand/preservation/storetest"
)

// forks lists what of the bucket does not go with the log of a catalog.
func (a *archive) forks(t *catalog.Tenant) []audit.Branch {
	a.Helper()
	forks, err := ledger.Forks(a.Context(), t, a.bucket, options().Seal)
	a.must(err)
	return forks
}

// verdicts verifies all segments of the bucket as one would who has nothing else, and
// returns the codes of what failed, and of notices but for seals that are missing.
func (a *archive) verdicts() (failed, notices []string) {
	a.Helper()
	var all []audit.Segment
	beside := map[string]bool{}
	for o, err := range a.bucket.Versions(a.Context(), audit.Prefix) {
		a.must(err)
		if strings.HasSuffix(o.Key, audit.SealSuffix) {
			continue
		}
		_, body, err := a.bucket.Get(a.Context(), o.Key, "")
		a.must(err)
		data, err := io.ReadAll(body)
		a.must(errors.Join(err, body.Close()))
		for _, b := range audit.Branches(data) {
			beside[b.Segment] = true
		}
		all = append(all, audit.Segment{Name: o.Key, Content: data})
	}
	chain := audit.Chain{Check: audit.Check{Tenant: tenant, At: now()}}
	for _, s := range all {
		s.Beside = beside[s.Name]
		for _, f := range chain.Add(s) {
			switch {
			case f.Severity == preservation.Failed:
				failed = append(failed, f.Code)
			case f.Severity == preservation.Notice && f.Code != audit.CodeUnproven:
				notices = append(notices, f.Code)
			}
		}
	}
	slices.Sort(notices)
	return failed, notices
}

// TestAcceptFork: the log of a tenant whose bucket has segments that do not go with it is
// stored again once a person has accepted these, wherever that was cut off, and a catalog
// that is made anew from the bucket has the same log.
func TestAcceptFork(t *testing.T) {
	for _, c := range []struct {
		name  string
		known bool // another segment is known where the branch begins
		put   func(a *archive, common audit.Entry) (keys []string)
		stuck bool // the log is not stored while nobody has accepted it
	}{
		{"no seal", false, func(a *archive, common audit.Entry) []string {
			return []string{a.putSegment(now(), following(common, "eva", 2), "")}
		}, true},
		{"the key that comes next", false, func(a *archive, common audit.Entry) []string {
			return []string{a.putSegment(now(), following(common, "eva", 4), "")} // three own ones, and that about it
		}, true},
		{"a seal of somebody", false, func(a *archive, common audit.Entry) []string {
			return []string{a.putSegment(now(), following(common, "eva", 2), "forged")}
		}, true},
		{"two that follow each other", false, func(a *archive, common audit.Entry) []string {
			branch := following(common, "eva", 9)
			return []string{a.putSegment(now(), branch[:2], ""), a.putSegment(now(), branch[2:], "")}
		}, true},
		{"no segment", false, func(a *archive, common audit.Entry) []string {
			key := audit.Key(now(), common.Seq+1, common.Seq+1)
			a.put(key, []byte("no segment\n"))
			return []string{key}
		}, true},
		{"a name that tells other numbers", false, func(a *archive, common audit.Entry) []string {
			data, err := audit.Encode(tenant, following(common, "eva", 2))
			a.must(err)
			key := audit.Key(now(), 900, 901)
			a.put(key, data)
			return []string{key}
		}, false},
		{"two archives that sealed the same numbers", true, func(a *archive, common audit.Entry) []string {
			return []string{a.putSegment(now(), following(common, "anna", 1), "seal")}
		}, false},
	} {
		for _, cut := range []string{"nowhere", "before it is stored", "after it is stored"} {
			t.Run(c.name+", cut off "+cut, func(t *testing.T) {
				a := newArchive(t)
				a.must(a.note(a.Tenant, "anna"))
				a.sealed(a.Tenant)
				log, err := a.AuditLog(t.Context(), 0, "", 10)
				a.must(err)
				common := log[0]
				for range 2 {
					a.must(a.Audit(t.Context(), catalog.AuditEntry{Actor: "berta", Action: "record.read", Object: "x"}))
				}
				if c.known {
					a.must(ledger.StoreAudit(t.Context(), a.Tenant, a.bucket, a.lock))
					a.sealed(a.Tenant)
				}
				keys := c.put(a, common)
				a.must(a.Audit(t.Context(), catalog.AuditEntry{Actor: "berta", Action: "record.read", Object: "x"}))
				if !c.known && c.stuck {
					if err := ledger.StoreAudit(t.Context(), a.Tenant, a.bucket, a.lock); !errors.Is(err, preservation.ErrCorrupt) || !strings.Contains(err.Error(), "accept-fork") {
						t.Fatal(err)
					}
				}
				if report := a.rebuild(a.Tenant); len(report.Problems) != len(keys) || c.name != "no segment" && !strings.Contains(report.Problems[0].Detail, "accept-fork") {
					t.Fatalf("%+v", report.Problems)
				}

				forks := a.forks(a.Tenant)
				before, err := a.AuditLatest(t.Context(), 0, "", 1)
				a.must(err)
				if len(forks) != len(keys) {
					t.Fatalf("%+v", forks)
				}
				for i, b := range forks {
					if b.Segment != keys[i] || b.SHA256 == "" || b.Why == "" || b.LogLast != before[0].Seq || b.LogHead != before[0].Hash {
						t.Errorf("%+v", b)
					}
					if c.name != "no segment" && (b.Common != common.Seq || b.CommonHash != common.Hash || b.First <= common.Seq || b.Last < b.First || b.Head == "") {
						t.Errorf("%+v", b)
					}
				}
				a.must(ledger.AcceptForks(t.Context(), a.Tenant, forks, "cli", "Paula Prüfer", "a test of the vendor"))
				if cut != "nowhere" {
					broken := &storetest.Fault{Store: a.bucket}
					broken.Add(storetest.Plan{Op: storetest.OpPut, Nth: 1, Err: storetest.ErrInjected, After: cut == "after it is stored"})
					if err := ledger.StoreAudit(t.Context(), a.Tenant, broken, a.lock); !errors.Is(err, storetest.ErrInjected) {
						t.Fatal(err)
					}
					a.rebuild(a.Tenant)
				}
				a.must(ledger.StoreAudit(t.Context(), a.Tenant, a.bucket, a.lock))
				if left := a.forks(a.Tenant); len(left) > 0 {
					t.Errorf("told again: %+v", left)
				}
				want := a.said(a.Tenant)
				whole := func(t *testing.T, into *catalog.Tenant) {
					t.Helper()
					if report := a.rebuild(into); len(report.Problems) > 0 || !slices.Equal(a.said(into), want) {
						t.Errorf("%+v: %q, wanted %q", report.Problems, a.said(into), want)
					}
					if found, err := into.VerifyAudit(t.Context()); err != nil || len(found) > 0 {
						t.Errorf("%v: %+v", err, found)
					}
				}
				whole(t, a.Tenant)
				if !c.known { // two that are sealed tell nobody which counts, until the entry has a seal
					whole(t, newCatalog(t))
				}
				a.sealed(a.Tenant)
				anew := newCatalog(t)
				whole(t, anew)
				a.must(a.note(anew, "anna")) // and goes on
				failed, notices := a.verdicts()
				if len(failed) > 0 || len(notices) != 2*len(keys) || !slices.Contains(notices, audit.CodeForkAccepted) || !slices.Contains(notices, audit.CodeBranch) {
					t.Errorf("failed %v, notices %v", failed, notices)
				}
				if entries, err := anew.View().Audited(t.Context(), audit.ActionAcceptFork, keys...); err != nil || len(entries) != len(keys) {
					t.Errorf("%v: %+v", err, entries)
				} else if found := audit.History("", entries); !strings.Contains(found[0].Detail, "Paula Prüfer") || !strings.Contains(found[0].Detail, "a test of the vendor") || !strings.Contains(found[0].Detail, forks[0].SHA256) {
					t.Errorf("%+v", found)
				}
			})
		}
	}
}

// TestForksSealed: what the archive has sealed is no fork that a person could leave beside.
func TestForksSealed(t *testing.T) {
	a := newArchive(t)
	a.must(a.note(a.Tenant, "anna"))
	log, err := a.AuditLog(t.Context(), 0, "", 10)
	a.must(err)
	a.must(a.Audit(t.Context(), catalog.AuditEntry{Actor: "berta", Action: "record.read", Object: "x"}))
	a.putSegment(now(), following(log[0], "anna", 2), "seal")
	said := a.said(a.Tenant)
	if forks, err := ledger.Forks(t.Context(), a.Tenant, a.bucket, options().Seal); err == nil || !strings.Contains(err.Error(), "bestand rebuild") {
		t.Errorf("%v: %+v", err, forks)
	}
	if !reflect.DeepEqual(said, a.said(a.Tenant)) {
		t.Error("to ask changed the log")
	}
}

// TestAcceptForkForged: what somebody writes into the bucket sets no segment aside that the
// archive has sealed.
func TestAcceptForkForged(t *testing.T) {
	a := newArchive(t)
	a.must(a.note(a.Tenant, "anna"))
	a.must(a.note(a.Tenant, "anna"))
	a.sealed(a.Tenant)
	segments, err := a.View().AuditSegments(t.Context(), "", 10)
	a.must(err)
	e := audit.AcceptFork(audit.Branch{Segment: segments[1].Key, SHA256: segments[1].SHA256}, "cli", "eva", "none")
	log, err := a.AuditLog(t.Context(), 0, "", 10)
	a.must(err)
	e.Seq, e.At, e.Prev = 2, now(), log[0].Hash
	e.Hash = e.Sum(tenant)
	forged := a.putSegment(now(), append([]audit.Entry{e}, following(e, "eva", 1)...), "forged")
	anew := newCatalog(t)
	if report := a.rebuild(anew); len(report.Problems) != 1 || report.Problems[0].Subject != forged || !slices.Equal(a.said(anew), a.said(a.Tenant)) {
		t.Errorf("%+v: %q", report.Problems, a.said(anew))
	}
}
