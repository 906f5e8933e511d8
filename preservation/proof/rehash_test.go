package proof_test

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
	"bestand/preservation/pki"
	"bestand/preservation/proof"
)

// table ends digest algorithms on given days.
func table(t testing.TB, ends map[string]string) *evidence.Suitability {
	t.Helper()
	var lines []string
	for _, name := range []string{"SHA-256", "SHA-384", "SHA-512", "SHA3-256", "SHA3-384", "SHA3-512"} {
		lines = append(lines, fmt.Sprintf(`{"name": %q, "until": %q}`, name, ends[name]))
	}
	s, err := evidence.ReadSuitability(strings.NewReader(`{"format": "bestand-algorithms/1", "digest": [` + strings.Join(lines, ",") + `],
		"signature": [{"name": "ECDSA", "bits": 250}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestRehash keeps records over the ends of two digest algorithms and of several
// certificates.
func TestRehash(t *testing.T) {
	a := newArchive(t)
	a.now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	a.strong = pki.ECP384
	a.newKeys()
	a.notary.Suitable = table(t, map[string]string{"SHA-256": "2032-12-31", "SHA-512": "2041-12-31"})
	packages := map[preservation.RecordID][]byte{}
	add := func(n int) {
		t.Helper()
		for range n {
			c, b := a.archived(1 + len(packages)%3)
			packages[c.Record.ID] = b
		}
		if got, err := a.notary.Batch(t.Context(), a.Tenant); got != n || err != nil {
			t.Fatal(got, err)
		}
	}
	due := func(want ...proof.Due) {
		t.Helper()
		got, err := a.notary.Due(t.Context(), a.Tenant, a.now)
		a.must(err)
		same := func(a, b proof.Due) bool {
			return a.Renewal == b.Renewal && a.Digest == b.Digest && a.Stamps == b.Stamps && a.Versions == b.Versions && a.To == b.To
		}
		if !slices.EqualFunc(got, want, same) {
			t.Fatalf("%s: due is %+v", a.now.Format(time.DateOnly), got)
		}
	}
	renew := func(tokens, versions int) {
		t.Helper()
		if n, err := a.notary.Renew(t.Context(), a.Tenant); n != tokens || err != nil {
			t.Fatalf("%d time-stamps renewed, %v", n, err)
		}
		if n, err := a.notary.Rehash(t.Context(), a.Tenant); n != versions || err != nil {
			t.Fatalf("%d versions renewed, %v", n, err)
		}
		due()
		for id, pkg := range packages {
			a.proves(a.Tenant, id, pkg)
		}
		a.restored(packages)
	}
	add(3)
	add(4)
	due()

	// The certificates end first.
	a.now = time.Date(2031, 9, 1, 0, 0, 0, 0, time.UTC)
	due(proof.Due{Renewal: proof.TimeStamps, Digest: "SHA-256", Stamps: 2})
	a.now = a.now.Add(2 * time.Hour) // until the next trial
	a.newKeys()
	renew(2, 0)

	// Then SHA-256 does: whatever is new goes under the next algorithm already.
	a.now = time.Date(2032, 9, 1, 0, 0, 0, 0, time.UTC)
	a.notary.Digest = crypto.SHA512
	due(proof.Due{Renewal: proof.HashTree, Digest: "SHA-256", Stamps: 1, Versions: 7, To: "SHA-512"})
	add(2)
	renew(0, 7)

	// SHA-512 is over: certificates had ended before, of the batch and of the renewal.
	a.now = time.Date(2036, 8, 1, 0, 0, 0, 0, time.UTC)
	due(proof.Due{Renewal: proof.TimeStamps, Digest: "SHA-512", Stamps: 2})
	a.now = a.now.Add(2 * time.Hour) // until the next trial
	a.newKeys()
	renew(2, 0)
	a.now = time.Date(2041, 4, 1, 0, 0, 0, 0, time.UTC)
	a.newKeys()
	renew(1, 0)
	a.now = time.Date(2041, 9, 1, 0, 0, 0, 0, time.UTC)
	a.notary.Most = 4 // versions of one tree
	due(proof.Due{Renewal: proof.HashTree, Digest: "SHA-512", Stamps: 1, Versions: 9, To: "SHA3-256"})
	renew(0, 9)

	// Long after both: what rested on them is proved all the same.
	a.now = time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC)
	for id, pkg := range packages {
		a.proves(a.Tenant, id, pkg)
		r, err := a.notary.Record(t.Context(), a.Tenant, id, 1)
		a.must(err)
		if first := r.Chains[0][0].Digest.Hash; first == crypto.SHA256 && len(r.Chains) != 3 || first == crypto.SHA512 && len(r.Chains) != 2 {
			t.Errorf("%d chains, the first under %v", len(r.Chains), first)
		}
	}
}

// TestRehashCutOff stops a hash-tree renewal again and again, while batches and a
// time-stamp renewal go on.
func TestRehashCutOff(t *testing.T) {
	a := newArchive(t)
	a.now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	a.strong = pki.ECP384
	a.newKeys()
	a.notary.Suitable = table(t, map[string]string{"SHA-256": "2031-12-31"})
	a.notary.Most = 2
	packages := map[preservation.RecordID][]byte{}
	for range 9 {
		c, b := a.archived(2)
		packages[c.Record.ID] = b
	}
	if _, err := a.notary.Batch(t.Context(), a.Tenant); err != nil {
		t.Fatal(err)
	}
	a.now = time.Date(2031, 9, 1, 0, 0, 0, 0, time.UTC)
	a.newKeys()
	renewed, rounds := 0, 0
	a.cut(func(ctx context.Context, tn *catalog.Tenant) error {
		n, err := a.notary.Rehash(ctx, tn)
		renewed += n
		if rounds++; rounds == 20 {
			if n, err := a.notary.Renew(t.Context(), a.Tenant); n == 0 || err != nil {
				t.Fatal(n, err)
			}
			for id, pkg := range packages {
				a.proves(a.Tenant, id, pkg)
			}
		}
		return err
	})
	if due, err := a.notary.Due(t.Context(), a.Tenant, a.now); len(due) > 0 || err != nil {
		t.Errorf("%+v, %v", due, err)
	}
	if renewed < len(packages) {
		t.Errorf("%d of %d versions renewed", renewed, len(packages))
	}
	a.restored(packages)
}

// TestRehashOfDamage never renews what is not what was stamped.
func TestRehashOfDamage(t *testing.T) {
	a := newArchive(t)
	a.now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	a.strong = pki.ECP384
	a.newKeys()
	a.notary.Suitable = table(t, map[string]string{"SHA-256": "2029-12-31"})
	good, pkg := a.archived(2)
	bad, content := a.archived(2)
	if _, err := a.notary.Batch(t.Context(), a.Tenant); err != nil {
		t.Fatal(err)
	}
	a.bucket = &rotten{Store: a.bucket, key: bad.Package.Key, content: bytes.Replace(content, []byte("Anlage 1"), []byte("Anlage 7"), 1)}
	a.now = time.Date(2029, 9, 1, 0, 0, 0, 0, time.UTC)
	if n, err := a.notary.Rehash(t.Context(), a.Tenant); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	due, err := a.notary.Due(t.Context(), a.Tenant, a.now)
	a.must(err)
	if len(due) != 1 || due[0].Versions != 1 {
		t.Errorf("due: %+v", due)
	}
	a.proves(a.Tenant, good.Record.ID, pkg)
}

// rotten has other bytes under one key.
type rotten struct {
	preservation.Store
	key     string
	content []byte
}

func (r *rotten) Open(ctx context.Context, key, version string, off, n int64) (io.ReadCloser, error) {
	if key != r.key {
		return r.Store.Open(ctx, key, version, off, n)
	}
	if n < 0 {
		n = int64(len(r.content)) - off
	}
	return io.NopCloser(io.NewSectionReader(bytes.NewReader(r.content), off, n)), nil
}

// TestRehashAudit renews the segments of the audit log with the records.
func TestRehashAudit(t *testing.T) {
	a, before := logged(t)
	a.now = time.Now()
	a.notary.Suitable = table(t, map[string]string{"SHA-256": a.now.AddDate(0, 2, 0).Format(time.DateOnly)})
	due, err := a.notary.Due(t.Context(), a.Tenant, a.now)
	a.must(err)
	if len(due) != 1 || due[0].Segments != 3 || due[0].Versions != 3 {
		t.Fatalf("due: %+v", due)
	}
	if n, err := a.notary.Rehash(t.Context(), a.Tenant); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	for i, s := range a.segments(a.Tenant)[:3] {
		if len(s.Evidence.Chains) != 2 || !bytes.Equal(s.Content, before[i].Content) {
			t.Errorf("%s: %d chains", s.Name, len(s.Evidence.Chains))
		}
	}
	if failed, _ := codes(a.check(), a.segments(a.Tenant)); len(failed) > 0 {
		t.Errorf("after the renewal: %v", failed)
	}
}
