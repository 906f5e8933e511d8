package ledger_test

import (
	"context"
	"errors"
	"io"
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

// forks lists what of the bucket does not go with the log of a catalog.
func (a *archive) forks(t *catalog.Tenant) []audit.Branch {
	a.Helper()
	forks, unread, err := ledger.Forks(a.Context(), t, a.bucket, options().Seal)
	a.must(err)
	if len(unread) > 0 {
		a.Errorf("%+v", unread)
	}
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
					early := newCatalog(t)
					report := a.rebuild(early)
					rivals := c.name != "no segment" && c.name != "a name that tells other numbers"
					if rivals && (len(report.Problems) <= len(keys) || !slices.Equal(a.said(early), want[:1])) {
						t.Errorf("%+v: %q", report.Problems, a.said(early))
					}
					if !rivals && (len(report.Problems) != len(keys) || !slices.Equal(a.said(early), want)) {
						t.Errorf("%+v: %q, wanted %q", report.Problems, a.said(early), want)
					}
					for _, p := range report.Problems { // anybody could have made the entry
						if p.Code != "audit-fork" || !rivals && (!slices.Contains(keys, p.Subject) || !strings.Contains(p.Detail, "nothing proves")) {
							t.Errorf("%+v", p)
						}
					}
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
	if forks, _, err := ledger.Forks(t.Context(), a.Tenant, a.bucket, options().Seal); err == nil || !strings.Contains(err.Error(), "bestand rebuild") {
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

// chained makes entries follow each other behind another one, with the hashes that they should have.
func chained(prev audit.Entry, entries ...audit.Entry) []audit.Entry {
	for i := range entries {
		e := &entries[i]
		e.Seq, e.At, e.Prev = prev.Seq+1, now(), prev.Hash
		e.Hash = e.Sum(tenant)
		prev = *e
	}
	return entries
}

// TestForgedHead: a segment that states the hash of a genuine entry as its last makes
// no branch of what follows that one.
func TestForgedHead(t *testing.T) {
	a := newArchive(t)
	for range 4 {
		a.must(a.note(a.Tenant, "anna"))
	}
	a.sealed(a.Tenant)
	a.must(a.note(a.Tenant, "anna")) // not sealed yet
	log, err := a.AuditLog(t.Context(), 0, "", 10)
	a.must(err)
	forged := following(log[0], "eva", 2)
	forged[1].Hash = log[2].Hash // what 4 follows
	key := a.putSegment(now(), forged, "")
	late := following(log[0], "eva", 3)
	late[2].Hash = log[3].Hash // what 5 follows
	other := a.putSegment(now(), late, "forged")
	for name, into := range map[string]*catalog.Tenant{"over it": a.Tenant, "anew": newCatalog(t)} {
		report := a.rebuild(into)
		if len(report.Problems) != 2 || report.Problems[0].Subject == report.Problems[1].Subject || !slices.Equal(a.said(into), []string{"1 anna", "2 anna", "3 anna", "4 anna", "5 anna"}) {
			t.Errorf("%s: %+v: %q", name, report.Problems, a.said(into))
		}
		forks := a.forks(into)
		if len(forks) != 2 || forks[0].Segment != key || forks[1].Segment != other || forks[0].Head != "" || forks[1].Head != "" || strings.Contains(forks[1].Why, "follows") {
			t.Errorf("%s: %+v", name, forks)
		}
	}
}

// TestFollowsLog: what follows an entry of the log is no branch, even if a branch that was
// accepted ends with that entry as well.
func TestFollowsLog(t *testing.T) {
	a := newArchive(t)
	for range 3 {
		a.must(a.note(a.Tenant, "anna"))
	}
	log, err := a.AuditLog(t.Context(), 0, "", 10)
	a.must(err)
	b := audit.Branch{Segment: a.putSegment(now(), following(log[0], "eva", 7), ""), First: 2, Last: 8, Head: log[2].Hash}
	for _, f := range a.forks(a.Tenant) {
		b.SHA256 = f.SHA256
	}
	a.must(ledger.AcceptForks(t.Context(), a.Tenant, []audit.Branch{b}, "cli", "Paula Prüfer", "none"))
	a.must(a.note(a.Tenant, "anna"))
	a.sealed(a.Tenant)
	for name, into := range map[string]*catalog.Tenant{"over it": a.Tenant, "anew": newCatalog(t)} {
		if report := a.rebuild(into); len(report.Problems) > 0 || len(a.said(into)) != 5 || len(a.forks(into)) > 0 {
			t.Errorf("%s: %+v: %q, %+v", name, report.Problems, a.said(into), a.forks(into))
		}
	}
}

// TestSealedFirst: where nobody knows either of two segments that do not go together, the one
// that the archive has sealed is the log, wherever the other lies; what is told names what
// proves each.
func TestSealedFirst(t *testing.T) {
	for name, seal := range map[string]string{"no seal": "", "a seal of somebody": "forged"} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			a.must(a.note(a.Tenant, "anna"))
			first, err := a.AuditLog(t.Context(), 0, "", 1)
			a.must(err)
			for range 2 {
				a.must(a.Audit(t.Context(), catalog.AuditEntry{Actor: "anna", Action: "record.read", Object: "x"}))
			}
			a.must(ledger.StoreAudit(t.Context(), a.Tenant, a.bucket, a.lock)) // 2 to 3
			a.must(a.note(a.Tenant, "anna"))
			a.sealed(a.Tenant)
			forged := a.putSegment(now(), following(first[0], "eva", 1), seal) // 2 to 2, before 2 to 3
			beyond := a.putSegment(now(), following(first[0], "eva", 5)[2:], seal)
			anew := newCatalog(t)
			report := a.rebuild(anew)
			if !slices.Equal(a.said(anew), []string{"1 anna", "2 anna", "3 anna", "4 anna"}) {
				t.Errorf("%q", a.said(anew))
			}
			told := map[string]string{}
			for _, p := range report.Problems {
				told[p.Subject] = p.Detail
			}
			for _, f := range a.forks(anew) {
				for _, said := range []string{told[f.Segment], f.Why} {
					if f.Segment != forged && f.Segment != beyond || !strings.Contains(said, "of that one: it stands under a seal of the archive") || !strings.Contains(said, "of this one: it") {
						t.Errorf("%s: %s", f.Segment, said)
					}
				}
			}
			if len(told) != 2 {
				t.Errorf("%+v", report.Problems)
			}
		})
	}
}

// TestForgedGap: what fills a gap between segments that are sealed goes with both.
func TestForgedGap(t *testing.T) {
	a := newArchive(t)
	log := following(audit.Entry{}, "anna", 4)
	a.putSegment(now(), log[:1], "seal")
	forged := a.putSegment(now().AddDate(-1, 0, 0), following(log[0], "eva", 2), "")
	genuine := a.putSegment(now(), log[1:3], "")
	a.putSegment(now(), log[3:], "seal")
	report := a.rebuild(a.Tenant)
	if len(report.Problems) != 1 || report.Problems[0].Subject != forged || !slices.Equal(a.said(a.Tenant), []string{"1 anna", "2 anna", "3 anna", "4 anna"}) {
		t.Errorf("%+v: %q, without a seal is %s", report.Problems, a.said(a.Tenant), genuine)
	}
}

// TestForgedFront: what fills only the front of a gap comes before what fills all of it, and
// the segment behind the gap says all the same which of them is the log.
func TestForgedFront(t *testing.T) {
	a := newArchive(t)
	log := following(audit.Entry{}, "anna", 6)
	a.putSegment(now(), log[:1], "seal")
	forged := a.putSegment(now(), following(log[0], "eva", 1), "")
	a.putSegment(now(), log[1:3], "")
	a.putSegment(now(), log[3:5], "")
	a.putSegment(now(), log[5:], "seal")
	report := a.rebuild(a.Tenant)
	if len(report.Problems) != 1 || report.Problems[0].Subject != forged || !slices.Equal(a.said(a.Tenant), []string{"1 anna", "2 anna", "3 anna", "4 anna", "5 anna", "6 anna"}) {
		t.Errorf("%+v: %q", report.Problems, a.said(a.Tenant))
	}
}

// TestRivals: of segments at the end of the log that have no seal and do not go together none
// is taken before a person has named the one that is the log; all are kept.
func TestRivals(t *testing.T) {
	for name, c := range map[string]struct {
		front  int  // entries of the forged one
		broken bool // its chain does not hold
	}{"a shorter one before": {1, false}, "a longer one behind": {5, false}, "broken": {1, true}} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			log := following(audit.Entry{}, "anna", 4)
			a.putSegment(now(), log[:1], "seal")
			eva := following(log[0], "eva", c.front)
			if c.broken {
				eva[0].Object = "y"
			}
			forged, genuine, next := a.putSegment(now(), eva, ""), a.putSegment(now(), log[1:3], ""), a.putSegment(now(), log[3:], "")
			o := options()
			o.Anew = true
			report, err := ledger.Rebuild(t.Context(), a.Tenant, a.bucket, o)
			a.must(err)
			if c.broken {
				if len(report.Problems) != 1 || report.Problems[0].Subject != forged || !slices.Equal(a.said(a.Tenant)[:4], []string{"1 anna", "2 anna", "3 anna", "4 anna"}) {
					t.Errorf("%+v: %q", report.Problems, a.said(a.Tenant))
				}
				return
			}
			if len(report.Problems) != 3 || !slices.Equal(a.said(a.Tenant), []string{"1 anna", "2 cli"}) {
				t.Errorf("%+v: %q", report.Problems, a.said(a.Tenant))
			}
			for _, p := range report.Problems {
				if p.Subject != next && !strings.Contains(p.Detail, "--log") {
					t.Errorf("%+v", p)
				}
			}
			forks := a.forks(a.Tenant)
			if len(forks) != 3 {
				t.Fatalf("%+v", forks)
			}
			of := func(keys ...string) []audit.Branch {
				return slices.DeleteFunc(slices.Clone(forks), func(b audit.Branch) bool { return !slices.Contains(keys, b.Segment) })
			}
			if err := ledger.TakeUp(t.Context(), a.Tenant, a.bucket, of(next), "cli", "Paula Prüfer", "none"); !errors.Is(err, catalog.ErrConflict) {
				t.Errorf("what follows nothing is taken up: %v", err)
			}
			a.must(ledger.TakeUp(t.Context(), a.Tenant, a.bucket, of(genuine, next), "cli", "Paula Prüfer", "as exported by then"))
			left := a.forks(a.Tenant)
			if len(left) != 1 || left[0].Segment != forged {
				t.Fatalf("%+v", left)
			}
			a.must(ledger.AcceptForks(t.Context(), a.Tenant, left, "cli", "Paula Prüfer", "as exported by then"))
			a.must(ledger.StoreAudit(t.Context(), a.Tenant, a.bucket, a.lock))
			a.sealed(a.Tenant)
			want := a.said(a.Tenant)
			if len(want) != 9 || !slices.Equal(want[:4], []string{"1 anna", "2 anna", "3 anna", "4 anna"}) || !slices.Contains(want, "6 cli 2") {
				t.Errorf("%q", want)
			}
			for name, into := range map[string]*catalog.Tenant{"over it": a.Tenant, "anew": newCatalog(t)} {
				if report := a.rebuild(into); len(report.Problems) > 0 || !slices.Equal(a.said(into), want) {
					t.Errorf("%s: %+v: %q, wanted %q", name, report.Problems, a.said(into), want)
				}
				if found, err := into.VerifyAudit(t.Context()); err != nil || len(found) > 0 {
					t.Errorf("%s: %v: %+v", name, err, found)
				}
			}
			if failed, notices := a.verdicts(); len(failed) > 0 || !slices.Contains(notices, audit.CodeTakenUp) {
				t.Errorf("failed %v, notices %v", failed, notices)
			}
		})
	}
}

// TestAcceptForkUnproven: an acceptance that nothing proves brings nothing into the log that has
// other entries than the segment that it names; both are told.
func TestAcceptForkUnproven(t *testing.T) {
	a := newArchive(t)
	a.must(a.note(a.Tenant, "anna"))
	a.sealed(a.Tenant)
	a.must(a.note(a.Tenant, "anna"))
	segments, err := a.View().AuditSegments(t.Context(), "", 10)
	a.must(err)
	log, err := a.AuditLog(t.Context(), 0, "", 10)
	a.must(err)
	e := audit.AcceptFork(audit.Branch{Segment: segments[1].Key, SHA256: segments[1].SHA256}, "cli", "eva", "none")
	forged := chained(log[0], e, audit.Entry{Actor: "eva"})
	for _, at := range []time.Time{now(), now().AddDate(-1, 0, 0)} { // behind that segment, and before it
		key := a.putSegment(at, forged, "")
		anew := newCatalog(t)
		report := a.rebuild(anew)
		if !slices.Equal(a.said(anew), []string{"1 anna"}) || !slices.ContainsFunc(report.Problems, func(f preservation.Finding) bool { return f.Subject == key }) {
			t.Errorf("%q: %+v", a.said(anew), report.Problems)
		}
		if i := slices.IndexFunc(report.Problems, func(f preservation.Finding) bool { return f.Subject == segments[1].Key }); i < 0 || report.Problems[i].Code != "audit-fork" || !strings.Contains(report.Problems[i].Detail, key) {
			t.Errorf("%+v", report.Problems)
		}
	}
}

// TestAcceptForkNextKey: accepted branches have the keys of all segments that the log could go on
// with, and it goes on.
func TestAcceptForkNextKey(t *testing.T) {
	for name, next := range map[string]int64{"one": 1, "three": 3} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t)
			a.must(a.note(a.Tenant, "anna"))
			a.sealed(a.Tenant)
			for n := range next {
				a.put(audit.Key(now(), 2, 2+n), []byte("no segment\n"))
			}
			forks := a.forks(a.Tenant)
			a.must(ledger.AcceptForks(t.Context(), a.Tenant, forks, "cli", "Paula Prüfer", "garbage"))
			a.must(ledger.StoreAudit(t.Context(), a.Tenant, a.bucket, a.lock))
			a.must(a.note(a.Tenant, "anna"))
			a.sealed(a.Tenant)
			anew := newCatalog(t)
			if report := a.rebuild(anew); len(report.Problems) > 0 || int64(len(forks)) != next || int64(len(a.said(anew))) != next+3 || !slices.Equal(a.said(anew), a.said(a.Tenant)) {
				t.Errorf("%+v: %q, wanted %q", report.Problems, a.said(anew), a.said(a.Tenant))
			}
			if failed, _ := a.verdicts(); len(failed) > 0 {
				t.Error(failed)
			}
		})
	}
}

// TestForksUnreadable: a segment that cannot be read is told and hides no other.
func TestForksUnreadable(t *testing.T) {
	a := newArchive(t)
	a.must(a.note(a.Tenant, "anna"))
	a.sealed(a.Tenant)
	log, err := a.AuditLog(t.Context(), 0, "", 1)
	a.must(err)
	a.must(a.Audit(t.Context(), catalog.AuditEntry{Actor: "berta", Action: "record.read", Object: "x"}))
	damaged, other := a.putSegment(now(), following(log[0], "eva", 1), ""), a.putSegment(now(), following(log[0], "eva", 2), "")
	broken := &storetest.Fault{Store: a.bucket}
	broken.Add(storetest.Plan{Op: storetest.OpOpen, Nth: 1, Err: storetest.ErrInjected})
	forks, unread, err := ledger.Forks(t.Context(), a.Tenant, broken, options().Seal)
	if err != nil || len(unread) != 1 || unread[0].Subject != damaged || len(forks) != 1 || forks[0].Segment != other {
		t.Errorf("%v: %+v, %+v", err, forks, unread)
	}
	broken.Add(storetest.Plan{Op: storetest.OpOpen, Err: storetest.ErrInjected}, storetest.Plan{Op: storetest.OpStat, Err: storetest.ErrInjected})
	if _, _, err := ledger.Forks(t.Context(), a.Tenant, broken, options().Seal); !errors.Is(err, storetest.ErrInjected) {
		t.Error(err)
	}
}

// TestSealedFirstKnown: what an older catalog has as the bucket has it is not noted again because a
// segment behind it was read before.
func TestSealedFirstKnown(t *testing.T) {
	a := newArchive(t)
	a.must(a.note(a.Tenant, "anna"))
	a.sealed(a.Tenant)
	for _, actor := range []string{"anna", "berta"} {
		a.must(a.Audit(t.Context(), catalog.AuditEntry{Actor: actor, Action: "record.read", Object: "x"}))
	}
	log, err := a.AuditLog(t.Context(), 0, "", 10)
	a.must(err)
	bucket := append(log[1:2:2], following(log[1], "anna", 2)...)
	a.putSegment(now(), bucket[:2], "")
	a.putSegment(now(), bucket[2:], "seal")
	if report := a.rebuild(a.Tenant); len(report.Problems) > 0 || !slices.Equal(a.said(a.Tenant), []string{"1 anna", "2 anna", "3 anna", "4 anna", "5 system", "6 berta 3"}) {
		t.Errorf("%+v: %q", report.Problems, a.said(a.Tenant))
	}
	if found, err := a.VerifyAudit(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("%v: %+v", err, found)
	}
}

// TestForgedName: a segment without a seal whose key tells other entries than it has is none of
// the log, though its key overlaps with no other and its entries follow the newest.
func TestForgedName(t *testing.T) {
	a := newArchive(t)
	log := following(audit.Entry{}, "anna", 1)
	a.putSegment(now(), log, "seal")
	data, err := audit.Encode(tenant, following(log[0], "eva", 5))
	a.must(err)
	key := audit.Key(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), 1, 1)
	a.put(key, data)
	report := a.rebuild(a.Tenant)
	if len(report.Problems) != 1 || report.Problems[0].Subject != key || report.Problems[0].Code != "audit-fork" || !slices.Equal(a.said(a.Tenant), []string{"1 anna"}) {
		t.Errorf("%+v: %q", report.Problems, a.said(a.Tenant))
	}
	forks := a.forks(a.Tenant)
	if len(forks) != 1 || forks[0].Segment != key || forks[0].Common != 1 || !strings.Contains(forks[0].Why, "its name") {
		t.Fatalf("%+v", forks)
	}
	a.must(ledger.AcceptForks(t.Context(), a.Tenant, forks, "cli", "Paula Prüfer", "a test of the vendor"))
	a.must(a.note(a.Tenant, "anna"))
	a.sealed(a.Tenant)
	for name, into := range map[string]*catalog.Tenant{"over it": a.Tenant, "anew": newCatalog(t)} {
		if report := a.rebuild(into); len(report.Problems) > 0 || !slices.Equal(a.said(into), []string{"1 anna", "2 cli", "3 anna"}) {
			t.Errorf("%s: %+v: %q", name, report.Problems, a.said(into))
		}
	}
}

// onceAway is a store that does not give one object away, the nth time that it is asked.
type onceAway struct {
	preservation.Store
	key   string
	nth   int
	err   error
	asked int
}

func (s *onceAway) Open(ctx context.Context, key, version string, from, n int64) (io.ReadCloser, error) {
	if key == s.key {
		if s.asked++; s.asked == s.nth {
			return nil, s.err
		}
	}
	return s.Store.Open(ctx, key, version, from, n)
}

// TestRivalAway: a segment is not taken up because the one that it does not go with is away
// for a moment, whenever that is.
func TestRivalAway(t *testing.T) {
	for name, away := range map[string]error{"one object": preservation.Down(preservation.PartStore, storetest.ErrInjected), "the store": storetest.ErrInjected} {
		for nth := 1; ; nth++ {
			a := newArchive(t)
			log := following(audit.Entry{}, "anna", 3)
			a.putSegment(now(), log[:1], "seal")
			forged := a.putSegment(now(), following(log[0], "eva", 1), "")
			s := &onceAway{Store: a.bucket, key: a.putSegment(now(), log[1:], ""), nth: nth, err: away}
			report, err := ledger.Rebuild(t.Context(), a.Tenant, s, options())
			if s.asked < nth {
				break
			}
			told := slices.ContainsFunc(report.Problems, func(f preservation.Finding) bool { return f.Subject == forged && f.Code == "audit-fork" })
			if name == "one object" && err != nil || err == nil && !told || slices.ContainsFunc(a.said(a.Tenant), func(s string) bool { return strings.Contains(s, "eva") }) {
				t.Errorf("%s, %d: %v: %+v: %q", name, nth, err, report.Problems, a.said(a.Tenant))
			}
		}
	}
}

// TestForgedBehindRivals: what is behind the gap that rivals leave, and follows neither, is not
// taken up.
func TestForgedBehindRivals(t *testing.T) {
	for _, seal := range []string{"", "forged"} {
		a := newArchive(t)
		log := following(audit.Entry{}, "anna", 3)
		a.putSegment(now(), log[:1], "seal")
		keys := []string{a.putSegment(now().AddDate(-1, 0, 0), following(log[0], "eva", 2), ""), a.putSegment(now(), log[1:], ""),
			a.putSegment(now(), following(audit.Entry{Seq: 3, Hash: strings.Repeat("0", 64)}, "eva", 2), seal)}
		report := a.rebuild(a.Tenant)
		if len(report.Problems) != len(keys) || !slices.Equal(a.said(a.Tenant), []string{"1 anna"}) {
			t.Errorf("%+v: %q", report.Problems, a.said(a.Tenant))
		}
		for i, p := range report.Problems {
			if p.Code != "audit-fork" || !slices.Contains(keys, p.Subject) {
				t.Errorf("%+v", p)
			}
			if _, err := a.View().AuditSegment(t.Context(), keys[i]); !errors.Is(err, catalog.ErrNotFound) {
				t.Errorf("%s is known: %v", keys[i], err)
			}
		}
	}
}

// TestTakeUpBeforeKnown: a person cannot have a segment taken up that a known one does not follow.
func TestTakeUpBeforeKnown(t *testing.T) {
	a := newArchive(t)
	log := following(audit.Entry{}, "anna", 3)
	a.putSegment(now(), log[:1], "seal")
	a.putSegment(now(), following(audit.Entry{Seq: 3, Hash: strings.Repeat("0", 64)}, "berta", 2), "seal") // behind a gap
	if report := a.rebuild(a.Tenant); len(report.Problems) > 0 {
		t.Fatalf("%+v", report.Problems)
	}
	want := a.said(a.Tenant)
	a.putSegment(now(), log[1:], "")
	forks := a.forks(a.Tenant)
	if len(forks) != 1 || len(want) != 3 {
		t.Fatalf("%+v, %q", forks, want)
	}
	if err := ledger.TakeUp(t.Context(), a.Tenant, a.bucket, forks, "cli", "Paula Prüfer", "none"); !errors.Is(err, catalog.ErrConflict) {
		t.Error(err)
	}
	if !slices.Equal(a.said(a.Tenant), want) {
		t.Errorf("%q", a.said(a.Tenant))
	}
}
