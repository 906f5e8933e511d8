package proof

import (
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
	"bestand/preservation/timestamp"
)

// ErrPending: no stamp covers the version yet. Ask again after the next batch.
var ErrPending = errors.New("not stamped yet")

// Stamper gives time-stamp tokens in DER over a digest.
type Stamper interface {
	Stamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error)
}

// Notary has records stamped and proves them. Its methods may be called
// concurrently, in several programs over one catalog as well.
type Notary struct {
	Store   func(ctx context.Context, t *catalog.Tenant) (preservation.Store, error)
	Lock    func(ctx context.Context, t *catalog.Tenant) (preservation.Lock, error)
	Stamper Stamper
	// Revocation returns the revocation lists, in DER, that speak of the token's
	// authority: they are put into the token before anything covers it.
	Revocation func(ctx context.Context, token []byte) ([][]byte, error)
	Roots      *x509.CertPool        // that tokens must lead to; nil: any
	Digest     crypto.Hash           // of new stamps, as long as it is suitable; SHA-256 when 0
	Suitable   *evidence.Suitability // nil: the table that is built in
	Now        func() time.Time
	Log        *slog.Logger
	Most       int // leaves of one stamp; 1,000,000 when 0

	busy   sync.Map // of channels with the turns of a tenant's work
	trials sync.Map // of trial by crypto.Hash
}

// JobStamp is the kind of the job that Batch does.
const JobStamp = "stamp"

const (
	most  = 1_000_000
	chunk = 500 // leaves of one transaction

	readers = 8 // packages that are read at a time
)

// Batch ends the stamps that were cut off, puts all versions that no stamp holds
// into new ones, with the sealed segments of the audit log, and has these stamped.
// It returns how many versions it stamped. What is wrong with one stamp is said and
// does not stop the others.
func (n *Notary) Batch(ctx context.Context, t *catalog.Tenant) (int, error) {
	unlock, err := n.alone(ctx, t, stamping)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if err := n.markRest(ctx, t); err != nil {
		return 0, err
	}
	total, stop, wrong := n.finishOpen(ctx, t)
	for !stop {
		s, err := n.fill(ctx, t)
		if err != nil {
			return total, errors.Join(wrong, err)
		}
		if s.ID == "" {
			break
		}
		stamped, err := n.end(ctx, t, s)
		if total += stamped; err != nil {
			return total, errors.Join(wrong, err)
		}
	}
	return total, wrong
}

// finishOpen ends the stamps that were cut off and returns how many versions of
// records they hold, and whether others would fail as they did. A hash-tree renewal
// goes on by itself, in Rehash.
func (n *Notary) finishOpen(ctx context.Context, t *catalog.Tenant) (versions int, stop bool, wrong error) {
	open, err := t.View().OpenStamps(ctx)
	if err != nil {
		return 0, true, err
	}
	for _, s := range open {
		if s.Kind == catalog.StampRenewed {
			continue
		}
		stamped, err := n.end(ctx, t, s)
		versions += stamped
		if wrong = errors.Join(wrong, err); err != nil && urgent(ctx, err) {
			return versions, true, wrong
		}
	}
	return versions, false, wrong
}

// end brings a stamp to its end and returns how many versions of records it holds.
// One that cannot come to an end is given up, and what it holds waits again: when
// what the bucket has of it is something else, or when the authority refuses its
// digest algorithm, which is not that of new stamps any more.
func (n *Notary) end(ctx context.Context, t *catalog.Tenant, s catalog.Stamp) (versions int, err error) {
	_, err = n.finish(ctx, t, s.ID)
	if err == nil {
		if s.Kind != catalog.StampTokens {
			versions, err = t.View().StampVersions(ctx, s.ID)
		}
		return versions, err
	}
	if !errors.Is(err, preservation.ErrCorrupt) && (!errors.Is(err, timestamp.ErrRefused) || s.Digest == n.algorithm().String()) {
		return 0, fmt.Errorf("stamp %s: %w", s.ID, err)
	}
	return 0, n.giveUp(ctx, t, s, err)
}

// giveUp has what a stamp without a token holds wait again.
func (n *Notary) giveUp(ctx context.Context, t *catalog.Tenant, s catalog.Stamp, why error) error {
	n.Log.ErrorContext(ctx, "evidence stamp is given up; what it holds is stamped anew", "tenant", string(t.ID()), "stamp", s.ID, "why", why)
	return t.Update(ctx, func(x *catalog.Tx) error {
		if err := x.DropStamp(s.ID); err != nil {
			return err
		}
		return x.Audit(catalog.AuditEntry{Actor: "system", Action: "evidence.dropped", Object: s.ID,
			Detail: map[string]string{"kind": string(s.Kind), "why": why.Error()}})
	})
}

// urgent tells errors that would meet everything else as well.
func urgent(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, preservation.ErrClock) || errors.Is(err, preservation.ErrUnavailable) && !errors.Is(err, timestamp.ErrRefused)
}

// What of a tenant is done by one at a time.
const (
	stamping  = "stamping"  // tokens, whose times must ascend
	rehashing = "rehashing" // packages are read; takes long, and comes before stamping
)

// alone waits for the turn of a tenant's work.
func (n *Notary) alone(ctx context.Context, t *catalog.Tenant, work string) (unlock func(), err error) {
	one, _ := n.busy.LoadOrStore(work+" "+string(t.ID()), make(chan struct{}, 1))
	turn := one.(chan struct{})
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fill puts versions that no stamp holds into a new one, and segments of the audit log
// with them; without an ID when there are none.
func (n *Notary) fill(ctx context.Context, t *catalog.Tenant) (s catalog.Stamp, err error) {
	store, err := n.Store(ctx, t)
	if err != nil {
		return s, err
	}
	h := n.algorithm()
	var after preservation.RecordID
	version := 0
	for left := n.most(); left > 0; {
		wanting, err := t.View().Unstamped(ctx, after, version, min(chunk, left))
		if err != nil {
			return s, err
		}
		if len(wanting) == 0 {
			err = n.addSegments(ctx, t, store, &s, h, min(chunk, left))
			return s, ended(err)
		}
		last := wanting[len(wanting)-1]
		after, version = last.Record, last.Version
		leaves, err := n.leaves(ctx, store, h, wanting)
		if err == nil {
			err = n.add(ctx, t, &s, h, leaves)
		}
		if err != nil {
			return s, ended(err)
		}
		left -= len(leaves)
	}
	return s, nil
}

// add adds leaves to a stamp, which it opens where there is none yet.
func (n *Notary) add(ctx context.Context, t *catalog.Tenant, s *catalog.Stamp, h crypto.Hash, leaves []catalog.StampLeaf) error {
	if len(leaves) == 0 {
		return nil
	}
	if s.ID == "" {
		now := n.Now()
		s.ID, s.Kind, s.Digest, s.Opened = preservation.NewID(now), catalog.StampRecords, h.String(), now
		if err := t.Update(ctx, func(x *catalog.Tx) error { return x.OpenStamp(*s) }); err != nil {
			return err
		}
	}
	return t.Update(ctx, func(x *catalog.Tx) error { return x.AddLeaves(*s, leaves) })
}

// ended takes it for no error that another program ends a stamp: the rest goes into
// the next.
func ended(err error) error {
	if errors.Is(err, catalog.ErrConflict) {
		return nil
	}
	return err
}

// leaves reads the data groups of packages. One that cannot be read waits, and is
// left for the scrub to say what is wrong with it.
func (n *Notary) leaves(ctx context.Context, store preservation.Store, h crypto.Hash, packages []catalog.StampPackage) ([]catalog.StampLeaf, error) {
	found := make([][]byte, len(packages))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, p := range packages {
		g.Go(func() error {
			group, err := readGroup(ctx, store, p.RecordObject, h)
			if err == nil {
				found[i] = evidence.GroupDigest(h, group)
				return nil
			}
			return n.later(ctx, store, string(p.Record), p.Version, err)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var leaves []catalog.StampLeaf
	for i, p := range packages {
		if found[i] != nil {
			leaves = append(leaves, catalog.StampLeaf{Subject: string(p.Record), Version: p.Version, Digest: found[i]})
		}
	}
	return leaves, nil
}

// later lets what cannot be read wait, unless others could not be either: a store
// may fail on one object and have the others.
func (n *Notary) later(ctx context.Context, store preservation.Store, subject string, version int, err error) error {
	if urgent(ctx, err) && !answers(ctx, store) {
		return fmt.Errorf("read %s, version %d: %w", subject, version, err)
	}
	n.Log.ErrorContext(ctx, "it cannot be stamped", "subject", subject, "version", version, "err", err)
	return nil
}

// answers reports whether a store is there, by an object that is not.
func answers(ctx context.Context, store preservation.Store) bool {
	_, err := store.Stat(ctx, preservation.StampPrefix+"none", "")
	return errors.Is(err, preservation.ErrNotFound)
}

func (n *Notary) most() int { return cmp.Or(n.Most, most) }
