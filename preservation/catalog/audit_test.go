package catalog_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

func audited(t *testing.T, tn *catalog.Tenant, n int) {
	t.Helper()
	for i := range n {
		must(t, tn.Audit(t.Context(), catalog.AuditEntry{Actor: "a", Action: "record.read", Object: fmt.Sprintf("o-%d", i%3), Detail: map[string]string{"n": fmt.Sprint(i), "ä": "\u2028<&>"}}))
	}
}

func TestAuditFindsManipulation(t *testing.T) {
	for _, c := range []struct {
		name, sql string
		want      []string
	}{
		{"untouched", `SELECT 1`, nil},
		{"changed", `UPDATE audit SET actor = 'b' WHERE seq = 7`, []string{"audit-changed"}},
		{"changed detail", `UPDATE audit SET detail = '{}' WHERE seq = 7`, []string{"audit-changed"}},
		{"changed time", `UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 7`, []string{"audit-changed"}},
		{"rehashed", `UPDATE audit SET hash = 'x' WHERE seq = 7`, []string{"audit-changed", "audit-chain"}},
		{"removed", `DELETE FROM audit WHERE seq = 7`, []string{"audit-gap", "audit-chain"}},
		{"removed at the beginning", `DELETE FROM audit WHERE seq = 1`, []string{"audit-gap", "audit-chain"}},
		{"truncated", `DELETE FROM audit WHERE seq > 7`, []string{"audit-truncated"}},
		{"emptied", `DELETE FROM audit WHERE tenant = 'musterstadt'`, []string{"audit-truncated"}},
		{"set aside", `UPDATE audit SET seq = -seq WHERE tenant = 'musterstadt' AND seq > 7`, []string{"audit-truncated", "audit-aside"}},
		{"head moved back", `UPDATE audit_head SET seq = 7 WHERE tenant = 'musterstadt'`, []string{"audit-chain", "audit-head"}},
		{"head of another entry", `UPDATE audit_head SET hash = 'x' WHERE tenant = 'musterstadt'`, []string{"audit-chain"}},
		{"of another tenant", `UPDATE audit SET actor = 'b' WHERE tenant = 'beispielhausen'`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, f *fixture) {
				audited(t, f.tenant, 10)
				_, err := raw(t, f).Exec(c.sql)
				must(t, err)
				findings, err := f.tenant.VerifyAudit(t.Context())
				must(t, err)
				var got []string
				for _, g := range findings {
					if g.Severity != preservation.Failed || g.Detail == "" || g.Subject == "" {
						t.Errorf("%+v", g)
					}
					got = append(got, g.Code)
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			})
		})
	}
}

// What a catalog has noted in place of entries of the bucket goes aside for a segment that
// may displace it, from where the two part, and comes back behind.
func TestAuditRestoredOverOthers(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		log, err := f.tenant.AuditLog(t.Context(), 0, "", 10)
		must(t, err)
		last := log[len(log)-1]
		audited(t, f.tenant, 3)
		next := catalog.AuditEntry{Seq: last.Seq + 2, At: f.Now(), Actor: "b", Action: "record.read", Prev: "of an entry that was lost"}
		next.Hash = next.Sum("musterstadt")
		restore := func(displace bool) error {
			return f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
				must(t, x.AddAuditSegment(catalog.AuditSegment{Key: "audit/1", First: 1, Last: last.Seq, SHA256: "x"}))
				return x.RestoreAudit([]catalog.AuditEntry{next}, displace)
			})
		}
		var fork *catalog.AuditFork
		if err := restore(false); !errors.As(err, &fork) || fork.Seq != next.Seq || fork.Known {
			t.Errorf("%v: %+v", err, fork)
		}
		must(t, restore(true))
		must(t, f.tenant.ResumeAudit(t.Context()))
		all, err := f.tenant.AuditLog(t.Context(), last.Seq, "", 10)
		must(t, err)
		if len(all) != 5 || all[0].Hash != next.Hash || all[1].Action != "audit.resume" || all[2].Detail["noted_as"] != fmt.Sprint(last.Seq+1) || all[4].Detail["n"] != "2" {
			t.Errorf("%+v", all)
		}
	})
}

// What comes into a gap of the log, or behind its end, goes with what stands beside it.
func TestAuditRestoredIntoGap(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		log, err := f.tenant.AuditLog(t.Context(), 0, "", 10)
		must(t, err)
		last := log[len(log)-1]
		follow := func(before catalog.AuditEntry, actor string) catalog.AuditEntry {
			e := catalog.AuditEntry{Seq: before.Seq + 1, At: f.Now(), Actor: actor, Action: "record.read", Prev: before.Hash}
			e.Hash = e.Sum("musterstadt")
			return e
		}
		gap := follow(last, "b")
		behind := follow(gap, "b")
		key := fmt.Sprintf("audit/%d", behind.Seq)
		restore := func(e catalog.AuditEntry) error {
			return f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.RestoreAudit([]catalog.AuditEntry{e}, false) })
		}
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
			return errors.Join(x.AddAuditSegment(catalog.AuditSegment{Key: "audit/1", First: 1, Last: last.Seq, SHA256: "x"}), x.RestoreAudit([]catalog.AuditEntry{behind}, false),
				x.AddAuditSegment(catalog.AuditSegment{Key: key, First: behind.Seq, Last: behind.Seq, SHA256: "x"}))
		}))
		var fork *catalog.AuditFork
		if err := restore(follow(last, "c")); !errors.As(err, &fork) || fork.Seq != gap.Seq || !fork.Known {
			t.Errorf("another one in the gap: %v", err)
		}
		must(t, restore(gap))
		if err := restore(follow(catalog.AuditEntry{Seq: behind.Seq, Hash: gap.Hash}, "c")); !errors.As(err, &fork) || fork.Seq != behind.Seq+1 || fork.Known {
			t.Errorf("one behind the end that follows another: %v", err)
		}
		if s, err := f.tenant.View().AuditSegmentOf(t.Context(), behind.Seq); err != nil || s.Key != key {
			t.Errorf("%v: %+v", err, s)
		}
		if _, err := f.tenant.View().AuditSegmentOf(t.Context(), gap.Seq); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		if found, err := f.tenant.VerifyAudit(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("%v: %+v", err, found)
		}
	})
}

func TestAuditLogIsPaged(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		audited(t, f.tenant, 30)
		audited(t, f.other, 5)
		page, err := f.tenant.AuditLog(t.Context(), 28, "", 100)
		if err != nil || len(page) != 3 || page[0].Seq != 29 || page[2].Detail["n"] != "29" || !page[0].At.Equal(f.Now()) {
			t.Error(page, err)
		}
		page, err = f.tenant.AuditLog(t.Context(), 20, "o-1", 2)
		if err != nil || len(page) != 2 || page[0].Object != "o-1" || page[1].Object != "o-1" {
			t.Error(page, err)
		}
		if page, err = f.other.AuditLog(t.Context(), 0, "", 100); err != nil || len(page) != 6 || page[0].Action != "tenant.create" {
			t.Error(page, err)
		}
	})
}

// The newest entries come first, and those before one of them next.
func TestAuditLatest(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		audited(t, f.tenant, 30)
		audited(t, f.other, 5)
		all, err := f.tenant.AuditLog(t.Context(), 0, "", 100)
		must(t, err)
		slices.Reverse(all)
		for _, object := range []string{"", "o-1", "nobody"} {
			want := slices.Clone(all)
			if object != "" {
				want = slices.DeleteFunc(want, func(e catalog.AuditEntry) bool { return e.Object != object })
			}
			var got []catalog.AuditEntry
			for before := int64(0); ; {
				page, err := f.tenant.AuditLatest(t.Context(), before, object, 7)
				must(t, err)
				if len(page) == 0 {
					break
				}
				got, before = append(got, page...), page[len(page)-1].Seq
			}
			if !slices.EqualFunc(got, want, func(a, b catalog.AuditEntry) bool { return a.Seq == b.Seq && a.Hash == b.Hash }) {
				t.Errorf("of %q\n%+v, want\n%+v", object, got, want)
			}
		}
	})
}

// The chain holds under concurrent writers, and checking it meanwhile is no
// false alarm.
func TestAuditWhileWriting(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() { audited(t, f.tenant, 40) })
		}
		done := make(chan struct{})
		go func() { defer close(done); wg.Wait() }()
		for ended := false; !ended; {
			select {
			case <-done:
				ended = true
			default:
			}
			if findings, err := f.tenant.VerifyAudit(t.Context()); err != nil || len(findings) > 0 {
				t.Fatal(findings, err)
			}
		}
		if last, err := f.tenant.AuditLog(t.Context(), 240, "", 10); err != nil || len(last) != 1 {
			t.Error(last, err)
		}
	})
}
