package objectstore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3response"
)

// A completion that was cut off leaves an upload that can be listed and
// completed, and no answer in between that says it was.
func TestCompletionCutOff(t *testing.T) {
	for _, sidecar := range []bool{false, true} {
		t.Run(fmt.Sprintf("sidecar %t", sidecar), func(t *testing.T) {
			d := openTestIn(t, sidecar)
			bucket, key := aws.String("b"), aws.String("large")
			up, err := d.CreateMultipartUpload(t.Context(), s3response.CreateMultipartUploadInput{Bucket: bucket, Key: key, ContentType: aws.String("text/plain")})
			if err != nil {
				t.Fatal(err)
			}
			part, err := d.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: &up.UploadId,
				PartNumber: aws.Int32(1), Body: strings.NewReader("body"), ContentLength: aws.Int64(4)})
			if err != nil {
				t.Fatal(err)
			}
			for _, root := range []string{d.folder.objects, d.folder.meta} {
				claimed, err := filepath.Glob(filepath.Join(root, "b", posix.MetaTmpMultipartDir, "*", up.UploadId))
				if err != nil || len(claimed) != 1 && (sidecar || root == d.folder.objects) {
					t.Fatalf("%v, %v", claimed, err)
				}
				for _, dir := range claimed {
					if err := os.Rename(dir, dir+"."+strings.Trim(*part.ETag, `"`)+"-1"+beingCompleted); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := d.folder.undoCompletions(); err != nil {
				t.Fatal(err)
			}
			open, err := d.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: bucket, Prefix: aws.String(""), Delimiter: aws.String(""), KeyMarker: aws.String(""), UploadIdMarker: aws.String(""), MaxUploads: aws.Int32(10)})
			if err != nil || len(open.Uploads) != 1 || open.Uploads[0].UploadID != up.UploadId {
				t.Errorf("%+v, %v", open.Uploads, err)
			}
			if _, _, err = d.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: &up.UploadId,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}}}); err != nil {
				t.Fatal(err)
			}
			got, err := d.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key})
			if err != nil || *got.ContentLength != 4 || *got.ContentType != "text/plain" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// An upload that is there under both names keeps nobody from starting.
func TestCompletionCutOffTwice(t *testing.T) {
	d := openTest(t)
	upload := filepath.Join(d.folder.objects, "b", posix.MetaTmpMultipartDir, "sum", "id")
	for _, dir := range []string{upload, upload + ".etag-1" + beingCompleted} {
		if err := os.MkdirAll(filepath.Join(dir, "1"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.folder.undoCompletions(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(upload)); err != nil || len(left) != 1 || left[0].Name() != "id" {
		t.Errorf("%v, %v", left, err)
	}
}
