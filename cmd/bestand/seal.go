package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"bestand/preservation/cades/cms"
	"bestand/preservation/pkcs11"
	"bestand/preservation/pki"
	"bestand/preservation/revocation"
	"bestand/preservation/timestamp"
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
func examineSeal(ctx context.Context, cfg *Config) external {
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
	anchors, err := trusted(cfg)
	if err != nil {
		p.Version += "; " + err.Error()
	}
	p.Version += lower(ctx, id.Chain, anchors)
	return p
}

// trusted are the certificates of --trust-file and those that a restore took over, if there
// are any.
func trusted(cfg *Config) (all []*x509.Certificate, err error) {
	if cfg.TrustFile != "" {
		if all, err = readCertificates(cfg.TrustFile); err != nil {
			return nil, fmt.Errorf("--trust-file: %w", err)
		}
	}
	later, err := readCertificates(cfg.path(laterAnchors))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return append(all, later...), nil
}

// lower says why seals in PDF would not reach level B-LT for the certificates of a signer,
// by asking for what has to be kept of them; nothing where they would.
func lower(ctx context.Context, chain, anchors []*x509.Certificate) string {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err := (&revocation.Source{Now: time.Now, Anchors: anchors}).Material(ctx, chain)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, revocation.ErrNone):
		return fmt.Sprintf("; seals in PDF stay at level B-T, below B-LT: %v. Ask for a certificate that names a revocation list or an OCSP responder, and give its issuers (--seal-chain, the PKCS#12 file, --trust-file)", err)
	default:
		return fmt.Sprintf("; what is to be sealed waits as long as this is so: %v", err)
	}
}

// examineStamps asks each time-stamping service for a time-stamp.
func examineStamps(ctx context.Context, cfg *Config) external {
	p := external{Name: "time-stamps", Lost: "what is handed over waits for its seal, and records for their evidence", Get: "--tsa-url of a service (RFC 3161), and its root in --trust-file"}
	if cfg.TSAURL == "" {
		p.Found, p.Version = true, "not configured (--tsa-url): made here, not qualified"
		return p
	}
	anchors, err := trusted(cfg)
	a := &archive{cfg: cfg, now: time.Now, trust: x509.NewCertPool(), log: slog.New(slog.DiscardHandler)}
	for _, c := range anchors {
		a.trust.AddCert(c)
	}
	var services *timestamp.Preferred
	if err == nil {
		services, err = a.authorities()
	}
	if err != nil {
		p.Lost += "; " + err.Error()
		return p
	}
	var said []string
	for _, c := range services.Clients {
		digest := sha256.Sum256(nil)
		token, err := c.Stamp(ctx, crypto.SHA256, digest[:])
		if err != nil {
			said = append(said, err.Error())
			continue
		}
		p.Found = true
		t, err := timestamp.Parse(token)
		if err != nil {
			panic(err) // Stamp has read it
		}
		said = append(said, fmt.Sprintf("%s: %s, until %s%s", c.URL, t.Signer().Subject, t.Expires().Format(time.DateOnly), lower(ctx, t.Path(), anchors)))
	}
	if p.Version = strings.Join(said, "; "); !p.Found {
		p.Lost, p.Version = p.Lost+"; "+p.Version, ""
	}
	return p
}

func try(id pki.Identity) error {
	_, err := id.Signer.Sign(rand.Reader, make([]byte, crypto.SHA256.Size()), crypto.SHA256)
	return err
}
