package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"time"

	"software.sslmate.com/src/go-pkcs12"
)

// marginYears is how long before its end an identity gets a successor.
const marginYears = 1

// Renew gives the seal and the time-stamping authority new keys and certificates of
// the same authority when theirs end within a year, or are signed under a digest algorithm
// that is to be used no more (Options.Digest), and returns the subjects of the
// new ones. Beside a stronger digest elliptic keys are of P-384, by which receipts are signed
// under it as well. The old keys are gone then; what they signed carries their certificates
// and verifies as before. Call it when the clock is believed; identities that were
// taken from p before stay the old ones. One caller at a time.
//
// The authority itself ends after 20 years and has no successor: from then on there
// is nothing to renew, and its installation needs keys from outside.
func (p *PKI) Renew(now time.Time) (renewed []string, err error) {
	h := p.digestNow()
	for _, x := range []struct {
		file string
		id   *Identity
		use  func(*x509.Certificate)
	}{{identities[1], &p.Seal, sealUse}, {identities[2], &p.TSA, stampUse}} {
		old := x.id.Certificate()
		aged := p.aged(old.SignatureAlgorithm)
		if now.Before(old.NotAfter.AddDate(-marginYears, 0, 0)) && !aged {
			continue
		}
		o := Options{Algorithm: ECP256, Digest: p.digest}
		switch k := old.PublicKey.(type) {
		case *rsa.PublicKey:
			o.Algorithm = RSA3072
		case *ecdsa.PublicKey:
			if h != crypto.SHA256 || k.Curve != elliptic.P256() {
				o.Algorithm = ECP384
			}
		}
		if org := old.Subject.Organization; len(org) > 0 {
			o.Organization = org[0]
		}
		fresh, err := issue(p.CA, now, o, old.Subject.CommonName, x.use)
		if err != nil {
			return renewed, err
		}
		if !aged && !fresh.Certificate().NotAfter.After(old.NotAfter) { // the authority ends
			continue
		}
		if err := p.replace(x.file, fresh); err != nil {
			return renewed, fmt.Errorf("renew %s: %w", old.Subject, err)
		}
		*x.id = fresh
		renewed = append(renewed, fresh.Certificate().Subject.String())
	}
	return renewed, nil
}

// replace puts an identity in the place of an older one, all at once.
func (p *PKI) replace(name string, id Identity) error {
	password, err := readPassword(filepath.Join(p.dir, passwordFile))
	if err != nil {
		return err
	}
	b, err := pkcs12.Modern2023.Encode(id.Signer, id.Chain[0], id.Chain[1:], password)
	if err != nil {
		return fmt.Errorf("encode PKCS #12: %w", err)
	}
	return replaceFile(filepath.Join(p.dir, name+".p12"), b, 0o600)
}
