package objectstore

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// durable is the POSIX backend whose every successful answer to a write has
// been committed to disk, and whose locks hold.
//
// Calls that change nothing a client relies on (parts of an upload that is not
// complete, aborts) are passed through: completion copies and commits.
type durable struct {
	*posix.Posix
	folder  *folder
	commit  *group
	space   space
	keys    stripes
	folders folders
	files   *meta.SideCar // where metadata are kept as files, else nil

	completions stripes   // apart from keys: they take as long as their objects are large
	bookmarks   bookmarks // of listings under way
}

var _ backend.Backend = (*durable)(nil)

// settle turns the outcome of a write into its answer.
func (d *durable) settle(err error) error {
	if err == nil {
		err = d.commit.sync()
	}
	return d.space.explain(err)
}

func (d *durable) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	var n int64
	if in.ContentLength != nil {
		n = *in.ContentLength
	}
	if err := d.space.check(n); err != nil {
		discard(in.Body)
		return s3response.PutObjectOutput{}, err
	}
	naming := d.folders.naming(*in.Bucket)
	defer naming.end()
	named := in
	named.Body = naming.body(in.Body)
	out, err := d.Posix.PutObjectWithPostFunc(ctx, named, func(f *os.File) error {
		if err := d.lockUnnamed(f, in); err != nil {
			return err
		}
		if in.ObjectLockMode == "" {
			return nil // it can be written again
		}
		// The bytes are on disk before the name: a power cut in between would leave an
		// object that is torn, and whose key is taken for good. Deletions need not wait
		// for the disk: the backend makes the folders once more.
		naming.end()
		defer naming.begin()
		return d.commit.sync()
	})
	naming.end()
	if err != nil {
		discard(in.Body)
	}
	if err = d.settle(err); err != nil {
		return s3response.PutObjectOutput{}, err
	}
	return out, nil
}

// discard reads a refused body to its end. A client that is still sending when
// the connection is closed on it never sees why.
func discard(body io.Reader) {
	if body != nil {
		io.Copy(io.Discard, body)
	}
}

// lockUnnamed puts retention and hold on the file that has no name yet. The
// backend by itself does so after the object is visible, and a crash in
// between would leave it unlocked. Sidecar metadata go by name and cannot be
// written ahead without touching an object that may be there already.
func (d *durable) lockUnnamed(f *os.File, in s3response.PutObjectInput) error {
	if d.files != nil || f == nil {
		return nil
	}
	attributes := meta.XattrMeta{}
	if in.ObjectLockMode != "" {
		retention, err := json.Marshal(types.ObjectLockRetention{
			Mode:            types.ObjectLockRetentionMode(in.ObjectLockMode),
			RetainUntilDate: in.ObjectLockRetainUntilDate,
		})
		if err != nil {
			return err
		}
		if err := attributes.StoreAttribute(f, *in.Bucket, *in.Key, "object-retention", retention); err != nil {
			return err
		}
	}
	if in.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn {
		return attributes.StoreAttribute(f, *in.Bucket, *in.Key, "object-legal-hold", []byte{1})
	}
	return nil
}

func (d *durable) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	if err := d.space.check(0); err != nil {
		return s3response.InitiateMultipartUploadResult{}, err
	}
	out, err := d.Posix.CreateMultipartUpload(ctx, in)
	return out, d.space.explain(err)
}

func (d *durable) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	var n int64
	if in.ContentLength != nil {
		n = *in.ContentLength
	}
	if err := d.space.check(n); err != nil {
		discard(in.Body)
		return nil, err
	}
	out, err := d.Posix.UploadPart(ctx, in)
	if err != nil {
		discard(in.Body)
	}
	return out, d.space.explain(err)
}

func (d *durable) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	if in.MultipartUpload == nil || in.Bucket == nil || in.Key == nil {
		return s3response.CompleteMultipartUploadResult{}, "", s3err.GetAPIError(s3err.ErrInvalidRequest)
	}
	// One at a time: the backend answers a second call that all is well while the
	// first is still under way.
	defer d.completions.lock(*in.Bucket, *in.Key)()
	// As in PutObject, the bytes are on disk before the name. An error of a copy is no
	// reason for the backend to stop, but the end of its context is: that is looked at
	// once more before the object gets its name.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	naming := d.folders.naming(*in.Bucket)
	defer naming.end()
	left := len(in.MultipartUpload.Parts)
	var failed error
	out, version, err := d.Posix.CompleteMultipartUploadWithCopy(ctx, in, func(from, to *os.File) (repeatable bool, _ error) {
		if failed == nil {
			_, failed = io.Copy(to, from)
		}
		if left--; failed == nil && left == 0 {
			failed = d.commit.sync()
		}
		if failed != nil {
			cancel()
		} else if left == 0 {
			naming.begin()
		}
		return true, nil
	})
	naming.end()
	if failed != nil {
		err = failed
	}
	if err = d.settle(err); err != nil {
		return s3response.CompleteMultipartUploadResult{}, "", err
	}
	return out, version, nil
}

// CopyObject is not offered: the backend names the copy before its lock is set and its
// bytes are on disk. Nothing in an archive copies so; a client that has to can copy the
// parts of an upload.
func (d *durable) CopyObject(context.Context, s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	return s3response.CopyObjectOutput{}, s3err.GetAPIError(s3err.ErrNotImplemented)
}

func (d *durable) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	out, err := d.remove(ctx, in)
	if err = d.settle(err); err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteObjects is here because the backend's own would call its own
// DeleteObject, past the guard.
func (d *durable) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	var result s3response.DeleteResult
	for _, o := range in.Delete.Objects {
		out, err := d.remove(ctx, &s3.DeleteObjectInput{Bucket: in.Bucket, Key: o.Key, VersionId: o.VersionId})
		if err != nil {
			result.Error = append(result.Error, s3err.ObjectDeleteError(o.Key, o.VersionId, err))
			continue
		}
		deleted := types.DeletedObject{Key: o.Key, VersionId: o.VersionId, DeleteMarker: out.DeleteMarker}
		if out.DeleteMarker != nil && *out.DeleteMarker {
			deleted.DeleteMarkerVersionId = out.VersionId
		}
		result.Deleted = append(result.Deleted, deleted)
	}
	if err := d.settle(nil); err != nil {
		return s3response.DeleteResult{}, err
	}
	return result, nil
}

func (d *durable) PutObjectTagging(ctx context.Context, bucket, key, version string, tags map[string]string) error {
	return d.settle(d.Posix.PutObjectTagging(ctx, bucket, key, version, tags))
}

func (d *durable) DeleteBucket(ctx context.Context, bucket string) error {
	return d.settle(d.Posix.DeleteBucket(ctx, bucket))
}

func (d *durable) PutBucketVersioning(ctx context.Context, bucket string, status types.BucketVersioningStatus) error {
	return d.settle(d.Posix.PutBucketVersioning(ctx, bucket, status))
}

func (d *durable) PutObjectLockConfiguration(ctx context.Context, bucket string, config []byte) error {
	return d.settle(d.Posix.PutObjectLockConfiguration(ctx, bucket, config))
}
