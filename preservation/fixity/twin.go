package fixity

import (
	"context"
	"errors"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// ofRest reports whether a key is one of what belongs to no record.
func ofRest(key string) bool {
	top, _, _ := strings.Cut(key, "/")
	return top == "audit" || top == "cfg" || top == "er"
}

// mendRest sets locks again that what belongs to no record was found to have lost, and
// writes again from the second copy what the bucket has damaged or lost of it. It says how
// much that was. While the second copy cannot be asked it stays damaged.
func (l *look) mendRest(ctx context.Context) (mended int, err error) {
	found, err := l.t.View().Findings(ctx, "")
	if err != nil {
		return 0, err
	}
	for _, f := range found {
		var done bool
		var err error
		switch {
		case !ofRest(f.Subject):
			continue
		case f.Code == CodeLockGone && l.Protect != nil:
			done, err = l.protect(ctx, f.Subject)
		case l.Copies != nil && slices.Contains([]string{CodeObjectGone, CodeObjectDigest, CodeObjectSize, CodeUnread, CodeEvent, CodeSurplus, CodeCatalogState}, f.Code):
			var pair Pair
			if pair, err = l.Copies(ctx, l.t); err == nil {
				done, err = l.twin(ctx, pair, f.Subject, f.Code == CodeObjectGone)
			}
		}
		if err != nil && ctx.Err() != nil {
			return mended, err
		}
		if err != nil {
			l.Log.WarnContext(ctx, "fixity: the repair failed; it is tried again with the next check", "tenant", string(l.t.ID()), "key", f.Subject, "err", err)
		}
		if done {
			mended++
		}
	}
	return mended, nil
}

// protect sets the lock of one object again.
func (l *look) protect(ctx context.Context, key string) (bool, error) {
	done, err := l.Protect(ctx, l.t, key)
	if err != nil || !done {
		return false, err
	}
	l.Log.WarnContext(ctx, "fixity: repaired", "tenant", string(l.t.ID()), "key", key, "code", CodeRelocked)
	return true, l.t.Update(ctx, func(x *catalog.Tx) error {
		return x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.relock", Object: key, Detail: map[string]string{"code": CodeLockGone}})
	})
}

// half is one of two copies of an object: its newest version, if there is one.
type half struct {
	preservation.Object
	stored       string            // digest with which it was first stored; none: it is not known
	lock         preservation.Lock // under which that is kept
	there, right bool
}

// half reads the newest version of an object, and compares it with what was first stored
// under its key: what something else has written above is wrong, and so is an object that a
// delete marker hides. Without a noted digest it can be wrong, and never right. One that
// the store does not give, while it gives others, is wrong.
func (l *look) half(ctx context.Context, b Mendable, key string) (h half, err error) {
	var first, top preservation.Object
	for v, err := range b.Versions(ctx, key) {
		if err != nil {
			return h, err
		}
		if v.Key != key {
			continue
		}
		if v.Latest {
			top = v
		}
		if !v.Marker { // the newest comes first
			first = v
		}
	}
	if first.Key == "" {
		return h, nil
	}
	have, err := b.Stat(ctx, key, first.VersionID)
	if errors.Is(err, preservation.ErrNotFound) {
		return h, nil // gone since
	}
	if err != nil {
		return h, err
	}
	h.there, h.stored, h.lock = true, have.SHA256, have.Lock
	if top.Marker {
		h.Object = top
		return h, nil
	}
	if h.Object, err = b.Stat(ctx, key, ""); errors.Is(err, preservation.ErrNotFound) {
		return half{}, nil
	}
	if err != nil {
		return h, err
	}
	if h.stored != "" && h.Object.SHA256 == h.stored { // not of what something else has written above
		h.lock = stricter(h.lock, h.Object.Lock)
	}
	sum, err := preservation.StoredSHA256(ctx, l.Limit.On(b), h.Object)
	if err != nil && !errors.Is(err, preservation.ErrNotFound) && (ctx.Err() != nil || !gives(ctx, l.t, b)) {
		return h, err
	}
	h.right = err == nil && h.stored != "" && sum == h.stored
	return h, nil
}

// twin looks at one object in both places, and writes again what is damaged or lost in
// one of the two. Right is what has the digest with which both were stored.
func (l *look) twin(ctx context.Context, p Pair, key string, lost bool) (mended bool, err error) {
	one, err := l.half(ctx, p.Primary, key)
	if err != nil {
		return false, err
	}
	two, err := l.half(ctx, p.Copy, key)
	if err != nil {
		return false, err
	}
	same := one.stored == two.stored
	switch {
	case one.right && two.there && !two.right && same:
		return l.rewriteTwin(ctx, key, p.Primary, one, p.Copy, two, CodeCopyMended)
	case two.right && one.there && !one.right && same, two.right && !one.there && lost:
		return l.rewriteTwin(ctx, key, p.Copy, two, p.Primary, one, CodeMended)
	}
	return false, nil
}

// stricter is the lock that is as long and as strong as both.
func stricter(a, b preservation.Lock) preservation.Lock {
	if b.Until.After(a.Until) {
		a.Until = b.Until
	}
	if a.Mode == preservation.Unlocked || b.Mode == preservation.Compliance {
		a.Mode = b.Mode
	}
	return a
}

// rewriteTwin brings an object from where it is right to where it is not, and reports
// whether it did: not while no lock is in force in either place.
func (l *look) rewriteTwin(ctx context.Context, key string, from Mendable, right half, to Mendable, wrong half, code string) (bool, error) {
	lock := stricter(right.lock, wrong.lock)
	if !lock.Until.After(l.Checker.Now()) {
		return false, nil // which is told of both
	}
	body, err := from.Open(ctx, key, right.VersionID, 0, -1)
	if err != nil {
		return false, err
	}
	defer body.Close()
	good, err := to.Replace(ctx, key, body, preservation.PutOptions{Size: right.Size, SHA256: right.stored, Lock: lock, ContentType: right.ContentType})
	if err != nil {
		return false, err
	}
	l.Log.WarnContext(ctx, "fixity: repaired", "tenant", string(l.t.ID()), "key", key, "code", code, "version", good.VersionID)
	return true, l.t.Update(ctx, func(x *catalog.Tx) error {
		return x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.repair", Object: key,
			Detail: map[string]string{"code": code, "damaged": wrong.VersionID, "version": good.VersionID, "sha256": right.stored}})
	})
}
