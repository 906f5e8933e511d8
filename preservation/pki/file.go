package pki

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

const maxFile = 1 << 20 // bytes; a PKCS #12 file with a chain has some thousand

// LoadPKCS12 reads a key and its certificates from a PKCS #12 file (RFC 7292),
// opened by the first line of the password file. An empty passwordFile means
// an empty password. It refuses a key that does not belong to the certificate.
func LoadPKCS12(path, passwordFile string) (Identity, error) {
	password, err := readPassword(passwordFile)
	if err != nil {
		return Identity{}, fmt.Errorf("password of %s: %w", path, err)
	}
	b, err := readFile(path)
	if err != nil {
		return Identity{}, fmt.Errorf("load key: %w", err)
	}
	key, cert, issuers, err := pkcs12.DecodeChain(b, password)
	if err != nil {
		return Identity{}, fmt.Errorf("load key from %s: %w", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return Identity{}, fmt.Errorf("load key from %s: a %T cannot sign", path, key)
	}
	id, err := NewIdentity(signer, append([]*x509.Certificate{cert}, issuers...))
	if err != nil {
		return Identity{}, fmt.Errorf("load key from %s: %w", path, err)
	}
	return id, nil
}

// readPassword reads the first line of a file; no file gives no password.
func readPassword(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	b, err := readFile(path)
	password, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSuffix(password, "\r"), err
}

// NewIdentity joins a key with its certificate and those of the issuers, which may
// come in any order.
func NewIdentity(signer crypto.Signer, certs []*x509.Certificate) (Identity, error) {
	pub, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return Identity{}, fmt.Errorf("a %T is no known kind of key", signer.Public())
	}
	i := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return pub.Equal(c.PublicKey) })
	if i < 0 {
		return Identity{}, errors.New("no certificate belongs to the key")
	}
	return Identity{Signer: signer, Chain: order(certs[i], slices.Delete(slices.Clone(certs), i, i+1))}, nil
}

// order puts issuers behind the certificates that they issued, since PKCS #12
// files keep them in any order. What does not belong to the chain is left out.
func order(cert *x509.Certificate, issuers []*x509.Certificate) []*x509.Certificate {
	chain := []*x509.Certificate{cert}
	for last := cert; len(chain) <= len(issuers); {
		var next *x509.Certificate
		for _, c := range issuers {
			if !c.Equal(last) && last.CheckSignatureFrom(c) == nil {
				next = c
				break
			}
		}
		if next == nil {
			break
		}
		chain = append(chain, next)
		last = next
	}
	return chain
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return b, err
}

// writeFile writes a new file and returns when it is on disk.
func writeFile(path string, b []byte, mode os.FileMode) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// replaceFile puts new content in the place of a file, all at once.
func replaceFile(path string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all is well
	_, err = f.Write(b)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
