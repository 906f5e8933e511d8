package fixity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"bestand/preservation"
)

// inMemory is the size in bytes up to which a package is not put on disk.
const inMemory = 16 << 20

// content is an object that was read once and can be read again.
type content interface {
	io.ReaderAt
	io.Closer
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// temporary is a file that is removed when it is closed. Where the disk does not take
// or give its bytes, that is an outage of this machine and says nothing of the object.
type temporary struct{ *os.File }

func (t temporary) Write(p []byte) (int, error) {
	n, err := t.File.Write(p)
	return n, disk(err)
}

func (t temporary) ReadAt(p []byte, off int64) (int, error) {
	n, err := t.File.ReadAt(p, off)
	if err != io.EOF {
		err = disk(err)
	}
	return n, err
}

func (t temporary) Close() error { return disk(errors.Join(t.File.Close(), os.Remove(t.Name()))) }

func disk(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w: %w", preservation.ErrFull, err)
	}
	return preservation.Down(preservation.PartDisk, err)
}

// read fetches all bytes of a version with their SHA-256.
func (r *check) read(ctx context.Context, o preservation.Object) (content, string, error) {
	body, err := r.store.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return nil, "", err
	}
	defer body.Close()
	h := sha256.New()
	if o.Size <= inMemory {
		var b bytes.Buffer
		b.Grow(int(o.Size))
		_, err := io.Copy(io.MultiWriter(&b, h), body)
		return memory{bytes.NewReader(b.Bytes())}, hex.EncodeToString(h.Sum(nil)), err
	}
	f, err := os.CreateTemp(r.Dir, "verify-*")
	if err != nil {
		return nil, "", disk(err)
	}
	file := temporary{f}
	if _, err := io.Copy(io.MultiWriter(file, h), body); err != nil {
		return nil, "", errors.Join(err, file.Close())
	}
	return file, hex.EncodeToString(h.Sum(nil)), nil
}
