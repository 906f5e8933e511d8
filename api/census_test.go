package api

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"bestand/api/auth"
	"bestand/preservation"
)

// TestCensus: what takes a look at everything is looked at again only when that is due,
// each tenant by itself.
func TestCensus(t *testing.T) {
	var ahead atomic.Int64
	begun := time.Now()
	a := newArchive(t, func(c *Config) { c.Now = func() time.Time { return begun.Add(time.Duration(ahead.Load())) } })
	operator := a.token(ours, "otto", auth.Operator)
	counted := func() (Operation, int64) {
		t.Helper()
		o := decode[Operation](t, a.do(operator, "GET", "/v1/operation", nil).want(t, 200))
		return o, o.Submissions["archived"]
	}
	a.archived(ours, "1", preservation.File{Name: "a.txt"})
	a.archived(theirs, "1", preservation.File{Name: "a.txt"})
	first, n := counted()
	if n != 1 {
		t.Fatalf("%d archived", n)
	}
	last := a.server.s.counts.of[ours]
	last.took = time.Second // whatever it took here
	a.archived(ours, "2", preservation.File{Name: "b.txt"})
	ahead.Store(int64(censusAge*time.Second - time.Millisecond))
	if o, n := counted(); n != 1 || !o.Measured.Equal(first.Measured) {
		t.Errorf("counted again after %v: %d", o.Measured.Sub(first.Measured), n)
	}
	ahead.Store(int64(censusAge * time.Second))
	if o, n := counted(); n != 2 || !o.Measured.After(first.Measured) {
		t.Errorf("not counted again: %d, %v", n, o.Measured)
	}
	last.took = time.Second
	a.archived(ours, "3", preservation.File{Name: "c.txt"})
	ahead.Store(0) // the clock was set back
	if _, n := counted(); n != 3 {
		t.Errorf("%d archived after the clock was set back", n)
	}
	if a.server.s.counts.of[theirs] != nil {
		t.Error("another tenant was counted as well")
	}
}

// TestFormatNames: a name is asked for once, only for the tenant whose format it is, and
// one that is not there yet is asked for again.
func TestFormatNames(t *testing.T) {
	a := newArchive(t)
	a.archived(ours, "1", preservation.File{Name: "a.txt", Format: preservation.Format{PUID: "x-fmt/111", Name: "Plain Text File"}})
	n := &a.server.s.formats
	name := func(ctx context.Context, tenant preservation.TenantID, puid string) string {
		t.Helper()
		name, err := n.of(ctx, a.db.Tenant(tenant), puid)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	gone, leave := context.WithCancel(t.Context())
	leave() // the catalog cannot be asked
	if got := name(t.Context(), ours, "x-fmt/111"); got != "Plain Text File" {
		t.Errorf("%q", got)
	}
	if got := name(gone, ours, "x-fmt/111"); got != "Plain Text File" {
		t.Errorf("asked for again: %q", got)
	}
	if got := name(t.Context(), theirs, "x-fmt/111"); got != "" {
		t.Errorf("a name of another tenant: %q", got)
	}
	if got := name(t.Context(), ours, "fmt/95"); got != "" {
		t.Errorf("%q", got)
	}
	if _, err := n.of(gone, a.db.Tenant(ours), "fmt/95"); err == nil {
		t.Error("that there is no name was kept")
	}
	a.archived(ours, "2", preservation.File{Name: "a.pdf", Format: preservation.Format{PUID: "fmt/95", Name: "Acrobat PDF/A", Version: "1a"}})
	if got := name(t.Context(), ours, "fmt/95"); got != "Acrobat PDF/A 1a" {
		t.Errorf("%q", got)
	}
	for i := range formatsKnown {
		n.known[formatOf{ours, fmt.Sprint("made-up/", i)}] = "x"
	}
	delete(n.known, formatOf{ours, "fmt/95"})
	if got := name(t.Context(), ours, "fmt/95"); got != "Acrobat PDF/A 1a" || len(n.known) > formatsKnown {
		t.Errorf("%q, %d names are kept", got, len(n.known))
	}
}
