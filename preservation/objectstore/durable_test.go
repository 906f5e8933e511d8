package objectstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3response"
	"golang.org/x/sys/unix"
)

// openTest opens a backend with a bucket "b" with versions and locks, in the
// test's own process and working directory.
func openTest(t *testing.T) *durable {
	t.Helper()
	return openTestIn(t, false)
}

// openTestIn is openTest with metadata in attributes or in files beside.
func openTestIn(t testing.TB, sidecar bool) *durable {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir) // and back when the test ends
	f, err := openFolder(dir, sidecar)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.lock.Close() })
	d, err := openBackend(f)
	if err != nil {
		t.Fatal(err)
	}
	if d.commit, err = newGroup(func(err error) { t.Error(err) }, f.objects); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.commit.close)
	d.space = space{dir: dir}
	ctx := t.Context()
	if err := d.CreateBucket(ctx, newBucket("b"), []byte("{}")); err != nil {
		t.Fatal(err)
	}
	return d
}

func newBucket(name string) *s3.CreateBucketInput {
	return &s3.CreateBucketInput{Bucket: &name, ObjectLockEnabledForBucket: aws.Bool(true), CreateBucketConfiguration: &types.CreateBucketConfiguration{}}
}

func putTest(ctx context.Context, d *durable, key string, lock types.ObjectLockMode, until time.Time) (string, error) {
	out, err := d.PutObject(ctx, s3response.PutObjectInput{
		Bucket: aws.String("b"), Key: &key, Body: strings.NewReader("body"), ContentLength: aws.Int64(4),
		ObjectLockMode: lock, ObjectLockRetainUntilDate: &until,
	})
	return out.VersionID, err
}

func retention(mode types.ObjectLockRetentionMode, until time.Time) []byte {
	b, err := json.Marshal(types.ObjectLockRetention{Mode: mode, RetainUntilDate: &until})
	if err != nil {
		panic(err)
	}
	return b
}

// TestNothingUnsyncedIsAcknowledged breaks the disk under each call that
// changes something.
func TestNothingUnsyncedIsAcknowledged(t *testing.T) {
	hour := time.Now().Add(time.Hour)
	for _, test := range []struct {
		name string
		call func(ctx context.Context, d *durable, key, version string) error
	}{
		{"PutObject", func(ctx context.Context, d *durable, key, _ string) error {
			_, err := putTest(ctx, d, key+"2", types.ObjectLockModeCompliance, hour)
			return err
		}},
		{"CompleteMultipartUpload", func(ctx context.Context, d *durable, key, _ string) error {
			key += "2"
			up, err := d.CreateMultipartUpload(ctx, s3response.CreateMultipartUploadInput{Bucket: aws.String("b"), Key: &key})
			if err != nil {
				return fmt.Errorf("begin: %w", err)
			}
			part, err := d.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String("b"), Key: &key, UploadId: &up.UploadId,
				PartNumber: aws.Int32(1), Body: strings.NewReader("body"), ContentLength: aws.Int64(4)})
			if err != nil {
				return fmt.Errorf("part: %w", err)
			}
			_, _, err = d.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: aws.String("b"), Key: &key, UploadId: &up.UploadId,
				MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: part.ETag}}}})
			return err
		}},
		{"PutObjectRetention", func(ctx context.Context, d *durable, key, version string) error {
			return d.PutObjectRetention(ctx, "b", key, version, retention(types.ObjectLockRetentionModeCompliance, hour))
		}},
		{"PutObjectLegalHold", func(ctx context.Context, d *durable, key, version string) error {
			return d.PutObjectLegalHold(ctx, "b", key, version, true)
		}},
		{"PutObjectTagging", func(ctx context.Context, d *durable, key, version string) error {
			return d.PutObjectTagging(ctx, "b", key, version, map[string]string{"a": "b"})
		}},
		{"DeleteObject", func(ctx context.Context, d *durable, key, version string) error {
			_, err := d.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: &key, VersionId: &version})
			return err
		}},
		{"DeleteObjects", func(ctx context.Context, d *durable, key, version string) error {
			_, err := d.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String("b"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: &key, VersionId: &version}}}})
			return err
		}},
		{"CreateBucket", func(ctx context.Context, d *durable, _, _ string) error {
			return d.CreateBucket(ctx, newBucket("c"), []byte("{}"))
		}},
		{"PutBucketVersioning", func(ctx context.Context, d *durable, _, _ string) error {
			return d.PutBucketVersioning(ctx, "b", types.BucketVersioningStatusEnabled)
		}},
		{"PutObjectLockConfiguration", func(ctx context.Context, d *durable, _, _ string) error {
			return d.PutObjectLockConfiguration(ctx, "b", []byte(`{"Enabled":true}`))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := openTest(t)
			version, err := putTest(t.Context(), d, "key", "", time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			failed := make(chan error, 2)
			if d.commit, err = newGroup(func(err error) { failed <- err }, d.folder.objects); err != nil {
				t.Fatal(err)
			}
			unix.Close(d.commit.fds[0])
			d.commit.fds[0] = -1
			if _, err := os.Stat(filepath.Join("b", "key2")); err == nil {
				t.Error("there before the call")
			}
			err = test.call(t.Context(), d, "key", version)
			if _, named := os.Stat(filepath.Join("b", "key2")); named == nil {
				t.Error("the object has its name and may have no bytes")
			}
			if !errors.Is(err, unix.EBADF) {
				t.Errorf("acknowledged with error %v", err)
			}
			if err := d.commit.sync(); !errors.Is(err, unix.EBADF) { // for good
				t.Errorf("after a failure: %v", err)
			}
			if len(failed) != 1 {
				t.Errorf("server was told %d times, want once", len(failed))
			}
		})
	}
}

func TestGuard(t *testing.T) {
	d := openTest(t)
	ctx := t.Context()
	past, hour := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for _, test := range []struct {
		name string
		mode types.ObjectLockMode
		end  time.Time
		hold bool
		want bool // removable
	}{
		{"free", "", time.Time{}, false, true},
		{"locked", types.ObjectLockModeCompliance, hour, false, false},
		{"expired", types.ObjectLockModeCompliance, past, false, true},
		{"held", "", time.Time{}, true, false},
		{"expired and held", types.ObjectLockModeCompliance, past, true, false},
		{"locked and held", types.ObjectLockModeCompliance, hour, true, false},
	} {
		for _, current := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, current %t", test.name, current), func(t *testing.T) {
				key := fmt.Sprintf("%s-%t", test.name, current)
				version, err := putTest(ctx, d, key, test.mode, test.end)
				if err == nil && test.hold {
					err = d.PutObjectLegalHold(ctx, "b", key, version, true)
				}
				if err == nil && !current {
					_, err = putTest(ctx, d, key, "", time.Time{})
				}
				if err != nil {
					t.Fatal(err)
				}
				head, err := d.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("b"), Key: &key, VersionId: &version})
				if err != nil {
					t.Fatal(err)
				}
				if head.ObjectLockMode != test.mode || (head.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn) != test.hold {
					t.Errorf("head shows mode %q and hold %q", head.ObjectLockMode, head.ObjectLockLegalHoldStatus)
				}
				got, err := d.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: &key, VersionId: &version, Range: aws.String(""), ChecksumMode: types.ChecksumModeEnabled})
				if err != nil {
					t.Fatal(err)
				}
				got.Body.Close()
				if got.ObjectLockMode != head.ObjectLockMode || got.ObjectLockLegalHoldStatus != head.ObjectLockLegalHoldStatus || !reflect.DeepEqual(got.ObjectLockRetainUntilDate, head.ObjectLockRetainUntilDate) {
					t.Errorf("with the bytes come mode %q, end %v and hold %q", got.ObjectLockMode, got.ObjectLockRetainUntilDate, got.ObjectLockLegalHoldStatus)
				}
				many, err := d.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String("b"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: &key, VersionId: &version}}}})
				if err != nil || (len(many.Deleted) == 1) != test.want {
					t.Errorf("DeleteObjects: %+v, %v", many, err)
				}
				_, err = d.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: &key, VersionId: &version})
				if !test.want && !errors.Is(err, errLocked) {
					t.Errorf("DeleteObject: %v", err)
				}
			})
		}
	}
}

// TestExtendTogether: of concurrent extensions the latest wins, whatever the
// order in which they were checked.
func TestExtendTogether(t *testing.T) {
	d := openTest(t)
	start := time.Now().Add(time.Hour).Truncate(time.Second)
	version, err := putTest(t.Context(), d, "key", types.ObjectLockModeCompliance, start)
	if err != nil {
		t.Fatal(err)
	}
	const n = 32
	done := make(chan error)
	for i := range n {
		go func() {
			done <- d.PutObjectRetention(t.Context(), "b", "key", version, retention(types.ObjectLockRetentionModeCompliance, start.Add(time.Duration(i)*time.Minute)))
		}()
	}
	for range n {
		if err := <-done; err != nil && !errors.Is(err, errLocked) {
			t.Error(err)
		}
	}
	have, err := d.retention(t.Context(), "b", "key", version)
	if want := start.Add((n - 1) * time.Minute); err != nil || !have.RetainUntilDate.Equal(want) {
		t.Errorf("lock ends %v, want %v (%v)", have.RetainUntilDate, want, err)
	}
	if err := d.PutObjectRetention(t.Context(), "b", "key", version, retention(types.ObjectLockRetentionModeGovernance, start.Add(99*time.Hour))); !errors.Is(err, errLocked) {
		t.Errorf("weaker mode: %v", err)
	}
}

// TestLockedBeforeNamed looks at an object at the moment it becomes visible.
func TestLockedBeforeNamed(t *testing.T) {
	d := openTest(t)
	for i := range 50 {
		key := fmt.Sprint("key", i)
		seen := make(chan string)
		go func() {
			for {
				out, err := d.Posix.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: &key, Range: aws.String("")})
				if err != nil {
					continue
				}
				io.Copy(io.Discard, out.Body)
				out.Body.Close()
				r, err := d.retention(t.Context(), "b", key, *out.VersionId)
				seen <- fmt.Sprint(r.Mode, err)
				return
			}
		}()
		if _, err := putTest(t.Context(), d, key, types.ObjectLockModeCompliance, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != "COMPLIANCE<nil>" {
			t.Fatalf("%s was visible with lock %s", key, got)
		}
	}
}

func TestInterruptedCreation(t *testing.T) {
	for _, test := range []struct {
		name string
		file string // in the bucket
		want bool   // that it is there after the restart
	}{{"empty", "", false}, {"with an object", "object", true}} {
		t.Run(test.name, func(t *testing.T) {
			d := openTest(t)
			bucket := filepath.Join(d.folder.objects, "c")
			if err := os.MkdirAll(filepath.Join(bucket, ".sgwtmp"), 0o700); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{filepath.Join(d.folder.creating, "c"), filepath.Join(bucket, test.file)} {
				if st, err := os.Stat(name); err == nil && st.IsDir() {
					continue
				}
				if err := os.WriteFile(name, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.folder.undoCreations(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(bucket); (err == nil) != test.want {
				t.Errorf("bucket: %v", err)
			}
			if !test.want {
				if err := d.CreateBucket(t.Context(), newBucket("c"), []byte("{}")); err != nil {
					t.Error(err)
				}
			}
			if notes, err := os.ReadDir(d.folder.creating); err != nil || len(notes) != 0 {
				t.Errorf("notes left: %v, %v", notes, err)
			}
		})
	}
}
