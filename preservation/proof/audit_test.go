package proof_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/cades"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
	"bestand/preservation/proof"
	"bestand/preservation/storetest"
)

// note adds entries to the audit log.
func (a *archive) note(entries int) {
	a.Helper()
	for n := range entries {
		a.must(a.Audit(a.Context(), catalog.AuditEntry{Actor: "anna", Action: "record.read", Object: fmt.Sprint(n), Detail: map[string]string{"n": fmt.Sprint(n)}}))
	}
}

func (a *archive) seal(ctx context.Context, content []byte) ([]byte, error) {
	return cades.SignReader(ctx, bytes.NewReader(content), cades.Options{Signer: a.keys.Seal.Signer, Chain: a.keys.Seal.Chain, Time: a.clock()})
}

// segment has the log stored and sealed.
func (a *archive) segment(s preservation.Store) error {
	if err := ledger.StoreAudit(a.Context(), a.Tenant, s, a.lock); err != nil {
		return err
	}
	return ledger.SealAudit(a.Context(), a.Tenant, s, a.lock, a.seal)
}

// segments reads what is there of the log.
func (a *archive) segments(t *catalog.Tenant) (all []audit.Segment) {
	a.Helper()
	for s, err := range a.notary.Segments(a.Context(), t) {
		a.must(err)
		all = append(all, s)
	}
	return all
}

// logged is an archive with three segments of ten entries and more, all of them
// stamped, and a fourth that is not.
func logged(t *testing.T) (*archive, []audit.Segment) {
	a := newArchive(t)
	for range 3 {
		a.archived(1)
		a.note(10)
		a.must(a.segment(a.bucket))
		if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	a.note(5)
	a.must(a.segment(a.bucket))
	all := a.segments(a.Tenant)
	if len(all) != 4 || all[2].Evidence == nil || all[3].Seal == nil || all[3].Evidence != nil {
		t.Fatalf("%+v", all)
	}
	return a, all
}

func (a *archive) check() audit.Check {
	return audit.Check{Tenant: tenant, Roots: a.trust, At: a.clock()}
}

// codes verifies segments and returns the codes of what is not as it should be.
func codes(c audit.Check, all []audit.Segment) (failed, notices []string) {
	chain := audit.Chain{Check: c}
	for _, s := range all {
		for _, f := range chain.Add(s) {
			switch f.Severity {
			case preservation.Failed:
				failed = append(failed, f.Code)
			case preservation.Notice:
				notices = append(notices, f.Code)
			}
			if f.Clause == "" {
				failed = append(failed, f.Code+" without a clause")
			}
		}
	}
	slices.Sort(failed)
	slices.Sort(notices)
	return slices.Compact(failed), slices.Compact(notices)
}

// lines changes the lines of a segment.
func lines(s audit.Segment, change func([]string) []string) audit.Segment {
	text := change(strings.Split(strings.TrimSuffix(string(s.Content), "\n"), "\n"))
	s.Content = []byte(strings.Join(text, "\n") + "\n")
	return s
}

// forged makes the chain of a segment anew, as one would who has every right but the
// keys.
func forged(t *testing.T, s audit.Segment, prev string) audit.Segment {
	t.Helper()
	_, entries, err := audit.Decode(s.Content)
	if err != nil {
		t.Fatal(err)
	}
	entries[3].Actor = "berta"
	for i := range entries {
		entries[i].Prev = prev
		entries[i].Hash = entries[i].Sum(tenant)
		prev = entries[i].Hash
	}
	if s.Content, err = audit.Encode(tenant, entries); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAuditDamage changes exported segments in every way in which a log can be.
func TestAuditDamage(t *testing.T) {
	a, whole := logged(t)
	one := func(n int, change func(audit.Segment) audit.Segment) func([]audit.Segment) []audit.Segment {
		return func(all []audit.Segment) []audit.Segment {
			all[n] = change(all[n])
			return all
		}
	}
	text := func(n int, change func([]string) []string) func([]audit.Segment) []audit.Segment {
		return one(n, func(s audit.Segment) audit.Segment { return lines(s, change) })
	}
	rehashed := func(all []audit.Segment) []audit.Segment {
		prev := ""
		for i := range all {
			if i == 0 {
				all[i] = forged(t, all[i], "")
			} else {
				all[i] = forged(t, all[i], prev)
			}
			_, entries, _ := audit.Decode(all[i].Content)
			prev = entries[len(entries)-1].Hash
		}
		return all
	}
	for _, c := range []struct {
		name   string
		damage func([]audit.Segment) []audit.Segment
		want   []string // among what fails; none: nothing does
	}{
		{"nothing", func(all []audit.Segment) []audit.Segment { return all }, nil},
		{"changed entry", text(1, func(l []string) []string {
			l[2] = strings.Replace(l[2], "anna", "otto", 1)
			return l
		}), []string{audit.CodeChanged, "not-covered"}},
		{"missing entry", text(1, func(l []string) []string { return slices.Delete(l, 4, 5) }), []string{audit.CodeGap, "not-covered"}},
		{"first entry missing", text(1, func(l []string) []string { return l[1:] }), []string{audit.CodeGap, audit.CodeName}},
		{"last entry missing", text(3, func(l []string) []string { return l[:len(l)-1] }), []string{audit.CodeName, "digest-mismatch"}},
		{"swapped entries", text(1, func(l []string) []string {
			l[2], l[3] = l[3], l[2]
			return l
		}), []string{audit.CodeRepeated, audit.CodeGap}},
		{"repeated entry", text(1, func(l []string) []string { return slices.Insert(l, 3, l[2]) }), []string{audit.CodeRepeated}},
		{"cut off", one(3, func(s audit.Segment) audit.Segment {
			s.Content = s.Content[:len(s.Content)-20]
			return s
		}), []string{audit.CodeUnreadable}},
		{"empty", one(3, func(s audit.Segment) audit.Segment {
			s.Content = nil
			return s
		}), []string{audit.CodeUnreadable}},
		{"missing segment", func(all []audit.Segment) []audit.Segment { return slices.Delete(all, 1, 2) }, []string{audit.CodeGap}},
		{"segment twice", func(all []audit.Segment) []audit.Segment { return slices.Insert(all, 1, all[0]) }, []string{audit.CodeRepeated}},
		{"segment with the whole chain anew", rehashed, []string{"not-covered", "digest-mismatch"}},
		{"the same without its evidence", func(all []audit.Segment) []audit.Segment {
			for i := range rehashed(all) {
				all[i].Evidence = nil
			}
			return all
		}, []string{"digest-mismatch"}},
		{"the same without its seals", func(all []audit.Segment) []audit.Segment {
			for i := range rehashed(all) {
				all[i].Seal = nil
			}
			return all
		}, []string{"not-covered", "group-differs"}},
		{"the seal of another segment", one(1, func(s audit.Segment) audit.Segment {
			s.Seal = whole[0].Seal
			return s
		}), []string{"digest-mismatch", "not-covered"}},
		{"the evidence of another segment", one(1, func(s audit.Segment) audit.Segment {
			s.Evidence = whole[0].Evidence
			return s
		}), []string{"not-covered"}},
		{"neither seal nor evidence", one(1, func(s audit.Segment) audit.Segment {
			s.Seal, s.Evidence = nil, nil
			return s
		}), []string{audit.CodeUnproven}},
	} {
		t.Run(c.name, func(t *testing.T) {
			check := a.check()
			if c.name == "neither seal nor evidence" {
				check.At = check.At.Add(2 * audit.Grace)
			}
			failed, notices := codes(check, c.damage(slices.Clone(whole)))
			if len(c.want) == 0 && (len(failed) > 0 || !slices.Equal(notices, []string{audit.CodeUnstamped, "signing-time-claimed"})) {
				// The last segment has no evidence yet.
				t.Errorf("failed %v, notices %v", failed, notices)
			}
			for _, code := range c.want {
				if !slices.Contains(failed, code) {
					t.Errorf("no %s among %v", code, failed)
				}
			}
		})
	}
	t.Run("former release", func(t *testing.T) { // its lines do not name the tenant, and it wrote the beginning twice
		old := slices.Clone(whole)
		for i := range old {
			old[i] = lines(old[i], func(l []string) []string {
				for n := range l {
					l[n] = strings.Replace(l[n], `"tenant":"musterstadt",`, "", 1)
				}
				return l
			})
			old[i].Seal, old[i].Evidence = nil, nil
		}
		text := strings.SplitAfter(string(old[0].Content), "\n")
		begun := audit.Segment{Name: audit.Key(time.Now(), 1, 3), Content: []byte(strings.Join(text[:3], ""))}
		failed, notices := codes(a.check(), slices.Insert(old, 0, begun))
		if len(failed) > 0 || !slices.Equal(notices, []string{audit.CodeOverlap, audit.CodeUnproven}) {
			t.Errorf("failed %v, notices %v", failed, notices)
		}
		failed, _ = codes(audit.Check{Tenant: "anderstadt", Roots: a.trust, At: a.clock()}, old)
		if !slices.Contains(failed, audit.CodeChanged) {
			t.Errorf("of another tenant: %v", failed)
		}
	})
	t.Run("when the certificates have ended", func(t *testing.T) {
		check := a.check()
		check.At = a.keys.Expires().AddDate(0, 0, 1)
		failed, _ := codes(check, whole[:1])
		if slices.Contains(failed, "chain-invalid") { // the seal is proven to be older
			t.Errorf("%v", failed)
		}
	})
}

// verified verifies the log of a catalog against the bucket.
func (a *archive) verified(t *catalog.Tenant) (failed []string) {
	a.Helper()
	a.must(a.notary.VerifyAudit(a.Context(), t, a.trust, func(_ string, found []preservation.Finding) error {
		for _, f := range found {
			if f.Severity == preservation.Failed {
				failed = append(failed, f.Code)
			}
		}
		return nil
	}))
	return failed
}

// TestAuditRebuilt restores the log from the bucket alone: it stays proven, and goes on.
func TestAuditRebuilt(t *testing.T) {
	a, want := logged(t)
	if failed := a.verified(a.Tenant); len(failed) > 0 {
		t.Fatal(failed)
	}
	fresh := newCatalog(t)
	for range 2 {
		_, err := ledger.Rebuild(t.Context(), fresh, a.bucket, ledger.Options{})
		a.must(err)
		if _, problems, err := a.notary.Restore(t.Context(), fresh); err != nil || len(problems) > 0 {
			t.Fatal(problems, err)
		}
	}
	if failed := a.verified(fresh); len(failed) > 0 {
		t.Fatal(failed)
	}
	have := a.segments(fresh)
	for i := range want {
		if !bytes.Equal(have[i].Content, want[i].Content) || !bytes.Equal(have[i].Seal, want[i].Seal) ||
			(want[i].Evidence == nil) != (have[i].Evidence == nil) || want[i].Evidence != nil && !bytes.Equal(want[i].Evidence.Encode(), have[i].Evidence.Encode()) {
			t.Errorf("segment %d is another one", i)
		}
	}
	a.Tenant = fresh
	a.archived(1)
	a.note(3)
	a.must(a.segment(a.bucket))
	if n, err := a.notary.Batch(t.Context(), fresh); n != 1 || err != nil {
		t.Error(n, err)
	}
	if failed := a.verified(fresh); len(failed) > 0 {
		t.Error(failed)
	}
	if all := a.segments(fresh); len(all) != 5 || all[3].Evidence == nil || all[4].Evidence == nil {
		t.Error("the segments that waited are not stamped")
	}
}

// TestAuditCutOff breaks every step off, before and after it had its effect, and goes
// on with new entries: the log is whole and nothing stands in it twice.
func TestAuditCutOff(t *testing.T) {
	a := newArchive(t)
	broken := &storetest.Fault{Store: a.bucket}
	for round, after := range []bool{false, true} {
		for put := 1; put <= 2; put++ {
			a.note(4)
			broken.Add(storetest.Plan{Op: storetest.OpPut, Nth: broken.Calls(storetest.OpPut) + put, After: after})
			if err := a.segment(broken); !errors.Is(err, storetest.ErrInjected) {
				t.Fatalf("round %d, put %d: %v", round, put, err)
			}
			broken.Heal()
		}
	}
	a.note(4)
	a.must(a.segment(broken))
	a.archived(1)
	if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if failed := a.verified(a.Tenant); len(failed) > 0 {
		t.Error(failed)
	}
	failed, notices := codes(a.check(), a.segments(a.Tenant))
	if len(failed) > 0 || !slices.Equal(notices, []string{"signing-time-claimed"}) {
		t.Error(failed, notices)
	}
}

// TestAuditCatalog changes the catalog, or what the bucket has.
func TestAuditCatalog(t *testing.T) {
	a, all := logged(t)
	a.must(a.Update(t.Context(), func(x *catalog.Tx) error {
		return x.AddAuditSegment(catalog.AuditSegment{Key: audit.Key(time.Now(), 900, 901), First: 900, Last: 901, SHA256: "00", Stored: time.Now()})
	}))
	if failed := a.verified(a.Tenant); !slices.Equal(failed, []string{proof.CodeAuditMissing}) {
		t.Error("a segment that is not there:", failed)
	}
	other := newCatalog(t)
	for range 12 {
		a.must(other.Audit(t.Context(), catalog.AuditEntry{Actor: "otto", Action: "record.read"}))
	}
	if failed := a.verified(other); len(failed) != len(all) || failed[0] != proof.CodeAuditDiffers {
		t.Error("another catalog:", failed)
	}
}

// TestAuditAlone: segments without records wait for a day, then get a stamp; what
// that writes to the log waits again.
func TestAuditAlone(t *testing.T) {
	a := newArchive(t)
	a.now = time.Now()
	a.note(3)
	a.must(a.segment(a.bucket))
	for range 3 {
		if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 0 || err != nil || a.tsa.asked != 0 {
			t.Fatal(n, err, a.tsa.asked)
		}
	}
	a.now = a.now.Add(25 * time.Hour)
	if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 0 || err != nil || a.tsa.asked != 1 {
		t.Fatal(n, err, a.tsa.asked)
	}
	a.must(a.segment(a.bucket))
	a.now = time.Now() // by which the store says when the segment came
	if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 0 || err != nil || a.tsa.asked != 1 {
		t.Fatal(n, err, a.tsa.asked)
	}
	if all := a.segments(a.Tenant); len(all) != 2 || all[0].Evidence == nil || all[1].Evidence != nil {
		t.Errorf("%d segments", len(all))
	}
}
