package proof

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
	"bestand/preservation/timestamp"
)

// Rehash does the hash-tree renewals that are due (RFC 4998, 5.2): every package
// whose newest hash tree is of an algorithm that ends is read again, held against
// what was stamped, and put into a new tree under another algorithm together with
// all that proved it before. It returns how many versions of records it renewed.
//
// It may take days. Batches and time-stamp renewals go on beside it, and when it
// is cut off, what it has read by then counts: the rest is done the next time. A
// package that cannot be read, or is not what was stamped, is never renewed: it is
// said in the log, and stays due.
func (n *Notary) Rehash(ctx context.Context, t *catalog.Tenant) (int, error) {
	unlock, err := n.alone(ctx, t, rehashing)
	if err != nil {
		return 0, err
	}
	defer unlock()
	open, err := t.View().OpenStamps(ctx)
	if err != nil {
		return 0, err
	}
	total := 0
	var wrong error
	for _, s := range open {
		if s.Kind != catalog.StampRenewed {
			continue
		}
		versions, err := n.endRenewal(ctx, t, s)
		total += versions
		if wrong = errors.Join(wrong, err); err != nil && urgent(ctx, err) {
			return total, wrong
		}
	}
	due, err := n.dueNow(ctx, t, HashTree)
	if err != nil {
		return total, errors.Join(wrong, err)
	}
	for _, d := range due {
		versions, err := n.rehash(ctx, t, d)
		total += versions
		if wrong = errors.Join(wrong, err); err != nil {
			return total, wrong
		}
	}
	return total, errors.Join(wrong, n.retire(ctx, t))
}

// retire ends the care for tokens under algorithms that end, where nothing rests on
// them any more.
func (n *Notary) retire(ctx context.Context, t *catalog.Tenant) error {
	bare, err := t.View().Bare(ctx)
	if err != nil {
		return err
	}
	last := ""
	for _, b := range bare {
		end, _ := n.table().Until(timestamp.Algorithm{Name: b.Digest})
		if b.Digest == last || end.IsZero() || end.After(n.Now().Add(Margin)) {
			continue
		}
		last = b.Digest
		if err := t.Update(ctx, func(x *catalog.Tx) error { _, err := x.Retire(b.Digest); return err }); err != nil {
			return err
		}
	}
	return nil
}

// endRenewal ends a hash-tree renewal in the turn of those that want tokens, and
// returns how many versions of records it holds. One that comes too late is given
// up: a time-stamp that it covers has ended, and later ones, which may hold what it
// proved, are none of its.
func (n *Notary) endRenewal(ctx context.Context, t *catalog.Tenant, s catalog.Stamp) (int, error) {
	unlock, err := n.alone(ctx, t, stamping)
	if err != nil {
		return 0, err
	}
	defer unlock()
	if s, err = t.View().Stamp(ctx, s.ID); err != nil {
		return 0, err
	}
	ends, err := t.View().EndsBy(ctx, s.Digest, s.Since)
	if err != nil {
		return 0, err
	}
	if !ends.IsZero() && ends.Before(n.Now()) {
		return 0, n.giveUp(ctx, t, s, fmt.Errorf("a time-stamp that it covers has ended on %s", ends.UTC().Format(time.RFC3339)))
	}
	return n.end(ctx, t, s)
}

// cursor is how far a hash-tree renewal has come.
type cursor struct {
	record  preservation.RecordID
	version int
	segment string // of the audit log, behind all records
}

// rehash renews everything that rests on one digest algorithm.
func (n *Notary) rehash(ctx context.Context, t *catalog.Tenant, d Due) (total int, err error) {
	h, err := hashOf(d.To)
	if err != nil {
		return 0, err
	}
	n.Log.InfoContext(ctx, "hash-tree renewal begins", "tenant", string(t.ID()), "from", d.Digest, "to", d.To, "versions", d.Versions, "bytes", d.Bytes)
	for at := (cursor{}); ; {
		s, err := n.refill(ctx, t, d.Digest, h, &at)
		if err != nil {
			return total, err
		}
		if s.ID == "" {
			break
		}
		versions, err := n.endRenewal(ctx, t, s)
		if total += versions; err != nil {
			return total, err
		}
		n.Log.InfoContext(ctx, "hash-tree renewal goes on", "tenant", string(t.ID()), "renewed", total, "of", d.Versions)
	}
	left, err := t.View().AgedCount(ctx, d.Digest)
	if err != nil {
		return total, err
	}
	if left != (catalog.AgedCount{}) {
		n.Log.ErrorContext(ctx, "hash-tree renewal is not complete: these could not be renewed; verify them",
			"tenant", string(t.ID()), "versions", left.Versions, "segments", left.Segments, "end", d.End)
	}
	return total, t.Update(ctx, func(x *catalog.Tx) error {
		return x.Audit(catalog.AuditEntry{Actor: "system", Action: "evidence.rehashed", Object: d.Digest,
			Detail: map[string]string{"to": d.To, "versions": fmt.Sprint(total), "left": fmt.Sprint(left.Versions + left.Segments)}})
	})
}

// refill puts what lies behind a place into a new stamp, which has no ID when
// there is nothing, and moves the place on.
func (n *Notary) refill(ctx context.Context, t *catalog.Tenant, digest string, h crypto.Hash, at *cursor) (s catalog.Stamp, err error) {
	store, err := n.Store(ctx, t)
	if err != nil {
		return s, err
	}
	var r *renewer
	for left := n.most(); left > 0; {
		aged, next, err := n.aged(ctx, t, store, digest, *at, min(chunk, left))
		if err != nil || len(aged) == 0 {
			return s, err
		}
		if r == nil {
			if s, err = n.openRenewal(ctx, t, h); err != nil {
				return catalog.Stamp{}, err
			}
			r = &renewer{store: store, hash: h, since: s.Since, know: newAssembly(t)}
		}
		leaves, err := n.renewed(ctx, r, aged)
		if err == nil {
			err = t.Update(ctx, func(x *catalog.Tx) error { return x.AddLeaves(s, leaves) })
		}
		if err != nil {
			return s, ended(err)
		}
		*at, left = next, left-len(leaves)
	}
	return s, nil
}

// old is something whose newest hash tree is of an algorithm that ends.
type old struct {
	subject string
	version int
	stamp   string // that holds it
	read    func(ctx context.Context, algorithms []crypto.Hash) (map[crypto.Hash][][]byte, error)
}

// aged lists what lies behind a place, versions of records and then segments of the
// audit log, and the place behind it.
func (n *Notary) aged(ctx context.Context, t *catalog.Tenant, store preservation.Store, digest string, at cursor, limit int) (all []old, next cursor, err error) {
	packages, err := t.View().Aged(ctx, digest, at.record, at.version, limit)
	for _, p := range packages {
		at.record, at.version = p.Record, p.Version
		all = append(all, old{string(p.Record), p.Version, p.Stamp, func(ctx context.Context, algorithms []crypto.Hash) (map[crypto.Hash][][]byte, error) {
			_, groups, err := readAll(ctx, store, p.RecordObject, algorithms)
			return groups, err
		}})
	}
	if err != nil || len(all) > 0 {
		return all, at, err
	}
	segments, err := t.View().AgedAudit(ctx, digest, at.segment, limit)
	for _, s := range segments {
		at.segment = s.Key
		all = append(all, old{s.Key, 0, s.Stamp, func(ctx context.Context, algorithms []crypto.Hash) (map[crypto.Hash][][]byte, error) {
			groups := map[crypto.Hash][][]byte{}
			for _, h := range algorithms {
				var err error
				if groups[h], err = segmentGroup(ctx, store, s.Key, h); err != nil {
					return nil, err
				}
			}
			return groups, nil
		}})
	}
	return all, at, err
}

// openRenewal opens a stamp when no time-stamp renewal is under way.
func (n *Notary) openRenewal(ctx context.Context, t *catalog.Tenant, h crypto.Hash) (s catalog.Stamp, err error) {
	unlock, err := n.alone(ctx, t, stamping)
	if err != nil {
		return s, err
	}
	defer unlock()
	if _, stop, err := n.finishOpen(ctx, t); stop {
		return s, err
	} else if err != nil { // of one stamp alone; one that renews time-stamps stops OpenRenewal
		n.Log.ErrorContext(ctx, "evidence stamp cannot be ended", "tenant", string(t.ID()), "err", err)
	}
	now := n.Now()
	s = catalog.Stamp{ID: preservation.NewID(now), Kind: catalog.StampRenewed, Digest: h.String(), Opened: now}
	return s, t.Update(ctx, func(x *catalog.Tx) error {
		s, err = x.OpenRenewal(s)
		return err
	})
}

// renewer makes the leaves of a hash-tree renewal.
type renewer struct {
	store preservation.Store
	hash  crypto.Hash
	since time.Time // the tokens up to then are covered

	mu   sync.Mutex
	know *assembly
}

// renewed returns the leaves of what can be read and is what was stamped.
func (n *Notary) renewed(ctx context.Context, r *renewer, aged []old) ([]catalog.StampLeaf, error) {
	found := make([][]byte, len(aged))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, o := range aged {
		g.Go(func() (err error) {
			if found[i], err = r.leaf(ctx, o); err != nil {
				return n.later(ctx, r.store, o.subject, o.version, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var leaves []catalog.StampLeaf
	for i, o := range aged {
		if found[i] != nil {
			leaves = append(leaves, catalog.StampLeaf{Subject: o.subject, Version: o.version, Digest: found[i], Before: o.stamp})
		}
	}
	return leaves, nil
}

// leaf reads all that one leaf stands for, holds it against what was stamped, and
// joins its new digests with that of everything that proved it before (RFC 4998,
// 5.2, steps 1 to 4 of the hash-tree renewal).
func (r *renewer) leaf(ctx context.Context, o old) ([]byte, error) {
	r.mu.Lock()
	batches, renewals, err := r.know.places(ctx, o.subject, o.version)
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	groups, err := o.read(ctx, algorithms(append(batches, renewals...), r.hash))
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	record, err := r.know.record(ctx, o.subject, o.version, r.since, func(h crypto.Hash) ([][]byte, error) { return groups[h], nil })
	if err != nil {
		return nil, err
	}
	members, chains := groups[r.hash], record.ChainsDigest(r.hash, len(record.Chains))
	for i := range members {
		members[i] = evidence.Renewed(r.hash, members[i], chains)
	}
	return evidence.GroupDigest(r.hash, members), nil
}
