package fixity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/replica"
)

// Codes of findings about the second copy. All of them begin with "copy-".
const (
	CodeCopyGone    = replica.CodeMissing
	CodeCopyDigest  = "copy-digest"
	CodeCopyUnread  = "copy-unreadable" // its store has it and does not give its bytes
	CodeCopyLock    = "copy-lock"       // none is in force, or it is weaker or shorter, or the hold is missing
	CodeCopySurplus = "copy-surplus-version"
	CodeCopyOnly    = "copy-only-object" // the archive does not have it, and nobody destroyed it
	CodeCopyRemains = "copy-remains"     // of a record that was destroyed
)

// aboutCopy reports whether a finding is about the second copy.
func aboutCopy(f preservation.Finding) bool { return strings.HasPrefix(f.Code, "copy-") }

// Copy reads the second copy of a record back: each object that it was seen to have,
// the newest version of each, and looks for what only the second copy has. Errors as
// for Record.
func (c *Checker) Copy(ctx context.Context, t *catalog.Tenant, bucket, second preservation.Store, id preservation.RecordID) ([]preservation.Finding, error) {
	r := &check{Checker: c, tenant: t, store: second}
	entry, err := t.View().Retention(ctx, id)
	if err != nil {
		return nil, err
	}
	objects, err := t.Objects(ctx, id)
	if err != nil {
		return nil, err
	}
	due := map[string]bool{}
	for _, prefix := range []string{preservation.PackagePrefix(id), preservation.EventPrefix(id)} {
		keys, err := t.View().CopiesDueBelow(ctx, prefix)
		if err != nil {
			return nil, err
		}
		maps.Copy(due, keys)
	}
	known := map[string]catalog.RecordObject{}
	newest := map[string]string{}
	holds := false
	for _, o := range objects {
		if o.Copied.IsZero() {
			continue
		}
		have, sum, err := newestOf(ctx, second, o.Key)
		switch {
		case errors.Is(err, preservation.ErrNotFound):
			r.fail(o.Key, CodeCopyGone, "the second copy does not have it any more")
			continue
		case err != nil && ctx.Err() == nil && gives(ctx, t, second):
			r.fail(o.Key, CodeCopyUnread, "the second copy does not give its bytes: %v", err)
			continue
		case err != nil:
			return nil, fmt.Errorf("second copy of %s: %w", o.Key, err)
		}
		known[o.Key], newest[o.Key] = o, have.VersionID
		if sum != o.SHA256 && o.SHA256 != "" { // else nothing is known to compare it with
			r.fail(o.Key, CodeCopyDigest, "SHA-256 of the second copy is %s, stored was %s", sum, o.SHA256)
		}
		if entry.Status == live {
			r.copyLocked(have, entry, o, due[o.Key])
		}
		holds = holds || have.Hold
	}
	if holds && entry.Status == live && entry.Last.State != held {
		if err := r.copyHeld(ctx, bucket, id); err != nil {
			return nil, err
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
	if err := r.copyOnly(ctx, bucket, entry, objects); err != nil {
		return nil, err
	}
	return r.findings, nil
}

// newestOf reads the newest version of an object.
func newestOf(ctx context.Context, s preservation.Store, key string) (o preservation.Object, sum string, err error) {
	if o, err = s.Stat(ctx, key, ""); err == nil {
		sum, err = preservation.StoredSHA256(ctx, s, o)
	}
	return o, sum, err
}

// copyLocked compares the lock and hold of a second copy with the catalog. What was
// changed and is not brought over yet is no finding.
func (r *check) copyLocked(have preservation.Object, e catalog.Retention, o catalog.RecordObject, due bool) {
	switch {
	case have.Lock.Mode == preservation.Unlocked || !have.Lock.Until.After(r.Now()):
		r.fail(o.Key, CodeCopyLock, "no lock is in force on the second copy")
	case have.Lock.Mode == preservation.Governance && e.LockMode == preservation.Compliance:
		r.fail(o.Key, CodeCopyLock, "the lock of the second copy is %s, the catalog says %s", have.Lock.Mode, e.LockMode)
	case due || o.Kind != "package":
	case have.Lock.Until.Before(e.LockUntil.Truncate(time.Second)):
		r.fail(o.Key, CodeCopyLock, "the second copy is locked until %s, the catalog says %s", have.Lock.Until.UTC().Format(time.RFC3339), e.LockUntil.UTC().Format(time.RFC3339))
	case e.Last.State == held && !have.Hold:
		r.fail(o.Key, CodeCopyLock, "the record is under a legal hold, and the second copy shows none")
	}
}

// copyHeld tells of a legal hold that the second copy shows, while the archive knows
// neither of it nor of its release.
func (r *check) copyHeld(ctx context.Context, bucket preservation.Store, id preservation.RecordID) error {
	released, err := replica.Released(ctx, r.tenant, id, bucket, r.store)
	if err == nil && !released {
		r.fail(string(id), replica.CodeHeld, "the second copy is under a legal hold that the archive does not know, as after a restore from an older backup: set the hold again, and release it when it is over")
	}
	return err
}

// copyOnly looks for objects of a record that neither catalog nor bucket have.
func (r *check) copyOnly(ctx context.Context, bucket preservation.Store, entry catalog.Retention, objects []catalog.RecordObject) error {
	var only []string
	last := ""
	for _, prefix := range []string{preservation.PackagePrefix(entry.Record), preservation.EventPrefix(entry.Record)} {
		for o, err := range r.store.Versions(ctx, prefix) {
			if err != nil {
				return err
			}
			if o.Key == last || r.Now().Sub(o.Modified) < settled || slices.ContainsFunc(objects, func(k catalog.RecordObject) bool { return k.Key == o.Key }) {
				continue
			}
			last = o.Key
			if _, err := bucket.Stat(ctx, o.Key, ""); errors.Is(err, preservation.ErrNotFound) {
				only = append(only, o.Key)
			} else if err != nil {
				return err
			}
		}
	}
	if len(only) > 0 && entry.Status == live {
		back, err := replica.Returned(ctx, r.tenant, r.store, entry.Record)
		if err != nil {
			return err
		}
		if back != nil {
			r.findings = append(r.findings, back.Finding())
			return nil
		}
	}
	for _, key := range only {
		r.fail(key, CodeCopyOnly, "only the second copy has it, and the archive does not know it")
	}
	return nil
}

// surplus looks for versions that should not be there. right names the version and
// the digest that a key has; when that is the latest, a version that was stored with the
// same digest is the damaged one that was written again, and stays as evidence. Times
// say nothing here: a store may give an older version that of its move.
func (r *check) surplus(ctx context.Context, prefix, code string, right func(key string) (version, digest string, known bool)) error {
	reported := map[string]bool{}
	latest := map[string]bool{} // the right version is
	var others []preservation.Object
	for o, err := range r.store.Versions(ctx, prefix) {
		if err != nil {
			return err
		}
		version, _, known := right(o.Key)
		switch {
		case !known:
		case o.VersionID == version && !o.Marker:
			latest[o.Key] = o.Latest
		default:
			others = append(others, o)
		}
	}
	for _, o := range others {
		_, digest, _ := right(o.Key)
		if latest[o.Key] && !o.Marker {
			have, err := r.store.Stat(ctx, o.Key, o.VersionID)
			if err != nil && !errors.Is(err, preservation.ErrNotFound) {
				return err
			}
			if err == nil && have.SHA256 == digest && digest != "" {
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
