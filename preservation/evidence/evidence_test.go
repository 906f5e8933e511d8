package evidence

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

// authority is a time-stamping authority whose clock the test moves.
type authority struct {
	*timestamp.Authority
	at    time.Time
	ca    *x509.Certificate
	roots *x509.CertPool
	crl   []byte
}

func newAuthority(t testing.TB, at time.Time) *authority {
	t.Helper()
	keys, err := pki.Open(t.TempDir(), at, pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{at: at, ca: keys.CA.Certificate(), roots: keys.Roots()}
	if a.Authority, err = timestamp.NewAuthority(timestamp.Config{Signer: keys.TSA.Signer, Chain: append(keys.TSA.Chain[:1:1], keys.CA.Certificate()),
		Now: func() time.Time { return a.at }}); err != nil {
		t.Fatal(err)
	}
	if a.crl, err = keys.CRL(at); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *authority) stamp(t testing.TB, h crypto.Hash, digest []byte) []byte {
	t.Helper()
	a.at = a.at.Add(time.Second)
	token, err := a.Stamp(context.Background(), h, digest)
	if err != nil {
		t.Fatal(err)
	}
	if token, err = timestamp.Freeze(token, a.crl); err != nil {
		t.Fatal(err)
	}
	return token
}

// file is the content of one object.
func file(record, n int) []byte { return fmt.Appendf(nil, "record %d, file %d\n", record, n) }

func object(content []byte) Object {
	return Object{Name: string(bytes.TrimSpace(content)), Digest: func(h crypto.Hash) ([]byte, error) { return sum(h, content), nil }}
}

func group(h crypto.Hash, record int) (all [][]byte) {
	for n := range 3 {
		all = append(all, sum(h, file(record, n)))
	}
	return all
}

func objects(record int) (all []Object) {
	for n := range 3 {
		all = append(all, object(file(record, n)))
	}
	return all
}

func treeOf(t testing.TB, h crypto.Hash, records int, leaf func(record int) [][]byte) *Tree {
	t.Helper()
	var leaves []byte
	for r := range records {
		leaves = append(leaves, GroupDigest(h, leaf(r))...)
	}
	tree, err := NewTree(h, leaves)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// failed lists the codes of the findings that failed.
func failed(all []preservation.Finding) (codes []string) {
	for _, f := range all {
		if f.Severity == preservation.Failed && !slices.Contains(codes, f.Code) {
			codes = append(codes, f.Code)
		}
	}
	return codes
}

func TestRecord(t *testing.T) {
	a := newAuthority(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512} {
		for _, n := range []int{1, 2, 3, 5, 8, 13, 100} {
			t.Run(fmt.Sprint(h, " ", n), func(t *testing.T) {
				tree := treeOf(t, h, n, func(r int) [][]byte { return group(h, r) })
				token := a.stamp(t, h, tree.Root())
				c := Check{Trust: timestamp.Trust{Roots: a.roots}, At: a.at, Group: true}
				for r := range n {
					der := New(h, tree.Reduced(r, group(h, r)), token).Encode()
					read, err := Decode(der)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(read.Encode(), der) {
						t.Fatal("what is read is written in another way")
					}
					if got := failed(read.Verify(objects(r), c)); got != nil {
						t.Fatalf("record %d: %v", r, got)
					}
					if got := failed(read.Verify(objects(r+1), c)); !slices.Contains(got, "not-covered") {
						t.Fatalf("another record: %v", got)
					}
				}
			})
		}
	}
}

// TestOneDocument proves a document without the others of its record.
func TestOneDocument(t *testing.T) {
	a := newAuthority(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	h := crypto.SHA256
	tree := treeOf(t, h, 7, func(r int) [][]byte { return group(h, r) })
	r := New(h, tree.Reduced(4, group(h, 4)), a.stamp(t, h, tree.Root()))
	c := Check{Trust: timestamp.Trust{Roots: a.roots}, At: a.at}
	if got := failed(r.Verify(objects(4)[1:2], c)); got != nil {
		t.Error(got)
	}
	c.Group = true
	if got := failed(r.Verify(objects(4)[1:2], c)); !slices.Equal(got, []string{"group-differs"}) {
		t.Error(got)
	}
}

// TestUnknownAlgorithm believes nothing of which the table does not speak.
func TestUnknownAlgorithm(t *testing.T) {
	h, a := crypto.SHA256, newAuthority(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	tree := treeOf(t, h, 7, func(r int) [][]byte { return group(h, r) })
	r := New(h, tree.Reduced(4, group(h, 4)), a.stamp(t, h, tree.Root()))
	digests, keys := []Suitable{{Name: "SHA-256"}}, []Suitable{{Name: "ECDSA", Bits: 250}}
	for name, table := range map[string]*Suitability{
		"digest": {Digest: []Suitable{{Name: "SHA-512"}}, Signature: keys}, "signature": {Digest: digests, Signature: []Suitable{{Name: "RSA", Bits: 1900}}},
		"smaller key": {Digest: digests, Signature: []Suitable{{Name: "ECDSA", Bits: 500}}},
	} {
		c := Check{Trust: timestamp.Trust{Roots: a.roots}, At: a.at, Suitable: table}
		if got := failed(r.Verify(objects(4), c)); !slices.Contains(got, "suitability-unknown") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestForty keeps a record for forty years: every four years a time-stamp
// renewal by an authority with new keys, or a new digest algorithm.
func TestForty(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rest := &Suitability{Digest: []Suitable{{Name: "SHA-256"}, {Name: "SHA-384"}, {Name: "SHA-512"}, {Name: "SHA3-512"}}, Signature: []Suitable{{Name: "ECDSA", Bits: 250}}}
	trust := x509.NewCertPool()
	open := func(at time.Time) *authority { // each has keys of its own
		a := newAuthority(t, at)
		trust.AddCert(a.ca)
		return a
	}
	const records, ours = 9, 6
	h := crypto.SHA256
	a := open(start)
	tree := treeOf(t, h, records, func(r int) [][]byte { return group(h, r) })
	token := a.stamp(t, h, tree.Root())
	r := New(h, tree.Reduced(ours, group(h, ours)), token)
	for year := 4; year <= 40; year += 4 {
		a = open(start.AddDate(year, 0, 0))
		if year%8 != 0 { // other batches are renewed with the same token
			tree = treeOf(t, h, 5, func(n int) [][]byte {
				if n == 2 {
					return [][]byte{TokenDigest(h, token)}
				}
				return [][]byte{sum(h, fmt.Appendf(nil, "batch %d", n))}
			})
			token = a.stamp(t, h, tree.Root())
			r.Renew(tree.Reduced(2, [][]byte{TokenDigest(h, r.Chains[len(r.Chains)-1][len(r.Chains[len(r.Chains)-1])-1].Token)}), token)
			continue
		}
		next := map[crypto.Hash]crypto.Hash{crypto.SHA256: crypto.SHA384, crypto.SHA384: crypto.SHA512, crypto.SHA512: crypto.SHA3_512, crypto.SHA3_512: crypto.SHA256}[h]
		chains := r.ChainsDigest(next, len(r.Chains))
		renewed := func(rec int) (all [][]byte) {
			for _, d := range group(next, rec) {
				all = append(all, Renewed(next, d, chains))
			}
			return all
		}
		tree = treeOf(t, next, records, renewed)
		token = a.stamp(t, next, tree.Root())
		r.RenewHashTree(next, tree.Reduced(ours, renewed(ours)), token)
		h = next
	}
	at := a.at.AddDate(1, 0, 0)
	der := r.Encode()
	read, err := Decode(der)
	if err != nil {
		t.Fatal(err)
	}
	c := Check{Trust: timestamp.Trust{Roots: trust}, At: at, Group: true, Suitable: rest}
	if got := failed(read.Verify(objects(ours), c)); got != nil {
		t.Fatal(got)
	}
	if len(read.Chains) != 6 {
		t.Errorf("%d chains", len(read.Chains))
	}
	c.At = at.AddDate(20, 0, 0)
	if got := failed(read.Verify(objects(ours), c)); !slices.Equal(got, []string{"renewal-late"}) {
		t.Error("after another twenty years:", got)
	}
	// Whatever is changed before the last token is found; what that one carries
	// unsigned, only the next one covers.
	rnd := rand.New(rand.NewPCG(1, 2))
	c.At = at
	for range 300 {
		bad := slices.Clone(der)
		i := rnd.IntN(bytes.LastIndex(der, token))
		bad[i] ^= 1 << rnd.IntN(8)
		if read, err := Decode(bad); err == nil && failed(read.Verify(objects(ours), c)) == nil {
			t.Errorf("byte %d changed, and nothing was found", i)
		}
	}
}
