package cades_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/cades/cms"
	"bestand/preservation/evidence/judge"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

func openssl(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal("openssl is required (BESTAND_REQUIRE_TOOLS=1) and not installed")
		}
		t.Skip("openssl is not installed")
	}
	return exec.Command("openssl", args...).CombinedOutput()
}

func keys(t testing.TB, a pki.Algorithm) (*pki.PKI, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	p, err := pki.Open(dir, time.Now(), pki.Options{Algorithm: a})
	if err != nil {
		t.Fatal(err)
	}
	return p, dir
}

func authority(t testing.TB, p *pki.PKI) *timestamp.Authority {
	t.Helper()
	a, err := timestamp.NewAuthority(timestamp.Config{Signer: p.TSA.Signer, Chain: p.TSA.Chain})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func codes(all []preservation.Finding, sev preservation.Severity) string {
	var list []string
	for _, f := range all {
		if f.Severity == sev {
			list = append(list, f.Code)
		}
	}
	return strings.Join(list, " ")
}

var content = []byte("<mets:mets>Bauakte</mets:mets>\r\n\x00binary\n")

func TestSeal(t *testing.T) {
	for _, a := range []string{"ECDSA", "PKCS #1 v1.5", "RSASSA-PSS"} {
		key := pki.RSA3072
		if a == "ECDSA" {
			key = pki.ECP256
		}
		p, dir := keys(t, key)
		stranger, _ := keys(t, key)
		if a == "RSASSA-PSS" {
			p.Seal.Signer = cms.PSS{Signer: p.Seal.Signer}
		}
		for _, c := range []struct {
			name string
			o    cades.Options
		}{
			{"B-B", cades.Options{}},
			{"B-B with time", cades.Options{Time: time.Now()}},
			{"B-T", cades.Options{Stamper: authority(t, p), Time: time.Now()}},
			{"B-T SHA-384", cades.Options{Stamper: authority(t, p), Hash: crypto.SHA384}},
			{"B-T SHA-512", cades.Options{Stamper: authority(t, p), Hash: crypto.SHA512}},
		} {
			t.Run(a+" "+c.name, func(t *testing.T) {
				c.o.Signer, c.o.Chain = p.Seal.Signer, p.Seal.Chain
				sig, err := cades.SignReader(t.Context(), iotest.OneByteReader(bytes.NewReader(content)), c.o)
				if err != nil {
					t.Fatal(err)
				}
				trust := cades.Trust{Roots: p.Roots(), At: time.Now()}
				found := cades.Verify(sig, bytes.NewReader(content), trust)
				if got := codes(found, preservation.Failed); got != "" {
					t.Errorf("failed: %s", got)
				}
				if got := codes(found, preservation.Passed); !strings.Contains(got, "chain-trusted") || c.o.Stamper != nil && !strings.Contains(got, "stamped") {
					t.Errorf("passed only: %s", got)
				}
				changed := append([]byte{}, content...)
				changed[3] ^= 1
				if got := codes(cades.Verify(sig, bytes.NewReader(changed), trust), preservation.Failed); got != "digest-mismatch" {
					t.Errorf("changed content: failed %q", got)
				}
				strange := cades.Trust{Roots: stranger.Roots(), Stamps: p.Roots(), At: time.Now()}
				if got := codes(cades.Verify(sig, bytes.NewReader(content), strange), preservation.Failed); got != "chain-untrusted" {
					t.Errorf("strange roots: failed %q", got)
				}
				opensslVerifies(t, dir, sig, changed)
				if out := opensslNames(t, sig); strings.Contains(out, "rsassaPss") != (a == "RSASSA-PSS") {
					t.Errorf("openssl says of the algorithm:\n%s", out)
				}
				if !c.o.Time.IsZero() {
					dssPasses(t, p, sig)
				}
			})
		}
	}
}

// opensslNames prints a signature.
func opensslNames(t *testing.T, sig []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sig")
	if err := os.WriteFile(path, sig, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := openssl(t, "cms", "-cmsout", "-print", "-inform", "DER", "-in", path)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// dssPasses has EU DSS judge a baseline signature.
func dssPasses(t *testing.T, p *pki.PKI, sig []byte) {
	t.Helper()
	dir := t.TempDir()
	crl, err := p.CRL(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"sig.p7s": sig, "content": content, "trust.pem": slices.Concat(p.Anchor(), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: crl})),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all := judge.Signatures(t, filepath.Join(dir, "sig.p7s"), filepath.Join(dir, "trust.pem"), time.Now(), filepath.Join(dir, "content"))
	if len(all) != 1 || !strings.HasPrefix(all[0].Level, "CAdES-BASELINE-") || all[0].Indication != "TOTAL_PASSED" {
		t.Errorf("DSS: %+v", all)
	}
}

func opensslVerifies(t *testing.T, dir string, sig, changed []byte) {
	t.Helper()
	work := t.TempDir()
	file := func(n string, b []byte) string {
		path := filepath.Join(work, n)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	args := func(sig, content string) []string {
		return []string{"cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", sig, "-content", content,
			"-CAfile", filepath.Join(dir, "ca.pem"), "-purpose", "smimesign", "-out", "/dev/null"}
	}
	s := file("sig", sig)
	if out, err := openssl(t, args(s, file("content", content))...); err != nil {
		t.Errorf("openssl refuses a good seal: %s", out)
	}
	if _, err := openssl(t, args(s, file("changed", changed))...); err == nil {
		t.Error("openssl accepts changed content")
	}
}

// Signatures made by openssl are judged as openssl judges them: DER and
// streamed BER, with and without signed attributes, RSASSA-PSS.
func TestForeignSignatures(t *testing.T) {
	dir := t.TempDir()
	file := func(n string) string { return filepath.Join(dir, n) }
	run := func(args ...string) {
		t.Helper()
		if out, err := openssl(t, args...); err != nil {
			t.Fatalf("openssl %v: %s", args, out)
		}
	}
	if err := os.WriteFile(file("content"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	key := func(name string, args ...string) {
		run(append([]string{"req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=" + name, "-keyout", file(name + ".key"), "-out", file(name + ".pem"),
			"-addext", "keyUsage=digitalSignature,keyCertSign", "-newkey"}, args...)...)
	}
	key("rsa", "rsa:3072")
	key("ec", "ec", "-pkeyopt", "ec_paramgen_curve:P-384")
	key("brainpool", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1")
	for _, c := range []struct {
		name, key string
		args      []string
		notices   string
		unknown   bool // openssl's certificate cannot be read here
	}{
		{"RSA", "rsa", nil, "signing-certificate-missing signing-time-claimed", false},
		{"RSA, CAdES", "rsa", []string{"-cades"}, "signing-time-claimed", false},
		{"RSA, SHA-1", "rsa", []string{"-cades", "-md", "sha1"}, "algorithm-weak signing-time-claimed", false},
		{"RSASSA-PSS", "rsa", []string{"-cades", "-keyopt", "rsa_padding_mode:pss"}, "signing-time-claimed", false},
		{"RSASSA-PSS, SHA-512", "rsa", []string{"-cades", "-md", "sha512", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:64"}, "signing-time-claimed", false},
		{"no attributes", "rsa", []string{"-noattr"}, "signing-certificate-missing", false},
		{"streamed BER", "rsa", []string{"-cades", "-stream"}, "signing-time-claimed", false},
		{"key identifier", "rsa", []string{"-cades", "-keyid"}, "signing-time-claimed", false},
		{"P-384", "ec", []string{"-cades", "-md", "sha384"}, "signing-time-claimed", false},
		{"brainpool", "brainpool", []string{"-cades"}, "signature-unsupported signing-time-claimed chain-unsupported revocation-unknown", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"cms", "-sign", "-binary", "-outform", "DER", "-in", file("content"), "-signer", file(c.key + ".pem"), "-inkey", file(c.key + ".key"), "-out", file("sig")}
			run(append(args, c.args...)...)
			sig, err := os.ReadFile(file("sig"))
			if err != nil {
				t.Fatal(err)
			}
			pem, err := os.ReadFile(file(c.key + ".pem"))
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			if !roots.AppendCertsFromPEM(pem) && !c.unknown {
				t.Fatal("no root")
			}
			found, proven := cades.Prove(sig, bytes.NewReader(content), cades.Trust{Roots: roots, At: time.Now(), Optional: c.unknown})
			if proven == c.unknown {
				t.Errorf("proven: %v", proven)
			}
			if got := codes(found, preservation.Failed); got != "" {
				t.Errorf("failed %q: %v", got, found)
			}
			if got := codes(found, preservation.Notice); got != c.notices {
				t.Errorf("notices %q, want %q", got, c.notices)
			}
			found, proven = cades.Prove(sig, strings.NewReader("other"), cades.Trust{Roots: roots, At: time.Now()})
			if proven {
				t.Error("of other content it is proven")
			}
			if codes(found, preservation.Failed) == "" && !c.unknown {
				t.Error("other content was accepted")
			}
		})
	}
}

// The last byte of the signature, or of any attribute, cannot be changed
// without a finding.
func TestEveryByteOfTheSealCounts(t *testing.T) {
	p, _ := keys(t, pki.ECP256)
	sig, err := cades.SignReader(t.Context(), bytes.NewReader(content), cades.Options{Signer: p.Seal.Signer, Chain: p.Seal.Chain[:1]})
	if err != nil {
		t.Fatal(err)
	}
	trust := cades.Trust{Roots: p.Roots(), At: time.Now()}
	var accepted []int
	for i := range sig {
		b := append([]byte{}, sig...)
		b[i] ^= 0x01
		if codes(cades.Verify(b, bytes.NewReader(content), trust), preservation.Failed) == "" {
			accepted = append(accepted, i)
		}
	}
	// Not under the signature are the two version numbers and the list of
	// digest algorithms, a hint for readers in one pass (RFC 5652, 5.1).
	if len(accepted) != 13 || accepted[11] > 40 {
		t.Errorf("flipped bits went unnoticed at %d", accepted)
	}
}

func TestExpiredSealStandsByItsStamp(t *testing.T) {
	p, _ := keys(t, pki.ECP256)
	seal := func(s cades.Stamper) []byte {
		sig, err := cades.SignReader(t.Context(), bytes.NewReader(content), cades.Options{Signer: p.Seal.Signer, Chain: p.Seal.Chain, Stamper: s})
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	late := cades.Trust{Roots: p.Roots(), At: time.Now().AddDate(7, 0, 0)}
	if got := codes(cades.Verify(seal(nil), bytes.NewReader(content), late), preservation.Failed); got != "certificate-expired" {
		t.Errorf("without stamp: failed %q", got)
	}
	if got := codes(cades.Verify(seal(authority(t, p)), bytes.NewReader(content), late), preservation.Failed); got != "" {
		t.Errorf("with stamp: failed %q", got)
	}
}

type broken struct{}

var errDown = errors.New("authority is down")

func (broken) Stamp(context.Context, crypto.Hash, []byte) ([]byte, error) { return nil, errDown }

// Time-stamps of a kind that is not judged are named, and change nothing else.
func TestOtherTimeStampsAreNamed(t *testing.T) {
	p, _ := keys(t, pki.ECP256)
	h := sha256.Sum256(content)
	for name, oid := range map[string]asn1.ObjectIdentifier{
		"archive":    {0, 4, 0, 1733, 2, 4},
		"archive v2": {1, 2, 840, 113549, 1, 9, 16, 2, 48},
		"long term":  {0, 4, 0, 1733, 2, 2},
		"references": {1, 2, 840, 113549, 1, 9, 16, 2, 26},
		"evidence":   {1, 2, 840, 113549, 1, 9, 16, 2, 49},
		"content":    {1, 2, 840, 113549, 1, 9, 16, 2, 20},
	} {
		t.Run(name, func(t *testing.T) {
			other := []cms.Attribute{{Type: oid, Values: [][]byte{{0x30, 0}}}}
			s := cms.Signing{ContentType: cms.OIDData, Digest: h[:], Hash: crypto.SHA256, Signer: p.Seal.Signer, Certificate: p.Seal.Chain[0], Certificates: p.Seal.Chain,
				Unsigned: func([]byte) ([]cms.Attribute, error) { return other, nil }}
			if name == "content" {
				s.Attributes, s.Unsigned = other, nil
			}
			sig, err := cms.Sign(s)
			if err != nil {
				t.Fatal(err)
			}
			found := cades.Verify(sig, bytes.NewReader(content), cades.Trust{Roots: p.Roots(), At: time.Now()})
			if failed, notices := codes(found, preservation.Failed), codes(found, preservation.Notice); failed != "" || notices != "timestamp-unsupported" {
				t.Errorf("failed %q, notices %q", failed, notices)
			}
		})
	}
}

// A kind of which there are many is named once.
func TestManyOtherTimeStamps(t *testing.T) {
	p, _ := keys(t, pki.ECP256)
	h := sha256.Sum256(content)
	archive := cms.Attribute{Type: asn1.ObjectIdentifier{0, 4, 0, 1733, 2, 4}, Values: [][]byte{{0x30, 0}}}
	sig, err := cms.Sign(cms.Signing{ContentType: cms.OIDData, Digest: h[:], Hash: crypto.SHA256, Signer: p.Seal.Signer, Certificate: p.Seal.Chain[0], Certificates: p.Seal.Chain,
		Unsigned: func([]byte) ([]cms.Attribute, error) { return slices.Repeat([]cms.Attribute{archive}, 50), nil }})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, f := range cades.Verify(sig, bytes.NewReader(content), cades.Trust{Roots: p.Roots(), At: time.Now()}) {
		if f.Code == "timestamp-unsupported" {
			named++
		}
	}
	if named != 1 {
		t.Errorf("named %d times", named)
	}
}

func TestSealRefuses(t *testing.T) {
	p, _ := keys(t, pki.ECP256)
	digest := sha256.Sum256(content)
	for _, c := range []struct {
		name   string
		digest []byte
		o      cades.Options
		want   error
	}{
		{"authority down", digest[:], cades.Options{Signer: p.Seal.Signer, Chain: p.Seal.Chain, Stamper: broken{}}, errDown},
		{"short digest", digest[:20], cades.Options{Signer: p.Seal.Signer, Chain: p.Seal.Chain}, nil},
		{"SHA-1", digest[:20], cades.Options{Signer: p.Seal.Signer, Chain: p.Seal.Chain, Hash: crypto.SHA1}, nil},
		{"key of another", digest[:], cades.Options{Signer: p.TSA.Signer, Chain: p.Seal.Chain}, nil},
		{"no key", digest[:], cades.Options{}, nil},
	} {
		sig, err := cades.Sign(t.Context(), c.digest, c.o)
		if err == nil || sig != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %d bytes, error %v", c.name, len(sig), err)
		}
	}
	if _, err := cades.SignReader(t.Context(), iotest.ErrReader(io.ErrUnexpectedEOF), cades.Options{Signer: p.Seal.Signer, Chain: p.Seal.Chain}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("content that breaks off: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	p, _ := keys(f, pki.ECP256)
	for _, s := range []cades.Stamper{nil, authority(f, p)} {
		sig, err := cades.SignReader(context.Background(), bytes.NewReader(content), cades.Options{Signer: p.Seal.Signer, Chain: p.Seal.Chain, Stamper: s})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sig)
	}
	f.Add([]byte{0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02, 0xa0, 0x80, 0, 0, 0, 0})
	trust := cades.Trust{Roots: p.Roots(), At: time.Now()}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(cades.Verify(b, bytes.NewReader(content), trust)) == 0 {
			t.Error("a verification without findings")
		}
	})
}
