package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/replica"
	"bestand/preservation/s3"
	"bestand/preservation/verdict"
	"bestand/retention"
)

// second is the endpoint of the second copy. It may be away at any time, also at the
// start: nothing but copying and destruction waits for it.
type second struct {
	client *s3.Client
	place  string
	name   func(preservation.TenantID) string // of a bucket
	trial  chan struct{}                      // taken while the endpoint is tried out

	mu      sync.Mutex // never held while the endpoint is asked
	kept    bool       // it was tried out and keeps its promises
	buckets map[preservation.TenantID]*s3.Bucket
}

// openSecond prepares the connection, if one is configured.
func (a *archive) openSecond() error {
	if a.cfg.CopyEndpoint == "" {
		return nil
	}
	c := s3.Config{Endpoint: a.cfg.CopyEndpoint, AccessKey: a.cfg.CopyAccessKey, Region: a.cfg.CopyRegion, Secure: a.cfg.CopySecure, Now: a.now,
		ProbeBucket: a.cfg.CopyBucketPrefix + "-probe", Spool: a.cfg.path("spool"), Stall: a.cfg.S3Timeout,
		BypassGovernance: a.cfg.LockMode == string(preservation.Governance)}
	var err error
	if c.SecretKey, err = readSecret(a.cfg.CopySecretFile); err != nil {
		return err
	}
	if c.RootCAs, err = verdict.Anchors(a.cfg.CopyCAFile); err != nil {
		return err
	}
	client, err := s3.Dial(c)
	if err != nil {
		return err
	}
	a.second = &second{client: client, place: a.cfg.copyPlace(), trial: make(chan struct{}, 1), buckets: map[preservation.TenantID]*s3.Bucket{},
		name: func(t preservation.TenantID) string { return a.cfg.CopyBucketPrefix + "-" + string(t) }}
	return nil
}

// bucket opens the second copy of a tenant's bucket, once. A store that would not
// keep a copy as an archive needs it is refused.
func (s *second) bucket(ctx context.Context, t preservation.TenantID) (*s3.Bucket, error) {
	s.mu.Lock()
	b := s.buckets[t]
	s.mu.Unlock()
	if b != nil {
		return b, nil
	}
	err := s.promised(ctx)
	if err == nil {
		b, err = s.client.Bucket(ctx, s.name(t))
	}
	if err != nil {
		return nil, fmt.Errorf("second copy at %s: %w", s.place, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets[t] = b
	return b, nil
}

// promised tries the endpoint out, once, and one caller at a time.
func (s *second) promised(ctx context.Context) (err error) {
	select {
	case s.trial <- struct{}{}:
		defer func() { <-s.trial }()
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	kept := s.kept
	s.mu.Unlock()
	if kept {
		return nil
	}
	if _, err := s.client.Buckets(ctx); err != nil {
		return fmt.Errorf("cannot be reached or refuses the account; check --copy-endpoint, --copy-secure and the keys: %w", err)
	}
	for _, f := range s.client.Probe(ctx) {
		if f.Severity == preservation.Failed {
			err = errors.Join(err, fmt.Errorf("%s: %s", f.Code, f.Detail))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = err == nil
	return err
}

// vault is what a tenant's records are destroyed in: every copy of its bucket. While
// one of them cannot be reached nothing is destroyed.
func (a *archive) vault(ctx context.Context, t *catalog.Tenant) (retention.Vault, error) {
	b, err := a.bucket(ctx, t.ID())
	if err != nil {
		return nil, err
	}
	if err := a.knowsCopies(ctx, t); err != nil {
		return nil, fmt.Errorf("nothing is destroyed: %w", err)
	}
	if a.second == nil {
		return b, nil
	}
	c, err := a.second.bucket(ctx, t.ID())
	if err != nil {
		return nil, err
	}
	return &replica.Vault{Store: replica.Store{Store: b, Tenant: t}, Primary: b, Copy: c}, nil
}

// knowsCopies wants the configuration to name every second copy of a tenant's bucket of
// which nobody said that it is gone.
func (a *archive) knowsCopies(ctx context.Context, t *catalog.Tenant) error {
	places, err := replica.Places(ctx, t.View())
	if err != nil {
		return err
	}
	return a.names(places)
}

// names wants the configuration to name each of these second copies.
func (a *archive) names(places []string) error {
	for _, place := range places {
		if a.second == nil || place != a.second.place {
			return fmt.Errorf("there is a second copy at %s; name it (--copy-endpoint), or say that it is gone (--copy-gone)", place)
		}
	}
	return nil
}

// giveUpCopies forgets second copies that are gone, as the configuration says: all but
// the one that it names.
func (a *archive) giveUpCopies(ctx context.Context) error {
	if !a.cfg.CopyGone {
		return nil
	}
	tenants, err := a.catalog.Tenants(ctx)
	if err != nil {
		return err
	}
	kept := ""
	if a.second != nil {
		kept = a.second.place
	}
	for _, info := range tenants {
		if err := replica.GiveUp(ctx, a.catalog.Tenant(info.ID), kept, "operator", a.now()); err != nil {
			return err
		}
	}
	return nil
}

// newCopier keeps the second copies up to date; nil when there are none.
func (s *service) newCopier() *replica.Copier {
	if s.second == nil {
		return nil
	}
	return &replica.Copier{
		Store: s.store,
		Copy: func(ctx context.Context, t *catalog.Tenant) (preservation.Store, error) {
			return s.second.bucket(ctx, t.ID())
		},
		Place: s.second.place,
		Stays: retention.IsProof,
		Seen:  s.pipeline.Replicated,
		Configure: func(ctx context.Context, t *catalog.Tenant) error {
			return s.officer.Configure(ctx, t, catalog.Job{})
		},
		Now: s.now, Log: s.log,
	}
}

// copied tells what stands beside the readiness: a second copy that lags behind, or
// is away, keeps nobody from delivering.
func (s *service) copied(ctx context.Context) map[string]string {
	if s.copier == nil {
		return map[string]string{}
	}
	s.mu.Lock()
	var tenants []preservation.TenantID
	for id := range s.tails {
		tenants = append(tenants, id)
	}
	s.mu.Unlock()
	var lag catalog.CopyLag
	asked := true // the last attempt was no failure
	for _, id := range tenants {
		t := s.catalog.Tenant(id)
		l, err := t.View().CopyLag(ctx)
		if err != nil {
			return map[string]string{"copy": "not known"}
		}
		switch j, err := t.JobOf(ctx, replica.JobCopy, "scheduled"); {
		case errors.Is(err, catalog.ErrNotFound):
		case err != nil:
			return map[string]string{"copy": "not known"}
		case j.Failing() || j.Dead:
			asked = false
		}
		if lag.Objects += l.Objects; !l.Since.IsZero() && (lag.Since.IsZero() || l.Since.Before(lag.Since)) {
			lag.Since = l.Since
		}
	}
	text := "complete"
	switch {
	case lag.Objects > 0:
		text = fmt.Sprintf("%d objects behind, since %s", lag.Objects, lag.Since.UTC().Format(time.RFC3339))
	case !asked:
		text = "was complete"
	}
	if !asked {
		text += "; it cannot be asked now, bestand schedule list says why"
	}
	return map[string]string{"copy": text}
}
