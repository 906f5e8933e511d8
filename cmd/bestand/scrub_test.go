package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/fixity"
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
