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

// mendRest writes again from the second copy what the bucket was found to have damaged
// or lost of what belongs to no record, and says how much that was. While the second
// copy cannot be asked it stays damaged.
func (l *look) mendRest(ctx context.Context) (mended int, err error) {
	if l.Copies == nil {
		return 0, nil
	}
	found, err := l.t.View().Findings(ctx, "")
	if err != nil {
		return 0, err
	}
	for _, f := range found {
		if !ofRest(f.Subject) || !slices.Contains([]string{CodeObjectGone, CodeObjectDigest, CodeObjectSize, CodeUnread, CodeEvent}, f.Code) {
			continue
		}
		pair, err := l.Copies(ctx, l.t)
		done := false
		if err == nil {
			done, err = l.twin(ctx, pair, f.Subject, f.Code == CodeObjectGone)
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

// half is one of two copies of an object.
type half struct {
	preservation.Object
	there, right bool
}

// half reads the newest version of an object. Without a noted digest it can be wrong,
// and never right. One that the store does not give, while it gives others, is wrong.
func (l *look) half(ctx context.Context, b Mendable, key string) (h half, err error) {
	h.Object, err = b.Stat(ctx, key, "")
	if errors.Is(err, preservation.ErrNotFound) {
		return h, nil
	}
	if err != nil {
		return h, err
	}
	h.there = true
	sum, err := preservation.StoredSHA256(ctx, l.Limit.On(b), h.Object)
	if err != nil && !errors.Is(err, preservation.ErrNotFound) && (ctx.Err() != nil || !gives(ctx, l.t, b)) {
		return h, err
	}
	h.right = err == nil && h.SHA256 != "" && sum == h.SHA256
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
	same := one.SHA256 == two.SHA256
	switch {
	case one.right && two.there && !two.right && same:
		return l.rewriteTwin(ctx, key, p.Primary, one, p.Copy, two, CodeCopyMended)
	case two.right && one.there && !one.right && same, two.right && !one.there && lost:
		return l.rewriteTwin(ctx, key, p.Copy, two, p.Primary, one, CodeMended)
	}
	return false, nil
}

// rewriteTwin brings an object from where it is right to where it is not, and reports
// whether it did: not while no lock is in force in either place.
func (l *look) rewriteTwin(ctx context.Context, key string, from Mendable, right half, to Mendable, wrong half, code string) (bool, error) {
	lock := right.Lock
	if wrong.Lock.Until.After(lock.Until) {
		lock = wrong.Lock
	}
	if !lock.Until.After(l.Checker.Now()) {
		return false, nil // which is told of both
	}
	body, err := from.Open(ctx, key, right.VersionID, 0, -1)
	if err != nil {
		return false, err
	}
	defer body.Close()
	good, err := to.Replace(ctx, key, body, preservation.PutOptions{Size: right.Size, SHA256: right.SHA256, Lock: lock, ContentType: right.ContentType})
	if err != nil {
		return false, err
	}
	l.Log.WarnContext(ctx, "fixity: repaired", "tenant", string(l.t.ID()), "key", key, "code", code, "version", good.VersionID)
	return true, l.t.Update(ctx, func(x *catalog.Tx) error {
		return x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.repair", Object: key,
			Detail: map[string]string{"code": code, "damaged": wrong.VersionID, "version": good.VersionID, "sha256": right.SHA256}})
	})
}
