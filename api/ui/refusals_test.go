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
	broken := errors.New("no catalog")
	if err := r.note(t.Context(), wrong, log, func(context.Context, int) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}
