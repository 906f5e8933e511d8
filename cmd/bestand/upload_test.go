package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// serviceMemory is what the service may have in memory at most, whatever the
// size of a file.
const serviceMemory = 256 << 20

// noise is a stream of n bytes without end or order, the same for each seed.
func noise(seed byte, n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{seed}), n)
}

// TestLargeFile hands over, stores, verifies and fetches one large file while
// the service stays small. TestFaultLarge does so with 5 GiB.
func TestLargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 3 GB")
	}
	t.Parallel()
	largeFile(t, 600<<20)
}

func largeFile(t *testing.T, size int64) {
	in := install(t).serve(t)
	c := in.admin(t)
	h := sha256.New()
	if _, err := io.Copy(h, noise(1, size)); err != nil {
		t.Fatal(err)
	}
	want := hex.EncodeToString(h.Sum(nil))

	begin := time.Now()
	m := about("gross", "63.10", "Große Datei", "files", []any{map[string]any{"name": "gross.bin", "sha256": want}})
	id := c.send(m, sent{"gross.bin", func() io.Reader { return noise(1, size) }}).accepted(t)
	uploaded := time.Since(begin)
	t.Logf("%d MiB taken in within %s, %d MiB in memory at most", size>>20, uploaded.Round(time.Millisecond), in.peak(t)>>20)
	var s status
	for s.Status == "" || s.Status == "received" || s.Status == "processing" {
		time.Sleep(200 * time.Millisecond)
		c.get("/v1/submissions/"+id).want(t, 200).decode(t, &s)
	}
	if s.Status != "archived" {
		t.Fatalf("%+v", s)
	}
	t.Logf("archived after %s, %d MiB at most", time.Since(begin).Round(time.Millisecond), in.peak(t)>>20)
	r := c.record(s.RecordID)
	c.verified(r.ID)
	for path, sum := range map[string]string{"/files/" + string(r.Files[0].ID): want, "/package": r.Package.SHA256} {
		if got := c.sumOf("/v1/records/" + r.ID + path); got != sum {
			t.Errorf("%s has SHA-256 %s, want %s", path, got, sum)
		}
	}
	last := c.get(fmt.Sprintf("/v1/records/%s/files/%s", r.ID, r.Files[0].ID), "Range", "bytes=-4096").want(t, http.StatusPartialContent)
	tail, err := io.ReadAll(io.LimitReader(skip(noise(1, size), size-4096), 4096))
	if err != nil || string(last.body) != string(tail) {
		t.Errorf("the last 4096 bytes differ: %v", err)
	}
	if peak := in.peak(t); peak > serviceMemory {
		t.Errorf("the service took %d MiB, at most %d are wanted", peak>>20, serviceMemory>>20)
	} else {
		t.Logf("verified and fetched, %d MiB at most", peak>>20)
	}
	if records := in.audit(t); len(records) != 1 {
		t.Errorf("%d records", len(records))
	}
}

func skip(r io.Reader, n int64) io.Reader {
	io.CopyN(io.Discard, r, n)
	return r
}

// sumOf fetches bytes without keeping them.
func (c *caller) sumOf(path string) string {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), http.MethodGet, c.url+path, nil)
	if err != nil {
		c.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer resp.Body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, resp.Body); err != nil || resp.StatusCode != 200 {
		c.Errorf("%s: %s %v", path, resp.Status, err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// peak is the most memory that the service has had, in bytes.
func (in *installation) peak(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", in.cmd.Process.Pid))
	if err != nil {
		t.Skip("no /proc to measure with")
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
