package proof

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
)

// Record puts together the evidence record of one version: ErrPending when no
// stamp covers it yet. It reads the package's own files, a part of each tree and
// the tokens, however large the archive is.
func (n *Notary) Record(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (*evidence.Record, error) {
	store, err := n.Store(ctx, t)
	if err != nil {
		return nil, err
	}
	o, err := object(ctx, t, id, version)
	if err != nil {
		return nil, err
	}
	return newAssembly(t).record(ctx, string(id), version, time.Time{}, func(h crypto.Hash) ([][]byte, error) { return readGroup(ctx, store, o, h) })
}

// object is the package of one version.
func object(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (catalog.RecordObject, error) {
	objects, err := t.Objects(ctx, id)
	if err != nil {
		return catalog.RecordObject{}, err
	}
	for _, o := range objects {
		if o.Kind == "package" && o.Version == version {
			return o, nil
		}
	}
	return catalog.RecordObject{}, fmt.Errorf("package of record %s, version %d: %w", id, version, preservation.ErrNotFound)
}

// assembly puts evidence records together. It keeps of each stamp what the next
// record needs again, which lies beside the last one as a rule, and serves one
// goroutine.
type assembly struct {
	t      *catalog.Tenant
	stamps map[string]*opened
}

// opened is a stamp with the parts of its tree that were last asked for.
type opened struct {
	catalog.Stamp
	hash  crypto.Hash
	high  *evidence.Tree // of the nodes that the catalog keeps
	block int            // of low
	low   *evidence.Tree
}

// keep bounds how many stamps are kept, each with some 100 KB.
const keep = 100

func newAssembly(t *catalog.Tenant) *assembly {
	return &assembly{t: t, stamps: map[string]*opened{}}
}

func (a *assembly) stamp(ctx context.Context, id string) (*opened, error) {
	if o := a.stamps[id]; o != nil {
		return o, nil
	}
	s, err := a.t.View().Stamp(ctx, id)
	if err != nil {
		return nil, err
	}
	o := &opened{Stamp: s}
	if o.hash, err = hashOf(s.Digest); err != nil {
		return nil, err
	}
	if s.State == catalog.StampDone {
		if o.high, err = evidence.NewTree(o.hash, s.Nodes); err != nil {
			return nil, err
		}
		if len(a.stamps) >= keep {
			clear(a.stamps)
		}
		a.stamps[id] = o
	}
	return o, nil
}

// place is where a version stands in a stamp.
type place struct {
	*opened
	catalog.StampPlace
}

// places are the chains of what a leaf stands for, a version of a record or a
// segment of the audit log: the stamp of its batch, and the hash-tree
// renewals in the order of their times. There is more than one batch when a catalog
// had forgotten the first.
func (a *assembly) places(ctx context.Context, subject string, version int) (batches, renewals []place, err error) {
	all, err := a.t.View().StampPlaces(ctx, subject, version)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range all {
		s, err := a.stamp(ctx, p.Stamp)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case s.State != catalog.StampDone:
		case s.Kind == catalog.StampRecords:
			batches = append(batches, place{s, p})
		case s.Kind == catalog.StampRenewed:
			renewals = append(renewals, place{s, p})
		}
	}
	for _, list := range [][]place{batches, renewals} {
		slices.SortFunc(list, func(a, b place) int { return a.Stamped.Compare(b.Stamped) })
	}
	if len(batches) == 0 {
		err = fmt.Errorf("%s, version %d: %w", subject, version, ErrPending)
	}
	return batches, renewals, err
}

// record puts one together from the tokens up to an instant, or all when that is
// zero. group returns the digests of the files.
func (a *assembly) record(ctx context.Context, subject string, version int, until time.Time, group func(crypto.Hash) ([][]byte, error)) (*evidence.Record, error) {
	batches, renewals, err := a.places(ctx, subject, version)
	if err != nil {
		return nil, err
	}
	// A renewal tells by its leaf which batch it was that it covers.
	var wrong error
	for _, b := range batches {
		r, err := a.chains(ctx, append([]place{b}, renewals...), until, group)
		if err == nil || !errors.Is(err, preservation.ErrCorrupt) {
			return r, err
		}
		wrong = errors.Join(wrong, err)
	}
	return nil, wrong
}

func (a *assembly) chains(ctx context.Context, places []place, until time.Time, group func(crypto.Hash) ([][]byte, error)) (r *evidence.Record, err error) {
	for i, p := range places {
		members, err := group(p.hash)
		if err != nil {
			return nil, err
		}
		if r != nil {
			chains := r.ChainsDigest(p.hash, len(r.Chains))
			members = slices.Clone(members)
			for i := range members {
				members[i] = evidence.Renewed(p.hash, members[i], chains)
			}
		}
		tree, err := a.reduced(ctx, p, members)
		if err != nil {
			return nil, err
		}
		if r == nil {
			r = evidence.New(p.hash, tree, p.Token)
		} else {
			r.RenewHashTree(p.hash, tree, p.Token)
		}
		end := until
		if i+1 < len(places) { // the next chain covers this one as it was then
			end = places[i+1].Since
		}
		if err := a.renew(ctx, r, p.opened, end); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// renew adds the time-stamps that cover the token of a stamp, one after the
// other, up to an instant.
func (a *assembly) renew(ctx context.Context, r *evidence.Record, s *opened, until time.Time) error {
	for s.Covered != "" {
		by, err := a.stamp(ctx, s.Covered)
		if err != nil {
			return err
		}
		if by.Kind != catalog.StampTokens || !until.IsZero() && by.Stamped.After(until) {
			return nil
		}
		places, err := a.t.View().StampPlaces(ctx, s.ID, 0)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(places, func(p catalog.StampPlace) bool { return p.Stamp == by.ID })
		if at < 0 {
			return fmt.Errorf("stamp %s is not among those that %s covers: %w", s.ID, by.ID, preservation.ErrCorrupt)
		}
		tree, err := a.reduced(ctx, place{by, places[at]}, [][]byte{evidence.TokenDigest(by.hash, s.Token)})
		if err != nil {
			return err
		}
		r.Renew(tree, by.Token)
		s = by
	}
	return nil
}

// reduced is the way from one leaf of a stamp to its root.
func (a *assembly) reduced(ctx context.Context, p place, group [][]byte) ([]evidence.HashList, error) {
	if got := evidence.GroupDigest(p.hash, group); string(got) != string(p.StampPlace.Digest) {
		return nil, fmt.Errorf("it has another digest than the one that was stamped: %w", preservation.ErrCorrupt)
	}
	number := p.Pos / block
	if p.low == nil || p.block != number {
		leaves, err := a.t.View().StampLeaves(ctx, p.ID, number*block, min((number+1)*block, p.Leaves))
		if err != nil {
			return nil, err
		}
		var below []byte
		for _, l := range leaves {
			below = append(below, l.Digest...)
		}
		low, err := evidence.NewTree(p.hash, below)
		if err != nil {
			return nil, err
		}
		p.low, p.block = low, number
	}
	return append(p.low.Reduced(p.Pos%block, group), p.high.Path(number)...), nil
}
