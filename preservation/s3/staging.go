package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"iter"

	"github.com/minio/minio-go/v7"

	"bestand/preservation"
)

// Staging is a bucket without versions and locks. What was put is durable, can
// be overwritten, and is gone when removed. Any node of an installation sees
// the same bytes.
type Staging struct {
	client *Client
	name   string
}

// Staging opens a bucket and creates it when it is missing. It refuses one
// with versioning, where removed bytes would stay.
func (c *Client) Staging(ctx context.Context, name string) (*Staging, error) {
	ctx, cancel := context.WithTimeout(ctx, c.brief)
	defer cancel()
	if err := c.makeBucket(ctx, name, false); err != nil {
		return nil, fmt.Errorf("open staging bucket %s: %w", name, err)
	}
	versioning, err := c.api.GetBucketVersioning(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open staging bucket %s: versioning: %w", name, fault(err))
	}
	if versioning.Enabled() {
		return nil, fmt.Errorf("open staging bucket %s: versioning is enabled", name)
	}
	return &Staging{client: c, name: name}, nil
}

// Name is the name of the bucket.
func (s *Staging) Name() string { return s.name }

// Put stores an object, in place of one of the same key, and returns when it is
// durable. With Size -1 it reads to the end of r, up to 78 GiB; all such calls
// together hold no more than 64 MiB in memory, and 64 KiB each. A SHA256, if
// given with a Size, is verified before the object exists. A failed Put leaves an
// earlier object as it was. Locks are refused.
func (s *Staging) Put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	obj, err := s.put(ctx, key, r, o)
	if err != nil {
		return preservation.Object{}, fmt.Errorf("stage %s: %w", key, err)
	}
	return obj, nil
}

func (s *Staging) put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	if o.Lock != (preservation.Lock{}) {
		return preservation.Object{}, fmt.Errorf("locks are not for staging")
	}
	opts := minio.PutObjectOptions{ContentType: o.ContentType, DisableMultipart: true, DisableContentSha256: true}
	var info minio.UploadInfo
	var err error
	if o.Size < 0 {
		info, err = s.putUnknown(ctx, key, r, o.Digest, opts)
	} else {
		info, err = s.putKnown(ctx, key, r, o, opts)
	}
	if err != nil {
		return preservation.Object{}, err
	}
	return preservation.Object{Key: key, VersionID: info.VersionID, Size: info.Size, Latest: true, ContentType: o.ContentType}, nil
}

func (s *Staging) putUnknown(ctx context.Context, key string, r io.Reader, digest func() []byte, opts minio.PutObjectOptions) (minio.UploadInfo, error) {
	head := make([]byte, smallBody)
	n, end, err := fill(r, head)
	if err != nil {
		return minio.UploadInfo{}, err
	}
	buf := inMemory(head)
	buf.n = n
	if !end {
		if buf, err = s.client.buffer(); err != nil {
			return minio.UploadInfo{}, err
		}
		defer buf.release()
		if end, err = buf.fill(io.MultiReader(bytes.NewReader(head), r)); err != nil {
			return minio.UploadInfo{}, err
		}
	}
	if !end {
		return s.client.multipart(ctx, s.name, key, r, buf, opts)
	}
	var sum []byte
	if digest != nil {
		sum = digest()
	} else if sum, err = buf.sum(); err != nil {
		return minio.UploadInfo{}, err
	}
	opts.UserMetadata = checksum(sum)
	info, err := s.client.api.PutObject(ctx, s.name, key, buf.content(), int64(buf.n), opts)
	return info, fault(err)
}

func (s *Staging) putKnown(ctx context.Context, key string, r io.Reader, o preservation.PutOptions, opts minio.PutObjectOptions) (minio.UploadInfo, error) {
	var digest []byte
	if o.SHA256 != "" {
		var err error
		if digest, err = hex.DecodeString(o.SHA256); err != nil || len(digest) != sha256.Size {
			return minio.UploadInfo{}, fmt.Errorf("SHA-256 %q is not one", o.SHA256)
		}
	}
	body := newChecked(r, o.Size, digest)
	var info minio.UploadInfo
	var err error
	switch {
	case o.Size > s.client.maxSingle:
		info, err = s.client.multipart(ctx, s.name, key, body, partBuffer(o.Size), opts)
	case digest != nil:
		opts.UserMetadata = checksum(digest)
		info, err = s.client.api.PutObject(ctx, s.name, key, body, o.Size, opts)
	default: // computed on the way, sent behind the bytes
		opts.Checksum = minio.ChecksumSHA256
		info, err = s.client.api.PutObject(ctx, s.name, key, body, o.Size, opts)
	}
	if cause := body.stop(); cause != nil {
		return info, cause
	}
	return info, fault(err)
}

// checksum is the header that makes a store verify a body before it accepts it.
func checksum(sha256 []byte) map[string]string {
	return map[string]string{"x-amz-checksum-sha256": base64.StdEncoding.EncodeToString(sha256)}
}

// Open reads length bytes from off; length -1 reads to the end. The caller
// closes the reader.
func (s *Staging) Open(ctx context.Context, key string, off, length int64) (io.ReadCloser, error) {
	r, err := s.client.open(ctx, s.name, key, "", off, length)
	if err != nil {
		return nil, fmt.Errorf("open staged %s: %w", key, err)
	}
	return r, nil
}

// Stat describes an object.
func (s *Staging) Stat(ctx context.Context, key string) (preservation.Object, error) {
	o, err := s.client.stat(ctx, s.name, key, "")
	if err != nil {
		return o, fmt.Errorf("stat staged %s: %w", key, err)
	}
	return o, nil
}

// List yields the objects below a prefix in the order of keys.
func (s *Staging) List(ctx context.Context, prefix string) iter.Seq2[preservation.Object, error] {
	return s.client.list(ctx, s.name, minio.ListObjectsOptions{Prefix: prefix, Recursive: true})
}

// Unfinished yields the uploads below a prefix that were begun and neither
// completed nor given up, as a crash leaves them: they hold bytes and are no
// objects. Modified is when their last part came. The parts of one upload that has
// more than a thousand count up to there.
func (s *Staging) Unfinished(ctx context.Context, prefix string) iter.Seq2[preservation.Object, error] {
	return func(yield func(preservation.Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // ends the listing
		for u := range s.client.api.ListIncompleteUploads(ctx, s.name, prefix, true) {
			o := preservation.Object{Key: u.Key, Modified: u.Initiated}
			err := u.Err
			if err == nil {
				var parts minio.ListObjectPartsResult
				parts, err = s.client.core.ListObjectParts(ctx, s.name, u.Key, u.UploadID, 0, 1000)
				for _, p := range parts.ObjectParts {
					if o.Size += p.Size; p.LastModified.After(o.Modified) {
						o.Modified = p.LastModified
					}
				}
			}
			if minio.ToErrorResponse(err).Code == "NoSuchUpload" {
				continue // it ended meanwhile
			}
			if err != nil {
				err = fmt.Errorf("list unfinished uploads of %s: %w", prefix, fault(err))
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// Remove deletes an object. One that does not exist is not an error.
func (s *Staging) Remove(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, s.client.brief)
	defer cancel()
	if err := s.client.api.RemoveObject(ctx, s.name, key, minio.RemoveObjectOptions{}); err != nil {
		if minio.ToErrorResponse(err).Code == "NoSuchKey" {
			return nil
		}
		return fmt.Errorf("remove staged %s: %w", key, fault(err))
	}
	return nil
}

// RemoveAll deletes every object below a prefix, those that are known also where
// a listing omits them, and the parts of uploads there that were never completed.
// An empty prefix is refused.
func (s *Staging) RemoveAll(ctx context.Context, prefix string, known ...string) error {
	if prefix == "" {
		return fmt.Errorf("remove staged: no prefix given")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listings below
	var failed error
	objects := func(yield func(minio.ObjectInfo) bool) {
		told := map[string]bool{}
		for _, key := range known {
			if told[key] = true; !yield(minio.ObjectInfo{Key: key}) {
				return
			}
		}
		for o, err := range s.List(ctx, prefix) {
			if err != nil {
				failed = err
				return
			}
			if !told[o.Key] && !yield(minio.ObjectInfo{Key: o.Key}) {
				return
			}
		}
	}
	results, err := s.client.api.RemoveObjectsWithIter(ctx, s.name, objects, minio.RemoveObjectsOptions{})
	if err != nil {
		return fmt.Errorf("remove staged %s: %w", prefix, fault(err))
	}
	for r := range results {
		if r.Err != nil {
			return fmt.Errorf("remove staged %s: %w", r.ObjectName, fault(r.Err))
		}
	}
	if failed != nil {
		return fmt.Errorf("remove staged %s: %w", prefix, failed)
	}
	for u := range s.client.api.ListIncompleteUploads(ctx, s.name, prefix, true) {
		if u.Err != nil {
			return fmt.Errorf("remove unfinished uploads of %s: %w", prefix, fault(u.Err))
		}
		if err := s.client.core.AbortMultipartUpload(ctx, s.name, u.Key, u.UploadID); err != nil && minio.ToErrorResponse(err).Code != "NoSuchUpload" {
			return fmt.Errorf("remove unfinished upload of %s: %w", u.Key, fault(err))
		}
	}
	return ctx.Err()
}
