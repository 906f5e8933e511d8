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
