package ui

import (
	"testing"

	"bestand/retention"
)

// TestWhy: certificates and spreadsheets, which are German, say of a record what the
// pages say.
func TestWhy(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	de := languages[0]
	for _, reason := range []string{"there is no such record any more", "its destruction has begun", "its retention ends on 2030-12-31", "it is held", "it is held: 06h0, 06h1", "the archive may answer until 2030-12-31", "it is unresolved", "it is conflict",
		"it is permanent", "it is closed", "it is in the disposal run r", "it is kept until 2030-12-31 as decided in the disposal run r", "kept until 2030-01-31: Klage",
		"its file is kept, or another part of it", "a new version was added since it was listed", "it is in another class than when it was listed",
		"another rule or date applies than when it was listed", "the run was cancelled: Irrtum", "3 records to be destroyed", "120 of 300 records in one run are more than the configured share of 0.1",
		"120 records in one run are more than 10 times as many as in the last 3 runs, of which the largest had 5", "the list is not the one that was approved",
		"120 records allowed although unusual",
		"the run was completed, and the record came back with a restore", "Kreisarchiv, A 12, acknowledged on 2026-02-28",
		"one of 10", "5 of 1000", "name with M", "born on a day 1", "by name", "by birthday", "sample: one of 10", "sample: name with M", "something else"} {
		if page := de.why(reason); page.Text != retention.GermanReason(reason) || page.Known != (reason != "something else") {
			t.Errorf("%q: page %q, certificate %q", reason, page.Text, retention.GermanReason(reason))
		}
	}
	if run := de.why("it is in the disposal run 06h0").Run; run != "06h0" {
		t.Errorf("leads to the run %q", run)
	}
	for _, state := range []string{"open", "destroyed", "transferred", "left", "refused"} {
		if page := de.t("item." + state); page != retention.GermanState(state) {
			t.Errorf("%s: page %q, certificate %q", state, page, retention.GermanState(state))
		}
	}
	for _, act := range []string{"created", "decided", "offered", "answered", "approved", "withdrawn", "started", "begun", "stopped", "handed-over", "completed", "cancelled", "certified"} {
		if page := de.t("runact." + act); page != retention.GermanAct(act) {
			t.Errorf("%s: page %q, certificate %q", act, page, retention.GermanAct(act))
		}
	}
}
