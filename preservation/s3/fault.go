package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"bestand/preservation"
)

// fault says in the terms of preservation.Store what a store answered, and
// keeps the store's own words. A store that does not answer, or says that it
// cannot now, is an outage.
func fault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var r minio.ErrorResponse
	if !errors.As(err, &r) {
		return preservation.Down(preservation.PartStore, err)
	}
	if r.Code == "RequestTimeTooSkewed" {
		return preservation.Down(preservation.PartStore, fmt.Errorf("%w: its clock and that of this machine are too far apart for requests to be accepted: set both by NTP (%s: %s)", preservation.ErrClock, r.Code, r.Message))
	}
	switch meaning := sentinel(r); {
	case meaning == preservation.ErrFull:
		return preservation.Down(preservation.PartStore, fmt.Errorf("%w (%s: %s)", meaning, r.Code, r.Message))
	case meaning != nil:
		return fmt.Errorf("%w (%s: %s)", meaning, r.Code, r.Message)
	case away(r):
		return preservation.Down(preservation.PartStore, err)
	}
	return err
}

// away reports whether an answer says nothing about the request: another time,
// or with the account or the clock put in order, it may be done.
func away(r minio.ErrorResponse) bool {
	switch r.Code {
	case "SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "AccessDenied", "NoSuchBucket":
		return true
	}
	switch r.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusForbidden:
		return true
	}
	return r.StatusCode >= http.StatusInternalServerError
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
