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
// checks seals. What cannot be read is told as well, and keeps nobody from the others.
// Segments that the archive has sealed and that displace nothing known are an error: a
// rebuild takes them up.
func Forks(ctx context.Context, t *catalog.Tenant, s preservation.Store, judge func(content io.Reader, seal []byte) []preservation.Finding) (forks []audit.Branch, unread []preservation.Finding, err error) {
	skip := func(o preservation.Object, cause error) error {
		var fault *unreadableError
		if !errors.As(cause, &fault) {
			return fmt.Errorf("%s: %w", o.Key, cause)
		}
		unread = append(unread, preservation.Finding{Code: "unreadable-object", Severity: preservation.Failed, Subject: o.Key, Detail: fault.Error()})
		return nil
	}
	var unknown []preservation.Object
	heads := map[string]audit.Branch{} // by the hashes of their last entries
	for o, err := range s.Versions(ctx, audit.Prefix) {
		if err != nil {
			return nil, unread, err
		}
		if strings.HasSuffix(o.Key, audit.SealSuffix) || o.Marker {
			continue
		}
		if _, err := t.View().AuditSegment(ctx, o.Key); !errors.Is(err, catalog.ErrNotFound) {
			if err != nil {
				return nil, unread, err
			}
			continue
		}
		switch b, accepted, err := acceptedBranch(ctx, t, s, o); {
		case err != nil:
			if err := skip(o, err); err != nil {
				return nil, unread, err
			}
		case accepted:
			heads[b.Head] = b
		default:
			unknown = append(unknown, o)
		}
	}
	slices.SortStableFunc(unknown, func(a, b preservation.Object) int { return cmp.Compare(firstEntry(a.Key), firstEntry(b.Key)) })
	end, err := t.AuditLatest(ctx, 0, "", 1)
	if err != nil {
		return nil, unread, err
	}
	for _, o := range unknown {
		b, ok, err := forked(ctx, t, s, o, heads, judge)
		if err != nil {
			if err := skip(o, err); err != nil {
				return nil, unread, err
			}
			continue
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
	return forks, unread, nil
}

// forked compares a segment that the catalog does not know with its log. ok is false where
// it goes with that. Of one that follows another branch the last common entry is that one's.
func forked(ctx context.Context, t *catalog.Tenant, s preservation.Store, o preservation.Object, heads map[string]audit.Branch, judge func(io.Reader, []byte) []preservation.Finding) (b audit.Branch, ok bool, err error) {
	if b.SHA256, err = storedSHA256(ctx, s, o); err != nil {
		return b, false, err
	}
	b.Segment = o.Key
	data, err := readVersion(ctx, s, o, audit.MaxSegment)
	var entries []audit.Entry
	if err == nil {
		_, entries, err = audit.Decode(data)
	} else if !errors.Is(err, preservation.ErrUnreadable) {
		return b, false, ofOne(ctx, s, o, err)
	}
	if err != nil || len(entries) == 0 || entries[0].Seq < 1 {
		b.Why = "it cannot be read as a segment"
		return b, true, nil
	}
	b.First, b.Last = entries[0].Seq, entries[len(entries)-1].Seq
	b.Head, _ = audit.Head(t.ID(), entries)
	if before, ok := heads[entries[0].Prev]; ok && entries[0].Prev != "" {
		if follows, err := continues(ctx, t, entries[0]); err != nil {
			return b, false, err
		} else if !follows {
			b.Common, b.CommonHash, b.Why = before.Common, before.CommonHash, "it follows "+before.Segment
			return b, true, nil
		}
	}
	fork := new(catalog.AuditFork)
	err = t.Update(ctx, func(x *catalog.Tx) error { return cmp.Or(x.RestoreAudit(entries, false), errTrial) })
	goes := errors.Is(err, errTrial)
	switch {
	case goes && named(o.Key, entries):
		return b, false, nil
	case goes:
		fork.Seq = b.First
	case !errors.As(err, &fork):
		return b, false, err
	}
	seal, _, err := read(ctx, s, o.Key+audit.SealSuffix, maxSeal)
	if err != nil && !errors.Is(err, preservation.ErrNotFound) && !errors.Is(err, preservation.ErrUnreadable) {
		return b, false, ofOne(ctx, s, o, fmt.Errorf("its seal: %w", err))
	}
	b.Why = unproven(t.ID(), data, entries, seal, judge)
	switch {
	case goes && b.Why == "":
		return b, false, nil
	case goes:
		b.Why = otherName + "; " + b.Why
	case fork.Known:
		if b.Why, err = otherKnown(ctx, t, s, fork.Seq, b.Why, judge); err != nil {
			return b, false, err
		}
	case b.Why == "":
		return b, false, errors.New("stands under a seal of the archive: bestand rebuild takes it up, and goes on behind it with what the catalog has; do that first")
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
	return t.View().AcceptedBranch(ctx, o.Key, func() (string, error) { return storedSHA256(ctx, s, o) })
}

// unreadableError is why one object cannot be read while its store answers.
type unreadableError struct{ error }

func (e *unreadableError) Unwrap() error { return e.error }

// ofOne tells an object that cannot be read, which is an unreadableError, from a store that
// does not answer.
func ofOne(ctx context.Context, s preservation.Store, o preservation.Object, cause error) error {
	if _, err := s.Stat(ctx, o.Key, o.VersionID); err != nil && !errors.Is(err, preservation.ErrNotFound) {
		return errors.Join(cause, err)
	}
	return &unreadableError{cause}
}

func storedSHA256(ctx context.Context, s preservation.Store, o preservation.Object) (string, error) {
	sum, err := preservation.StoredSHA256(ctx, s, o)
	if err != nil {
		return "", ofOne(ctx, s, o, err)
	}
	return sum, nil
}

// has reports whether the catalog has an entry.
func has(ctx context.Context, t *catalog.Tenant, e audit.Entry) (bool, error) {
	there, err := t.AuditLog(ctx, e.Seq-1, "", 1)
	return err == nil && len(there) > 0 && there[0].Seq == e.Seq && there[0].Hash == e.Hash, err
}

// continues reports whether an entry comes right behind one that the catalog has.
func continues(ctx context.Context, t *catalog.Tenant, e audit.Entry) (bool, error) {
	before, err := t.AuditLog(ctx, e.Seq-2, "", 1)
	return err == nil && len(before) > 0 && before[0].Seq == e.Seq-1 && before[0].Hash == e.Prev, err
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

// named reports whether the key of a segment tells the entries that it has.
func named(key string, entries []audit.Entry) bool {
	first, last, ok := audit.ParseName(path.Base(key))
	return ok && first == entries[0].Seq && last == entries[len(entries)-1].Seq
}

// otherName is why a segment is none that the archive wrote.
const otherName = "its name tells other entries than it has"

// otherKnown says that a segment is no part of the log because one that is known holds
// another entry of a number, and what proves either. why is why nothing proves the former.
func otherKnown(ctx context.Context, t *catalog.Tenant, s preservation.Store, seq int64, why string, judge func(io.Reader, []byte) []preservation.Finding) (string, error) {
	told := func(why string) string { return cmp.Or(why, "it stands under a seal of the archive") }
	known, err := t.View().AuditSegmentOf(ctx, seq)
	if errors.Is(err, catalog.ErrNotFound) {
		return fmt.Sprintf("a segment that is known goes another way; of this one: %s", told(why)), nil
	}
	if err != nil {
		return "", err
	}
	var entries []audit.Entry
	var seal []byte
	data, _, err := read(ctx, s, known.Key, audit.MaxSegment)
	if err == nil {
		_, entries, err = audit.Decode(data)
	}
	if err == nil {
		if seal, _, err = read(ctx, s, known.Key+audit.SealSuffix, maxSeal); errors.Is(err, preservation.ErrNotFound) {
			err = nil
		}
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	theirs := fmt.Sprintf("it cannot be read: %v", err)
	if err == nil {
		theirs = unproven(t.ID(), data, entries, seal, judge)
	}
	return fmt.Sprintf("%s is known and holds others: of that one: %s; of this one: %s", known.Key, told(theirs), told(why)), nil
}

// unproven says why a segment is not proven to be of a tenant's log as the archive
// wrote it; empty if it is.
func unproven(tenant preservation.TenantID, data []byte, entries []audit.Entry, seal []byte, judge func(io.Reader, []byte) []preservation.Finding) string {
	if _, breaks := audit.Head(tenant, entries); breaks != 0 {
		return fmt.Sprintf("entry %d breaks its chain", breaks)
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

// TakeUp has segments that nothing proves, in the order of their entries, taken up into the
// log because a person, by name, found that they are part of it: all or none. What the
// catalog has noted in their place follows them. A segment that is known keeps its numbers,
// and what the chain of one breaks off is nobody's log: ErrConflict.
func TakeUp(ctx context.Context, t *catalog.Tenant, s preservation.Store, branches []audit.Branch, actor, by, reason string) error {
	type part struct {
		entries []audit.Entry
		segment catalog.AuditSegment
	}
	var parts []part
	for _, b := range branches {
		o, body, err := s.Get(ctx, b.Segment, "")
		if err != nil {
			return err
		}
		data, err := io.ReadAll(io.LimitReader(body, audit.MaxSegment+1))
		if err = errors.Join(err, body.Close()); err != nil {
			return err
		}
		if hex256(data) != b.SHA256 {
			return fmt.Errorf("%s is another one than was told: %w", b.Segment, catalog.ErrConflict)
		}
		_, entries, err := audit.Decode(data)
		if head, _ := audit.Head(t.ID(), entries); err != nil || head == "" {
			return fmt.Errorf("%s is no segment whose entries follow each other: %w", b.Segment, catalog.ErrConflict)
		}
		if follows, err := continues(ctx, t, entries[0]); err != nil {
			return err
		} else if n := len(parts); !follows && entries[0].Seq > 1 && (n == 0 || parts[n-1].entries[len(parts[n-1].entries)-1].Hash != entries[0].Prev) {
			return fmt.Errorf("%s follows no entry of the log, nor a segment that is taken up with it: %w", b.Segment, catalog.ErrConflict)
		}
		parts = append(parts, part{entries, catalog.AuditSegment{Key: o.Key, First: entries[0].Seq, Last: entries[len(entries)-1].Seq, SHA256: b.SHA256, Stored: o.Modified}})
	}
	return t.Update(ctx, func(x *catalog.Tx) error {
		var fork *catalog.AuditFork
		for _, p := range parts {
			err := x.RestoreAudit(p.entries, true)
			if errors.As(err, &fork) {
				return fmt.Errorf("%s: from entry %d on it does not go with a segment that is known already: %w", p.segment.Key, fork.Seq, catalog.ErrConflict)
			}
			if err = cmp.Or(err, x.AddAuditSegment(p.segment)); err != nil {
				return err
			}
		}
		if err := x.ResumeAudit(); err != nil {
			return err
		}
		for _, b := range branches {
			if err := x.Audit(audit.TakeUp(b, actor, by, reason)); err != nil {
				return err
			}
		}
		return nil
	})
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
