package evidence

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"bestand/preservation/evidence/judge"
	"bestand/preservation/timestamp"
)

// TestForeignJudges has records of ours judged by BouncyCastle and by EU DSS: as
// they are made, for one document of a group, and after renewals of both kinds.
func TestForeignJudges(t *testing.T) {
	start := time.Now().UTC().Truncate(time.Second)
	for _, c := range []struct {
		name     string
		digests  []crypto.Hash // of the first chain, and of one hash-tree renewal each
		renewals int           // of the time-stamp, in each chain
		records  int
	}{
		{"alone", []crypto.Hash{crypto.SHA256}, 0, 1},
		{"SHA-256", []crypto.Hash{crypto.SHA256}, 0, 7},
		{"SHA-384", []crypto.Hash{crypto.SHA384}, 0, 7},
		{"SHA-512", []crypto.Hash{crypto.SHA512}, 0, 7},
		{"SHA3-256", []crypto.Hash{crypto.SHA3_256}, 0, 7},
		{"SHA3-384", []crypto.Hash{crypto.SHA3_384}, 0, 7},
		{"SHA3-512", []crypto.Hash{crypto.SHA3_512}, 0, 7},
		{"one time-stamp renewal", []crypto.Hash{crypto.SHA256}, 1, 7},
		{"three time-stamp renewals", []crypto.Hash{crypto.SHA256}, 3, 7},
		{"hash-tree renewal", []crypto.Hash{crypto.SHA256, crypto.SHA512}, 0, 7},
		{"both renewals", []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA3_512}, 2, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			put := func(name string, content []byte) string {
				path := filepath.Join(dir, name)
				write(t, path, content)
				return path
			}
			history := keep(t, start, c.digests, c.renewals, c.records)
			record, trust := put("akte.er", history.record.Encode()), put("trust.pem", history.anchors)
			var files []string
			for i := range 3 {
				files = append(files, put(fmt.Sprint(i, ".txt"), file(history.ours, i)))
			}
			foreign := put("foreign.txt", file(history.ours+1, 0))
			untrusted := put("untrusted.pem", keep(t, start, c.digests[:1], 0, 1).anchors)

			if got := failed(history.record.Verify(objects(history.ours), Check{Trust: timestamp.Trust{Roots: history.roots}, At: history.end, Group: true})); got != nil {
				t.Errorf("our own verifier: %v", got)
			}
			for _, q := range []struct {
				name  string
				trust string
				whole bool
				files []string
				ok    bool
			}{
				{"the whole group", trust, true, files, true},
				{"one document", trust, false, files[1:2], true},
				{"one document as the whole", trust, true, files[1:2], false},
				{"another document", trust, false, []string{foreign}, false},
				{"a group with another document", trust, true, []string{files[0], files[1], foreign}, false},
				{"without trust", untrusted, true, files, false},
			} {
				for _, l := range judge.Libraries {
					if err := l.Record(t, record, q.trust, history.end, q.whole, q.files...); (err == nil) != q.ok {
						t.Errorf("%s on %s: %v", l, q.name, err)
					}
				}
			}
		})
	}
}

// TestOneDocumentAlone has the record for one document of a group judged. A strict
// verifier then misses nothing, and none takes it for the whole. BouncyCastle 1.83
// hashes a later list before it joins it, other than RFC 4998, 4.3, step 3 has it; it
// accepts the document with the record of the group (TestForeignJudges).
func TestOneDocumentAlone(t *testing.T) {
	for _, digests := range [][]crypto.Hash{{crypto.SHA256}, {crypto.SHA256, crypto.SHA512}} {
		t.Run(fmt.Sprint(digests), func(t *testing.T) {
			h := keep(t, time.Now().UTC(), digests, 1, 7)
			last := digests[len(digests)-1]
			one, err := h.record.For(sum(last, file(h.ours, 1)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.record.For(sum(last, file(h.ours+1, 1))); !errors.Is(err, ErrNotCovered) {
				t.Errorf("a document of another record: %v", err)
			}
			dir := t.TempDir()
			record, trust := filepath.Join(dir, "one.er"), filepath.Join(dir, "trust.pem")
			write(t, record, one.Encode())
			write(t, trust, h.anchors)
			var files []string
			for i := range 3 {
				files = append(files, filepath.Join(dir, fmt.Sprint(i)))
				write(t, files[i], file(h.ours, i))
			}
			alone := len(digests) == 1 // the chains before a renewal keep the group
			c := Check{Trust: timestamp.Trust{Roots: h.roots}, At: h.end, Group: alone}
			if got := failed(one.Verify(objects(h.ours)[1:2], c)); got != nil {
				t.Errorf("our own verifier: %v", got)
			}
			if got := failed(one.Verify(objects(h.ours)[:1], c)); !slices.Contains(got, "not-covered") {
				t.Errorf("another document: %v", got)
			}
			if err := judge.DSS.Record(t, record, trust, h.end, alone, files[1]); err != nil {
				t.Errorf("DSS: %v", err)
			}
			if judge.DSS.Record(t, record, trust, h.end, false, files[0]) == nil {
				t.Error("DSS accepts another document")
			}
			if judge.BouncyCastle.Record(t, record, trust, h.end, false, files[1]) == nil {
				t.Error("BouncyCastle joins lists as RFC 4998 has it by now: say so where this is described")
			}
		})
	}
}

// history is a record that was kept for years.
type history struct {
	record  *Record
	ours    int // whose it is
	anchors []byte
	roots   *x509.CertPool
	end     time.Time // a day after the last time-stamp
}

// keep makes a record and renews it every four years, by an authority with new keys.
func keep(t *testing.T, start time.Time, digests []crypto.Hash, renewals, records int) history {
	t.Helper()
	h := history{ours: records / 2, roots: x509.NewCertPool()}
	at := start
	open := func() *authority {
		a := newAuthority(t, at)
		h.roots.AddCert(a.ca)
		h.anchors = append(h.anchors, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.ca.Raw})...)
		h.end = at.AddDate(0, 0, 1)
		at = at.AddDate(4, 0, 0)
		return a
	}
	for n, d := range digests {
		a := open()
		group := func(r int) [][]byte { return group(d, r) }
		if n > 0 {
			chains := h.record.ChainsDigest(d, n)
			plain := group
			group = func(r int) (all [][]byte) {
				for _, digest := range plain(r) {
					all = append(all, Renewed(d, digest, chains))
				}
				return all
			}
		}
		tree := treeOf(t, d, records, group)
		token := a.stamp(t, d, tree.Root())
		if n == 0 {
			h.record = New(d, tree.Reduced(h.ours, group(h.ours)), token)
		} else {
			h.record.RenewHashTree(d, tree.Reduced(h.ours, group(h.ours)), token)
		}
		for range renewals {
			a := open()
			before := [][]byte{TokenDigest(d, token)}
			tree := treeOf(t, d, records, func(r int) [][]byte {
				if r == h.ours {
					return before
				}
				return [][]byte{sum(d, bytes.Repeat([]byte{byte(r)}, 9))}
			})
			token = a.stamp(t, d, tree.Root())
			h.record.Renew(tree.Reduced(h.ours, before), token)
		}
	}
	return h
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
