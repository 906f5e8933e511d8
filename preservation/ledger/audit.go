package ledger

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
)

// StoreAudit writes the entries of the audit log that are not in the bucket yet
// as segments (package audit). What an attempt that was cut off has written counts.
func StoreAudit(ctx context.Context, t *catalog.Tenant, s preservation.Store, lock preservation.Lock) error {
	for {
		at, err := t.View().AuditKnown(ctx)
		if err != nil {
			return err
		}
		entries, err := t.AuditLog(ctx, at, "", audit.MaxEntries)
		if err != nil || len(entries) == 0 {
			return err
		}
		segment, branches, err := adopt(ctx, t, s, at, entries)
		if errors.Is(err, preservation.ErrNotFound) {
			var data []byte
			if entries, data, err = fitting(t.ID(), entries, branches, audit.MaxSegment); err == nil && data == nil {
				if err := t.Audit(ctx, audit.PassBranch(segmentKey(entries))); err != nil {
					return err
				}
				continue
			}
			if err == nil {
				segment, err = storeSegment(ctx, s, entries, data, lock)
			}
		}
		if err != nil {
			return fmt.Errorf("store audit segment: %w", err)
		}
		if err := t.Update(ctx, func(x *catalog.Tx) error { return x.AddAuditSegment(segment) }); err != nil {
			return err
		}
	}
}

func segmentKey(entries []audit.Entry) string {
	first, last := entries[0], entries[len(entries)-1]
	return audit.Key(first.At, first.Seq, last.Seq)
}

// fitting returns as many of some entries as go into a segment of so many bytes, and that
// segment. A branch that was accepted has its key for good: the segment ends before. Where
// the branches have all keys, data is nil: it can end behind them once there are more entries.
func fitting(tenant preservation.TenantID, entries []audit.Entry, branches []string, most int) (some []audit.Entry, data []byte, err error) {
	all := len(entries)
	for some = entries; ; {
		n := len(some)
		switch taken := slices.Contains(branches, segmentKey(some)); {
		case taken && n > 1:
			n--
		case taken && (data != nil || all == audit.MaxEntries):
			return some, nil, fmt.Errorf("entry %d: accepted branches have the keys of all segments that can begin with it, the last is %s: %w", some[0].Seq, segmentKey(some), preservation.ErrExists)
		case taken:
			return some, nil, nil
		default:
			if data, err = audit.Encode(tenant, some); err != nil || len(data) <= most {
				return some, data, err
			}
			if n == 1 {
				return some, nil, fmt.Errorf("entry %d alone has %d bytes, and a segment has at most %d: %w", some[0].Seq, len(data), most, preservation.ErrUnreadable)
			}
			n /= 2
		}
		some = some[:n]
	}
}

func storeSegment(ctx context.Context, s preservation.Store, entries []audit.Entry, data []byte, lock preservation.Lock) (catalog.AuditSegment, error) {
	first, last := entries[0], entries[len(entries)-1]
	segment := catalog.AuditSegment{Key: segmentKey(entries), First: first.Seq, Last: last.Seq, SHA256: hex256(data)}
	o, err := s.Put(ctx, segment.Key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: segment.SHA256, Lock: lock, ContentType: "application/jsonl"})
	segment.Stored = o.Modified
	return segment, err
}

// adopt returns the segment of the bucket that begins with the first of some entries
// and holds them, the longest of several; ErrNotFound when there is none. Its key may
// have another year than the entries: those of a catalog that is older than the bucket
// were made later than what stands there. Branches that a person accepted do not count;
// their keys are returned.
func adopt(ctx context.Context, t *catalog.Tenant, s preservation.Store, known int64, entries []audit.Entry) (segment catalog.AuditSegment, branches []string, err error) {
	from, to := entries[0].At, t.DB().Now()
	if known > 0 {
		before, err := t.AuditLog(ctx, known-1, "", 1)
		if err != nil {
			return segment, branches, err
		}
		if len(before) > 0 && before[0].At.Before(from) {
			from = before[0].At
		}
	}
	if to.Before(entries[0].At) {
		to = entries[0].At
	}
	for year := from.UTC().Year() - 1; year <= to.UTC().Year()+1; year++ {
		for o, err := range s.Versions(ctx, audit.KeysFrom(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), entries[0].Seq)) {
			if err != nil {
				return segment, branches, err
			}
			first, last, ok := audit.ParseName(path.Base(o.Key))
			if !ok || o.Marker {
				continue
			}
			_, beside, err := acceptedBranch(ctx, t, s, o)
			if err != nil {
				return segment, branches, err
			}
			if beside {
				branches = append(branches, o.Key)
			} else if last > segment.Last {
				segment = catalog.AuditSegment{Key: o.Key, First: first, Last: last, Stored: o.Modified}
			}
		}
	}
	if segment.Key == "" {
		return segment, branches, preservation.ErrNotFound
	}
	data, _, err := read(ctx, s, segment.Key, audit.MaxSegment)
	if err != nil {
		return segment, branches, err
	}
	_, have, err := audit.Decode(data)
	if err != nil {
		return segment, branches, fmt.Errorf("%s is no segment of an audit log, and stands where the next one belongs: look what wrote it; bestand audit accept-fork leaves it beside the log: %w: %w", segment.Key, preservation.ErrCorrupt, err)
	}
	same := func(a, b audit.Entry) bool { return a.Seq == b.Seq && a.Hash == b.Hash }
	if len(have) > len(entries) || !slices.EqualFunc(have, entries[:len(have)], same) {
		return segment, branches, fmt.Errorf("%s holds other entries than the catalog has, which must be older than the bucket: stop the service and run bestand rebuild, which takes up what the bucket has under a seal that stands and goes on behind it; where that says audit-fork, bestand audit accept-fork leads out: %w", segment.Key, preservation.ErrCorrupt)
	}
	segment.SHA256 = hex256(data)
	return segment, branches, nil
}

// SealAudit puts a detached seal beside each segment that has none yet. What is wrong
// with one is said and does not keep the others waiting; an outage does.
func SealAudit(ctx context.Context, t *catalog.Tenant, s preservation.Store, lock preservation.Lock, seal func(ctx context.Context, content []byte) ([]byte, error)) error {
	var wrong []error
	after, progress := "", true
	for progress {
		waiting, err := t.View().WaitingAudit(ctx, false, after, 100)
		if err != nil {
			return errors.Join(append(wrong, err)...)
		}
		progress = false // without any in a whole page, the fault is hardly that of the segments
		for _, w := range waiting {
			after = w.Key
			sum, err := sealSegment(ctx, s, w, lock, seal)
			if err == nil {
				err = t.Update(ctx, func(x *catalog.Tx) error { return x.SealAudit(w.Key, sum) })
			}
			if err == nil {
				progress = true
				continue
			}
			wrong = append(wrong, fmt.Errorf("seal %s: %w", w.Key, err))
			ends := errors.Is(err, preservation.ErrUnavailable) || errors.Is(err, preservation.ErrClock)
			if ctx.Err() != nil || ends && !preservation.OfOne(ctx, s, audit.Prefix, err) {
				return errors.Join(wrong...)
			}
		}
	}
	return errors.Join(wrong...)
}

// sealSegment seals one segment and returns the digest of the seal: that of an earlier
// attempt, if there is one.
func sealSegment(ctx context.Context, s preservation.Store, w catalog.AuditSegment, lock preservation.Lock, seal func(context.Context, []byte) ([]byte, error)) (string, error) {
	data, _, err := read(ctx, s, w.Key, audit.MaxSegment)
	if err != nil {
		return "", err
	}
	if hex256(data) != w.SHA256 {
		return "", fmt.Errorf("%w: its bytes are not those that were stored", preservation.ErrCorrupt)
	}
	key := w.Key + audit.SealSuffix
	have, _, err := read(ctx, s, key, maxSeal)
	if err == nil {
		return hex256(have), nil
	}
	if !errors.Is(err, preservation.ErrNotFound) {
		return "", err
	}
	p7s, err := seal(ctx, data)
	if err != nil {
		return "", err
	}
	_, err = s.Put(ctx, key, bytes.NewReader(p7s), preservation.PutOptions{Size: int64(len(p7s)), SHA256: hex256(p7s), Lock: lock, ContentType: "application/pkcs7-signature"})
	if errors.Is(err, preservation.ErrExists) { // another program was faster: that one counts
		if p7s, _, err = read(ctx, s, key, maxSeal); err != nil {
			return "", err
		}
	}
	return hex256(p7s), err
}

// maxSeal is the most bytes of a seal.
const maxSeal = 16 << 20

func hex256(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// restoreAudit reads the segments back in the order of their entries, and their seals.
// The log goes on behind the newest: what a catalog that is older than the bucket has
// noted instead is appended there.
func (b *rebuild) restoreAudit(ctx context.Context) error {
	var segments []preservation.Object
	seals := map[string]preservation.Object{} // by the keys of their segments
	for o, err := range b.objects(ctx, audit.Prefix) {
		if err != nil {
			return err
		}
		if segment, ok := strings.CutSuffix(o.Key, audit.SealSuffix); ok {
			seals[segment] = o
		} else {
			segments = append(segments, o)
		}
	}
	// The keys have another order where a clock went back over a new year. Of two that
	// begin with the same entry the one that has a seal counts.
	place := func(o preservation.Object) (first int64, unsealed int) {
		if _, ok := seals[o.Key]; !ok {
			unsealed = 1
		}
		return firstEntry(o.Key), unsealed
	}
	slices.SortStableFunc(segments, func(a, b preservation.Object) int {
		first, unsealed := place(a)
		other, otherUnsealed := place(b)
		return cmp.Or(cmp.Compare(first, other), cmp.Compare(unsealed, otherUnsealed))
	})
	claims, err := b.findClaims(ctx, segments, seals)
	if err != nil {
		return err
	}
	b.besides = besides{claims: claims, fresh: map[string][]claim{}, heads: map[string]string{}, followed: map[string]bool{}}
	// What the archive has sealed comes first: anybody can write what lies before it. Then
	// what that follows, hash by hash, backwards.
	if segments, err = b.restoreSegments(ctx, segments, seals, sealed); err != nil {
		return err
	}
	slices.Reverse(segments)
	if segments, err = b.restoreSegments(ctx, segments, seals, followed); err != nil {
		return err
	}
	slices.Reverse(segments)
	if b.besides.rivals, err = b.findRivals(ctx, segments); err != nil {
		return err
	}
	if _, err = b.restoreSegments(ctx, segments, seals, unsure); err != nil {
		return err
	}
	if err := b.accounted(ctx); err != nil {
		return err
	}
	return b.tenant.Update(ctx, func(x *catalog.Tx) error {
		if err := x.ResumeAudit(); err != nil || !b.opts.Anew {
			return err
		}
		end, err := x.View().AuditKnown(ctx)
		if err != nil {
			return err
		}
		return x.Audit(audit.Rebuilt(b.tenant.ID(), end, b.opts.ContentsLater))
	})
}

// Anew reports whether a catalog has nothing of a tenant, or nothing but what a rebuild
// that was cut off has read back of the audit log.
func Anew(ctx context.Context, t *catalog.Tenant) (bool, error) {
	if _, err := t.View().Document(ctx, catalog.KindTenant, catalog.KindTenant, 0); !errors.Is(err, catalog.ErrNotFound) {
		return false, err
	}
	known, err := t.View().AuditKnown(ctx)
	if err != nil {
		return false, err
	}
	newest, err := t.AuditLatest(ctx, 0, "", 1)
	return err == nil && (len(newest) == 0 || newest[0].Seq == known), err
}

// proven is what proves the segments that are read back in one pass.
type proven int

const (
	sealed   proven = iota // a seal of the archive
	followed               // their last entry is the one that such a segment follows, by its hash
	unsure                 // nothing
)

// restoreSegments reads segments back of which there is some proof, and returns the others.
func (b *rebuild) restoreSegments(ctx context.Context, segments []preservation.Object, seals map[string]preservation.Object, by proven) (rest []preservation.Object, err error) {
	if by == followed && len(b.besides.followed) == 0 {
		return segments, nil
	}
	for _, o := range segments {
		var seal []byte
		if s, ok := seals[o.Key]; ok {
			if seal, ok, err = b.small(ctx, s, maxSeal); err != nil {
				return nil, err
			}
			if !ok { // which is told
				delete(seals, o.Key)
			}
		}
		done := false
		if seal != nil || by != sealed {
			if done, err = b.restoreSegment(ctx, o, seal, by); err != nil {
				return nil, err
			}
		}
		if !done {
			rest = append(rest, o)
			continue
		}
		if seal == nil {
			continue
		}
		if err := b.tenant.Update(ctx, func(x *catalog.Tx) error { return x.SealAudit(o.Key, hex256(seal)) }); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// restoreSegment reads a segment back; where the proof that is wanted is missing, done is
// false and nothing is done. Only one that is proven displaces what the catalog has noted:
// anybody who may write to the bucket can chain entries. Of two that nothing proves and that
// do not go together neither is taken. What a person accepted as a branch is left beside.
func (b *rebuild) restoreSegment(ctx context.Context, o preservation.Object, seal []byte, by proven) (done bool, err error) {
	branch, accepted, maybe, err := b.beside(ctx, o)
	var unreadable *unreadableError
	switch {
	case errors.As(err, &unreadable) && by != unsure: // it is told there, and held against others before
		return false, nil
	case errors.As(err, &unreadable):
		b.problem(o.Key, "unreadable-object", unreadable.Error())
		return true, nil
	case err != nil:
		return false, err
	case accepted:
		b.leave(o, branch)
		return true, nil
	}
	var data []byte
	if by == unsure {
		var ok bool
		if data, ok, err = b.small(ctx, o, audit.MaxSegment); err != nil || !ok {
			return true, err
		}
	} else if data, err = b.attempt(ctx, o, audit.MaxSegment); err != nil || data == nil {
		return false, err
	}
	_, entries, err := audit.Decode(data)
	switch {
	case err == nil && len(entries) == 0:
		err = errors.New("it has no entries")
	case err == nil && slices.ContainsFunc(entries, func(e audit.Entry) bool { return e.Seq < 1 }):
		err = errors.New("an entry has a number below 1")
	}
	why := ""
	if err == nil {
		why = unproven(b.tenant.ID(), data, entries, seal, b.opts.Seal)
	}
	head, _ := audit.Head(b.tenant.ID(), entries)
	if by == followed && head != "" && b.besides.followed[head] {
		why = ""
	}
	if by != unsure && (err != nil || why != "") {
		return false, nil
	}
	// Before what says that a person accepted it: one of the rivals may do so itself.
	if r, ok := b.besides.rivals[o.Key]; ok && (err != nil || why != "") {
		there, err := b.tenant.AuditLog(ctx, r.seq-1, "", 1)
		if err != nil {
			return false, err
		}
		if len(there) == 0 || there[0].Seq != r.seq { // else the log tells which of them goes with it
			b.besides.refused = append(b.besides.refused, [2]int64{entries[0].Seq, entries[len(entries)-1].Seq})
			b.fork(o.Key, r.seq, head, fmt.Sprintf("%s; %s, and neither was taken up: accept-fork with --log has the one that a person names taken up", why, r))
			return true, nil
		}
	}
	switch {
	case by == unsure && maybe != nil:
		maybe.Head = head
		b.leave(o, maybe.Branch)
		b.problem(o.Key, "audit-fork", fmt.Sprintf("it was left beside the log because an entry of %s says that a person accepted that, which nothing proves: %s. Ask whom the entry names before the service seals it: anybody who can write to the bucket can have made both", maybe.in, maybe.unproven))
		return true, nil
	case err != nil:
		b.problem(o.Key, "unreadable-audit", fmt.Sprintf("no segment of an audit log: %v", err))
		return true, nil
	}
	if before := b.besides.heads[entries[0].Prev]; before != "" {
		if follows, err := continues(ctx, b.tenant, entries[0]); err != nil {
			return false, err
		} else if !follows {
			b.fork(o.Key, entries[0].Seq, head, "it follows "+before)
			return true, nil
		}
	}
	if by == unsure && !named(o.Key, entries) {
		if known, err := has(ctx, b.tenant, entries[len(entries)-1]); err != nil {
			return false, err
		} else if !known {
			b.fork(o.Key, entries[0].Seq, head, otherName+"; "+why)
			return true, nil
		}
	}
	if by == unsure {
		if behind, err := b.behindRivals(ctx, entries[0]); err != nil {
			return false, err
		} else if behind {
			b.fork(o.Key, entries[0].Seq, head, why+"; it follows no entry of the log, and of those before it others tell different things, of which none was taken up")
			return true, nil
		}
	}
	last := entries[len(entries)-1]
	segment := catalog.AuditSegment{Key: o.Key, First: entries[0].Seq, Last: last.Seq, SHA256: hex256(data), Stored: o.Modified}
	restore := func(displace bool) error {
		return b.tenant.Update(ctx, func(x *catalog.Tx) error {
			if err := x.RestoreAudit(entries, displace); err != nil {
				return err
			}
			return x.AddAuditSegment(segment)
		})
	}
	if why != "" {
		if err := b.doubted(ctx, o.Key, entries, why); err != nil {
			return false, err
		}
	}
	var fork *catalog.AuditFork
	err = restore(false)
	if errors.As(err, &fork) && !fork.Known && why == "" {
		err = restore(true)
	}
	switch {
	case err == nil && why == "":
		b.besides.followed[entries[0].Prev] = true
		return true, nil
	case !errors.As(err, &fork):
		return true, err
	case fork.Known:
		if why, err = otherKnown(ctx, b.tenant, b.store, fork.Seq, why, b.opts.Seal); err != nil {
			return false, err
		}
	}
	b.fork(o.Key, fork.Seq, head, why)
	return true, nil
}

// fork tells a segment that is no part of the log from one entry on, and why.
// head is its last hash, if its chain holds.
func (b *rebuild) fork(key string, from int64, head, why string) {
	if head != "" {
		b.besides.heads[head] = key
	}
	b.problem(key, "audit-fork", fmt.Sprintf("from entry %d on it does not go with what the catalog has noted, and displaces none of that: %s. When a person has looked at both, bestand audit accept-fork leaves it beside the log, which goes on", from, why))
}

// leave leaves a branch that was accepted beside the log.
func (b *rebuild) leave(o preservation.Object, branch audit.Branch) {
	b.besides.left = append(b.besides.left, o)
	if branch.Head != "" {
		b.besides.heads[branch.Head] = o.Key
	}
}

// accounted asks of what was left beside the log that its acceptance came into that.
func (b *rebuild) accounted(ctx context.Context) error {
	for _, o := range b.besides.left {
		_, accepted, err := acceptedBranch(ctx, b.tenant, b.store, o)
		if err != nil {
			return err
		}
		if !accepted {
			b.problem(o.Key, "audit-fork", "an entry of another segment says that a person accepted it as a branch beside the log, and that entry did not come into the log")
		}
	}
	return nil
}
