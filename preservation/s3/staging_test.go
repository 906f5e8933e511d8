package s3_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"bestand/preservation"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
)

func TestStaging(t *testing.T) { testStaging(t, storetest.Client(t, storetest.Embedded(t))) }

func testStaging(t *testing.T, c *s3.Client) {
	s, err := c.Staging(t.Context(), "staging-"+preservation.NewID(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("put", func(t *testing.T) { testStagingPut(t, s) })
	t.Run("broken source", func(t *testing.T) { testStagingBroken(t, c, s) })
	t.Run("remove", func(t *testing.T) { testStagingRemove(t, s) })
	t.Run("unfinished", func(t *testing.T) { testStagingUnfinished(t, c, s) })
	t.Run("memory", func(t *testing.T) { testStagingMemory(t, s) })
}

func testStagingPut(t *testing.T, s *s3.Staging) {
	for _, size := range []int{0, 1, 64 << 10, 8<<20 - 1, 8 << 20, 8<<20 + 1, 16 << 20, 20<<20 + 7} {
		for _, how := range []string{"known", "verified", "unknown"} {
			t.Run(fmt.Sprintf("%d %s", size, how), func(t *testing.T) {
				body := storetest.Body(1, size)
				o := preservation.PutOptions{Size: int64(size), ContentType: "text/plain"}
				switch how {
				case "unknown":
					o.Size = -1
				case "verified":
					sum := sha256.Sum256(body)
					o.SHA256 = hex.EncodeToString(sum[:])
				}
				key := fmt.Sprintf("put/ä/%d-%s", size, how)
				for range 2 { // the second replaces the first
					put, err := s.Put(t.Context(), key, io.MultiReader(bytes.NewReader(body)), o)
					if err != nil {
						t.Fatal(err)
					}
					if put.Size != int64(size) {
						t.Errorf("put returned %+v", put)
					}
				}
				have, err := s.Stat(t.Context(), key)
				if err != nil || have.Size != int64(size) || have.ContentType != "text/plain" {
					t.Errorf("stat: %+v, %v", have, err)
				}
				if got := readStaged(t, s, key, 0, -1); !bytes.Equal(got, body) {
					t.Error("bytes differ")
				}
				if size > 100 {
					if got := readStaged(t, s, key, 50, 10); !bytes.Equal(got, body[50:60]) {
						t.Error("range differs")
					}
				}
			})
		}
	}
}

func readStaged(t *testing.T, s *s3.Staging, key string, off, length int64) []byte {
	t.Helper()
	r, err := s.Open(t.Context(), key, off, length)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// testStagingBroken: an upload whose sender went away is not an object, not
// even when the connection's error is the one that io.ReadFull has for a
// normal end, and leaves no parts.
func testStagingBroken(t *testing.T, c *s3.Client, s *s3.Staging) {
	for _, size := range []int{0, 100, 9 << 20, 30 << 20} {
		for _, fault := range []error{errors.New("gone"), io.ErrUnexpectedEOF} {
			key := fmt.Sprintf("broken/%d", size)
			source := io.MultiReader(bytes.NewReader(storetest.Body(2, size)), failing{fault})
			_, err := s.Put(t.Context(), key, source, preservation.PutOptions{Size: -1})
			if !errors.Is(err, fault) {
				t.Errorf("%d bytes and %v: %v", size, fault, err)
			}
			if _, err := s.Stat(t.Context(), key); !errors.Is(err, preservation.ErrNotFound) {
				t.Errorf("%d bytes and %v: stat: %v", size, fault, err)
			}
		}
	}
	body := []byte("body")
	sum := sha256.Sum256([]byte("other"))
	_, err := s.Put(t.Context(), "broken/digest", bytes.NewReader(body), preservation.PutOptions{Size: 4, SHA256: hex.EncodeToString(sum[:])})
	if !errors.Is(err, preservation.ErrCorrupt) {
		t.Errorf("wrong digest: %v", err)
	}
	for u := range c.API().ListIncompleteUploads(t.Context(), s.Name(), "broken/", true) {
		t.Errorf("parts left: %+v", u)
	}
}

func testStagingRemove(t *testing.T, s *s3.Staging) {
	put := func(key string) {
		t.Helper()
		if _, err := s.Put(t.Context(), key, bytes.NewReader([]byte("x")), preservation.PutOptions{Size: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 25 {
		put(fmt.Sprintf("job/1/%d", i))
	}
	put("job/10/0")
	for range 2 {
		if err := s.Remove(t.Context(), "job/1/0"); err != nil {
			t.Fatal(err)
		}
	}
	count := func(prefix string) (n int) {
		t.Helper()
		for _, err := range s.List(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	if n := count("job/1/"); n != 24 {
		t.Errorf("%d objects, want 24", n)
	}
	for range 2 {
		if err := s.RemoveAll(t.Context(), "job/1/"); err != nil {
			t.Fatal(err)
		}
	}
	if n := count("job/"); n != 1 {
		t.Errorf("%d objects, want 1", n)
	}
	if err := s.RemoveAll(t.Context(), ""); err == nil {
		t.Error("removing everything: no error")
	}
}

// testStagingUnfinished finds what a crash in the middle of an upload leaves, and
// removes it.
func testStagingUnfinished(t *testing.T, c *s3.Client, s *s3.Staging) {
	core := minio.Core{Client: c.API()}
	begin := time.Now().Add(-2 * time.Second)
	part := bytes.Repeat([]byte("x"), 5<<20)
	want := map[string]int64{"cut/1/000001": 2 * 5 << 20, "cut/1/000002": 0, "cut/2/000001": 5 << 20}
	for key, size := range want {
		id, err := core.NewMultipartUpload(t.Context(), s.Name(), key, minio.PutObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; size > 0; n++ {
			if _, err := core.PutObjectPart(t.Context(), s.Name(), key, id, n, bytes.NewReader(part), int64(len(part)), minio.PutObjectPartOptions{}); err != nil {
				t.Fatal(err)
			}
			size -= int64(len(part))
		}
	}
	unfinished := func() map[string]int64 {
		t.Helper()
		found := map[string]int64{}
		for o, err := range s.Unfinished(t.Context(), "cut/") {
			if err != nil {
				t.Fatal(err)
			}
			if o.Modified.Before(begin) || o.Modified.After(time.Now().Add(2*time.Second)) {
				t.Errorf("%s of %s", o.Key, o.Modified)
			}
			found[o.Key] = o.Size
		}
		return found
	}
	if found := unfinished(); !maps.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
	if err := s.RemoveAll(t.Context(), "cut/1/"); err != nil {
		t.Fatal(err)
	}
	if found := unfinished(); !maps.Equal(found, map[string]int64{"cut/2/000001": 5 << 20}) {
		t.Errorf("found %v after the first were removed", found)
	}
	if err := s.RemoveAll(t.Context(), "cut/2/"); err != nil {
		t.Fatal(err)
	}
}

// testStagingMemory uploads more than could be buffered unnoticed.
func testStagingMemory(t *testing.T, s *s3.Staging) {
	if testing.Short() {
		t.Skip("large upload")
	}
	const size = 200 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	peak := make(chan uint64)
	done := make(chan struct{})
	go func() {
		var most uint64
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-done:
				peak <- most
				return
			case <-tick.C:
				runtime.ReadMemStats(&after)
				if after.HeapAlloc > before.HeapAlloc {
					most = max(most, after.HeapAlloc-before.HeapAlloc)
				}
			}
		}
	}()
	o, err := s.Put(t.Context(), "large", io.LimitReader(zeros{}, size), preservation.PutOptions{Size: -1})
	close(done)
	if most := <-peak; most > 40<<20 {
		t.Errorf("took %d MiB of memory", most>>20)
	}
	if err != nil || o.Size != size {
		t.Errorf("put: %+v, %v", o, err)
	}
	if err := s.Remove(t.Context(), "large"); err != nil {
		t.Error(err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
