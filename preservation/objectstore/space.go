package objectstore

import (
	"errors"
	"math"

	"golang.org/x/sys/unix"

	"github.com/versity/versitygw/s3err"
)

// space keeps a reserve free on the file system of a folder and recognises a
// full one, which the backend at times reports as something else.
type space struct {
	dir     string
	reserve int64
}

var errFull = s3err.GetAPIError(s3err.ErrNoSpaceLeftOnDevice)

// check refuses a write of n bytes that would eat into the reserve.
func (s space) check(n int64) error {
	free, inodes, err := s.free()
	if err != nil {
		return err
	}
	if inodes == 0 || free-max(s.reserve, 0) < n {
		return errFull
	}
	return nil
}

// explain returns errFull in place of an error that was caused by a full disk.
func (s space) explain(err error) error {
	var known s3err.S3Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errFull), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT),
		errors.Is(err, s3err.GetAPIError(s3err.ErrQuotaExceeded)):
		return errFull
	case errors.As(err, &known) && known.BaseError() != s3err.GetAPIError(s3err.ErrExistingObjectIsDirectory):
		return err
	}
	// What is left are plain errors, and the answer that the backend gives to
	// any failure to create a folder or to link the file.
	if free, inodes, serr := s.free(); serr == nil && (free < 1<<20 || inodes == 0) {
		return errFull
	}
	return err
}

// free is what is left to write. File systems that do not count, or create
// inodes as needed, report zero of zero.
func (s space) free() (bytes int64, inodes uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(s.dir, &st); err != nil {
		return 0, 0, err
	}
	bytes, inodes = int64(st.Bavail)*st.Bsize, st.Ffree
	if st.Blocks == 0 {
		bytes = math.MaxInt64
	}
	if st.Files == 0 {
		inodes = math.MaxUint64
	}
	return bytes, inodes, nil
}
