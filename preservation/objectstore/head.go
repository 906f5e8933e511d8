package objectstore

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// HeadObject adds retention and hold, which the backend leaves out for every
// version but the newest, and whenever it fails to read them.
func (d *durable) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	out, err := d.Posix.HeadObject(ctx, in)
	if err != nil {
		return out, err
	}
	var version string
	if in.VersionId != nil {
		version = *in.VersionId
	}
	l, err := d.lockOn(ctx, *in.Bucket, *in.Key, version)
	if err != nil {
		return nil, err
	}
	out.ObjectLockMode, out.ObjectLockRetainUntilDate, out.ObjectLockLegalHoldStatus = l.mode, l.until, l.hold
	return out, nil
}

// GetObject adds retention and hold for who asks for the checksum too, and so for
// all there is to say about the object. Who wants its bytes only need not wait.
func (d *durable) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	out, err := d.Posix.GetObject(ctx, in)
	if err != nil || in.ChecksumMode != types.ChecksumModeEnabled || out.VersionId == nil {
		return out, err
	}
	l, err := d.lockOn(ctx, *in.Bucket, *in.Key, *out.VersionId)
	if err != nil {
		if out.Body != nil {
			out.Body.Close()
		}
		return nil, err
	}
	out.ObjectLockMode, out.ObjectLockRetainUntilDate, out.ObjectLockLegalHoldStatus = l.mode, l.until, l.hold
	return out, nil
}

// lock is retention and hold as answers state them.
type lock struct {
	mode  types.ObjectLockMode
	until *time.Time
	hold  types.ObjectLockLegalHoldStatus // empty: none
}

func (d *durable) lockOn(ctx context.Context, bucket, key, version string) (l lock, err error) {
	retention, err := d.retention(ctx, bucket, key, version)
	if err != nil {
		return l, err
	}
	l.mode, l.until = types.ObjectLockMode(retention.Mode), retention.RetainUntilDate
	held, err := d.held(ctx, bucket, key, version)
	if held {
		l.hold = types.ObjectLockLegalHoldStatusOn
	}
	return l, err
}
