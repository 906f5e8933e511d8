package revocation_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/revocation"
)

// authority is one that says what was revoked at a server of its own: lists by
// crypto/x509, OCSP answers by openssl.
type authority struct {
	dir    string
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	server *httptest.Server

	revoked []x509.RevocationListEntry
	ended   bool          // lists are of yesterday
	point   asn1.RawValue // IssuingDistributionPoint of the lists
	down    string        // path that does not answer
	asked   map[string]int
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir(), asked: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/list", a.list)
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 2<<20)) })
	mux.HandleFunc("/ocsp", a.ocsp)
	a.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.asked[r.URL.Path]++; r.URL.Path == a.down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(a.server.Close)
	a.key = newKey(t)
	a.cert = a.certify(t, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature}, a.key)
	der, err := x509.MarshalECPrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	a.write(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (a *authority) certify(t *testing.T, c *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent := a.cert
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// signer is a certificate that names places at the server.
func (a *authority) signer(t *testing.T, lists, responders string) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(4096), Subject: pkix.Name{CommonName: "Siegel"}}
	for _, p := range strings.Fields(lists) {
		c.CRLDistributionPoints = append(c.CRLDistributionPoints, a.server.URL+p)
	}
	for _, p := range strings.Fields(responders) {
		c.OCSPServer = append(c.OCSPServer, a.server.URL+p)
	}
	cert := a.certify(t, c, newKey(t))
	state, when := "V", ""
	if len(a.revoked) > 0 {
		state, when = "R", a.revoked[0].RevocationTime.UTC().Format("060102150405Z")
	}
	a.write(t, "index.txt", fmt.Appendf(nil, "%s\t%s\t%s\t1000\tunknown\t/CN=Siegel\n", state, cert.NotAfter.UTC().Format("060102150405Z"), when))
	return cert
}

func (a *authority) list(w http.ResponseWriter, _ *http.Request) {
	l := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-48 * time.Hour), NextUpdate: time.Now().Add(time.Hour), RevokedCertificateEntries: a.revoked}
	if a.ended {
		l.NextUpdate = time.Now().Add(-time.Hour)
	}
	if a.point.FullBytes != nil {
		l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: a.point.FullBytes}}
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, a.cert, a.key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Write(der)
}

func (a *authority) ocsp(w http.ResponseWriter, r *http.Request) {
	query, err := io.ReadAll(r.Body)
	if err == nil {
		err = os.WriteFile(filepath.Join(a.dir, "query"), query, 0o600)
	}
	if err == nil {
		cmd := exec.CommandContext(r.Context(), "openssl", "ocsp", "-index", "index.txt", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "key.pem", "-reqin", "query", "-respout", "answer", "-nmin", "60")
		cmd.Dir = a.dir
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/ocsp-response")
	http.ServeFile(w, r, filepath.Join(a.dir, "answer"))
}

func openssl(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal("openssl is required (BESTAND_REQUIRE_TOOLS=1) and not installed")
		}
		t.Skip("openssl is not installed")
	}
}

// scope is an IssuingDistributionPoint with one flag.
func scope(tag byte) asn1.RawValue {
	return asn1.RawValue{FullBytes: []byte{0x30, 0x03, tag, 0x01, 0xff}}
}

func TestMaterial(t *testing.T) {
	openssl(t)
	entry := []x509.RevocationListEntry{{SerialNumber: big.NewInt(4096), RevocationTime: time.Now().Add(-30 * time.Minute)}}
	for _, c := range []struct {
		name              string
		lists, responders string
		with              func(*authority)
		got               string // lists and answers, or the error
		finding           string
	}{
		{"a list", "/list", "", nil, "1 0", "revocation-checked"},
		{"an answer", "", "/ocsp", nil, "0 1", "revocation-checked"},
		{"an answer before a list", "/list", "/ocsp", nil, "0 1", "revocation-checked"},
		{"a list for a responder that is down", "/list", "/ocsp", func(a *authority) { a.down = "/ocsp" }, "1 0", "revocation-checked"},
		{"the second place", "/nowhere /list", "", nil, "1 0", "revocation-checked"},
		{"the second responder", "", "/list /ocsp", nil, "0 1", "revocation-checked"},
		{"revoked, by a list", "/list", "", func(a *authority) { a.revoked = entry }, "1 0", "certificate-revoked"},
		{"revoked, by an answer", "", "/ocsp", func(a *authority) { a.revoked = entry }, "0 1", "certificate-revoked"},
		{"a list of users' certificates", "/list", "", func(a *authority) { a.point = scope(0x81) }, "1 0", "revocation-checked"},
		{"a list of authorities' certificates", "/list", "", func(a *authority) { a.point = scope(0x82) }, "none: not complete", ""},
		{"a list of others' certificates", "/list", "", func(a *authority) { a.point = scope(0x84) }, "none: not complete", ""},
		{"no place", "", "", nil, "none: names no place", ""},
		{"too large", "/large", "", nil, "none: more than", ""},
		{"down", "/list", "", func(a *authority) { a.down = "/list" }, "later: status 503", ""},
		{"responder down, no list", "", "/ocsp", func(a *authority) { a.down = "/ocsp" }, "later: status 503", ""},
		{"ended", "/list", "", func(a *authority) { a.ended = true }, "later: was for the time until", ""},
		{"no answer but a list", "", "/list", nil, "later: content type", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAuthority(t)
			if c.with != nil {
				c.with(a)
			}
			path := []*x509.Certificate{a.signer(t, c.lists, c.responders), a.cert}
			s := &revocation.Source{Now: time.Now}
			for range 2 { // the second time from memory
				m, err := s.Material(t.Context(), path)
				got := fmt.Sprint(len(m.Lists), len(m.Answers))
				want, text, failed := strings.Cut(c.got, ": ")
				switch {
				case failed && (err == nil || !strings.Contains(err.Error(), text) || errors.Is(err, revocation.ErrNone) != (want == "none")):
					t.Errorf("got %v, want %s", err, c.got)
				case !failed && (err != nil || got != c.got):
					t.Errorf("got %s, %v; want %s", got, err, c.got)
				case !failed:
					if f := m.Check(path, time.Now(), time.Now(), ""); f.Code != c.finding {
						t.Errorf("%s: %s", f.Code, f.Detail)
					}
				}
			}
			if n := a.asked["/list"] + a.asked["/ocsp"]; c.finding != "" && n > 2 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	signer := a.signer(t, "/list", "")
	path := []*x509.Certificate{signer, a.cert}
	now := time.Now()
	lists := func(a *authority) revocation.Material {
		lists, err := (&revocation.Source{Now: time.Now}).Lists(t.Context(), []*x509.Certificate{a.signer(t, "/list", ""), a.cert})
		if err != nil {
			t.Fatal(err)
		}
		return revocation.Material{Lists: lists}
	}
	good := lists(a)
	a.revoked = []x509.RevocationListEntry{{SerialNumber: signer.SerialNumber, RevocationTime: now.Add(-30 * time.Minute)}}
	revoked := lists(a)
	for _, c := range []struct {
		name        string
		m           revocation.Material
		path        []*x509.Certificate
		made, until time.Time
		want        string
	}{
		{"not revoked", good, path, now, now, "revocation-checked"},
		{"nothing known", revocation.Material{}, path, now, now, "revocation-unknown"},
		{"list of another of the same name", lists(other), path, now, now, "revocation-unknown"},
		{"list that had ended", good, path, now.Add(48 * time.Hour), now, "revocation-unknown"},
		{"issuer unknown", good, path[:1], now, now, "revocation-unknown"},
		{"no certificate", good, nil, now, now, "revocation-unknown"},
		{"revoked before", revoked, path, now, now, "certificate-revoked"},
		{"revoked afterwards", revoked, path, now.Add(-time.Hour), now.Add(-time.Hour), "revocation-checked"},
		{"rubbish beside", revocation.Material{Lists: [][]byte{{0x30}, good.Lists[0]}, Answers: [][]byte{{0x30, 0}}}, path, now, now, "revocation-checked"},
	} {
		if f := c.m.Check(c.path, c.made, c.until, "x"); f.Code != c.want || (f.Severity == preservation.Failed) != (c.want == "certificate-revoked") {
			t.Errorf("%s: %+v", c.name, f)
		}
	}
}

// A path whose end was left out is completed by the anchors.
func TestAnchorsCompletePaths(t *testing.T) {
	a := newAuthority(t)
	s := &revocation.Source{Now: time.Now}
	path := []*x509.Certificate{a.signer(t, "/list", "")}
	if _, err := s.Material(t.Context(), path); !errors.Is(err, revocation.ErrNone) {
		t.Errorf("got %v", err)
	}
	s.Anchors = []*x509.Certificate{a.cert}
	m, err := s.Material(t.Context(), path)
	if err != nil || len(m.Certificates) != 2 || len(m.Lists) != 1 {
		t.Errorf("%d certificates, %d lists, %v", len(m.Certificates), len(m.Lists), err)
	}
}

// TestSelfIssued: a new key of an authority, under its name and signed with the former
// one, is no anchor. It can be revoked.
func TestSelfIssued(t *testing.T) {
	a := newAuthority(t)
	next := a.certify(t, &x509.Certificate{SerialNumber: big.NewInt(7), Subject: a.cert.Subject, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}, newKey(t))
	if !revocation.SelfSigned(a.cert) || revocation.SelfSigned(next) {
		t.Error("the former is", revocation.SelfSigned(a.cert), "the next is", revocation.SelfSigned(next))
	}
	a.revoked = []x509.RevocationListEntry{{SerialNumber: next.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)}}
	w := httptest.NewRecorder()
	a.list(w, nil)
	m := revocation.Material{Lists: [][]byte{w.Body.Bytes()}}
	if f := m.Check([]*x509.Certificate{next, a.cert}, time.Now(), time.Now(), "seal"); f.Code != "certificate-revoked" {
		t.Errorf("%+v", f)
	}
}
