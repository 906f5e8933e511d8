package retention

import (
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// State is where a record stands on its way from closure to disposal.
type State string

const (
	Active     State = "active"     // its trigger lies ahead
	Closed     State = "closed"     // triggered, and the period begins at the turn of the year
	Retained   State = "retention"  // the period runs
	Due        State = "due"        // the period has ended: to be appraised, offered or destroyed
	Held       State = "held"       // a hold overrides everything else
	Unresolved State = "unresolved" // something is missing: see the reasons
	Conflict   State = "conflict"   // floor and ceiling contradict each other
	Permanent  State = "permanent"  // kept for ever
)

// Codes of a Reason.
const (
	UnknownClass      = "unknown-class"       // the classification has no such class
	NoRule            = "no-rule"             // neither the class nor one above it names a rule
	NotInForce        = "rule-not-in-force"   // no approved version of the rule is valid today
	MissingTrigger    = "missing-trigger"     // nobody reported the event that starts the period
	ImplausibleDate   = "implausible-date"    // a trigger outside the years 1000 to 2999
	UnknownFile       = "unknown-file"        // the facts of the file it belongs to are missing
	OutlivesFile      = "outlives-file"       // its own rule would keep it longer than its file
	CeilingBelowFloor = "ceiling-below-floor" // to be erased before it may be
	CeilingUnknown    = "ceiling-unknown"     // the event that starts the maximum was not reported
	CeilingPassed     = "ceiling-passed"      // the day by which it had to be erased is over
	OfFile            = "of-file"             // the dates are those of the file it belongs to
	Sampled           = "sampled"             // a sample for the archive: A and not V
	OfSuccessor       = "of-successor"        // its class is no more: it goes by the rule of another
)

// Reason says why a record is in its state, beyond the plain run of a period.
type Reason struct {
	Code    string `json:"code"`
	Subject string `json:"subject,omitempty"` // the trigger, class, rule or record it is about
}

// Evaluation is what follows for one record on one day.
type Evaluation struct {
	State       State             `json:"state"`
	Beneath     State             `json:"beneath,omitempty"` // the state it would have without its holds
	Class       string            `json:"class"`
	Rule        RuleRef           `json:"rule,omitzero"`
	Disposition Disposition       `json:"disposition,omitempty"`
	Trigger     string            `json:"trigger,omitempty"`
	TriggeredOn preservation.Date `json:"triggered_on,omitzero"`
	Start       preservation.Date `json:"start,omitzero"`      // first day of the period
	End         preservation.Date `json:"end,omitzero"`        // last day on which it has to be kept
	DueFrom     preservation.Date `json:"due_from,omitzero"`   // first day on which it may go: the day after End, or after Kept
	Ceiling     preservation.Date `json:"ceiling,omitzero"`    // last day on which it may be kept
	Transfer    preservation.Date `json:"transfer,omitzero"`   // last day of the transfer period
	Kept        catalog.Kept      `json:"kept,omitzero"`       // the decision by which it may go later than the day after End
	Custodian   string            `json:"custodian,omitempty"` // the archive that took it over, if one did
	Holds       []string          `json:"holds,omitempty"`     // IDs, sorted
	Reasons     []Reason          `json:"reasons,omitempty"`
}

// Ended reports whether the period is over and nothing but a hold keeps the record.
func (e *Evaluation) Ended() bool {
	return e.State == Due || e.State == Held && e.Beneath == Due
}

// notDue says in words why a record is not due: what holds it by its identifiers, which
// tell nothing of their reasons.
func (e *Evaluation) notDue() string {
	if e.State == Held {
		return heldBy(e.Holds)
	}
	return "it is " + string(e.State)
}

func heldBy(holds []string) string { return "it is held: " + strings.Join(holds, ", ") }

// Next is the first day on which an evaluation by the same rules, facts and holds has
// another result; the zero day when there is none. What is held does not ask: whoever
// releases it has it evaluated anew.
func (e *Evaluation) Next() (day preservation.Date) {
	switch e.State {
	case Active:
		day = e.TriggeredOn
	case Closed:
		day = e.Start
	case Retained:
		if day = e.DueFrom; e.Kept.Run == "" {
			return day
		}
		if over := e.overCeiling(); !over.IsZero() && over.Before(day) {
			day = over
		}
	case Due:
		day = e.overCeiling()
	}
	return day
}

// overCeiling is the first day on which it is kept longer than it may be, as long as that
// is to come.
func (e *Evaluation) overCeiling() (day preservation.Date) {
	if !slices.ContainsFunc(e.Reasons, func(r Reason) bool { return r.Code == CeilingPassed }) && !e.Ceiling.IsZero() {
		day = e.Ceiling.AddDays(1)
	}
	return day
}

// Evaluate says where a record stands at an instant. It is pure: equal
// arguments give equal results, whatever the order of triggers and holds. Days
// begin at midnight in loc, the zone of the tenant.
//
// The result is never earlier than the rule and its minimum allow, and a hold
// always wins.
func Evaluate(s *Schedule, f Facts, holds *Holds, now time.Time, loc *time.Location) Evaluation {
	today := preservation.DateOf(now.In(loc))
	e := s.assessWithin(&f, today)
	e.Class = f.Class
	e.keep(f.kept(), today)
	if e.Holds = holds.On(s, &f, now); len(e.Holds) > 0 {
		e.State, e.Beneath = Held, e.State
	}
	return e
}

// keep has a record that people decided to keep longer go later: on the day after. What
// has no day on which it may go is left alone.
func (e *Evaluation) keep(k catalog.Kept, today preservation.Date) {
	if e.DueFrom.IsZero() || k.Until.Before(e.DueFrom) {
		return
	}
	e.Kept, e.DueFrom = k, k.Until.AddDays(1)
	if e.State == Due && today.Before(e.DueFrom) {
		e.State = Retained
	}
}

// assessWithin applies "a part is kept as long as its file": the file's facts
// govern. Where the part's own rule is known to ask for more, a person decides.
func (s *Schedule) assessWithin(f *Facts, today preservation.Date) Evaluation {
	if f.Parent == "" {
		return s.assess(f, today)
	}
	if f.File == nil {
		return unresolved(Evaluation{}, UnknownFile, string(f.Parent))
	}
	e := s.assessWithin(f.File, today)
	e.Reasons = append(e.Reasons, Reason{OfFile, string(f.Parent)})
	if f.Class == f.File.Class || e.State == Permanent || e.State == Unresolved {
		return e
	}
	own := s.assess(f, today)
	if own.State == Permanent || e.End.Before(own.End) {
		e.State, e.DueFrom = Conflict, preservation.Date{}
		e.Reasons = append(e.Reasons, Reason{OutlivesFile, own.Rule.ID})
	}
	return e
}

func (s *Schedule) assess(f *Facts, today preservation.Date) Evaluation {
	var e Evaluation
	if next := s.classes[f.Class].successor; next != "" {
		e.Reasons = append(e.Reasons, Reason{OfSuccessor, next})
	}
	r, why := s.rule(f, today)
	if r == nil {
		return unresolved(e, why.Code, why.Subject)
	}
	e.Rule, e.Disposition, e.Trigger = r.Ref(), r.Disposition, r.Trigger
	if g := f.reported(OnTakeover); g != nil {
		e.State, e.Disposition, e.Trigger, e.TriggeredOn, e.Custodian = Permanent, Archive, OnTakeover, g.Date, g.Custodian
		return e
	}
	if by := r.Sampling.chosen(f); by != "" {
		e.Disposition = Archive
		e.Reasons = append(e.Reasons, Reason{Sampled, by})
	}
	if r.Permanent {
		e.State = Permanent
		return e
	}
	var why2 string
	if e.TriggeredOn, why2 = f.plausible(r.Trigger, r.FiscalMonth); why2 != "" {
		return unresolved(e, why2, r.Trigger)
	}
	if !r.Transfer.None() {
		_, e.Transfer = span(e.TriggeredOn, r.Transfer, Day, r.FiscalMonth)
	}
	var end preservation.Date
	e.Start, end = span(e.TriggeredOn, r.Duration, r.Base, r.FiscalMonth)
	if m := r.Minimum; m != nil {
		_, floor, why := f.bound(m, r.FiscalMonth)
		if why != "" {
			return unresolved(e, why, m.Trigger)
		}
		end = later(end, floor)
	}
	e.End = end
	if m := r.Maximum; m != nil {
		_, ceiling, why := f.bound(m, r.FiscalMonth)
		switch {
		case why != "":
			e.Reasons = append(e.Reasons, Reason{CeilingUnknown, m.Trigger})
		case ceiling.Before(end):
			e.State, e.Ceiling = Conflict, ceiling
			e.Reasons = append(e.Reasons, Reason{CeilingBelowFloor, r.ID})
			return e
		default:
			e.Ceiling = ceiling
			if ceiling.Before(today) {
				e.Reasons = append(e.Reasons, Reason{CeilingPassed, ceiling.String()})
			}
		}
	}
	e.DueFrom = end.AddDays(1)
	switch {
	case today.Before(e.TriggeredOn):
		e.State = Active
	case !today.Before(e.DueFrom):
		e.State = Due
	case today.Before(e.Start):
		e.State = Closed
	default:
		e.State = Retained
	}
	return e
}

// plausible returns the day of a trigger or the code of what is wrong with it.
func (f *Facts) plausible(trigger string, fiscal time.Month) (preservation.Date, string) {
	d := f.date(trigger, fiscal)
	switch {
	case d.IsZero():
		return d, MissingTrigger
	case d.Year < 1000 || d.Year > 2999:
		return preservation.Date{}, ImplausibleDate
	}
	return d, ""
}

func (f *Facts) bound(b *Bound, fiscal time.Month) (first, last preservation.Date, why string) {
	d, why := f.plausible(b.Trigger, fiscal)
	if why != "" {
		return first, last, why
	}
	first, last = span(d, b.Duration, b.Base, fiscal)
	return first, last, ""
}

func unresolved(e Evaluation, code, subject string) Evaluation {
	e.State = Unresolved
	e.Reasons = append(e.Reasons, Reason{code, subject})
	return e
}
