package s3

import (
	"bytes"
	"context"
	"time"

	"github.com/minio/minio-go/v7"
)

// Overwrite adds an unlocked version, as another client of the bucket could.
func (b *Bucket) Overwrite(ctx context.Context, key string, body []byte) error {
	_, err := b.client.api.PutObject(ctx, b.name, key, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{DisableContentSha256: true})
	return err
}

// Mark hides a key behind a delete marker.
func (b *Bucket) Mark(ctx context.Context, key string) error {
	return b.client.api.RemoveObject(ctx, b.name, key, minio.RemoveObjectOptions{})
}

// BypassGovernance changes the client's configuration.
func (c *Client) BypassGovernance() { c.config.BypassGovernance = true }

// LimitSingle lowers the size above which objects are uploaded in parts.
func (c *Client) LimitSingle(n int64) { c.maxSingle = n }

// API is the client below.
func (c *Client) API() *minio.Client { return c.api }

// Spool sets the folder of parts without room in memory.
func (c *Client) Spool(dir string) { c.config.Spool = dir }

// TidyProbes removes what probes left before a time.
func (c *Client) TidyProbes(ctx context.Context, b *Bucket, old time.Time) error {
	return (&probe{client: c, bucket: b}).tidy(ctx, old)
}

// Found is what the probe says of a promise.
var Found = finding
