package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/cades/cms"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
	"bestand/preservation/objectstore"
	"bestand/preservation/pkcs11"
	"bestand/preservation/pki"
	"bestand/preservation/proof"
	"bestand/preservation/replica"
	"bestand/preservation/revocation"
	"bestand/preservation/s3"
	"bestand/preservation/timestamp"
	"bestand/preservation/verdict"
	"bestand/retention"
)

// archive is what every command on the data folder needs: the store, the
// catalog and the keys.
type archive struct {
	cfg *Config
	log *slog.Logger
	now func() time.Time // of the guard

	clock    *guard
	lock     *os.File // of the data folder
	embedded *objectstore.Server
	s3       *s3.Client
	second   *second                       // nil: there is no second copy
	probed   <-chan []preservation.Finding // what promised waits for
	staging  *s3.Staging
	catalog  *catalog.DB
	keys     *pki.PKI
	seal     pki.Identity
	module   *pkcs11.Key // that has the seal key; nil: it is in a file
	stamper  cades.Stamper
	trust    *x509.CertPool
	suitable *evidence.Suitability // of algorithms
	validity *revocation.Source    // of certificates
	officer  *retention.Officer

	mu      sync.Mutex // guards seal, once a service runs, and buckets
	buckets map[preservation.TenantID]*s3.Bucket
}

// open brings the parts up. A store that does not keep its promises is refused.
func open(ctx context.Context, cfg *Config, log *slog.Logger) (*archive, error) {
	a, err := begin(ctx, cfg, log, time.Now)
	if err != nil {
		return a, err
	}
	if err := a.promised(ctx); err != nil {
		return a, errors.Join(err, a.close())
	}
	return a, nil
}

// begin brings the parts up in the order in which they need each other, by a clock
// of the machine. The store is still being tried: nothing may be archived before
// promised returns nil.
func begin(ctx context.Context, cfg *Config, log *slog.Logger, wall func() time.Time) (a *archive, err error) {
	a = &archive{cfg: cfg, log: log, clock: &guard{wall: wall, log: log}, buckets: map[preservation.TenantID]*s3.Bucket{}}
	a.now = a.clock.now
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	if err := a.clock.born(); err != nil {
		return a, err
	}
	if a.lock, err = lockFolder(cfg.Data); err != nil {
		return a, err
	}
	if err := refuseRestoring(cfg); err != nil {
		return a, err
	}
	url := cfg.catalogURL()
	if a.catalog, err = catalog.Open(ctx, catalog.Config{URL: url, Now: a.now}); errors.Is(err, catalog.ErrNewer) {
		return a, fmt.Errorf("catalog %s: %w: start the release that wrote it, or a later one", catalog.Redact(url), err)
	} else if err != nil {
		return a, fmt.Errorf("catalog %s: %w; if it is damaged, move it away and run bestand rebuild: the buckets hold everything", catalog.Redact(url), err)
	}
	// From here on the clock is one that is believed: the store is tried out by it.
	a.clock.db = a.catalog
	if err := a.clock.look(ctx); err != nil {
		return a, err
	}
	if err := a.openStore(ctx); err != nil {
		return a, fmt.Errorf("object store: %w", err)
	}
	if err := a.openSecond(); err != nil {
		return a, fmt.Errorf("second copy: %w", err)
	}
	if a.embedded == nil {
		a.clock.peer = a.s3.Clock
		if err := a.clock.look(ctx); err != nil {
			return a, err
		}
	}
	if err := a.openKeys(ctx, a.clock.doubt(ctx) == nil); err != nil {
		return a, fmt.Errorf("keys: %w", err)
	}
	if err := a.giveUpCopies(ctx); err != nil {
		return a, err
	}
	if cfg.Catalog == "" { // in the data folder, which is ours alone
		if err := a.catalog.TakeBack(ctx); err != nil {
			return a, err
		}
	}
	a.officer = &retention.Officer{
		Store: a.store,
		Locks: retention.LockPolicy{Mode: preservation.LockMode(cfg.LockMode), Horizon: cfg.LockHorizon, Short: cfg.LockShort},
		Now:   a.now, Log: log,
	}
	return a, nil
}

// openKeys loads the keys and the table of algorithms that they are used by, and has those renewed that end soon if the clock is believed.
func (a *archive) openKeys(ctx context.Context, renew bool) (err error) {
	if a.suitable, err = verdict.Algorithms(a.cfg.Algorithms); err != nil {
		return err
	}
	if a.keys, err = pki.Open(a.cfg.path("keys"), a.now(), pki.Options{Digest: a.digest}); err != nil {
		return err
	}
	if renew {
		if err := a.renewed(ctx); err != nil {
			return err
		}
	}
	if a.seal, a.module, err = openSeal(a.cfg, a.keys.Seal); err != nil {
		return err
	}
	a.trust = a.keys.Roots()
	a.trust.AddCert(a.seal.Chain[len(a.seal.Chain)-1])
	a.validity = &revocation.Source{Now: a.now, Own: a.ownList}
	if a.validity.Anchors, err = trusted(a.cfg); err != nil {
		return err
	}
	for _, c := range a.validity.Anchors {
		a.trust.AddCert(c)
	}
	defer a.tellAlgorithms(ctx)
	if a.cfg.TSAURL != "" {
		a.stamper, err = a.authorities()
		return err
	}
	a.stamper, err = timestamp.NewAuthority(timestamp.Config{Signer: a.keys.TSA.Signer, Chain: a.keys.TSA.Chain, Now: a.now, Digest: a.digestBy})
	return err
}

// digestBy is the digest algorithm under which a key of the archive signs now: the one that
// goes with it as long as it is suitable, a stronger one in time before it ends.
func (a *archive) digestBy(key crypto.PublicKey) crypto.Hash { return a.digest(cms.HashFor(key)) }

// digest is the algorithm of new signatures, of those that verifiers of PDF and X.509 know.
func (a *archive) digest(wanted crypto.Hash) crypto.Hash {
	return a.suitable.Choose(a.now().Add(proof.Margin), wanted, crypto.SHA256, crypto.SHA384, crypto.SHA512)
}

// tellAlgorithms logs what the keys in use rest on that ends soon, and what to do.
func (a *archive) tellAlgorithms(ctx context.Context) {
	for _, f := range a.ending() {
		a.log.WarnContext(ctx, "algorithm of a key ends", "code", f.Code, "subject", f.Subject, "detail", f.Detail)
	}
}

// ending says which algorithms end soon by the table that seals, receipts and the
// time-stamps made here rest on and that the archive cannot exchange by itself.
func (a *archive) ending() (found []preservation.Finding) {
	_, chain := a.sealing()
	tell := func(subject, what, flag string, rests []timestamp.Algorithm) {
		for _, r := range rests {
			if end, known := a.suitable.Until(r); !known || !end.IsZero() && end.Before(a.now().Add(proof.Margin)) {
				detail := fmt.Sprintf("%s on %s, which the table of algorithms calls suitable until %s: name %s", what, r, end.Format(time.DateOnly), flag)
				if !known {
					detail = fmt.Sprintf("%s on %s, which the table of algorithms does not know: name %s", what, r, flag)
				}
				found = append(found, preservation.Finding{Code: "algorithm-ends", Severity: preservation.Notice, Subject: subject, Detail: detail})
			}
		}
	}
	const newSeal = "another key with --seal-key or --seal-pkcs11-module"
	tell(chain[0].Subject.String(), "the certificate that seals rests", newSeal, timestamp.PathAlgorithms(chain))
	if k, ok := chain[0].PublicKey.(*ecdsa.PublicKey); ok { // RFC 7518, 3.4: the curve says the digest
		tell(chain[0].Subject.String(), "receipts by this key rest", newSeal, []timestamp.Algorithm{{Name: cms.HashFor(k).String()}})
	}
	if own, ok := a.stamper.(*timestamp.Authority); ok {
		chain := own.Chain() // as the folder of keys may be being renewed
		tell(chain[0].Subject.String(), "the time-stamps made here rest", "a service with --tsa-url", timestamp.PathAlgorithms(chain))
	}
	return found
}

// renewed gives keys that end soon successors in the data folder.
func (a *archive) renewed(ctx context.Context) error {
	subjects, err := a.keys.Renew(a.now())
	for _, subject := range subjects {
		a.log.InfoContext(ctx, "key and certificate renewed", "subject", subject)
	}
	return err
}

// renewKeys does that while the service runs, which goes on with the keys of the data
// folder, also when a call before this one renewed them and failed then. One caller at
// a time.
func (a *archive) renewKeys(ctx context.Context) error {
	err := a.renewed(ctx)
	if a.cfg.SealKey == "" && a.cfg.SealModule == "" {
		a.mu.Lock()
		a.seal = a.keys.Seal
		a.mu.Unlock()
	}
	if own, ok := a.stamper.(*timestamp.Authority); ok {
		err = errors.Join(err, own.Renew(a.keys.TSA.Signer, a.keys.TSA.Chain))
	}
	a.tellAlgorithms(ctx)
	return err
}

// sealing is the key that seals now, with its certificates.
func (a *archive) sealing() (crypto.Signer, []*x509.Certificate) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.seal.Signer, a.seal.Chain
}

// authorities are the time-stamping services of others.
func (a *archive) authorities() (*timestamp.Preferred, error) {
	secret, err := readSecret(a.cfg.TSAPassword)
	if err != nil {
		return nil, err
	}
	urls, users, passwords := several(a.cfg.TSAURL), several(a.cfg.TSAUser), strings.Split(secret, "\n")
	if secret != "" && len(passwords) != len(users) {
		return nil, fmt.Errorf("%s: want a password a line, as many as --tsa-user has names: %d", a.cfg.TSAPassword, len(users))
	}
	p := &timestamp.Preferred{Now: a.now, Log: a.log}
	for i, u := range urls {
		c := &timestamp.Client{URL: u, Roots: a.trust, Now: a.now}
		if i < len(users) {
			c.User = users[i]
		}
		if i < len(passwords) {
			c.Password = strings.TrimSpace(passwords[i])
		}
		p.Clients = append(p.Clients, c)
	}
	return p, nil
}

// readCertificates reads the certificates of a PEM file.
func readCertificates(path string) (all []*x509.Certificate, err error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w", path, len(all)+1, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no certificate in it", path)
	}
	return all, nil
}

func (a *archive) openStore(ctx context.Context) (err error) {
	var own objectstore.Account
	if a.cfg.S3Endpoint == "" {
		if a.embedded, err = superviseSoon(ctx, objectstore.Options{Dir: a.cfg.path("objects"), Log: a.log}); err != nil {
			return err
		}
		own.Endpoint = a.embedded.Endpoint()
		own.AccessKey, own.SecretKey = a.embedded.Credentials()
	}
	c, err := a.storeConfig(own)
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(c.Spool), os.MkdirAll(c.Spool, 0o700)); err != nil {
		return err
	}
	if a.s3, err = s3.Dial(c); err != nil {
		return err
	}
	reach, cancel := context.WithTimeout(ctx, 15*time.Second)
	_, err = a.s3.Buckets(reach)
	cancel()
	if err != nil {
		return fmt.Errorf("cannot be reached or refuses the account; check --s3-endpoint, --s3-secure and the keys: %w", err)
	}
	probed := make(chan []preservation.Finding, 1)
	go func() { probed <- a.s3.Probe(ctx) }()
	a.probed = probed
	a.staging, err = a.s3.Staging(ctx, a.cfg.S3BucketPrefix+"-staging")
	return err
}

// storeConfig says how the store is reached: the embedded one by its account.
func (a *archive) storeConfig(own objectstore.Account) (c s3.Config, err error) {
	c = s3.Config{Region: a.cfg.S3Region, Secure: a.cfg.S3Secure, Now: a.now, ProbeBucket: a.cfg.S3BucketPrefix + "-probe", Spool: a.cfg.path("spool"),
		Stall:            a.cfg.S3Timeout,
		BypassGovernance: a.cfg.LockMode == string(preservation.Governance)}
	if a.cfg.S3Endpoint == "" {
		c.Endpoint, c.AccessKey, c.SecretKey, c.Secure = own.Endpoint, own.AccessKey, own.SecretKey, false
		return c, nil
	}
	c.Endpoint, c.AccessKey = a.cfg.S3Endpoint, a.cfg.S3AccessKey
	if c.SecretKey, err = readSecret(a.cfg.S3SecretFile); err == nil {
		c.RootCAs, err = verdict.Anchors(a.cfg.S3CAFile)
	}
	return c, err
}

// promised waits for what the trial of the store finds. It takes a second, which
// is how long its locks last, and everything else that a start needs meanwhile.
func (a *archive) promised(ctx context.Context) (err error) {
	var full error
	for _, f := range <-a.probed {
		switch {
		case f.Code == s3.CodeFull:
			full = preservation.Down(preservation.PartStore, fmt.Errorf("%w: %s", preservation.ErrFull, f.Detail))
		case f.Severity == preservation.Failed:
			err = errors.Join(err, fmt.Errorf("%s: %s", f.Code, f.Detail))
		case f.Severity == preservation.Notice:
			a.log.WarnContext(ctx, "object store", "code", f.Code, "detail", f.Detail)
		}
	}
	if err != nil {
		if there, ok := a.s3.Clock(); ok && !within(a.clock.wall().Sub(there), agreement) {
			return fmt.Errorf("object store: %w: this machine shows %s, the store %s: set both by NTP; then see whether this remains: %w", preservation.ErrClock, stamp(a.clock.wall()), stamp(there), err)
		}
		return fmt.Errorf("object store: does not keep what an archive needs: %w", err)
	}
	return full
}

// superviseSoon starts the embedded server. One that a killed service left behind
// needs a moment to notice and to let go of the folder.
func superviseSoon(ctx context.Context, o objectstore.Options) (*objectstore.Server, error) {
	for try := 0; ; try++ {
		s, err := objectstore.Supervise(ctx, o)
		if !errors.Is(err, objectstore.ErrBusy) || try == 25 {
			return s, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// enforcedBy says in receipts what stands behind a lock.
func (a *archive) enforcedBy() string {
	if a.embedded != nil {
		return "Bestand on this host (embedded object store)"
	}
	return "object storage at " + a.cfg.S3Endpoint
}

func (a *archive) bucketName(t preservation.TenantID) string {
	return a.cfg.S3BucketPrefix + "-" + string(t)
}

// bucket opens the bucket of a tenant, once.
func (a *archive) bucket(ctx context.Context, t preservation.TenantID) (*s3.Bucket, error) {
	a.mu.Lock()
	b := a.buckets[t]
	a.mu.Unlock()
	if b != nil {
		return b, nil
	}
	b, err := a.s3.Bucket(ctx, a.bucketName(t))
	if err != nil {
		return nil, fmt.Errorf("bucket of tenant %s: %w", t, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buckets[t] = b
	return b, nil
}

func (a *archive) store(ctx context.Context, t *catalog.Tenant) (preservation.Store, error) {
	b, err := a.bucket(ctx, t.ID())
	if err != nil || a.second == nil {
		return b, err
	}
	return &replica.Store{Store: b, Tenant: t}, nil
}

// addTenant adds a municipality with everything it needs. What an interruption
// leaves out is made up for at the next start (completeTenant). Who is refused gets no
// bucket; of two at the same time that want one name the other's stays, empty, for the next
// tenant of its identifier.
func (a *archive) addTenant(ctx context.Context, info catalog.TenantInfo, actor string) (catalog.TenantInfo, error) {
	if !info.ID.Valid() || info.ID == "staging" || info.ID == "probe" || len(a.bucketName(info.ID)) > 63 {
		return info, fmt.Errorf("tenant %q: want up to 40 lower-case letters, digits and hyphens, other than staging and probe", info.ID)
	}
	if err := a.catalog.TenantFree(ctx, info); err != nil {
		return info, err
	}
	if _, err := a.bucket(ctx, info.ID); err != nil {
		return info, err
	}
	if err := a.catalog.CreateTenant(ctx, info, actor); err != nil {
		return info, err
	}
	t := a.catalog.Tenant(info.ID)
	info.Created = a.now().UTC().Truncate(time.Millisecond)
	if err := t.DescribeTenant(ctx, info, actor); err != nil {
		return info, err
	}
	if err := a.officer.LoadSample(ctx, t, actor); err != nil {
		return info, fmt.Errorf("load sample classification: %w", err)
	}
	return t.Info(ctx)
}

// close ends the parts in the reverse order of open.
func (a *archive) close() error {
	var errs []error
	if a.catalog != nil {
		errs = append(errs, a.catalog.Close())
	}
	if a.embedded != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		errs = append(errs, a.embedded.Stop(ctx))
		cancel()
	}
	if a.module != nil {
		errs = append(errs, a.module.Close())
	}
	if a.lock != nil {
		errs = append(errs, a.lock.Close())
	}
	return errors.Join(errs...)
}

// errRunning: a service works on the data folder.
var errRunning = errors.New("in use by a running service")

// lockFolder makes the data folder and takes it for this process alone.
func lockFolder(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("data folder %s: %w", dir, errRunning)
	}
	return f, nil
}
