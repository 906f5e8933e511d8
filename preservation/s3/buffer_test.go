package s3_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	"bestand/preservation"
	"bestand/preservation/storetest"
)

// halting gives the first half, waits, and gives the rest.
type halting struct {
	io.Reader
	half int
	wait func()
}

func (h *halting) Read(p []byte) (int, error) {
	if h.half == 0 {
		h.wait()
		h.half = -1
	}
	if h.half > 0 {
		p = p[:min(len(p), h.half)]
	}
	n, err := h.Reader.Read(p)
	if h.half > 0 {
		h.half -= n
	}
	return n, err
}

// TestManySlowSenders stages more bodies at a time than have room in memory.
func TestManySlowSenders(t *testing.T) {
	t.Parallel()
	spool := t.TempDir()
	c := storetest.Client(t, storetest.Embedded(t))
	c.Spool(spool)
	staging, err := c.Staging(t.Context(), "staging")
	if err != nil {
		t.Fatal(err)
	}
	const senders = 24
	var arrived, wg sync.WaitGroup
	arrived.Add(senders)
	for i := range senders {
		size := []int{70 << 10, 8 << 20, 8<<20 + 1, 17 << 20}[i%4]
		body := bytes.Repeat([]byte{byte(i), byte(i >> 1), 3}, size/3+1)[:size]
		wg.Go(func() {
			wait := sync.OnceFunc(func() { arrived.Done(); arrived.Wait() })
			defer wait()
			key := fmt.Sprint("a/", i)
			if _, err := staging.Put(t.Context(), key, &halting{bytes.NewReader(body), size/2 + 70_000, wait}, preservation.PutOptions{Size: -1}); err != nil {
				t.Error(err)
				return
			}
			r, err := staging.Open(t.Context(), key, 0, -1)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			h := sha256.New()
			if _, err := io.Copy(h, r); err != nil || !bytes.Equal(h.Sum(nil), sum(body)) {
				t.Errorf("%d bytes came back otherwise: %v", size, err)
			}
		})
	}
	wg.Wait()
	if left, err := os.ReadDir(spool); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

func sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
