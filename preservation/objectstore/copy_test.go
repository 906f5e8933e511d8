package objectstore_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"bestand/preservation/storetest"
)

// TestCopyRefused: a client that has one object copied into another is told that this store
// does not do so, and nothing is there. Copied as the part of an upload it is.
func TestCopyRefused(t *testing.T) {
	t.Parallel()
	srv := storetest.Embedded(t)
	b := bucket(t, srv)
	body := []byte("body")
	if _, err := b.Put(t.Context(), "key", bytes.NewReader(body), storetest.Locked(body, time.Hour)); err != nil {
		t.Fatal(err)
	}
	access, secret := srv.Credentials()
	client, err := minio.New("localhost", &minio.Options{Creds: credentials.NewStaticV4(access, secret, ""), Region: "us-east-1",
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(srv.Endpoint(), "unix:"))
		}}})
	if err != nil {
		t.Fatal(err)
	}
	buckets, err := client.ListBuckets(t.Context())
	if err != nil || len(buckets) != 1 {
		t.Fatal(buckets, err)
	}
	name := buckets[0].Name
	from := minio.CopySrcOptions{Bucket: name, Object: "key"}
	_, err = client.CopyObject(t.Context(), minio.CopyDestOptions{Bucket: name, Object: "copy", Mode: minio.Compliance, RetainUntilDate: time.Now().Add(time.Hour)}, from)
	if got := minio.ToErrorResponse(err); got.Code != "NotImplemented" || got.StatusCode != http.StatusNotImplemented {
		t.Errorf("%v", err)
	}
	if _, err := client.StatObject(t.Context(), name, "copy", minio.StatObjectOptions{}); minio.ToErrorResponse(err).StatusCode != http.StatusNotFound {
		t.Errorf("it is there: %v", err)
	}
	core := minio.Core{Client: client}
	upload, err := core.NewMultipartUpload(t.Context(), name, "copy", minio.PutObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := core.CopyObjectPart(t.Context(), name, "key", name, "copy", upload, 1, 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := core.CompleteMultipartUpload(t.Context(), name, "copy", upload, []minio.CompletePart{part}, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	o, err := client.GetObject(t.Context(), name, "copy", minio.GetObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if have, err := io.ReadAll(o); err != nil || !bytes.Equal(have, body) {
		t.Errorf("%q, %v", have, err)
	}
}
