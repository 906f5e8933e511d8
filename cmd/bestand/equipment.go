package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"bestand/api"
	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
	"bestand/preservation/pades"
	"bestand/preservation/timestamp"
)

// equipment says what the archive of a tenant seals, stamps and stores with.
func (s *service) equipment(ctx context.Context, t *catalog.Tenant) (e api.Equipment, err error) {
	lock, err := s.officer.ProofLock(ctx, t)
	if err != nil {
		return e, err
	}
	_, chain := s.sealing()
	e.Seal = api.EquipmentSeal{Source: "embedded", Subject: chain[0].Subject.String(), Issuer: chain[0].Issuer.String(), Until: chain[0].NotAfter.UTC()}
	switch {
	case s.cfg.SealKey != "":
		e.Seal.Source = "pkcs12"
	case s.cfg.SealModule != "":
		e.Seal.Source = "pkcs11"
	}
	e.Stamps = api.EquipmentStamps{Source: "rfc3161", Services: several(s.cfg.TSAURL)}
	if own, ok := s.stamper.(*timestamp.Authority); ok {
		c := own.Certificate()
		e.Stamps = api.EquipmentStamps{Source: "embedded", Subject: c.Subject.String(), Until: c.NotAfter.UTC()}
	}
	e.Store = api.EquipmentStore{Source: "s3", Endpoint: s.cfg.S3Endpoint, Bucket: s.bucketName(t.ID()), LockMode: string(lock.Mode), Copy: s.cfg.copyPlace()}
	if s.embedded != nil {
		e.Store.Source = "embedded"
	}
	return e, nil
}

// trySeal makes a seal as those of the tenant's packages are, and a time-stamp, and
// checks both as anybody would. Nothing of it is kept.
func (s *service) trySeal(ctx context.Context, t *catalog.Tenant) ([]preservation.Finding, error) {
	if err := s.clock.doubt(ctx); err != nil {
		return nil, err
	}
	info, err := t.Info(ctx)
	if err != nil {
		return nil, err
	}
	content := []byte("A trial of the seal: " + rand.Text())
	seal, err := s.pipeline.Sealer.Detached(ctx, content, info.Settings)
	if err != nil {
		return []preservation.Finding{{Code: "seal-trial", Severity: preservation.Failed, Detail: "No seal could be made: " + err.Error()}}, nil
	}
	_, chain := s.sealing()
	found := cades.Verify(seal, bytes.NewReader(content), cades.Trust{Roots: s.trust, At: s.now()})
	if e, err := s.equipment(ctx, t); err != nil {
		return nil, err
	} else if e.Seal.Source == "embedded" {
		found = append(found, preservation.Finding{Code: "seal-not-qualified", Severity: preservation.Notice, Subject: e.Seal.Subject, Detail: "The seal key was made at the first start and is not qualified: --seal-key or --seal-pkcs11-module names another one."})
	}
	stamps, err := cades.Stamps(seal)
	if err != nil {
		return nil, err
	}
	if len(stamps) == 0 { // the tenant wants seals without one
		digest := sha256.Sum256(content)
		token, err := s.stamper.Stamp(ctx, crypto.SHA256, digest[:])
		if err != nil {
			return append(found, preservation.Finding{Code: "stamp-trial", Severity: preservation.Failed, Detail: "No time-stamp could be had: " + err.Error()}), nil
		}
		stamp, err := timestamp.Parse(token)
		if err != nil {
			return nil, err
		}
		stamps = append(stamps, stamp)
		found = append(found, stamp.Check(crypto.SHA256, digest[:], timestamp.Trust{Roots: s.trust}, "time-stamp")...)
	}
	for _, stamp := range stamps {
		f := preservation.Finding{Code: "stamp-trial", Severity: preservation.Passed, Detail: "It says " + stamp.Time.UTC().Format(time.RFC3339) + "."}
		if c := stamp.Signer(); c != nil {
			f.Subject = c.Subject.String()
		}
		found = append(found, f)
	}
	if _, own := s.stamper.(*timestamp.Authority); own {
		found = append(found, preservation.Finding{Code: "stamp-not-qualified", Severity: preservation.Notice, Detail: "The time-stamps are made here and not qualified: --tsa-url names a service."})
	}
	if info.Settings.Seal == "" || info.Settings.Seal == string(pades.LevelLT) {
		if _, err := s.validation(ctx, chain); err != nil {
			found = append(found, preservation.Finding{Code: "seal-below-lt", Severity: preservation.Notice, Subject: chain[0].Subject.String(), Detail: "Seals in PDF do not reach level B-LT: " + err.Error()})
		}
	}
	return append(found, s.ending()...), nil
}

// tryStore tries out what the object store promises, as at the start, the bucket of the
// tenant, and the second copy.
func (s *service) tryStore(ctx context.Context, t *catalog.Tenant) ([]preservation.Finding, error) {
	found := s.s3.Probe(ctx)
	if s.embedded != nil {
		found = append(found, preservation.Finding{Code: "store-embedded", Severity: preservation.Notice, Detail: "The embedded store enforces locks by software only: root on this host can delete files. --s3-endpoint names another one."})
	}
	return append(found, s.tryBucket(ctx, t), s.tryCopy(ctx, t)), nil
}

// tryBucket stores the newest entries of the audit log in the bucket of the tenant,
// which is due every ten minutes anyway, and looks at what stands there then.
func (s *service) tryBucket(ctx context.Context, t *catalog.Tenant) preservation.Finding {
	f := preservation.Finding{Code: "store-bucket", Severity: preservation.Failed, Subject: s.bucketName(t.ID())}
	o, err := s.writtenAudit(ctx, t)
	switch {
	case err != nil:
		f.Detail = "The bucket of the tenant does not keep what is written: " + err.Error()
	case o.Lock.Mode == preservation.Unlocked || !o.Lock.Until.After(s.now()):
		f.Detail = o.Key + " was written with a lock and has none."
	default:
		f.Severity, f.Detail = preservation.Passed, fmt.Sprintf("%s was written, read back unchanged, and is locked until %s (%s).", o.Key, o.Lock.Until.UTC().Format(time.DateOnly), o.Lock.Mode)
	}
	return f
}

// writtenAudit stores the audit log and reads the newest part of it back.
func (s *service) writtenAudit(ctx context.Context, t *catalog.Tenant) (o preservation.Object, err error) {
	store, err := s.store(ctx, t)
	if err != nil {
		return o, err
	}
	lock, err := s.officer.ProofLock(ctx, t)
	if err != nil {
		return o, err
	}
	err = ledger.StoreAudit(ctx, t, store, lock)
	if errors.Is(err, preservation.ErrExists) { // the clock was storing it at this moment: that counts
		err = ledger.StoreAudit(ctx, t, store, lock)
	}
	if err != nil {
		return o, err
	}
	segment, err := t.View().NewestAuditSegment(ctx)
	if err != nil {
		return o, err
	}
	if o, err = store.Stat(ctx, segment.Key, ""); err != nil {
		return o, err
	}
	sum, err := preservation.StoredSHA256(ctx, store, o)
	if err == nil && sum != segment.SHA256 {
		err = fmt.Errorf("%s: %w", segment.Key, preservation.ErrCorrupt)
	}
	return o, err
}

// tryCopy says whether there is a second copy that can be reached.
func (s *service) tryCopy(ctx context.Context, t *catalog.Tenant) preservation.Finding {
	if s.second == nil {
		return preservation.Finding{Code: "copy-none", Severity: preservation.Notice, Detail: "There is one copy of everything: --copy-endpoint names another S3 service, at another place."}
	}
	f := preservation.Finding{Code: "copy-place", Severity: preservation.Failed, Subject: s.second.place}
	_, err := s.second.bucket(ctx, t.ID())
	var lag catalog.CopyLag
	if err == nil {
		lag, err = t.View().CopyLag(ctx)
	}
	if err != nil {
		f.Detail = "The second copy cannot be reached: " + err.Error()
		return f
	}
	f.Severity, f.Detail = preservation.Passed, fmt.Sprintf("It keeps what an archive needs and lacks %d objects at this moment.", lag.Objects)
	return f
}
