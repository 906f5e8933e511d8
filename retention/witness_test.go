package retention

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// behind changes the catalog behind the program's back. What the officer keeps in
// memory of it is forgotten, as with a restart.
func (a *archive) behind(statement string, args ...any) {
	a.t.Helper()
	driver, source := "pgx", a.url
	if path, ok := strings.CutPrefix(a.url, "sqlite:"); ok {
		driver, source = "sqlite", path
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		a.t.Fatal(err)
	}
	defer db.Close()
	done, err := db.ExecContext(a.t.Context(), statement, args...)
	if err != nil {
		a.t.Fatal(err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		a.t.Fatalf("%s: %d rows, %v", statement, n, err)
	}
	o := a.officer
	a.officer = &Officer{Store: o.Store, Locks: o.Locks, Now: o.Now, Log: o.Log}
	a.gate.Officer = a.officer
}

// key is where the newest version of a document stands in the bucket.
func (a *archive) key(kind, name string) string {
	a.t.Helper()
	d, err := a.tenant.View().Document(a.t.Context(), kind, name, 0)
	if err != nil {
		a.t.Fatal(err)
	}
	return d.Key
}

// TestDisposeAttested changes what the decision rests on in one of the two places
// where it stands. Nothing is destroyed, and the reason names the document.
func TestDisposeAttested(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(a *archive, p Permit, h Hold)
		reason string
	}{
		{"a shorter period in the catalog", func(a *archive, _ Permit, _ Hold) {
			a.behind(`UPDATE document SET body = replace(body, '"years":2', '"years":1') WHERE kind = 'rule' AND name = 'school-parent-contact'`)
		}, "rule school-parent-contact"},
		{"another disposition in the catalog", func(a *archive, _ Permit, _ Hold) {
			a.behind(`UPDATE document SET body = replace(body, '"disposition":"B"', '"disposition":"V"') WHERE kind = 'rule' AND name = 'building-permit'`)
		}, "rule building-permit"},
		{"another rule for a class in the catalog", func(a *archive, _ Permit, _ Hold) {
			a.behind(`UPDATE document SET body = replace(body, '"own-buildings"', '"school-parent-contact"') WHERE kind = 'classification'`)
		}, "classification "},
		{"a hold for somebody else in the catalog", func(a *archive, _ Permit, h Hold) {
			a.behind(`UPDATE document SET body = replace(body, '63.10', '63.99') WHERE kind = 'hold' AND name = $1`, h.ID)
		}, "hold "},
		{"a permit for more in the catalog", func(a *archive, p Permit, _ Hold) {
			a.behind(`UPDATE document SET body = replace(body, '21.40', '21') WHERE kind = 'permit' AND name = $1`, p.ID)
		}, "permit "},
		{"a permit that the bucket does not have", func(a *archive, p Permit, _ Hold) {
			key := a.key(KindPermit, p.ID)
			a.vault.drop(key)
		}, "permit "},
		{"a rule that a disk altered in the bucket", func(a *archive, _ Permit, _ Hold) {
			k := a.vault.find(a.key(KindRule, "school-parent-contact"), "")
			k.data = bytes.Replace(k.data, []byte(`"years":2`), []byte(`"years":3`), 1)
		}, "rule school-parent-contact"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newArchive(t, "2026-02-01")
			p := a.permit(contact)
			h := a.hold(Scope{Classes: []string{"63.10"}})
			id := a.keep(a.metadata(contact, "2020-07-31"))
			a.night()
			a.now = a.now.AddDate(0, 0, 16)
			c.change(a, p, h)
			var stopped *Stopped
			if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{}); !errors.As(err, &stopped) || !strings.HasPrefix(stopped.Reason, c.reason) || !strings.Contains(stopped.Reason, "bestand check") {
				t.Errorf("%v, want it to stop for %q and to say what to do", err, c.reason)
			}
			a.want(id, "due")
			a.whole(id)
		})
	}
}

// TestDisposeComparesPackage has the row of a record say something else than its
// package about what decides on its end. It is kept, others are not.
func TestDisposeComparesPackage(t *testing.T) {
	for _, c := range []struct {
		name   string
		differ func(*preservation.Record)
	}{
		{"closure", func(r *preservation.Record) { r.Closed = r.Closed.AddDays(400) }},
		{"opening", func(r *preservation.Record) { r.Opened = r.Closed }},
		{"class", func(r *preservation.Record) { r.Class = "01.10" }},
		{"file", func(r *preservation.Record) { r.Parent = r.ID }},
		{"person", func(r *preservation.Record) {
			r.Subjects = []preservation.Subject{{Name: "Muster, Erika", Born: r.Closed}}
		}},
		{"version", func(r *preservation.Record) { r.Version++ }},
		{"record", func(r *preservation.Record) { r.ID += "0" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newArchive(t, "2026-02-01")
			a.permit(contact)
			m := a.metadata(contact, "2020-07-31")
			other, id := a.keep(m), a.keep(m)
			a.gate.Packaged = func(_ context.Context, _ preservation.Store, of preservation.RecordID, version int) (preservation.Record, error) {
				r := preservation.Record{ID: of, Version: version, Metadata: m}
				if of == id {
					c.differ(&r)
				}
				return r, nil
			}
			a.night()
			a.now = a.now.AddDate(0, 0, 16)
			if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{}); !errors.Is(err, preservation.ErrCorrupt) || !strings.Contains(err.Error(), string(id)) {
				t.Errorf("%v, want it to be found and named", err)
			}
			a.want(id, "due")
			a.whole(id)
			a.want(other, "destroyed")
		})
	}
}

// TestEventLock puts a hold on a record whose period was shortened since it was
// locked. The event of the hold joins its objects, which are extended together
// when the lock that the catalog notes wants it: it has to last as long.
func TestEventLock(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	id := a.keep(a.metadata(contact, "2024-07-31")) // until the end of the year
	a.night()
	shorter := rule(t, "school-parent-contact")
	shorter.Version, shorter.Duration, shorter.ValidFrom = 1, Duration{Years: 1}, day(t, "2000-01-01")
	if _, err := a.officer.AddRule(t.Context(), a.tenant, shorter, "anna"); err != nil {
		t.Fatal(err)
	}
	a.evaluate()
	a.want(id, "due")
	row, err := a.tenant.View().Retention(t.Context(), id)
	if err != nil || row.LockUntil.Before(a.now.AddDate(0, 0, 30)) {
		t.Fatalf("locked until %s, %v: want the lock of the longer period", row.LockUntil, err)
	}
	a.hold(Scope{Records: []preservation.RecordID{id}})
	a.evaluate()
	a.want(id, "held")
	events := a.vault.keys(preservation.EventPrefix(id))
	if len(events) != 2 {
		t.Fatalf("events %q, want the receipt and the hold", events)
	}
	for _, key := range events {
		if o, err := a.vault.Stat(t.Context(), key, ""); err != nil || o.Lock.Until.Before(row.LockUntil) {
			t.Errorf("%s is locked until %s, the record until %s: %v", key, o.Lock.Until, row.LockUntil, err)
		}
	}
	// Whatever happens later, nothing of a record that is kept is ever unlocked.
	for range 130 {
		a.night()
		a.now = a.now.Add(24 * time.Hour)
		for o := range objects(t.Context(), a.vault, id) {
			if o, err := a.vault.Stat(t.Context(), o.Key, o.VersionID); err != nil || !o.Lock.Until.After(a.now) {
				t.Fatalf("%s is locked until %s only on %s: %v", o.Key, o.Lock.Until, a.now, err)
			}
		}
	}
}

// TestDisposeMeanwhile: a permit that somebody wrote while others were compared, and
// that is on its way into the bucket, is waited for.
func TestDisposeMeanwhile(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	p := a.permit("21.40")
	doc, err := a.tenant.View().Document(t.Context(), KindPermit, p.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	a.vault.drop(doc.Key)
	a.behind(`UPDATE document SET stored = 0 WHERE kind = 'permit' AND name = $1`, p.ID)
	var later *catalog.Later
	if same, err := a.gate.attested(t.Context(), a.tenant, a.vault, doc); same || !errors.As(err, &later) {
		t.Errorf("on its way: %v, %v", same, err)
	}
	a.behind(`UPDATE document SET stored = 1 WHERE kind = 'permit' AND name = $1`, p.ID)
	if same, err := a.gate.attested(t.Context(), a.tenant, a.vault, doc); same || err != nil {
		t.Errorf("lost: %v, %v", same, err)
	}
}
