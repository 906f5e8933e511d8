package proof_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"iter"
	"path"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

var errAway = preservation.Down(preservation.PartTSA, errors.New("no answer"))

// old is an archive of 2027 with three records in a batch under SHA-256, which ends
// with 2031, as the certificates do.
func old(t *testing.T) (*archive, map[preservation.RecordID][]byte) {
	a := newArchive(t)
	a.now = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	a.strong = pki.ECP384
	a.newKeys()
	a.notary.Suitable = table(t, map[string]string{"SHA-256": "2031-12-31"})
	packages := map[preservation.RecordID][]byte{}
	for range 3 {
		c, b := a.archived(2)
		packages[c.Record.ID] = b
	}
	a.batch(3)
	return a, packages
}

func (a *archive) batch(want int) {
	a.Helper()
	if n, err := a.notary.Batch(a.Context(), a.Tenant); n != want || err != nil {
		a.Fatalf("%d versions stamped, want %d: %v", n, want, err)
	}
}

func (a *archive) renew(t *catalog.Tenant, tokens int) {
	a.Helper()
	if n, err := a.notary.Renew(a.Context(), t); n != tokens || err != nil {
		a.Fatalf("%d tokens renewed, want %d: %v", n, tokens, err)
	}
}

func (a *archive) rehash(t *catalog.Tenant, versions int) {
	a.Helper()
	if n, err := a.notary.Rehash(a.Context(), t); n != versions || err != nil {
		a.Fatalf("%d versions renewed, want %d: %v", n, versions, err)
	}
}

func (a *archive) at(year int, month time.Month) {
	a.now = time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
}

// TestForgottenRenewals goes back to an older copy of the catalog, which renews once
// more what was renewed; a rebuild then finds both.
func TestForgottenRenewals(t *testing.T) {
	t.Run("hash trees", func(t *testing.T) {
		a, packages := old(t)
		copied := a.restored(packages)
		a.at(2031, 9)
		a.newKeys()
		a.rehash(a.Tenant, 3)
		a.rehash(copied, 3)
		a.restored(packages)
	})
	t.Run("time-stamps", func(t *testing.T) {
		a, packages := old(t)
		a.notary.Suitable = nil
		copied := a.restored(packages)
		a.at(2031, 9)
		a.newKeys()
		a.renew(a.Tenant, 1)
		a.renew(copied, 1)
		a.at(2036, 6)
		a.newKeys()
		a.renew(copied, 1)
		a.at(2037, 6) // only what the copy renewed has not ended
		a.restored(packages)
	})
	t.Run("both", func(t *testing.T) {
		a, packages := old(t)
		a.notary.Suitable = table(t, map[string]string{"SHA-256": "2033-12-31"})
		copied := a.restored(packages)
		a.at(2031, 9)
		a.newKeys()
		a.renew(a.Tenant, 1)
		a.renew(copied, 1)
		a.at(2033, 9)
		a.rehash(copied, 3)
		a.restored(packages)
	})
}

// TestStampThatCannotEnd has other leaves in the bucket than in the catalog: the
// stamp is given up, its versions get another, and renewals go on.
func TestStampThatCannotEnd(t *testing.T) {
	a, packages := old(t)
	c, b := a.archived(1)
	packages[c.Record.ID] = b
	a.tsa.fail = errAway
	if _, err := a.notary.Batch(t.Context(), a.Tenant); !errors.Is(err, preservation.ErrUnavailable) {
		t.Fatal(err)
	}
	if q, err := a.View().StampQueue(t.Context()); q.Waiting != 1 || q.Oldest.IsZero() || err != nil {
		t.Errorf("while the authority is away: %+v, %v", q, err)
	}
	a.tsa.fail = nil
	open, err := a.View().OpenStamps(t.Context())
	a.must(err)
	a.bucket = &altered{Store: a.bucket, stamp: open[0].ID, only: "leaves.txt", change: func(leaves, token string) (string, string) { return flip(leaves), token }}
	a.batch(1)
	a.at(2031, 9)
	a.newKeys()
	a.renew(a.Tenant, 2)
	a.rehash(a.Tenant, 4)
	a.at(2033, 9)
	for id, pkg := range packages {
		a.proves(a.Tenant, id, pkg)
	}
}

// TestRefusedDigest: the authority stamps no SHA-256 any more.
func TestRefusedDigest(t *testing.T) {
	a := newArchive(t)
	a.archived(1)
	a.notary.Stamper = choosy{a.tsa}
	if _, err := a.notary.Batch(t.Context(), a.Tenant); !errors.Is(err, timestamp.ErrRefused) {
		t.Fatal(err)
	}
	a.notary.Digest = crypto.SHA512
	a.archived(1)
	a.batch(2)
	if q, err := a.View().StampQueue(t.Context()); q.Waiting != 0 || err != nil {
		t.Errorf("%+v, %v", q, err)
	}
}

type choosy struct{ *authority }

func (c choosy) Stamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	if h == crypto.SHA256 {
		return nil, preservation.Down(preservation.PartTSA, timestamp.ErrRefused)
	}
	return c.authority.Stamp(ctx, h, digest)
}

// TestLateHashTreeRenewal gets no token for a hash-tree renewal until certificates
// have ended: a time-stamp renewal beside it took over in time, and goes on counting.
func TestLateHashTreeRenewal(t *testing.T) {
	a, packages := old(t)
	a.at(2031, 12)
	a.newKeys()
	a.tsa.fail = errAway
	if _, err := a.notary.Rehash(t.Context(), a.Tenant); !errors.Is(err, preservation.ErrUnavailable) {
		t.Fatal(err)
	}
	a.tsa.fail = nil
	a.renew(a.Tenant, 1)
	a.notary.Suitable = table(t, map[string]string{"SHA-256": "2034-12-31"})
	a.at(2032, 2)
	a.rehash(a.Tenant, 0)
	for id, pkg := range packages {
		a.proves(a.Tenant, id, pkg)
	}
	a.at(2034, 9)
	a.rehash(a.Tenant, 3)
	a.restored(packages)
}

// TestNothingIsLeftBare: the last token of a hash-tree renewal comes with the next
// run, and a time-stamp renewal came between.
func TestNothingIsLeftBare(t *testing.T) {
	for _, between := range []bool{false, true} {
		a, _ := old(t)
		a.at(2031, 9)
		a.newKeys()
		a.tsa.fail = errAway
		if _, err := a.notary.Rehash(t.Context(), a.Tenant); !errors.Is(err, preservation.ErrUnavailable) {
			t.Fatal(err)
		}
		a.tsa.fail = nil
		if between {
			a.renew(a.Tenant, 1)
		}
		a.rehash(a.Tenant, 3)
		bare, err := a.View().Bare(t.Context())
		a.must(err)
		if len(bare) != 1 || bare[0].Digest == "SHA-256" {
			t.Errorf("renewal between: %v: %+v", between, bare)
		}
	}
}

// TestLittleGain: the authority's next certificates end soon after the old ones,
// which is better than nothing on the last days.
func TestLittleGain(t *testing.T) {
	a := newArchive(t)
	a.at(2027, 1)
	a.newKeys()
	c, pkg := a.archived(1)
	a.batch(1)
	a.now = a.now.AddDate(0, 0, 25)
	a.newKeys()
	a.at(2031, 10)
	a.archived(1)
	a.batch(1)
	a.renew(a.Tenant, 0)
	a.now = time.Date(2031, 12, 20, 0, 0, 0, 0, time.UTC)
	a.archived(1)
	a.batch(1)
	a.renew(a.Tenant, 3)
	a.now = time.Date(2032, 1, 10, 0, 0, 0, 0, time.UTC)
	a.proves(a.Tenant, c.Record.ID, pkg)
}

// TestOneUnreadableObject: the store answers 500 for one object, and has the others.
func TestOneUnreadableObject(t *testing.T) {
	a := newArchive(t)
	bad, _ := a.archived(1)
	good, pkg := a.archived(1)
	whole := a.bucket
	a.bucket = failing{whole, bad.Package.Key}
	a.batch(1)
	a.proves(a.Tenant, good.Record.ID, pkg)
	a.bucket = whole
	a.batch(1)
}

type failing struct {
	preservation.Store
	key string
}

func (f failing) Open(ctx context.Context, key, version string, off, n int64) (io.ReadCloser, error) {
	if key == f.key {
		return nil, preservation.Down(preservation.PartStore, errors.New("500 internal error"))
	}
	return f.Store.Open(ctx, key, version, off, n)
}

// TestSurplusVersions has somebody write other leaves over those of a stamp, and put
// delete markers on everything.
func TestSurplusVersions(t *testing.T) {
	a, packages := old(t)
	for o, err := range a.bucket.Versions(t.Context(), preservation.StampPrefix) {
		a.must(err)
		if path.Base(o.Key) != "leaves.txt" {
			continue
		}
		_, body, err := a.bucket.Get(t.Context(), o.Key, "")
		a.must(err)
		b, err := io.ReadAll(body)
		a.must(errors.Join(err, body.Close()))
		b = []byte(flip(string(b)))
		sum := sha256.Sum256(b)
		_, err = a.bucket.(interface {
			Replace(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error)
		}).Replace(t.Context(), o.Key, bytes.NewReader(b), preservation.PutOptions{Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:]), Lock: a.lock})
		a.must(err)
	}
	a.bucket = marked{a.bucket}
	a.restored(packages)
}

type marked struct{ preservation.Store }

func (m marked) Versions(ctx context.Context, prefix string) iter.Seq2[preservation.Object, error] {
	return func(yield func(preservation.Object, error) bool) {
		for o, err := range m.Store.Versions(ctx, prefix) {
			marker := preservation.Object{Key: o.Key, VersionID: strings.Repeat("0", 32), Marker: true}
			if !yield(marker, nil) || !yield(o, err) {
				return
			}
		}
	}
}
