package ledger_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
	"bestand/preservation/objectstore"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
)

const tenant = "musterstadt"

var agent = preservation.Agent{Type: preservation.Software, Name: "test", Version: "1"}

// archive is a tenant's catalog and bucket, filled as the service fills them.
type archive struct {
	*testing.T
	*catalog.Tenant
	bucket *s3.Bucket
	dir    string        // of the object store
	behind *minio.Client // another client of the same bucket, which does what no part of the archive does
	lock   preservation.Lock
	parent catalog.Submission // the package that records are kept out of
}

func newArchive(t *testing.T) *archive {
	a := &archive{T: t, Tenant: newCatalog(t), lock: preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}}
	srv := storetest.Embedded(t, func(o *objectstore.Options) { a.dir = o.Dir })
	var err error
	a.bucket, err = storetest.Client(t, srv).Bucket(t.Context(), "tenant-"+tenant)
	a.must(err)
	access, secret := srv.Credentials()
	socket := strings.TrimPrefix(srv.Endpoint(), "unix:")
	a.behind, err = minio.New("localhost", &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Region: "us-east-1", TrailingHeaders: true,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}}})
	a.must(err)
	return a
}

// newCatalog is an empty catalog that knows the tenant.
func newCatalog(t *testing.T) *catalog.Tenant {
	t.Helper()
	db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.RestoreTenant(t.Context(), catalog.TenantInfo{ID: tenant, Name: tenant}); err != nil {
		t.Fatal(err)
	}
	return db.Tenant(tenant)
}

func (a *archive) must(err error) {
	a.Helper()
	if err != nil {
		a.Fatal(err)
	}
}

// now is the time as the catalog keeps it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func event(kind preservation.EventType) preservation.Event {
	return preservation.Event{ID: preservation.NewID(now()), Type: kind, At: now(), Outcome: preservation.Success, Detail: "done", Agent: agent}
}

// put writes an object as the service does.
func (a *archive) put(key string, data []byte) preservation.Object {
	a.Helper()
	sum := sha256.Sum256(data)
	o, err := a.bucket.Put(a.Context(), key, bytes.NewReader(data),
		preservation.PutOptions{Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), Lock: a.lock, ContentType: "application/octet-stream"})
	a.must(err)
	return o
}

// happen stores an event object and notes it in the catalog.
func (a *archive) happen(id preservation.RecordID, e preservation.Event, body any) catalog.RecordObject {
	a.Helper()
	b, err := json.Marshal(body)
	a.must(err)
	data, sum, err := preservation.EventObject{Record: id, Event: e, Body: b}.Encode()
	a.must(err)
	o := a.put(preservation.EventKey(id, e.ID), data)
	return catalog.RecordObject{Key: o.Key, Kind: "event", Version: 1, VersionID: o.VersionID, Size: o.Size, SHA256: sum, Stored: o.Modified}
}

// file is a file of a record with its content.
func file(n int, content string) (preservation.File, []byte) {
	short, long := sha256.Sum256([]byte(content)), sha512.Sum512([]byte(content))
	return preservation.File{ID: preservation.NewFileID(n), Representation: preservation.Original, Name: fmt.Sprintf("datei-%d.txt", n), Size: int64(len(content)),
		Digests: preservation.Digests{SHA256: hex.EncodeToString(short[:]), SHA512: hex.EncodeToString(long[:])}, Format: preservation.Format{PUID: "x-fmt/111"}}, []byte(content)
}

// pack makes the package of a record version.
func (a *archive) pack(r *preservation.Record, content map[preservation.FileID][]byte, events ...preservation.Event) ([]byte, aip.Manifest) {
	a.Helper()
	for i := range r.Files {
		if r.Files[i].HeldIn == 0 {
			r.Files[i].Path = aip.DataPath(r.Files[i])
		}
	}
	var b bytes.Buffer
	m, err := aip.Write(a.Context(), &b, aip.Package{Record: *r, Events: events, Creator: agent,
		Content: func(id preservation.FileID) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content[id])), nil
		},
		Seal: func(_ context.Context, mets []byte) ([]byte, error) { return sealOf(mets), nil },
	})
	a.must(err)
	return b.Bytes(), m
}

// sealOf stands in for a signature over METS.
func sealOf(mets []byte) []byte { return fmt.Appendf(nil, "seal over %x", sha256.Sum256(mets)) }

// record is a record that was not packaged yet.
func record(source string) preservation.Record {
	return preservation.Record{ID: preservation.RecordID(preservation.NewID(now())), Tenant: tenant, Version: 1,
		Submission: preservation.SubmissionID(preservation.NewID(now())), Received: now(),
		Metadata: preservation.Metadata{Producer: "dms", ProducerRecordID: source, Class: "63.10", Title: "Bauantrag " + source, Kind: "file",
			Closed: preservation.Date{Year: 2015, Month: 11, Day: 30}, Keywords: []string{"Bau"}}}
}

// keep archives a record version from its reception to its receipt.
func (a *archive) keep(r preservation.Record, content map[preservation.FileID][]byte) preservation.Record {
	a.Helper()
	ctx := a.Context()
	s := catalog.Submission{ID: r.Submission, RecordID: r.ID, Version: r.Version, Metadata: r.Metadata, SubmittedBy: "dms-bauamt", Received: r.Received, Fingerprint: "f", Parent: a.parent.ID}
	received := event(preservation.EventReceive)
	a.must(a.CreateSubmission(ctx, s, received))
	a.must(a.BeginProcessing(ctx, s.ID))
	events := []preservation.Event{received, event(preservation.EventPackage)}
	a.must(a.AddSteps(ctx, s.ID, events...))
	zip, m := a.pack(&r, content, events...)
	o := a.put(preservation.PackageKey(r.ID, r.Version), zip)
	sum := sha256.Sum256(zip)
	c := catalog.Commit{Record: r, Events: events, Pos: map[preservation.FileID]int64{}, Lock: o.Lock,
		Package: catalog.RecordObject{Key: o.Key, Kind: "package", Version: r.Version, VersionID: o.VersionID, Size: o.Size, SHA256: hex.EncodeToString(sum[:]), Stored: o.Modified}}
	for _, e := range m.Entries {
		if e.File != "" {
			c.Pos[e.File] = e.Offset
		}
	}
	a.must(a.CommitRecord(ctx, c))
	a.receipt(r, c.Package.SHA256)
	return r
}

// receipt stores the receipt of a version and ends its submission.
func (a *archive) receipt(r preservation.Record, sum string) {
	a.Helper()
	stored := event(preservation.EventStore)
	stored.ID = string(r.Submission)
	problems := []preservation.Finding{{Code: "no-rendition", Severity: preservation.Notice, Detail: "x"}}
	at := a.happen(r.ID, stored, ledger.Receipt{JWS: "jws of " + string(r.Submission), Submission: r.Submission,
		Parent: a.parent.ID, ParentSource: a.parent.Metadata.ProducerRecordID, Version: r.Version, Fingerprint: "f",
		SubmittedBy: "dms-bauamt", Received: r.Received, Problems: problems, Package: preservation.PackageKey(r.ID, r.Version), PackageSHA256: sum})
	at.Version = r.Version
	a.must(a.FinishSubmission(a.Context(), r.Submission, "jws of "+string(r.Submission), at, problems, stored))
}

// configure stores a version of a document.
func (a *archive) configure(kind, name string, version int, body string) {
	a.Helper()
	at := now()
	d := catalog.Document{Kind: kind, Name: name, Version: version, Key: preservation.ConfigKey(preservation.NewID(at)), Body: json.RawMessage(body), Actor: "anna", At: at.UnixMilli()}
	data, _, err := preservation.ConfigObject{Kind: kind, Name: name, Version: version, At: d.At, Actor: d.Actor, Body: d.Body}.Encode()
	a.must(err)
	a.put(d.Key, data)
	a.must(a.Update(a.Context(), func(x *catalog.Tx) error { return x.RestoreDocument(d) }))
}

// tombstone destroys a record in the catalog and says so in the bucket, whose
// objects stay for the caller to purge.
func (a *archive) tombstone(id preservation.RecordID) {
	a.Helper()
	e := event(preservation.EventDelete)
	stone := catalog.Tombstone{Record: id, Class: "63.10", Reason: "retention ended", Actor: "system", Destroyed: e.At, Versions: 1, Key: preservation.EventKey(id, e.ID)}
	a.happen(id, e, stone)
	a.must(a.Update(a.Context(), func(x *catalog.Tx) error { return x.Destroy(stone) }))
}

// annotation is what an event adds to a record.
func annotation(id preservation.RecordID, e preservation.Event, body json.RawMessage) catalog.Annotation {
	return catalog.Annotation{ID: e.ID, Record: id, Kind: catalog.Reclassification, Body: body, Actor: "anna", At: e.At, Key: preservation.EventKey(id, e.ID)}
}

// options are how the test tells triggers, annotations and remains, in place of package retention.
func options() ledger.Options {
	return ledger.Options{
		Parallel: 4,
		Seal: func(content io.Reader, seal []byte) []preservation.Finding {
			data, err := io.ReadAll(content)
			if err == nil && (string(seal) == "seal" || bytes.Equal(seal, sealOf(data))) {
				return nil
			}
			return []preservation.Finding{{Code: "signature-invalid", Severity: preservation.Failed, Detail: "not by us"}}
		},
		Annotation: func(e preservation.EventObject) (catalog.Annotation, bool) {
			return annotation(e.Record, e.Event, e.Body), e.Event.Type == preservation.EventReclassify
		},
		Trigger: func(e preservation.EventObject) (g catalog.Trigger, ok bool) {
			ok = e.Event.Type == preservation.EventRetention && json.Unmarshal(e.Body, &g) == nil
			return g, ok
		},
		Remains: func(events []preservation.EventObject) (stone catalog.Tombstone, ok bool) {
			for _, e := range events {
				if e.Event.Type == preservation.EventDelete {
					return stone, json.Unmarshal(e.Body, &stone) == nil
				}
			}
			return stone, false
		},
	}
}

// rebuild restores into a catalog, which must succeed.
func (a *archive) rebuild(into *catalog.Tenant) ledger.Report {
	a.Helper()
	report, err := ledger.Rebuild(a.Context(), into, a.bucket, options())
	a.must(err)
	return report
}
