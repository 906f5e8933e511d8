package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
	"bestand/preservation/dip"
	"bestand/preservation/evidence"
	"bestand/preservation/ledger"
	"bestand/preservation/proof"
	"bestand/preservation/revocation"
	"bestand/preservation/timestamp"
)

// notary has records stamped and proves them.
func (a *archive) newNotary() *proof.Notary {
	return &proof.Notary{Store: a.store, Lock: a.officer.ProofLock, Stamper: a.stamper, Revocation: a.revocation,
		Roots: a.trust, Digest: a.cfg.digest(), Suitable: a.suitable, Now: a.now, Log: a.log}
}

// revocation returns the lists that speak of a token's authority.
func (a *archive) revocation(ctx context.Context, token []byte) ([][]byte, error) {
	t, err := timestamp.Parse(token)
	if err != nil {
		return nil, err
	}
	lists, err := a.validity.Lists(ctx, t.Path())
	if err != nil {
		err = preservation.Down(preservation.PartRevocation, err)
	}
	return lists, err
}

// validation returns what seals of level B-LT carry about a signer.
func (a *archive) validation(ctx context.Context, path []*x509.Certificate) (revocation.Material, error) {
	m, err := a.validity.Material(ctx, path)
	if err != nil && !errors.Is(err, revocation.ErrNone) {
		err = preservation.Down(preservation.PartRevocation, err)
	}
	return m, err
}

// ownList is the list of the embedded authority; of others there is none here.
func (a *archive) ownList(issuer *x509.Certificate) ([]byte, error) {
	if !issuer.Equal(a.keys.CA.Certificate()) {
		return nil, nil
	}
	return a.keys.CRL(a.now())
}

// countless is the handler of a job whose outcome the audit log tells.
func countless(do func(context.Context, *catalog.Tenant) (int, error)) catalog.Handler {
	return func(ctx context.Context, t *catalog.Tenant, _ catalog.Job) error {
		_, err := do(ctx, t)
		return err
	}
}

// stamp has everything of a tenant stamped that waits for it, and the audit log up to
// now with it. What is wrong with the log keeps no records waiting: the job that
// stores it fails by itself.
func (s *service) stamp(ctx context.Context, t *catalog.Tenant) (int, error) {
	if err := s.clock.doubt(ctx); err != nil {
		return 0, err
	}
	if err := s.storeAudit(ctx, t); err != nil {
		s.log.ErrorContext(ctx, "the audit log does not go into this batch", "tenant", t.ID(), "err", err)
	}
	return s.notary.Batch(ctx, t)
}

// storeAudit keeps the newest entries of the audit log in the bucket, and seals them
// unless the clock is in doubt.
func (s *service) storeAudit(ctx context.Context, t *catalog.Tenant) error {
	store, err := s.store(ctx, t)
	if err != nil {
		return err
	}
	lock, err := s.officer.ProofLock(ctx, t)
	if err != nil {
		return err
	}
	if err := ledger.StoreAudit(ctx, t, store, lock); err != nil {
		return err
	}
	info, err := t.Info(ctx)
	if err != nil || s.clock.doubt(ctx) != nil {
		return err
	}
	return ledger.SealAudit(ctx, t, store, lock, func(ctx context.Context, content []byte) ([]byte, error) {
		return s.pipeline.Sealer.Detached(ctx, content, info.Settings)
	})
}

// renew keeps the evidence of a tenant alive, and before that the keys of all: its jobs
// run one at a time. Keys that cannot be renewed hold up no evidence: its time-stamps may be
// those of a service that has other ones.
func (s *service) renew(ctx context.Context, t *catalog.Tenant, _ catalog.Job) error {
	var failed []error
	if err := s.renewKeys(ctx); err != nil {
		failed = append(failed, fmt.Errorf("renew keys: %w", err))
	}
	for _, do := range []func(context.Context, *catalog.Tenant) (int, error){s.notary.Renew, s.notary.Rehash} {
		if ctx.Err() != nil {
			return errors.Join(append(failed, ctx.Err())...)
		}
		_, err := do(ctx, t)
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// evidence is the evidence record of one version in DER, or of one file in it.
func (s *service) evidence(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int, file preservation.FileID) ([]byte, error) {
	var r *evidence.Record
	var err error
	if file == "" {
		r, err = s.notary.Record(ctx, t, id, version)
	} else {
		r, err = s.notary.File(ctx, t, id, version, file)
	}
	if err != nil {
		return nil, err
	}
	return r.Encode(), nil
}

// export opens a record up to one version, with what its other forms say of it.
func (s *service) export(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (dip.Source, error) {
	x, err := s.exportVersion(ctx, t, id, version)
	if err != nil {
		return x, err
	}
	x.Version = func(ctx context.Context, n int) (dip.Source, error) { return s.exportVersion(ctx, t, id, n) }
	info, err := t.Info(ctx)
	if err != nil {
		return x, err
	}
	x.Archive, x.Agent, x.At = info.Name, ingest.Agent(), s.officer.Now()
	stands, err := s.officer.Evaluate(ctx, t, id)
	if err != nil {
		return x, err
	}
	x.Until = stands.End
	now, err := t.Record(ctx, id)
	if err != nil {
		return x, err
	}
	said, err := s.officer.Statements(ctx, t, id)
	if err != nil {
		return x, err
	}
	for _, c := range said {
		x.Statements = append(x.Statements, dip.Statement{Recorded: c.Recorded, Text: c.Text})
	}
	x.Filing, err = s.filing(ctx, t, now.Record, stands)
	return x, err
}

// exportVersion opens the package of one version with its evidence record, if a stamp
// covers it.
func (s *service) exportVersion(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (x dip.Source, err error) {
	r, err := s.notary.Record(ctx, t, id, version)
	if err == nil {
		x.Evidence = r.Encode()
	} else if !errors.Is(err, proof.ErrPending) {
		return x, err
	}
	store, o, err := s.notary.Package(ctx, t, id, version)
	if err != nil {
		return x, err
	}
	x.Package, err = aip.Open(ledger.Ahead(ctx, store, o), o.Size)
	return x, err
}
