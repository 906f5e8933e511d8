// Package pki keeps the keys of an installation: a certification authority of
// its own, a seal and a time-stamping authority that this one certifies, and
// the revocation list that verifiers ask for.
//
// It makes a fresh installation work at once. Nothing it makes is qualified
// under eIDAS, and every certificate says so in its subject; production names
// a time-stamping service, and where wanted a seal, from outside (LoadPKCS12).
// Keys are used through crypto.Signer only, so that a hardware module can take
// their place.
//
// The folder, made in one step or not at all:
//
//	password                     opens the three files below; mode 0600
//	ca.p12, seal.p12, tsa.p12    PKCS #12, key and certificates; mode 0600
//	ca.pem                       the trust anchor to hand out
//	ca.crl                       the newest revocation list, DER
//
// The file names and formats are kept readable by every later version.
package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bestand/preservation/cades/cms"
)

// Identity is a key with its certificates.
type Identity struct {
	Signer crypto.Signer
	Chain  []*x509.Certificate // the first belongs to Signer; issuers follow
}

// Certificate returns the certificate of the key.
func (i Identity) Certificate() *x509.Certificate { return i.Chain[0] }

// PKI is an opened folder of keys. Its methods may be called concurrently.
type PKI struct {
	CA   Identity
	Seal Identity
	TSA  Identity

	dir    string
	digest func(crypto.Hash) crypto.Hash
	mu     sync.Mutex // guards ca.crl
}

// Options say what Open makes in an empty folder; for one that holds keys the first two
// mean nothing.
type Options struct {
	Algorithm    Algorithm // "" means ECP256
	Organization string    // stands in the subjects; "" means "Bestand"
	// Digest chooses the algorithm under which certificates and revocation lists are signed
	// now: the one that is wanted as long as it is suitable, then SHA-256, SHA-384 or
	// SHA-512; nil means the one that is wanted. What goes with the key is.
	Digest func(wanted crypto.Hash) crypto.Hash
}

func (o Options) digest() func(crypto.Hash) crypto.Hash {
	if o.Digest == nil {
		return func(wanted crypto.Hash) crypto.Hash { return wanted }
	}
	return o.Digest
}

// digestNow is the digest algorithm under which the authority signs now.
func (p *PKI) digestNow() crypto.Hash { return p.digest(cms.HashFor(p.CA.Certificate().PublicKey)) }

// aged reports whether the digest algorithm of a signature is to be used no more. A stronger
// one than that of new signatures is not: who signed so may have known of an end that is not
// known here.
func (p *PKI) aged(a x509.SignatureAlgorithm) bool {
	h := digestOf(a)
	return p.digest(h) != h
}

// ErrIncomplete: the folder holds some of the files and not all. Restore it
// from a backup; Open never makes new keys beside old ones.
var ErrIncomplete = errors.New("key folder is incomplete")

const (
	passwordFile = "password"
	anchorFile   = "ca.pem"
	crlFile      = "ca.crl"
)

var identities = []string{"ca", "seal", "tsa"}

// Open loads the keys in dir, and makes them first when dir is empty or does
// not exist. When it returns, new keys are on disk. Two processes may open an
// empty folder at once: both get the same keys.
func Open(dir string, now time.Time, o Options) (*PKI, error) {
	empty, err := isEmpty(dir)
	if err != nil {
		return nil, fmt.Errorf("open keys in %s: %w", dir, err)
	}
	if empty {
		if err := create(dir, now, o); err != nil {
			return nil, fmt.Errorf("make keys in %s: %w", dir, err)
		}
	}
	p, err := load(dir)
	if err != nil {
		return nil, fmt.Errorf("open keys in %s: %w", dir, err)
	}
	p.digest = o.digest()
	return p, nil
}

func isEmpty(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return len(entries) == 0, err
}

func load(dir string) (*PKI, error) {
	p := &PKI{dir: dir}
	for _, name := range append([]string{passwordFile, anchorFile, crlFile}, p12Names()...) {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrIncomplete, err)
		}
	}
	for i, to := range []*Identity{&p.CA, &p.Seal, &p.TSA} {
		id, err := LoadPKCS12(filepath.Join(dir, p12Names()[i]), filepath.Join(dir, passwordFile))
		if err != nil {
			return nil, err
		}
		*to = id
	}
	for _, id := range []Identity{p.Seal, p.TSA} {
		if err := id.Certificate().CheckSignatureFrom(p.CA.Certificate()); err != nil {
			return nil, fmt.Errorf("%s is not of this authority: %w", id.Certificate().Subject, err)
		}
	}
	return p, nil
}

// Expires returns when the first of the three certificates ends; see Renew.
func (p *PKI) Expires() time.Time {
	first := p.CA.Certificate().NotAfter
	for _, id := range []Identity{p.Seal, p.TSA} {
		if end := id.Certificate().NotAfter; end.Before(first) {
			first = end
		}
	}
	return first
}

// Roots returns the trust anchor of the installation.
func (p *PKI) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.CA.Certificate())
	return pool
}

// Anchor returns the certificate of the authority as PEM, to be handed to
// those who verify.
func (p *PKI) Anchor() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.CA.Certificate().Raw})
}

func p12Names() (names []string) {
	for _, n := range identities {
		names = append(names, n+".p12")
	}
	return names
}
