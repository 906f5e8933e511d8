package fixity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

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

// temporary is a file that is removed when it is closed.
type temporary struct{ *os.File }

func (t temporary) Close() error { return errors.Join(t.File.Close(), os.Remove(t.Name())) }

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
		return nil, "", err
	}
	if _, err := io.Copy(io.MultiWriter(f, h), body); err != nil {
		return nil, "", errors.Join(err, temporary{f}.Close())
	}
	return temporary{f}, hex.EncodeToString(h.Sum(nil)), nil
}
