package evidence

import (
	"bytes"
	"crypto"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bestand/preservation/timestamp"
)

// FuzzRecord reads and judges whatever comes: bounded, without panic, and what
// was read is written and read again as the same.
func FuzzRecord(f *testing.F) {
	all, _ := filepath.Glob("testdata/vectors/*.ers")
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	data := Object{Name: "data", Digest: func(h crypto.Hash) ([]byte, error) { return sum(h), nil }}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil {
			return
		}
		r.Verify([]Object{data, data}, Check{At: time.Unix(2e9, 0), Trust: timestamp.Trust{Optional: true}})
		der := r.Encode()
		again, err := Decode(der)
		if err != nil || !bytes.Equal(again.Encode(), der) {
			t.Errorf("read again: %v", err)
		}
	})
}
