package s3

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"bestand/preservation"
)

// fault says in the terms of preservation.Store what a store answered, and
// keeps the store's own words.
func fault(err error) error {
	if err == nil {
		return nil
	}
	var r minio.ErrorResponse
	if !errors.As(err, &r) {
		return err
	}
	if meaning := sentinel(r); meaning != nil {
		return fmt.Errorf("%w (%s: %s)", meaning, r.Code, r.Message)
	}
	return err
}

func sentinel(r minio.ErrorResponse) error {
	switch r.Code {
	case "NoSuchKey", "NoSuchVersion", "NotFound":
		return preservation.ErrNotFound
	case "PreconditionFailed":
		return preservation.ErrExists
	case "BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch", "ChecksumMismatch":
		return preservation.ErrCorrupt
	case "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return preservation.ErrFull
	case "ObjectLocked":
		return preservation.ErrLocked
	}
	switch r.StatusCode {
	case http.StatusPreconditionFailed:
		return preservation.ErrExists
	case http.StatusInsufficientStorage:
		return preservation.ErrFull
	}
	return nil
}

// faultOf is fault for requests about a single version: an identifier that the
// store calls malformed, or that names a delete marker, means that there is no
// such object.
func faultOf(err error, version string) error {
	var r minio.ErrorResponse
	if errors.As(err, &r) {
		if r.StatusCode == http.StatusMethodNotAllowed ||
			version != "" && r.StatusCode == http.StatusBadRequest {
			return fmt.Errorf("%w (%s: %s)", preservation.ErrNotFound, r.Code, r.Message)
		}
	}
	return fault(err)
}
