package ledger

import (
	"context"
	"errors"
	"path"
	"slices"

	"bestand/preservation"
	"bestand/preservation/audit"
)

// claim is an entry in the bucket by which a person accepted a branch.
type claim struct {
	audit.Branch
	in       string // key of its segment
	unproven string // why nothing proves that; empty if the archive has sealed it
}

// besides are the branches that stand beside a log, for the rebuild that reads it.
type besides struct {
	claims map[string][]claim    // by the keys of branches
	fresh  map[string][]claim    // those of segments that nothing proves and that were just taken up
	left   []preservation.Object // branches that were accepted
	heads  map[string]string     // keys of the branches whose chain holds, by the hashes of their last entries

	followed map[string]bool  // hashes that the first entries of proven segments name as those before them
	rivals   map[string]rival // by the keys of segments that nothing proves
	refused  [][2]int64       // the first and last entries of those rivals that were not taken up
}

// rival is a segment that has another entry of a number, or may have.
type rival struct {
	key    string
	seq    int64
	unread bool // it cannot be read, and its name tells the number
}

func (r rival) String() string {
	if r.unread {
		return r.key + ", whose name tells entries there as well, cannot be read"
	}
	return "nor does anything prove " + r.key + ", which has other entries there"
}

// contender is a segment that overlaps with others.
type contender struct {
	key    string
	first  int64
	hashes []string // of its entries; where it cannot be read, such as no entry has
}

// findRivals finds which of some segments that nothing proves, in the order of their first
// entries, tell different things of the same entries. Those whose chain does not hold or
// that have other entries than their keys say are nobody's rivals, and come last. One that
// cannot be read is a rival of all that overlap with it.
func (b *rebuild) findRivals(ctx context.Context, segments []preservation.Object) (map[string]rival, error) {
	rivals := map[string]rival{}
	broken := map[string]bool{}
	var end int64                       // of the segments that overlap
	at := map[int64]map[string]string{} // keys of their segments, the first of each, by number and hash
	unread := map[string]bool{}
	var group []contender
	settle := func() {
		for _, c := range group {
			for n, hash := range c.hashes {
				seq := c.first + int64(n)
				if len(at[seq]) < 2 {
					continue
				}
				for other, key := range at[seq] {
					if other != hash {
						rivals[c.key] = rival{key, seq, unread[key]}
					}
				}
				break
			}
		}
		clear(at)
		group = nil
	}
	for i, o := range segments {
		first, last, ok := audit.ParseName(path.Base(o.Key))
		if proven := slices.ContainsFunc(b.besides.claims[o.Key], func(c claim) bool { return c.unproven == "" }); !ok || proven {
			broken[o.Key] = !ok
			continue
		}
		if first > end {
			settle()
		}
		alone := first > end && (i+1 == len(segments) || firstEntry(segments[i+1].Key) > last)
		end = max(end, last)
		if alone {
			continue // nothing to hold it against
		}
		c := contender{key: o.Key, first: first}
		data, err := b.attempt(ctx, o, audit.MaxSegment)
		if err != nil {
			return nil, err
		}
		if data == nil && o.Size <= audit.MaxSegment && last-first < audit.MaxEntries {
			unread[o.Key] = true // which the main pass tells
			c.hashes = slices.Repeat([]string{"of " + o.Key}, int(last-first+1))
		} else {
			_, entries, err := audit.Decode(data)
			head, _ := audit.Head(b.tenant.ID(), entries)
			if err != nil || head == "" || !named(o.Key, entries) {
				broken[o.Key] = true
				continue
			}
			for _, e := range entries {
				c.hashes = append(c.hashes, e.Hash)
			}
		}
		for n, hash := range c.hashes {
			seq := first + int64(n)
			if at[seq] == nil {
				at[seq] = map[string]string{}
			}
			if at[seq][hash] == "" {
				at[seq][hash] = o.Key
			}
		}
		group = append(group, c)
	}
	settle()
	slices.SortStableFunc(segments, func(x, y preservation.Object) int {
		switch {
		case broken[x.Key] == broken[y.Key]:
			return 0
		case broken[x.Key]:
			return 1
		default:
			return -1
		}
	})
	return rivals, nil
}

// behindRivals reports whether an entry stands behind a gap that is there, or is as long, because
// rivals were not taken up.
func (b *rebuild) behindRivals(ctx context.Context, e audit.Entry) (bool, error) {
	if len(b.besides.refused) == 0 {
		return false, nil
	}
	if known, err := has(ctx, b.tenant, e); err != nil || known {
		return false, err
	}
	before, err := b.tenant.AuditLatest(ctx, e.Seq, "", 1)
	end := int64(0)
	for _, e := range before {
		end = e.Seq
	}
	return slices.ContainsFunc(b.besides.refused, func(of [2]int64) bool { return of[0] < e.Seq && of[1] > end }), err
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
	for _, o := range segments {
		data, err := b.attempt(ctx, o, audit.MaxSegment)
		if err != nil {
			return nil, err
		}
		branches := audit.Branches(data)
		if len(branches) == 0 {
			continue
		}
		var seal []byte
		if s, ok := seals[o.Key]; ok {
			if seal, err = b.attempt(ctx, s, maxSeal); err != nil {
				return nil, err
			}
		}
		_, entries, _ := audit.Decode(data)
		why := unproven(b.tenant.ID(), data, entries, seal, b.opts.Seal)
		for _, branch := range branches {
			found[branch.Segment] = append(found[branch.Segment], claim{branch, o.Key, why})
		}
	}
	return found, nil
}

// attempt reads an object ahead of the main pass: nil where that one object does not give
// itself away, which the main pass tells.
func (b *rebuild) attempt(ctx context.Context, o preservation.Object, most int64) ([]byte, error) {
	data, err := readVersion(ctx, b.store, o, most)
	if errors.Is(err, preservation.ErrUnreadable) || errors.Is(err, preservation.ErrNotFound) || preservation.OfOne(ctx, b.store, audit.Prefix, err) {
		return nil, nil
	}
	return data, err
}

// beside returns the branch that a segment is because a person accepted it as one. Where no
// seal proves that yet, maybe is what says so: it counts if nothing proves the segment either,
// which has no rival.
func (b *rebuild) beside(ctx context.Context, o preservation.Object) (branch audit.Branch, accepted bool, maybe *claim, err error) {
	branch, accepted, err = acceptedBranch(ctx, b.tenant, b.store, o)
	claims := b.besides.claims[o.Key]
	if accepted {
		claims = b.besides.fresh[o.Key]
	}
	if err != nil || len(claims) == 0 {
		return branch, accepted, nil, err
	}
	sum, err := storedSHA256(ctx, b.store, o)
	for _, c := range claims {
		switch {
		case c.SHA256 != sum:
		case c.unproven == "":
			return c.Branch, true, nil, err
		default:
			maybe = &c
		}
	}
	return branch, accepted && maybe == nil, maybe, err
}

// doubted notes the branches that entries of a segment accepted which nothing proves, unless
// the catalog has that already, and before they come into it.
func (b *rebuild) doubted(ctx context.Context, key string, entries []audit.Entry, why string) error {
	for _, e := range entries {
		branch, ok := e.Branch()
		if !ok {
			continue
		}
		switch _, known, err := b.tenant.View().AcceptedBranch(ctx, branch.Segment, func() (string, error) { return branch.SHA256, nil }); {
		case err != nil:
			return err
		case !known:
			b.besides.fresh[branch.Segment] = append(b.besides.fresh[branch.Segment], claim{branch, key, why})
		}
	}
	return nil
}
