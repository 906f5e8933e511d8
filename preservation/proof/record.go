package proof

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
)

// Record puts together the evidence record of one version: ErrPending when no
// stamp covers it yet. It reads the package's own files, a part of each tree and
// the tokens, however large the archive is.
func (n *Notary) Record(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (*evidence.Record, error) {
	return n.record(ctx, t, string(id), version)
}

func (n *Notary) record(ctx context.Context, t *catalog.Tenant, subject string, version int) (*evidence.Record, error) {
	places, err := t.View().StampPlaces(ctx, subject, version)
	if err != nil {
		return nil, err
	}
	var r *evidence.Record
	for _, p := range places {
		s, err := t.View().Stamp(ctx, p.Stamp)
		if err != nil {
			return nil, err
		}
		switch {
		case s.Kind == catalog.StampRecords && r != nil:
			continue // stamped once more, by a catalog that had forgotten: one proof is enough
		case s.State != catalog.StampDone && r == nil:
			continue
		case s.State != catalog.StampDone:
			return r, nil
		}
		h, err := hashOf(s.Digest)
		if err != nil {
			return nil, err
		}
		group, err := n.group(ctx, t, subject, version, h)
		if err != nil {
			return nil, err
		}
		if r != nil {
			chains := r.ChainsDigest(h, len(r.Chains))
			for i := range group {
				group[i] = evidence.Renewed(h, group[i], chains)
			}
		}
		reduced, err := reducedTree(ctx, t, s, p, h, group)
		if err != nil {
			return nil, err
		}
		if r == nil {
			r = evidence.New(h, reduced, s.Token)
		} else {
			r.RenewHashTree(h, reduced, s.Token)
		}
		if err := renewals(ctx, t, r, s, h); err != nil {
			return nil, err
		}
	}
	if r == nil {
		return nil, fmt.Errorf("%s, version %d: %w", subject, version, ErrPending)
	}
	return r, nil
}

// renewals adds the time-stamps that cover the token of a stamp, one after the other.
func renewals(ctx context.Context, t *catalog.Tenant, r *evidence.Record, s catalog.Stamp, h crypto.Hash) error {
	for s.Covered != "" {
		by, err := t.View().Stamp(ctx, s.Covered)
		if err != nil {
			return err
		}
		places, err := t.View().StampPlaces(ctx, s.ID, 0)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(places, func(p catalog.StampPlace) bool { return p.Stamp == by.ID })
		if at < 0 {
			return fmt.Errorf("stamp %s is not among those that %s covers: %w", s.ID, by.ID, preservation.ErrCorrupt)
		}
		reduced, err := reducedTree(ctx, t, by, places[at], h, [][]byte{evidence.TokenDigest(h, s.Token)})
		if err != nil {
			return err
		}
		r.Renew(reduced, by.Token)
		s = by
	}
	return nil
}

// reducedTree is the way from one leaf of a stamp to its root.
func reducedTree(ctx context.Context, t *catalog.Tenant, s catalog.Stamp, p catalog.StampPlace, h crypto.Hash, group [][]byte) ([]evidence.HashList, error) {
	first := p.Pos / block
	leaves, err := t.View().StampLeaves(ctx, s.ID, first*block, min((first+1)*block, s.Leaves))
	if err != nil {
		return nil, err
	}
	var below []byte
	for _, l := range leaves {
		below = append(below, l.Digest...)
	}
	low, err := evidence.NewTree(h, below)
	if err != nil {
		return nil, err
	}
	if got := evidence.GroupDigest(h, group); string(got) != string(p.Digest) {
		return nil, fmt.Errorf("the package has another digest than the one that was stamped: %w", preservation.ErrCorrupt)
	}
	reduced := low.Reduced(p.Pos%block, group)
	high, err := evidence.NewTree(h, append([]byte{}, s.Nodes...))
	if err != nil {
		return nil, err
	}
	return append(reduced, high.Path(first)...), nil
}

// group returns the digests of the files of one version under an algorithm, or with
// version 0 of a segment of the audit log.
func (n *Notary) group(ctx context.Context, t *catalog.Tenant, subject string, version int, h crypto.Hash) ([][]byte, error) {
	store, err := n.Store(ctx, t)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		return segmentGroup(ctx, store, subject, h)
	}
	id := preservation.RecordID(subject)
	objects, err := t.Objects(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		if o.Kind == "package" && o.Version == version {
			return readGroup(ctx, store, o, h)
		}
	}
	return nil, errors.Join(preservation.ErrNotFound, fmt.Errorf("package of record %s, version %d", id, version))
}
