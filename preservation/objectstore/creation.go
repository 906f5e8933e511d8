package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/s3err"
)

// CreateBucket leaves a note in the folder "creating" for as long as it takes.
// The backend makes a folder and gives it one attribute after the other; one
// that was interrupted would neither work nor let itself be created again, or
// would lack its object lock for ever.
func (d *durable) CreateBucket(ctx context.Context, in *s3.CreateBucketInput, acl []byte) error {
	if in.Bucket == nil || !filepath.IsLocal(*in.Bucket) || filepath.Base(*in.Bucket) != *in.Bucket {
		return s3err.GetAPIError(s3err.ErrInvalidBucketName)
	}
	if err := d.space.check(0); err != nil {
		return err
	}
	defer d.keys.lock(*in.Bucket, "")()
	note := filepath.Join(d.folder.creating, *in.Bucket)
	_, err := os.Stat(filepath.Join(d.folder.objects, *in.Bucket))
	if err == nil { // the backend knows how to say so
		return d.Posix.CreateBucket(ctx, in, acl)
	}
	if err := os.WriteFile(note, nil, 0o600); err != nil {
		return d.space.explain(err)
	}
	err = d.settle(d.Posix.CreateBucket(ctx, in, acl))
	if rerr := os.Remove(note); rerr != nil && err == nil {
		err = rerr
	}
	return d.settle(err)
}

// undoCreations removes buckets whose creation was never acknowledged. They
// hold nothing: a folder that is not empty stays.
func (f *folder) undoCreations() error {
	notes, err := os.ReadDir(f.creating)
	if err != nil {
		return err
	}
	for _, note := range notes {
		bucket := filepath.Join(f.objects, note.Name())
		err := removeTree(bucket)
		if err == nil {
			err = errors.Join(removeTree(filepath.Join(f.versions, note.Name())), os.RemoveAll(filepath.Join(f.meta, note.Name())))
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("undo creation of bucket %s: %w", note.Name(), err)
		}
		if err := os.Remove(filepath.Join(f.creating, note.Name())); err != nil {
			return err
		}
	}
	return nil
}

// removeTree removes a tree of folders without files. It stops with
// fs.ErrExist, having removed nothing that holds a file.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			return fs.ErrExist
		}
		if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return os.Remove(dir)
}
