package retention

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/storetest"
)

// BenchmarkHold sets a hold over BESTAND_BENCH_RECORDS records to its end, and releases
// it, on the store that Bestand brings along: on every version of the package and the
// receipt of each.
//
//	BESTAND_BENCH_RECORDS=100000 go test ./retention -run '^$' -bench 'Hold$' -benchtime 1x -timeout 2h
func BenchmarkHold(b *testing.B) {
	records := benchRecords(b)
	a := large(b, records)
	a.now = time.Now() // the store has a clock of its own
	bucket := storetest.Bucket(b)
	ctx := b.Context()
	if _, err := a.raw().Exec(`INSERT INTO record_object (tenant, record_id, key, kind, version, version_id, size, sha256, stored_ms)
		SELECT tenant, id, 'evt/' || id || '/receipt.json', 'event', 1, '', 1, '', 0 FROM record`); err != nil {
		b.Fatal(err)
	}
	data := []byte("content")
	sum := sha256.Sum256(data)
	put := preservation.PutOptions{Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), ContentType: "application/octet-stream",
		Lock: preservation.Lock{Mode: preservation.Governance, Until: time.Now().AddDate(0, 0, 1)}}
	var puts errgroup.Group
	puts.SetLimit(48)
	var ids []preservation.RecordID
	for after := preservation.RecordID(""); ; {
		rows, err := a.tenant.View().Retentions(ctx, catalog.RetentionFilter{}, after, 1000)
		if err != nil {
			b.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		for _, r := range rows {
			after = r.Record
			ids = append(ids, r.Record)
			for _, key := range []string{preservation.PackageKey(r.Record, 1), preservation.EventKey(r.Record, "receipt")} {
				puts.Go(func() error {
					_, err := bucket.Put(ctx, key, bytes.NewReader(data), put)
					return err
				})
			}
		}
	}
	if err := puts.Wait(); err != nil {
		b.Fatal(err)
	}
	a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return bucket, nil }
	held := func(want bool) {
		b.Helper()
		for _, id := range []preservation.RecordID{ids[0], ids[len(ids)/2], ids[len(ids)-1]} {
			for v, err := range objects(ctx, bucket, id) {
				if err != nil {
					b.Fatal(err)
				}
				if o, err := bucket.Stat(ctx, v.Key, v.VersionID); err != nil || o.Hold != want {
					b.Fatalf("%+v, %v", o, err)
				}
			}
		}
	}
	var set, release time.Duration
	for b.Loop() {
		begin := time.Now()
		h := a.hold(Scope{All: true})
		a.evaluate()
		set += time.Since(begin)
		if _, done, err := a.officer.Hold(ctx, a.tenant, h.ID); err != nil || done.Applied != int64(records) || done.Total != done.Applied {
			b.Fatalf("%+v, %v", done, err)
		}
		held(true)
		begin = time.Now()
		if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
			b.Fatal(err)
		}
		a.evaluate()
		release += time.Since(begin)
		if n := a.count(catalog.RetentionFilter{States: []string{string(Held)}}); n != 0 {
			b.Fatalf("%d records are held", n)
		}
		held(false)
	}
	n := float64(records) * float64(b.N)
	b.ReportMetric(n/set.Seconds(), "set/s")
	b.ReportMetric(n/release.Seconds(), "released/s")
	b.ReportMetric(float64(records), "records")
}
