package proof

import (
	"context"
	"crypto"
	"errors"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// JobRenew is the kind of the job that does Renew and Rehash.
const JobRenew = "renew-stamps"

// Renew renews the time-stamps that are due (RFC 4998, 5.2): the tokens of all
// stamps of one digest algorithm that none covers yet become the leaves of one
// tree, and one token covers them. No document is read. It returns how many
// tokens it renewed.
func (n *Notary) Renew(ctx context.Context, t *catalog.Tenant) (int, error) {
	unlock, err := n.alone(ctx, t, stamping)
	if err != nil {
		return 0, err
	}
	defer unlock()
	// A renewal that was cut off covers what would be due again.
	_, stop, wrong := n.finishOpen(ctx, t)
	if stop {
		return 0, wrong
	}
	due, err := n.dueNow(ctx, t, TimeStamps)
	if err != nil {
		return 0, errors.Join(wrong, err)
	}
	total := 0
	for _, d := range due {
		h, err := hashOf(d.Digest)
		if err != nil {
			return total, err
		}
		s, err := n.cover(ctx, t, h)
		if err != nil {
			return total, err
		}
		if _, err = n.end(ctx, t, s); err == nil {
			total += d.Stamps
			continue
		}
		if wrong = errors.Join(wrong, err); urgent(ctx, err) {
			break
		}
	}
	return total, wrong
}

// cover opens a stamp over all bare tokens of one algorithm.
func (n *Notary) cover(ctx context.Context, t *catalog.Tenant, h crypto.Hash) (catalog.Stamp, error) {
	now := n.Now()
	s := catalog.Stamp{ID: preservation.NewID(now), Kind: catalog.StampTokens, Digest: h.String(), Opened: now}
	// In one transaction: half of it would leave the rest to a second renewal.
	return s, t.Update(ctx, func(x *catalog.Tx) error {
		if err := x.OpenStamp(s); err != nil {
			return err
		}
		return x.AddBare(s)
	})
}
