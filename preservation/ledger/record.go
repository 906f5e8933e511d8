package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
)

// Bytes: up to wholeBelow a package is read at once, and of all that are being
// read inMemory are held.
const (
	wholeBelow = 16 << 20
	inMemory   = 8 * wholeBelow
)

// restoreRecord brings back the versions of one record, oldest first.
func (b *rebuild) restoreRecord(ctx context.Context, packages []preservation.Object) error {
	var found []catalog.Commit
	for _, o := range packages {
		c, ok, err := b.readPackage(ctx, o)
		if err != nil {
			return err
		}
		if ok {
			found = append(found, c)
		}
		if rowsOf(found) > batchRows { // not held until those of all versions are there
			if err := b.commitEach(ctx, found); err != nil {
				return err
			}
			found = nil
		}
	}
	if len(found) == 0 {
		return nil
	}
	return b.records.add(ctx, found)
}

func rowsOf(commits []catalog.Commit) (n int) {
	for _, c := range commits {
		n += 4 + len(c.Record.Files) + len(c.Events)
	}
	return n
}

// readPackage takes out of a package what is to be committed: from what describes it, if
// that will do and proves itself, or else from the whole. ok is false when it is a problem.
func (b *rebuild) readPackage(ctx context.Context, o preservation.Object) (c catalog.Commit, ok bool, err error) {
	if _, _, ok := preservation.ParsePackageKey(o.Key); !ok {
		b.problem(o.Key, "unexpected-key", "no package has this key")
		return c, false, nil
	}
	if b.opts.ContentsLater && o.Size > readAnyway {
		if c, ok, err = b.readDescription(ctx, o); ok || err != nil {
			return c, ok, err
		}
	}
	return b.readWhole(ctx, o)
}

// readWhole reads every byte of a package, and has its digest.
func (b *rebuild) readWhole(ctx context.Context, o preservation.Object) (c catalog.Commit, ok bool, err error) {
	held := min(o.Size, wholeBelow)
	if err := b.memory.Acquire(ctx, held); err != nil {
		return c, false, err
	}
	defer b.memory.Release(held)
	buffer := buffers.Get().(*[]byte)
	defer func() {
		if cap(*buffer) <= keptBuffer {
			buffers.Put(buffer)
		}
	}()
	o, at, sum, err := contents(ctx, b.store, o, buffer)
	if err != nil {
		return c, false, b.unreadable(ctx, o, err)
	}
	c, err = commitOf(at, o.Size)
	if errors.Is(err, aip.ErrInvalid) {
		return c, false, b.examine(ctx, o, at)
	}
	if err != nil {
		return c, false, b.unreadable(ctx, o, err)
	}
	if !b.belongs(o.Key, c.Record) {
		b.problem(o.Key, "foreign-package", fmt.Sprintf("holds record %s version %d of tenant %s", c.Record.ID, c.Record.Version, c.Record.Tenant))
		return c, false, nil
	}
	if known, err := b.known(ctx, c.Record.ID, o.Key); err != nil {
		return c, false, err
	} else if known != "" && known != sum {
		b.problem(o.Key, "package-differs", fmt.Sprintf("SHA-256 is %s, the catalog says %s", sum, known))
		if err := b.examine(ctx, o, at); err != nil {
			return c, false, err
		}
	}
	c.Package.SHA256 = sum
	if o.Size > wholeBelow {
		at = nil
	}
	return b.take(o, c, at), true, nil
}

// known is the digest of a package in a catalog that was there before; empty when it does
// not say.
func (b *rebuild) known(ctx context.Context, id preservation.RecordID, key string) (string, error) {
	if b.opts.Anew {
		return "", nil
	}
	o, err := b.tenant.Object(ctx, id, key)
	if errors.Is(err, catalog.ErrNotFound) {
		err = nil
	}
	return o.SHA256, err
}

// belongs reports whether a package is the one that its key names.
func (b *rebuild) belongs(key string, r preservation.Record) bool {
	id, version, _ := preservation.ParsePackageKey(key)
	return r.ID == id && r.Version == version && r.Tenant == b.tenant.ID()
}

// take completes what a package says of a record with what is known of the object. at is
// for Packaged; nil: it is not shown.
func (b *rebuild) take(o preservation.Object, c catalog.Commit, at io.ReaderAt) catalog.Commit {
	c.Lock = o.Lock
	c.Package = catalog.RecordObject{Key: o.Key, Kind: "package", Version: c.Record.Version, VersionID: o.VersionID, Size: o.Size, SHA256: c.Package.SHA256, Stored: o.Modified}
	if b.opts.Packaged != nil && at != nil {
		b.opts.Packaged(c.Record, at, c.Pos)
	}
	return c
}

// commitRecords commits the versions of many records.
func (b *rebuild) commitRecords(ctx context.Context, records [][]catalog.Commit) error {
	return halved(ctx, slices.Concat(records...), b.commitTogether)
}

// commitTogether commits versions in one transaction, or each by itself when one of
// them does not go in.
func (b *rebuild) commitTogether(ctx context.Context, all []catalog.Commit) error {
	err := b.tenant.CommitRecords(ctx, all...)
	switch {
	case errors.Is(err, catalog.ErrDestroyed), errors.Is(err, catalog.ErrConflict):
		return b.commitEach(ctx, all)
	case err != nil:
		return err
	}
	b.count(&b.Packages, len(all))
	return nil
}

func (b *rebuild) commitEach(ctx context.Context, commits []catalog.Commit) error {
	for _, c := range commits {
		err := b.tenant.CommitRecord(ctx, c)
		switch {
		case errors.Is(err, catalog.ErrDestroyed):
			b.withdraw(c.Record.ID)
			b.problem(c.Package.Key, "destroyed-record", survivor)
		case errors.Is(err, catalog.ErrConflict):
			b.withdraw(c.Record.ID)
			b.problem(c.Package.Key, "not-restored", err.Error())
		case err != nil:
			return fmt.Errorf("%s: %w", c.Package.Key, err)
		default:
			b.count(&b.Packages, 1)
		}
	}
	return nil
}

const survivor = "the record has a tombstone, but this package is still there"

// examine says what is wrong with a package, byte for byte. It is for one that
// no receipt vouches for.
func (b *rebuild) examine(ctx context.Context, o preservation.Object, at io.ReaderAt) error {
	for _, f := range aip.Verify(ctx, at, o.Size, aip.Options{VerifySeal: b.opts.Seal}) {
		if f.Severity == preservation.Failed {
			b.problem(o.Key, "damaged-package", fmt.Sprintf("%s %s: %s", f.Code, f.Subject, f.Detail))
		}
	}
	return ctx.Err()
}

// examineStored is examine for a package that the catalog knows.
func (b *rebuild) examineStored(ctx context.Context, p catalog.RecordObject) error {
	o, err := b.store.Stat(ctx, p.Key, p.VersionID)
	if errors.Is(err, preservation.ErrNotFound) {
		b.problem(p.Key, "package-missing", "the catalog knows it, the bucket does not have it")
		return nil
	}
	if err != nil {
		return err
	}
	return b.examine(ctx, o, &blocks{at: Remote(ctx, b.store, o)})
}

// digestRest reads the packages that nothing was said of to prove their digest.
func (b *rebuild) digestRest(ctx context.Context) error {
	var after catalog.RecordObject
	for {
		page, err := b.tenant.Undigested(ctx, after.Key, 100)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, p := range page {
			o := preservation.Object{Key: p.Key, VersionID: p.VersionID, Size: p.Size}
			sum, err := preservation.StoredSHA256(ctx, b.store, o)
			if err != nil {
				if err := b.unreadable(ctx, o, err); err != nil {
					return err
				}
				continue
			}
			id, _, _ := preservation.ParsePackageKey(p.Key)
			if err := b.tenant.SetDigest(ctx, id, p.Key, sum); err != nil {
				return err
			}
		}
		after = page[len(page)-1]
	}
}

// examineRest looks at the packages that have no receipt.
func (b *rebuild) examineRest(ctx context.Context) error {
	var after catalog.RecordObject
	for {
		page, err := b.tenant.Unreceipted(ctx, after.Key, 100)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, p := range page {
			if err := b.examineStored(ctx, p); err != nil {
				return err
			}
		}
		after = page[len(page)-1]
	}
}

// commitOf is what a package says about the record to commit.
func commitOf(at io.ReaderAt, size int64) (c catalog.Commit, err error) {
	p, err := aip.Open(at, size)
	if err != nil {
		return c, err
	}
	return said(p)
}

func said(p *aip.Reader) (c catalog.Commit, err error) {
	if c.Events, err = p.Events(); err != nil {
		return c, err
	}
	c.Record, c.Pos = p.Record(), p.Offsets()
	return c, nil
}

// PackagedRecord returns a version of a record as its package holds it. It reads
// the description only, not the files.
func PackagedRecord(ctx context.Context, s preservation.Store, id preservation.RecordID, version int) (preservation.Record, error) {
	o, err := s.Stat(ctx, preservation.PackageKey(id, version), "")
	if err != nil {
		return preservation.Record{}, err
	}
	p, err := aip.Open(&blocks{at: Remote(ctx, s, o)}, o.Size)
	if err != nil {
		return preservation.Record{}, err
	}
	return p.Record(), nil
}

// buffers are for one package at a time. Large ones are not kept.
const keptBuffer = 2 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// contents reads a listed object through, describes it with its lock, and gives
// access to its bytes with their SHA-256: as long as the buffer is not used again.
func contents(ctx context.Context, s preservation.Store, listed preservation.Object, buffer *[]byte) (preservation.Object, io.ReaderAt, string, error) {
	o, body, err := s.Get(ctx, listed.Key, listed.VersionID)
	if err != nil {
		return listed, nil, "", err
	}
	defer body.Close()
	h := sha256.New()
	if o.Size > wholeBelow {
		if _, err := io.Copy(h, body); err != nil {
			return o, nil, "", err
		}
		return o, &blocks{at: Remote(ctx, s, o)}, hex.EncodeToString(h.Sum(nil)), nil
	}
	if int64(cap(*buffer)) < o.Size {
		*buffer = make([]byte, o.Size+o.Size/4)
	}
	data := (*buffer)[:o.Size]
	if _, err := io.ReadFull(body, data); err != nil {
		return o, nil, "", err
	}
	h.Write(data)
	return o, bytes.NewReader(data), hex.EncodeToString(h.Sum(nil)), nil
}
