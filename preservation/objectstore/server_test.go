package objectstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/objectstore"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
)

func bucket(t *testing.T, srv *objectstore.Server) *s3.Bucket {
	t.Helper()
	b, err := storetest.Client(t, srv).Bucket(t.Context(), "tenant")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// acknowledged is what a writer was told, by key.
type acknowledged struct {
	mu   sync.Mutex
	seed map[string]uint64
	obj  map[string]preservation.Object
}

// write puts objects of random size until ctx ends, and notes those that were
// acknowledged.
func (a *acknowledged) write(ctx context.Context, store preservation.Store, writer int) {
	for i := 0; ctx.Err() == nil; i++ {
		seed := uint64(writer*1000 + i)
		key := fmt.Sprintf("aip/%02d/%04d", writer, i)
		body := storetest.Body(seed, bodySize(seed))
		o, err := store.Put(ctx, key, bytes.NewReader(body), storetest.Locked(body, time.Hour))
		if err != nil {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		a.mu.Lock()
		a.seed[key], a.obj[key] = seed, o
		a.mu.Unlock()
	}
}

func bodySize(seed uint64) int {
	return rand.New(rand.NewPCG(seed, 1)).IntN(256 << 10)
}

func (a *acknowledged) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.obj)
}

// audit looks every acknowledged object up: bytes, version and lock. And every
// object that is there at all must be locked, also one whose writer never got
// an answer.
func (a *acknowledged) audit(t *testing.T, b *s3.Bucket) {
	t.Helper()
	for key, want := range a.obj {
		body := storetest.Body(a.seed[key], bodySize(a.seed[key]))
		got, err := b.Open(t.Context(), key, want.VersionID, 0, -1)
		if err != nil {
			t.Errorf("acknowledged, but: %v", err)
			continue
		}
		var have bytes.Buffer
		_, err = have.ReadFrom(got)
		got.Close()
		if err != nil || !bytes.Equal(have.Bytes(), body) {
			t.Errorf("%s: bytes differ (%v)", key, err)
		}
	}
	n := 0
	for v, err := range b.Versions(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		have, err := b.Stat(t.Context(), v.Key, v.VersionID)
		if err != nil || have.Lock.Mode != preservation.Compliance || time.Until(have.Lock.Until) < 30*time.Minute {
			t.Errorf("%s is there with lock %+v (%v)", v.Key, have.Lock, err)
		}
	}
	t.Logf("%d acknowledged, %d there", len(a.obj), n)
	if n < len(a.obj) {
		t.Errorf("%d objects, fewer than the %d acknowledged", n, len(a.obj))
	}
}

// TestKill kills the child three times while eight writers put.
func TestKill(t *testing.T) {
	t.Parallel()
	srv := storetest.Embedded(t)
	b := bucket(t, srv)
	a := acknowledged{seed: map[string]uint64{}, obj: map[string]preservation.Object{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() { a.write(ctx, b, w) })
	}
	for kills := range 3 {
		for before := a.count(); a.count() < before+20; {
			time.Sleep(10 * time.Millisecond)
		}
		pid := srv.PID()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for srv.PID() == pid || srv.Restarts() != kills+1 || srv.PID() == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	for before := a.count(); a.count() < before+20; {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	writers.Wait()
	a.audit(t, b)
}

func TestBusy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	storetest.Embedded(t, func(o *objectstore.Options) { o.Dir = dir })
	var second objectstore.Options
	t.Run("options", func(t *testing.T) {
		storetest.Embedded(t, func(o *objectstore.Options) { second = *o; o.Listen = "127.0.0.1:0" }) // the other kind of address
	})
	second.Dir = dir
	if srv, err := objectstore.Supervise(t.Context(), second); !errors.Is(err, objectstore.ErrBusy) {
		t.Errorf("second server on one folder: %v", err)
		if err == nil {
			srv.Stop(t.Context())
		}
	}
}

func TestNoProgram(t *testing.T) {
	t.Parallel()
	for _, command := range [][]string{{"/nowhere/bestand"}, {"/bin/true"}, {"/bin/false"}} {
		srv, err := objectstore.Supervise(t.Context(), objectstore.Options{Dir: t.TempDir(), Command: command})
		if err == nil {
			t.Errorf("%s: no error", command)
			srv.Stop(t.Context())
		}
	}
}

func TestRestartKeepsObjects(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("a long path ", 10)) // too long for a socket
	var o objectstore.Options
	body := []byte("stays")
	for round := range 3 {
		srv := storetest.Embedded(t, func(have *objectstore.Options) { have.Dir = dir; o = *have })
		b := bucket(t, srv)
		_, err := b.Put(t.Context(), "key", bytes.NewReader(body), storetest.Locked(body, time.Hour))
		if round > 0 && !errors.Is(err, preservation.ErrExists) || round == 0 && err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		begin := time.Now()
		if err := srv.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d > 5*time.Second {
			t.Errorf("took %v to stop", d)
		}
		if socket := strings.TrimPrefix(srv.Endpoint(), "unix:"); strings.HasPrefix(socket, os.TempDir()) {
			if _, err := os.Stat(filepath.Dir(socket)); !os.IsNotExist(err) {
				t.Errorf("%s is left: %v", socket, err)
			}
		}
	}
	if len(o.Command) == 0 {
		t.Error("no options seen")
	}
}

// TestParent is not a test: TestParentKilled runs it as a process of its own.
func TestParent(t *testing.T) {
	name := os.Getenv("OBJECTSTORE_TEST_PARENT")
	if name == "" {
		t.Skip("part of TestParentKilled")
	}
	srv := storetest.Embedded(t)
	if err := os.WriteFile(name+".new", []byte(strconv.Itoa(srv.PID())), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
}

// TestParentKilled kills the parent: the child must not outlive it.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "pid")
	parent := exec.Command(os.Args[0], "-test.run=^TestParent$")
	parent.Env = append(os.Environ(), "OBJECTSTORE_TEST_PARENT="+name)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	defer parent.Process.Kill()
	var child int
	for end := time.Now().Add(20 * time.Second); child == 0; time.Sleep(20 * time.Millisecond) {
		if raw, err := os.ReadFile(name); err == nil {
			child, _ = strconv.Atoi(string(raw))
		}
		if time.Now().After(end) {
			t.Fatal("no child")
		}
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	parent.Wait()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("child %d lives on", child)
		}
	}
}
