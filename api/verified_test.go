package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"

	"bestand/preservation"
)

// TestDamagedContent: whoever asks for the whole of a stored file gets its bytes
// or an error, never other bytes for good.
func TestDamagedContent(t *testing.T) {
	for name, size := range map[string]int{"one byte": 1, "small": 1000, "limit": inMemory, "large": inMemory + 1, "larger": inMemory + 200_000} {
		t.Run(name, func(t *testing.T) {
			good := bytes.Repeat([]byte("Akte "), size/5+1)[:size]
			sum := sha256.Sum256(good)
			bad := bytes.Clone(good)
			bad[size/2] ^= 1
			for _, stored := range [][]byte{good, bad} {
				c := &content{size: int64(size), sha256: hex.EncodeToString(sum[:]), open: func(off, n int64) (io.ReadCloser, error) {
					return io.NopCloser(bytes.NewReader(stored[off : off+n])), nil
				}}
				var got []byte
				r, err := c.read(0, c.size)
				if err == nil {
					got, err = io.ReadAll(r)
				}
				if &stored[0] == &good[0] {
					if err != nil || !bytes.Equal(got, good) {
						t.Fatalf("intact: %d bytes, %v", len(got), err)
					}
				} else if !errors.Is(err, preservation.ErrCorrupt) || len(got) == size {
					t.Fatalf("damaged: %d bytes, %v", len(got), err)
				}
			}
		})
	}
}
