package s3

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	// partSize times maxParts is what an upload of unknown size can hold: 78 GiB.
	partSize = 8 << 20
	maxParts = 10000
)

// multipart uploads body in parts of the size of buf, which is all the memory it
// takes. The beginning of the body may be in buf already. Conditions and locks in
// opts are sent at both ends, because stores look at one or the other. A failed
// upload leaves no parts.
func (c *Client) multipart(ctx context.Context, bucket, key string, body io.Reader, buf *buffer, opts minio.PutObjectOptions) (minio.UploadInfo, error) {
	id, err := c.core.NewMultipartUpload(ctx, bucket, key, opts)
	if err != nil {
		return minio.UploadInfo{}, fmt.Errorf("begin upload: %w", fault(err))
	}
	info, err := c.upload(ctx, bucket, key, id, body, buf, opts)
	if err != nil {
		abort, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.brief)
		defer cancel()
		if aerr := c.core.AbortMultipartUpload(abort, bucket, key, id); aerr != nil && minio.ToErrorResponse(aerr).Code != "NoSuchUpload" {
			err = errors.Join(err, fmt.Errorf("abort upload: %w", aerr))
		}
		return minio.UploadInfo{}, err
	}
	return info, nil
}

func (c *Client) upload(ctx context.Context, bucket, key, id string, body io.Reader, buf *buffer, opts minio.PutObjectOptions) (minio.UploadInfo, error) {
	var parts []minio.CompletePart
	var size int64
	for last := false; !last; buf.n = 0 {
		var err error
		if last, err = buf.fill(body); err != nil {
			return minio.UploadInfo{}, err
		}
		if buf.n == 0 && len(parts) > 0 {
			break
		}
		if len(parts) == maxParts {
			return minio.UploadInfo{}, fmt.Errorf("more than %d bytes", int64(maxParts)*int64(buf.size))
		}
		sum, err := buf.sum()
		if err != nil {
			return minio.UploadInfo{}, err
		}
		part, err := c.core.PutObjectPart(ctx, bucket, key, id, len(parts)+1, buf.content(), int64(buf.n),
			minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(sum)})
		if err != nil {
			return minio.UploadInfo{}, fmt.Errorf("upload part %d: %w", len(parts)+1, fault(err))
		}
		parts = append(parts, minio.CompletePart{PartNumber: part.PartNumber, ETag: part.ETag})
		size += int64(buf.n)
	}
	opts.Mode, opts.RetainUntilDate = "", time.Time{} // belong to the beginning
	info, err := c.core.CompleteMultipartUpload(ctx, bucket, key, id, parts, opts)
	if err != nil {
		return minio.UploadInfo{}, fmt.Errorf("complete upload: %w", fault(err))
	}
	info.Size = size
	return info, nil
}

// partBuffer is the buffer for an upload of known size.
func partBuffer(size int64) *buffer {
	return inMemory(make([]byte, max(partSize, (size+maxParts-1)/maxParts)))
}

// fill reads until buf is full or the source ends. It is not io.ReadFull, whose
// io.ErrUnexpectedEOF for a normal end is also what a network connection says
// that was cut off; and an error that merely wraps io.EOF is no end either.
func fill(r io.Reader, buf []byte) (n int, end bool, err error) {
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		n += m
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, fmt.Errorf("read source: %w", err)
		}
	}
	return n, false, nil
}
