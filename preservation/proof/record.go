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
	o, err := packaged(ctx, t, id, version)
	if err != nil {
		return nil, err
	}
	return newAssembly(t).record(ctx, string(id), version, time.Time{}, func(h crypto.Hash) ([][]byte, error) { return readGroup(ctx, store, o, h) })
}

// packaged is the package of one version.
func packaged(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (catalog.RecordObject, error) {
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
//
// There is one way as a rule. Where a catalog had forgotten stamps and made others in
// their place, the bucket holds more: the leaf of a hash-tree renewal tells which
// it was that it covers.
func (a *assembly) record(ctx context.Context, subject string, version int, until time.Time, group func(crypto.Hash) ([][]byte, error)) (*evidence.Record, error) {
	batches, renewals, err := a.places(ctx, subject, version)
	if err != nil {
		return nil, err
	}
	var wrong error
	for _, b := range batches {
		r, err := a.chains(ctx, nil, b, renewals, until, group)
		if err == nil || !errors.Is(err, preservation.ErrCorrupt) {
			return r, err
		}
		wrong = errors.Join(wrong, err)
	}
	return nil, wrong
}

// chains adds to a record, which may be nil, the chain that begins at a place, and
// those of the hash-tree renewals behind it that cover it. ErrCorrupt when the leaf
// at the place is not that of the record.
func (a *assembly) chains(ctx context.Context, r *evidence.Record, p place, rest []place, until time.Time, group func(crypto.Hash) ([][]byte, error)) (*evidence.Record, error) {
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
		r = copyOf(r)
		r.RenewHashTree(p.hash, tree, p.Token)
	}
	for i, next := range rest {
		ways, err := a.ways(ctx, p.opened, next.Since)
		if err != nil {
			return nil, err
		}
		for _, way := range ways {
			longer, err := a.renewed(ctx, r, p.opened, way)
			if err == nil {
				longer, err = a.chains(ctx, longer, next, rest[i+1:], until, group)
			}
			if err == nil || !errors.Is(err, preservation.ErrCorrupt) {
				return longer, err
			}
		}
	}
	ways, err := a.ways(ctx, p.opened, until)
	if err != nil {
		return nil, err
	}
	return a.renewed(ctx, r, p.opened, ways[0])
}

// copyOf is a record to which can be added without changing the other.
func copyOf(r *evidence.Record) *evidence.Record {
	c := *r
	c.Digests = slices.Clone(r.Digests)
	c.Chains = slices.Clone(r.Chains)
	for i := range c.Chains {
		c.Chains[i] = slices.Clone(c.Chains[i])
	}
	return &c
}

// maxWays bounds what is tried where there is more than one way.
const maxWays = 100

// ways are the sequences of time-stamp renewals that cover the token of a stamp, up
// to an instant or without end when that is zero, the one that lasts longest first.
// There is at least one, which may be empty.
func (a *assembly) ways(ctx context.Context, s *opened, until time.Time) (all [][]place, err error) {
	places, err := a.t.View().StampPlaces(ctx, s.ID, 0)
	if err != nil {
		return nil, err
	}
	imprint := evidence.TokenDigest(s.hash, s.Token)
	for _, p := range places {
		by, err := a.stamp(ctx, p.Stamp)
		if err != nil {
			return nil, err
		}
		if by.Kind != catalog.StampTokens || by.State != catalog.StampDone || !by.Stamped.After(s.Stamped) || !until.IsZero() && by.Stamped.After(until) || string(p.Digest) != string(imprint) {
			continue
		}
		longer, err := a.ways(ctx, by, until)
		if err != nil {
			return nil, err
		}
		for _, w := range longer {
			if len(all) < maxWays {
				all = append(all, append([]place{{by, p}}, w...))
			}
		}
	}
	if len(all) == 0 {
		return [][]place{nil}, nil
	}
	slices.SortStableFunc(all, func(a, b []place) int { return b[len(b)-1].Stamped.Compare(a[len(a)-1].Stamped) })
	return all, nil
}

// renewed is a record with further time-stamps in its last chain, each over the token
// before, of which the first is that of s.
func (a *assembly) renewed(ctx context.Context, r *evidence.Record, s *opened, way []place) (*evidence.Record, error) {
	r = copyOf(r)
	for _, p := range way {
		tree, err := a.reduced(ctx, p, [][]byte{evidence.TokenDigest(p.hash, s.Token)})
		if err != nil {
			return nil, err
		}
		r.Renew(tree, p.Token)
		s = p.opened
	}
	return r, nil
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
