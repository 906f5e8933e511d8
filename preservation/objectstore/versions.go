package objectstore

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/s3response"
)

// null is the identifier of a version that was written without versioning.
const null = "null"

// version is an object or a delete marker in a listing.
type version struct {
	id     string
	object *s3response.ObjectVersion
	marker *types.DeleteMarkerEntry // instead
}

// versions lists at most limit versions of a key, newest first, from the one that
// comes after the one named; all of them when there is no such version. There are
// none when the key is gone.
func (d *durable) versions(bucket, key, after string, limit int) ([]version, error) {
	newest, err := d.newest(bucket, key)
	if err != nil || newest == nil {
		return nil, err
	}
	older, dir, err := d.older(bucket, key)
	if err != nil {
		return nil, err
	}
	var list []version
	if i := slices.Index(older, after); after != "" && i >= 0 {
		older = older[i+1:]
	} else if after != newest.id {
		list = append(list, *newest)
	}
	for _, id := range older {
		if len(list) == limit {
			break
		}
		file, err := os.Open(filepath.Join(dir, id))
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		v, err := d.describe(file, key, dir, id, id, false)
		file.Close()
		if err != nil {
			return nil, err
		}
		if v != nil {
			list = append(list, *v)
		}
	}
	return list, nil
}

// newest returns the current version of a key, or nil when it is no object.
func (d *durable) newest(bucket, key string) (*version, error) {
	file, err := os.Open(filepath.Join(d.folder.objects, bucket, key))
	if err != nil {
		return nil, unlessGone(err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch folder := strings.HasSuffix(key, "/"); {
	case err != nil || info.IsDir() != folder:
		return nil, err
	case folder:
		return d.folderObject(file, info, bucket, key)
	}
	id, err := d.attribute(file, bucket, key, "version-id")
	if errors.Is(err, meta.ErrNoSuchKey) {
		id, err = []byte(null), nil
	}
	if err != nil {
		return nil, unlessGone(err)
	}
	return d.describe(file, key, bucket, key, string(id), true)
}

// folderObject returns the object that a folder is, if it is one.
func (d *durable) folderObject(file *os.File, info fs.FileInfo, bucket, key string) (*version, error) {
	etag, err := d.attribute(file, bucket, key, "etag")
	if errors.Is(err, meta.ErrNoSuchKey) || gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &version{id: null, object: &s3response.ObjectVersion{
		ETag: aws.String(string(etag)), Key: &key, LastModified: aws.Time(info.ModTime()), IsLatest: aws.Bool(true),
		Size: aws.Int64(0), VersionId: aws.String(null), StorageClass: types.ObjectVersionStorageClassStandard,
	}}, nil
}

// older returns the identifiers of the versions that are not the newest, in the
// order of their age, and the folder that holds them.
func (d *durable) older(bucket, key string) (ids []string, dir string, err error) {
	if strings.HasSuffix(key, "/") {
		return nil, "", nil
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(key)))
	dir = filepath.Join(d.folder.versions, bucket, sum[:2], sum[2:4], sum[4:6], sum)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, dir, unlessGone(err)
	}
	slices.Reverse(entries) // identifiers begin with the time, but for null
	i := slices.IndexFunc(entries, func(e fs.DirEntry) bool { return e.Name() == null })
	for j, e := range entries {
		if j != i {
			ids = append(ids, e.Name())
		}
	}
	if i < 0 {
		return ids, dir, nil
	}
	was, err := entries[i].Info()
	if err != nil {
		return ids, dir, unlessGone(err)
	}
	for j, id := range ids {
		info, err := os.Lstat(filepath.Join(dir, id))
		if err == nil && was.ModTime().After(info.ModTime()) {
			return slices.Insert(ids, j, null), dir, nil
		}
		if err != nil && !gone(err) {
			return nil, dir, err
		}
	}
	return append(ids, null), dir, nil
}

// describe says of an open file what a listing says, or nil when it is gone. All of
// it belongs to one version, also when the key is written meanwhile.
func (d *durable) describe(file *os.File, key, bucket, object, id string, latest bool) (*version, error) {
	etag, err := d.attribute(file, bucket, object, "etag")
	if err != nil && !errors.Is(err, meta.ErrNoSuchKey) {
		return nil, unlessGone(err)
	}
	_, hidden := d.attribute(file, bucket, object, "delete-marker")
	if hidden != nil && !errors.Is(hidden, meta.ErrNoSuchKey) {
		return nil, unlessGone(hidden)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(file.Name()); d.files != nil && gone(err) {
		return nil, nil // what is kept beside was gone with it
	}
	if hidden == nil {
		return &version{id: id, marker: &types.DeleteMarkerEntry{
			IsLatest: &latest, VersionId: &id, LastModified: aws.Time(info.ModTime()), Key: &key,
		}}, nil
	}
	var sum s3response.Checksum
	raw, err := d.attribute(file, bucket, object, "checksums")
	if err == nil {
		err = json.Unmarshal(raw, &sum)
	}
	if err != nil && !errors.Is(err, meta.ErrNoSuchKey) {
		return nil, unlessGone(err)
	}
	return &version{id: id, object: &s3response.ObjectVersion{
		ETag: aws.String(string(etag)), Key: &key, LastModified: aws.Time(info.ModTime()), Size: aws.Int64(info.Size()),
		VersionId: &id, IsLatest: &latest, StorageClass: types.ObjectVersionStorageClassStandard,
		ChecksumAlgorithm: []types.ChecksumAlgorithm{sum.Algorithm}, ChecksumType: sum.Type,
	}}, nil
}

// attribute reads one of the metadata of an open file, or of the file of that
// name where they are kept beside.
func (d *durable) attribute(file *os.File, bucket, object, name string) ([]byte, error) {
	if d.files != nil {
		return d.files.RetrieveAttribute(nil, bucket, object, name)
	}
	return meta.XattrMeta{}.RetrieveAttribute(file, bucket, object, name)
}
