package ingest

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"

	"bestand/ingest/verapdf"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/revocation"
)

const letterHTML = "<!DOCTYPE html><html lang=de><title>Brief</title><p>Guten Tag</p></html>"

// sealed returns the event about the seal of a record's rendition.
func (w *workshop) sealed(sub catalog.Submission) preservation.Event {
	w.Helper()
	if sub.Status != catalog.Archived {
		w.Fatal(sub.Status, sub.Problems)
	}
	events, err := w.tenant.Events(w.Context(), sub.RecordID)
	if err != nil {
		w.Fatal(err)
	}
	for _, e := range events {
		if e.Type == preservation.EventSeal && strings.HasPrefix(e.Detail, "PAdES") {
			return e
		}
	}
	w.Fatalf("no seal: %v", events)
	return preservation.Event{}
}

func TestSealLevels(t *testing.T) {
	for setting, want := range map[string]string{"": "B-LT", "B-LT": "B-LT", "B-T": "B-T", "B-B": "B-B"} {
		t.Run("setting "+setting, func(t *testing.T) {
			w := newWorkshopFor(t, catalog.Settings{Seal: setting})
			w.equip(verapdf.DefaultDir, "")
			e := w.sealed(w.process(w.submit("1", "brief.html", letterHTML).ID))
			if e.Outcome != preservation.Success || !strings.HasPrefix(e.Detail, "PAdES "+want+", ") {
				t.Errorf("%+v", e)
			}
		})
	}
}

// A service that does not say now whether certificates were revoked makes the
// submission wait; one that never does makes a lower level, which is said.
func TestSealWithoutRevocationData(t *testing.T) {
	w := newWorkshop(t)
	w.equip(verapdf.DefaultDir, "")
	get := w.Sealer.Revocation
	var away error
	w.Sealer.Revocation = func(ctx context.Context, path []*x509.Certificate) (revocation.Material, error) {
		if away != nil {
			return revocation.Material{}, away
		}
		return get(ctx, path)
	}
	away = preservation.Down(preservation.PartRevocation, errors.New("no answer"))
	id := w.submit("1", "brief.html", letterHTML).ID
	job := catalog.Job{Kind: "process", Key: string(id)}
	var o *preservation.Outage
	if err := w.Process(t.Context(), w.tenant, job); !errors.As(err, &o) || o.Part != preservation.PartRevocation {
		t.Errorf("got %v", err)
	}
	w.later += stampPause
	away = nil
	if e := w.sealed(w.process(id)); !strings.HasPrefix(e.Detail, "PAdES B-LT") {
		t.Errorf("%+v", e)
	}
	away = fmt.Errorf("asked: %w", revocation.ErrNone)
	sub := w.process(w.submit("2", "brief.html", letterHTML).ID)
	if e := w.sealed(sub); e.Outcome != preservation.Warning || e.Code != "seal-level" || !strings.HasPrefix(e.Detail, "PAdES B-T") {
		t.Errorf("%+v", e)
	}
	if len(sub.Problems) != 0 {
		t.Errorf("the producer is told of it: %v", sub.Problems)
	}
}
