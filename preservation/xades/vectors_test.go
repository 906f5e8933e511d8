package xades

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"flag"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation/evidence/judge"
)

// The vectors in testdata are signatures of EU DSS; -update makes them anew, with new
// keys, and needs the foreign judges and keytool.
var update = flag.Bool("update", false, "make the vectors anew")

// signedAt is the time of the signatures, judgedAt that of the checks.
var (
	signedAt = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	judgedAt = signedAt.AddDate(0, 0, 20)
)

const (
	c14n10 = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
	c14n11 = "http://www.w3.org/2006/12/xml-c14n11"
	exc    = "http://www.w3.org/2001/10/xml-exc-c14n#"
)

// vector is a document that DSS signed.
type vector struct {
	name    string
	options string
	files   []string // in testdata
}

// akte.xml has what canonical forms differ in: comments, instructions, namespaces and
// attributes that are inherited, white space and references in attributes.
var vectors = []vector{
	{"enveloped", "key=rsa&level=T", []string{"akte.xml"}},
	{"enveloping", "key=ec&packaging=ENVELOPING&level=T", []string{"akte.xml"}},
	{"enveloping-xml", "key=ec&packaging=ENVELOPING&embed=1&c14n=" + c14n11, []string{"klein.xml"}},
	{"internally-detached", "key=ec&packaging=INTERNALLY_DETACHED", []string{"wurzel.xml"}},
	{"detached", "key=ec&packaging=DETACHED&level=T&c14n=" + c14n10, []string{"anlage.txt"}},
	{"detached-two", "key=rsa&packaging=DETACHED&digest=SHA512", []string{"anlage.txt", "akte.xml"}},
	{"manifest", about("#liste", exc), []string{"liste.xml"}},
	{"certificate-v1", "key=ec&v1=1", []string{"akte.xml"}},
	{"rsa-sha384", "key=rsa&digest=SHA384", []string{"klein.xml"}},
	{"rsa-sha512", "key=rsa&digest=SHA512", []string{"klein.xml"}},
	{"pss-sha256", "key=rsa&algorithm=RSASSA_PSS", []string{"klein.xml"}},
	{"pss-sha384", "key=rsa&algorithm=RSASSA_PSS&digest=SHA384", []string{"klein.xml"}},
	{"pss-sha512", "key=rsa&algorithm=RSASSA_PSS&digest=SHA512", []string{"klein.xml"}},
	{"ecdsa-sha384", "key=ec&digest=SHA384", []string{"klein.xml"}},
	{"ecdsa-sha512", "key=ec&digest=SHA512", []string{"klein.xml"}},
	{"rsa-sha1", "key=rsa&digest=SHA1", []string{"klein.xml"}},
	{"whole-c14n10", about("", "enveloped,"+c14n10), []string{"akte.xml"}},
	{"whole-c14n10-comments", about("", "enveloped,"+c14n10+"#WithComments"), []string{"akte.xml"}},
	{"whole-c14n11", about("", "enveloped,"+c14n11), []string{"akte.xml"}},
	{"whole-c14n11-comments", about("", "enveloped,"+c14n11+"#WithComments"), []string{"akte.xml"}},
	{"whole-exclusive", about("", "enveloped,"+exc), []string{"akte.xml"}},
	{"whole-exclusive-comments", about("", "enveloped,"+exc+"WithComments"), []string{"akte.xml"}},
	{"element-c14n10", about("#a1", c14n10), []string{"akte.xml"}},
	{"element-c14n11", about("#a1", c14n11), []string{"akte.xml"}},
	{"element-exclusive", about("#a1", exc), []string{"akte.xml"}},
}

// containers are ASiC, which package ingest reads.
var containers = []vector{
	{"akte.asice", "key=ec&container=ASiC_E&level=T", []string{"anlage.txt", "akte.xml"}},
	{"anlage.asics", "key=rsa&container=ASiC_S", []string{"anlage.txt"}},
}

// about refers to an element by itself, and has all in Canonical XML 1.0.
func about(uri, transforms string) string {
	return "key=ec&c14n=" + c14n10 + "&reference=" + uri + "&transforms=" + transforms
}

func beside(files []string) (all []string) {
	for _, f := range files {
		all = append(all, filepath.Join("testdata", f))
	}
	return all
}

func (v vector) path() string { return filepath.Join("testdata", v.name+".xml") }

// detached are the files that a verifier needs beside the signature.
func (v vector) detached() []string {
	switch {
	case v.name == "manifest":
		return beside([]string{"anlage.txt"})
	case strings.Contains(v.options, "packaging=DETACHED"):
		return beside(v.files)
	}
	return nil
}

func TestUpdate(t *testing.T) {
	if !*update {
		t.Skip("the vectors are kept; -update makes them anew")
	}
	ca := newKey(t, "ca", nil, nil)
	ca.write(t, filepath.Join("testdata", "ca.pem"))
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: signedAt.AddDate(0, 0, 10), NextUpdate: signedAt.AddDate(15, 0, 0)}, ca.cert, ca.signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", "ca.crl"), list, 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys.p12")
	signer := newKey(t, "rsa", r, ca)
	for _, k := range []*key{signer, newKey(t, "ec", nil, ca), newKey(t, "tsa", nil, ca)} {
		k.keep(t, keys, ca)
	}
	newKey(t, "zwilling", r, ca).write(t, filepath.Join("testdata", "zwilling.pem")) // of the same key under another name
	for _, v := range vectors {
		judge.Sign(t, keys, v.path(), v.options+"&at="+signedAt.Format(time.RFC3339), beside(v.files)...)
	}
	for _, c := range containers {
		judge.Sign(t, keys, filepath.Join("testdata", c.name), c.options+"&packaging=DETACHED&at="+signedAt.Format(time.RFC3339), beside(c.files)...)
	}
}

type key struct {
	name   string
	signer crypto.Signer
	cert   *x509.Certificate
}

// newKey makes a key with a certificate of an issuer; without one it is its own.
func newKey(t *testing.T, name string, signer crypto.Signer, issuer *key) *key {
	t.Helper()
	if signer == nil {
		var err error
		if signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: signedAt.AddDate(-6, 0, 0), NotAfter: signedAt.AddDate(20, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment}
	by := &key{name, signer, c}
	if issuer != nil {
		by = issuer
	} else {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	}
	if name == "tsa" {
		c.KeyUsage = x509.KeyUsageDigitalSignature
		c.ExtraExtensions = []pkix.Extension{{Id: []int{2, 5, 29, 37}, Critical: true, Value: []byte{0x30, 0x0a, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 8}}}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by.cert, signer.Public(), by.signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &key{name, signer, c}
}

func (k *key) write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.cert.Raw}), 0o644); err != nil {
		t.Fatal(err)
	}
}

// keep adds the key under its name to a PKCS #12 file, which openssl cannot do to one
// that has another key.
func (k *key) keep(t *testing.T, store string, ca *key) {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(k.signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	k.write(t, filepath.Join(dir, "cert"))
	ca.write(t, filepath.Join(dir, "ca"))
	for _, args := range [][]string{
		{"openssl", "pkcs12", "-export", "-name", k.name, "-inkey", "key", "-in", "cert", "-certfile", "ca", "-passout", "pass:testtest", "-out", "one"},
		{"keytool", "-importkeystore", "-noprompt", "-srckeystore", "one", "-srcstoretype", "PKCS12", "-srcstorepass", "testtest", "-destkeystore", store, "-deststoretype", "PKCS12", "-deststorepass", "testtest"},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
}
