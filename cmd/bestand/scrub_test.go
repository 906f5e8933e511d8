package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bestand/preservation"
	"bestand/preservation/fixity"
	"bestand/retention"
)

// TestScrubShows: what a scrub finds in the running service is seen by whoever looks
// at the record, by the monitoring and in the log, and is gone when it is mended.
func TestScrubShows(t *testing.T) {
	t.Parallel()
	in := install(t, "--scrub-period", "1").serve(t)
	admin := in.admin(t)
	_, r := admin.archive(about("1", "63.10", "Bauantrag"), file("a.bin", blob("Antrag")))
	type shown struct {
		Fixity struct {
			Status   string
			Checked  time.Time
			Findings []preservation.Finding
		}
	}
	look := func() (s shown) {
		admin.get("/v1/records/"+r.ID).want(t, 200).decode(t, &s)
		return s
	}
	if s := look(); s.Fixity.Status != "intact" || time.Since(s.Fixity.Checked) > time.Minute {
		t.Errorf("stored: %+v", s)
	}
	scrub := func() {
		in.change(t, `UPDATE record SET checked_ms = checked_ms - 86400001`)
		in.enqueue(t, fixity.JobScrub)
	}
	flip := func() { edit(t, victim{in, r.ID}.pkg(), func(b []byte) []byte { b[len(b)/2] ^= 1; return b }) }
	scrub()
	if s := look(); s.Fixity.Status != "intact" || time.Since(s.Fixity.Checked) > time.Minute {
		t.Errorf("scrubbed: %+v", s)
	}
	flip()
	scrub()
	s := look()
	if s.Fixity.Status != "damaged" || !slices.ContainsFunc(s.Fixity.Findings, func(f preservation.Finding) bool { return f.Code == fixity.CodeObjectDigest }) {
		t.Errorf("damaged: %+v", s)
	}
	if n := in.log.count("fixity: what is stored is not what was stored"); n != len(s.Fixity.Findings) {
		t.Errorf("%d lines in the log, %+v", n, s)
	}
	metrics := string(admin.get("/metrics").want(t, 200).body)
	for _, want := range []string{"bestand_fixity_damaged_records{tenant=\"musterstadt\"} 1\n", "bestand_fixity_oldest_check_timestamp_seconds{", "bestand_fixity_objects_total "} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics have no %s", want)
		}
	}
	events := admin.events(r.ID)
	if i := slices.IndexFunc(events, func(e preservation.Event) bool { return e.Agent.Name == "bestand/fixity" }); i < 0 || events[i].Outcome != preservation.Failure {
		t.Errorf("events %+v", events)
	}
	flip()
	scrub()
	if s := look(); s.Fixity.Status != "intact" {
		t.Errorf("mended: %+v", s)
	}
	admin.verified(r.ID)
}

// TestReadEverything: who has the scrub run is told what it leaves out, and how to have
// all of it read, which then happens.
func TestReadEverything(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	_, r := admin.archive(about("1", "63.10", "Bauantrag"), file("a.bin", blob("Antrag")))
	schedule := func(want int, args ...string) string {
		t.Helper()
		out, complaint, code := program(t, append([]string{"schedule", "run", "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile)}, args...)...)
		if code != want {
			t.Errorf("%v: %d %s", args, code, complaint)
		}
		return out + complaint
	}
	edit(t, victim{in, r.ID}.pkg(), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	out := schedule(0, "scrub")
	for _, want := range []string{"read now: 0 records, beside", "left out: 1 record, read back since ", "bestand schedule run --everything scrub reads all of them now"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	eventually(t, "the log says so", func() bool { return in.log.count(`"records":0,"left_out":1`) > 0 })
	if out := schedule(0, "--everything", "scrub"); !strings.Contains(out, "read now: 1 record, beside") || strings.Contains(out, "left out") {
		t.Error(out)
	}
	eventually(t, "the damage is found", func() bool { return len(in.findings(t, fixity.CodeObjectDigest)) == 1 })
	pages, _ := in.people(t)
	pages.get("/bestandserhaltung").want(200, "Der nächste Lauf liest 0 Akten. Er lässt 1 Akte aus, die seit dem ")
	last := pages.get("/bestandserhaltung").fill("/bestandserhaltung/lesen").want(200, "Das Zurücklesen von allem ist angestoßen")
	if n := in.count(t, `SELECT COUNT(*) FROM audit WHERE action = 'schedule.run' AND detail LIKE '%everything%'`); n != 2 {
		t.Errorf("%d times everything was asked for\n%s", n, last.page)
	}
	if out := schedule(1, "--everything", "sweep"); !strings.Contains(out, "only scrub leaves anything out") {
		t.Error(out)
	}
}

// TestLockSetAgainAtOnce: a lock that a verification on demand finds missing is set again
// without anybody waiting for the next hour, as the log says.
func TestLockSetAgainAtOnce(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	_, r := admin.archive(about("1", "63.10", "Bauantrag"), file("a.bin", blob("Antrag")))
	if err := unix.Removexattr(victim{in, r.ID}.pkg(), "user.object-retention"); err != nil {
		t.Fatal(err)
	}
	if v := admin.post("/v1/records/"+r.ID+"/verification", nil).want(t, 200); !strings.Contains(string(v.body), fixity.CodeLockGone) {
		t.Errorf("%s", v.body)
	}
	eventually(t, "the lock is there again", func() bool {
		_, err := unix.Getxattr(victim{in, r.ID}.pkg(), "user.object-retention", nil)
		return err == nil
	})
	eventually(t, "nothing is wrong any more", func() bool { return in.count(t, `SELECT COUNT(*) FROM finding`) == 0 })
	admin.verified(r.ID)
}

// TestHoldLeft: a legal hold in the store that is left of a released one, which was not
// told, is found, told and taken off; one that no hold explains, or only one whose release
// was told before, is told and stays, until one that is set and released takes it off.
func TestHoldLeft(t *testing.T) {
	t.Parallel()
	in := install(t, "--scrub-period", "1").serve(t)
	admin := in.admin(t)
	o := newOffice(admin)
	_, was := admin.archive(about("1", "63.10", "Bauantrag"), file("a.bin", blob("Antrag")))
	_, never := admin.archive(about("2", "63.10", "Bauantrag"), file("a.bin", blob("Antrag")))
	_, before := admin.archive(about("3", "63.10", "Bauantrag"), file("a.bin", blob("Antrag")))
	const name = "user.object-legal-hold"
	onHold := func(id string) bool {
		buf := make([]byte, 8)
		n, err := unix.Getxattr(victim{in, id}.pkg(), name, buf)
		return err == nil && n == 1 && buf[0] == 1
	}
	once := func(id string) {
		h := o.hold(t, id)
		eventually(t, "the hold is told", func() bool {
			return slices.ContainsFunc(admin.events(id), func(e preservation.Event) bool { return e.Detail == preservation.HoldSet })
		})
		o.release(t, h)
		eventually(t, "the hold is released", func() bool { return !onHold(id) && admin.record(id).Retention.State != retention.Held })
	}
	once(was.ID)
	once(before.ID)
	in.change(t, `DELETE FROM event WHERE type = 'legal hold' AND record_id = $1`, was.ID)
	for _, id := range []string{was.ID, never.ID, before.ID} {
		if err := unix.Setxattr(victim{in, id}.pkg(), name, []byte{1}, 0); err != nil {
			t.Fatal(err)
		}
	}
	scrub := func() {
		in.change(t, `UPDATE record SET checked_ms = checked_ms - 86400001`)
		in.enqueue(t, fixity.JobScrub)
	}
	scrub()
	if onHold(was.ID) || !onHold(never.ID) || !onHold(before.ID) {
		t.Errorf("of a released hold: %t; of none: %t; of one told before: %t", onHold(was.ID), onHold(never.ID), onHold(before.ID))
	}
	stay := []string{string(preservation.PackageKey(preservation.RecordID(never.ID), 1)), string(preservation.PackageKey(preservation.RecordID(before.ID), 1))}
	if found := in.findings(t, fixity.CodeHoldLeft); !slices.Equal(found, stay) {
		t.Errorf("findings %v, want %v", found, stay)
	}
	if n := in.count(t, `SELECT COUNT(*) FROM audit WHERE action = 'fixity.unhold' AND object = $1`, was.ID); n != 1 {
		t.Errorf("%d entries of the audit log", n)
	}
	once(never.ID)
	scrub()
	if found := in.findings(t, fixity.CodeHoldLeft); !slices.Equal(found, stay[1:]) {
		t.Errorf("findings %v, want %v", found, stay[1:])
	}
}
