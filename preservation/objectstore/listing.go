package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"
)

// ListObjectVersions takes as long as its page. The backend walks the bucket from
// its root for every page, so that listing a million objects reads a million
// names a thousand times.
//
// Its answers are those of the backend but for where one page ends: a page begins
// after the version that the markers name, and does so too when that version is
// gone meanwhile, where the backend would have the listing end. The versions of
// a key whose marker is gone come once more. Listings with a delimiter, which no
// client of the archive asks for, are the backend's own.
func (d *durable) ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput) (s3response.ListVersionsResult, error) {
	at := place{aws.ToString(in.Bucket), aws.ToString(in.Prefix), aws.ToString(in.KeyMarker), aws.ToString(in.VersionIdMarker)}
	limit := int(aws.ToInt32(in.MaxKeys))
	if aws.ToString(in.Delimiter) != "" || limit <= 0 || at.key == "" && at.version != "" || !d.holds(at.bucket) {
		return d.Posix.ListObjectVersions(ctx, in)
	}
	out := s3response.ListVersionsResult{
		Delimiter: aws.String(""), KeyMarker: &at.key, MaxKeys: in.MaxKeys, Name: in.Bucket, Prefix: &at.prefix, VersionIdMarker: &at.version,
		CommonPrefixes: []types.CommonPrefix{}, IsTruncated: aws.Bool(false), NextKeyMarker: aws.String(""), NextVersionIdMarker: aws.String(""),
	}
	c := d.bookmarks.take(at)
	if c == nil {
		c = newCursor(filepath.Join(d.folder.objects, at.bucket), at.prefix, at.key)
	}
	for left := limit; ; {
		key, err := c.next(ctx)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return s3response.ListVersionsResult{}, fmt.Errorf("list %s: %w", at.bucket, err)
		}
		if key == "" {
			return out, nil
		}
		var after string
		if key == at.key {
			after = at.version
		}
		versions, err := d.versions(at.bucket, key, after, left)
		if err != nil {
			return s3response.ListVersionsResult{}, fmt.Errorf("list %s: %s: %w", at.bucket, key, err)
		}
		for _, v := range versions {
			if v.marker != nil {
				out.DeleteMarkers = append(out.DeleteMarkers, *v.marker)
			} else {
				out.Versions = append(out.Versions, *v.object)
			}
		}
		if left -= len(versions); left == 0 {
			c.again = key // there may be more of it
			next := place{at.bucket, at.prefix, key, versions[len(versions)-1].id}
			d.bookmarks.leave(next, c)
			out.IsTruncated, out.NextKeyMarker, out.NextVersionIdMarker = aws.Bool(true), &next.key, &next.version
			return out, nil
		}
	}
}

// listingObjects is the version in the place of a listing that shows none.
const listingObjects = "/"

// ListObjectsV2 is to ListObjects what ListObjectVersions is to its namesake. It
// says that there is more only when keys with the prefix follow.
func (d *durable) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	at := place{aws.ToString(in.Bucket), aws.ToString(in.Prefix), aws.ToString(in.ContinuationToken), listingObjects}
	limit := int(aws.ToInt32(in.MaxKeys))
	if aws.ToString(in.Delimiter) != "" || limit <= 0 || aws.ToString(in.StartAfter) != "" || in.StartAfter == nil || !d.holds(at.bucket) {
		return d.Posix.ListObjectsV2(ctx, in)
	}
	out := s3response.ListObjectsV2Result{
		ContinuationToken: backend.GetPtrFromString(at.key), MaxKeys: aws.Int32(int32(limit)), Name: &at.bucket,
		Prefix: backend.GetPtrFromString(at.prefix), CommonPrefixes: []types.CommonPrefix{}, IsTruncated: aws.Bool(false),
	}
	root := filepath.Join(d.folder.objects, at.bucket)
	object := d.Posix.FileToObj(at.bucket, aws.ToBool(in.FetchOwner))
	c := d.bookmarks.take(at)
	if c == nil {
		c = newCursor(root, at.prefix, at.key)
	}
	for last := ""; ; {
		key, err := c.next(ctx)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return s3response.ListObjectsV2Result{}, fmt.Errorf("list %s: %w", at.bucket, err)
		}
		if key == at.key && key != "" {
			continue
		}
		if key == "" || len(out.Contents) == limit {
			if key != "" {
				c.again = key
				d.bookmarks.leave(place{at.bucket, at.prefix, last, listingObjects}, c)
				out.IsTruncated, out.NextContinuationToken = aws.Bool(true), &last
			}
			out.KeyCount = aws.Int32(int32(len(out.Contents)))
			return out, nil
		}
		info, err := os.Lstat(filepath.Join(root, key))
		if gone(err) || err == nil && info.IsDir() != strings.HasSuffix(key, "/") {
			continue
		}
		var o s3response.Object
		if err == nil {
			o, err = object(key, fs.FileInfoToDirEntry(info))
		}
		if errors.Is(err, backend.ErrSkipObj) {
			continue
		}
		if err != nil {
			return s3response.ListObjectsV2Result{}, fmt.Errorf("list %s: %s: %w", at.bucket, key, err)
		}
		out.Contents = append(out.Contents, o)
		last = key
	}
}

// holds reports whether there is such a bucket. What to say if not is the backend's.
func (d *durable) holds(bucket string) bool {
	if bucket == "" || !filepath.IsLocal(bucket) || filepath.Base(bucket) != bucket {
		return false
	}
	info, err := os.Stat(filepath.Join(d.folder.objects, bucket))
	return err == nil && info.IsDir()
}
