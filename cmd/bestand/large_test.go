package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/ingest"
)

// TestFaultLarge takes in what is as large as one submission may be, and wants the
// service to stay small: one file of 5 GiB, 50,000 files in a form, and as many in
// a bag. It needs 30 GB of disk.
func TestFaultLarge(t *testing.T) {
	if os.Getenv("BESTAND_FAULT") != "1" {
		t.Skip("a campaign: set BESTAND_FAULT=1")
	}
	t.Run("one file", func(t *testing.T) { largeFile(t, 5<<30) })
	t.Run("many files", func(t *testing.T) {
		in := install(t).serve(t)
		begin := time.Now()
		in.many(t, begin, in.admin(t).send(about("viele", "63.10", "Viele Dateien"), small(ingest.MaxFiles)...).accepted(t))
	})
	t.Run("bag", func(t *testing.T) {
		in := install(t).serve(t)
		r, w := io.Pipe()
		go func() { w.CloseWithError(bag(w, ingest.MaxFiles-3)) }() // bagit.txt, bag-info.txt and the manifest are files as well
		begin := time.Now()
		body := io.MultiReader(strings.NewReader("--"+boundary+"\r\nContent-Disposition: form-data; name=\"package\"; filename=\"viele.zip\"\r\nContent-Type: application/zip\r\n\r\n"),
			r, strings.NewReader("\r\n--"+boundary+"--\r\n"))
		answer := in.admin(t).do("POST", "/v1/submissions", body, "Content-Type", "multipart/form-data; boundary="+boundary)
		in.many(t, begin, answer.accepted(t))
	})
}

// many waits until a submission of many files is archived and wants all of them,
// and the service to have stayed small.
func (in *installation) many(t *testing.T, begin time.Time, id string) {
	t.Helper()
	t.Logf("accepted within %s, %d MiB in memory at most", time.Since(begin).Round(time.Second), in.peak(t)>>20)
	c := in.admin(t)
	var s status
	for s.Status == "" || s.Status == "received" || s.Status == "processing" {
		time.Sleep(time.Second)
		c.get("/v1/submissions/"+id).want(t, 200).decode(t, &s)
	}
	if s.Status != "archived" {
		t.Fatalf("%s: %.2000v", s.Status, s.Problems)
	}
	peak := in.peak(t)
	t.Logf("archived after %s, %d MiB in memory at most", time.Since(begin).Round(time.Second), peak>>20)
	if peak > serviceMemory {
		t.Errorf("the service took %d MiB, at most %d are wanted", peak>>20, serviceMemory>>20)
	}
	begin = time.Now()
	c.verified(s.RecordID)
	peak = in.peak(t)
	t.Logf("verified within %s, %d MiB in memory at most", time.Since(begin).Round(time.Second), peak>>20)
	if peak > serviceMemory {
		t.Errorf("the service took %d MiB while it verified, at most %d are wanted", peak>>20, serviceMemory>>20)
	}
	if records := in.audit(t); len(records) != 1 {
		t.Errorf("%d records", len(records))
	}
	in.rebuiltBounded(t)
}

// rebuildMemory is what a rebuild may have in memory at most: rebuildHeap, and what is
// not of the heap.
const rebuildMemory = 1536 << 20

// rebuiltBounded makes catalog and index anew, and wants no more memory for that than a rebuild
// may have.
func (in *installation) rebuiltBounded(t *testing.T) {
	t.Helper()
	for _, gone := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm", "index"} {
		if err := os.RemoveAll(filepath.Join(in.dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), self, append([]string{"rebuild", "--data", in.dir}, in.flags...)...)
	cmd.Stdout, cmd.Stderr = &said, &said
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for peak := int64(0); ; {
		peak = max(peak, memoryPeak(cmd.Process.Pid)) // nothing when it has ended
		select {
		case err := <-ended:
			t.Logf("rebuilt within %s, %d MiB in memory at most", time.Since(begin).Round(time.Second), peak>>20)
			if err != nil {
				t.Errorf("rebuild: %v\n%s", err, said.String())
			}
			if peak > rebuildMemory {
				t.Errorf("rebuild took %d MiB, at most %d are wanted", peak>>20, rebuildMemory>>20)
			}
			if records := in.audit(t); len(records) != 1 {
				t.Errorf("%d records after the rebuild", len(records))
			}
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// content is a small file of a format that nobody knows.
func content(i int) string { return fmt.Sprintf("\x00\x01datum %06d\xff\x00", i) }

func small(n int) (files []sent) {
	for i := range n {
		files = append(files, file(fmt.Sprintf("messung-%06d.dat", i), content(i)))
	}
	return files
}

// bag writes a BagIt package (RFC 8493) of n files.
func bag(w io.Writer, n int) error {
	z := zip.NewWriter(w)
	add := func(name, text string) error {
		f, err := z.Create("viele/" + name)
		if err == nil {
			_, err = io.WriteString(f, text)
		}
		return err
	}
	if err := add("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"); err != nil {
		return err
	}
	if err := add("bag-info.txt", "Source-Organization: bauamt\nExternal-Identifier: viele\nExternal-Description: Messreihe\nClass: 63.10\n"); err != nil {
		return err
	}
	var manifest strings.Builder
	for i := range n {
		name := fmt.Sprintf("data/messung-%06d.dat", i)
		fmt.Fprintf(&manifest, "%x  %s\n", sha256.Sum256([]byte(content(i))), name)
		if err := add(name, content(i)); err != nil {
			return err
		}
	}
	if err := add("manifest-sha256.txt", manifest.String()); err != nil {
		return err
	}
	return z.Close()
}
