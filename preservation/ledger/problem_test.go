package ledger_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
	"bestand/preservation/storetest"
)

// flip changes one byte of what the object store's folder holds under a key.
func (a *archive) flip(key string, where []byte) {
	a.Helper()
	found := 0
	a.must(filepath.WalkDir(a.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, key) {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if i := bytes.Index(data, where); i >= 0 {
			found++
			data[i] ^= 1
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(data[i:i+1], int64(i))
			return errors.Join(err, f.Close())
		}
		return nil
	}))
	if found != 1 {
		a.Fatalf("%d files hold %s", found, key)
	}
}

// simple archives a record of one file.
func (a *archive) simple(source string) preservation.Record {
	a.Helper()
	r := record(source)
	f, b := file(1, "Inhalt von "+source)
	r.Files = []preservation.File{f}
	return a.keep(r, map[preservation.FileID][]byte{f.ID: b})
}

// stray packs a record without the catalog knowing.
func (a *archive) stray(change func(*preservation.Record)) (preservation.Record, []byte) {
	a.Helper()
	r := record("stray")
	f, b := file(1, "x")
	r.Files = []preservation.File{f}
	change(&r)
	zip, _ := a.pack(&r, map[preservation.FileID][]byte{f.ID: b})
	return r, zip
}

// Each thing that can be wrong is a problem of its object; everything else
// comes back, and the next run says the same.
func TestRebuildReportsProblems(t *testing.T) {
	a := newArchive(t)
	var want []string // code and subject
	problem := func(code, key string) { want = append(want, code+" "+key) }
	healthy := []preservation.RecordID{a.simple("healthy").ID}

	flipped := a.simple("flipped") // a byte of a file's content
	key := preservation.PackageKey(flipped.ID, 1)
	a.flip(key, []byte("Inhalt von flipped"))
	problem("damaged-package", key)
	problem("package-differs", key)

	torn := a.simple("torn") // the directory of the ZIP
	key = preservation.PackageKey(torn.ID, 1)
	a.flip(key, []byte("PK\x05\x06"))
	problem("damaged-package", key)
	problem("package-missing", preservation.EventPrefix(torn.ID))

	r, zip := a.stray(func(*preservation.Record) {}) // a proper package, and a receipt over other bytes
	a.put(preservation.PackageKey(r.ID, 1), zip)
	stored := event(preservation.EventStore)
	a.happen(r.ID, stored, ledger.Receipt{JWS: "x", Submission: r.Submission, Version: 1, Package: preservation.PackageKey(r.ID, 1), PackageSHA256: "00"})
	problem("package-differs", preservation.PackageKey(r.ID, 1))

	r, zip = a.stray(func(r *preservation.Record) { r.Tenant = "beispielhausen" })
	a.put(preservation.PackageKey(r.ID, 1), zip)
	problem("foreign-package", preservation.PackageKey(r.ID, 1))

	r, zip = a.stray(func(*preservation.Record) {}) // under the key of another version
	a.put(preservation.PackageKey(r.ID, 3), zip)
	problem("foreign-package", preservation.PackageKey(r.ID, 3))

	r = record("text")
	a.put(preservation.PackageKey(r.ID, 1), []byte("no package"))
	problem("damaged-package", preservation.PackageKey(r.ID, 1))
	for _, key := range []string{"aip/00/readme.txt", "aip/liesmich", preservation.PackagePrefix(r.ID) + "v1.zip"} {
		a.put(key, []byte("x"))
		problem("unexpected-key", key)
	}

	survivor, zip := a.stray(func(*preservation.Record) {}) // a package that outlived its tombstone
	a.put(preservation.PackageKey(survivor.ID, 1), zip)
	a.tombstone(survivor.ID)
	problem("destroyed-record", preservation.PackageKey(survivor.ID, 1))

	for key, body := range map[string]string{
		preservation.EventKey(healthy[0], preservation.NewID(now())): "no JSON",
		"evt/liesmich": "x",
		preservation.EventKey(healthy[0], "newer"): `{"format":"bestand-event/9","record_id":"` + string(healthy[0]) + `","event":{"id":"newer"}}`,
	} {
		a.put(key, []byte(body))
		problem("unreadable-event", key)
	}
	e := event(preservation.EventAccess)
	data, _, err := preservation.EventObject{Record: r.ID, Event: e}.Encode()
	a.must(err)
	a.put(preservation.EventKey(healthy[0], e.ID), data) // of another record
	problem("foreign-event", preservation.EventKey(healthy[0], e.ID))
	large := preservation.EventKey(healthy[0], preservation.NewID(now()))
	a.put(large, make([]byte, preservation.MaxEventObject+1))
	problem("unreadable-object", large)
	orphan := record("orphan").ID
	a.happen(orphan, event(preservation.EventAccess), nil)
	problem("package-missing", preservation.EventPrefix(orphan))

	a.put("cfg/liesmich.json", []byte("x"))
	problem("unreadable-document", "cfg/liesmich.json")
	a.put("audit/2026/x.jsonl", []byte(`{"seq":1}{`))
	problem("unreadable-audit", "audit/2026/x.jsonl")

	// Somebody wrote over a package, and hid a receipt.
	over := a.simple("overwritten")
	healthy = append(healthy, over.ID)
	key = preservation.PackageKey(over.ID, 1)
	_, err = a.behind.PutObject(t.Context(), a.bucket.Name(), key, strings.NewReader("x"), 1, minio.PutObjectOptions{DisableContentSha256: true, Checksum: minio.ChecksumSHA256})
	a.must(err)
	problem("surplus-version", key)
	hidden := a.simple("hidden")
	healthy = append(healthy, hidden.ID)
	key = preservation.EventKey(hidden.ID, string(hidden.Submission))
	a.must(a.behind.RemoveObject(t.Context(), a.bucket.Name(), key, minio.RemoveObjectOptions{}))
	problem("surplus-version", key)

	into := newCatalog(t)
	for run := range 2 {
		report := a.rebuild(into)
		var got []string
		for _, p := range report.Problems {
			if s := p.Code + " " + p.Subject; !slices.Contains(got, s) { // a package may be damaged in several ways
				got = append(got, s)
			}
			if p.Severity != preservation.Failed || p.Detail == "" {
				t.Errorf("%+v", p)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("run %d:\ngot  %s\nwant %s", run, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
		for _, id := range healthy {
			if e, err := into.Record(t.Context(), id); err != nil || len(e.Files) != 1 {
				t.Errorf("healthy record %s: %v %v", id, e, err)
			}
			if events, err := into.Events(t.Context(), id); err != nil || len(events) != 3 {
				t.Errorf("%d events of %s, %v", len(events), id, err)
			}
		}
		if e, err := into.Record(t.Context(), flipped.ID); err != nil || e.Title != "Bauantrag flipped" {
			t.Errorf("what a damaged package still says of its record: %v %v", e, err)
		}
		if _, err := into.Record(t.Context(), survivor.ID); !errors.Is(err, catalog.ErrDestroyed) {
			t.Errorf("a destroyed record came back: %v", err)
		}
		if objects, err := into.Objects(t.Context(), over.ID); err != nil || objects[0].Size == 1 {
			t.Errorf("the later version was taken: %+v %v", objects, err)
		}
	}
}

// A source that a living submission holds is not taken away from it.
// A catalog that is there already does not keep a rebuild from telling what is not as it
// was stored.
func TestRebuildOverLiving(t *testing.T) {
	a := newArchive(t)
	key := preservation.PackageKey(a.simple("flipped").ID, 1)
	a.flip(key, []byte("Inhalt von flipped"))
	var codes []string
	for _, p := range a.rebuild(a.Tenant).Problems {
		codes = append(codes, p.Code+" "+p.Subject)
	}
	slices.Sort(codes)
	if want := []string{"damaged-package " + key, "package-differs " + key}; !slices.Equal(slices.Compact(codes), want) {
		t.Errorf("%q, want %q", codes, want)
	}
}

func TestRebuildReportsTakenSource(t *testing.T) {
	a := newArchive(t)
	a.simple("1")
	into := newCatalog(t)
	a.must(into.CreateSubmission(t.Context(), catalog.Submission{ID: preservation.SubmissionID(preservation.NewID(now())), RecordID: preservation.RecordID(preservation.NewID(now())),
		Metadata: preservation.Metadata{Producer: "dms", ProducerRecordID: "1"}, Received: now()}))
	report := a.rebuild(into)
	if len(report.Problems) != 1 || report.Problems[0].Code != "not-restored" {
		t.Errorf("%+v", report.Problems)
	}
}

// An object that can never be read is a problem; a store that does not answer
// is an error, after which the rebuild can be run again.
func TestRebuildAndFailingStore(t *testing.T) {
	a := newArchive(t)
	for _, source := range []string{"1", "2", "3"} {
		a.simple(source)
	}
	broken := &storetest.Fault{Store: a.bucket}
	broken.Add(storetest.Plan{Op: storetest.OpOpen, Nth: 2, Cut: 10})
	into := newCatalog(t)
	report, err := ledger.Rebuild(t.Context(), into, broken, ledger.Options{})
	a.must(err)
	if len(report.Problems) == 0 || report.Problems[0].Code != "unreadable-object" || report.Packages != 2 {
		t.Errorf("%+v", report)
	}
	for _, ops := range [][]storetest.Op{{storetest.OpVersions}, {storetest.OpOpen, storetest.OpStat}} {
		broken := &storetest.Fault{Store: a.bucket}
		for _, op := range ops {
			broken.Add(storetest.Plan{Op: op, Err: storetest.ErrInjected})
		}
		if _, err := ledger.Rebuild(t.Context(), newCatalog(t), broken, options()); !errors.Is(err, storetest.ErrInjected) {
			t.Errorf("%s fails: %v", ops, err)
		}
	}
	if report := a.rebuild(into); len(report.Problems) != 0 || report.Packages != 3 {
		t.Errorf("%+v", report)
	}
}

// A package that is too large to be held in memory is read in blocks.
func TestRebuildOfLargePackage(t *testing.T) {
	a := newArchive(t)
	r := record("large")
	f, b := file(1, strings.Repeat("0123456789abcdef", 20<<20/16))
	r.Files = []preservation.File{f}
	a.keep(r, map[preservation.FileID][]byte{f.ID: b})
	into := newCatalog(t)
	if report := a.rebuild(into); len(report.Problems) > 0 || report.Packages != 1 {
		t.Fatalf("%+v", report)
	}
	_, at, err := into.File(t.Context(), r.ID, f.ID)
	a.must(err)
	body, err := a.bucket.Open(t.Context(), at.Key, at.VersionID, at.Pos, at.Size)
	a.must(err)
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, b) {
		t.Errorf("%d bytes at its place, %v", len(got), err)
	}
}

// A receipt whose signature is not the archive's vouches for nothing: the package
// is taken apart instead.
func TestRebuildChecksReceipts(t *testing.T) {
	a := newArchive(t)
	good, forged, flipped := a.simple("good"), a.simple("forged"), a.simple("flipped")
	a.flip(preservation.PackageKey(flipped.ID, 1), []byte("Inhalt von flipped"))
	o := options()
	sums := map[preservation.SubmissionID]string{}
	for _, r := range []preservation.Record{good, flipped} {
		objects, err := a.Objects(t.Context(), r.ID)
		a.must(err)
		sums[r.Submission] = fmt.Sprintf(`{"records":[{"package":{"key":%q,"sha256":%q}}]}`, objects[0].Key, objects[0].SHA256)
	}
	o.Receipt = func(jws string) ([]byte, error) {
		s, ok := sums[preservation.SubmissionID(strings.TrimPrefix(jws, "jws of "))]
		if !ok {
			return nil, errors.New("signature does not verify")
		}
		return []byte(s), nil
	}
	report, err := ledger.Rebuild(t.Context(), newCatalog(t), a.bucket, o)
	a.must(err)
	var got []string
	for _, p := range report.Problems {
		got = append(got, p.Code+" "+p.Subject)
	}
	slices.Sort(got)
	key := preservation.PackageKey(flipped.ID, 1)
	want := []string{"damaged-package " + key, "package-differs " + key, "receipt-invalid " + preservation.EventKey(forged.ID, string(forged.Submission))}
	if got = slices.Compact(got); !slices.Equal(got, want) || report.Packages != 3 {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
