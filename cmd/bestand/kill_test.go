package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// killVariable names in the environment the step after which serveUntil dies.
const killVariable = "BESTAND_TEST_KILL"

// serveUntil is serve, but the process kills itself at a boundary between two
// steps of the pipeline, or of a destruction.
func serveUntil(ctx context.Context, step string, args []string) error {
	cfg, err := loadConfig(flags("serve", os.Stderr), args)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}
	a, err := open(ctx, cfg, newLog(cfg, os.Stderr))
	if err != nil {
		return err
	}
	s, err := a.assemble(ctx)
	if err != nil {
		return err
	}
	s.pipeline.Boundary = func(name string) error {
		if name == step {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}
	s.disposer.Boundary = s.pipeline.Boundary
	if err := a.firstStart(ctx, os.Stdout); err != nil {
		return err
	}
	return s.run(ctx, listener, time.Now())
}

// boundaries are the steps of ingest.Pipeline, in order.
var boundaries = []string{"fetch", "scan", "identify", "validate", "convert", "check", "seal", "digest", "package", "freeze",
	"thaw", "store", "commit", "receipt"}

// endLeases lets the minute pass after which the jobs of a dead process are
// taken over.
func (in *installation) endLeases(t *testing.T) {
	t.Helper()
	in.change(t, `UPDATE job SET lease_ms = 0 WHERE state = 'running'`)
}

// TestKilledAtBoundaries kills the service after every step of the pipeline and
// wants each record to be there once all the same.
func TestKilledAtBoundaries(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the service 30 times")
	}
	converters(t)
	t.Parallel()
	for steps := range slices.Chunk(boundaries, 5) {
		t.Run(steps[0], func(t *testing.T) {
			t.Parallel()
			in := install(t).serve(t)
			in.stop(t)
			for _, step := range steps {
				in.killAt(t, step)
			}
			in.serve(t)
			for _, step := range steps {
				in.admin(t).once(step)
			}
			if records := in.audit(t); len(records) != len(steps) {
				t.Errorf("%d records, want %d", len(records), len(steps))
			}
		})
	}
}

// killAt has the service die at a boundary while it works on a delivery, and go
// on at the next start. The service is stopped before and after.
func (in *installation) killAt(t *testing.T, step string) {
	t.Helper()
	metadata, files := about(step, "63.10", "Vermerk "+step), []sent{file("daten.bin", blob(step))}
	if step == "convert" || step == "seal" { // with something to convert and to seal
		files = append(files, file("Vermerk.txt", "Ein Vermerk über "+step))
	}
	in.env = []string{killVariable + "=" + step}
	in.serve(t).admin(t).trySend(metadata, files...) // it may die before it has answered
	if code := in.wait(t, time.Minute); code != -1 {
		t.Fatalf("%s: exit code %d, want death by signal", step, code)
	}
	in.env = nil
	in.endLeases(t)
	c := in.serve(t).admin(t)
	if s := c.await(c.again(metadata, files...).ID); s.Status != "archived" {
		t.Errorf("%s: %+v", step, s)
	}
	in.stop(t)
}

// once wants the record of a step to be found, intact, and told of once.
func (c *caller) once(step string) {
	c.Helper()
	var found []string
	eventually(c.T, "the index finds what was killed at "+step, func() bool {
		found = c.find(`"Vermerk ` + step + `"`)
		return len(found) > 0
	})
	if len(found) != 1 {
		c.Errorf("%s: found %v", step, found)
	}
	c.verified(found[0])
	count := map[string]int{}
	for _, e := range c.events(found[0]) {
		count[string(e.Type)]++
	}
	for _, once := range []string{"ingestion start", "fixity check", "virus check", "information package creation", "ingestion end"} {
		if count[once] != 1 {
			c.Errorf("%s: %d events %q, want one", step, count[once], once)
		}
	}
}

// TestKilledAnytime kills the service and its object store at moments of no
// meaning while deliveries come, and wants everything that was accepted to be
// archived once.
func TestKilledAnytime(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the service 9 times")
	}
	t.Parallel()
	in := install(t)
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	const rounds, each = 8, 4
	delivered := func(id string, n int) sent {
		if n%each == 0 { // large enough to come in parts
			return sent{"gross.bin", func() io.Reader { return noise(byte(n), 20<<20) }}
		}
		return file("daten.bin", blob(id))
	}
	var mu sync.Mutex
	accepted := map[string]bool{}
	for round := range rounds {
		in.serve(t)
		c := in.admin(t)
		var senders sync.WaitGroup
		for i := range each {
			n := round*each + i
			senders.Go(func() {
				id := fmt.Sprint("any-", n)
				r, err := c.trySend(about(id, "63.10", "Eingang "+id), delivered(id, n))
				if err == nil && r.StatusCode == 202 {
					mu.Lock()
					accepted[id] = true
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond)
		if round%4 == 3 {
			in.killStore(t)
			time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
		}
		in.kill(t)
		senders.Wait()
		in.endLeases(t)
	}
	in.serve(t)
	c := in.admin(t)
	before := len(accepted)
	var known []status
	for n := range rounds * each {
		// What was accepted is known, the rest is taken now.
		id := fmt.Sprint("any-", n)
		r := c.send(about(id, "63.10", "Eingang "+id), delivered(id, n))
		if accepted[id] && r.StatusCode != 200 {
			t.Errorf("%s was accepted and is not known any more: %d %s", id, r.StatusCode, r.body)
		}
		var s status
		r.decode(t, &s)
		known = append(known, s)
	}
	for _, s := range known {
		if s = c.await(s.ID); s.Status != "archived" {
			t.Errorf("%+v", s)
			continue
		}
		c.verified(s.RecordID)
	}
	t.Logf("%d of %d had been accepted when the service was killed", before, rounds*each)
	in.sweep(t) // of deliveries that were cut off before they were accepted
	if records := in.audit(t); len(records) != rounds*each {
		t.Errorf("%d records, want %d", len(records), rounds*each)
	}
}

// TestStoreKilled kills the object store under a running service, which starts
// it again; senders see nothing but a refusal that they can repeat.
func TestStoreKilled(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	c := in.admin(t)
	var senders sync.WaitGroup
	var mu sync.Mutex
	var ids []string
	stop := make(chan struct{})
	for i := range 4 {
		senders.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("store-%d-%d", i, n)
				s := c.again(about(id, "63.10", "Eingang "+id), file("daten.bin", blob(id)))
				mu.Lock()
				ids = append(ids, s.ID)
				mu.Unlock()
			}
		})
	}
	for range 3 {
		time.Sleep(400 * time.Millisecond)
		in.killStore(t)
		eventually(t, "the store is back", func() bool { return c.get("/readyz").StatusCode == 200 })
	}
	close(stop)
	senders.Wait()
	if len(ids) < 8 {
		t.Errorf("only %d deliveries", len(ids))
	}
	for _, id := range ids {
		if s := c.await(id); s.Status != "archived" {
			t.Errorf("%+v", s)
		}
	}
	if records := in.audit(t); len(records) != len(ids) {
		t.Errorf("%d records, want %d", len(records), len(ids))
	}
}

// TestStopped stops the service in the middle of its work. It ends well, and
// goes on at the next start without waiting for a lease.
func TestStopped(t *testing.T) {
	converters(t)
	t.Parallel()
	in := install(t).serve(t)
	c := in.admin(t)
	var subs []string
	for i := range 3 {
		subs = append(subs, c.send(about(fmt.Sprint("stop-", i), "63.10", "Antrag"), fromDisk(t, "../../testdata/samples/bauakte/bauantrag.docx")).accepted(t))
	}
	eventually(t, "the work has begun", func() bool {
		var s status
		c.get("/v1/submissions/"+subs[0]).decode(t, &s)
		return s.Status == "processing"
	})
	in.stop(t)
	if errors := in.log.count(`"level":"ERROR"`); errors > 0 {
		t.Errorf("%d errors in the log:\n%s", errors, in.log.tail(20))
	}
	in.serve(t)
	c = in.admin(t)
	begin := time.Now()
	for _, id := range subs {
		if s := c.await(id); s.Status != "archived" {
			t.Errorf("%+v", s)
		}
	}
	if took := time.Since(begin); took > 50*time.Second {
		t.Errorf("went on only after %s", took)
	}
	if records := in.audit(t); len(records) != len(subs) {
		t.Errorf("%d records, want %d", len(records), len(subs))
	}
}

// again sends a delivery until it is accepted or known.
func (c *caller) again(metadata map[string]any, files ...sent) (s status) {
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		r, err := c.trySend(metadata, files...)
		switch {
		case err == nil && (r.StatusCode == 200 || r.StatusCode == 202):
			r.decode(c.T, &s)
			return s
		case err != nil, r.StatusCode < 500, time.Now().After(end):
			c.Errorf("send again: %v %s", err, r.body)
			return s
		}
	}
}

// killStore kills the object store of the service.
func (in *installation) killStore(t *testing.T) {
	t.Helper()
	// One that is being started again already has another number.
	if err := syscall.Kill(int(in.log.store.Load()), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Error(err)
	}
}

// blob is a small file of no known format.
func blob(seed string) string { return "\x01\x9b\x00" + strings.Repeat(seed+"|", 50) }
