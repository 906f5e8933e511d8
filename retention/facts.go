package retention

import (
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Facts is what evaluation has to know about a record.
type Facts struct {
	ID       preservation.RecordID
	Class    string
	Opened   preservation.Date
	Closed   preservation.Date
	Subjects []preservation.Subject
	Triggers []Trigger // in any order
	// Kept is a decision of a disposal run to keep the record longer; zero when there is none.
	Kept catalog.Kept

	// Parent is the file or case this record belongs to, and File its facts. A
	// record within a file is kept as long as the file: the file's facts
	// govern. Parent without File leaves the record unresolved.
	Parent preservation.RecordID
	File   *Facts
}

// files returns the file that a record belongs to and those above it, never nil.
func (f *Facts) files() []preservation.RecordID {
	ids := []preservation.RecordID{}
	for ; f != nil && f.Parent != ""; f = f.File {
		ids = append(ids, f.Parent)
	}
	return ids
}

// kept is the decision that keeps a record the longest, its own or one about the file that
// it belongs to.
func (f *Facts) kept() (k catalog.Kept) {
	for ; f != nil; f = f.File {
		if k.Until.Before(f.Kept.Until) {
			k = f.Kept
		}
	}
	return k
}

// Trigger is an entry of a record's event log: something happened on a day
// that starts or corrects a period. Entries are never changed; of several with
// the same type the one recorded last counts.
type Trigger struct {
	ID        string            `json:"id"`
	Type      string            `json:"type" validate:"required,max=64,name"` // closure, birth, contract-end, …
	Date      preservation.Date `json:"date,omitzero" validate:"required_unless=Withdrawn true"`
	Withdrawn bool              `json:"withdrawn,omitempty"` // it did not happen after all: the trigger is missing again
	Custodian string            `json:"custodian,omitempty"` // of a takeover: the archive
	Recorded  time.Time         `json:"recorded"`
	Actor     string            `json:"actor" validate:"max=200"`
}

// supersedes orders the entries of one type by what was recorded last. Equal
// instants fall back to the later day, which never shortens a period.
func (t *Trigger) supersedes(o *Trigger) bool {
	if c := t.Recorded.Compare(o.Recorded); c != 0 {
		return c > 0
	}
	if t.Withdrawn != o.Withdrawn {
		return t.Withdrawn
	}
	if c := t.Date.Compare(o.Date); c != 0 {
		return c > 0
	}
	return strings.Compare(t.ID, o.ID) > 0
}

// date returns the day of a trigger, or the zero Date when it is missing: it
// was not reported, was withdrawn, or is not known for everyone concerned.
func (f *Facts) date(trigger string, fiscal time.Month) preservation.Date {
	if t := f.reported(trigger); t != nil {
		if t.Withdrawn {
			return preservation.Date{}
		}
		return t.Date
	}
	switch trigger {
	case OnClosure:
		return f.Closed
	case OnOpening:
		return f.Opened
	case OnBirth:
		return latest(f.Subjects, func(s *preservation.Subject) preservation.Date { return s.Born })
	case OnDeath:
		return latest(f.Subjects, func(s *preservation.Subject) preservation.Date { return s.Died })
	case OnFiscalYear:
		closed := f.date(OnClosure, fiscal)
		if closed.IsZero() {
			return closed
		}
		next := fiscalYear(closed, fiscal)
		next.Year++
		return next.AddDays(-1)
	}
	return preservation.Date{}
}

func (f *Facts) reported(trigger string) *Trigger {
	var last *Trigger
	for i := range f.Triggers {
		t := &f.Triggers[i]
		if t.Type == trigger && (last == nil || t.supersedes(last)) {
			last = t
		}
	}
	return last
}

// latest returns the latest of a date over all persons, and nothing as soon as
// it is unknown for one of them.
func latest(subjects []preservation.Subject, of func(*preservation.Subject) preservation.Date) preservation.Date {
	var d preservation.Date
	for i := range subjects {
		s := of(&subjects[i])
		if s.IsZero() {
			return s
		}
		d = later(d, s)
	}
	return d
}
