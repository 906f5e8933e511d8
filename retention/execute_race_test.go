package retention

import (
	"errors"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestRunRace has several gateways carry one run out while holds come and somebody
// stops it and lets it go on. Each record ends destroyed without a byte left, or whole
// with a reason.
func TestRunRace(t *testing.T) {
	a, ids := dueRecords(t, 24, sickness)
	a.gate.Floor = 100
	r := a.approved(ids...)
	ctx := t.Context()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if err := a.tryExecute(r); err != nil && !errors.Is(err, catalog.ErrConflict) {
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		for _, id := range ids[16:] {
			_, _, err := a.officer.SetHold(ctx, a.tenant, Hold{Scope: Scope{Records: []preservation.RecordID{id}}, Authority: "a", Reason: "r", Review: preservation.Date{Year: 2030, Month: 1, Day: 1}}, "anna")
			var bad Invalid
			if err != nil && !errors.As(err, &bad) { // destroyed already
				t.Error(err)
			}
		}
	})
	all.Go(func() {
		if _, err := a.officer.StopRun(ctx, a.tenant, r.ID, "Rückfrage", "dora"); err != nil && !errors.Is(err, catalog.ErrConflict) {
			t.Error(err)
		}
	})
	all.Wait()
	if now, _ := a.run(r.ID); now.Status == RunStopped {
		a.start(r, 0)
	}
	for range 4 {
		a.now = a.now.AddDate(0, 0, 16).Add(time.Minute)
		a.gate.Gap = 365 * 24 * time.Hour
		if err := a.tryExecute(r); err != nil {
			t.Error(err)
		}
		a.evaluate()
	}
	_, n := a.run(r.ID)
	for _, id := range ids {
		a.whole(id)
		switch i := a.item(r, id); {
		case i.State == catalog.ItemDestroyed && a.state(id) == "destroyed":
		case i.State == catalog.ItemLeft && a.state(id) == "held" && i.Reason != "":
		case i.State == catalog.ItemOpen && a.state(id) == "releasing": // a hold came between package and receipt
		default:
			t.Errorf("record %s is %s and %+v", id, a.state(id), i)
		}
	}
	if n.Destroyed < 16 {
		t.Errorf("%+v", n)
	}
}
