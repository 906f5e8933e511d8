package proof_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
	"bestand/preservation/proof"
)

// TestAuditSuitable judges the log by the table of algorithms that the installation has.
func TestAuditSuitable(t *testing.T) {
	a, all := logged(t)
	a.notary.Suitable = table(t, map[string]string{"SHA-256": "2020-12-31"})
	if failed := a.verified(a.Tenant); !slices.Contains(failed, "algorithm-unsuitable") {
		t.Error(failed)
	}
	check := a.check()
	check.Suitable = a.notary.Suitable
	if failed, _ := codes(check, all[:1]); !slices.Contains(failed, "algorithm-unsuitable") {
		t.Error(failed)
	}
}

// again writes an object as a repair does.
func (a *archive) again(key string, content []byte) {
	a.Helper()
	sum := sha256.Sum256(content)
	_, err := a.bucket.(preservation.Mender).Replace(a.Context(), key, bytes.NewReader(content),
		preservation.PutOptions{Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), Lock: a.lock, ContentType: "application/jsonl"})
	a.must(err)
}

// TestAuditRepaired: a segment that was damaged and written again stands once in the
// log; one that was exchanged does not.
func TestAuditRepaired(t *testing.T) {
	a, all := logged(t)
	for range 2 {
		a.again(all[1].Name, all[1].Content)
		a.again(all[2].Name+audit.SealSuffix, all[2].Seal)
	}
	if failed := a.verified(a.Tenant); len(failed) > 0 {
		t.Error(failed)
	}
	if have := a.segments(a.Tenant); len(have) != len(all) {
		t.Errorf("%d segments, want %d", len(have), len(all))
	}
	a.again(all[1].Name, all[0].Content)
	if failed := a.verified(a.Tenant); !slices.Contains(failed, audit.CodeFault) || !slices.Contains(failed, proof.CodeAuditDiffers) {
		t.Error("exchanged:", failed)
	}
}

// TestAuditNewYear puts a clock back over a new year: the keys of segments are in
// another order than their entries then.
func TestAuditNewYear(t *testing.T) {
	a := newArchive(t)
	at := time.Date(2027, 1, 1, 0, 10, 0, 0, time.UTC)
	db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "catalog.db"), Now: func() time.Time { return at }})
	a.must(err)
	defer db.Close()
	a.must(db.RestoreTenant(t.Context(), catalog.TenantInfo{ID: tenant, Name: tenant}))
	a.Tenant = db.Tenant(tenant)
	a.note(3)
	a.must(a.segment(a.bucket))
	at = at.Add(-time.Hour)
	a.note(3)
	a.must(a.segment(a.bucket))
	if failed := a.verified(a.Tenant); len(failed) > 0 {
		t.Error(failed)
	}
	if all := a.segments(a.Tenant); len(all) != 2 || all[0].Name < all[1].Name {
		t.Errorf("%+v", all)
	}
}

// TestAuditUnreadable: a sealed segment that cannot be read has no token made for what
// making tokens writes to the log, and any number of them keeps no other waiting.
func TestAuditUnreadable(t *testing.T) {
	a := newArchive(t)
	a.now = time.Now()
	away := func(from, to int64) {
		a.must(a.Update(t.Context(), func(x *catalog.Tx) error {
			for n := from; n <= to; n++ {
				key := audit.Key(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), n, n)
				if err := x.AddAuditSegment(catalog.AuditSegment{Key: key, SHA256: "00", Stored: a.now.Add(-48 * time.Hour)}); err != nil {
					return err
				}
				if err := x.SealAudit(key, "00"); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	away(1, 1)
	for range 3 {
		a.note(1)
		a.must(a.segment(a.bucket))
		if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 0 || err != nil || a.tsa.asked != 0 {
			t.Fatal(n, err, a.tsa.asked)
		}
	}
	away(2, 600) // more than a transaction has
	a.now = a.now.Add(25 * time.Hour)
	for range 3 {
		if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 0 || err != nil || a.tsa.asked != 1 {
			t.Fatal(n, err, a.tsa.asked)
		}
	}
	for _, s := range a.segments(a.Tenant) {
		if s.Evidence == nil {
			t.Errorf("%s is not stamped", s.Name)
		}
	}
}
