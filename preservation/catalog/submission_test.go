package catalog_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// submission is a delivery of two files whose producer calls it source.
func submission(source string, now time.Time) catalog.Submission {
	s := catalog.Submission{
		ID: preservation.SubmissionID(preservation.NewID(now)), RecordID: preservation.RecordID(preservation.NewID(now)),
		Metadata: preservation.Metadata{Producer: "dms", ProducerRecordID: source, Class: "63.10", Title: "Bauantrag " + source,
			Subjects: []preservation.Subject{{Name: "Muster, Erika"}}},
		SubmittedBy: "dms-bauamt", Received: now,
		Files: []catalog.StagedFile{
			{Name: "antrag.docx", Title: "Antrag", Size: 10, Digests: preservation.Digests{SHA256: "aa", SHA512: "bb"}, Key: "s/1"},
			{Name: "pl\xe4ne.tif", Size: 20, Digests: preservation.Digests{SHA256: "cc", SHA512: "dd"}, Key: "s/2"},
		},
	}
	s.Fingerprint = catalog.Fingerprint(s.Metadata, s.Files)
	return s
}

func event(kind preservation.EventType, now time.Time) preservation.Event {
	return preservation.Event{ID: preservation.NewID(now), Type: kind, At: now.UTC().Truncate(time.Millisecond), Outcome: preservation.Success,
		Detail: "done", Agent: preservation.Agent{Type: preservation.Software, Name: "test", Version: "1"}, Files: []preservation.FileID{"f0001"}}
}

// create adds a submission that must succeed.
func create(t *testing.T, tn *catalog.Tenant, source string) catalog.Submission {
	t.Helper()
	s := submission(source, tn.DB().Now())
	if err := tn.CreateSubmission(t.Context(), s, event(preservation.EventReceive, tn.DB().Now())); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestProgressNamesFiles: an event tells the files that it concerns as long as these are
// few.
func TestProgressNamesFiles(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		s := create(t, f.tenant, "1")
		few, many := event(preservation.EventConvert, f.Now()), event(preservation.EventFixity, f.Now())
		for n := range 50_000 {
			many.Files = append(many.Files, preservation.NewFileID(n+2))
		}
		if err := f.tenant.AddSteps(t.Context(), s.ID, few, many); err != nil {
			t.Fatal(err)
		}
		got, err := f.tenant.Progress(t.Context(), s.ID)
		if err != nil || len(got) != 3 {
			t.Fatalf("%+v %v", got, err)
		}
		for _, e := range got {
			if want := map[bool]int{true: 0, false: 1}[e.Type == preservation.EventFixity]; len(e.Files) != want {
				t.Errorf("%s is about %v", e.Type, e.Files)
			}
		}
	})
}

func TestSubmissionIsKept(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		s := create(t, f.tenant, "1")
		got, err := f.tenant.Submission(t.Context(), s.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != catalog.Received || got.RecordID != s.RecordID || got.Version != 1 || got.Metadata.Title != s.Metadata.Title ||
			!got.Received.Equal(s.Received) || len(got.Files) != 2 || got.Files[1] != s.Files[1] || got.Fingerprint != s.Fingerprint {
			t.Errorf("got %+v", got)
		}
		for n, want := range []string{"[]", `["antrag.docx"]`, `["antrag.docx" "pl\xe4ne.tif"]`} {
			if names, err := f.tenant.StagedNames(t.Context(), s.ID, n); err != nil || fmt.Sprintf("%q", names) != want {
				t.Errorf("%d: %q %v", n, names, err)
			}
		}
		if names, err := f.other.StagedNames(t.Context(), s.ID, 2); err != nil || len(names) != 0 {
			t.Errorf("another tenant sees its files: %q %v", names, err)
		}
		if _, err := f.tenant.JobOf(t.Context(), "process", string(s.ID)); err != nil {
			t.Error(err)
		}
		if steps, err := f.tenant.Steps(t.Context(), s.ID); err != nil || len(steps) != 1 {
			t.Error(steps, err)
		}
		if _, err := f.other.Submission(t.Context(), s.ID); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("another tenant sees it: %v", err)
		}
		if steps, err := f.other.Steps(t.Context(), s.ID); err != nil || len(steps) != 0 {
			t.Errorf("another tenant sees its steps: %v %v", steps, err)
		}
	})
}

func TestOfTwinsOneWins(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		var mu sync.Mutex
		var won []preservation.SubmissionID
		var lost []*catalog.SourceConflict
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				s := submission("twin", f.Now())
				err := f.tenant.CreateSubmission(t.Context(), s)
				mu.Lock()
				defer mu.Unlock()
				var conflict *catalog.SourceConflict
				switch {
				case err == nil:
					won = append(won, s.ID)
				case errors.As(err, &conflict) && errors.Is(err, catalog.ErrConflict):
					lost = append(lost, conflict)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 || len(lost) != 49 {
			t.Fatalf("%d won, %d lost", len(won), len(lost))
		}
		for _, c := range lost {
			if c.Existing.ID != won[0] {
				t.Errorf("conflict names %s, the winner is %s", c.Existing.ID, won[0])
			}
		}
		if all, err := f.tenant.Submissions(t.Context(), catalog.SubmissionFilter{}, "", 100); err != nil || len(all) != 1 {
			t.Errorf("%d submissions, %v", len(all), err)
		}
		if jobs, err := f.Claim(t.Context(), "o", []string{"process"}, 100, time.Minute); err != nil || len(jobs) != 1 {
			t.Errorf("%d jobs, %v", len(jobs), err)
		}
		if err := f.other.CreateSubmission(t.Context(), submission("twin", f.Now())); err != nil {
			t.Errorf("another tenant has identifiers of its own: %v", err)
		}
	})
}

// The identifier of a rejected submission is free again, also while others try
// to take it.
func TestRejectedSourceIsFree(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		s := create(t, f.tenant, "1")
		if err := f.tenant.BeginProcessing(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		problems := []preservation.Finding{{Code: "encrypted", Severity: preservation.Failed, Detail: "x"}}
		if err := f.tenant.Settle(t.Context(), s.ID, catalog.Rejected, problems, event(preservation.EventValidate, f.Now())); err != nil {
			t.Fatal(err)
		}
		got, err := f.tenant.Submission(t.Context(), s.ID)
		if err != nil || got.Status != catalog.Rejected || len(got.Problems) != 1 || got.Problems[0] != problems[0] {
			t.Fatal(got, err)
		}
		if _, err := f.tenant.JobOf(t.Context(), "report", string(s.ID)); err != nil {
			t.Error(err)
		}
		if used, err := f.tenant.StagingInUse(t.Context(), s.ID); err != nil || used {
			t.Error(used, err)
		}
		if _, err := f.tenant.SubmissionBySource(t.Context(), "dms", "1"); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
		create(t, f.tenant, "1")
		for name, err := range map[string]error{
			"settle again": f.tenant.Settle(t.Context(), s.ID, catalog.Rejected, nil),
			"process":      f.tenant.BeginProcessing(t.Context(), s.ID),
			"requeue":      f.tenant.Requeue(t.Context(), s.ID, false, "me", "x"),
			"freeze":       f.tenant.Freeze(t.Context(), s.ID, catalog.Frozen{Key: "k"}),
			"finish":       f.tenant.FinishSubmission(t.Context(), s.ID, "jws", catalog.RecordObject{Key: "k", Kind: "event"}, nil, preservation.Event{}),
		} {
			if !errors.Is(err, catalog.ErrConflict) {
				t.Errorf("%s a rejected submission: %v", name, err)
			}
		}
		if err := f.tenant.Settle(t.Context(), s.ID, catalog.Archived, nil); err == nil {
			t.Error("settled as archived")
		}
	})
}

func TestQuarantineAndRelease(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		s := create(t, f.tenant, "1")
		jobs, err := f.Claim(t.Context(), "o", []string{"process"}, 1, time.Minute)
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		if err := f.tenant.BeginProcessing(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		if err := f.tenant.Settle(t.Context(), s.ID, catalog.Quarantined, []preservation.Finding{{Code: "malware"}}); err != nil {
			t.Fatal(err)
		}
		if used, err := f.tenant.StagingInUse(t.Context(), s.ID); err != nil || !used {
			t.Error(used, err)
		}
		// A person may be faster than the worker that has only to put the job away.
		if err := f.tenant.Requeue(t.Context(), s.ID, true, "archivist", "false alarm", event(preservation.EventRelease, f.Now())); err != nil {
			t.Fatal(err)
		}
		if err := f.Finish(t.Context(), jobs[0]); err != nil {
			t.Fatal(err)
		}
		if jobs, err = f.Claim(t.Context(), "o", []string{"process"}, 1, time.Minute); err != nil || len(jobs) != 1 {
			t.Fatalf("a released submission must come again: %v %v", jobs, err)
		}
		got, err := f.tenant.Submission(t.Context(), s.ID)
		if err != nil || got.Status != catalog.Received || !got.Released || len(got.Problems) != 1 {
			t.Fatal(got, err) // the pipeline asks what was released
		}
		if err := f.tenant.Requeue(t.Context(), s.ID, true, "archivist", "again"); !errors.Is(err, catalog.ErrConflict) {
			t.Error(err)
		}
		log, err := f.tenant.AuditLog(t.Context(), 0, string(s.ID), 10)
		if err != nil || log[len(log)-1].Action != "submission.release" || log[len(log)-1].Detail["reason"] != "false alarm" {
			t.Error(log, err)
		}
	})
}

// A submission whose job gave up can be sent again; one that is archived can't,
// whatever jobs are left of it.
func TestRequeueAfterDeadJob(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		s := create(t, f.tenant, "1")
		kill := func() {
			t.Helper()
			jobs, err := f.Claim(t.Context(), "o", []string{"process"}, 1, time.Minute)
			if err != nil || len(jobs) != 1 {
				t.Fatal(jobs, err)
			}
			if err := f.Fail(t.Context(), jobs[0], errors.New("broken"), true); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.tenant.Requeue(t.Context(), s.ID, false, "a", ""); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("its job is alive: %v", err)
		}
		kill()
		if j, err := f.tenant.JobOf(t.Context(), "process", string(s.ID)); err != nil || !j.Dead || j.Error != "broken" {
			t.Error(j, err)
		}
		if err := f.tenant.Requeue(t.Context(), s.ID, false, "a", ""); err != nil {
			t.Fatal(err)
		}
		if dead, err := f.tenant.DeadJobs(t.Context(), 10); err != nil || len(dead) != 0 {
			t.Error(dead, err)
		}
		if err := f.tenant.BeginProcessing(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		finish(t, f.tenant, s)
		kill()
		if err := f.tenant.Requeue(t.Context(), s.ID, false, "a", ""); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("archived is archived: %v", err)
		}
		if err := f.tenant.Requeue(t.Context(), "0", false, "a", ""); !errors.Is(err, catalog.ErrNotFound) {
			t.Error(err)
		}
	})
}

func finish(t *testing.T, tn *catalog.Tenant, s catalog.Submission) {
	t.Helper()
	e := event(preservation.EventStore, tn.DB().Now())
	if err := tn.FinishSubmission(t.Context(), s.ID, "receipt of "+s.Metadata.Title, catalog.RecordObject{
		Key: preservation.EventKey(s.RecordID, e.ID), Kind: "event", Version: 1, VersionID: "v", Size: 1, SHA256: "ee", Stored: tn.DB().Now(),
	}, nil, e); err != nil {
		t.Fatal(err)
	}
}

func TestFreezeOnce(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		s := create(t, f.tenant, "1")
		first := catalog.Frozen{Key: "a", Size: 1, SHA256: "x", Problems: []preservation.Finding{{Code: "no-rendition"}}}
		if err := f.tenant.BeginProcessing(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		if err := f.tenant.Freeze(t.Context(), s.ID, first); err != nil {
			t.Fatal(err)
		}
		// An attempt that lost its lease must neither replace the package nor end the submission.
		if err := f.tenant.Freeze(t.Context(), s.ID, catalog.Frozen{Key: "b"}); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("second freeze: %v", err)
		}
		if err := f.tenant.Settle(t.Context(), s.ID, catalog.Quarantined, nil); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("settle after freeze: %v", err)
		}
		got, err := f.tenant.Submission(t.Context(), s.ID)
		if err != nil || got.Frozen == nil || got.Frozen.Key != "a" || len(got.Frozen.Problems) != 1 {
			t.Fatal(got.Frozen, err)
		}
		finish(t, f.tenant, s)
		finish(t, f.tenant, s) // again changes nothing
		if err := f.tenant.Freeze(t.Context(), s.ID, catalog.Frozen{Key: "c"}); !errors.Is(err, catalog.ErrConflict) {
			t.Errorf("freeze of an archived submission: %v", err)
		}
		if got, err = f.tenant.Submission(t.Context(), s.ID); err != nil || got.Status != catalog.Archived || got.Frozen != nil || got.Receipt == "" {
			t.Error(got, err)
		}
		if steps, err := f.tenant.Steps(t.Context(), s.ID); err != nil || len(steps) != 2 {
			t.Errorf("%d steps: the receipt must be there once: %v", len(steps), err)
		}
		if _, err := f.tenant.JobOf(t.Context(), "unstage", string(s.ID)); err != nil {
			t.Error(err)
		}
	})
}

func TestStepsAreResetButForReception(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		s := create(t, f.tenant, "1")
		step := event(preservation.EventScan, f.Now())
		for range 2 { // the same step again changes nothing
			if err := f.tenant.AddSteps(t.Context(), s.ID, step, event(preservation.EventQuarantine, f.Now())); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.tenant.ResetSteps(t.Context(), s.ID); err != nil {
			t.Fatal(err)
		}
		steps, err := f.tenant.Steps(t.Context(), s.ID)
		if err != nil || len(steps) != 3 {
			t.Fatal(steps, err)
		}
		for _, e := range steps {
			if e.Type == preservation.EventScan {
				t.Error("the step is still there")
			}
		}
	})
}

func TestSubmissionsArePaged(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		for i := range 25 {
			s := create(t, f.tenant, fmt.Sprint(i))
			f.clock.advance(time.Millisecond)
			if i%5 == 0 {
				if err := f.tenant.Settle(t.Context(), s.ID, catalog.Quarantined, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		create(t, f.other, "1")
		list := func(of catalog.SubmissionFilter) (ids []preservation.SubmissionID) {
			t.Helper()
			var after preservation.SubmissionID
			for {
				page, err := f.tenant.Submissions(t.Context(), of, after, 4)
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range page {
					if after != "" && s.ID >= after {
						t.Errorf("%s after %s: want newest first", s.ID, after)
					}
					after = s.ID
					ids = append(ids, s.ID)
				}
				if len(page) < 4 {
					return ids
				}
				create(t, f.tenant, preservation.NewID(f.Now())) // newer ones do not disturb
			}
		}
		if n := len(list(catalog.SubmissionFilter{})); n != 25 {
			t.Errorf("%d submissions", n)
		}
		if n := len(list(catalog.SubmissionFilter{Status: catalog.Quarantined, Producer: "dms"})); n != 5 {
			t.Errorf("%d quarantined", n)
		}
		if n := len(list(catalog.SubmissionFilter{Producer: "x' OR 'x' = 'x"})); n != 0 {
			t.Errorf("%d of a producer that does not exist", n)
		}
		counts, err := f.tenant.CountSubmissions(t.Context(), catalog.SubmissionFilter{})
		if err != nil || counts[catalog.Quarantined] != 5 || counts[catalog.Received] < 20 {
			t.Error(counts, err)
		}
		if counts, err := f.tenant.CountSubmissions(t.Context(), catalog.SubmissionFilter{Actor: "nobody"}); err != nil || len(counts) != 0 {
			t.Error(counts, err)
		}
	})
}
