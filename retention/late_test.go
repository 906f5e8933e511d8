package retention

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TestHoldLate sets a hold over a class in the middle of a destruction, which goes on or
// is cut off there, and looks at what the hold says of the record then and later.
func TestHoldLate(t *testing.T) {
	for name, c := range map[string]struct {
		boundary string
		cut      bool
		then     Fate // when it is set; none: the destruction is called off
		now      Fate
		state    string
	}{
		"decided":                     {"begun", false, "", "", "held"},
		"decided, and cut off":        {"begun", true, "", "", "held"},
		"claimed":                     {"claimed", false, Purging, Gone, "destroyed"},
		"claimed, and cut off":        {"claimed", true, Purging, Saved, "held"},
		"half purged, and cut off":    {"one object", true, Purging, Stuck, "releasing"},
		"purged, and cut off":         {"purged", true, Purging, Gone, "destroyed"},
		"all but buried, and cut off": {"events", true, Purging, Gone, "destroyed"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t, "2026-02-01")
			ctx := t.Context()
			a.permit(contact)
			other := a.keep(a.metadata(sickness, "2025-07-31"))
			file := a.keep(a.metadata(contact, "2020-07-31"))
			if name == "half purged, and cut off" {
				a.version(file, 2, a.metadata(contact, "2020-07-31"))
			}
			a.night()
			a.now = a.now.AddDate(0, 0, 16)
			var h Hold
			var told []preservation.Finding
			crashed := errors.New("cut off")
			a.gate.Boundary = func(at string) error {
				if at != c.boundary || h.ID != "" {
					return nil
				}
				var err error
				h, told, err = a.officer.SetHold(ctx, a.tenant, Hold{Scope: Scope{Classes: []string{contact}}, Authority: "Amtsgericht", Reason: "Klage", Review: day(t, "2040-01-01")}, "anna")
				if err != nil {
					t.Error(err)
				}
				if c.cut {
					return crashed
				}
				return nil
			}
			var later *catalog.Later
			if err := a.gate.DisposeDue(ctx, a.tenant, catalog.Job{}); c.cut != errors.Is(err, crashed) || err != nil && !c.cut && !errors.As(err, &later) {
				t.Fatal(err)
			}
			for range 2 {
				a.now = a.now.Add(2 * lease)
				a.dispose()
				a.evaluate()
			}
			a.want(file, c.state)
			a.want(other, "retention")
			if len(told) != 1 || (told[0].Code == "called-off") != (c.then == "") || c.then != "" && told[0].Subject != string(file) {
				t.Errorf("told %+v", told)
			}
			now, _, err := a.officer.Hold(ctx, a.tenant, h.ID)
			if err != nil {
				t.Fatal(err)
			}
			if c.then == "" {
				if len(h.Late)+len(now.Late) > 0 {
					t.Errorf("late for %+v, %+v", h.Late, now.Late)
				}
				return
			}
			if len(h.Late) != 1 || h.Late[0].Record != file || h.Late[0].Class != contact || h.Late[0].Permit == "" || h.Late[0].Fate != c.then {
				t.Errorf("late for %+v", h.Late)
			}
			if len(now.Late) != 1 || now.Late[0].Fate != c.now || now.Late[0].Destroyed.IsZero() != (c.now != Gone) {
				t.Errorf("by now %+v", now.Late)
			}
			if rows, err := a.officer.HoldReport(ctx, a.tenant); err != nil || !reflect.DeepEqual(rows[0].Late, now.Late) {
				t.Errorf("the report says %+v, %v", rows, err)
			}

			// It stands in the bucket, and stays when the hold is released.
			d, err := a.tenant.View().Document(ctx, KindHold, h.ID, 0)
			if err != nil || a.vault.find(d.Key, "") == nil {
				t.Fatalf("%+v, %v", d, err)
			}
			a.now = a.now.Add(time.Second)
			if _, err := a.officer.ReleaseHold(ctx, a.tenant, h.ID, "erledigt", "anna"); err != nil {
				t.Fatal(err)
			}
			var last Hold
			if d, err = a.tenant.View().Document(ctx, KindHold, h.ID, 0); err != nil || json.Unmarshal(d.Body, &last) != nil || !reflect.DeepEqual(last.Late, h.Late) {
				t.Errorf("released %+v, %v", last, err)
			}
		})
	}
}

// TestHoldLateForPart: a hold on a file comes late for its part, and one on
// another class for neither.
func TestHoldLateForPart(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	a.permit(contact)
	file := a.keep(a.metadata(contact, "2018-07-31"))
	m := a.metadata(contact, "2018-07-31")
	m.Parent = file
	part := a.keep(m)
	a.night()
	a.now = a.now.AddDate(0, 0, 16)
	var on, off Hold
	a.gate.Boundary = func(at string) error {
		if at == "claimed" && on.ID == "" {
			on = a.hold(Scope{Records: []preservation.RecordID{file}})
			off = a.hold(Scope{Classes: []string{"63.10"}})
		}
		return nil
	}
	a.dispose()
	if len(on.Late) != 1 || on.Late[0].Record != part || len(off.Late) != 0 {
		t.Errorf("late for %+v and %+v", on.Late, off.Late)
	}
	a.evaluate()
	a.want(part, "destroyed")
	a.want(file, "held")
}
