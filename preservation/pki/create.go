package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"bestand/preservation/cades/cms"
)

// Algorithm names the kind of new keys.
type Algorithm string

// ECP256 is the default: openssl, poppler and the EU's DSS accept it, tokens
// and evidence records are half the size.
const (
	ECP256  Algorithm = "ec-p256"
	ECP384  Algorithm = "ec-p384" // signs with SHA-384
	RSA3072 Algorithm = "rsa-3072"
)

const (
	authorityYears = 20
	identityYears  = 5
	backdate       = time.Hour // for verifiers whose clocks are behind
)

// create writes a complete folder beside dir and moves it there.
func create(dir string, now time.Time, o Options) error {
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(parent, ".keys-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	if err := fill(fresh, now, o); err != nil {
		return err
	}
	if err := syncDir(fresh); err != nil {
		return err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		if empty, e := isEmpty(dir); e == nil && !empty {
			return nil // another process was faster; its keys count
		}
		return err
	}
	if err := os.Rename(fresh, dir); err != nil {
		if empty, e := isEmpty(dir); e == nil && !empty {
			return nil
		}
		return err
	}
	return syncDir(parent)
}

func fill(dir string, now time.Time, o Options) error {
	if o.Organization == "" {
		o.Organization = "Bestand"
	}
	ca, err := authority(now, o)
	if err != nil {
		return err
	}
	seal, err := issue(ca, now, o, "Archivsiegel "+o.Organization, sealUse)
	if err != nil {
		return err
	}
	tsa, err := issue(ca, now, o, "Zeitstempel "+o.Organization, stampUse)
	if err != nil {
		return err
	}
	crl, err := revocationList(ca, o.digest()(cms.HashFor(ca.Signer.Public())), now, big.NewInt(1))
	if err != nil {
		return err
	}
	secret := make([]byte, 24)
	rand.Read(secret) // never fails: crypto/rand aborts the program instead
	password := hex.EncodeToString(secret)
	for i, id := range []Identity{ca, seal, tsa} {
		p12, err := pkcs12.Modern2023.Encode(id.Signer, id.Chain[0], id.Chain[1:], password)
		if err != nil {
			return fmt.Errorf("encode PKCS #12: %w", err)
		}
		if err := writeFile(filepath.Join(dir, p12Names()[i]), p12, 0o600); err != nil {
			return err
		}
	}
	anchor := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Chain[0].Raw})
	if err := writeFile(filepath.Join(dir, anchorFile), anchor, 0o644); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, crlFile), crl, 0o644); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, passwordFile), []byte(password+"\n"), 0o600)
}

func authority(now time.Time, o Options) (Identity, error) {
	key, err := newKey(o.Algorithm)
	if err != nil {
		return Identity{}, err
	}
	t, err := template(now, authorityYears, o, "Archiv-CA "+o.Organization)
	if err != nil {
		return Identity{}, err
	}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	cert, err := certify(t, t, key.Public(), key, o)
	return Identity{Signer: key, Chain: []*x509.Certificate{cert}}, err
}

func issue(ca Identity, now time.Time, o Options, name string, use func(*x509.Certificate)) (Identity, error) {
	key, err := newKey(o.Algorithm)
	if err != nil {
		return Identity{}, err
	}
	t, err := template(now, identityYears, o, name)
	if err != nil {
		return Identity{}, err
	}
	t.BasicConstraintsValid = true
	if end := ca.Certificate().NotAfter; end.Before(t.NotAfter) {
		t.NotAfter = end
	}
	use(t)
	cert, err := certify(t, ca.Chain[0], key.Public(), ca.Signer, o)
	return Identity{Signer: key, Chain: []*x509.Certificate{cert, ca.Chain[0]}}, err
}

// SelfMade is the organisational unit of every certificate that is made here.
const SelfMade = "self-made, not qualified"

func template(now time.Time, years int, o Options, name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject: pkix.Name{
			Country: []string{"DE"}, Organization: []string{o.Organization},
			OrganizationalUnit: []string{SelfMade}, CommonName: name,
		},
		NotBefore: now.Add(-backdate).UTC(),
		NotAfter:  now.AddDate(years, 0, 0).UTC(),
	}, nil
}

// sealUse: documentSigning (RFC 9336), and e-mail protection for verifiers
// that know no better purpose for signed documents.
func sealUse(c *x509.Certificate) {
	c.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 36}}
}

// stampUse: time-stamping alone, and critical (RFC 3161, 2.3). The template's
// own field would write it as not critical.
func stampUse(c *x509.Certificate) {
	c.KeyUsage = x509.KeyUsageDigitalSignature
	v, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		panic(err) // a constant
	}
	c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: v}}
}

func certify(t, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer, o Options) (*x509.Certificate, error) {
	t.SignatureAlgorithm = signature(key.Public(), o.digest()(cms.HashFor(key.Public())))
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("certify %s: %w", t.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// signatures are the ways in which keys of the authority sign, by their digests.
var signatures = []struct {
	digest   crypto.Hash
	ecc, rsa x509.SignatureAlgorithm
}{
	{crypto.SHA256, x509.ECDSAWithSHA256, x509.SHA256WithRSA},
	{crypto.SHA384, x509.ECDSAWithSHA384, x509.SHA384WithRSA},
	{crypto.SHA512, x509.ECDSAWithSHA512, x509.SHA512WithRSA},
}

// signature is how a key signs under a digest algorithm; 0 is the choice of package x509.
func signature(key crypto.PublicKey, h crypto.Hash) x509.SignatureAlgorithm {
	for _, s := range signatures {
		if s.digest != h {
			continue
		}
		if _, ok := key.(*rsa.PublicKey); ok {
			return s.rsa
		}
		return s.ecc
	}
	return 0
}

// digestOf is the digest algorithm of a signature; 0 where it is none of the authority.
func digestOf(a x509.SignatureAlgorithm) crypto.Hash {
	for _, s := range signatures {
		if a == s.ecc || a == s.rsa {
			return s.digest
		}
	}
	return 0
}

func newKey(a Algorithm) (crypto.Signer, error) {
	switch a {
	case "", ECP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	}
	return nil, fmt.Errorf("key algorithm %q: want %s, %s or %s", a, ECP256, ECP384, RSA3072)
}
