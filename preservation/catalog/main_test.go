package catalog_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/catalog/catalogtest"
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
	if errors.Is(err, catalogtest.ErrNoPostgres) {
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
	server, err := catalogtest.Start()
	if err != nil {
		return nil, err
	}
	cluster.stop = server.Stop
	return server.URL, nil
})

// before is a catalog of a release whose newest migration had this number, with a tenant;
// reopen takes it over.
func before(t *testing.T, dialect string, migration int64) (*fixture, *sql.DB) {
	t.Helper()
	f := &fixture{url: newDatabase(t, dialect), clock: &clock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}}
	db := raw(t, f)
	p, err := goose.NewProvider(map[string]goose.Dialect{"sqlite": goose.DialectSQLite3, "postgres": goose.DialectPostgres}[dialect], db, os.DirFS("migrations/"+dialect))
	must(t, err)
	_, err = p.UpTo(t.Context(), migration)
	must(t, err)
	_, err = db.Exec(`INSERT INTO tenant (id, name, created_ms) VALUES ('musterstadt', 'M', 0)`)
	must(t, err)
	return f, db
}
