package container

import (
	"archive/zip"
	"compress/flate"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"bestand/ingest/sip/finding"
)

// Extract unpacks every entry into dir, which must exist, under a number, and
// computes both digests on the way. Damaged entries become findings; an error is
// a fault of the machine or the end of the context. What was written stays in
// dir in any case.
func (c *Container) Extract(ctx context.Context, dir string, found *finding.List) error {
	for i, e := range c.Entries {
		path := filepath.Join(dir, fmt.Sprintf("%06d", i+1))
		damage, err := e.unpack(ctx, path)
		if err != nil {
			return fmt.Errorf("unpack entry %d: %w", i+1, err)
		}
		if damage != "" {
			found.Fail(Damaged, "", e.Name, "%s", damage)
			continue
		}
		e.Path = path
	}
	return nil
}

func (e *Entry) unpack(ctx context.Context, path string) (damage string, err error) {
	in, err := e.file.Open()
	if errors.Is(err, zip.ErrFormat) {
		return "the entry has no header where the directory says", nil
	}
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer out.Close()
	h256, h512 := sha256.New(), sha512.New()
	w := io.MultiWriter(out, h256, h512)
	buf := make([]byte, 128<<10)
	for left := e.Size; ; {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n, err := in.Read(buf)
		if left -= int64(n); left < 0 {
			return "the entry is longer than the directory says", nil
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return "", err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return readFault(err)
		}
	}
	e.SHA256, e.SHA512 = hex.EncodeToString(h256.Sum(nil)), hex.EncodeToString(h512.Sum(nil))
	return "", out.Close()
}

// readFault tells a damaged entry from a machine that cannot read.
func readFault(err error) (damage string, _ error) {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, zip.ErrChecksum):
		return "its bytes do not fit its checksum; send it again", nil
	case errors.As(err, &corrupt), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, zip.ErrFormat):
		return "its bytes cannot be unpacked to the size that the directory says; send it again", nil
	}
	return "", err
}
