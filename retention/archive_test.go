package retention

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// archive is a tenant with a real catalog, the sample plan and a vault.
type archive struct {
	t       testing.TB
	now     time.Time
	url     string // of the catalog
	vault   *vault
	tenant  *catalog.Tenant
	officer *Officer
	gate    *Disposer
}

// newArchive opens at noon of a day, in Berlin.
func newArchive(t testing.TB, date string) *archive {
	t.Helper()
	a := &archive{t: t, now: day(t, date).In(berlin(t)).Add(12 * time.Hour), url: database(t)}
	clock := func() time.Time { return a.now }
	a.vault = &vault{now: clock}
	db, err := catalog.Open(t.Context(), catalog.Config{URL: a.url, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.CreateTenant(t.Context(), catalog.TenantInfo{ID: "musterstadt", Name: "Musterstadt"}, "admin"); err != nil {
		t.Fatal(err)
	}
	a.tenant = db.Tenant("musterstadt")
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	a.officer = &Officer{Store: func(context.Context, *catalog.Tenant) (preservation.Store, error) { return a.vault, nil }, Now: clock, Log: log}
	a.gate = &Disposer{Officer: a.officer, Vault: func(context.Context, *catalog.Tenant) (Vault, error) { return a.vault, nil }}
	if err := a.officer.LoadSample(t.Context(), a.tenant, "admin"); err != nil {
		t.Fatal(err)
	}
	return a
}

// database is an SQLite file, or an empty schema of the PostgreSQL that
// BESTAND_TEST_POSTGRES names.
func database(t testing.TB) string {
	t.Helper()
	base := os.Getenv("BESTAND_TEST_POSTGRES")
	if base == "" {
		return "sqlite:" + t.TempDir() + "/catalog.db"
	}
	db, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	schema := "retention_" + preservation.NewID(time.Now())
	if _, err := db.Exec("CREATE SCHEMA " + schema); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP SCHEMA " + schema + " CASCADE"); err != nil {
			t.Error(err)
		}
		db.Close()
	})
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

func (a *archive) id() preservation.RecordID {
	a.now = a.now.Add(time.Millisecond)
	return preservation.RecordID(preservation.NewID(a.now))
}

// keep archives a record with a package and a receipt, locked as the officer says.
func (a *archive) keep(m preservation.Metadata) preservation.RecordID {
	a.t.Helper()
	id := a.id()
	a.version(id, 1, m)
	return id
}

func (a *archive) version(id preservation.RecordID, version int, m preservation.Metadata) {
	a.t.Helper()
	r := preservation.Record{ID: id, Tenant: a.tenant.ID(), Version: version, Submission: preservation.SubmissionID(a.id()), Received: a.now, Metadata: m}
	lock, err := a.officer.Lock(a.t.Context(), a.tenant, r)
	if err != nil {
		a.t.Fatal(err)
	}
	store := func(key, kind string, data []byte) catalog.RecordObject {
		sum := sha256.Sum256(data)
		o, err := a.vault.Put(a.t.Context(), key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), Lock: lock})
		if err != nil {
			a.t.Fatal(err)
		}
		return catalog.RecordObject{Key: key, Kind: kind, Version: version, VersionID: o.VersionID, Size: o.Size, SHA256: hex.EncodeToString(sum[:]), Stored: a.now}
	}
	if err := a.tenant.CommitRecord(a.t.Context(), catalog.Commit{Record: r, Package: store(preservation.PackageKey(id, version), "package", fmt.Appendf(nil, "package %s %d", id, version)), Lock: lock}); err != nil {
		a.t.Fatal(err)
	}
	receipt := preservation.EventObject{Record: id, Event: preservation.Event{ID: string(a.id()), Type: preservation.EventStore, At: a.now, Outcome: preservation.Success}}
	data, _, err := receipt.Encode()
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.tenant.AddObject(a.t.Context(), id, store(preservation.EventKey(id, receipt.Event.ID), "event", data)); err != nil {
		a.t.Fatal(err)
	}
}

// metadata is that of a record of a class.
func (a *archive) metadata(class, closed string) preservation.Metadata {
	return preservation.Metadata{Producer: "dms", ProducerRecordID: preservation.NewID(a.now), Class: class, Title: "Geheime Sache Muster", Closed: day(a.t, closed)}
}

// pass lets time go by, evaluates and extends every night like the schedule
// does, but destroys nothing.
func (a *archive) pass(until string) {
	a.t.Helper()
	end := day(a.t, until).In(berlin(a.t)).Add(12 * time.Hour)
	for a.now.Before(end) {
		a.now = a.now.AddDate(0, 0, 1)
		a.night()
	}
	a.now = end
}

func (a *archive) night() {
	a.t.Helper()
	a.job(a.officer.EvaluateDue, "scheduled")
	a.evaluate()
	a.job(a.officer.ExtendLocks, "scheduled")
}

func (a *archive) evaluate() {
	a.t.Helper()
	a.job(a.officer.EvaluateDue, keyStale)
}

func (a *archive) job(h catalog.Handler, key string) {
	a.t.Helper()
	if err := h(a.t.Context(), a.tenant, catalog.Job{Key: key}); err != nil {
		a.t.Fatal(err)
	}
}

// dispose runs the gateway once; waiting for locks is fine.
func (a *archive) dispose() {
	a.t.Helper()
	err := a.gate.DisposeDue(a.t.Context(), a.tenant, catalog.Job{Key: "scheduled"})
	var later *catalog.Later
	if err != nil && !errors.As(err, &later) {
		a.t.Fatal(err)
	}
}

// permit lets records of a class be destroyed unattended.
func (a *archive) permit(classes ...string) Permit {
	a.t.Helper()
	p, err := a.officer.ProposePermit(a.t.Context(), a.tenant, Permit{Classes: classes, Authority: "Stadtarchiv", LegalBasis: "SächsArchivG §5(9)",
		Granted: day(a.t, "2020-01-01"), ValidFrom: day(a.t, "2020-01-01")}, "anna")
	if err != nil {
		a.t.Fatal(err)
	}
	if p, err = a.officer.ApprovePermit(a.t.Context(), a.tenant, p.ID, "bernd"); err != nil {
		a.t.Fatal(err)
	}
	return p
}

func (a *archive) hold(s Scope) Hold {
	a.t.Helper()
	h, _, err := a.officer.SetHold(a.t.Context(), a.tenant, Hold{Scope: s, Authority: "Amtsgericht", Reason: "Klage", Review: day(a.t, "2040-01-01")}, "anna")
	if err != nil {
		a.t.Fatal(err)
	}
	return h
}

// state is what the catalog last stored about a record: its retention state,
// "releasing" or "destroyed".
func (a *archive) state(id preservation.RecordID) string {
	a.t.Helper()
	r, err := a.tenant.View().Retention(a.t.Context(), id)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		if _, err := a.tenant.Tombstone(a.t.Context(), id); err != nil {
			a.t.Fatalf("record %s is gone without a tombstone: %v", id, err)
		}
		return "destroyed"
	case err != nil:
		a.t.Fatal(err)
	case r.Status != "live":
		return r.Status
	}
	return r.Last.State
}

func (a *archive) want(id preservation.RecordID, state string) {
	a.t.Helper()
	if got := a.state(id); got != state {
		a.t.Errorf("record %s is %s, want %s", id, got, state)
	}
}

// whole fails the test unless every package of a living record is there, and
// none of a destroyed one.
func (a *archive) whole(id preservation.RecordID) {
	a.t.Helper()
	packages := len(a.vault.keys(preservation.PackagePrefix(id)))
	if destroyed := a.state(id) == "destroyed"; destroyed != (packages == 0) {
		a.t.Errorf("record %s is %s with %d packages", id, a.state(id), packages)
	}
}
