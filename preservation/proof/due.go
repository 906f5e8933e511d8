package proof

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"fmt"
	"time"

	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
	"bestand/preservation/timestamp"
)

// Margin is how long before it proves nothing any more something is renewed.
const Margin = 180 * 24 * time.Hour

// Renewal is the way in which proof is kept alive (RFC 4998, 5.2).
type Renewal string

const (
	TimeStamps Renewal = "time-stamps" // one token over all tokens; no document is read
	HashTree   Renewal = "hash-tree"   // every document is read again, for a tree under another digest algorithm
)

// Due is a reason to renew what rests on one digest algorithm.
type Due struct {
	Renewal  Renewal   `json:"renewal"`
	Digest   string    `json:"digest"`
	Stamps   int       `json:"stamps"`             // whose tokens nothing covers yet
	Versions int       `json:"versions,omitempty"` // of records, to be read for a hash-tree renewal
	Bytes    int64     `json:"bytes,omitempty"`    // of their packages
	Segments int       `json:"segments,omitempty"` // of the audit log, likewise
	To       string    `json:"to,omitempty"`       // the digest algorithm of the new trees
	End      time.Time `json:"end"`                // when the first of them proves nothing any more
	Why      string    `json:"why"`
	Waits    string    `json:"waits,omitempty"` // for what, where a renewal by now would be no gain
}

// Due says what has to be renewed at an instant, if nothing happens until then,
// and why: a certificate ends, or an algorithm does. Nothing is changed.
func (n *Notary) Due(ctx context.Context, t *catalog.Tenant, at time.Time) ([]Due, error) {
	bare, err := t.View().Bare(ctx)
	if err != nil {
		return nil, err
	}
	soon := at.Add(Margin)
	var all []Due
	for len(bare) > 0 {
		d := Due{Renewal: TimeStamps, Digest: bare[0].Digest}
		for ; len(bare) > 0 && bare[0].Digest == d.Digest; bare = bare[1:] {
			d.Stamps += bare[0].Stamps
			if end, why := n.ends(bare[0].Expires, bare[0].Rests, d.Digest); earlier(end, d.End) {
				d.End, d.Why = end, why
			}
		}
		if !d.End.IsZero() && d.End.Before(soon) {
			all = append(all, d)
		}
		end, _ := n.table().Until(timestamp.Algorithm{Name: d.Digest})
		if end.IsZero() || end.After(soon) {
			continue
		}
		tree := Due{Renewal: HashTree, Digest: d.Digest, Stamps: d.Stamps, To: n.algorithmAt(at).String(), End: end, Why: d.Digest + " is suitable until then"}
		aged, err := t.View().AgedCount(ctx, d.Digest)
		if err != nil {
			return nil, err
		}
		if tree.Versions, tree.Bytes, tree.Segments = aged.Versions, aged.Bytes, aged.Segments; aged != (catalog.AgedCount{}) {
			all = append(all, tree)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	newest, err := t.View().NewestStamp(ctx)
	if err != nil || at.Sub(n.Now()) > recent { // what an authority will give then nobody knows
		return all, err
	}
	for i, d := range all {
		if n.waits(ctx, newest, d, at) {
			all[i].Waits = "the time-stamping authority still gives time-stamps that end as early: it has to change its keys or algorithms first, or another one has to be named (--tsa-url)"
		}
	}
	return all, ctx.Err()
}

const (
	gain   = 30 * 24 * time.Hour // by how much later a new token has to end
	recent = 24 * time.Hour      // so old a token still shows what the authority gives
)

// waits reports whether a renewal has to wait for tokens that last longer than those which
// are due. The newest token shows what the authority gives by now; where that is old, as
// another one may be in use since, a token that is asked for on trial does. An authority
// that gives none is no reason to wait: the renewal itself says so, and is ended later.
func (n *Notary) waits(ctx context.Context, newest catalog.Stamp, d Due, at time.Time) bool {
	if n.gains(newest.Expires, newest.Rests, d, at) {
		return false
	}
	if at.Sub(newest.Stamped) <= recent {
		return true
	}
	t, err := n.tried(ctx, d)
	return err == nil && !n.gains(t.Expires(), t.Algorithms(), d, at)
}

// gains reports whether a token that ends then and rests on these lasts longer than those
// which are due.
func (n *Notary) gains(expires time.Time, rests []timestamp.Algorithm, d Due, at time.Time) bool {
	end, _ := n.ends(expires, rests, d.Digest)
	wanted := max(0, min(gain, d.End.Sub(at)/2)) // the nearer the end, the less will do
	return end.IsZero() || end.After(d.End.Add(wanted))
}

// trial is a token over nothing, or why there is none.
type trial struct {
	at    time.Time
	token *timestamp.Token
	err   error
}

// trialLife is for how long a trial is not made again, for whichever tenant and by whichever
// job: time-stamps may cost money. An authority that gets other keys is noticed as late.
const trialLife = time.Hour

// tried asks for a token of which nothing is kept.
func (n *Notary) tried(ctx context.Context, d Due) (*timestamp.Token, error) {
	h, err := hashOf(cmp.Or(d.To, d.Digest))
	if err != nil {
		return nil, err
	}
	if last, ok := n.trials.Load(h); ok {
		if t := last.(trial); n.Now().Sub(t.at).Abs() < trialLife {
			return t.token, t.err
		}
	}
	digest := make([]byte, h.Size())
	rand.Read(digest) // never fails
	t := trial{at: n.Now()}
	t.token, t.err = n.fresh(ctx, h, digest)
	if ctx.Err() == nil {
		n.trials.Store(h, t)
	}
	return t.token, t.err
}

// dueNow says what is to be renewed now in one way, and tells of what waits.
func (n *Notary) dueNow(ctx context.Context, t *catalog.Tenant, way Renewal) (ready []Due, err error) {
	due, err := n.Due(ctx, t, n.Now())
	for _, d := range due {
		switch {
		case d.Renewal != way:
		case d.Waits == "":
			ready = append(ready, d)
		default:
			n.Log.WarnContext(ctx, "evidence ends and cannot be renewed", "tenant", string(t.ID()), "end", d.End, "why", d.Why, "waits", d.Waits)
		}
	}
	return ready, err
}

// End says when the first time-stamp that none covers proves nothing any more,
// and why; zero when no end is in sight.
func (n *Notary) End(ctx context.Context, t *catalog.Tenant) (first time.Time, why string, err error) {
	bare, err := t.View().Bare(ctx)
	for _, b := range bare {
		if end, reason := n.ends(b.Expires, b.Rests, ""); earlier(end, first) {
			first, why = end, reason
		}
	}
	return first, why, err
}

// ends says when a token proves nothing any more, and why. A hash-tree renewal
// takes care of the algorithm in except.
func (n *Notary) ends(expires time.Time, rests []timestamp.Algorithm, except string) (end time.Time, why string) {
	if end = expires; !end.IsZero() {
		why = "a certificate of the time-stamping authority ends"
	}
	for _, a := range rests {
		if until, _ := n.table().Until(a); a.Name != except && earlier(until, end) {
			end, why = until, a.String()+" is suitable until then"
		}
	}
	return end, why
}

// earlier compares ends, of which zero is none.
func earlier(end, than time.Time) bool {
	return !end.IsZero() && (than.IsZero() || end.Before(than))
}

func (n *Notary) table() *evidence.Suitability {
	if n.Suitable != nil {
		return n.Suitable
	}
	return evidence.BuiltIn()
}

// Digests are the algorithms that a hash tree may have, in the order in which they
// take over from one that ends.
func Digests() []crypto.Hash {
	return []crypto.Hash{crypto.SHA256, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512, crypto.SHA384, crypto.SHA3_384}
}

// algorithm is that of new hash trees: the one that is wished for, or when that
// ends soon the one that lasts longest.
func (n *Notary) algorithm() crypto.Hash { return n.algorithmAt(n.Now()) }

func (n *Notary) algorithmAt(at time.Time) crypto.Hash {
	return n.table().Choose(at.Add(Margin), cmp.Or(n.Digest, crypto.SHA256), Digests()...)
}

// hashOf is the algorithm of a name.
func hashOf(name string) (crypto.Hash, error) {
	for _, h := range Digests() {
		if h.String() == name {
			return h, nil
		}
	}
	return 0, fmt.Errorf("digest algorithm %q: %w", name, evidence.ErrUnsupported)
}
