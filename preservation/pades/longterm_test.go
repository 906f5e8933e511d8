package pades_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/pades"
	"bestand/preservation/pki"
	"bestand/preservation/revocation"
)

// validation gives the data of the installation's own authority.
func (r rig) validation() pades.Revocation {
	s := &revocation.Source{Now: time.Now, Own: func(*x509.Certificate) ([]byte, error) { return r.CRL(time.Now()) }}
	return s.Material
}

func (r rig) longTerm() pades.Options {
	o := r.options()
	o.Revocation = r.validation()
	return o
}

// archived writes the copy of a sealed file with a document time-stamp.
func (r rig) archived(t testing.TB, sealed string) (path string, copied []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "archived.pdf")
	rep, err := pades.Archive(t.Context(), sealed, path, pades.ArchiveOptions{Stamper: r.stamp, Revocation: r.validation(), Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Level != pades.LevelLTA {
		t.Errorf("level %s", rep.Level)
	}
	if copied, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return path, copied
}

func level(found []preservation.Finding) string {
	for _, f := range found {
		if f.Code == "level" {
			return f.Detail
		}
	}
	return ""
}

func TestLongTerm(t *testing.T) {
	for _, a := range []pki.Algorithm{pki.ECP256, pki.RSA3072} {
		r := newRig(t, a)
		trust := cades.Trust{Roots: r.Roots(), At: time.Now()}
		for name, doc := range documents() {
			t.Run(string(a)+" "+name, func(t *testing.T) {
				plain := r.options()
				plain.Stamper = nil
				for _, c := range []struct {
					with pades.Options
					want string
				}{{plain, "PAdES B-B"}, {r.options(), "PAdES B-T"}, {r.longTerm(), "PAdES B-LT"}} {
					path, sealed := r.seal(t, doc, c.with)
					found := verify(t, sealed, trust)
					if got := level(found); got != c.want || codes(found, preservation.Failed) != "" {
						t.Errorf("level %q, want %q: %v", got, c.want, found)
					}
					foreign(t, path, pades.Level(strings.TrimPrefix(c.want, "PAdES ")))
					if c.want == "PAdES B-B" {
						_, err := pades.Archive(t.Context(), path, path+".lta", pades.ArchiveOptions{Stamper: r.stamp, Now: time.Now()})
						if !errors.Is(err, pades.ErrUnsupported) {
							t.Errorf("archived without a time-stamp: %v", err)
						}
						continue
					}
					archived, copied := r.archived(t, path)
					found = verify(t, copied, trust)
					if got := level(found); got != "PAdES B-LTA" || codes(found, preservation.Failed) != "" {
						t.Errorf("%s archived has level %q: %v", c.want, got, found)
					}
					if !bytes.HasPrefix(copied, sealed) {
						t.Error("the sealed document does not stand unchanged in the archived one")
					}
					foreign(t, archived, pades.LevelLTA)
					twice, again := r.archived(t, archived)
					if got := level(verify(t, again, trust)); got != "PAdES B-LTA" {
						t.Errorf("archived twice it has level %q", got)
					}
					foreign(t, twice, pades.LevelLTA)
				}
			})
		}
	}
}

// What is put behind a seal is told, unless it is validation data as we write them.
func TestAdditions(t *testing.T) {
	r := newRig(t, pki.ECP256)
	trust := cades.Trust{Roots: r.Roots(), At: time.Now()}
	for name, doc := range map[string][]byte{"table": documents()["classic"], "stream": documents()["xref stream"]} {
		sealedPath, sealed := r.seal(t, doc, r.longTerm())
		_, copied := r.archived(t, sealedPath)
		end := bytes.LastIndex(sealed, []byte("/DSS "))
		for _, c := range []struct {
			name string
			doc  []byte
			want string // of the first signature's coverage
		}{
			{"as sealed", sealed, "coverage-extended"},
			{"as archived", copied, "coverage-extended"},
			{"an update behind the data", appended(sealed), "coverage-partial"},
			{"an update behind the stamp", appended(copied), "coverage-partial"},
			{"the catalog changed", replaceAt(sealed, end-4, "/X 1"), "coverage-partial"},
			{"a byte of the data", replaceAt(sealed, bytes.LastIndex(sealed, []byte("endstream"))-20, "XXXX"), ""},
			{"bytes between", append(append(bytes.Clone(sealed[:end]), "  "...), sealed[end:]...), "coverage-partial"},
		} {
			found := verify(t, c.doc, trust)
			got := ""
			for _, f := range found {
				if f.Subject == "signature 1" && strings.HasPrefix(f.Code, "coverage-") {
					got = f.Code
				}
			}
			if c.want != "" && got != c.want {
				t.Errorf("%s, %s: %s", name, c.name, got)
			}
			if c.name == "a byte of the data" && level(found) == "PAdES B-LT" {
				t.Errorf("%s: a list that does not verify makes level B-LT", name)
			}
		}
	}
}

func replaceAt(b []byte, at int, with string) []byte {
	b = bytes.Clone(b)
	copy(b[at:], with)
	return b
}

func TestValidationDataNotToBeHad(t *testing.T) {
	r := newRig(t, pki.ECP256)
	down := errors.New("the responder is down")
	for _, c := range []struct {
		name  string
		err   error
		from  int // the call that fails
		level pades.Level
	}{
		{"never, of the seal", revocation.ErrNone, 1, pades.LevelT},
		{"never, of the time-stamp", revocation.ErrNone, 2, pades.LevelT},
		{"not now, of the seal", down, 1, ""},
		{"not now, of the time-stamp", down, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, calls, get := r.longTerm(), 0, r.validation()
			o.Revocation = func(ctx context.Context, path []*x509.Certificate) (revocation.Material, error) {
				if calls++; calls >= c.from {
					return revocation.Material{}, fmt.Errorf("asked: %w", c.err)
				}
				return get(ctx, path)
			}
			dir := t.TempDir()
			in, out := filepath.Join(dir, "in.pdf"), filepath.Join(dir, "out.pdf")
			write(t, in, documents()["classic"])
			rep, err := pades.Seal(t.Context(), in, out, o)
			switch {
			case c.level == "" && !errors.Is(err, down):
				t.Errorf("got %v", err)
			case c.level != "" && (err != nil || rep.Level != c.level || !strings.Contains(rep.Lower, "no revocation data")):
				t.Errorf("%+v, %v", rep, err)
			}
			if c.level == "" {
				return
			}
			// Whoever asks for a copy reads why there is none, and not where it was tried.
			_, err = pades.Archive(t.Context(), out, filepath.Join(dir, "copy.pdf"), pades.ArchiveOptions{Stamper: o.Stamper, Revocation: o.Revocation, Roots: r.Roots(), Now: time.Now()})
			if !errors.Is(err, revocation.ErrNone) || strings.Contains(err.Error(), dir) {
				t.Errorf("copy: %v", err)
			}
		})
	}
}

// A certificate that its authority has revoked seals nothing.
func TestRevokedSeal(t *testing.T) {
	r := newRig(t, pki.ECP256)
	list := r.revoke(t, r.Seal.Certificate())
	o := r.options()
	s := &revocation.Source{Now: time.Now, Own: func(*x509.Certificate) ([]byte, error) { return list, nil }}
	o.Revocation = s.Material
	in := filepath.Join(t.TempDir(), "in.pdf")
	write(t, in, documents()["classic"])
	if _, err := pades.Seal(t.Context(), in, in+".out", o); err == nil || !strings.Contains(err.Error(), "was revoked") {
		t.Errorf("got %v", err)
	}
}

// revoke returns a list of the authority that names a certificate.
func (r rig) revoke(t *testing.T, c *x509.Certificate) []byte {
	t.Helper()
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(2), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: c.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)}},
	}, r.CA.Certificate(), r.CA.Signer)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
