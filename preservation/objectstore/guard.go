package objectstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"
)

var errLocked = s3err.GetAPIError(s3err.ErrObjectLocked)

// stripes serialises what is done to the lock of one key with its deletion:
// the server checks a lock before it calls the backend, and a hold set in
// between would come too late.
type stripes struct {
	once sync.Once
	seed maphash.Seed
	mu   [256]sync.Mutex
}

func (s *stripes) lock(bucket, key string) (unlock func()) {
	s.once.Do(func() { s.seed = maphash.MakeSeed() })
	m := &s.mu[maphash.String(s.seed, bucket+"/"+key)%uint64(len(s.mu))]
	m.Lock()
	return m.Unlock
}

// remove deletes a version, or hides a key behind a marker, uncommitted.
func (d *durable) remove(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	if in.Bucket == nil || in.Key == nil {
		return nil, s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	defer d.keys.lock(*in.Bucket, *in.Key)()
	if in.VersionId != nil && *in.VersionId != "" {
		if err := d.guard(ctx, *in.Bucket, *in.Key, *in.VersionId); err != nil {
			return nil, err
		}
	}
	defer d.folders.removing(*in.Bucket)()
	out, err := d.Posix.DeleteObject(ctx, in)
	if err == nil && d.files != nil {
		err = d.forget(*in.Bucket, *in.Key)
	}
	return out, err
}

// forget drops the metadata files of a key that is gone, which the backend
// leaves behind: the key could not be written again, or would inherit a lock.
func (d *durable) forget(bucket, key string) error {
	_, err := os.Stat(filepath.Join(d.folder.objects, bucket, key))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := d.files.DeleteAttributes(bucket, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove metadata: %w", err)
	}
	return nil
}

// guard refuses the deletion of a version that is held or under a COMPLIANCE
// lock. The server above checks the hold only while a retention runs. A state
// that cannot be read counts as locked. GOVERNANCE is the server's to judge:
// it alone knows whether the client may bypass it.
func (d *durable) guard(ctx context.Context, bucket, key, version string) error {
	held, err := d.held(ctx, bucket, key, version)
	if err != nil {
		return err
	}
	if held {
		return errLocked
	}
	retention, err := d.retention(ctx, bucket, key, version)
	if err != nil {
		return err
	}
	if retention.Mode == types.ObjectLockRetentionModeCompliance && retention.RetainUntilDate.After(time.Now()) {
		return errLocked
	}
	return nil
}

// held reports whether a version is under legal hold.
func (d *durable) held(ctx context.Context, bucket, key, version string) (bool, error) {
	on, err := d.Posix.GetObjectLegalHold(ctx, bucket, key, version)
	if err != nil {
		if unlocked(err) {
			return false, nil
		}
		return false, fmt.Errorf("read legal hold: %w", err)
	}
	return on != nil && *on, nil
}

// retention returns a version's retention, whose mode is empty when it has none.
func (d *durable) retention(ctx context.Context, bucket, key, version string) (types.ObjectLockRetention, error) {
	var r types.ObjectLockRetention
	raw, err := d.Posix.GetObjectRetention(ctx, bucket, key, version)
	if err != nil {
		if unlocked(err) {
			return r, nil
		}
		return r, fmt.Errorf("read retention: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("read retention: %w", err)
	}
	if r.Mode != "" && r.RetainUntilDate == nil {
		return r, errors.New("read retention: no date")
	}
	return r, nil
}

// unlocked reports whether an error says that there is nothing to guard: no
// lock on the version or on the bucket, a delete marker, or no such version.
func unlocked(err error) bool {
	var known s3err.S3Error
	if !errors.As(err, &known) {
		return false
	}
	for _, code := range []s3err.ErrorCode{
		s3err.ErrNoSuchObjectLockConfiguration,
		s3err.ErrMissingObjectLockConfiguration,
		s3err.ErrMethodNotAllowed,
		s3err.ErrNoSuchKey,
		s3err.ErrNoSuchVersion,
	} {
		if known.BaseError() == s3err.GetAPIError(code) {
			return true
		}
	}
	return false
}

// PutObjectRetention sets or extends a lock. The check that COMPLIANCE is only
// ever extended is repeated where two concurrent requests cannot undo each other.
func (d *durable) PutObjectRetention(ctx context.Context, bucket, key, version string, raw []byte) error {
	defer d.keys.lock(bucket, key)()
	var want types.ObjectLockRetention
	if err := json.Unmarshal(raw, &want); err != nil {
		return fmt.Errorf("parse retention: %w", err)
	}
	have, err := d.retention(ctx, bucket, key, version)
	if err != nil {
		return err
	}
	if have.Mode == types.ObjectLockRetentionModeCompliance && have.RetainUntilDate.After(time.Now()) {
		if want.Mode != have.Mode || want.RetainUntilDate == nil || want.RetainUntilDate.Before(*have.RetainUntilDate) {
			return errLocked
		}
	}
	return d.settle(d.Posix.PutObjectRetention(ctx, bucket, key, version, raw))
}

func (d *durable) PutObjectLegalHold(ctx context.Context, bucket, key, version string, on bool) error {
	defer d.keys.lock(bucket, key)()
	return d.settle(d.Posix.PutObjectLegalHold(ctx, bucket, key, version, on))
}
