package objectstore

import (
	"context"

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
	retention, err := d.retention(ctx, *in.Bucket, *in.Key, version)
	if err != nil {
		return nil, err
	}
	out.ObjectLockMode = types.ObjectLockMode(retention.Mode)
	out.ObjectLockRetainUntilDate = retention.RetainUntilDate
	held, err := d.held(ctx, *in.Bucket, *in.Key, version)
	if err != nil {
		return nil, err
	}
	if held {
		out.ObjectLockLegalHoldStatus = types.ObjectLockLegalHoldStatusOn
	}
	return out, nil
}
