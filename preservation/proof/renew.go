package proof

import (
	"context"
	"crypto"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
)

// JobRenew is the kind of the job that Renew does.
const JobRenew = "renew-stamps"

const (
	gain  = 30 * 24 * time.Hour // by how much later a new token has to end
	again = 30 * 24 * time.Hour // after how long without one an authority is asked in spite of that
)

// margin is how long before it proves nothing any more a token is renewed.
const margin = 180 * 24 * time.Hour

// Due is a reason to renew the tokens of one digest algorithm.
type Due struct {
	Digest string    `json:"digest"`
	Stamps int       `json:"stamps"` // that are renewed together, with one token
	End    time.Time `json:"end"`    // when the first of them ends
	Why    string    `json:"why"`
}

// Due says which tokens have to be renewed by now, and why: a certificate ends,
// or an algorithm does that they rest on. Nothing is changed.
func (n *Notary) Due(ctx context.Context, t *catalog.Tenant) ([]Due, error) {
	bare, err := t.View().Bare(ctx)
	if err != nil {
		return nil, err
	}
	var all []Due
	for _, b := range bare {
		end, why := ends(b)
		if len(all) == 0 || all[len(all)-1].Digest != b.Digest {
			all = append(all, Due{Digest: b.Digest})
		}
		d := &all[len(all)-1]
		d.Stamps += b.Stamps
		if !end.IsZero() && (d.End.IsZero() || end.Before(d.End)) {
			d.End, d.Why = end, why
		}
	}
	soon := n.Now().Add(margin)
	return slices.DeleteFunc(all, func(d Due) bool { return d.End.IsZero() || d.End.After(soon) }), nil
}

// ends says when the first of some tokens proves nothing any more, and why.
func ends(b catalog.Bare) (end time.Time, why string) {
	if end = b.Expires; !end.IsZero() {
		why = "a certificate of the time-stamping authority ends"
	}
	for _, a := range b.Rests {
		if until, _ := evidence.BuiltIn().Until(a); !until.IsZero() && (end.IsZero() || until.Before(end)) {
			end, why = until, a.String()+" is suitable until then"
		}
	}
	return end, why
}

// Renew renews what is due (RFC 4998, 5.2): the tokens of all stamps of one
// digest algorithm that none covers yet become the leaves of one tree, and one
// token covers them. No document is read. It returns how many tokens it renewed.
func (n *Notary) Renew(ctx context.Context, t *catalog.Tenant) (int, error) {
	unlock, err := n.alone(ctx, t)
	if err != nil {
		return 0, err
	}
	defer unlock()
	// A renewal that was cut off covers what would be due again.
	if _, err := n.finishOpen(ctx, t); err != nil {
		return 0, err
	}
	due, err := n.Due(ctx, t)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, d := range due {
		if helps, err := n.helps(ctx, t, d); err != nil {
			return total, err
		} else if !helps {
			n.Log.WarnContext(ctx, "time-stamps end and a renewal would not help: the time-stamping authority has to change its keys",
				"tenant", string(t.ID()), "end", d.End, "why", d.Why)
			continue
		}
		h, err := hashOf(d.Digest)
		if err != nil {
			return total, err
		}
		s, err := n.cover(ctx, t, h)
		if err != nil {
			return total, err
		}
		leaves, err := n.finish(ctx, t, s.ID)
		if total += leaves; err != nil {
			return total, fmt.Errorf("renewal %s: %w", s.ID, err)
		}
	}
	return total, nil
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

// helps reports whether the authority gives tokens by now that last longer than
// those which are due, as its newest one shows.
func (n *Notary) helps(ctx context.Context, t *catalog.Tenant, d Due) (bool, error) {
	newest, err := t.View().NewestStamp(ctx)
	if err != nil {
		return false, err
	}
	end, _ := ends(catalog.Bare{Expires: newest.Expires, Rests: newest.Rests})
	return end.IsZero() || end.After(d.End.Add(gain)) || n.Now().Sub(newest.Stamped) > again, nil
}
