package proof_test

import (
	"crypto"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
	"bestand/preservation/proof"
	"bestand/preservation/timestamp"
)

// BenchmarkRenew renews the time-stamps of 50,000 batches with one token.
func BenchmarkRenew(b *testing.B) {
	const batches = 50_000
	for b.Loop() {
		b.StopTimer()
		a := newArchive(b)
		a.now = time.Now()
		token, err := a.tsa.Stamp(b.Context(), crypto.SHA256, make([]byte, 32))
		a.must(err)
		parsed, err := timestamp.Parse(token)
		a.must(err)
		for from := 0; from < batches; from += 1000 {
			a.must(a.Update(b.Context(), func(x *catalog.Tx) error {
				for range 1000 {
					s := catalog.Stamp{ID: preservation.NewID(a.clock()), Kind: catalog.StampRecords, Digest: crypto.SHA256.String(), Opened: a.now, Leaves: 1,
						Nodes: make([]byte, 32), Token: token, Stamped: parsed.Time, Expires: parsed.Expires(), Rests: parsed.Algorithms()}
					s.Imprint = evidence.TokenDigest(crypto.SHA256, []byte(s.ID))
					if err := x.RestoreStamp(s); err != nil {
						return err
					}
					if _, err := x.FinishStamp(s); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		a.now = a.now.AddDate(4, 9, 0)
		a.newKeys()
		b.StartTimer()
		if n, err := a.notary.Renew(b.Context(), a.Tenant); n != batches || err != nil {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/renewal")
}

// BenchmarkRecord makes the evidence record of one record out of batches of
// different sizes: its cost must not grow with them.
func BenchmarkRecord(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a := newArchive(b)
			c, _ := a.archived(3)
			s := catalog.Stamp{ID: preservation.NewID(time.Now()), Kind: catalog.StampRecords, Digest: crypto.SHA256.String(), Opened: time.Now(), Leaves: n}
			a.must(a.Update(b.Context(), func(x *catalog.Tx) error { return x.RestoreStamp(s) }))
			wanting, err := a.View().Unstamped(b.Context(), "", 0, 1)
			a.must(err)
			own := a.leaf(wanting[0])
			for from := 0; from < n; from += 10_000 {
				part := make([]catalog.StampLeaf, 10_000)
				for i := range part {
					digest := make([]byte, 32)
					rand.Read(digest)
					part[i] = catalog.StampLeaf{Subject: fmt.Sprintf("%026d", from+i), Version: 1, Digest: digest}
				}
				if from == n/20_000*10_000 {
					part[4321] = own
				}
				a.must(a.Update(b.Context(), func(x *catalog.Tx) error { return x.RestoreLeaves(s, from, part) }))
			}
			start := time.Now()
			if _, err := a.notary.Batch(b.Context(), a.Tenant); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(time.Since(start).Seconds(), "s/stamp")
			for b.Loop() {
				if _, err := a.notary.Record(b.Context(), a.Tenant, c.Record.ID, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func (a *archive) leaf(p catalog.StampPackage) catalog.StampLeaf {
	a.Helper()
	leaves, err := proof.Leaves(a.notary, a.Context(), a.bucket, crypto.SHA256, []catalog.StampPackage{p})
	a.must(err)
	return leaves[0]
}
