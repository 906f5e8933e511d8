package fixity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/replica"
)

// Codes of events: an object was damaged or lost, and was written again.
const (
	CodeMended     = "repaired"
	CodeCopyMended = "copy-repaired"
)

// Mendable is a bucket in which what is damaged can be written again.
type Mendable interface {
	preservation.Store
	preservation.Mender
}

// Pair is the two copies of a bucket: what is damaged in one is written again from
// the other. Bytes that do not have the digest of the catalog mend nothing.
type Pair struct{ Primary, Copy Mendable }

// mend writes again what is damaged or lost of a record, in either place, and says
// how much that was. What the other copy does not have right either stays damaged.
func (s *Scrub) mend(ctx context.Context, t *catalog.Tenant, p Pair, id preservation.RecordID, failed []preservation.Finding) (mended int, err error) {
	e, err := t.View().Retention(ctx, id)
	if err != nil || e.Status != live {
		return 0, err
	}
	objects, err := t.Objects(ctx, id)
	if err != nil {
		return 0, err
	}
	about := func(o catalog.RecordObject, codes ...string) bool {
		return slices.ContainsFunc(failed, func(f preservation.Finding) bool {
			return slices.Contains(codes, f.Code) && (f.Subject == o.Key || f.Code == CodeUnread)
		})
	}
	for _, o := range objects {
		var done bool
		switch {
		case o.SHA256 == "": // what is right cannot be said
		case about(o, CodeObjectDigest, CodeObjectSize, CodeObjectGone, CodeUnread):
			done, err = s.mendPrimary(ctx, t, p, e, o)
		case about(o, CodeCopyDigest, CodeCopyGone, CodeCopyUnread):
			done, err = s.mendCopy(ctx, t, p, e, o)
		}
		if err != nil {
			return mended, fmt.Errorf("repair %s: %w", o.Key, err)
		}
		if done {
			mended++
		}
	}
	return mended, nil
}

// mendPrimary writes an object again from the second copy, if it is damaged indeed.
func (s *Scrub) mendPrimary(ctx context.Context, t *catalog.Tenant, p Pair, e catalog.Retention, o catalog.RecordObject) (bool, error) {
	was, right, err := s.state(ctx, p.Primary, o, o.VersionID)
	if err != nil || right {
		return false, err
	}
	good, found, err := s.goodVersion(ctx, p.Primary, o) // of an attempt before
	if err != nil {
		return false, err
	}
	if !found {
		there, right, err := s.state(ctx, p.Copy, o, "")
		if err != nil {
			return false, err
		}
		if !right {
			s.Log.ErrorContext(ctx, "fixity: the second copy cannot repair this", "tenant", string(t.ID()), "key", o.Key, "copy", there, "do", "bring the bytes back from a backup")
			return false, nil
		}
		if good, err = s.rewrite(ctx, p.Copy, "", p.Primary, e, o); err != nil {
			return false, err
		}
	}
	if e.Last.State == held {
		if err := p.Primary.SetHold(ctx, good.Key, good.VersionID, true); err != nil {
			return false, err
		}
	}
	detail := fmt.Sprintf("%s: version %s was %s; written again from the second copy as version %s, read back with SHA-256 %s", o.Key, o.VersionID, was, good.VersionID, o.SHA256)
	err = t.Update(ctx, func(x *catalog.Tx) error {
		return errors.Join(x.Replaced(e.Record, o.Key, good),
			x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.repair", Object: string(e.Record), Detail: map[string]string{"key": o.Key, "damaged": o.VersionID, "version": good.VersionID, "from": "copy"}}))
	})
	if err != nil {
		return false, err
	}
	return true, s.tellMended(ctx, t, e.Record, CodeMended, detail)
}

// mendCopy writes the second copy of an object again, if that is damaged indeed.
func (s *Scrub) mendCopy(ctx context.Context, t *catalog.Tenant, p Pair, e catalog.Retention, o catalog.RecordObject) (bool, error) {
	was, right, err := s.state(ctx, p.Copy, o, "")
	if err != nil || right {
		return false, err
	}
	if _, right, err := s.state(ctx, p.Primary, o, o.VersionID); err != nil || !right {
		return false, err
	}
	if back, err := replica.Returned(ctx, t, p.Copy, e.Record); err != nil || back != nil {
		return false, err // nothing is written of what was destroyed there
	}
	good, err := s.rewrite(ctx, p.Primary, o.VersionID, p.Copy, e, o)
	if err != nil {
		return false, err
	}
	if e.Last.State == held {
		if err := p.Copy.SetHold(ctx, good.Key, good.VersionID, true); err != nil {
			return false, err
		}
	}
	err = t.Update(ctx, func(x *catalog.Tx) error {
		return x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.repair", Object: string(e.Record), Detail: map[string]string{"key": o.Key, "version": good.VersionID, "from": "bucket"}})
	})
	if err != nil {
		return false, err
	}
	return true, s.tellMended(ctx, t, e.Record, CodeCopyMended,
		fmt.Sprintf("%s: the second copy was %s; written again from the bucket, read back with SHA-256 %s", o.Key, was, o.SHA256))
}

func (s *Scrub) tellMended(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, code, detail string) error {
	s.Log.WarnContext(ctx, "fixity: repaired", "tenant", string(t.ID()), "record", string(id), "code", code, "detail", detail)
	now := s.Checker.Now().UTC().Truncate(time.Millisecond)
	return s.Event(ctx, t, id, preservation.Event{ID: preservation.NewID(now), Type: preservation.EventFixity, At: now, Agent: agent,
		Outcome: preservation.Warning, Code: code, Detail: detail})
}

// state reads an object and says whether it has the bytes that were stored, and what
// it is if not. A version that the store lists and does not give is damaged too.
func (s *Scrub) state(ctx context.Context, b preservation.Store, o catalog.RecordObject, version string) (is string, right bool, err error) {
	have, err := b.Stat(ctx, o.Key, version)
	if errors.Is(err, preservation.ErrNotFound) {
		return "missing", false, nil
	}
	if err != nil {
		return "", false, err
	}
	sum, err := preservation.StoredSHA256(ctx, b, have)
	switch {
	case errors.Is(err, preservation.ErrNotFound):
		return "missing", false, nil
	case err != nil && ctx.Err() == nil:
		return "not readable", false, nil // Stat had an answer: the store is there
	case err != nil:
		return "", false, err
	case sum != o.SHA256:
		return "damaged (SHA-256 " + sum + ")", false, nil
	}
	return "right", true, nil
}

// goodVersion looks for another version of an object that has the bytes that were
// stored.
func (s *Scrub) goodVersion(ctx context.Context, b preservation.Store, o catalog.RecordObject) (good preservation.Object, found bool, err error) {
	for v, err := range b.Versions(ctx, o.Key) {
		if err != nil {
			return good, false, err
		}
		if v.Key != o.Key || v.Marker || v.VersionID == o.VersionID || v.Size != o.Size {
			continue
		}
		have, err := b.Stat(ctx, v.Key, v.VersionID)
		if err != nil || have.Lock.Mode == preservation.Unlocked || !have.Lock.Until.After(s.Checker.Now()) {
			continue // not one that was written here
		}
		if sum, err := preservation.StoredSHA256(ctx, b, have); err == nil && sum == o.SHA256 {
			have.Modified = v.Modified
			return have, true, nil
		}
	}
	return good, false, ctx.Err()
}

// rewrite brings the bytes of an object from one bucket to the other, where they
// become its newest version.
func (s *Scrub) rewrite(ctx context.Context, from Mendable, version string, to Mendable, e catalog.Retention, o catalog.RecordObject) (preservation.Object, error) {
	body, err := from.Open(ctx, o.Key, version, 0, -1)
	if err != nil {
		return preservation.Object{}, err
	}
	defer body.Close()
	have, err := from.Stat(ctx, o.Key, version)
	if err != nil {
		return preservation.Object{}, err
	}
	return to.Replace(ctx, o.Key, body, preservation.PutOptions{Size: o.Size, SHA256: o.SHA256, ContentType: have.ContentType,
		Lock: preservation.Lock{Mode: e.LockMode, Until: e.LockUntil}})
}
