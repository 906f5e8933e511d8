package retention

import (
	"context"
	"errors"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// reclassify moves a record and evaluates what follows.
func (a *archive) reclassify(id preservation.RecordID, class string) {
	a.t.Helper()
	if _, err := a.officer.Reclassify(a.t.Context(), a.tenant, id, class, "falsch abgelegt", "anna"); err != nil {
		a.t.Fatal(err)
	}
	a.evaluate()
	a.evaluate() // the parts that it marked
}

func (a *archive) class(id preservation.RecordID) string {
	a.t.Helper()
	e, err := a.tenant.Record(a.t.Context(), id)
	if err != nil {
		a.t.Fatal(err)
	}
	return e.Class
}

func TestReclassify(t *testing.T) {
	ctx := t.Context()
	a := newArchive(t, "2026-02-01")
	file := a.keep(a.metadata(contact, "2015-07-31"))
	m := a.metadata(contact, "2015-07-31")
	m.Parent = file
	part := a.keep(m)
	a.evaluate()
	a.want(file, "due")
	a.want(part, "due")

	a.reclassify(file, "00.10") // council minutes: for ever
	a.want(file, "permanent")
	a.want(part, "permanent")
	a.reclassify(file, "63.10")
	if got := a.class(file); got != "63.10" {
		t.Errorf("class %s, want the last one", got)
	}
	a.version(file, 2, a.metadata(contact, "2015-07-31")) // submitted before it was moved
	if got := a.class(file); got != "63.10" {
		t.Errorf("class %s, a later version took the move back", got)
	}
	all, err := a.officer.Reclassifications(ctx, a.tenant, file)
	if err != nil || len(all) != 2 || all[0].From != contact || all[1].From != "00.10" || all[1].Actor != "anna" || all[1].Reason != "falsch abgelegt" {
		t.Errorf("%+v, %v", all, err)
	}
	events, err := a.tenant.Events(ctx, file)
	if err != nil || len(events) != 2 || events[1].Type != preservation.EventReclassify || events[1].Detail != "class 00.10 replaced by 63.10" {
		t.Errorf("events %+v, %v", events, err)
	}
}

func TestReclassifyRefused(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	id := a.keep(a.metadata(contact, "2015-07-31"))
	before := len(a.vault.keys(preservation.EventPrefix(id)))
	for _, c := range []struct{ class, reason, field, code string }{
		{"99.99", "r", "class", UnknownClass},
		{contact, "r", "class", "unchanged"},
		{"", "r", "class", "required"},
		{"../63", "r", "class", "code"},
		{"63.10", " ", "reason", "required"},
		{"63.10", strings.Repeat("x", 2001), "reason", "max"},
	} {
		var bad Invalid
		_, err := a.officer.Reclassify(t.Context(), a.tenant, id, c.class, c.reason, "anna")
		if !errors.As(err, &bad) || bad[0].Subject != c.field || bad[0].Code != c.code {
			t.Errorf("class %q, reason %.5q: %v, want %s of %s", c.class, c.reason, err, c.code, c.field)
		}
	}
	if _, err := a.officer.Reclassify(t.Context(), a.tenant, "01jq2m9cfp2y8r0v6k3c5t7n4e", "63.10", "r", "anna"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("a record that is not there: %v", err)
	}
	if after := len(a.vault.keys(preservation.EventPrefix(id))); after != before {
		t.Errorf("%d event objects, want %d", after, before)
	}
	a.permit(contact)
	a.night()
	a.dispose() // waits for the lock
	a.want(id, "releasing")
	if _, err := a.officer.Reclassify(t.Context(), a.tenant, id, "63.10", "r", "anna"); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("a record being destroyed: %v", err)
	}
}

// TestReclassifiedIsAttested destroys a record by the class that it was moved to, and
// keeps one that the catalog says was never moved, while the bucket tells otherwise.
func TestReclassifiedIsAttested(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	packaged := map[preservation.RecordID]preservation.Metadata{}
	keep := func(class string) preservation.RecordID {
		m := a.metadata(class, "2015-07-31")
		id := a.keep(m)
		packaged[id] = m
		return id
	}
	moved, forgotten := keep("04.10"), keep(contact)
	a.gate.Packaged = func(_ context.Context, _ preservation.Store, of preservation.RecordID, version int) (preservation.Record, error) {
		return preservation.Record{ID: of, Version: version, Metadata: packaged[of]}, nil
	}
	a.permit(contact)
	a.reclassify(moved, contact)
	a.reclassify(forgotten, "63.10")
	a.behind(`DELETE FROM annotation WHERE record_id = '` + string(forgotten) + `'`)
	a.behind(`UPDATE record SET class = '` + contact + `', stale = 1 WHERE id = '` + string(forgotten) + `'`)
	a.evaluate()
	a.want(forgotten, "due")
	a.now = a.now.AddDate(0, 0, 100)
	if err := a.gate.DisposeDue(t.Context(), a.tenant, catalog.Job{}); !errors.Is(err, preservation.ErrCorrupt) || !strings.Contains(err.Error(), string(forgotten)) {
		t.Errorf("%v, want the record named of which catalog and bucket disagree", err)
	}
	a.want(moved, "destroyed")
	a.want(forgotten, "due")
	a.whole(forgotten)
}
