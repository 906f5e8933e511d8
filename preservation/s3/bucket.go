package s3

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"bestand/preservation"
)

// Bucket is a bucket with versioning and Object Lock.
type Bucket struct {
	client *Client
	name   string
}

var (
	_ preservation.Store  = (*Bucket)(nil)
	_ preservation.Purger = (*Bucket)(nil)
	_ preservation.Mender = (*Bucket)(nil)
)

// Bucket opens a bucket and creates it when it is missing. It refuses one
// without versioning and Object Lock, which cannot be added later by all stores.
func (c *Client) Bucket(ctx context.Context, name string) (*Bucket, error) {
	ctx, cancel := context.WithTimeout(ctx, c.brief)
	defer cancel()
	if err := c.makeBucket(ctx, name, true); err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", name, err)
	}
	versioning, err := c.api.GetBucketVersioning(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: versioning: %w", name, fault(err))
	}
	if !versioning.Enabled() {
		return nil, fmt.Errorf("open bucket %s: versioning is not enabled", name)
	}
	locking, _, _, _, err := c.api.GetObjectLockConfig(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: object lock: %w", name, fault(err))
	}
	if locking != "Enabled" {
		return nil, fmt.Errorf("open bucket %s: object lock is not enabled", name)
	}
	return &Bucket{client: c, name: name}, nil
}

// Name is the name of the bucket.
func (b *Bucket) Name() string { return b.name }

// Open implements preservation.Store.
func (b *Bucket) Open(ctx context.Context, key, version string, off, length int64) (io.ReadCloser, error) {
	r, err := b.client.open(ctx, b.name, key, version, off, length)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", key, err)
	}
	return r, nil
}

// Get implements preservation.Store.
func (b *Bucket) Get(ctx context.Context, key, version string) (preservation.Object, io.ReadCloser, error) {
	o, r, err := b.client.get(ctx, b.name, key, version, "")
	if err != nil {
		return o, nil, fmt.Errorf("get %s: %w", key, err)
	}
	return o, r, nil
}

// Tail implements preservation.Store.
func (b *Bucket) Tail(ctx context.Context, key, version string, length int64) (preservation.Object, io.ReadCloser, error) {
	o, r, err := b.client.get(ctx, b.name, key, version, fmt.Sprintf("bytes=-%d", length))
	if err != nil {
		return o, nil, fmt.Errorf("get the end of %s: %w", key, err)
	}
	return o, r, nil
}

// get asks for a version, or for a range of it (RFC 9110, 14.2).
func (c *Client) get(ctx context.Context, bucket, key, version, part string) (preservation.Object, io.ReadCloser, error) {
	ask := minio.GetObjectOptions{VersionID: version}
	if part != "" {
		ask.Set("Range", part)
	}
	ask.Set("x-amz-checksum-mode", "ENABLED") // what to make of the digest is the caller's
	body, info, err := c.answer(ctx, bucket, key, ask)
	if err != nil {
		return preservation.Object{}, nil, err
	}
	o, err := described(info, key, version)
	if err == nil && o.Lock.Mode == preservation.Unlocked {
		// Not every store says it with the bytes.
		o, err = c.stat(ctx, bucket, key, o.VersionID)
		o.Latest = version == ""
	}
	if err != nil {
		body.Close()
		return o, nil, err
	}
	return o, body, nil
}

func (c *Client) open(ctx context.Context, bucket, key, version string, off, length int64) (io.ReadCloser, error) {
	if off < 0 || length < -1 {
		return nil, fmt.Errorf("range %d+%d makes no sense", off, length)
	}
	o := minio.GetObjectOptions{VersionID: version}
	switch {
	case length == 0: // S3 cannot ask for nothing
		if _, err := c.stat(ctx, bucket, key, version); err != nil {
			return nil, err
		}
		return http.NoBody, nil
	case length > 0:
		o.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+length-1))
	case off > 0:
		o.Set("Range", fmt.Sprintf("bytes=%d-", off))
	}
	body, _, err := c.answer(ctx, bucket, key, o)
	if minio.ToErrorResponse(err).StatusCode == http.StatusRequestedRangeNotSatisfiable {
		// At the end of the object there is nothing to read; past it is a mistake.
		if have, serr := c.stat(ctx, bucket, key, version); serr == nil && off == have.Size {
			return http.NoBody, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return body, nil
}

// answer asks for an object and waits for the beginning of the answer. The
// connection itself bounds what follows the first byte.
func (c *Client) answer(ctx context.Context, bucket, key string, o minio.GetObjectOptions) (io.ReadCloser, minio.ObjectInfo, error) {
	reading, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(c.brief, cancel)
	body, info, header, err := c.core.GetObject(reading, bucket, key, o)
	inTime := late.Stop()
	if err == nil && inTime {
		if _, whole, part := strings.Cut(header.Get("Content-Range"), "/"); part { // RFC 9110, 14.4
			if info.Size, err = strconv.ParseInt(whole, 10, 64); err != nil {
				body.Close()
				cancel()
				return nil, info, fmt.Errorf("size of the whole in a range: %w", err)
			}
		}
		return &content{body, cancel}, info, nil
	}
	cancel()
	if !inTime && ctx.Err() == nil {
		return nil, info, preservation.Down(preservation.PartStore, fmt.Errorf("no answer in %v", c.brief))
	}
	return nil, info, faultOf(err, o.VersionID)
}

// content is what is read of an object.
type content struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Read tells a connection that breaks from an object that ends.
func (c *content) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = fault(err)
	}
	return n, err
}

func (c *content) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}

// Stat implements preservation.Store.
func (b *Bucket) Stat(ctx context.Context, key, version string) (preservation.Object, error) {
	o, err := b.client.stat(ctx, b.name, key, version)
	if err != nil {
		return o, fmt.Errorf("stat %s: %w", key, err)
	}
	return o, nil
}

func (c *Client) stat(ctx context.Context, bucket, key, version string) (preservation.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, c.brief)
	defer cancel()
	info, err := c.api.StatObject(ctx, bucket, key, minio.StatObjectOptions{VersionID: version, Checksum: true})
	if err != nil {
		return preservation.Object{}, faultOf(err, version)
	}
	return described(info, key, version)
}

// described is what the header of an answer says about the version asked for.
func described(info minio.ObjectInfo, key, version string) (preservation.Object, error) {
	o := object(info)
	o.Key = key
	o.Latest = version == ""
	if o.VersionID == "" {
		o.VersionID = version
	}
	var err error
	o.Lock, err = lockOf(info.Metadata)
	o.Hold = info.Metadata.Get("X-Amz-Object-Lock-Legal-Hold") == "ON"
	return o, err
}

func object(info minio.ObjectInfo) preservation.Object {
	return preservation.Object{
		Key:         info.Key,
		VersionID:   info.VersionID,
		Size:        info.Size,
		Modified:    info.LastModified,
		Latest:      info.IsLatest,
		Marker:      info.IsDeleteMarker,
		ContentType: info.ContentType,
		SHA256:      noted(info.ChecksumSHA256),
	}
}

// noted is a checksum header as hex. That of an upload in parts is one over the
// parts, which says nothing about the whole, and ends in their number.
func noted(checksum string) string {
	sum, err := base64.StdEncoding.DecodeString(checksum)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(sum)
}

// lockOf reads the lock from the header of an answer. The sub-resource
// ?retention is no use: stores disagree about its form.
func lockOf(h http.Header) (preservation.Lock, error) {
	mode, until := h.Get("X-Amz-Object-Lock-Mode"), h.Get("X-Amz-Object-Lock-Retain-Until-Date")
	if mode == "" {
		return preservation.Lock{}, nil
	}
	t, err := time.Parse(time.RFC3339, until)
	if err != nil {
		return preservation.Lock{}, fmt.Errorf("lock %s until %q: %w", mode, until, err)
	}
	return preservation.Lock{Mode: preservation.LockMode(strings.ToUpper(mode)), Until: t}, nil
}

// Versions implements preservation.Store.
func (b *Bucket) Versions(ctx context.Context, prefix string) iter.Seq2[preservation.Object, error] {
	return b.client.list(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: true})
}

// list yields what a listing holds, each version once: some stores repeat
// entries where one page ends and the next begins.
func (c *Client) list(ctx context.Context, bucket string, o minio.ListObjectsOptions) iter.Seq2[preservation.Object, error] {
	const window = 2048 // two pages
	return func(yield func(preservation.Object, error) bool) {
		type name struct{ key, version string }
		recent, older := map[name]bool{}, map[name]bool{}
		asking, cancel := context.WithCancel(ctx)
		defer cancel()
		late := time.AfterFunc(c.brief, cancel) // runs while the store is waited for
		defer late.Stop()
		for info := range c.api.ListObjectsIter(asking, bucket, o) {
			if !late.Stop() {
				break
			}
			if info.Err != nil {
				yield(preservation.Object{}, fmt.Errorf("list %s: %w", o.Prefix, fault(info.Err)))
				return
			}
			n := name{info.Key, info.VersionID}
			if recent[n] || older[n] {
				late.Reset(c.brief)
				continue
			}
			if len(recent) == window {
				recent, older = map[name]bool{}, recent
			}
			recent[n] = true
			if !yield(object(info), nil) {
				return
			}
			late.Reset(c.brief)
		}
		err := ctx.Err() // the iterator just ends
		if err == nil && asking.Err() != nil {
			err = preservation.Down(preservation.PartStore, fmt.Errorf("no answer in %v", c.brief))
		}
		if err != nil {
			yield(preservation.Object{}, fmt.Errorf("list %s: %w", o.Prefix, err))
		}
	}
}

// SetHold implements preservation.Store.
func (b *Bucket) SetHold(ctx context.Context, key, version string, on bool) error {
	ctx, cancel := context.WithTimeout(ctx, b.client.brief)
	defer cancel()
	status := minio.LegalHoldDisabled
	if on {
		status = minio.LegalHoldEnabled
	}
	err := b.client.api.PutObjectLegalHold(ctx, b.name, key, minio.PutObjectLegalHoldOptions{VersionID: version, Status: &status})
	if err != nil {
		return fmt.Errorf("hold %s: %w", key, faultOf(err, version))
	}
	have, err := b.client.stat(ctx, b.name, key, version)
	if err != nil {
		return fmt.Errorf("hold %s: %w", key, err)
	}
	if have.Hold != on {
		return fmt.Errorf("hold %s: %w: store says hold is %t", key, preservation.ErrCorrupt, have.Hold)
	}
	return nil
}

// Extend implements preservation.Store. The mode is never weakened: a
// COMPLIANCE lock stays one.
func (b *Bucket) Extend(ctx context.Context, key, version string, l preservation.Lock) error {
	ctx, cancel := context.WithTimeout(ctx, b.client.brief)
	defer cancel()
	if err := b.extend(ctx, key, version, l); err != nil {
		return fmt.Errorf("extend lock of %s: %w", key, err)
	}
	return nil
}

func (b *Bucket) extend(ctx context.Context, key, version string, l preservation.Lock) error {
	l, err := wholeSeconds(l)
	if err != nil {
		return err
	}
	if l.Mode == preservation.Unlocked {
		return errors.New("no lock mode given")
	}
	have, err := b.client.stat(ctx, b.name, key, version)
	if err != nil {
		return err
	}
	if have.Lock.Mode == preservation.Compliance {
		l.Mode = preservation.Compliance
	}
	if have.Lock.Mode == l.Mode && !have.Lock.Until.Before(l.Until) {
		return nil
	}
	if l.Until.Before(have.Lock.Until) { // a stronger mode, not an earlier end
		l.Until = have.Lock.Until
	}
	mode := minio.RetentionMode(l.Mode)
	err = b.client.api.PutObjectRetention(ctx, b.name, key, minio.PutObjectRetentionOptions{
		VersionID:        have.VersionID,
		Mode:             &mode,
		RetainUntilDate:  &l.Until,
		GovernanceBypass: have.Lock.Mode == preservation.Governance && l.Mode == preservation.Compliance,
	})
	if err != nil {
		return faultOf(err, version)
	}
	now, err := b.client.stat(ctx, b.name, key, have.VersionID)
	if err != nil {
		return err
	}
	return sameLock(now, l)
}

// wholeSeconds rounds the end of a lock up to S3's resolution.
func wholeSeconds(l preservation.Lock) (preservation.Lock, error) {
	switch l.Mode {
	case preservation.Unlocked:
		return preservation.Lock{}, nil
	case preservation.Governance, preservation.Compliance:
	default:
		return l, fmt.Errorf("unknown lock mode %q", l.Mode)
	}
	until := l.Until.UTC().Truncate(time.Second)
	if until.Before(l.Until) {
		until = until.Add(time.Second)
	}
	return preservation.Lock{Mode: l.Mode, Until: until}, nil
}

// sameLock checks that an object is locked at least as wanted.
func sameLock(have preservation.Object, want preservation.Lock) error {
	if want.Mode == preservation.Unlocked || have.Lock.Mode == want.Mode && !have.Lock.Until.Before(want.Until) {
		return nil
	}
	return fmt.Errorf("%w: lock is %s until %s, want %s until %s", preservation.ErrCorrupt,
		have.Lock.Mode, have.Lock.Until.Format(time.RFC3339), want.Mode, want.Until.Format(time.RFC3339))
}
