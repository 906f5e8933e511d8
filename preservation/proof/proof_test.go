package proof_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
	"bestand/preservation/pki"
	"bestand/preservation/proof"
	"bestand/preservation/storetest"
	"bestand/preservation/timestamp"
)

const tenant = "musterstadt"

// archive is a tenant's catalog and bucket with a notary.
type archive struct {
	testing.TB
	*catalog.Tenant
	notary *proof.Notary
	bucket preservation.Store
	keys   *pki.PKI
	trust  *x509.CertPool // of all keys so far
	now    time.Time      // zero: that of the machine
	lock   preservation.Lock
	tsa    *authority
	strong pki.Algorithm // of new keys
	sealed bool          // packages get a seal, of level B-B
}

// authority stamps until it is told to fail.
type authority struct {
	*timestamp.Authority
	fail  error
	asked int
}

func (a *authority) Stamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	a.asked++
	if a.fail != nil {
		return nil, a.fail
	}
	return a.Authority.Stamp(ctx, h, digest)
}

func newArchive(t testing.TB) *archive {
	a := &archive{TB: t, Tenant: newCatalog(t), lock: preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(time.Hour).UTC().Truncate(time.Second)}}
	bucket, err := storetest.Client(t, storetest.Embedded(t)).Bucket(t.Context(), "tenant-"+tenant)
	a.must(err)
	a.bucket = bucket
	a.trust, a.tsa = x509.NewCertPool(), &authority{}
	a.newKeys()
	a.notary = a.newNotary()
	return a
}

func (a *archive) clock() time.Time {
	if a.now.IsZero() {
		return time.Now()
	}
	a.now = a.now.Add(time.Second)
	return a.now
}

// newKeys gives the authority keys that begin to be valid.
func (a *archive) newKeys() {
	a.Helper()
	var err error
	a.keys, err = pki.Open(filepath.Join(a.TempDir(), "keys"), a.clock(), pki.Options{Algorithm: a.strong})
	a.must(err)
	a.trust.AddCert(a.keys.CA.Certificate())
	a.tsa.Authority, err = timestamp.NewAuthority(timestamp.Config{Signer: a.keys.TSA.Signer, Chain: append(a.keys.TSA.Chain[:1:1], a.keys.CA.Certificate()), Now: a.clock})
	a.must(err)
}

func (a *archive) newNotary() *proof.Notary {
	return &proof.Notary{
		Store:   func(context.Context, *catalog.Tenant) (preservation.Store, error) { return a.bucket, nil },
		Lock:    func(context.Context, *catalog.Tenant) (preservation.Lock, error) { return a.lock, nil },
		Stamper: a.tsa, Roots: a.trust, Now: a.clock, Log: slog.New(slog.DiscardHandler),
		Revocation: func(context.Context, []byte) ([][]byte, error) {
			crl, err := a.keys.CRL(a.clock())
			return [][]byte{crl}, err
		},
	}
}

func newCatalog(t testing.TB) *catalog.Tenant {
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

// archived puts a record of some files into bucket and catalog.
func (a *archive) archived(files int) (catalog.Commit, []byte) {
	a.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	r := preservation.Record{ID: preservation.RecordID(preservation.NewID(now)), Tenant: tenant, Version: 1,
		Submission: preservation.SubmissionID(preservation.NewID(now)), Received: now,
		Metadata: preservation.Metadata{Producer: "dms", Kind: "file", Class: "63.10", Title: "Bauantrag", Confidentiality: "internal"}}
	content := map[preservation.FileID][]byte{}
	for n := range files {
		b := fmt.Appendf(nil, "%s, Anlage %d", r.ID, n)
		short, long := sha256.Sum256(b), sha512.Sum512(b)
		f := preservation.File{ID: preservation.NewFileID(n + 1), Representation: preservation.Original, Name: fmt.Sprintf("anlage-%d.txt", n), Size: int64(len(b)),
			Digests: preservation.Digests{SHA256: hex.EncodeToString(short[:]), SHA512: hex.EncodeToString(long[:])}, Format: preservation.Format{PUID: "x-fmt/111"}}
		f.Path = aip.DataPath(f)
		r.Files, content[f.ID] = append(r.Files, f), b
	}
	agent := preservation.Agent{Type: preservation.Software, Name: "test", Version: "1"}
	var b bytes.Buffer
	_, err := aip.Write(a.Context(), &b, aip.Package{Record: r, Creator: agent,
		Events: []preservation.Event{{ID: preservation.NewID(now), Type: preservation.EventReceive, At: now, Outcome: preservation.Success, Agent: agent}},
		Content: func(id preservation.FileID) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content[id])), nil
		},
		Seal: func(ctx context.Context, mets []byte) ([]byte, error) {
			if a.sealed {
				return a.seal(ctx, mets)
			}
			return []byte("seal"), nil
		},
	})
	a.must(err)
	sum := sha256.Sum256(b.Bytes())
	o, err := a.bucket.Put(a.Context(), preservation.PackageKey(r.ID, 1), bytes.NewReader(b.Bytes()),
		preservation.PutOptions{Size: int64(b.Len()), SHA256: hex.EncodeToString(sum[:]), Lock: a.lock, ContentType: aip.MediaType})
	a.must(err)
	c := catalog.Commit{Record: r, Lock: a.lock, Package: catalog.RecordObject{Key: o.Key, Kind: "package", Version: 1, VersionID: o.VersionID,
		Size: o.Size, SHA256: hex.EncodeToString(sum[:]), Stored: o.Modified}}
	a.must(a.CommitRecord(a.Context(), c))
	return c, b.Bytes()
}

// proves checks a record with all that is in its package, by the tool that others
// have: nothing but the bytes.
func (a *archive) proves(t *catalog.Tenant, id preservation.RecordID, pkg []byte) {
	a.Helper()
	r, err := a.notary.Record(a.Context(), t, id, 1)
	a.must(err)
	read, err := evidence.Decode(r.Encode())
	a.must(err)
	p, err := aip.Open(bytes.NewReader(pkg), int64(len(pkg)))
	a.must(err)
	m, err := p.Manifest()
	a.must(err)
	var all []evidence.Object
	for _, e := range m.Entries {
		content := pkg[e.Offset : e.Offset+e.Size]
		all = append(all, evidence.Object{Name: e.Path, Digest: func(h crypto.Hash) ([]byte, error) {
			w := h.New()
			w.Write(content)
			return w.Sum(nil), nil
		}})
	}
	for _, f := range read.Verify(all, evidence.Check{Trust: timestamp.Trust{Roots: a.trust}, At: a.clock(), Group: true, Suitable: a.notary.Suitable}) {
		if f.Severity != preservation.Passed {
			a.Errorf("record %s: %+v", id, f)
		}
	}
}

func TestBatch(t *testing.T) {
	a := newArchive(t)
	packages := map[preservation.RecordID][]byte{}
	for round := range 3 {
		for n := range 1 + 4*round {
			c, b := a.archived(1 + n%3)
			packages[c.Record.ID] = b
			if _, err := a.notary.Record(t.Context(), a.Tenant, c.Record.ID, 1); !errors.Is(err, proof.ErrPending) {
				t.Fatalf("before the batch: %v", err)
			}
		}
		n, err := a.notary.Batch(t.Context(), a.Tenant)
		a.must(err)
		if n != 1+4*round {
			t.Errorf("%d versions stamped", n)
		}
	}
	if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 0 || err != nil {
		t.Errorf("nothing to stamp: %d, %v", n, err)
	}
	if a.tsa.asked != 3 {
		t.Errorf("%d tokens for three batches", a.tsa.asked)
	}
	for id, pkg := range packages {
		a.proves(a.Tenant, id, pkg)
		e, err := a.EntriesByID(t.Context(), []preservation.RecordID{id})
		a.must(err)
		if len(e) != 1 || e[0].Evidence != "stamped" {
			t.Errorf("record %s is %q", id, e[0].Evidence)
		}
	}
}

// TestRestore proves the same records from the bucket alone.
func TestRestore(t *testing.T) {
	a := newArchive(t)
	packages := map[preservation.RecordID][]byte{}
	var commits []catalog.Commit
	for range 7 {
		c, b := a.archived(2)
		packages[c.Record.ID] = b
		commits = append(commits, c)
	}
	_, err := a.notary.Batch(t.Context(), a.Tenant)
	a.must(err)
	fresh := newCatalog(t)
	a.must(fresh.CommitRecords(t.Context(), commits...))
	for range 2 {
		n, problems, err := a.notary.Restore(t.Context(), fresh)
		a.must(err)
		if n != 1 || len(problems) > 0 {
			t.Errorf("%d stamps, %v", n, problems)
		}
	}
	for id, pkg := range packages {
		a.proves(fresh, id, pkg)
	}
	if n, err := a.notary.Batch(t.Context(), fresh); n != 0 || err != nil {
		t.Errorf("stamped again: %d, %v", n, err)
	}
}

// TestAuthorityAway lets the authority fail: the batch waits, and nothing is lost
// or stamped twice.
func TestAuthorityAway(t *testing.T) {
	a := newArchive(t)
	c, pkg := a.archived(1)
	a.tsa.fail = preservation.Down(preservation.PartTSA, errors.New("no answer"))
	for range 3 {
		if _, err := a.notary.Batch(t.Context(), a.Tenant); !errors.Is(err, preservation.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	a.tsa.fail = nil
	later, more := a.archived(2)
	if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	a.proves(a.Tenant, c.Record.ID, pkg)
	a.proves(a.Tenant, later.Record.ID, more)
	var keys []string
	for o, err := range a.bucket.Versions(t.Context(), preservation.StampPrefix) {
		a.must(err)
		keys = append(keys, filepath.Base(o.Key))
	}
	if want := []string{"leaves.txt", "token.tst", "leaves.txt", "token.tst"}; !slices.Equal(keys, want) {
		t.Errorf("bucket holds %v", keys)
	}
}

// TestDestroyed destroys one record of a batch: the others stay proved, from the
// bucket alone as well, and its leaf stays known.
func TestDestroyed(t *testing.T) {
	a := newArchive(t)
	packages := map[preservation.RecordID][]byte{}
	var commits []catalog.Commit
	for range 5 {
		c, b := a.archived(2)
		packages[c.Record.ID] = b
		commits = append(commits, c)
	}
	_, err := a.notary.Batch(t.Context(), a.Tenant)
	a.must(err)
	gone := commits[2].Record.ID
	leaves, err := a.View().StampedLeaves(t.Context(), gone)
	a.must(err)
	if len(leaves) != 1 || len(leaves[0]) != 64 {
		t.Errorf("leaves %v", leaves)
	}
	a.must(a.Update(t.Context(), func(x *catalog.Tx) error {
		return x.Destroy(catalog.Tombstone{Record: gone, Class: "63.10", Reason: "retention ended", Actor: "system", Destroyed: time.Now(), Versions: 1, Leaves: leaves})
	}))
	delete(packages, gone)
	if _, err := a.notary.Record(t.Context(), a.Tenant, gone, 1); err == nil {
		t.Error("a destroyed record is proved")
	}
	fresh := newCatalog(t)
	a.must(fresh.CommitRecords(t.Context(), slices.Delete(slices.Clone(commits), 2, 3)...))
	if _, problems, err := a.notary.Restore(t.Context(), fresh); err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	for id, pkg := range packages {
		a.proves(a.Tenant, id, pkg)
		a.proves(fresh, id, pkg)
	}
}

// TestRenew keeps records for twenty years with an authority that changes its
// keys: every time the old ones end all tokens are covered by one new one.
func TestRenew(t *testing.T) {
	a := newArchive(t)
	a.now = time.Now()
	packages := map[preservation.RecordID][]byte{}
	add := func() {
		for range 3 {
			c, b := a.archived(2)
			packages[c.Record.ID] = b
		}
		if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 3 || err != nil {
			t.Fatal(n, err)
		}
	}
	add()
	for n, want := range []int{2, 3, 3, 3} { // two batches each time, and the renewal before
		add()
		if n, err := a.notary.Renew(t.Context(), a.Tenant); n != 0 || err != nil {
			t.Fatalf("before its time: %d, %v", n, err)
		}
		a.now = a.now.AddDate(4, 9, 0)
		due, err := a.notary.Due(t.Context(), a.Tenant, a.now)
		a.must(err)
		if len(due) != 1 || due[0].Stamps != want || due[0].Why == "" {
			t.Errorf("due: %+v", due)
		}
		a.now = a.now.Add(2 * time.Hour) // until the next trial
		a.newKeys()
		asked := a.tsa.asked
		if got, err := a.notary.Renew(t.Context(), a.Tenant); got != want || err != nil || a.tsa.asked != asked+2 { // one of them on trial
			t.Fatalf("renewal %d: %d tokens with %d requests, %v", n, got, a.tsa.asked-asked, err)
		}
		for id, pkg := range packages {
			a.proves(a.Tenant, id, pkg)
		}
		if n < 3 {
			add()
		}
	}
	a.restored(packages)
}

// restored proves records from the bucket alone.
func (a *archive) restored(packages map[preservation.RecordID][]byte) *catalog.Tenant {
	a.Helper()
	fresh := newCatalog(a)
	for id := range packages {
		e, err := a.EntriesByID(a.Context(), []preservation.RecordID{id})
		a.must(err)
		o, err := a.Objects(a.Context(), id)
		a.must(err)
		a.must(fresh.CommitRecord(a.Context(), catalog.Commit{Record: e[0].Record, Lock: a.lock, Package: o[0]}))
	}
	if _, problems, err := a.notary.Restore(a.Context(), fresh); err != nil || len(problems) > 0 {
		a.Fatal(problems, err)
	}
	for id, pkg := range packages {
		a.proves(fresh, id, pkg)
	}
	return fresh
}

// TestTwoNotaries has two programs stamp over one catalog while records come.
func TestTwoNotaries(t *testing.T) {
	a := newArchive(t)
	packages := map[preservation.RecordID][]byte{}
	for range 12 {
		c, b := a.archived(1)
		packages[c.Record.ID] = b
	}
	other := a.newNotary()
	a.notary.Most, other.Most = 3, 5
	var g errgroup.Group
	for _, n := range []*proof.Notary{a.notary, other} {
		g.Go(func() error {
			_, err := n.Batch(t.Context(), a.Tenant)
			return err
		})
	}
	a.must(g.Wait())
	if _, err := a.notary.Batch(t.Context(), a.Tenant); err != nil {
		t.Fatal(err)
	}
	for id, pkg := range packages {
		a.proves(a.Tenant, id, pkg)
	}
	q, err := a.View().StampQueue(t.Context())
	a.must(err)
	open, err := a.View().OpenStamps(t.Context())
	a.must(err)
	if q.Waiting != 0 || len(open) != 0 {
		t.Errorf("%+v, %d open", q, len(open))
	}
}

// TestLate adds leaves to a stamp that somebody else has ended meanwhile.
func TestLate(t *testing.T) {
	a := newArchive(t)
	c, _ := a.archived(1)
	now := time.Now()
	s := catalog.Stamp{ID: preservation.NewID(now), Kind: catalog.StampRecords, Digest: crypto.SHA256.String(), Opened: now}
	leaf := catalog.StampLeaf{Subject: string(c.Record.ID), Version: 1, Digest: make([]byte, 32)}
	a.must(a.Update(t.Context(), func(x *catalog.Tx) error { return x.OpenStamp(s) }))
	a.must(a.Update(t.Context(), func(x *catalog.Tx) error { return x.FillStamp(s.ID) })) // empty: gone
	err := a.Update(t.Context(), func(x *catalog.Tx) error { return x.AddLeaves(s, []catalog.StampLeaf{leaf}) })
	if !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("leaves of a stamp that is gone: %v", err)
	}
	if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 1 || err != nil {
		t.Errorf("the version is stamped by %d, %v", n, err)
	}
}

// TestFailedRenewals fails several times: one token covers all in the end.
func TestFailedRenewals(t *testing.T) {
	a := newArchive(t)
	a.now = time.Now()
	c, pkg := a.archived(1)
	if _, err := a.notary.Batch(t.Context(), a.Tenant); err != nil {
		t.Fatal(err)
	}
	a.now = a.now.AddDate(4, 9, 0)
	a.newKeys()
	a.tsa.fail = preservation.Down(preservation.PartTSA, errors.New("no answer"))
	for range 4 {
		if _, err := a.notary.Renew(t.Context(), a.Tenant); !errors.Is(err, preservation.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if open, err := a.View().OpenStamps(t.Context()); err != nil || len(open) != 1 {
		t.Errorf("%d open, %v", len(open), err)
	}
	a.tsa.fail = nil
	if _, err := a.notary.Renew(t.Context(), a.Tenant); err != nil {
		t.Fatal(err)
	}
	if due, err := a.notary.Due(t.Context(), a.Tenant, a.now); err != nil || len(due) != 0 {
		t.Errorf("still due: %+v, %v", due, err)
	}
	a.proves(a.Tenant, c.Record.ID, pkg)
}

// TestRenewalThatWouldNotHelp: the authority still has its old keys.
func TestRenewalThatWouldNotHelp(t *testing.T) {
	a := newArchive(t)
	a.now = time.Now()
	add := func() {
		a.archived(1)
		if _, err := a.notary.Batch(t.Context(), a.Tenant); err != nil {
			t.Fatal(err)
		}
	}
	add()
	a.now = a.now.AddDate(4, 9, 0)
	add()
	for range 4 {
		if n, err := a.notary.Renew(t.Context(), a.Tenant); n != 0 || err != nil {
			t.Fatalf("%d renewed, %v", n, err)
		}
		a.now = a.now.AddDate(0, 0, 1)
	}
	a.newKeys()
	add()
	if n, err := a.notary.Renew(t.Context(), a.Tenant); n != 3 || err != nil {
		t.Errorf("%d renewed, %v", n, err)
	}
}

// TestRenewalByAnotherAuthority: nothing new is stamped, and the time-stamps of an authority
// that ends are renewed by those of another one all the same, once that is the one in use.
func TestRenewalByAnotherAuthority(t *testing.T) {
	a := newArchive(t)
	a.now = time.Now()
	c, pkg := a.archived(1)
	a.now = a.now.AddDate(4, 9, 0) // the authority has a quarter of a year left
	if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	a.now = a.now.AddDate(0, 0, 2)
	for range 3 {
		if n, err := a.notary.Renew(t.Context(), a.Tenant); n != 0 || err != nil {
			t.Fatalf("%d renewed by the authority that ends, %v", n, err)
		}
	}
	due, err := a.notary.Due(t.Context(), a.Tenant, a.now)
	if err != nil || len(due) != 1 || !strings.Contains(due[0].Waits, "--tsa-url") {
		t.Errorf("%+v, %v", due, err)
	}
	if open, err := a.View().OpenStamps(t.Context()); err != nil || len(open) > 0 {
		t.Errorf("a trial left %d stamps, %v", len(open), err)
	}
	asked := a.tsa.asked
	for range 3 {
		if _, err := a.notary.Due(t.Context(), a.Tenant, a.now); err != nil || a.tsa.asked != asked {
			t.Errorf("to ask what is due costs %d time-stamps, %v", a.tsa.asked-asked, err)
		}
		for _, job := range []func(context.Context, *catalog.Tenant) (int, error){a.notary.Renew, a.notary.Rehash} {
			if _, err := job(t.Context(), a.Tenant); err != nil || a.tsa.asked != asked {
				t.Errorf("a job that waits costs %d time-stamps, %v", a.tsa.asked-asked, err)
			}
		}
	}
	a.newKeys()
	a.now = a.now.Add(2 * time.Hour)
	if n, err := a.notary.Renew(t.Context(), a.Tenant); n != 1 || err != nil {
		t.Errorf("%d renewed by another authority, %v", n, err)
	}
	if due, err := a.notary.Due(t.Context(), a.Tenant, a.now); err != nil || len(due) > 0 {
		t.Errorf("still due: %+v, %v", due, err)
	}
	a.proves(a.Tenant, c.Record.ID, pkg)
}
