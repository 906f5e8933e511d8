package catalog_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

func TestOpenRefusesNewerSchema(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		must(t, f.Close())
		_, err := raw(t, f).Exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, ` + map[bool]string{true: "1", false: "true"}[strings.HasPrefix(f.url, "sqlite")] + `)`)
		must(t, err)
		if _, err := catalog.Open(t.Context(), catalog.Config{URL: f.url}); !errors.Is(err, catalog.ErrNewer) {
			t.Errorf("opened: %v", err)
		}
	})
}

// Beside a service that uses it a database is not migrated.
func TestOpenAsItIs(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		must(t, f.Close())
		db, err := catalog.Open(t.Context(), catalog.Config{URL: f.url, AsItIs: true})
		must(t, err)
		must(t, db.Close())
		_, err = raw(t, f).Exec(`DELETE FROM goose_db_version WHERE version_id = (SELECT MAX(version_id) FROM goose_db_version)`)
		must(t, err)
		if _, err := catalog.Open(t.Context(), catalog.Config{URL: f.url, AsItIs: true}); !errors.Is(err, catalog.ErrOlder) {
			t.Errorf("opened: %v", err)
		}
	})
}

func TestOpenRefusesBadURLs(t *testing.T) {
	for _, url := range []string{"", "mysql://root:secret@x/y", "/var/lib/bestand", "postgres://u:secret@127.0.0.1:1/x?connect_timeout=1", "postgres://u:sec ret@[/x"} {
		_, err := catalog.Open(t.Context(), catalog.Config{URL: url})
		if err == nil {
			t.Errorf("%q was opened", url)
		} else if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec ret") {
			t.Errorf("the password is in the message: %v", err)
		}
	}
}

// Several programs may start at once on an empty database.
func TestOpenAtOnce(t *testing.T) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			url := newDatabase(t, dialect)
			var wg sync.WaitGroup
			for n := range 6 {
				wg.Go(func() {
					db, err := catalog.Open(t.Context(), catalog.Config{URL: url})
					if err != nil {
						t.Error(err)
						return
					}
					defer db.Close()
					id := preservation.TenantID("t" + string(rune('a'+n)))
					if err := db.CreateTenant(t.Context(), catalog.TenantInfo{ID: id}, "x"); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			db, err := catalog.Open(t.Context(), catalog.Config{URL: url})
			must(t, err)
			defer db.Close()
			if all, err := db.Tenants(t.Context()); err != nil || len(all) != 6 {
				t.Error(all, err)
			}
		})
	}
}

// An administrator's command may write while the service runs.
func TestTwoProgramsWrite(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		second := reopen(t, f)
		var wg sync.WaitGroup
		for _, db := range []*catalog.DB{f.DB, second} {
			for range 3 {
				wg.Go(func() { audited(t, db.Tenant("musterstadt"), 30) })
			}
		}
		wg.Wait()
		if findings, err := second.Tenant("musterstadt").VerifyAudit(t.Context()); err != nil || len(findings) > 0 {
			t.Error(findings, err)
		}
		if log, err := f.tenant.AuditLog(t.Context(), 0, "", 1000); err != nil || len(log) != 181 {
			t.Error(len(log), err)
		}
	})
}

func TestDatabaseFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with ? # % in it", "catalog.db")
	db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + path})
	must(t, err)
	defer db.Close()
	must(t, db.CreateTenant(t.Context(), catalog.TenantInfo{ID: "a"}, "x"))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(path + suffix); err != nil || info.Mode().Perm() != 0o600 {
			t.Error(info, err)
		}
	}
}

// TestTenantsChangeAtOnce wants no change of a description to be lost to another one, nor
// two tenants to take one name.
func TestTenantsChangeAtOnce(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		const changes = 24
		var wg sync.WaitGroup
		for _, db := range []*catalog.DB{f.DB, reopen(t, f)} {
			for range changes / 2 {
				wg.Go(func() {
					if _, err := db.Tenant("musterstadt").AmendTenant(t.Context(), "x", func(i *catalog.TenantInfo) { i.Settings.Setup += "x" }); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		if info, err := f.tenant.Info(t.Context()); err != nil || len(info.Settings.Setup) != changes {
			t.Errorf("%d of %d changes are kept: %v", len(info.Settings.Setup), changes, err)
		}
		taken := make(chan error, 2)
		for _, x := range []*catalog.Tenant{f.tenant, f.other} {
			wg.Go(func() {
				_, err := x.AmendTenant(t.Context(), "x", func(i *catalog.TenantInfo) { i.Name = "Neustadt" })
				taken <- err
			})
		}
		wg.Wait()
		if a, b := <-taken, <-taken; (a == nil) == (b == nil) || !errors.Is(errors.Join(a, b), catalog.ErrConflict) {
			t.Errorf("both want one name: %v; %v", a, b)
		}
	})
}

func TestTenants(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		if err := f.CreateTenant(t.Context(), catalog.TenantInfo{ID: "musterstadt"}, "x"); !errors.Is(err, catalog.ErrConflict) {
			t.Error(err)
		}
		for _, id := range []preservation.TenantID{"", "A", "a b", "ä", "-a", "a/b"} {
			if err := f.CreateTenant(t.Context(), catalog.TenantInfo{ID: id}, "x"); err == nil {
				t.Errorf("created %q", id)
			}
		}
		s := catalog.Settings{LockMode: preservation.Governance, Seal: "B-B", Zone: "Europe/Berlin"}
		must(t, f.CreateTenant(t.Context(), catalog.TenantInfo{ID: "c", Name: "Gemeinde C", Settings: s}, "x"))
		if info, err := f.Tenant("c").Info(t.Context()); err != nil || info.Settings != s || info.Name != "Gemeinde C" || !info.Created.Equal(f.Now()) {
			t.Error(info, err)
		}
		if _, err := f.Tenant("d").Info(t.Context()); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		must(t, f.Ping(t.Context()))
	})
}
