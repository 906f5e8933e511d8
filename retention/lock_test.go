package retention

import (
	"testing"
	"time"

	"bestand/preservation"
)

func TestLockUntil(t *testing.T) {
	loc := berlin(t)
	end := func(s string) Evaluation {
		d := day(t, s)
		return Evaluation{State: Retained, End: d, DueFrom: d.AddDays(1)}
	}
	ceiling := func(e Evaluation, s string) Evaluation { e.Ceiling = day(t, s); return e }
	state := func(e Evaluation, s, beneath State) Evaluation { e.State, e.Beneath = s, beneath; return e }
	for _, c := range []struct {
		name   string
		e      Evaluation
		now    string
		policy LockPolicy
		until  string
	}{
		{"to the horizon", end("2035-12-31"), "2026-03-01T10:00:00+01:00", LockPolicy{}, "2026-05-30T00:00:00+02:00"},
		{"to the end", end("2026-03-31"), "2026-03-01T10:00:00+01:00", LockPolicy{}, "2026-04-01T00:00:00+02:00"},
		{"end on the night summer time begins", end("2026-03-28"), "2026-03-01T10:00:00+01:00", LockPolicy{}, "2026-03-29T00:00:00+01:00"},
		{"last second of the last day", end("2026-03-31"), "2026-03-31T23:59:59+02:00", LockPolicy{}, "2026-04-01T00:00:00+02:00"},
		{"past the end", state(end("2026-03-31"), Due, ""), "2026-04-01T00:00:00+02:00", LockPolicy{}, "2026-04-15T00:00:00+02:00"},
		{"no known end", Evaluation{State: Unresolved}, "2026-04-01T12:00:00+02:00", LockPolicy{}, "2026-04-15T00:00:00+02:00"},
		{"conflict", ceiling(Evaluation{State: Conflict, End: day(t, "2030-12-31")}, "2020-01-01"), "2026-04-01T12:00:00+02:00", LockPolicy{}, "2026-04-15T00:00:00+02:00"},
		{"permanent", Evaluation{State: Permanent}, "2026-04-01T12:00:00+02:00", LockPolicy{}, "2026-06-30T00:00:00+02:00"},
		{"held, period runs", state(end("2026-04-30"), Held, Retained), "2026-04-01T12:00:00+02:00", LockPolicy{}, "2026-05-01T00:00:00+02:00"},
		{"held past the end", state(end("2020-04-30"), Held, Due), "2026-04-01T12:00:00+02:00", LockPolicy{}, "2026-04-15T00:00:00+02:00"},
		{"held for ever", Evaluation{State: Held, Beneath: Permanent}, "2026-04-01T12:00:00+02:00", LockPolicy{}, "2026-06-30T00:00:00+02:00"},
		{"past the end, ceiling near", ceiling(state(end("2026-03-31"), Due, ""), "2026-04-05"), "2026-04-01T12:00:00+02:00", LockPolicy{}, "2026-04-06T00:00:00+02:00"},
		{"past the ceiling", ceiling(state(end("2026-03-31"), Due, ""), "2026-04-05"), "2026-04-06T12:00:00+02:00", LockPolicy{}, "2026-04-20T00:00:00+02:00"},
		{"full term", end("2035-12-31"), "2026-03-01T10:00:00+01:00", LockPolicy{FullTerm: true}, "2036-01-01T00:00:00+01:00"},
		{"own horizon", end("2035-12-31"), "2026-01-01T10:00:00+01:00", LockPolicy{Horizon: 10, Short: 2}, "2026-01-11T00:00:00+01:00"},
		{"own short lock", Evaluation{State: Unresolved}, "2026-01-01T10:00:00+01:00", LockPolicy{Horizon: 10, Short: 2}, "2026-01-03T00:00:00+01:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, c.now)
			if err != nil {
				t.Fatal(err)
			}
			c.policy.Zone = loc
			got := LockUntil(c.e, now, c.policy)
			if got.Mode != preservation.Compliance || got.Until.Format(time.RFC3339) != c.until {
				t.Errorf("%s until %s, want COMPLIANCE until %s", got.Mode, got.Until.Format(time.RFC3339), c.until)
			}
		})
	}
	if got := LockUntil(Evaluation{}, time.Now(), LockPolicy{Mode: preservation.Governance}); got.Mode != preservation.Governance {
		t.Errorf("mode %s", got.Mode)
	}
}

// A pass over what is not a record comes again before half of any lock is gone.
func TestProofLock(t *testing.T) {
	for _, p := range []LockPolicy{{}, {Horizon: 30}, {Horizon: 3, Short: 1}, {Horizon: 365, Short: 5}} {
		now := day(t, "2026-03-01").In(berlin(t)).Add(23 * time.Hour)
		every := now.AddDate(0, 0, p.proofEvery())
		if lock := p.proof(now); !lock.Until.Add(-every.Sub(now)).After(every) {
			t.Errorf("%+v: locked until %s, extended on %s", p, lock.Until, every)
		}
	}
}

func TestExtend(t *testing.T) {
	loc := berlin(t)
	at := func(s string) time.Time { return day(t, s).In(loc) }
	far := Evaluation{State: Retained, DueFrom: day(t, "2040-01-01")}
	near := Evaluation{State: Retained, DueFrom: day(t, "2026-03-01")}
	for _, c := range []struct {
		name       string
		e          Evaluation
		until, now time.Time
		want       bool
	}{
		{"fresh", far, at("2026-04-01"), at("2026-01-02"), false},
		{"more than half is left", far, at("2026-04-01"), at("2026-02-14"), false},
		{"less than half", far, at("2026-04-01"), at("2026-02-17"), true},
		{"late", far, at("2026-04-01"), at("2026-05-01"), true},
		{"never set", far, time.Time{}, at("2026-01-01"), true},
		{"already to the end", near, at("2026-03-01"), at("2026-02-28"), false},
		{"due and running out", Evaluation{State: Due, DueFrom: day(t, "2026-01-01")}, at("2026-01-05"), at("2026-01-02"), true},
		{"due and fresh", Evaluation{State: Due, DueFrom: day(t, "2026-01-01")}, at("2026-01-15"), at("2026-01-02"), false},
		{"longer than wanted", near, at("2030-01-01"), at("2026-02-01"), false},
	} {
		if _, got := Extend(c.e, c.until, c.now, LockPolicy{Zone: loc}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestProtect: an object that is no record's and has lost its lock gets that of its like.
func TestProtect(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	key := preservation.ConfigKey("x")
	a.vault.add(key, []byte("{}"), preservation.Lock{})
	for _, want := range []bool{true, false} { // it has one then
		if done, err := a.officer.Protect(t.Context(), a.tenant, key); err != nil || done != want {
			t.Fatal(done, err)
		}
	}
	o, err := a.vault.Stat(t.Context(), key, "")
	if err != nil || o.Lock.Mode != preservation.Compliance || o.Lock.Until.Before(a.now.AddDate(0, 0, 80)) {
		t.Errorf("%+v, %v", o.Lock, err)
	}
	if done, err := a.officer.Protect(t.Context(), a.tenant, preservation.ConfigKey("y")); done || err == nil {
		t.Errorf("of what is not there: %t, %v", done, err)
	}
}
