package container

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
)

// Weak reports whether an algorithm protects from accidents only.
func Weak(algorithm string) bool {
	switch canonical(algorithm) {
	case "md5", "sha1":
		return true
	}
	return false
}

// canonical writes the names of algorithms as BagIt does: "SHA-256" is "sha256".
func canonical(algorithm string) string {
	return strings.ReplaceAll(strings.ToLower(algorithm), "-", "")
}

var algorithms = map[string]func() hash.Hash{
	"md5": md5.New, "sha1": sha1.New, "sha224": sha256.New224, "sha384": sha512.New384,
}

// Known reports whether Sum computes an algorithm.
func Known(algorithm string) bool {
	a := canonical(algorithm)
	return a == "sha256" || a == "sha512" || algorithms[a] != nil
}

// Sum returns the digest of an unpacked entry as lower-case hex. SHA-256 and
// SHA-512 are those of unpacking; others read the file again.
func (e *Entry) Sum(ctx context.Context, algorithm string) (string, error) {
	switch a := canonical(algorithm); a {
	case "sha256":
		return e.SHA256, nil
	case "sha512":
		return e.SHA512, nil
	default:
		if algorithms[a] == nil {
			return "", fmt.Errorf("digest algorithm %q is not known", algorithm)
		}
		return sum(ctx, algorithms[a](), e.Path)
	}
}

func sum(ctx context.Context, h hash.Hash, path string) (string, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	if _, err := io.Copy(h, &ctxReader{ctx, in}); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ctxReader ends a long reading with its context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
