package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"bestand/ingest"
)

// TestManyFiles: a submission of many files takes no more memory of the service
// than its files' names and digests, and neither its status nor its receipt grows
// with them. TestFaultLarge does so with 50,000 files.
func TestManyFiles(t *testing.T) {
	t.Parallel()
	const n, most, answer = 2000, 224 << 20, 512 << 10
	in := install(t).serve(t)
	c := in.admin(t)
	id := c.send(about("viele", "63.10", "Viele Dateien"), small(n)...).accepted(t)
	s := c.settled(id)
	if peak := in.peak(t); peak > most {
		t.Errorf("the service took %d MiB, at most %d are wanted", peak>>20, most>>20)
	} else {
		t.Logf("%d MiB", peak>>20)
	}
	if body := c.get("/v1/submissions/" + id).body; len(body) > answer || len(s.Steps) > n/10 {
		t.Errorf("the status has %d steps in %d bytes", len(s.Steps), len(body))
	}
	last := s.Problems[len(s.Problems)-1]
	if len(s.Problems) != 1001 || last.Code != ingest.CodeMore || !strings.HasPrefix(last.Detail, fmt.Sprint(n-1000)+" more") {
		t.Errorf("%d findings, the last is %+v", len(s.Problems), last)
	}

	jws := string(c.get("/v1/submissions/"+id+"/receipt").want(t, 200).body)
	if len(jws) > answer {
		t.Errorf("the receipt has %d bytes", len(jws))
	}
	var receipt ingest.Receipt
	if err := json.Unmarshal((&verifier{T: t, ca: filepath.Join(in.dir, "keys", "ca.pem")}).signed(jws), &receipt); err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for i := range n {
		fmt.Fprintf(h, "%x  messung-%06d.dat\x00", sha256.Sum256([]byte(content(i))), i)
	}
	if l := receipt.Records[0].List; l == nil || l.Count != n || l.SHA256 != hex.EncodeToString(h.Sum(nil)) {
		t.Errorf("the receipt lists %+v, wanted is %x", l, h.Sum(nil))
	}

	// Every file is named by an event of each kind.
	named := map[string]int{}
	for _, e := range c.events(s.RecordID) {
		for range e.Files {
			named[string(e.Type)]++
		}
	}
	for _, kind := range []string{"fixity check", "virus check", "format identification", "normalization"} {
		if named[kind] < n {
			t.Errorf("events of kind %q name %d files", kind, named[kind])
		}
	}
	c.verified(s.RecordID)
	in.audit(t)
}
