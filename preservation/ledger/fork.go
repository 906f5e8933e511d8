package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
)

// errTrial undoes a transaction that only tried.
var errTrial = errors.New("tried")

// Forks returns the segments of the bucket that the catalog does not know, that do not go
// with its log, and that nobody has accepted yet, in the order of their entries. judge
// checks seals. Those that the archive has sealed and that displace nothing known are an
// error: a rebuild takes them up.
func Forks(ctx context.Context, t *catalog.Tenant, s preservation.Store, judge func(content io.Reader, seal []byte) []preservation.Finding) (forks []audit.Branch, err error) {
	var unknown []preservation.Object
	heads := map[string]audit.Branch{} // by the hashes of their last entries
	for o, err := range s.Versions(ctx, audit.Prefix) {
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(o.Key, audit.SealSuffix) || o.Marker {
			continue
		}
		if _, err := t.View().AuditSegment(ctx, o.Key); !errors.Is(err, catalog.ErrNotFound) {
			if err != nil {
				return nil, err
			}
			continue
		}
		switch b, accepted, err := acceptedBranch(ctx, t, s, o); {
		case err != nil:
			return nil, err
		case accepted:
			heads[b.Head] = b
		default:
			unknown = append(unknown, o)
		}
	}
	slices.SortStableFunc(unknown, func(a, b preservation.Object) int { return cmp.Compare(firstEntry(a.Key), firstEntry(b.Key)) })
	end, err := t.AuditLatest(ctx, 0, "", 1)
	if err != nil {
		return nil, err
	}
	for _, o := range unknown {
		b, ok, err := forked(ctx, t, s, o, heads, judge)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.Key, err)
		}
		if !ok {
			continue
		}
		for _, e := range end {
			b.LogLast, b.LogHead = e.Seq, e.Hash
		}
		forks = append(forks, b)
		heads[b.Head] = b
	}
	return forks, nil
}

// forked compares a segment that the catalog does not know with its log. ok is false where
// it goes with that. Of one that follows another branch the last common entry is that one's.
func forked(ctx context.Context, t *catalog.Tenant, s preservation.Store, o preservation.Object, heads map[string]audit.Branch, judge func(io.Reader, []byte) []preservation.Finding) (b audit.Branch, ok bool, err error) {
	if b.SHA256, err = preservation.StoredSHA256(ctx, s, o); err != nil {
		return b, false, err
	}
	b.Segment = o.Key
	data, err := readVersion(ctx, s, o, audit.MaxSegment)
	var entries []audit.Entry
	if err == nil {
		_, entries, err = audit.Decode(data)
	} else if !errors.Is(err, preservation.ErrUnreadable) {
		return b, false, err
	}
	if err != nil || len(entries) == 0 || entries[0].Seq < 1 {
		b.Why = "it cannot be read as a segment"
		return b, true, nil
	}
	last := entries[len(entries)-1]
	b.First, b.Last, b.Head = entries[0].Seq, last.Seq, last.Hash
	if before, follows := heads[entries[0].Prev]; follows && entries[0].Prev != "" {
		b.Common, b.CommonHash, b.Why = before.Common, before.CommonHash, "it follows "+before.Segment
		return b, true, nil
	}
	fork := new(catalog.AuditFork)
	err = t.Update(ctx, func(x *catalog.Tx) error { return cmp.Or(x.RestoreAudit(entries, false), errTrial) })
	if errors.Is(err, errTrial) {
		return b, false, nil
	}
	if !errors.As(err, &fork) {
		return b, false, err
	}
	if b.Why = otherKnown; !fork.Known {
		seal, _, err := read(ctx, s, o.Key+audit.SealSuffix, maxSeal)
		if err != nil && !errors.Is(err, preservation.ErrNotFound) && !errors.Is(err, preservation.ErrUnreadable) {
			return b, false, err
		}
		if b.Why = unproven(t.ID(), data, entries, seal, judge); b.Why == "" {
			return b, false, errors.New("stands under a seal of the archive: bestand rebuild takes it up, and goes on behind it with what the catalog has; do that first")
		}
	}
	common, err := t.AuditLog(ctx, fork.Seq-2, "", 1)
	if err != nil {
		return b, false, err
	}
	i := slices.IndexFunc(entries, func(e audit.Entry) bool { return e.Seq == fork.Seq })
	if len(common) > 0 && common[0].Seq == fork.Seq-1 && common[0].Hash == entries[i].Prev {
		b.Common, b.CommonHash = common[0].Seq, common[0].Hash
	}
	return b, true, nil
}

// AcceptForks notes that a person, by name, accepts that some branches stay beside the log: one
// entry for each, all or none. They stay in the bucket as they are, and the log goes on
// with what the catalog has; StoreAudit brings both into the bucket.
func AcceptForks(ctx context.Context, t *catalog.Tenant, forks []audit.Branch, actor, by, reason string) error {
	return t.Update(ctx, func(x *catalog.Tx) error {
		for _, b := range forks {
			if err := x.Audit(audit.AcceptFork(b, actor, by, reason)); err != nil {
				return err
			}
		}
		return nil
	})
}

// acceptedBranch returns the branch that a version of a segment is by the log of the catalog.
func acceptedBranch(ctx context.Context, t *catalog.Tenant, s preservation.Store, o preservation.Object) (b audit.Branch, ok bool, err error) {
	return t.View().AcceptedBranch(ctx, o.Key, func() (string, error) { return preservation.StoredSHA256(ctx, s, o) })
}

// firstEntry is the number of the first entry of a segment by its key; behind all others
// where that does not tell.
func firstEntry(key string) int64 {
	first, _, ok := audit.ParseName(path.Base(key))
	if !ok {
		return math.MaxInt64
	}
	return first
}

// otherKnown says why a segment is no part of the log.
const otherKnown = "a segment that is known holds others"

// unproven says why a segment is not proven to be of a tenant's log as the archive
// wrote it; empty if it is.
func unproven(tenant preservation.TenantID, data []byte, entries []audit.Entry, seal []byte, judge func(io.Reader, []byte) []preservation.Finding) string {
	for n, e := range entries {
		if e.Sum(tenant) != e.Hash || n > 0 && (e.Seq != entries[n-1].Seq+1 || e.Prev != entries[n-1].Hash) {
			return fmt.Sprintf("entry %d breaks its chain", e.Seq)
		}
	}
	switch {
	case seal == nil:
		return "it has no seal that can be read"
	case judge == nil:
		return "nothing checks its seal"
	}
	for _, f := range judge(bytes.NewReader(data), seal) {
		if f.Severity == preservation.Failed {
			return fmt.Sprintf("its seal does not stand: %s: %s", f.Code, f.Detail)
		}
	}
	return ""
}

// claim is an entry in the bucket by which a person accepted a branch.
type claim struct {
	audit.Branch
	proven bool // the archive has sealed the entry
}

// besides are the branches that stand beside a log, for the rebuild that reads it.
type besides struct {
	claims map[string][]claim    // by the keys of branches
	left   []preservation.Object // branches that were accepted
	heads  map[string]string     // keys of all branches, by the hashes of their last entries
}

// findClaims reads which branches of the bucket a person accepted, before any segment is
// taken up. Only where two segments have the same numbers can there be one.
func (b *rebuild) findClaims(ctx context.Context, segments []preservation.Object, seals map[string]preservation.Object) (found map[string][]claim, err error) {
	end, twice := int64(0), false
	for _, o := range segments {
		first, last, ok := audit.ParseName(path.Base(o.Key))
		twice = twice || !ok || first <= end
		end = max(end, last)
	}
	found = map[string][]claim{}
	if !twice {
		return found, nil
	}
	// What one object does not give away the main pass tells.
	maybe := func(o preservation.Object, most int64) ([]byte, error) {
		data, err := readVersion(ctx, b.store, o, most)
		if errors.Is(err, preservation.ErrUnreadable) || errors.Is(err, preservation.ErrNotFound) || preservation.OfOne(ctx, b.store, audit.Prefix, err) {
			return nil, nil
		}
		return data, err
	}
	for _, o := range segments {
		data, err := maybe(o, audit.MaxSegment)
		if err != nil {
			return nil, err
		}
		branches := audit.Branches(data)
		if len(branches) == 0 {
			continue
		}
		var seal []byte
		if s, ok := seals[o.Key]; ok {
			if seal, err = maybe(s, maxSeal); err != nil {
				return nil, err
			}
		}
		_, entries, _ := audit.Decode(data)
		proven := unproven(b.tenant.ID(), data, entries, seal, b.opts.Seal) == ""
		for _, branch := range branches {
			found[branch.Segment] = append(found[branch.Segment], claim{branch, proven})
		}
	}
	return found, nil
}

// beside returns the branch that a segment is because a person accepted it as one. Where no
// seal proves that yet, maybe is set: it counts if nothing proves the segment either.
func (b *rebuild) beside(ctx context.Context, o preservation.Object) (branch audit.Branch, accepted, maybe bool, err error) {
	branch, accepted, err = acceptedBranch(ctx, b.tenant, b.store, o)
	claims := b.besides.claims[o.Key]
	if err != nil || accepted || len(claims) == 0 {
		return branch, accepted, false, err
	}
	sum, err := preservation.StoredSHA256(ctx, b.store, o)
	for _, c := range claims {
		if c.SHA256 == sum {
			branch, maybe = c.Branch, true
			accepted = accepted || c.proven
		}
	}
	return branch, accepted, maybe, err
}
