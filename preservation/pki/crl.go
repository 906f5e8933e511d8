package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"math/big"
	"path/filepath"
	"time"
)

const crlLife = 90 * 24 * time.Hour

// CRL returns the revocation list of the authority in DER, issued anew when
// half of its life is over or its digest algorithm is to be used no
// more. The list is empty: a compromised key is replaced
// together with the folder.
func (p *PKI) CRL(now time.Time) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path := filepath.Join(p.dir, crlFile)
	der, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("revocation list %s: %w", path, err)
	}
	half := list.ThisUpdate.Add(list.NextUpdate.Sub(list.ThisUpdate) / 2)
	if now.Before(half) && !p.aged(list.SignatureAlgorithm) {
		return der, nil
	}
	der, err = revocationList(p.CA, p.digestNow(), now, new(big.Int).Add(list.Number, big.NewInt(1)))
	if err != nil {
		return nil, err
	}
	if err := replaceFile(path, der, 0o644); err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	return der, nil
}

func revocationList(ca Identity, h crypto.Hash, now time.Time, number *big.Int) ([]byte, error) {
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		SignatureAlgorithm: signature(ca.Certificate().PublicKey, h),
		Number:             number, ThisUpdate: now.Add(-backdate).UTC(), NextUpdate: now.Add(crlLife).UTC(),
	}, ca.Chain[0], ca.Signer)
	if err != nil {
		return nil, fmt.Errorf("issue revocation list: %w", err)
	}
	return der, nil
}
