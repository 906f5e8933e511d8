package fixity

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// restPrefixes are what belongs to no record.
var restPrefixes = []string{"audit/", "cfg/", "er/"}

// twins holds what belongs to no record against its second copy, byte for byte, and
// writes again what is damaged or lost in one of the two. Right is what has the
// digest with which both were stored. What was not copied yet is left to the copier.
// It says how many objects of the bucket were written again: they are looked at anew.
func (l *look) twins(ctx context.Context, lost map[string]bool) (mended int, err error) {
	if l.Copies == nil {
		return 0, nil
	}
	pair, err := l.Copies(ctx, l.t)
	if err != nil {
		l.Log.WarnContext(ctx, "fixity: the second copy cannot be checked now", "tenant", string(l.t.ID()), "err", err)
		return 0, nil // which shows as its lag
	}
	for _, prefix := range restPrefixes {
		for key, err := range bothKeys(ctx, pair, prefix) {
			if err != nil {
				return mended, err
			}
			done, err := l.twin(ctx, pair, key, lost[key])
			if err != nil {
				return mended, fmt.Errorf("%s: %w", key, err)
			}
			if done {
				mended++
			}
		}
	}
	return mended, nil
}

// bothKeys yields the keys that either bucket has, in their order.
func bothKeys(ctx context.Context, p Pair, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		next, stop := iter.Pull2(keysBelow(ctx, p.Copy, prefix))
		defer stop()
		there, err, more := next()
		for key, kerr := range keysBelow(ctx, p.Primary, prefix) {
			if kerr != nil || err != nil {
				yield("", errors.Join(kerr, err))
				return
			}
			for more && there < key {
				if !yield(there, nil) {
					return
				}
				if there, err, more = next(); err != nil {
					yield("", err)
					return
				}
			}
			if more && there == key {
				if there, err, more = next(); err != nil {
					yield("", err)
					return
				}
			}
			if !yield(key, nil) {
				return
			}
		}
		for more && err == nil {
			if !yield(there, nil) {
				return
			}
			there, err, more = next()
		}
		if err != nil {
			yield("", err)
		}
	}
}

func keysBelow(ctx context.Context, s preservation.Store, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		last := ""
		for o, err := range s.Versions(ctx, prefix) {
			if err == nil && (o.Marker || o.Key == last) {
				continue
			}
			if last = o.Key; !yield(o.Key, err) || err != nil {
				return
			}
		}
	}
}

// half is one of two copies of an object.
type half struct {
	preservation.Object
	there, right bool
}

// half reads the newest version of an object. Without a noted digest it can be wrong,
// and never right.
func (l *look) half(ctx context.Context, b Mendable, key string) (h half, err error) {
	h.Object, err = b.Stat(ctx, key, "")
	if errors.Is(err, preservation.ErrNotFound) {
		return h, nil
	}
	if err != nil {
		return h, err
	}
	h.there = true
	sum, err := digestOf(ctx, l.Limit.On(b), h.Object)
	if err != nil && !errors.Is(err, preservation.ErrNotFound) {
		return h, err
	}
	h.right = err == nil && h.SHA256 != "" && sum == h.SHA256
	return h, nil
}

// twin looks at one object in both places.
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
		return false, l.rewriteTwin(ctx, key, p.Primary, one, p.Copy, two, CodeCopyMended)
	case two.right && one.there && !one.right && same, two.right && !one.there && lost:
		return true, l.rewriteTwin(ctx, key, p.Copy, two, p.Primary, one, CodeMended)
	case one.right && two.right && !same:
		return false, l.noteTwin(ctx, key, "the second copy was stored with another digest: something wrote to one of the two that must not")
	}
	return false, nil
}

// rewriteTwin brings an object from where it is right to where it is not.
func (l *look) rewriteTwin(ctx context.Context, key string, from Mendable, right half, to Mendable, wrong half, code string) error {
	lock := right.Lock
	if wrong.Lock.Until.After(lock.Until) {
		lock = wrong.Lock
	}
	if !lock.Until.After(l.Checker.Now()) {
		return l.noteTwin(ctx, key, "no lock is in force in either place: it is not repaired before one is")
	}
	body, err := from.Open(ctx, key, right.VersionID, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	good, err := to.Replace(ctx, key, body, preservation.PutOptions{Size: right.Size, SHA256: right.SHA256, Lock: lock, ContentType: right.ContentType})
	if err != nil {
		return err
	}
	l.Log.WarnContext(ctx, "fixity: repaired", "tenant", string(l.t.ID()), "key", key, "code", code, "version", good.VersionID)
	return l.t.Update(ctx, func(x *catalog.Tx) error {
		return x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.repair", Object: key,
			Detail: map[string]string{"code": code, "damaged": wrong.VersionID, "version": good.VersionID, "sha256": right.SHA256}})
	})
}

func (l *look) noteTwin(ctx context.Context, key, detail string) error {
	f := preservation.Finding{Code: CodeCopyDigest, Severity: preservation.Failed, Subject: key, Detail: detail}
	return l.noteFindings(ctx, []preservation.Finding{f}, nil)
}
