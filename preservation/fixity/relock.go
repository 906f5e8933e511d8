package fixity

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// unhold takes legal holds off a record on which none stands, if one stood that was
// released, and says how many records that were.
func (s *Scrub) unhold(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, failed []preservation.Finding) (int, error) {
	if s.Release == nil || !slices.ContainsFunc(failed, func(f preservation.Finding) bool { return f.Code == CodeHoldLeft }) {
		return 0, nil
	}
	released, err := s.Release(ctx, t, id)
	if err != nil {
		return 0, fmt.Errorf("take off the legal hold: %w", err)
	}
	if !released {
		return 0, nil
	}
	s.Log.WarnContext(ctx, "fixity: a legal hold was taken off that was released", "tenant", string(t.ID()), "record", string(id))
	return 1, t.Update(ctx, func(x *catalog.Tx) error {
		return x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.unhold", Object: string(id)})
	})
}

// CodeRelocked is of the event that a lock or a hold was set again.
const CodeRelocked = "relocked"

// relock sets locks and holds again that are not what the catalog says, in the bucket
// and, unless that is nil, in the second copy. It says how many that were.
func (s *Scrub) relock(ctx context.Context, t *catalog.Tenant, store, second preservation.Store, id preservation.RecordID, failed []preservation.Finding) (n int, err error) {
	e, err := t.View().Retention(ctx, id)
	if err != nil || e.Status != live {
		return 0, err
	}
	objects, err := t.Objects(ctx, id)
	if err != nil {
		return 0, err
	}
	lock := preservation.Lock{Mode: e.LockMode, Until: e.LockUntil}
	for _, f := range failed {
		i := slices.IndexFunc(objects, func(o catalog.RecordObject) bool { return o.Key == f.Subject })
		if i < 0 {
			continue
		}
		var done bool
		switch {
		case slices.Contains([]string{CodeLockGone, CodeLockShort, CodeHoldGone}, f.Code):
			done, err = s.secure(ctx, store, f.Subject, objects[i].VersionID, lock, e.Last.State == held)
		case f.Code == CodeCopyLock && second != nil:
			done, err = s.secure(ctx, second, f.Subject, "", lock, e.Last.State == held)
		default:
			continue
		}
		if err != nil {
			return n, fmt.Errorf("lock %s again: %w", f.Subject, err)
		}
		if !done { // the catalog has no lock that lasts either: its extension is late, which is told apart
			continue
		}
		n++
		err = t.Update(ctx, func(x *catalog.Tx) error {
			return x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.relock", Object: string(id), Detail: map[string]string{"key": f.Subject, "code": f.Code}})
		})
		if err != nil {
			return n, err
		}
		if err := s.tellMended(ctx, t, id, CodeRelocked, fmt.Sprintf("%s: %s; lock and hold were set again as the catalog has them", f.Subject, f.Code)); err != nil {
			return n, err
		}
	}
	return n, nil
}

// secure sets lock and hold of one object, and reports whether it set any.
func (s *Scrub) secure(ctx context.Context, b preservation.Store, key, version string, lock preservation.Lock, held bool) (done bool, err error) {
	have, err := b.Stat(ctx, key, version)
	if errors.Is(err, preservation.ErrNotFound) {
		return false, nil // which is a finding of its own
	}
	if err != nil {
		return false, err
	}
	if lock.Until.After(s.Checker.Now()) {
		if err := b.Extend(ctx, key, have.VersionID, lock); err != nil {
			return false, err
		}
		done = true
	}
	if held && !have.Hold {
		return true, b.SetHold(ctx, key, have.VersionID, true)
	}
	return done, nil
}
