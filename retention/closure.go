package retention

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"bestand/preservation"
)

// ClosurePeriod is a period in which archival material may not be used by the
// public (Schutzfrist, SächsArchivG §10), as shipped data: figure, legal basis, when
// that was read.
type ClosurePeriod struct {
	ID    string `json:"id"`
	From  string `json:"from"` // creation, death or birth
	Years int    `json:"years"`
	// Person: of records about persons of whom nothing else is known.
	Person bool `json:"person,omitempty"`
	// Confidentiality are the markings for which it holds; none: all.
	Confidentiality []string          `json:"confidentiality,omitempty"`
	LegalBasis      string            `json:"legal_basis"`
	Checked         preservation.Date `json:"checked"`
	Confidence      string            `json:"confidence"`
	Note            string            `json:"note,omitempty"`
}

// Days from which closure periods run.
const (
	fromCreation = "creation"
	fromDeath    = "death"
	fromBirth    = "birth"
)

// closurePeriods are those that are shipped.
var closurePeriods = sync.OnceValues(func() (all []ClosurePeriod, err error) {
	f, err := data.Open("data/closure.json")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("data/closure.json: %w", err)
	}
	return all, nil
})

// Access says until when a record is closed.
type Access struct {
	ClosedUntil preservation.Date `json:"closed_until,omitzero"` // last day; zero: it was opened
	Basis       string            `json:"basis"`
	Reason      string            `json:"reason"` // the period that ends last, or shortening
	Exceptions  []AccessGrant     `json:"exceptions,omitempty"`
}

// Closed reports whether the record is closed on a day.
func (a *Access) Closed(today preservation.Date) bool {
	return !a.ClosedUntil.IsZero() && !a.ClosedUntil.Before(today)
}

// ClosureFacts is what closure periods depend on.
type ClosureFacts struct {
	// Created is the day by which all of the record existed: its closure, else the day
	// on which the archive got it.
	Created         preservation.Date
	Confidentiality string
	PersonalData    bool
	Subjects        []preservation.Subject
}

// Shortening is the reason of an Access whose end the archive itself decided.
const Shortening = "shortening"

// Closure computes until when a record is closed: to the last day of the longest
// period that holds for it, unless exceptions say otherwise. It is pure; the order
// of persons and of grants does not matter. Consent takes out the period of the
// person who gave it and no other; a shortening, of several the last, ends all of
// them and never later than they would.
func Closure(periods []ClosurePeriod, f ClosureFacts, grants []AccessGrant) Access {
	grants = slices.SortedFunc(slices.Values(grants), func(a, b AccessGrant) int {
		return cmp.Or(a.Recorded.Compare(b.Recorded), strings.Compare(a.ID, b.ID))
	})
	a := Access{Exceptions: grants}
	consider := func(p *ClosurePeriod, from preservation.Date) {
		if end := add(from, Duration{Years: p.Years}); a.Reason == "" || a.ClosedUntil.Before(end) {
			a.ClosedUntil, a.Basis, a.Reason = end, p.LegalBasis, p.ID
		}
	}
	persons := f.Subjects
	if f.PersonalData && len(persons) == 0 {
		persons = []preservation.Subject{{}}
	}
	for i := range periods {
		p := &periods[i]
		if p.From == fromCreation && !p.Person && (len(p.Confidentiality) == 0 || slices.ContainsFunc(p.Confidentiality, func(c string) bool {
			return strings.EqualFold(c, strings.TrimSpace(f.Confidentiality))
		})) {
			consider(p, f.Created)
		}
	}
	for _, s := range persons {
		if slices.ContainsFunc(grants, func(g AccessGrant) bool { return g.Kind == Consent && g.Person == s.Name && s.Name != "" }) {
			continue
		}
		from, day := fromCreation, f.Created
		switch {
		case !s.Died.IsZero():
			from, day = fromDeath, s.Died
		case !s.Born.IsZero():
			from, day = fromBirth, s.Born
		}
		for i := range periods {
			if p := &periods[i]; p.From == from && (from != fromCreation || p.Person) {
				consider(p, day)
			}
		}
	}
	for _, g := range slices.Backward(grants) {
		if g.Kind != Shortening {
			continue
		}
		if g.Until.IsZero() || g.Until.Before(a.ClosedUntil) {
			a.ClosedUntil, a.Basis, a.Reason = g.Until, g.LegalBasis, Shortening
		}
		break
	}
	return a
}
