package fixity_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
	"bestand/preservation/ledger"
	"bestand/preservation/objectstore"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
)

// archived is one record in a real object store, whose files the test can reach
// behind the server's back.
type archived struct {
	db      *catalog.DB
	tenant  *catalog.Tenant
	bucket  *s3.Bucket
	id      preservation.RecordID
	receipt string        // key
	behind  *minio.Client // another client of the bucket, which does what no part of the archive does
	file    string        // file of the package in the store's folder
	objects string        // folder of the bucket in it
	catalog string        // file of the database
}

func archive(t testing.TB) archived {
	t.Helper()
	return archiveOf(t, []byte("Die Baugenehmigung wird erteilt."))
}

func archiveOf(t testing.TB, content []byte) archived {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	site := storetest.OwnSite(t)
	a := archived{bucket: site.Bucket, behind: behind(t, site.Server), objects: site.Dir}
	a.catalog = filepath.Join(t.TempDir(), "catalog.db")
	db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + a.catalog})
	must(err)
	t.Cleanup(func() { db.Close() })
	must(db.RestoreTenant(t.Context(), catalog.TenantInfo{ID: "musterstadt", Name: "Musterstadt"}))
	a.db, a.tenant = db, db.Tenant("musterstadt")

	now := time.Now().UTC().Truncate(time.Millisecond)
	short, long := sha256.Sum256(content), sha512.Sum512(content)
	f := preservation.File{ID: "f0001", Representation: preservation.Original, Name: "bescheid.txt", Size: int64(len(content)),
		Digests: preservation.Digests{SHA256: hex.EncodeToString(short[:]), SHA512: hex.EncodeToString(long[:])}}
	f.Path = aip.DataPath(f)
	a.id = preservation.RecordID(preservation.NewID(now))
	rec := preservation.Record{ID: a.id, Tenant: "musterstadt", Version: 1, Submission: preservation.SubmissionID(preservation.NewID(now)), Received: now,
		Metadata: preservation.Metadata{Producer: "dms", ProducerRecordID: "1", Class: "63.10", Title: "Bauantrag"}, Files: []preservation.File{f}}
	var b bytes.Buffer
	m, err := aip.Write(t.Context(), &b, aip.Package{Record: rec, Creator: preservation.Agent{Type: preservation.Software, Name: "test", Version: "1"},
		Content: func(preservation.FileID) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
		Seal:    func(context.Context, []byte) ([]byte, error) { return []byte("seal"), nil }})
	must(err)
	sum := sha256.Sum256(b.Bytes())
	key := preservation.PackageKey(a.id, 1)
	must(a.tenant.CreateSubmission(t.Context(), catalog.Submission{ID: rec.Submission, RecordID: rec.ID, Metadata: rec.Metadata, Received: now}))
	must(a.tenant.BeginProcessing(t.Context(), rec.Submission))
	lock := preservation.Lock{Mode: preservation.Compliance, Until: now.Add(time.Hour).Truncate(time.Second)}
	o, err := a.bucket.Put(t.Context(), key, bytes.NewReader(b.Bytes()), preservation.PutOptions{Size: int64(b.Len()), SHA256: hex.EncodeToString(sum[:]), Lock: lock})
	must(err)
	pos, _ := m.File("f0001")
	must(a.tenant.CommitRecord(t.Context(), catalog.Commit{Record: rec, Lock: lock, Pos: map[preservation.FileID]int64{"f0001": pos.Offset},
		Package: catalog.RecordObject{Key: key, Kind: "package", Version: 1, VersionID: o.VersionID, Size: o.Size, SHA256: hex.EncodeToString(sum[:]), Stored: o.Modified}}))
	stored := preservation.Event{ID: string(rec.Submission), Type: preservation.EventStore, At: now, Outcome: preservation.Success, Agent: preservation.Agent{Type: preservation.Software, Name: "test"}}
	body, err := json.Marshal(ledger.Receipt{JWS: "signed", Submission: rec.Submission, Version: 1, Package: key, PackageSHA256: hex.EncodeToString(sum[:])})
	must(err)
	data, digest, err := preservation.EventObject{Record: a.id, Event: stored, Body: body}.Encode()
	must(err)
	a.receipt = preservation.EventKey(a.id, stored.ID)
	o, err = a.bucket.Put(t.Context(), a.receipt, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: digest, Lock: lock})
	must(err)
	must(a.tenant.FinishSubmission(t.Context(), rec.Submission, "signed", catalog.RecordObject{Key: a.receipt, Kind: "event", Version: 1, VersionID: o.VersionID, Size: o.Size, SHA256: digest, Stored: o.Modified}, nil, stored))
	a.file = a.object(key)
	return a
}

// behind is a client of a store of no part of the archive.
func behind(t testing.TB, srv *objectstore.Server) *minio.Client {
	t.Helper()
	access, secret := srv.Credentials()
	c, err := minio.New("localhost", &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Region: "us-east-1", TrailingHeaders: true,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(srv.Endpoint(), "unix:"))
		}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// object is the file of an object.
func (a archived) object(key string) string { return filepath.Join(a.objects, key) }

// edit changes a file in place, as a disk or a person with root would, and
// leaves its extended attributes as they are.
func edit(t *testing.T, path string, fn func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, fn(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRecord(t *testing.T) {
	row := func(query string) func(*testing.T, archived) {
		return func(t *testing.T, a archived) {
			db, err := sql.Open("sqlite", a.catalog)
			if err == nil {
				_, err = db.Exec(query)
				db.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name   string
		damage func(*testing.T, archived)
		want   []string // codes of failed findings, each at least once
	}{
		{"intact", func(*testing.T, archived) {}, nil},
		{"flipped bit", func(t *testing.T, a archived) { edit(t, a.file, flipBit) }, []string{fixity.CodeObjectDigest, aip.CodeDigest}},
		{"cut off", func(t *testing.T, a archived) { edit(t, a.file, func(b []byte) []byte { return b[:len(b)-100] }) },
			[]string{fixity.CodeObjectSize, fixity.CodeObjectDigest, aip.CodeNotPackage}},
		{"removed", func(t *testing.T, a archived) {
			if err := os.Remove(a.file); err != nil {
				t.Fatal(err)
			}
		}, []string{fixity.CodeObjectGone}},
		{"lock taken off", func(t *testing.T, a archived) {
			if err := unix.Removexattr(a.file, "user.object-retention"); err != nil {
				t.Fatal(err)
			}
		}, []string{fixity.CodeLockGone}},
		{"another version on top", func(t *testing.T, a archived) {
			over := []byte("darüber")
			if _, err := a.behind.PutObject(t.Context(), a.bucket.Name(), preservation.PackageKey(a.id, 1), bytes.NewReader(over), int64(len(over)),
				minio.PutObjectOptions{DisableContentSha256: true, Checksum: minio.ChecksumSHA256}); err != nil {
				t.Fatal(err)
			}
		}, []string{fixity.CodeSurplus}},
		{"receipt hidden", func(t *testing.T, a archived) {
			if err := a.behind.RemoveObject(t.Context(), a.bucket.Name(), a.receipt, minio.RemoveObjectOptions{}); err != nil {
				t.Fatal(err)
			}
		}, []string{fixity.CodeSurplus}},
		{"receipt of other bytes", row(`UPDATE record_object SET sha256 = '00' WHERE kind = 'event'`), []string{fixity.CodeCatalogState}},
		{"name changed by hand", row(`UPDATE file SET name = CAST('anderer.txt' AS BLOB)`), []string{fixity.CodeCatalogFile}},
		{"digest changed by hand", row(`UPDATE file SET sha256 = '00'`), []string{fixity.CodeCatalogFile}},
		{"title changed by hand", row(`UPDATE record SET metadata = replace(metadata, 'Bauantrag', 'Abriss')`), []string{fixity.CodeCatalogMeta}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := archive(t)
			c.damage(t, a)
			checker := fixity.Checker{Dir: t.TempDir(), Now: time.Now, Seal: func(io.Reader, []byte) []preservation.Finding { return nil }}
			found, err := checker.Record(t.Context(), a.tenant, a.bucket, a.id)
			if err != nil {
				t.Fatal(err)
			}
			failed, passed := map[string]bool{}, false
			for _, f := range found {
				if f.Severity == preservation.Failed {
					failed[f.Code] = true
				}
				passed = passed || f.Code == fixity.CodeIntact
			}
			for _, code := range c.want {
				if !failed[code] {
					t.Errorf("no finding %s in %v", code, found)
				}
			}
			if passed != (len(c.want) == 0) || len(failed) > 0 != (len(c.want) > 0) {
				t.Errorf("passed %v with %v", passed, found)
			}
		})
	}
}

// TestUnreachable: a store that cannot be asked is no verdict on the record.
func TestUnreachable(t *testing.T) {
	a := archive(t)
	broken := &storetest.Fault{Store: a.bucket}
	broken.Add(storetest.Plan{Op: storetest.OpOpen, Err: io.ErrUnexpectedEOF})
	checker := fixity.Checker{Dir: t.TempDir(), Now: time.Now}
	if found, err := checker.Record(t.Context(), a.tenant, broken, a.id); err == nil {
		t.Fatalf("no error, but %v", found)
	}
}
