package catalog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// secret is a word that stands wherever a record's personal data may stand.
const secret = "Geheimrat"

// confidential is a record that says the secret everywhere it can.
func confidential(t *testing.T, f *fixture, source string) (catalog.Commit, catalog.Tombstone) {
	t.Helper()
	fill := func(m *preservation.Metadata) {
		m.ProducerRecordID = secret + source
		m.Title, m.Reference, m.Creator = secret+" Müller", secret+" 1", secret
		m.Subjects = []preservation.Subject{{Name: secret}}
		m.Extra = map[string]string{"x": strings.Repeat(secret+" ", 600)} // longer than a page
	}
	rejected := submission(secret+source, f.Now())
	fill(&rejected.Metadata)
	rejected.Files[0].Name = secret
	must(t, f.tenant.CreateSubmission(t.Context(), rejected))
	must(t, f.tenant.Settle(t.Context(), rejected.ID, catalog.Rejected, []preservation.Finding{{Detail: secret}}, preservation.Event{ID: preservation.NewID(f.Now()), Detail: secret}))

	c := archive(t, f.tenant, source, fill)
	id := c.Record.ID
	must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
		return errors.Join(
			x.AddTrigger(catalog.Trigger{ID: preservation.NewID(f.Now()), Record: id, Type: "death", Name: secret, At: f.Now()}),
			x.SetEvaluation(id, catalog.Evaluation{State: "due", Rule: "r@1", Body: json.RawMessage(`"` + secret + `"`), Evaluated: f.Now()}),
			x.AddEvents(id, preservation.Event{ID: preservation.NewID(f.Now()), Type: preservation.EventAccess, Detail: secret}),
		)
	}))
	jobs, err := f.Claim(t.Context(), "o", []string{"process"}, 1000, time.Minute)
	must(t, err)
	for _, j := range jobs {
		if j.Key == string(c.Record.Submission) {
			must(t, f.Fail(t.Context(), j, errors.New("cannot convert "+secret), true))
		} else {
			must(t, f.Finish(t.Context(), j))
		}
	}
	return c, catalog.Tombstone{Record: id, Class: c.Record.Class, Actor: "system", Received: c.Record.Received, Destroyed: f.Now(), Versions: 1, Key: "evt/k.json"}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDestroyLeavesNothingPersonal(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		for i := range 40 { // among others: pages are split and filled up again
			archive(t, f.tenant, fmt.Sprintf("before-%d", i))
		}
		c, stone := confidential(t, f, "1")
		id := c.Record.ID
		for i := range 40 {
			archive(t, f.tenant, fmt.Sprintf("after-%d", i))
		}
		late := submission(secret+"late", f.Now())
		late.RecordID, late.Version, late.Metadata = id, 2, c.Record.Metadata
		pkg := submission(secret+"package", f.Now())
		pkg.Package, pkg.RecordID, pkg.Files[0].Name = true, "", secret
		must(t, f.tenant.CreateSubmission(t.Context(), pkg))
		must(t, f.tenant.BeginProcessing(t.Context(), pkg.ID))
		must(t, f.tenant.Unpacked(t.Context(), pkg.ID, []preservation.Finding{{Detail: secret}}, preservation.Event{ID: preservation.NewID(f.Now()), Detail: secret}))
		must(t, f.tenant.FinishPackage(t.Context(), pkg.ID, catalog.Partial, "jws", preservation.Event{ID: preservation.NewID(f.Now()), At: f.Now()}))
		late.Parent = pkg.ID
		must(t, f.tenant.CreateSubmission(t.Context(), late))
		if n, err := f.tenant.View().Arriving(t.Context(), id); err != nil || n == 0 {
			t.Error(n, err)
		}
		d := catalog.Disposal{Record: id, ID: preservation.NewID(f.Now()), Phase: "intended", Permit: "p", Body: json.RawMessage(`{}`), Try: f.Now(), At: f.Now()}
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.BeginDisposal(d) }))
		_, before, err := f.tenant.Changes(t.Context(), "", 1000)
		must(t, err)
		for range 2 { // again changes nothing
			must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.Destroy(stone) }))
		}
		if changes, _, err := f.tenant.Changes(t.Context(), before, 10); err != nil || len(changes) != 1 || changes[0].Record != id {
			t.Error("the index does not hear of it:", changes, err)
		}
		if _, err := f.tenant.Record(t.Context(), id); !errors.Is(err, catalog.ErrDestroyed) {
			t.Error(err)
		}
		if _, _, err := f.tenant.File(t.Context(), id, "f0001"); !errors.Is(err, catalog.ErrDestroyed) {
			t.Error(err)
		}
		if err := f.tenant.CommitRecord(t.Context(), c); !errors.Is(err, catalog.ErrDestroyed) {
			t.Errorf("it came back: %v", err)
		}
		if got, err := f.tenant.Tombstone(t.Context(), id); err != nil || got.Class != "63.10" || !got.Destroyed.Equal(f.Now()) {
			t.Error(got, err)
		}
		if _, err := f.tenant.View().Disposal(t.Context(), id); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		if s, err := f.tenant.Submission(t.Context(), c.Record.Submission); err != nil || s.Status != catalog.Archived || len(s.Files) != 0 || s.Receipt != "" {
			t.Errorf("what is left of its submission: %+v %v", s, err)
		}
		if s, err := f.tenant.Submission(t.Context(), late.ID); err != nil || s.Status != catalog.Rejected {
			t.Errorf("the version on its way is %s, %v", s.Status, err)
		}
		if all, err := f.tenant.SubmissionsOf(t.Context(), id); err != nil || len(all) != 2 || all[1].ID != late.ID {
			t.Errorf("submissions %+v, %v", all, err)
		}
		grep(t, f)
		create(t, f.tenant, c.Record.ProducerRecordID) // its source is free again
	})
}

// grep looks for the secret in everything that the database keeps.
func grep(t *testing.T, f *fixture) {
	t.Helper()
	db := raw(t, f)
	tables := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	if strings.HasPrefix(f.url, "postgres") {
		tables = `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
	}
	for _, table := range column(t, db, tables) {
		rows, err := db.QueryContext(t.Context(), `SELECT * FROM `+table)
		must(t, err)
		names, err := rows.Columns()
		must(t, err)
		for rows.Next() {
			values, dest := make([]any, len(names)), make([]any, len(names))
			for i := range values {
				dest[i] = &values[i]
			}
			must(t, rows.Scan(dest...))
			for i, v := range values {
				if b, ok := v.([]byte); ok {
					v = string(b)
				}
				if strings.Contains(strings.ToLower(fmt.Sprint(v)), strings.ToLower(secret)) {
					t.Errorf("%s.%s still says %.60q", table, names[i], v)
				}
			}
		}
		must(t, rows.Err())
		rows.Close()
	}
	path, ok := strings.CutPrefix(f.url, "sqlite:")
	if !ok {
		return
	}
	must(t, f.Truncate(t.Context()))
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		must(t, err)
		if n := bytes.Count(bytes.ToLower(data), []byte(strings.ToLower(secret))); n > 0 {
			t.Errorf("the bytes of %s still say it %d times", path+suffix, n)
		}
	}
}

// Pages of SQLite are split, joined and used again while records come and go; no
// copy of a cell may stay behind in them.
func TestDestroyedBytesAreGone(t *testing.T) {
	f := open(t, "sqlite")
	random := rand.New(rand.NewPCG(3, 4))
	var doomed []preservation.RecordID
	for i := range 400 {
		word := "Bauantrag "
		if i%4 == 0 {
			word = secret + " "
		}
		c := archive(t, f.tenant, word+fmt.Sprint(i), func(m *preservation.Metadata) {
			m.Title, m.Reference = word, word+fmt.Sprint(random.Int())
			m.Extra = map[string]string{"x": strings.Repeat(word, 1+random.IntN(30)*random.IntN(30))}
			m.Closed = preservation.Date{Year: 1990 + random.IntN(30), Month: 1, Day: 1}
		})
		if i%4 == 0 {
			doomed = append(doomed, c.Record.ID)
		}
		if len(doomed) > 20 && i%3 == 0 {
			n := random.IntN(len(doomed))
			must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.Destroy(catalog.Tombstone{Record: doomed[n]}) }))
			doomed = slices.Delete(doomed, n, n+1)
		}
	}
	for _, id := range doomed {
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.Destroy(catalog.Tombstone{Record: id}) }))
	}
	grep(t, f)
}

// A reader that holds an old state keeps the log; whoever has destroyed
// something must hear of it.
func TestTruncateSaysWhenItCannot(t *testing.T) {
	f := open(t, "sqlite")
	reader := raw(t, f)
	tx, err := reader.BeginTx(t.Context(), nil)
	must(t, err)
	var n int
	must(t, tx.QueryRow(`SELECT COUNT(*) FROM tenant`).Scan(&n))
	archive(t, f.tenant, "1")
	if err := f.Truncate(t.Context()); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("truncated under a reader: %v", err)
	}
	must(t, tx.Rollback())
	must(t, f.Truncate(t.Context()))
	if info, err := os.Stat(strings.TrimPrefix(f.url, "sqlite:") + "-wal"); err != nil || info.Size() != 0 {
		t.Error(info, err)
	}
}

func TestDisposalOnItsWay(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		c := archive(t, f.tenant, "1")
		id := c.Record.ID
		d := catalog.Disposal{Record: id, ID: "d", Phase: "intended", Permit: "p", Key: "k", Body: json.RawMessage(`{"a":1}`), Try: f.Now(), At: f.Now()}
		begin := func() error {
			return f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.BeginDisposal(d) })
		}
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
			return x.SetEvaluation(id, catalog.Evaluation{State: "due", Due: preservation.DateOf(f.Now()), Evaluated: f.Now()})
		}))
		due := catalog.RecordFilter{State: "due", Status: "live"}
		if n, err := f.tenant.CountRecords(t.Context(), due); n != 1 || err != nil {
			t.Errorf("%d are due: %v", n, err)
		}
		must(t, begin())
		if err := begin(); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("begun twice: %v", err)
		}
		if n, err := f.tenant.CountRecords(t.Context(), due); n != 0 || err != nil {
			t.Errorf("%d are due that are being destroyed: %v", n, err)
		}
		if e, err := f.tenant.Record(t.Context(), id); err != nil || e.Status != "releasing" {
			t.Error(e, err)
		}
		if list, err := f.tenant.View().Disposals(t.Context(), f.Now().Add(time.Second), "", 10); err != nil || len(list) != 1 || list[0].Key != "k" {
			t.Error(list, err)
		}
		if list, err := f.tenant.View().Disposals(t.Context(), f.Now(), "", 10); err != nil || len(list) != 0 {
			t.Error(list, err)
		}
		next := c
		next.Record.Version, next.Package.Key = 2, preservation.PackageKey(id, 2)
		d.Phase, d.Attempts, d.Try = "purging", 1, f.Now().Add(10*time.Minute)
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.SetDisposal(d) }))
		if err := f.tenant.CommitRecord(t.Context(), next); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("a new version while its bytes are purged: %v", err)
		}
		must(t, f.DB.TakeBack(t.Context()))
		if list, err := f.tenant.View().Disposals(t.Context(), f.Now(), "", 10); err != nil || len(list) != 1 {
			t.Errorf("an attempt that nobody is at any more: %+v, %v", list, err)
		}
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.CancelDisposal(id) }))
		if e, err := f.tenant.Record(t.Context(), id); err != nil || e.Status != "live" {
			t.Error(e, err)
		}
		must(t, f.tenant.CommitRecord(t.Context(), next))
		if err := f.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.SetDisposal(d) }); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestTombstonesOfOneInstantArePaged(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		must(t, f.tenant.Update(t.Context(), func(x *catalog.Tx) error {
			for i := range 10 {
				if err := x.Destroy(catalog.Tombstone{Record: preservation.RecordID(fmt.Sprint(i)), Destroyed: f.Now().Add(time.Duration(i/8) * time.Second)}); err != nil {
					return err
				}
			}
			return nil
		}))
		seen, after := map[preservation.RecordID]bool{}, ""
		for {
			page, next, err := f.tenant.View().Destroyed(t.Context(), after, 3)
			must(t, err)
			for _, s := range page {
				seen[s.Record] = true
			}
			if after = next; next == "" {
				break
			}
		}
		if len(seen) != 10 {
			t.Errorf("saw %d of 10", len(seen))
		}
		if all, err := f.tenant.View().Tombstones(t.Context(), time.Time{}, 100); err != nil || len(all) != 10 || all[0].Destroyed.Before(all[9].Destroyed) {
			t.Error(all, err)
		}
		if _, _, err := f.tenant.View().Destroyed(t.Context(), "x", 3); !errors.Is(err, catalog.ErrCursor) {
			t.Error(err)
		}
	})
}
