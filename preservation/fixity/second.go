package fixity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Codes of findings about the second copy of a record.
const (
	CodeCopyGone    = "copy-missing"
	CodeCopyDigest  = "copy-digest"
	CodeCopyLock    = "copy-lock" // none is in force, or it is weaker or shorter, or the hold is missing
	CodeCopySurplus = "copy-surplus-version"
)

// aboutCopy are these codes.
var aboutCopy = []string{CodeCopyGone, CodeCopyDigest, CodeCopyLock, CodeCopySurplus}

// Copy reads the second copy of a record back: each object that it was seen to have,
// the newest version of each. Errors as for Record.
func (c *Checker) Copy(ctx context.Context, t *catalog.Tenant, s preservation.Store, id preservation.RecordID) ([]preservation.Finding, error) {
	r := &check{Checker: c, tenant: t, store: s}
	entry, err := t.View().Retention(ctx, id)
	if err != nil {
		return nil, err
	}
	objects, err := t.Objects(ctx, id)
	if err != nil {
		return nil, err
	}
	lag, err := t.View().CopyLag(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]catalog.RecordObject{}
	newest := map[string]string{}
	for _, o := range objects {
		if o.Copied.IsZero() {
			continue
		}
		have, err := s.Stat(ctx, o.Key, "")
		if errors.Is(err, preservation.ErrNotFound) {
			r.fail(o.Key, CodeCopyGone, "the second copy does not have it any more")
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("second copy of %s: %w", o.Key, err)
		}
		known[o.Key], newest[o.Key] = o, have.VersionID
		content, sum, err := r.read(ctx, have)
		if errors.Is(err, preservation.ErrNotFound) {
			r.fail(o.Key, CodeCopyGone, "the bytes of the second copy are not there any more")
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("second copy of %s: %w", o.Key, err)
		}
		if err := content.Close(); err != nil {
			return nil, err
		}
		if sum != o.SHA256 {
			r.fail(o.Key, CodeCopyDigest, "SHA-256 of the second copy is %s, stored was %s", sum, o.SHA256)
		}
		if entry.Status == live {
			r.copyLocked(have, entry, o, lag.Objects == 0)
		}
	}
	for _, prefix := range []string{preservation.PackagePrefix(id), preservation.EventPrefix(id)} {
		err := r.surplus(ctx, prefix, CodeCopySurplus, func(key string) (string, string, bool) {
			o, ok := known[key]
			return newest[key], o.SHA256, ok
		})
		if err != nil {
			return nil, err
		}
	}
	return r.findings, nil
}

// copyLocked compares the lock and hold of a second copy with the catalog. What was
// changed and not brought over yet is no finding.
func (r *check) copyLocked(have preservation.Object, e catalog.Retention, o catalog.RecordObject, settled bool) {
	switch {
	case have.Lock.Mode == preservation.Unlocked || !have.Lock.Until.After(r.Now()):
		r.fail(o.Key, CodeCopyLock, "no lock is in force on the second copy")
	case have.Lock.Mode == preservation.Governance && e.LockMode == preservation.Compliance:
		r.fail(o.Key, CodeCopyLock, "the lock of the second copy is %s, the catalog says %s", have.Lock.Mode, e.LockMode)
	case !settled || o.Kind != "package":
	case have.Lock.Until.Before(e.LockUntil.Truncate(time.Second)):
		r.fail(o.Key, CodeCopyLock, "the second copy is locked until %s, the catalog says %s", have.Lock.Until.UTC().Format(time.RFC3339), e.LockUntil.UTC().Format(time.RFC3339))
	case e.Last.State == held && !have.Hold:
		r.fail(o.Key, CodeCopyLock, "the record is under a legal hold, and the second copy shows none")
	}
}

// surplus looks for versions that should not be there. right names the version and
// the digest that a key has; a version that was stored with the same digest before
// it is the damaged one that was written again, and stays as evidence.
func (r *check) surplus(ctx context.Context, prefix, code string, right func(key string) (version, digest string, known bool)) error {
	reported := map[string]bool{}
	seen := map[string]time.Time{} // when the right version was written
	var others []preservation.Object
	for o, err := range r.store.Versions(ctx, prefix) {
		if err != nil {
			return err
		}
		version, _, known := right(o.Key)
		switch {
		case !known:
		case o.VersionID == version && !o.Marker:
			seen[o.Key] = o.Modified
		default:
			others = append(others, o)
		}
	}
	for _, o := range others {
		_, digest, _ := right(o.Key)
		if at, ok := seen[o.Key]; ok && !o.Marker && !o.Modified.After(at) {
			have, err := r.store.Stat(ctx, o.Key, o.VersionID)
			if err != nil && !errors.Is(err, preservation.ErrNotFound) {
				return err
			}
			if err == nil && have.SHA256 == digest {
				r.notice(o.Key, CodeSuperseded, "version "+o.VersionID+" was damaged and is kept as evidence; the same bytes were written again")
				continue
			}
		}
		if !reported[o.Key] {
			reported[o.Key] = true
			r.fail(o.Key, code, "more than one version, or a delete marker: something wrote here that must not")
		}
	}
	return nil
}
