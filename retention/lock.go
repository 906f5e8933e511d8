package retention

import (
	"cmp"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// LockPolicy says how long locks reach. Its zero value is the default.
type LockPolicy struct {
	Mode    preservation.LockMode // none means Compliance
	Horizon int                   // days that a lock reaches ahead while the end is further away; 0 means 90
	Short   int                   // days for records past their end or without a known one; 0 means 14
	// FullTerm locks to the retention end at once, however far away. Such a lock
	// can never follow a law or a correction that shortens the period.
	FullTerm bool
	Zone     *time.Location // whose midnight ends a lock; nil means UTC
}

func (p LockPolicy) zone() *time.Location { return cmp.Or(p.Zone, time.UTC) }
func (p LockPolicy) horizon() int         { return cmp.Or(p.Horizon, 90) }
func (p LockPolicy) short() int           { return cmp.Or(p.Short, 14) }

// LockUntil returns the lock that a record's objects have to carry now: to the
// end of the retention or to the horizon, whichever comes first. A record past
// its end that nobody decided on yet, or without a known end, gets a short
// rolling lock, so that nothing is unlocked while it is kept. A lock always
// ends at a midnight, and never after the retention end or the ceiling while
// these lie ahead.
func LockUntil(e Evaluation, now time.Time, p LockPolicy) preservation.Lock {
	today := preservation.DateOf(now.In(p.zone()))
	return preservation.Lock{Mode: cmp.Or(p.Mode, preservation.Compliance), Until: p.until(&e, today).In(p.zone())}
}

// eventLock locks an object that joins those of a record. It lasts at least as
// long as theirs: all of them are extended together, by the one lock that the
// catalog notes for the record.
func eventLock(e Evaluation, now time.Time, p LockPolicy, r catalog.Retention) preservation.Lock {
	l := LockUntil(e, now, p)
	if r.LockUntil.After(l.Until) {
		l.Until = r.LockUntil
	}
	return l
}

// proof is the lock of what is kept for good and is not a record.
func (p LockPolicy) proof(now time.Time) preservation.Lock {
	return LockUntil(Evaluation{State: Permanent}, now, p)
}

// proofEvery is after how many days such locks are extended. It is less than
// half of the way of every one of them, so that a pass may fail or come late.
func (p LockPolicy) proofEvery() int { return p.horizon() / 3 }

// until returns the first day without the lock.
func (p LockPolicy) until(e *Evaluation, today preservation.Date) preservation.Date {
	state := e.State
	if state == Held {
		state = e.Beneath
	}
	day := today.AddDays(p.short())
	switch {
	case state == Permanent:
		return today.AddDays(p.horizon())
	case state == Conflict, state == Unresolved, e.DueFrom.IsZero():
	case today.Before(e.DueFrom):
		day = today.AddDays(p.horizon())
		if p.FullTerm || e.DueFrom.Before(day) {
			day = e.DueFrom
		}
	}
	if !e.Ceiling.IsZero() && !e.Ceiling.Before(today) && e.Ceiling.Before(day) {
		day = e.Ceiling.AddDays(1)
	}
	return day
}

// Extend returns the lock to set on a record that carries one until an
// instant, and whether it is time to: less than half of the way is left.
func Extend(e Evaluation, until, now time.Time, p LockPolicy) (preservation.Lock, bool) {
	want := LockUntil(e, now, p)
	if !want.Until.After(until) {
		return want, false
	}
	return want, until.Sub(now) < want.Until.Sub(now)/2
}
