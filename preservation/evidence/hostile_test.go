package evidence

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

// TestReplacedByCopy: a member of a group that is overwritten with a copy of
// another one leaves the number of objects as it was.
func TestReplacedByCopy(t *testing.T) {
	a := newAuthority(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	h := crypto.SHA256
	tree := treeOf(t, h, 4, func(r int) [][]byte { return group(h, r) })
	r := New(h, tree.Reduced(1, group(h, 1)), a.stamp(t, h, tree.Root()))
	c := Check{Trust: timestamp.Trust{Roots: a.roots}, At: a.at, Group: true}
	all := objects(1)
	all[2] = all[0]
	if got := failed(r.Verify(all, c)); !slices.Equal(got, []string{"group-differs"}) {
		t.Error(got)
	}
	twins := func(int) [][]byte { return [][]byte{sum(h, file(1, 0)), sum(h, file(1, 0))} }
	tree = treeOf(t, h, 1, twins)
	r = New(h, tree.Reduced(0, twins(0)), a.stamp(t, h, tree.Root()))
	c.At = a.at
	if got := failed(r.Verify([]Object{objects(1)[0], objects(1)[0]}, c)); got != nil {
		t.Errorf("the same file twice: %v", got)
	}
}

func TestFuture(t *testing.T) {
	a := newAuthority(t, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	h := crypto.SHA256
	tree := treeOf(t, h, 1, func(r int) [][]byte { return group(h, r) })
	r := New(h, tree.Reduced(0, group(h, 0)), a.stamp(t, h, tree.Root()))
	got := failed(r.Verify(objects(0), Check{Trust: timestamp.Trust{Roots: a.roots}, At: a.at.Add(-time.Hour)}))
	if !slices.Equal(got, []string{"time-future"}) {
		t.Error(got)
	}
}

// TestRevocation puts lists into a token that name its authority or are too old.
func TestRevocation(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	keys, err := pki.Open(t.TempDir(), start, pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := start.AddDate(0, 6, 0)
	tsa, err := timestamp.NewAuthority(timestamp.Config{Signer: keys.TSA.Signer, Chain: keys.TSA.Chain[:1], Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	list := func(from, to time.Time, revoked ...x509.RevocationListEntry) []byte {
		der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: from, NextUpdate: to, RevokedCertificateEntries: revoked},
			keys.CA.Certificate(), keys.CA.Signer)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	entry := func(at time.Time) x509.RevocationListEntry {
		return x509.RevocationListEntry{SerialNumber: keys.TSA.Certificate().SerialNumber, RevocationTime: at}
	}
	good, old := list(now.AddDate(0, 0, -1), now.AddDate(0, 0, 30)), list(start, start.AddDate(0, 1, 0))
	for name, c := range map[string]struct {
		lists [][]byte
		want  string
	}{
		"none":           {nil, "revocation-unknown"},
		"good":           {[][]byte{good}, "revocation-checked"},
		"too old":        {[][]byte{old}, "revocation-unknown"},
		"revoked":        {[][]byte{list(now.AddDate(0, 0, -1), now.AddDate(0, 0, 30), entry(now.AddDate(0, 0, -2)))}, "certificate-revoked"},
		"revoked beside": {[][]byte{good, list(now.AddDate(0, 0, -1), now.AddDate(0, 0, 31), entry(now.AddDate(0, 0, -2)))}, "certificate-revoked"},
		"revoked later":  {[][]byte{list(now.AddDate(0, 0, -1), now.AddDate(0, 0, 30), entry(now.AddDate(0, 1, 0)))}, "revocation-checked"},
		"of somebody":    {[][]byte{{0x30, 0}}, "revocation-unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			h := crypto.SHA256
			tree := treeOf(t, h, 1, func(r int) [][]byte { return group(h, r) })
			token, err := tsa.Stamp(t.Context(), h, tree.Root())
			if err != nil {
				t.Fatal(err)
			}
			if token, err = timestamp.Freeze(token, c.lists...); err != nil {
				t.Fatal(err)
			}
			found := New(h, tree.Reduced(0, group(h, 0)), token).Verify(objects(0), Check{Trust: timestamp.Trust{Roots: keys.Roots()}, At: now.Add(time.Minute)})
			if !slices.ContainsFunc(found, func(f preservation.Finding) bool { return f.Code == c.want }) {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	token := []byte{0x30, 0}
	tree := []HashList{{make([]byte, 32)}}
	good := New(crypto.SHA256, tree, token)
	many := New(crypto.SHA256, tree, token)
	for range maxChains {
		many.RenewHashTree(crypto.SHA256, tree, token)
	}
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"no algorithm":      bytes.Replace(good.Encode(), append([]byte{0x30, 13}, algorithms[crypto.SHA256]...), append([]byte{0x30, 13, 0x31, 11}, make([]byte, 11)...), 1),
		"empty algorithms":  {0x30, 0x0b, 2, 1, 1, 0x30, 0, 0x30, 4, 0x30, 2, 0x30, 0},
		"too many chains":   many.Encode(),
		"digest of nothing": New(crypto.SHA256, []HashList{{{}}}, token).Encode(),
		"list of nothing":   New(crypto.SHA256, []HashList{{}}, token).Encode(),
		"bytes behind it":   append(good.Encode(), 0),
	} {
		if _, err := Decode(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Decode(good.Encode()); err != nil {
		t.Error(err)
	}
}
