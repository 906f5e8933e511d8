package ui

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
)

// TestRefusals wants few entries of many refused logins, and each of them counted.
func TestRefusals(t *testing.T) {
	var r refusals
	var entries []string
	log := slog.New(slog.DiscardHandler)
	refuse := func(k refused) {
		t.Helper()
		if err := r.note(t.Context(), k, log, func(_ context.Context, times int) error {
			entries = append(entries, fmt.Sprintf("%s %s %d", k.reason, k.subject, times))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	wrong := refused{tenant: "t", reason: "token"}
	for range 5 {
		refuse(wrong)
		refuse(refused{tenant: "t", reason: "locked", subject: "anna"})
	}
	refuse(refused{tenant: "t", reason: "locked", subject: "bernd"})
	if want := []string{"token  1", "locked anna 1", "locked bernd 1"}; !slices.Equal(entries, want) {
		t.Errorf("%q", entries)
	}
	entries = nil
	r.settle(wrong, log)
	refuse(wrong) // the first one again
	if want := []string{"token  4", "token  1"}; !slices.Equal(entries, want) {
		t.Errorf("%q", entries)
	}

	for n := range 2 * refusalKinds {
		refuse(refused{tenant: "t", reason: "roles", subject: fmt.Sprint(n)})
	}
	if len(r.counted) > refusalKinds+1 {
		t.Errorf("%d kinds are told apart", len(r.counted))
	}
	entries = nil
	r.stop(log)
	if len(r.counted) > 0 || len(entries) != 2 || !slices.Contains(entries, "locked anna 4") {
		t.Errorf("%d kept, %q", len(r.counted), entries)
	}
	refuse(wrong) // while the program ends
	if len(r.counted) > 0 || entries[2] != "token  1" {
		t.Errorf("%d kept, %q", len(r.counted), entries)
	}
	r = refusals{}
	broken := errors.New("no catalog")
	if err := r.note(t.Context(), wrong, log, func(context.Context, int) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	entries = nil
	refuse(wrong)
	r.stop(log)
	if want := []string{"token  2"}; !slices.Equal(entries, want) {
		t.Errorf("%q: the one that could not be written is lost", entries)
	}
}

// TestRefusalsStop wants no entry to be written after the end.
func TestRefusalsStop(t *testing.T) {
	var r refusals
	log, wrong := slog.New(slog.DiscardHandler), refused{tenant: "t", reason: "token"}
	writing, goOn := make(chan struct{}), make(chan struct{})
	written := false
	for times := range 2 {
		if err := r.note(t.Context(), wrong, log, func(context.Context, int) error {
			if times > 0 {
				close(writing)
				<-goOn
				written = true
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	go r.settle(wrong, log)
	<-writing
	stopped := make(chan struct{})
	go func() {
		r.stop(log)
		close(stopped)
	}()
	select {
	case <-stopped:
		t.Error("does not wait for the entry")
	default:
	}
	close(goOn)
	<-stopped
	if !written {
		t.Error("an entry is not written at the end")
	}
}
