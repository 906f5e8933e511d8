package catalog_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// commit is the first version of the record of a submission.
func commit(s catalog.Submission, now time.Time) catalog.Commit {
	m := s.Metadata
	r := preservation.Record{ID: s.RecordID, Version: 1, Submission: s.ID, Received: s.Received, Metadata: m, Files: []preservation.File{
		{ID: "f0001", Representation: preservation.Original, Name: "antrag.docx", Title: "Antrag", Document: "1", Size: 10,
			Digests: preservation.Digests{SHA256: "aa", SHA512: "bb"}, Format: preservation.Format{PUID: "fmt/412"}, Path: "representations/original/data/f0001.docx"},
		{ID: "f0002", Representation: preservation.Original, Name: "pl\xe4ne.tif", Size: 20,
			Digests: preservation.Digests{SHA256: "cc", SHA512: "dd"}, Format: preservation.Format{PUID: "fmt/353"}, Path: "representations/original/data/f0002.tif"},
		{ID: "f0003", Representation: preservation.Preservation, Name: "antrag.pdf", Size: 30, DerivedFrom: "f0001", Verdict: preservation.VerdictValid, Flavour: "2b",
			Digests: preservation.Digests{SHA256: "ee", SHA512: "ff"}, Format: preservation.Format{PUID: "fmt/477"}, Path: "representations/preservation/data/f0003.pdf"},
	}}
	return catalog.Commit{
		Record: r, Events: []preservation.Event{event(preservation.EventPackage, now)},
		Pos:  map[preservation.FileID]int64{"f0001": 100, "f0002": 200, "f0003": 300},
		Lock: preservation.Lock{Mode: preservation.Compliance, Until: now.AddDate(0, 0, 90)},
		Package: catalog.RecordObject{Key: preservation.PackageKey(r.ID, 1), Kind: "package", Version: 1, VersionID: "v1", Size: 1000, SHA256: "11",
			Stored: now.UTC().Truncate(time.Millisecond)},
	}
}

// archive brings a delivery all the way into the catalog.
func archive(t *testing.T, tn *catalog.Tenant, source string, change ...func(*preservation.Metadata)) catalog.Commit {
	t.Helper()
	now := tn.DB().Now()
	s := submission(source, now)
	for _, f := range change {
		f(&s.Metadata)
	}
	if err := tn.CreateSubmission(t.Context(), s, event(preservation.EventReceive, now)); err != nil {
		t.Fatal(err)
	}
	if err := tn.BeginProcessing(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	c := commit(s, now)
	steps, err := tn.Steps(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := tn.AddSteps(t.Context(), s.ID, c.Events...); err != nil { // as the pipeline does before it freezes
		t.Fatal(err)
	}
	c.Events = append(steps, c.Events...)
	if err := tn.CommitRecord(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	finish(t, tn, s)
	return c
}

func TestRecordIsKept(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		c := archive(t, f.tenant, "63.10-2014/0815", func(m *preservation.Metadata) {
			m.Opened, m.Closed = preservation.Date{Year: 2014, Month: 3, Day: 2}, preservation.Date{Year: 2015, Month: 11, Day: 30}
			m.Extra = map[string]string{"Flurstück": "112/4"}
		})
		for range 2 { // committing again changes nothing
			e, err := f.tenant.Record(t.Context(), c.Record.ID)
			if err != nil {
				t.Fatal(err)
			}
			want := c.Record
			want.Tenant = "musterstadt"
			want.Received = e.Received
			if !reflect.DeepEqual(e.Record, want) || !e.Received.Equal(c.Record.Received) {
				t.Errorf("got  %+v\nwant %+v", e.Record, want)
			}
			if e.Status != "live" || e.Lock.Mode != preservation.Compliance || !e.Lock.Until.Equal(c.Lock.Until) || e.Evidence != "pending" {
				t.Errorf("got %+v", e)
			}
			events, err := f.tenant.Events(t.Context(), c.Record.ID)
			if err != nil || len(events) != 3 { // reception, packaging, receipt
				t.Errorf("%d events of the record, %v", len(events), err)
			}
			if steps, err := f.tenant.Steps(t.Context(), c.Record.Submission); err != nil || !reflect.DeepEqual(steps, events) {
				t.Errorf("steps %v, events %v, %v", steps, events, err)
			}
			if objects, err := f.tenant.Objects(t.Context(), c.Record.ID); err != nil || len(objects) != 2 || objects[0] != c.Package {
				t.Errorf("%+v %v", objects, err)
			}
			if changes, _, err := f.tenant.Changes(t.Context(), "", 10); err != nil || len(changes) != 1 {
				t.Errorf("%d changes, %v", len(changes), err)
			}
			if err := f.tenant.CommitRecord(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		file, at, err := f.tenant.File(t.Context(), c.Record.ID, "f0002")
		if err != nil || file != c.Record.Files[1] || at != (catalog.Location{Key: c.Package.Key, VersionID: "v1", Pos: 200, Size: 20}) {
			t.Error(file, at, err)
		}
	})
}

func TestTenantsAreApart(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		c := archive(t, f.tenant, "1")
		id := c.Record.ID
		if _, err := f.other.Record(t.Context(), id); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		if _, _, err := f.other.File(t.Context(), id, "f0001"); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		if err := f.other.CommitRecord(t.Context(), c); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("a record of another tenant was committed: %v", err)
		}
		entries, err := f.other.EntriesByID(t.Context(), []preservation.RecordID{id})
		if err != nil || len(entries) != 0 {
			t.Error(entries, err)
		}
		for name, n := range map[string]func() (int, error){
			"events":  func() (int, error) { e, err := f.other.Events(t.Context(), id); return len(e), err },
			"objects": func() (int, error) { e, err := f.other.Objects(t.Context(), id); return len(e), err },
			"changes": func() (int, error) { e, _, err := f.other.Changes(t.Context(), "", 10); return len(e), err },
			"records": func() (int, error) {
				e, _, err := f.other.Records(t.Context(), catalog.RecordFilter{}, "", "", 10)
				return len(e), err
			},
			"retentions": func() (int, error) {
				e, err := f.other.View().Retentions(t.Context(), catalog.RetentionFilter{IDs: []preservation.RecordID{id}}, "", 10)
				return len(e), err
			},
		} {
			if n, err := n(); n != 0 || err != nil {
				t.Errorf("another tenant sees %d %s, %v", n, name, err)
			}
		}
		if err := f.other.Update(t.Context(), func(x *catalog.Tx) error {
			return errors.Join(x.SetLock(id, preservation.Lock{}), x.Destroy(catalog.Tombstone{Record: id}))
		}); err != nil {
			t.Fatal(err)
		}
		if e, err := f.tenant.Record(t.Context(), id); err != nil || !e.Lock.Until.Equal(c.Lock.Until) || len(e.Files) != 3 {
			t.Errorf("another tenant changed it: %+v %v", e, err)
		}
		nobody := f.Tenant("nirgendwo")
		if err := nobody.CreateSubmission(t.Context(), submission("1", f.Now())); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("submission to a tenant that does not exist: %v", err)
		}
		if _, err := nobody.CreateToken(t.Context(), catalog.Token{Actor: "a"}, "h", "a"); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("token of a tenant that does not exist: %v", err)
		}
	})
}

func TestLaterVersion(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		first := archive(t, f.tenant, "1")
		f.clock.advance(time.Hour)
		second := commit(submission("1", f.Now()), f.Now())
		second.Record.ID, second.Record.Version, second.Record.Title = first.Record.ID, 2, "Bauantrag, berichtigt"
		files := second.Record.Files
		files[0].HeldIn, files[0].Title = 1, "Der Antrag"                 // bytes where they were, described anew
		files[2].Size, files[2].SHA256, files[2].Path = 33, "e2", "other" // another rendition under the same identifier
		files[1] = files[2]                                               // f0002 is left out
		second.Record.Files = append(files[:2:2], preservation.File{ID: "f0004", Name: "neu.txt", Size: 4, Representation: preservation.Original})
		second.Pos = map[preservation.FileID]int64{"f0003": 30, "f0004": 40}
		second.Package = catalog.RecordObject{Key: preservation.PackageKey(first.Record.ID, 2), Kind: "package", Version: 2, VersionID: "v2", Size: 1, SHA256: "22", Stored: f.Now()}
		second.Lock.Until = first.Lock.Until.AddDate(0, 0, -10)
		for range 2 {
			if err := f.tenant.CommitRecord(t.Context(), second); err != nil {
				t.Fatal(err)
			}
			if err := f.tenant.CommitRecord(t.Context(), first); err != nil {
				t.Fatalf("an older version again: %v", err)
			}
		}
		e, err := f.tenant.Record(t.Context(), first.Record.ID)
		if err != nil {
			t.Fatal(err)
		}
		if e.Version != 2 || e.Title != "Bauantrag, berichtigt" || len(e.Files) != 3 || !e.Archived.Equal(first.Package.Stored) || e.Submission != second.Record.Submission {
			t.Errorf("got %+v", e)
		}
		if !e.Lock.Until.Equal(second.Lock.Until) {
			t.Errorf("lock until %s; on all its objects it stands only until %s", e.Lock.Until, second.Lock.Until)
		}
		for id, want := range map[preservation.FileID]catalog.Location{
			"f0001": {Key: first.Package.Key, VersionID: "v1", Pos: 100, Size: 10},
			"f0003": {Key: second.Package.Key, VersionID: "v2", Pos: 30, Size: 33},
			"f0004": {Key: second.Package.Key, VersionID: "v2", Pos: 40, Size: 4},
		} {
			if _, at, err := f.tenant.File(t.Context(), first.Record.ID, id); err != nil || at != want {
				t.Errorf("%s: %+v, %v; want %+v", id, at, err, want)
			}
		}
		if _, _, err := f.tenant.File(t.Context(), first.Record.ID, "f0002"); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		if file, _, err := f.tenant.File(t.Context(), first.Record.ID, "f0001"); err != nil || file.Title != "Der Antrag" {
			t.Error(file, err)
		}
		if changes, _, err := f.tenant.Changes(t.Context(), "", 10); err != nil || len(changes) != 1 {
			t.Error(changes, err)
		}
	})
}

// A rebuild may read a later version before it can read the first.
func TestVersionsOutOfOrder(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		s := submission("1", f.Now())
		first, second := commit(s, f.Now()), commit(s, f.Now())
		second.Record.Version, second.Record.Files[0].HeldIn = 2, 1
		second.Package.Key, second.Package.Version = preservation.PackageKey(s.RecordID, 2), 2
		if err := f.tenant.CommitRecord(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if _, at, err := f.tenant.File(t.Context(), s.RecordID, "f0001"); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("its package is not known, but: %v %v", at, err)
		}
		if err := f.tenant.CommitRecord(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if _, at, err := f.tenant.File(t.Context(), s.RecordID, "f0001"); err != nil || at.Pos != 100 || at.Key != first.Package.Key {
			t.Error(at, err)
		}
		if e, err := f.tenant.Record(t.Context(), s.RecordID); err != nil || e.Version != 2 {
			t.Error(e, err)
		}
	})
}
