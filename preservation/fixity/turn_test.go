package fixity_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
)

// scheduled gives the tenant the schedule of the scrub, which is not due.
func (a archived) scheduled(t *testing.T) {
	t.Helper()
	if err := a.tenant.EnsureSchedule(t.Context(), fixity.JobScrub, "35 * * * *", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// promised reports whether a run of the scrub waits.
func (a archived) promised(t *testing.T) bool {
	t.Helper()
	_, err := a.tenant.JobOf(t.Context(), fixity.JobScrub, "scheduled")
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// TestReadAll: a run leaves out what was read in the last half of the period and says how
// much that is; when somebody asks for everything it leaves out nothing, of no record's
// objects either, and is done with it once.
func TestReadAll(t *testing.T) {
	a := archive(t)
	var log bytes.Buffer
	s := a.scrub(t, io.Discard, a.bucket)
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	s.Period = 90 * 24 * time.Hour
	turn := func() fixity.Turn {
		t.Helper()
		x, err := s.Turn(t.Context(), a.tenant)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	if err := a.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.SetChecked(a.id, time.Now().AddDate(0, 0, -60)) }); err != nil {
		t.Fatal(err)
	}
	if x := turn(); x.Due != 1 || x.Recent+x.Later+x.AskedLeft != 0 {
		t.Errorf("in turn: %+v", x)
	}
	run(t, s, a)
	edit(t, a.file, flipBit)
	a.over(t, "strange")
	log.Reset()
	run(t, s, a)
	if x := turn(); x.Due != 0 || x.Recent != 1 || x.Later+x.AskedLeft != 0 || time.Since(x.Since).Round(time.Hour) != s.Period/2 {
		t.Errorf("read just now: %+v", x)
	}
	if !strings.Contains(log.String(), "records=0 left_out=1") || !strings.Contains(log.String(), "read back since") {
		t.Errorf("the log says %s", &log)
	}
	if f, err := a.tenant.View().Fixity(t.Context()); err != nil || f.Findings != 0 {
		t.Fatalf("%+v %v", f, err)
	}

	if _, err := s.ReadAll(t.Context(), a.tenant, "otto"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("without a schedule: %v", err)
	}
	a.scheduled(t)
	asked, err := s.ReadAll(t.Context(), a.tenant, "otto")
	if err != nil || asked.Due != 1 || asked.AskedLeft != 1 || asked.Recent+asked.Later != 0 || !a.promised(t) || a.audited(t, "schedule.run") != 1 {
		t.Errorf("asked for everything: %+v %v", asked, err)
	}
	if x := turn(); x.Due != 1 || x.AskedLeft != 1 || !x.Asked.Equal(asked.Asked) || x.Recent != 0 {
		t.Errorf("asked for everything: %+v", x)
	}
	log.Reset()
	run(t, s, a)
	if x := turn(); x.AskedLeft != 0 || !x.Asked.IsZero() || x.Recent != 1 || !strings.Contains(log.String(), "records=1 left_out=0") {
		t.Errorf("done: %+v, %s", x, &log)
	}
	if c, err := a.tenant.View().Checked(t.Context(), a.id); err != nil || len(c.Findings) == 0 {
		t.Errorf("of the record: %+v %v", c, err)
	}
	if others, err := a.tenant.View().Findings(t.Context(), ""); err != nil || !slices.ContainsFunc(others, func(f preservation.Finding) bool { return f.Subject == "strange" }) {
		t.Errorf("of the rest: %+v %v", others, err)
	}
}

// TestReadAllGoesOn: what one run does not get done with is left to the next, which
// follows at once.
func TestReadAllGoesOn(t *testing.T) {
	a := archive(t)
	a.scheduled(t)
	now := time.Now()
	id := preservation.RecordID(preservation.NewID(now))
	lost := catalog.RecordObject{Key: preservation.PackageKey(id, 1), Kind: "package", Version: 1, VersionID: "1", Size: 1, SHA256: strings.Repeat("0", 64), Stored: now}
	err := a.tenant.CommitRecord(t.Context(), catalog.Commit{Package: lost, Lock: preservation.Lock{Mode: preservation.Compliance, Until: now.Add(time.Hour)},
		Record: preservation.Record{ID: id, Tenant: a.tenant.ID(), Version: 1, Submission: preservation.SubmissionID(id), Received: now,
			Metadata: preservation.Metadata{Producer: "dms", ProducerRecordID: "2", Class: "63.10", Title: "Bauantrag"}}})
	if err != nil {
		t.Fatal(err)
	}
	s := a.scrub(t, io.Discard, a.bucket)
	s.Period = 90 * 24 * time.Hour
	if _, err := s.ReadAll(t.Context(), a.tenant, "otto"); err != nil {
		t.Fatal(err)
	}
	s.Checker.Now = func() time.Time { // with each look at the clock an hour is over
		now = now.Add(time.Hour)
		return now
	}
	for left := range 2 {
		jobs, err := a.db.Claim(t.Context(), "o", []string{fixity.JobScrub}, 1, time.Minute)
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		if err := s.Run(t.Context(), a.tenant, jobs[0]); err != nil {
			t.Fatal(err)
		}
		if err := a.db.Finish(t.Context(), jobs[0]); err != nil {
			t.Fatal(err)
		}
		turn, err := s.Turn(t.Context(), a.tenant)
		if err != nil || turn.AskedLeft != int64(1-left) || a.promised(t) != (turn.AskedLeft > 0) {
			t.Fatalf("%+v %v", turn, err)
		}
	}
}

// TestReportBeginsRepair: what a verification on demand finds wrong is not left until the
// next hour, unless the scrub is paused.
func TestReportBeginsRepair(t *testing.T) {
	a := archive(t)
	a.scheduled(t)
	s := a.scrub(t, io.Discard, a.bucket)
	report := func() bool {
		t.Helper()
		if err := s.Report(t.Context(), a.tenant, a.id); err != nil {
			t.Fatal(err)
		}
		return a.promised(t)
	}
	if report() {
		t.Error("intact, and a run was begun")
	}
	edit(t, a.file, flipBit)
	if err := a.tenant.Pause(t.Context(), fixity.JobScrub, true, "otto"); err != nil {
		t.Fatal(err)
	}
	if report() {
		t.Error("paused, and a run was begun")
	}
	if err := a.tenant.Pause(t.Context(), fixity.JobScrub, false, "otto"); err != nil {
		t.Fatal(err)
	}
	if !report() {
		t.Error("no run was begun")
	}
}

// TestReadAllClockAhead: everything was asked for, and read, by a clock that was ahead.
// When it is right again everything is read once, and no run follows for ever.
func TestReadAllClockAhead(t *testing.T) {
	a := archive(t)
	a.scheduled(t)
	s := a.scrub(t, io.Discard, a.bucket)
	s.Period = 90 * 24 * time.Hour
	s.Checker.Now = func() time.Time { return time.Now().AddDate(1, 0, 0) }
	if _, err := s.ReadAll(t.Context(), a.tenant, "otto"); err != nil {
		t.Fatal(err)
	}
	run(t, s, a)
	s.Checker.Now = time.Now
	edit(t, a.file, flipBit)
	a.over(t, "strange")
	for range 2 {
		jobs, err := a.db.Claim(t.Context(), "o", []string{fixity.JobScrub}, 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, j := range jobs {
			if err := a.db.Finish(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
		run(t, s, a)
		if a.promised(t) {
			t.Error("another run follows")
		}
		if turn, err := s.Turn(t.Context(), a.tenant); err != nil || turn.AskedLeft != 0 || turn.Recent != 1 {
			t.Errorf("%+v %v", turn, err)
		}
	}
	if c, err := a.tenant.View().Checked(t.Context(), a.id); err != nil || len(c.Findings) == 0 || c.At.After(time.Now()) {
		t.Errorf("of the record: %+v %v", c, err)
	}
	if others, err := a.tenant.View().Findings(t.Context(), ""); err != nil || !slices.ContainsFunc(others, func(f preservation.Finding) bool { return f.Subject == "strange" }) {
		t.Errorf("of the rest: %+v %v", others, err)
	}
}

// TestReportAgain: what a verification on demand finds wrong is repaired also when it was
// known before, and could not be repaired then.
func TestReportAgain(t *testing.T) {
	d := double(t)
	s := d.scrub(t, new(bytes.Buffer))
	copies := s.Copies
	s.Copies = nil
	edit(t, d.file, flipBit)
	run(t, s, d.archived)
	s.Copies, s.Period = copies, 90*24*time.Hour
	if err := d.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.SetChecked(d.id, time.Now()) }); err != nil { // since it was found
		t.Fatal(err)
	}
	run(t, s, d.archived)
	if have := d.codes(t, d.id); len(have) == 0 {
		t.Fatal("it is repaired already")
	}
	if err := s.Report(t.Context(), d.tenant, d.id); err != nil {
		t.Fatal(err)
	}
	run(t, s, d.archived)
	if have := d.codes(t, d.id); len(have) > 0 {
		t.Errorf("found %q", have)
	}
}
