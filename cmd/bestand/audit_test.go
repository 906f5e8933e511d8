package main

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// firstTenant is the one that a new installation begins with.
const firstTenant = preservation.TenantID("musterstadt")

// opened is a stopped installation, opened by the test as a command would.
func (in *installation) opened(t *testing.T) *archive {
	t.Helper()
	set := flags("audit", t.Output())
	cfg, err := loadConfig(set, append([]string{"--data", in.dir}, in.flags...))
	if err != nil {
		t.Fatal(err)
	}
	a, err := open(t.Context(), cfg, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// audit stops an installation and holds the bucket against the catalog: every
// object once, every record with one package of each version and one receipt of
// each, every object of a record known with the digest it has, nothing left in
// staging and no job given up. It returns the records. What more is to be looked at
// gets the opened installation.
func (in *installation) audit(t *testing.T, more ...func(*archive)) []catalog.Entry {
	t.Helper()
	in.stagingEmpty(t)
	if in.cmd != nil {
		in.stop(t)
	}
	a := in.opened(t)
	defer func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	}()
	bucket, err := a.bucket(t.Context(), firstTenant)
	if err != nil {
		t.Fatal(err)
	}
	tenant := a.catalog.Tenant(firstTenant)

	stored := map[string]preservation.Object{}
	for o, err := range bucket.Versions(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := stored[o.Key]; twice || o.Marker {
			t.Errorf("%s has more than one version", o.Key)
		}
		if o, err = bucket.Stat(t.Context(), o.Key, o.VersionID); err != nil {
			t.Fatal(err)
		}
		if o.Lock.Mode == preservation.Unlocked || o.Lock.Until.IsZero() {
			t.Errorf("%s is not locked", o.Key)
		}
		stored[o.Key] = o
	}
	records, _, err := tenant.Records(t.Context(), catalog.RecordFilter{}, "", "", 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		objects, err := tenant.Objects(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[string]int{}
		for _, o := range objects {
			kinds[o.Kind]++
			have, ok := stored[o.Key]
			if !ok || have.VersionID != o.VersionID || have.Size != o.Size {
				t.Errorf("%s: the catalog knows %+v, the bucket has %+v", o.Key, o, have)
				continue
			}
			delete(stored, o.Key)
			body, err := bucket.Open(t.Context(), o.Key, o.VersionID, 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			_, err = io.Copy(h, body)
			body.Close()
			if sum := hex.EncodeToString(h.Sum(nil)); err != nil || sum != o.SHA256 {
				t.Errorf("%s: SHA-256 %s, the catalog knows %s: %v", o.Key, sum, o.SHA256, err)
			}
		}
		if kinds["package"] != r.Version || kinds["event"] < r.Version {
			t.Errorf("record %s has %d versions, %d packages and %d events in the bucket", r.ID, r.Version, kinds["package"], kinds["event"])
		}
		sub, err := tenant.Submission(t.Context(), r.Submission)
		if err != nil || sub.Status != catalog.Archived || sub.Receipt == "" {
			t.Errorf("record %s: submission is %s: %v", r.ID, sub.Status, err)
		}
	}
	for key := range stored {
		if strings.HasPrefix(key, "aip/") || strings.HasPrefix(key, "evt/") && !in.proof[key] {
			t.Errorf("%s: the catalog does not know it", key)
		}
	}
	dead, err := tenant.DeadJobs(t.Context(), 100)
	if err != nil || len(dead) > 0 {
		t.Errorf("jobs given up: %+v %v", dead, err)
	}
	if bad, err := tenant.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	} else {
		for _, f := range bad {
			if f.Severity == preservation.Failed {
				t.Errorf("audit log: %+v", f)
			}
		}
	}
	for _, look := range more {
		look(a)
	}
	return records
}

// staged lists the files below the object store that hold staged bytes, parts of
// uploads that were never completed among them.
func (in *installation) staged(t *testing.T) (files []string) {
	t.Helper()
	root := filepath.Join(in.dir, "objects", "objects", "bestand-staging")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) && path != root {
			return nil // removed while looking
		}
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// stagingEmpty wants nothing to be left of any delivery.
func (in *installation) stagingEmpty(t *testing.T) {
	t.Helper()
	var left []string
	least := math.MaxInt
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if left = in.staged(t); len(left) == 0 {
			return
		}
		if len(left) < least { // very many take longer
			least, end = len(left), time.Now().Add(30*time.Second)
		}
	}
	t.Errorf("%d files left in staging: %q", len(left), left[:min(len(left), 10)])
}

// sweep lets a day pass for what lies in staging and has the service look for
// what nobody will ask for.
func (in *installation) sweep(t *testing.T) {
	t.Helper()
	yesterday := time.Now().Add(-25 * time.Hour)
	for _, path := range in.staged(t) {
		for _, p := range []string{path, filepath.Dir(path)} { // an upload is as old as its folder
			if err := os.Chtimes(p, yesterday, yesterday); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
	in.enqueue(t, "sweep")
}

// change changes the catalog behind the program's back.
func (in *installation) change(t *testing.T, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=busy_timeout(10000)", filepath.Join(in.dir, "catalog.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// query reads one value from the catalog behind the program's back.
func (in *installation) query(t *testing.T, query string, args []any, value any) {
	t.Helper()
	db, err := sql.Open("sqlite", fmt.Sprintf("file:%s?_pragma=busy_timeout(10000)", filepath.Join(in.dir, "catalog.db")))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// text asks the catalog for a text.
func (in *installation) text(t *testing.T, query string, args ...any) (s string) {
	t.Helper()
	in.query(t, query, args, &s)
	return s
}

// object is the file in which the object store keeps an object of the first tenant.
func (in *installation) object(key string) string {
	return filepath.Join(in.dir, "objects", "objects", "bestand-"+string(firstTenant), filepath.FromSlash(key))
}

// keys lists the objects of the first tenant below a prefix that is a folder.
func (in *installation) keys(t *testing.T, prefix string) (keys []string) {
	t.Helper()
	entries, err := os.ReadDir(in.object(prefix))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		keys = append(keys, prefix+e.Name())
	}
	return keys
}

// issue makes a token with the command for operators, beside the running service.
func (in *installation) issue(t *testing.T, tenant, actor string, roles ...string) *caller {
	t.Helper()
	args := []string{"token", "create", "--data", in.dir, "--tenant", tenant, "--actor", actor, "--roles", strings.Join(roles, ",")}
	out, complaint, code := program(t, append(args, in.flags...)...)
	if code != 0 {
		t.Fatalf("token create: %s", complaint)
	}
	return &caller{T: t, url: in.url, token: strings.TrimSpace(out)}
}

// enqueue asks the running program for a job now that a schedule would bring,
// and waits until it is done.
func (in *installation) enqueue(t *testing.T, kind string) {
	t.Helper()
	in.enqueueFor(t, firstTenant, kind)
}

func (in *installation) enqueueFor(t *testing.T, id preservation.TenantID, kind string) {
	t.Helper()
	cfg, err := loadConfig(flags("enqueue", t.Output()), append([]string{"--data", in.dir}, in.flags...))
	if err != nil {
		t.Fatal(err)
	}
	db, err := catalog.Open(t.Context(), catalog.Config{URL: cfg.catalogURL()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tenant := db.Tenant(id)
	if err := tenant.Enqueue(t.Context(), catalog.Job{Kind: kind, Key: "test"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "job "+kind, func() bool {
		j, err := tenant.JobOf(t.Context(), kind, "test")
		if err == nil && j.Dead {
			t.Fatalf("job %s: %s", kind, j.Error)
		}
		return errors.Is(err, catalog.ErrNotFound) || err == nil && j.RunAt.After(db.Now()) // it waits for a later time by its own wish
	})
}
