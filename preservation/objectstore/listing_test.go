package objectstore

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3response"
)

// randomKey makes keys whose order is not that of their folders' names.
func randomKey(r *rand.Rand) string {
	const letters = "ab!.0~"
	var parts []string
	for range 1 + r.IntN(3) {
		part := make([]byte, 1+r.IntN(3))
		for i := range part {
			part[i] = letters[r.IntN(len(letters))]
		}
		if s := strings.Trim(string(part), "."); s == "" { // "." and ".." are no names
			part[0] = 'a'
		}
		parts = append(parts, string(part))
	}
	return strings.Join(parts, "/")
}

// growTree writes, overwrites, hides and removes objects at random, the first half
// of them without versions if there are to be null versions.
func growTree(t *testing.T, d *durable, r *rand.Rand, null bool) (keys []string) {
	t.Helper()
	ctx := t.Context()
	if null {
		if err := d.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("n"), CreateBucketConfiguration: &types.CreateBucketConfiguration{}}, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	bucket := map[bool]string{false: "b", true: "n"}[null]
	const steps = 120
	for i := range steps {
		if null && i == steps/2 {
			if err := d.PutBucketVersioning(ctx, bucket, types.BucketVersioningStatusEnabled); err != nil {
				t.Fatal(err)
			}
		}
		key := randomKey(r)
		if len(keys) > 0 && r.IntN(2) == 0 {
			key = keys[r.IntN(len(keys))]
		}
		switch body := strings.Repeat("x", r.IntN(4)); {
		case null && r.IntN(8) == 0 && !slices.Contains(keys, key):
			key, body = key+"/", ""
			fallthrough
		case r.IntN(4) > 0:
			_, err := d.Posix.PutObject(ctx, s3response.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body), ContentLength: aws.Int64(int64(len(body)))})
			if err == nil && !strings.HasSuffix(key, "/") { // a key in the way of a folder is refused
				keys = append(keys, key)
			}
		default:
			if _, err := d.Posix.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil && slices.Contains(keys, key) && !null {
				t.Fatal(err)
			}
		}
		if i%10 == 0 {
			time.Sleep(2 * time.Millisecond) // times differ
		}
	}
	return keys
}

func ask(bucket, prefix, key, version string, limit int) *s3.ListObjectVersionsInput {
	return &s3.ListObjectVersionsInput{Bucket: &bucket, Prefix: &prefix, KeyMarker: &key, VersionIdMarker: &version, MaxKeys: aws.Int32(int32(limit)), Delimiter: aws.String("")}
}

// TestListingAsBackend compares what pages of every size hold with what the backend
// says in one page, and, where its pages can be relied on, page by page.
func TestListingAsBackend(t *testing.T) {
	for _, sidecar := range []bool{false, true} {
		for _, null := range []bool{false, true} {
			for seed := range uint64(2) {
				t.Run(fmt.Sprintf("sidecar %t, null %t, seed %d", sidecar, null, seed), func(t *testing.T) {
					d := openTestIn(t, sidecar)
					r := rand.New(rand.NewPCG(seed, 1))
					keys := growTree(t, d, r, null)
					bucket := map[bool]string{false: "b", true: "n"}[null]
					prefixes := []string{"", "/", "a", "a/", "../b", "a//", ".sgwtmp/", "a/\x00/", "a/b/../", keys[0] + "/"}
					for range 4 {
						key := keys[r.IntN(len(keys))]
						prefixes = append(prefixes, key, key[:r.IntN(len(key))])
					}
					for _, prefix := range prefixes {
						for _, limit := range []int{1, 3, 17, 1000} {
							for _, marked := range []bool{true, false} {
								sameVersions(t, d, bucket, prefix, limit, marked, !null)
								sameObjects(t, d, bucket, prefix, limit, marked)
								if t.Failed() {
									t.Fatalf("prefix %q, pages of %d, bookmarks %t", prefix, limit, marked)
								}
							}
						}
					}
				})
			}
		}
	}
}

func sameVersions(t *testing.T, d *durable, bucket, prefix string, limit int, marked, paged bool) {
	ctx := t.Context()
	want, err := d.Posix.ListObjectVersions(ctx, ask(bucket, prefix, "", "", 1e6))
	if err != nil {
		t.Fatal(err)
	}
	var got s3response.ListVersionsResult
	key, version := "", ""
	for more := true; more; {
		page, err := d.ListObjectVersions(ctx, ask(bucket, prefix, key, version, limit))
		if err != nil {
			t.Fatal(err)
		}
		if paged {
			if want := backendPage(t, d, ask(bucket, prefix, key, version, limit)); !reflect.DeepEqual(page, want) {
				t.Errorf("after %q, %s:\n got %s\nwant %s", key, version, show(page), show(want))
				return
			}
		}
		got.Versions = append(got.Versions, page.Versions...)
		got.DeleteMarkers = append(got.DeleteMarkers, page.DeleteMarkers...)
		key, version, more = *page.NextKeyMarker, *page.NextVersionIdMarker, *page.IsTruncated
		if !marked {
			d.bookmarks.take(place{bucket, prefix, key, version})
		}
	}
	if !reflect.DeepEqual(got.Versions, want.Versions) || !reflect.DeepEqual(got.DeleteMarkers, want.DeleteMarkers) {
		t.Errorf("all pages:\n got %s\nwant %s", show(got), show(want))
	}
}

// backendPage is the page of the backend, which begins with the version of the marker
// when that is the newest of its key.
func backendPage(t *testing.T, d *durable, in *s3.ListObjectVersionsInput) s3response.ListVersionsResult {
	more := *in
	more.MaxKeys = aws.Int32(*in.MaxKeys + 1)
	page, err := d.Posix.ListObjectVersions(t.Context(), &more)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case len(page.Versions) > 0 && *page.Versions[0].VersionId == *in.VersionIdMarker:
		if page.Versions = page.Versions[1:]; len(page.Versions) == 0 {
			page.Versions = nil
		}
	case len(page.DeleteMarkers) > 0 && *page.DeleteMarkers[0].VersionId == *in.VersionIdMarker:
		if page.DeleteMarkers = page.DeleteMarkers[1:]; len(page.DeleteMarkers) == 0 {
			page.DeleteMarkers = nil
		}
	default:
		if page, err = d.Posix.ListObjectVersions(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	page.MaxKeys = in.MaxKeys
	return page
}

func show(r s3response.ListVersionsResult) string {
	var b strings.Builder
	for _, v := range r.Versions {
		fmt.Fprintf(&b, "%s %s %t, ", *v.Key, *v.VersionId, *v.IsLatest)
	}
	for _, v := range r.DeleteMarkers {
		fmt.Fprintf(&b, "-%s %s %t, ", *v.Key, *v.VersionId, *v.IsLatest)
	}
	if r.NextKeyMarker != nil {
		fmt.Fprintf(&b, "%t next %s %s", *r.IsTruncated, *r.NextKeyMarker, *r.NextVersionIdMarker)
	}
	return b.String()
}

func sameObjects(t *testing.T, d *durable, bucket, prefix string, limit int, marked bool) {
	ctx := t.Context()
	ask := func(token string, limit int) *s3.ListObjectsV2Input {
		return &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix, ContinuationToken: &token, StartAfter: aws.String(""), MaxKeys: aws.Int32(int32(limit)), Delimiter: aws.String("")}
	}
	want, err := d.Posix.ListObjectsV2(ctx, ask("", 1e6))
	if err != nil {
		t.Fatal(err)
	}
	var got []s3response.Object
	token := ""
	for more := true; more; {
		page, err := d.ListObjectsV2(ctx, ask(token, limit))
		if err != nil {
			t.Fatal(err)
		}
		same, err := d.Posix.ListObjectsV2(ctx, ask(token, limit))
		if err != nil {
			t.Fatal(err)
		}
		if !*page.IsTruncated { // the backend may believe that there is more
			same.IsTruncated, same.NextContinuationToken = page.IsTruncated, nil
		}
		if !reflect.DeepEqual(page, same) {
			t.Errorf("after %q:\n got %d, %+v\nwant %d, %+v", token, len(page.Contents), page, len(same.Contents), same)
			return
		}
		got = append(got, page.Contents...)
		token, more = aws.ToString(page.NextContinuationToken), *page.IsTruncated
		if !marked {
			d.bookmarks.take(place{bucket, prefix, token, listingObjects})
		}
	}
	if !reflect.DeepEqual(got, want.Contents) {
		t.Errorf("all pages: got %d objects, want %d", len(got), len(want.Contents))
	}
}

// TestListingWhileWritten removes what a page ended with, hides, replaces and adds:
// what nobody touched is listed once all the same.
func TestListingWhileWritten(t *testing.T) {
	for _, marked := range []bool{true, false} {
		for seed := range uint64(3) {
			d := openTest(t)
			ctx := t.Context()
			r := rand.New(rand.NewPCG(seed, 2))
			listed := map[string]int{}
			for i := range 60 {
				key := fmt.Sprintf("%d/%d", i%7, i)
				listed[key] = 0
				for range 1 + i%3 {
					if _, err := putTest(ctx, d, key, "", time.Time{}); err != nil {
						t.Fatal(err)
					}
				}
			}
			remove := func(key, version string) {
				if _, err := d.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: &key, VersionId: &version}); err != nil {
					t.Fatal(err)
				}
				delete(listed, key)
			}
			key, version := "", ""
			for more := true; more; {
				page, err := d.ListObjectVersions(ctx, ask("b", "", key, version, 1+r.IntN(4)))
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range page.Versions {
					if _, ok := listed[*v.Key]; ok {
						listed[*v.Key]++
					}
				}
				key, version, more = *page.NextKeyMarker, *page.NextVersionIdMarker, *page.IsTruncated
				if !more {
					break
				}
				if !marked {
					d.bookmarks.take(place{"b", "", key, version})
				}
				switch r.IntN(4) {
				case 0: // the version of the marker
					remove(key, version)
				case 1: // and all others
					all, err := d.ListObjectVersions(ctx, ask("b", key, "", "", 1000))
					if err != nil {
						t.Fatal(err)
					}
					for _, v := range all.Versions {
						if *v.Key == key {
							remove(key, *v.VersionId)
						}
					}
				case 2:
					remove(key, "")
				case 3:
					if _, err := putTest(ctx, d, key+"x", "", time.Time{}); err != nil {
						t.Fatal(err)
					}
				}
			}
			for key, n := range listed {
				var i int
				fmt.Sscanf(key[2:], "%d", &i)
				if n != 1+i%3 {
					t.Errorf("seed %d, bookmarks %t: %s was listed with %d versions of %d", seed, marked, key, n, 1+i%3)
				}
			}
		}
	}
}

// TestCursor walks random trees with windows smaller than their folders.
func TestCursor(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 100 {
		root := t.TempDir()
		for range 40 {
			name := filepath.Join(root, randomKey(r))
			if os.MkdirAll(filepath.Dir(name), 0o700) == nil {
				os.WriteFile(name, nil, 0o600) // or it is a folder
			}
		}
		if err := os.MkdirAll(filepath.Join(root, "a~", ".sgwtmp", "x"), 0o700); err != nil && !gone(err) {
			t.Fatal(err)
		}
		var all []string
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			key := strings.TrimPrefix(path, root+"/")
			switch {
			case err != nil || path == root:
				return err
			case e.Name() == ".sgwtmp":
				return fs.SkipDir
			case e.IsDir():
				key += "/"
			}
			all = append(all, key)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(all)
		for range 50 {
			prefix, from := randomKey(r), randomKey(r)
			prefix, from = prefix[:r.IntN(len(prefix)+1)], from[:r.IntN(len(from)+1)]
			var want, got []string
			for _, key := range all {
				if strings.HasPrefix(key, prefix) && key >= from {
					want = append(want, key)
				}
			}
			c := newCursor(root, prefix, from)
			c.size = 1 + r.IntN(4)
			for {
				key, err := c.next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if key == "" {
					break
				}
				if slices.Contains(all, key) || key != prefix || len(got) > 0 {
					got = append(got, key)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("prefix %q, from %q, window %d:\n got %q\nwant %q\n all %q", prefix, from, c.size, got, want, all)
			}
		}
	}
}

func TestBookmarks(t *testing.T) {
	var b bookmarks
	first := place{bucket: "b", key: "0"}
	for i := range maxBookmarks + 1 {
		b.leave(place{bucket: "b", key: fmt.Sprint(i)}, &cursor{})
	}
	if b.take(first) != nil || len(b.kept) != maxBookmarks {
		t.Errorf("%d are kept, want the last %d", len(b.kept), maxBookmarks)
	}
	last := place{bucket: "b", key: fmt.Sprint(maxBookmarks)}
	if b.take(last) == nil || b.take(last) != nil {
		t.Error("a bookmark serves once")
	}
}
