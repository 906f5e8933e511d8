// Package s3 keeps the archive's bytes in S3-compatible object storage with
// versioning and Object Lock. It is the only way to bytes: the embedded server
// of package objectstore, MinIO, Ceph, SeaweedFS and clouds are all reached
// through it.
//
// A Bucket is a preservation.Store: what it puts is locked from the first
// instant, is never overwritten, and is read back and compared before Put
// returns. A Staging is a bucket without versions and locks, where bytes wait
// durably for their processing.
//
// Stores differ in what they keep of S3's promises. Nothing here trusts an
// answer that can be checked: digests and locks are read back, holds are looked
// up before a deletion, and Probe tries the promises themselves out at the start.
package s3

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Config names a store.
type Config struct {
	// Endpoint is host:port, http://host:port, https://host:port, or "unix:"
	// and the path of a socket.
	Endpoint  string
	AccessKey string
	SecretKey string
	Region    string         // default us-east-1
	Secure    bool           // TLS; implied by https://
	RootCAs   *x509.CertPool // trusted instead of the system's, when set

	// BypassGovernance lets Purge destroy versions under a GOVERNANCE lock
	// that still runs. COMPLIANCE locks and legal holds are never bypassed.
	BypassGovernance bool

	// ProbeBucket is the bucket that Probe works in, "bestand-probe" by default.
	ProbeBucket string

	// Stall is how long the store may make no progress while content moves.
	// Default 5 minutes. What moves none may take 30 seconds, or as long as
	// this if that is less.
	Stall time.Duration

	// Spool is the folder of parts of uploads that have no room in memory. Default
	// is that of the system for temporary files.
	Spool string

	// Now is the clock against which locks are compared. Default time.Now.
	Now func() time.Time
}

// Client is a connection to a store. It is safe for concurrent use.
type Client struct {
	config Config
	api    *minio.Client
	core   minio.Core
	seen   *seen

	memory chan []byte // of parts that may be taken now; nil was never allocated

	maxSingle int64         // bytes of the largest single PUT; S3's limit except in tests
	brief     time.Duration // bounds requests that move no content
}

// maxRetries bounds how often a request without a body is tried: with the
// pauses in between about three seconds, which covers a restart of the
// embedded server.
const maxRetries = 5

// Dial prepares a connection. It does not talk to the store yet.
func Dial(c Config) (*Client, error) {
	if c.Region == "" {
		c.Region = "us-east-1"
	}
	if c.ProbeBucket == "" {
		c.ProbeBucket = "bestand-probe"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Stall <= 0 {
		c.Stall = stall
	}
	host, socket := c.Endpoint, ""
	switch {
	case strings.HasPrefix(host, "unix:"):
		host, socket = "localhost", strings.TrimPrefix(host, "unix:")
	case strings.HasPrefix(host, "http://"):
		host = strings.TrimPrefix(host, "http://")
	case strings.HasPrefix(host, "https://"):
		host, c.Secure = strings.TrimPrefix(host, "https://"), true
	}
	if c.AccessKey == "" || c.SecretKey == "" {
		return nil, errors.New("s3: access key and secret key are needed")
	}
	watch := &seen{next: transport(socket, c.RootCAs, c.Stall)}
	api, err := minio.New(strings.TrimSuffix(host, "/"), &minio.Options{
		Creds:           credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""),
		Secure:          c.Secure,
		Region:          c.Region,
		Transport:       watch,
		TrailingHeaders: true, // else neither checksums nor plain HTTP work
		MaxRetries:      maxRetries,
	})
	if err != nil {
		return nil, fmt.Errorf("s3: endpoint %q: %w", c.Endpoint, err)
	}
	memory := make(chan []byte, memoryParts)
	for range memoryParts {
		memory <- nil
	}
	return &Client{config: c, api: api, core: minio.Core{Client: api}, seen: watch, memory: memory, maxSingle: 5 << 30, brief: min(brief, c.Stall)}, nil
}

// Buckets lists the names of all buckets that the account sees.
func (c *Client) Buckets(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.brief)
	defer cancel()
	list, err := c.api.ListBuckets(ctx)
	if err != nil {
		return nil, fmt.Errorf("list buckets: %w", fault(err))
	}
	var names []string
	for _, b := range list {
		names = append(names, b.Name)
	}
	return names, nil
}

// makeBucket creates a bucket unless it is there.
func (c *Client) makeBucket(ctx context.Context, name string, locking bool) error {
	there, err := c.api.BucketExists(ctx, name)
	if err != nil {
		return fault(err)
	}
	if there {
		return nil
	}
	err = c.api.MakeBucket(ctx, name, minio.MakeBucketOptions{Region: c.config.Region, ObjectLocking: locking})
	switch minio.ToErrorResponse(err).Code {
	case "BucketAlreadyOwnedByYou", "BucketAlreadyExists": // another node was faster; the checks that follow decide
		return nil
	}
	return fault(err)
}
