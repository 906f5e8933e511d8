package retention

import (
	"errors"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestTwoDecide: who looked at a run before somebody else decided takes nothing of that
// back unseen.
func TestTwoDecide(t *testing.T) {
	a, ids := dueRecords(t, 3, sickness)
	r := a.propose(ids...)
	seen := r.Revision
	decide := func(who string, seen int, decision string, s Scope) error {
		_, err := a.officer.DecideRun(t.Context(), a.tenant, r.ID, []Appraisal{{Scope: s, Decision: decision, Seen: seen}}, who)
		return err
	}
	one := func(i int) Scope { return Scope{Records: []preservation.RecordID{ids[i]}} }
	if err := errors.Join(decide("anna", seen, "V", one(0)), decide("dora", seen, "V", one(1)), decide("anna", seen, "V", one(0))); err != nil {
		t.Fatal(err)
	}
	for _, s := range []Scope{one(0), everything, {Classes: []string{"02"}}, {Records: ids}} {
		if err := decide("bernd", seen, "A", s); !errors.Is(err, catalog.ErrConflict) || !strings.Contains(err.Error(), "look at it again") {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if i := a.item(r, ids[0]); i.Decision != "V" {
		t.Errorf("%+v", i)
	}
	r, _ = a.run(r.ID)
	if err := errors.Join(decide("bernd", seen, "V", one(2)), decide("bernd", r.Revision, "B", one(0)), decide("anna", 0, "V", everything)); err != nil {
		t.Error(err)
	}
}
