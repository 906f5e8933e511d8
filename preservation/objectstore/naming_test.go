package objectstore

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3response"
)

// TestFoldersWhileNamed writes and deletes objects below one folder at the same
// time, as deliveries of one tenant come and go in staging: the folder vanishes
// with each object that is the last one, and no writer is refused for it.
func TestFoldersWhileNamed(t *testing.T) {
	d := openTest(t)
	ctx := t.Context()
	staging := aws.String("s")
	if err := d.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: staging, CreateBucketConfiguration: &types.CreateBucketConfiguration{}}, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	put := map[string]func(key *string) error{
		"whole": func(key *string) error {
			_, err := d.PutObject(ctx, s3response.PutObjectInput{Bucket: staging, Key: key, Body: strings.NewReader("body"), ContentLength: aws.Int64(4)})
			return err
		},
		"in parts": func(key *string) error {
			up, err := d.CreateMultipartUpload(ctx, s3response.CreateMultipartUploadInput{Bucket: staging, Key: key})
			if err != nil {
				return err
			}
			part, err := d.UploadPart(ctx, &s3.UploadPartInput{Bucket: staging, Key: key, UploadId: &up.UploadId,
				PartNumber: aws.Int32(1), Body: strings.NewReader("body"), ContentLength: aws.Int64(4)})
			if err != nil {
				return err
			}
			_, _, err = d.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: staging, Key: key, UploadId: &up.UploadId,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}}})
			return err
		},
	}
	for name, put := range put {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for w := range 8 {
				wg.Go(func() {
					for i := range 60 {
						key := fmt.Sprintf("tenant/%d-%d/000001", w, i)
						if err := put(&key); err != nil {
							t.Errorf("put %s: %v", key, err)
							return
						}
						if _, err := d.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: staging, Key: &key}); err != nil {
							t.Errorf("delete %s: %v", key, err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestFoldersKeepNames overwrites the memory that a bucket's name came in, as the next
// request does.
func TestFoldersKeepNames(t *testing.T) {
	memory := []byte("first")
	var f folders
	first := f.of(unsafe.String(&memory[0], len(memory)))
	copy(memory, "other")
	if f.of("first") != first || f.of("other") == first {
		t.Error("the lock of a bucket is another's after its name was overwritten")
	}
}
