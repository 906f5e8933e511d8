package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"bestand/preservation/cades/cms"
	"bestand/preservation/pkcs11"
	"bestand/preservation/pki"
)

// openSeal returns the key that is configured to seal, and the module that has it,
// if one has; without configuration the embedded one.
func openSeal(cfg *Config, embedded pki.Identity) (id pki.Identity, module *pkcs11.Key, err error) {
	switch {
	case cfg.SealKey != "":
		if id, err = pki.LoadPKCS12(cfg.SealKey, cfg.SealPassword); err == nil && cfg.SealPSS {
			err = byPSS(&id)
		}
		return id, nil, err
	case cfg.SealModule == "":
		return embedded, nil, nil
	}
	pin, err := readSecret(cfg.SealPIN)
	if err != nil {
		return id, nil, err
	}
	module, err = pkcs11.Open(pkcs11.Config{Module: cfg.SealModule, Token: cfg.SealToken, Key: cfg.SealLabel, PIN: pin})
	if err != nil {
		return id, nil, err
	}
	var certs []*x509.Certificate
	if cfg.SealChain != "" {
		certs, err = readCertificates(cfg.SealChain)
	}
	if c := module.Certificate(); c != nil {
		certs = append(certs, c)
	}
	if err == nil {
		id, err = pki.NewIdentity(module, certs)
	}
	if err != nil {
		err = fmt.Errorf("key %q of token %q: %w; --seal-chain names a file with its certificate", cfg.SealLabel, cfg.SealToken, err)
	} else if cfg.SealPSS || module.OnlyPSS() {
		err = byPSS(&id)
	}
	if err != nil {
		return id, nil, errors.Join(err, module.Close())
	}
	return id, module, nil
}

// byPSS has an RSA key seal by RSASSA-PSS.
func byPSS(id *pki.Identity) error {
	if _, ok := id.Signer.Public().(*rsa.PublicKey); !ok {
		return errors.New("--seal-pss is for RSA keys, and this is none")
	}
	id.Signer = cms.PSS{Signer: id.Signer}
	return nil
}

// examineSeal tries the seal key out.
func examineSeal(cfg *Config) external {
	p := external{Name: "seal key", Lost: "nothing can be sealed, and the service does not start", Get: "the flags --seal-key or --seal-pkcs11-…"}
	if cfg.SealKey == "" && cfg.SealModule == "" {
		p.Found, p.Version = true, "self-made at the first start, not qualified"
		return p
	}
	id, module, err := openSeal(cfg, pki.Identity{})
	if err == nil {
		err = try(id)
	}
	if err == nil && byPSS(&id) == nil { // as an RSA key signs receipts, if not seals too
		err = try(id)
	}
	if module != nil {
		err = errors.Join(err, module.Close())
	}
	if err == nil && time.Now().After(id.Certificate().NotAfter) {
		err = fmt.Errorf("the certificate has ended on %s", id.Certificate().NotAfter.Format(time.DateOnly))
	}
	if err != nil {
		p.Lost += "; " + err.Error()
		return p
	}
	p.Found, p.Version = true, fmt.Sprintf("%s, until %s", id.Certificate().Subject, id.Certificate().NotAfter.Format(time.DateOnly))
	return p
}

func try(id pki.Identity) error {
	_, err := id.Signer.Sign(rand.Reader, make([]byte, crypto.SHA256.Size()), crypto.SHA256)
	return err
}
