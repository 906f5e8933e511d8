package catalog_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// down wants an error that names the catalog as what is away.
func down(t *testing.T, err error) {
	t.Helper()
	var o *preservation.Outage
	if !errors.As(err, &o) || o.Part != preservation.PartCatalog || !errors.Is(err, preservation.ErrUnavailable) {
		t.Errorf("%v, want an outage of the catalog", err)
	}
}

// TestFilesGone: nothing is acknowledged while the files of the database are not
// those that were opened, and everything is when they are back.
func TestFilesGone(t *testing.T) {
	for _, end := range []string{"", "-wal"} {
		f := open(t, "sqlite")
		path := strings.TrimPrefix(f.url, "sqlite:") + end
		must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "before"}))
		must(t, os.Rename(path, path+".away"))
		down(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "gone"}))
		down(t, f.Ping(t.Context()))
		must(t, os.WriteFile(path, nil, 0o600))
		down(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "replaced"}))
		must(t, os.Rename(path+".away", path))
		must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "back"}))
		must(t, f.Ping(t.Context()))
		for key, want := range map[string]bool{"before": true, "gone": false, "replaced": false, "back": true} {
			if _, err := f.tenant.JobOf(t.Context(), "a", key); (err == nil) != want {
				t.Errorf("%q: job %s: %v", end, key, err)
			}
		}
	}
}

// TestDamaged: a page that is no page is an outage, not a lack of rows.
func TestDamaged(t *testing.T) {
	f := open(t, "sqlite")
	must(t, f.Truncate(t.Context())) // everything is in the file
	must(t, f.Close())
	path := strings.TrimPrefix(f.url, "sqlite:")
	content, err := os.ReadFile(path)
	must(t, err)
	db := reopen(t, f)
	for i := 4096; i < len(content); i++ {
		content[i] = 0xA5
	}
	must(t, os.WriteFile(path, content, 0o600))
	_, err = db.Tenant("musterstadt").Submissions(t.Context(), catalog.SubmissionFilter{}, "", 10)
	if err == nil {
		_, err = db.Tenants(t.Context())
	}
	down(t, err)
}

// TestLocked: another program that holds the database is waited for, and then
// it is an outage.
func TestLocked(t *testing.T) {
	t.Parallel()
	f := open(t, "sqlite")
	other := raw(t, f)
	conn, err := other.Conn(t.Context())
	must(t, err)
	_, err = conn.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
	must(t, err)
	begin := time.Now()
	down(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "1"}))
	if took := time.Since(begin); took > 25*time.Second {
		t.Errorf("known after %s", took)
	}
	_, err = f.Tenants(t.Context()) // readers do not wait
	must(t, err)
	_, err = conn.ExecContext(t.Context(), `ROLLBACK`)
	must(t, err)
	must(t, conn.Close())
	must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "1"}))
}

// wire is a proxy before PostgreSQL that breaks connections off.
type wire struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	before bool // at a commit, before the server has seen it
	after  bool // at a commit, before the client has seen the answer
	deaf   bool // nothing passes any more
	open   []net.Conn
}

func newWire(t *testing.T, socket string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &wire{listener: l, target: socket}
	t.Cleanup(func() { l.Close(); w.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("unix", socket)
			if err != nil {
				c.Close()
				continue
			}
			w.mu.Lock()
			w.open = append(w.open, c, s)
			w.mu.Unlock()
			lost := new(atomic.Bool)
			go w.pass(c, s, lost, true)
			go w.pass(s, c, lost, false)
		}
	}()
	return w
}

func (w *wire) set(before, after, deaf bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before, w.after, w.deaf = before, after, deaf
}

// cut breaks all connections off.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		c.Close()
	}
	w.open = nil
}

// pass hands on what one side says; what comes back is lost once that is set.
func (w *wire) pass(from, to net.Conn, lost *atomic.Bool, client bool) {
	defer from.Close()
	defer to.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		w.mu.Lock()
		before, after, deaf := w.before, w.after, w.deaf
		w.mu.Unlock()
		commit := client && strings.Contains(strings.ToLower(string(b[:n])), "commit")
		if commit && before {
			return
		}
		if commit && after {
			lost.Store(true)
		}
		if deaf || !client && lost.Load() {
			if err != nil {
				return
			}
			continue
		}
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if commit && after {
			time.Sleep(300 * time.Millisecond) // the server does it
			return
		}
		if err != nil {
			return
		}
	}
}

// TestConnectionBreaks: what became of a commit whose answer was lost is not
// known, everything else did not happen; both are an outage, and the next try
// succeeds by itself.
func TestConnectionBreaks(t *testing.T) {
	f := open(t, "postgres")
	u, err := url.Parse(f.url)
	must(t, err)
	sockets, err := filepath.Glob(filepath.Join(u.Query().Get("host"), ".s.PGSQL.*[0-9]"))
	if err != nil || len(sockets) == 0 {
		t.Skip("the server has no socket here")
	}
	w := newWire(t, sockets[0])
	u.Host, u.RawQuery = w.listener.Addr().String(), "sslmode=disable"
	db, err := catalog.Open(t.Context(), catalog.Config{URL: u.String(), Now: f.clock.Now})
	must(t, err)
	t.Cleanup(func() { db.Close() })
	tenant := db.Tenant("musterstadt")
	there := func(key string) bool {
		_, err := f.tenant.JobOf(t.Context(), "a", key)
		return err == nil
	}

	w.set(true, false, false)
	down(t, tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "before"}))
	w.set(false, true, false)
	down(t, tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "after"}))
	w.set(false, false, false)
	if there("before") || !there("after") {
		t.Errorf("cut before the commit: there %t; after it: there %t", there("before"), there("after"))
	}
	must(t, tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "before"}))
	if !there("before") {
		t.Error("not there after another try")
	}

	// A server that no longer answers: the caller's own patience counts too.
	w.set(false, false, true)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := db.Ping(ctx); err == nil {
		t.Error("a deaf server answers")
	}
	w.cut()
	w.set(false, false, false)
	must(t, db.Ping(t.Context()))

	// A server that ends in the middle of a transaction.
	admin, err := sql.Open("pgx", f.url)
	must(t, err)
	defer admin.Close()
	err = tenant.Update(t.Context(), func(x *catalog.Tx) error {
		if err := x.Enqueue(catalog.Job{Kind: "a", Key: "ended"}); err != nil {
			return err
		}
		if _, err := admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction'`); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
		return x.Enqueue(catalog.Job{Kind: "a", Key: "ended too"})
	})
	down(t, err)
	if there("ended") || there("ended too") {
		t.Error("half of a transaction remains")
	}
	must(t, tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "ended"}))
}

// TestJobWaits: a job that a part of the archive makes impossible never becomes a
// dead letter.
func TestJobWaits(t *testing.T) {
	f := open(t, "sqlite")
	must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "a", Key: "1"}))
	tries := make(chan struct{}, 1000)
	run(t, &catalog.Pool{DB: f.DB, Workers: 1, Handlers: map[string]catalog.Handler{
		"a": func(context.Context, *catalog.Tenant, catalog.Job) error {
			tries <- struct{}{}
			return preservation.Down(preservation.PartStore, errors.New("refused"))
		}}})
	for range catalog.MaxAttempts + 5 {
		select {
		case <-tries:
		case <-time.After(20 * time.Second):
			t.Fatal("it is not tried again")
		}
		eventually(t, "it is put off", func() bool {
			j, err := f.tenant.JobOf(t.Context(), "a", "1")
			return err == nil && strings.HasPrefix(j.Error, "the object store is not available") && !j.Dead &&
				j.RunAt.After(f.Now()) && j.RunAt.Sub(f.Now()) <= time.Minute
		})
		f.clock.advance(2 * time.Minute)
		must(t, f.tenant.Enqueue(t.Context(), catalog.Job{Kind: "b", Key: "wakes the pool"}))
	}
	if dead, err := f.tenant.DeadJobs(t.Context(), 10); err != nil || len(dead) > 0 {
		t.Errorf("%+v %v", dead, err)
	}
}
