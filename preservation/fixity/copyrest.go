package fixity

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// copyName is the cursor of a look at the second copy.
const copyName = "fixity.copy"

// copyRest looks at everything in the second copy that belongs to no record which
// lives, when it is time. While the second copy cannot be asked, which shows as its
// lag, the look waits where it is.
func (l *look) copyRest(ctx context.Context) error {
	c, err := cursor[course](ctx, l.t, copyName)
	if err != nil {
		return err
	}
	if l.Copies == nil {
		if c.Begun.IsZero() {
			return nil
		}
		return l.t.Update(ctx, func(x *catalog.Tx) error { // of a copy that was given up
			return errors.Join(x.DropCopyFindings(l.Checker.Now()), setCursor(x, copyName, course{}))
		})
	}
	c, due := l.turn(c)
	if l.away || !due {
		return nil
	}
	pair, err := l.Copies(ctx, l.t)
	if err == nil {
		if err = l.secondBucket(ctx, pair, &c); err == nil {
			c.Ended, c.Place = l.Checker.Now(), Place{}
			return l.t.Update(ctx, func(x *catalog.Tx) error {
				return errors.Join(x.DropCopyFindings(c.Begun), setCursor(x, copyName, c))
			})
		}
		if gives(ctx, l.t, pair.Copy) {
			return fmt.Errorf("scrub the second copy: %w", err)
		}
	}
	if ctx.Err() != nil {
		return err
	}
	l.leave(ctx, err)
	return nil
}

// secondBucket looks at the objects of the second copy from a place on, and notes now
// and then where it is.
func (l *look) secondBucket(ctx context.Context, p Pair, c *course) error {
	begin, seen := c.Place.Key, 0
	var last preservation.Object
	folder := ""
	for o, err := range p.Copy.Versions(ctx, "") {
		if err != nil {
			return err
		}
		if begin != "" && o.Key <= begin {
			continue
		}
		if seen >= placeEvery && o.Key != last.Key {
			c.Place.Key, seen = last.Key, 0
			if err := l.t.Update(ctx, func(x *catalog.Tx) error { return setCursor(x, copyName, *c) }); err != nil {
				return err
			}
		}
		seen++
		top, _, _ := strings.Cut(o.Key, "/")
		switch {
		case top == "aip" || top == "evt":
			if dir := path.Dir(o.Key) + "/"; dir != folder {
				folder = dir
				err = l.copyFolder(ctx, p, dir, o)
			}
		case !ofRest(o.Key):
			err = l.noteCopy(ctx, o.Key, CodeCopyOnly, "no object of an archive has such a key")
		case o.Marker:
			err = l.copyHidden(ctx, p, o.Key)
		case o.Key == last.Key:
			err = l.copySurplus(ctx, p, o, last)
		default:
			err = l.copyObject(ctx, p, o)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", o.Key, err)
		}
		last = o
	}
	return nil
}

// copyFolder looks at the folder of a record that does not live.
func (l *look) copyFolder(ctx context.Context, p Pair, dir string, first preservation.Object) error {
	id := preservation.RecordID(path.Base(dir))
	if !id.Valid() || dir != preservation.PackagePrefix(id) && dir != preservation.EventPrefix(id) {
		return l.noteCopy(ctx, first.Key, CodeCopyOnly, "no object of a record has such a key")
	}
	_, err := l.t.View().Retention(ctx, id)
	if !errors.Is(err, catalog.ErrNotFound) {
		return err // of one that lives its own look says what is wrong
	}
	stone, err := l.t.Tombstone(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return l.copyUnknown(ctx, p, dir, id)
	}
	if err != nil || stone.Intent == "" {
		return err
	}
	left := false
	for o, err := range p.Copy.Versions(ctx, dir) {
		if err != nil {
			return err
		}
		if o.Key == stone.Key || o.Key == stone.Intent || l.Checker.Now().Sub(o.Modified) < settled {
			continue
		}
		left = true
		if err := l.noteCopy(ctx, o.Key, CodeCopyRemains, "the record was destroyed, and this is still in the second copy or came back"); err != nil {
			return err
		}
	}
	if !left || l.Checker.Left == nil {
		return nil
	}
	return l.Checker.Left(ctx, l.t, id)
}

// copyUnknown tells of a record of which the archive knows nothing.
func (l *look) copyUnknown(ctx context.Context, p Pair, dir string, id preservation.RecordID) error {
	n := 0
	for o, err := range p.Copy.Versions(ctx, dir) {
		if err != nil {
			return err
		}
		if l.Checker.Now().Sub(o.Modified) < settled {
			continue
		}
		switch _, err := l.store.Stat(ctx, o.Key, ""); {
		case errors.Is(err, preservation.ErrNotFound):
			n++
		case err != nil:
			return err
		}
	}
	if n == 0 {
		return nil // what the bucket has of it is told of the bucket
	}
	return l.noteCopy(ctx, dir, CodeCopyOnly, fmt.Sprintf("only the second copy has these %d objects of record %s, which the archive does not know, as after a restore from an older backup", n, id))
}

// copySurplus looks at an older version of an object.
func (l *look) copySurplus(ctx context.Context, p Pair, old, newest preservation.Object) error {
	kept, err := preservation.Superseded(ctx, p.Copy, old, newest)
	if err != nil || kept {
		return err
	}
	return l.noteCopy(ctx, old.Key, CodeCopySurplus, "more than one version: something wrote here that must not")
}

// copyHidden tells of an object that a delete marker hides, and writes it again if it can be.
func (l *look) copyHidden(ctx context.Context, p Pair, key string) error {
	detail := "a delete marker: something wrote here that must not"
	if _, err := l.twin(ctx, p, key, false); err != nil {
		if ctx.Err() != nil {
			return err
		}
		detail += "; it could not be written again: " + err.Error()
	}
	return l.noteCopy(ctx, key, CodeCopySurplus, detail)
}

// copyObject holds an object that belongs to no record against the one in the bucket,
// and makes right again what can be.
func (l *look) copyObject(ctx context.Context, p Pair, listed preservation.Object) error {
	here, err := p.Primary.Stat(ctx, listed.Key, "")
	if errors.Is(err, preservation.ErrNotFound) {
		if l.Checker.Now().Sub(listed.Modified) < settled {
			return nil
		}
		return l.noteCopy(ctx, listed.Key, CodeCopyOnly, "only the second copy has it")
	}
	if err != nil {
		return err
	}
	there, sum, err := newestOf(ctx, l.Limit.On(p.Copy), listed.Key)
	f := preservation.Finding{Severity: preservation.Failed, Subject: listed.Key}
	switch {
	case errors.Is(err, preservation.ErrNotFound):
		f.Code, f.Detail = CodeCopyGone, "it is listed and cannot be read"
	case err != nil && ctx.Err() == nil && gives(ctx, l.t, p.Copy):
		f.Code, f.Detail = CodeCopyUnread, "the second copy does not give its bytes: "+err.Error()
	case err != nil:
		return err
	case there.SHA256 != "" && sum != there.SHA256:
		f.Code, f.Detail = CodeCopyDigest, fmt.Sprintf("SHA-256 of the second copy is %s, its store took %s", sum, there.SHA256)
	case here.SHA256 != "" && sum != here.SHA256:
		f.Code, f.Detail = CodeCopyDigest, fmt.Sprintf("SHA-256 of the second copy is %s, the bucket took %s", sum, here.SHA256)
	default:
		return l.copyRelock(ctx, p, here, there)
	}
	mended, err := l.twin(ctx, p, listed.Key, false)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		f.Detail += "; it could not be written again: " + err.Error()
	}
	if mended {
		return nil
	}
	return l.noteFindings(ctx, []preservation.Finding{f}, nil)
}

// copyRelock compares the lock of a second copy with that of the object, and sets it
// again. What was extended and is not brought over yet is no finding.
func (l *look) copyRelock(ctx context.Context, p Pair, here, there preservation.Object) error {
	now := l.Checker.Now()
	over := there.Lock.Mode == preservation.Unlocked || !there.Lock.Until.After(now)
	less := there.Lock.Until.Before(here.Lock.Until) || there.Lock.Mode == preservation.Governance && here.Lock.Mode == preservation.Compliance
	if !over && !less {
		return nil
	}
	due, err := l.t.View().CopyIsDue(ctx, here.Key)
	if err != nil || due && !over {
		return err
	}
	f := preservation.Finding{Code: CodeCopyLock, Severity: preservation.Failed, Subject: here.Key, Detail: "no lock is in force on the second copy"}
	if !over {
		f.Detail = fmt.Sprintf("the second copy is locked %s until %s, the object %s until %s", there.Lock.Mode, there.Lock.Until.UTC().Format(time.RFC3339), here.Lock.Mode, here.Lock.Until.UTC().Format(time.RFC3339))
	}
	if here.Lock.Mode == preservation.Unlocked || !here.Lock.Until.After(now) {
		return l.noteFindings(ctx, []preservation.Finding{f}, nil)
	}
	if err := p.Copy.Extend(ctx, here.Key, there.VersionID, here.Lock); err != nil {
		if ctx.Err() != nil {
			return err
		}
		f.Detail += "; it could not be set again: " + err.Error()
		return l.noteFindings(ctx, []preservation.Finding{f}, nil)
	}
	l.alarm(ctx, l.t, "", f)
	return l.t.Update(ctx, func(x *catalog.Tx) error {
		return x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.relock", Object: here.Key, Detail: map[string]string{"code": f.Code}})
	})
}

func (l *look) noteCopy(ctx context.Context, subject, code, detail string) error {
	return l.noteFindings(ctx, []preservation.Finding{{Code: code, Severity: preservation.Failed, Subject: subject, Detail: detail}}, nil)
}
