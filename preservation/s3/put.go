package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"

	"bestand/preservation"
)

// lookFirst is the size from which a HEAD is cheaper than sending bytes that
// are refused.
const lookFirst = 1 << 20

// Put implements preservation.Store. Size, SHA256 and a lock in the future are
// required.
//
// On ErrExists the caller compares the bytes. If they are its own, an earlier
// attempt got through, and Extend with the wanted lock makes the adoption
// complete whatever state that attempt was interrupted in.
func (b *Bucket) Put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	obj, err := b.put(ctx, key, r, o, false)
	if err != nil {
		return preservation.Object{}, fmt.Errorf("put %s: %w", key, err)
	}
	return obj, nil
}

// Replace implements preservation.Mender.
func (b *Bucket) Replace(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	obj, err := b.put(ctx, key, r, o, true)
	if err != nil {
		return preservation.Object{}, fmt.Errorf("replace %s: %w", key, err)
	}
	return obj, nil
}

func (b *Bucket) put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions, again bool) (preservation.Object, error) {
	lock, err := wholeSeconds(o.Lock)
	switch {
	case err != nil:
		return preservation.Object{}, err
	case o.Size < 0:
		return preservation.Object{}, errors.New("size is needed")
	case lock.Mode == preservation.Unlocked:
		return preservation.Object{}, errors.New("lock is needed")
	case !lock.Until.After(b.client.config.Now()):
		return preservation.Object{}, fmt.Errorf("lock ends in the past: %s", lock.Until.Format(time.RFC3339))
	}
	digest, err := hex.DecodeString(o.SHA256)
	if err != nil || len(digest) != sha256.Size {
		return preservation.Object{}, fmt.Errorf("SHA-256 is needed, as hex: %q", o.SHA256)
	}
	if o.Size >= lookFirst && !again {
		if _, err := b.client.stat(ctx, b.name, key, ""); err == nil {
			return preservation.Object{}, preservation.ErrExists
		} else if !errors.Is(err, preservation.ErrNotFound) {
			return preservation.Object{}, err
		}
	}
	opts := minio.PutObjectOptions{
		ContentType:          o.ContentType,
		Mode:                 minio.RetentionMode(lock.Mode),
		RetainUntilDate:      lock.Until,
		DisableMultipart:     true,
		DisableContentSha256: true, // the checksum below is signed instead
	}
	if o.Hold {
		opts.LegalHold = minio.LegalHoldEnabled
	}
	if !again {
		opts.SetMatchETagExcept("*") // only where there is nothing yet
	}
	body := newChecked(r, o.Size, digest)
	var version string
	if o.Size <= b.client.maxSingle {
		// Given ahead, the digest lets the store refuse wrong bytes before
		// the object exists; as a trailer it would vouch for whatever was sent.
		opts.UserMetadata = checksum(digest)
		version, err = b.single(ctx, key, body, o.Size, opts)
	} else {
		version, err = b.parts(ctx, key, body, o.Size, opts, again)
	}
	if cause := body.stop(); cause != nil { // of whatever else failed
		return preservation.Object{}, cause
	}
	if err != nil {
		return preservation.Object{}, err
	}
	have, err := b.readBack(ctx, key, version, digest, o.Size, lock)
	if err == nil && o.Hold && !have.Hold { // not every store takes it with the bytes
		err = b.SetHold(ctx, key, version, true)
		have.Hold = err == nil
	}
	return have, err
}

func (b *Bucket) single(ctx context.Context, key string, body io.Reader, size int64, opts minio.PutObjectOptions) (string, error) {
	info, err := b.client.api.PutObject(ctx, b.name, key, body, size, opts)
	if err != nil {
		return "", fault(err)
	}
	return info.VersionID, nil
}

// parts uploads what is too large for one PUT. The condition is sent with the
// completion; not every store honours it there, so the versions are counted
// afterwards: of several the oldest is the object.
func (b *Bucket) parts(ctx context.Context, key string, body io.Reader, size int64, opts minio.PutObjectOptions, again bool) (string, error) {
	info, err := b.client.multipart(ctx, b.name, key, body, partBuffer(size), opts)
	if err != nil || again {
		return info.VersionID, err
	}
	var oldest preservation.Object
	for v, err := range b.Versions(ctx, key) {
		if err != nil {
			return "", err
		}
		if v.Key != key || v.Marker {
			continue
		}
		if oldest.Key == "" || v.Modified.Before(oldest.Modified) ||
			v.Modified.Equal(oldest.Modified) && v.VersionID < oldest.VersionID {
			oldest = v
		}
	}
	if oldest.VersionID != info.VersionID {
		return "", preservation.ErrExists
	}
	return info.VersionID, nil
}

// readBack reads the version that was just written and compares digest, size
// and lock. A store that cannot be reached for a moment is asked again: the
// object is there, and the caller would only have to find out later.
func (b *Bucket) readBack(ctx context.Context, key, version string, digest []byte, size int64, lock preservation.Lock) (preservation.Object, error) {
	if version == "" {
		return preservation.Object{}, fmt.Errorf("%w: the store gave it no version", preservation.ErrCorrupt)
	}
	var err error
	for try := range 3 {
		if try > 0 {
			select {
			case <-ctx.Done():
				return preservation.Object{}, ctx.Err()
			case <-time.After(time.Duration(try) * 300 * time.Millisecond):
			}
		}
		var have preservation.Object
		if have, err = b.compare(ctx, key, version, digest, size, lock); err == nil {
			return have, nil
		}
		if errors.Is(err, preservation.ErrCorrupt) || errors.Is(err, preservation.ErrNotFound) || ctx.Err() != nil {
			break
		}
	}
	if errors.Is(err, preservation.ErrNotFound) {
		err = fmt.Errorf("%w: acknowledged version %s is not there", preservation.ErrCorrupt, version)
	}
	return preservation.Object{}, fmt.Errorf("read back: %w", err)
}

func (b *Bucket) compare(ctx context.Context, key, version string, digest []byte, size int64, lock preservation.Lock) (preservation.Object, error) {
	have, r, err := b.client.get(ctx, b.name, key, version, "")
	if err != nil {
		return preservation.Object{}, err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		return preservation.Object{}, err
	}
	if got := h.Sum(nil); n != size || string(got) != string(digest) {
		return preservation.Object{}, fmt.Errorf("%w: %d bytes with SHA-256 %x, want %d with %x", preservation.ErrCorrupt, n, got, size, digest)
	}
	have.Latest = true
	return have, sameLock(have, lock)
}
