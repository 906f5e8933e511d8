package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
)

// crowdMemory is what the service may have in memory at most, however many send
// at a time.
const crowdMemory = 400 << 20

// TestClients: whoever sends at the same time gets the answers that they would
// get one after the other. TestFaultClients does so with a thousand of them.
func TestClients(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	for _, row := range crowds {
		t.Run(row.name, func(t *testing.T) { row.run(t, in, min(row.most, 50)) })
	}
	in.audit(t)
}

// TestFaultClients lets every crowd loose on an archive of its own.
func TestFaultClients(t *testing.T) {
	if os.Getenv("BESTAND_FAULT") != "1" {
		t.Skip("BESTAND_FAULT=1 runs the campaigns")
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-44s %7s  %-34s %10s %10s %7s\n", "what", "clients", "answers", "answered", "archived", "VmHWM")
	for _, row := range crowds {
		t.Run(row.name, func(t *testing.T) {
			in := install(t).serve(t)
			r := row.run(t, in, row.most)
			peak := in.peak(t)
			if records := len(in.audit(t)); records != row.records {
				t.Errorf("%d records, %d are wanted", records, row.records)
			}
			fmt.Fprintf(&table, "%-44s %7d  %-34s %10s %10s %3d MiB\n", row.name, row.most, r.answers, r.answered.Round(time.Millisecond), r.archived.Round(time.Millisecond), peak>>20)
		})
	}
	t.Logf("\n%s", table.String())
}

// reception is what became of a crowd.
type reception struct {
	answers            string
	answered, archived time.Duration // from the first request on
}

var crowds = []struct {
	name    string
	most    int // clients, or parts of one submission
	records int // that come of them
	run     func(t *testing.T, in *installation, n int) reception
}{
	{"one identifier, the same bytes", 1000, 1, sameDelivery},
	{"one identifier, other bytes", 1000, 1, otherDeliveries},
	{"an identifier each", 1000, 1000, manyDeliveries},
	{"parts of one submission", 10_000, 1, manyParts},
	{"one resumable upload", 100, 1, sameUpload},
}

// crowd lets n clients act at the same moment and returns their answers.
func crowd(t *testing.T, n int, act func(i int) (reply, error)) (all []reply, took time.Duration) {
	t.Helper()
	all = make([]reply, n)
	faults := make([]error, n)
	begin := make(chan struct{})
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() {
			<-begin
			all[i], faults[i] = act(i)
		})
	}
	start := time.Now()
	close(begin)
	done.Wait()
	took = time.Since(start)
	for i, err := range faults {
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	return all, took
}

// counted counts answers by status.
func counted(all []reply) map[int]int {
	n := map[int]int{}
	for _, r := range all {
		n[r.StatusCode]++
	}
	return n
}

func told(n map[int]int) string {
	var out []string
	for s := range n {
		out = append(out, fmt.Sprintf("%d × %d", n[s], s))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// only returns the one answer of a status.
func only(t *testing.T, all []reply, status int) reply {
	t.Helper()
	i := slices.IndexFunc(all, func(r reply) bool { return r.StatusCode == status })
	if i < 0 {
		t.Fatalf("answers: %s\n%.500s", told(counted(all)), all[0].body)
	}
	return all[i]
}

// sameDelivery: one is told that it was taken, the others that it is here.
func sameDelivery(t *testing.T, in *installation, n int) (o reception) {
	c := in.admin(t)
	begin := time.Now()
	all, took := crowd(t, n, func(int) (reply, error) {
		return c.trySend(about("a", "63.10", "Gleichzeitig", "producer", "same"), file("a.bin", blob("same")))
	})
	id := only(t, all, 202).accepted(t)
	got := counted(all)
	if got[202] != 1 || got[200] != n-1 {
		t.Errorf("answers: %s", told(got))
	}
	for _, r := range all {
		var a struct{ ID string }
		if r.decode(t, &a); a.ID != id {
			t.Errorf("%d %s, the first was %s", r.StatusCode, r.body, id)
		}
	}
	h := c.record(c.settled(id).RecordID)
	o = reception{told(got), took, time.Since(begin)}
	if string(c.bytes(h, h.of(preservation.Original)[0].ID)) != blob("same") {
		t.Error("other bytes came back")
	}
	if submissions := c.ofProducer("same"); submissions != 1 {
		t.Errorf("%d submissions", submissions)
	}
	return o
}

// otherDeliveries: the bytes of one are taken, the others are told of it.
func otherDeliveries(t *testing.T, in *installation, n int) (o reception) {
	c := in.admin(t)
	begin := time.Now()
	all, took := crowd(t, n, func(i int) (reply, error) {
		return c.trySend(about("a", "63.10", "Gleichzeitig", "producer", "other"), file("a.bin", blob(fmt.Sprint("other ", i))))
	})
	first := only(t, all, 202)
	id := first.accepted(t)
	got := counted(all)
	if got[202] != 1 || got[409] != n-1 {
		t.Errorf("answers: %s", told(got))
	}
	winner := -1
	for i, r := range all {
		if r.StatusCode == 202 {
			winner = i
		} else if p := r.refused(t, 409, "source-taken", ""); p.Existing != id {
			t.Errorf("%s is named, %s was taken", p.Existing, id)
		}
	}
	h := c.record(c.settled(id).RecordID)
	o = reception{told(got), took, time.Since(begin)}
	if string(c.bytes(h, h.of(preservation.Original)[0].ID)) != blob(fmt.Sprint("other ", winner)) {
		t.Error("the bytes of another client came back")
	}
	if submissions := c.ofProducer("other"); submissions != 1 {
		t.Errorf("%d submissions", submissions)
	}
	return o
}

// manyDeliveries: each is taken and archived with its own bytes.
func manyDeliveries(t *testing.T, in *installation, n int) (o reception) {
	c := in.admin(t)
	begin := time.Now()
	all, took := crowd(t, n, func(i int) (reply, error) {
		return c.trySend(about(fmt.Sprint("many-", i), "63.10", "Gleichzeitig"), file("a.bin", blob(fmt.Sprint("many ", i))))
	})
	seen := map[string]bool{}
	for i, r := range all {
		s := c.settled(r.accepted(t))
		if seen[s.RecordID] {
			t.Errorf("%s stands for two submissions", s.RecordID)
		}
		seen[s.RecordID] = true
		h := c.record(s.RecordID)
		if string(c.bytes(h, h.of(preservation.Original)[0].ID)) != blob(fmt.Sprint("many ", i)) {
			t.Errorf("submission %d came back with other bytes", i)
		}
	}
	if peak := in.peak(t); peak > crowdMemory {
		t.Errorf("the service took %d MiB, at most %d are wanted", peak>>20, crowdMemory>>20)
	}
	return reception{told(counted(all)), took, time.Since(begin)}
}

// manyParts: a submission of many files, each with its own bytes.
func manyParts(t *testing.T, in *installation, n int) (o reception) {
	c := in.admin(t)
	var parts []sent
	for i := range n {
		parts = append(parts, file(fmt.Sprintf("%05d.bin", i), blob(fmt.Sprint("part ", i))))
	}
	begin := time.Now()
	r := c.send(about("parts", "63.10", "Viele Teile"), parts...)
	took := time.Since(begin)
	taken := in.peak(t)
	h := c.record(c.settled(r.accepted(t)).RecordID)
	archived := in.peak(t)
	o = reception{told(counted([]reply{r})), took, time.Since(begin)}
	got := h.of(preservation.Original)
	if len(got) != n {
		t.Fatalf("%d originals of %d parts", len(got), n)
	}
	for i, f := range got {
		if f.Name != fmt.Sprintf("%05d.bin", i) {
			t.Fatalf("part %d is named %s", i, f.Name)
		}
		if i%97 == 0 && string(c.bytes(h, f.ID)) != blob(fmt.Sprint("part ", i)) {
			t.Errorf("part %d came back with other bytes", i)
		}
	}
	c.verified(h.ID)
	t.Logf("%d MiB at most when it was taken, %d when it was archived, %d when it was verified", taken>>20, archived>>20, in.peak(t)>>20)
	return o
}

// sameUpload: many resume the same upload at once. Whoever is too late is told
// so, and what arrives in the end is what they all sent.
func sameUpload(t *testing.T, in *installation, n int) (o reception) {
	c := in.admin(t)
	content, err := io.ReadAll(noise(7, 8<<20))
	if err != nil {
		t.Fatal(err)
	}
	at := c.do("POST", "/v1/uploads", nil, "Tus-Resumable", "1.0.0", "Upload-Length", fmt.Sprint(len(content)),
		"Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte("a.bin"))).want(t, 201).Header.Get("Location")
	begin := time.Now()
	var mu sync.Mutex
	got := map[int]int{}
	_, took := crowd(t, n, func(int) (reply, error) {
		for end := time.Now().Add(2 * time.Minute); ; {
			head, err := c.request(http.MethodHead, at, nil, "Tus-Resumable", "1.0.0")
			if err != nil {
				return head, err
			}
			var from int
			if _, err := fmt.Sscan(head.Header.Get("Upload-Offset"), &from); head.StatusCode == 200 && (err != nil || from > len(content)) {
				return head, fmt.Errorf("offset %q", head.Header.Get("Upload-Offset"))
			}
			if head.StatusCode == 200 && from == len(content) {
				return head, nil
			}
			if time.Now().After(end) {
				return head, fmt.Errorf("%d bytes have arrived after two minutes", from)
			}
			if head.StatusCode != 200 {
				continue // somebody else is at it
			}
			r, err := c.request(http.MethodPatch, at, bytes.NewReader(content[from:min(len(content), from+1<<20)]), "Tus-Resumable", "1.0.0",
				"Upload-Offset", fmt.Sprint(from), "Content-Type", "application/offset+octet-stream")
			if err == nil {
				mu.Lock()
				got[r.StatusCode]++
				mu.Unlock()
			}
		}
	})
	for s := range got {
		if !slices.Contains([]int{204, 409, 423, 403, 400}, s) {
			t.Errorf("answers: %s", told(got))
		}
	}
	s := c.settled(c.post("/v1/submissions", about("upload", "63.10", "Gleichzeitig", "files", []any{map[string]any{"name": "a.bin", "upload": filepath.Base(at)}})).accepted(t))
	o = reception{told(got), took, time.Since(begin)}
	h := c.record(s.RecordID)
	if !bytes.Equal(c.bytes(h, h.of(preservation.Original)[0].ID), content) {
		t.Error("other bytes came back")
	}
	return o
}

// settled waits as long as a crowd takes and wants the submission archived.
func (c *caller) settled(id string) (s status) {
	c.Helper()
	for end := time.Now().Add(10 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		s = status{}
		c.get("/v1/submissions/"+id).want(c.T, 200).decode(c.T, &s)
		switch {
		case s.Status == "archived":
			return s
		case s.Status != "received" && s.Status != "processing" || time.Now().After(end):
			c.Fatalf("submission is %s: %+v", s.Status, s)
		}
	}
}

// ofProducer counts the submissions of a producer.
func (c *caller) ofProducer(name string) int {
	c.Helper()
	var page struct{ Items []status }
	c.get("/v1/submissions?producer="+name).want(c.T, 200).decode(c.T, &page)
	return len(page.Items)
}
