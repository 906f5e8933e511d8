package retention

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
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

// TestHoldAlwaysSet: whatever fails of what a hold says of destructions under way, the hold
// stands, and nobody is led to set it again.
func TestHoldAlwaysSet(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(a *archive) // when one record is being purged, and one was decided about
		late  int
		codes string
	}{
		"nothing":  {func(*archive) {}, 1, "being-destroyed called-off"},
		"the list": {func(a *archive) { a.behind(`UPDATE record SET metadata = 'x'`) }, 0, "late-unknown"},
		"what was only decided": {func(a *archive) { // is not looked at before the hold stands
			a.behind(`UPDATE record SET metadata = 'x' WHERE id IN (SELECT record_id FROM disposal WHERE phase = 'intended')`)
		}, 1, "being-destroyed"},
		"the bucket, after the hold": {func(a *archive) {
			once := &onceOnly{vault: a.vault}
			a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return once, nil }
		}, 1, "being-destroyed called-off"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t, "2026-02-01")
			a.permit(contact)
			ids := []preservation.RecordID{a.keep(a.metadata(contact, "2020-07-31")), a.keep(a.metadata(contact, "2020-07-31"))}
			begun := a.now
			if err := a.tenant.Update(t.Context(), func(x *catalog.Tx) error {
				for i, id := range ids {
					w := catalog.Disposal{Record: id, ID: preservation.NewID(begun), Phase: intended, Permit: "p", Key: preservation.EventKey(id, "x"), Body: []byte("{}"), Try: begun, At: begun}
					if err := x.BeginDisposal(w); err != nil {
						return err
					}
					if w.Phase = purging; i == 0 {
						if err := x.SetDisposal(w); err != nil {
							return err
						}
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			c.spoil(a)
			h, told, err := a.officer.SetHold(t.Context(), a.tenant, Hold{Scope: Scope{Classes: []string{contact}}, Authority: "Amtsgericht", Reason: "Klage", Review: day(t, "2040-01-01")}, "anna")
			if err != nil || len(h.Late) != c.late || c.late > 0 && h.Late[0].Record != ids[0] {
				t.Fatalf("%+v %v", h, err)
			}
			var codes []string
			for _, f := range told {
				codes = append(codes, f.Code)
			}
			if strings.Join(codes, " ") != c.codes {
				t.Errorf("told %+v", told)
			}
			if all, err := a.officer.Holds(t.Context(), a.tenant); err != nil || len(all) != 1 || all[0].ID != h.ID || len(all[0].Late) != c.late {
				t.Errorf("%+v %v", all, err)
			}
			a.officer.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return a.vault, nil }
			a.job(a.officer.Configure, "")
			if d, err := a.tenant.View().Document(t.Context(), KindHold, h.ID, 0); err != nil || d.Version != 1+c.late || a.vault.find(d.Key, "") == nil {
				t.Errorf("%+v %v", d, err)
			}
		})
	}
}

// onceOnly is a bucket that takes one object.
type onceOnly struct {
	*vault
	full bool
}

func (v *onceOnly) Put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	if v.full {
		return preservation.Object{}, preservation.ErrUnavailable
	}
	v.full = true
	return v.vault.Put(ctx, key, r, o)
}

// TestFateAfter: that a destruction is not under way any more saves no record, and a later
// one is not what the hold came late for.
func TestFateAfter(t *testing.T) {
	for name, c := range map[string]struct {
		then    Fate
		outcome bool // in the bucket: called off
		stone   string
		want    Fate
	}{
		"called off":             {Purging, true, "", Saved},
		"built anew":             {Purging, false, "", Unclear},
		"blocked, built anew":    {Stuck, false, "", Stuck},
		"blocked, found whole":   {Stuck, true, "", Stuck},
		"ended":                  {Stuck, false, "this", Gone},
		"destroyed by a later":   {Purging, true, "other", Since},
		"blocked, ended by that": {Stuck, false, "other", Since},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArchive(t, "2026-02-01")
			l := Late{Record: a.keep(a.metadata(contact, "2020-07-31")), Disposal: "this", Fate: c.then}
			if c.outcome {
				if _, _, err := put(t.Context(), a.vault, l.outcome(), preservation.EventObject{Record: l.Record, Event: preservation.Event{ID: "this", Type: preservation.EventIntent,
					At: a.now.UTC(), Outcome: preservation.Failure, Code: "called-off", Agent: agent}}, preservation.Lock{}); err != nil {
					t.Fatal(err)
				}
			}
			if c.stone != "" {
				if err := a.tenant.Update(t.Context(), func(x *catalog.Tx) error {
					return x.Destroy(catalog.Tombstone{Record: l.Record, Destroyed: a.now, Key: preservation.EventKey(l.Record, c.stone)})
				}); err != nil {
					t.Fatal(err)
				}
			}
			now, err := a.officer.fates(t.Context(), a.tenant, []Late{l})
			if err != nil || now[0].Fate != c.want || now[0].Destroyed.IsZero() != (c.stone == "") {
				t.Errorf("%+v %v", now, err)
			}
		})
	}
}
