package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bestand/preservation/objectstore"
	"bestand/preservation/s3"
)

// serverPackage is the program that the child runs.
const serverPackage = "bestand/preservation/storetest/server"

// Embedded starts an embedded object store in a temporary folder and stops it
// when the test ends. The options may be changed before the start; its log goes
// to the test's log from level Warn on.
func Embedded(t testing.TB, change ...func(*objectstore.Options)) *objectstore.Server {
	t.Helper()
	program, err := serverProgram()
	if err != nil {
		t.Fatal(err)
	}
	o := objectstore.Options{
		Dir:     t.TempDir(),
		Command: []string{program},
		Reserve: -1,
		Log:     slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, f := range change {
		f(&o)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	srv, err := objectstore.Supervise(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := srv.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// Client is a connection to a server.
func Client(t testing.TB, srv *objectstore.Server) *s3.Client {
	t.Helper()
	access, secret := srv.Credentials()
	c, err := s3.Dial(s3.Config{Endpoint: srv.Endpoint(), AccessKey: access, SecretKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Bucket is an empty bucket in an embedded server of its own.
func Bucket(t testing.TB) *s3.Bucket {
	t.Helper()
	return OwnSite(t).Bucket
}

// Site is a bucket that a test can reach behind the archive's back.
type Site struct {
	Bucket *s3.Bucket
	Server *objectstore.Server // its own
	Dir    string              // with the files of its objects, under their keys
}

// OwnSite is an empty bucket with its server.
func OwnSite(t testing.TB) (s Site) {
	t.Helper()
	const name = "tenant-musterstadt"
	s.Server = Embedded(t, func(o *objectstore.Options) { s.Dir = filepath.Join(o.Dir, "objects", name) })
	var err error
	if s.Bucket, err = Client(t, s.Server).Bucket(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return s
}

// serverProgram builds the child's program.
var serverProgram = sync.OnceValues(func() (string, error) {
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("storetest needs the go tool: %w", err)
	}
	// Separate per user and checkout: others may test theirs at the same time.
	name := fmt.Sprintf("bestand-storetest-%d-%x", os.Getuid(), sha256.Sum256(mod))[:40]
	dir := filepath.Join(os.TempDir(), name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", err
	}
	program := filepath.Join(dir, "server")
	build := exec.Command("go", "build", "-o", program, serverPackage)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", serverPackage, err, strings.TrimSpace(string(out)))
	}
	return program, nil
})
