package catalog_test

import (
	"errors"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// What a rebuild restores together goes in together, or not at all.
func TestRestoreTogether(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		end, err := f.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var commits []catalog.Commit
		var ids []preservation.RecordID
		for _, source := range []string{"1", "2", "3"} {
			c := commit(submission(source, f.clock.Now()), f.clock.Now())
			commits, ids = append(commits, c), append(ids, c.Record.ID)
		}
		for range 2 {
			if err := f.tenant.CommitRecords(ctx, commits...); err != nil {
				t.Fatal(err)
			}
		}
		standings, err := f.tenant.Standings(ctx, append(ids, "none"))
		if err != nil || len(standings) != len(ids) {
			t.Fatalf("%v %+v", err, standings)
		}
		var all []catalog.Restoration
		for _, c := range commits {
			s := standings[c.Record.ID]
			if s.Version != 1 || s.Metadata.Title != c.Record.Title || s.Packages[c.Package.Key] != c.Package.SHA256 {
				t.Errorf("%+v", s)
			}
			all = append(all, catalog.Restoration{Object: catalog.RecordObject{Key: "evt/" + string(c.Record.ID), Kind: "event", Version: 1}, Submission: catalog.Submission{
				ID: c.Record.Submission, Metadata: s.Metadata, RecordID: c.Record.ID, Version: 1, Receipt: "jws", Received: f.clock.Now(), Updated: f.clock.Now()}})
		}
		taken := all[0]
		taken.ID = preservation.SubmissionID(preservation.NewID(f.clock.Now()))
		if err := f.tenant.RestoreSubmissions(ctx, append(all, taken)...); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("a source that is taken: %v", err)
		}
		if got, err := f.tenant.Unreceipted(ctx, "", 10); err != nil || len(got) != len(ids) {
			t.Errorf("%v: %d without a receipt", err, len(got))
		}
		if err := f.tenant.RestoreSubmissions(ctx, all...); err != nil {
			t.Error(err)
		}
		if got, err := f.tenant.Unreceipted(ctx, "", 10); err != nil || len(got) != 0 {
			t.Errorf("%v: %d without a receipt", err, len(got))
		}
		if err := end(ctx); err != nil {
			t.Error(err)
		}
	})
}
