package catalog_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

func TestMain(m *testing.M) {
	if u := os.Getenv(writerEnv); u != "" {
		write(u) // until it is killed
	}
	code := m.Run()
	if cluster.stop != nil {
		cluster.stop()
	}
	os.Exit(code)
}

// fixture is an empty catalog with two tenants on one of the databases.
type fixture struct {
	*catalog.DB
	url    string
	clock  *clock
	tenant *catalog.Tenant // musterstadt
	other  *catalog.Tenant // beispielhausen
}

// each runs a test on every database that can be had.
func each(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) { test(t, open(t, dialect)) })
	}
}

func open(t testing.TB, dialect string) *fixture {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	f := &fixture{url: newDatabase(t, dialect), clock: c}
	f.DB = reopen(t, f)
	for _, id := range []preservation.TenantID{"musterstadt", "beispielhausen"} {
		if err := f.CreateTenant(t.Context(), catalog.TenantInfo{ID: id, Name: string(id)}, "test"); err != nil {
			t.Fatal(err)
		}
	}
	f.tenant, f.other = f.Tenant("musterstadt"), f.Tenant("beispielhausen")
	return f
}

// reopen opens the database of a fixture once more.
func reopen(t testing.TB, f *fixture) *catalog.DB {
	t.Helper()
	db, err := catalog.Open(t.Context(), catalog.Config{URL: f.url, Now: f.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// raw gives SQL access behind the catalog's back.
func raw(t testing.TB, f *fixture) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", f.url
	if path, ok := strings.CutPrefix(f.url, "sqlite:"); ok {
		driver, dsn = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newDatabase returns the URL of an empty database.
func newDatabase(t testing.TB, dialect string) string {
	t.Helper()
	if dialect == "sqlite" {
		return "sqlite:" + filepath.Join(t.TempDir(), "catalog.db")
	}
	server, err := postgresServer()
	if errors.Is(err, errNoPostgres) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	admin, err := sql.Open("pgx", server.String())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	name := fmt.Sprintf("bestand_test_%d_%d", os.Getpid(), databases.Add(1))
	if _, err := admin.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		admin, err := sql.Open("pgx", server.String())
		if err == nil {
			_, err = admin.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
			admin.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
	u := *server
	u.Path = "/" + name
	return u.String()
}

var databases atomic.Int64

// cluster is the PostgreSQL that the test binary started.
var cluster struct{ stop func() }

// postgresServer is the server named by BESTAND_TEST_POSTGRES, or else one of
// our own, started at the first use and stopped by TestMain.
var postgresServer = sync.OnceValues(func() (*url.URL, error) {
	if s := os.Getenv("BESTAND_TEST_POSTGRES"); s != "" {
		return url.Parse(s)
	}
	bin, err := postgresBinaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bestand-pg-")
	if err != nil {
		return nil, err
	}
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return nil, err
		}
	}
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir = dir
		c.SysProcAttr = &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGQUIT}
		return c
	}
	data := filepath.Join(dir, "data")
	// A German collation, as a municipality's server may have it: nothing may rely on byte order.
	out, err := command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8",
		"--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=de-DE").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	server := command("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=400")
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	cluster.stop = func() {
		server.Process.Signal(syscall.SIGQUIT)
		server.Wait()
		log.Close()
		os.RemoveAll(dir)
	}
	u := &url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: "host=" + url.QueryEscape(dir)}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		db, err := sql.Open("pgx", u.String())
		if err != nil {
			return nil, err
		}
		err = db.Ping()
		db.Close()
		if err == nil {
			return u, nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("postgres does not start: %w\n%s", err, text)
		}
	}
})

var errNoPostgres = errors.New("no PostgreSQL on this machine: install the package postgresql, or set BESTAND_TEST_POSTGRES=postgres://… to a server where databases may be created")

// postgresBinaries is the folder of initdb and postgres, which Debian does not
// put into the path.
func postgresBinaries() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		p, err = filepath.EvalSymlinks(p)
		return filepath.Dir(p), err
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	best, version := "", 0
	for _, p := range found {
		dir := filepath.Dir(p)
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(dir))); err == nil && v > version {
			best, version = dir, v
		}
	}
	if best == "" {
		return "", errNoPostgres
	}
	return best, nil
}

// unprivileged is whom the server runs as: PostgreSQL refuses root.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("PostgreSQL refuses to run as root, and there is no user postgres or nobody")
}
