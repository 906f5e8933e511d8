package retention

import (
	"encoding/json"
	"time"

	"bestand/preservation"
)

// Disposition is what appraisal decided for the records of a rule.
type Disposition string

const (
	Archive Disposition = "A" // of lasting value: offered and handed over, never destroyed
	Assess  Disposition = "B" // to be assessed record by record: the default
	Destroy Disposition = "V" // may be destroyed, by a second person or under a standing permit
)

// Base says from which day a period runs.
type Base string

const (
	// Day: the day of the trigger is not counted, and the period ends with the
	// day of the same number (BGB §187(1), §188(2)), or with the last day of a
	// month that has no such day (§188(3)).
	Day Base = "day"
	// YearEnd: the period runs from the end of the calendar year of the trigger.
	YearEnd Base = "year-end"
	// NextFiscalYear: the period runs from the first day of the fiscal year
	// that begins after the trigger (SächsKomKBVO §34).
	NextFiscalYear Base = "next-fiscal-year"
)

// Triggers that the archive can read from the record itself. Any other name is
// an event that somebody has to report, such as "contract-end".
const (
	OnClosure    = "closure"     // z.d.A.
	OnOpening    = "opening"     //
	OnBirth      = "birth"       // of the youngest person concerned
	OnDeath      = "death"       // of the last person concerned
	OnFiscalYear = "fiscal-year" // last day of the fiscal year of the closure
)

// OnTakeover is the event that an archive took a record over (Übernahme) and the copy
// that stays here is kept for it: for ever. Only a disposal run reports it.
const OnTakeover = "takeover"

// Duration is a length of time on the civil calendar. The zero Duration says nothing;
// NoTime says that there is none.
type Duration struct {
	Years  int `json:"years,omitempty" validate:"min=0,max=500"`
	Months int `json:"months,omitempty" validate:"min=0,max=1200"`
	Days   int `json:"days,omitempty" validate:"min=0,max=100000"`
	none   bool
}

// NoTime is the period of no length, as JSON {} or {"days": 0}: what it is for may be done
// as soon as its trigger has come.
func NoTime() Duration { return Duration{none: true} }

// None reports whether it is of no length, said so or not.
func (d Duration) None() bool { return d.Years == 0 && d.Months == 0 && d.Days == 0 }

// UnmarshalJSON reads an object; one without a length is NoTime.
func (d *Duration) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	type plain Duration
	var p plain
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	*d = Duration(p)
	d.none = d.None()
	return nil
}

// Bound is a second period beside the main one, with a trigger of its own.
type Bound struct {
	Trigger  string   `json:"trigger" validate:"required,max=64,name"`
	Duration Duration `json:"duration,omitzero"`
	Base     Base     `json:"base" validate:"required,oneof=day year-end next-fiscal-year"`
}

// Rule is one version of a retention rule. Versions are never edited.
type Rule struct {
	ID      string `json:"id" validate:"required,max=64,name"`
	Version int    `json:"version" validate:"min=0"` // counted from 1; 0 while it is being written
	Title   string `json:"title" validate:"required,max=500"`

	Trigger  string   `json:"trigger,omitempty" validate:"required_unless=Permanent true,omitempty,max=64,name"`
	Duration Duration `json:"duration,omitzero"`
	Base     Base     `json:"base,omitempty" validate:"required_unless=Permanent true,omitempty,oneof=day year-end next-fiscal-year"`
	// FiscalMonth is the month in which the fiscal year begins; 0 means January.
	FiscalMonth time.Month `json:"fiscal_month,omitempty" validate:"omitempty,min=1,max=12"`
	Permanent   bool       `json:"permanent,omitempty"`

	// Minimum is a second floor: the later of the two ends counts, and while
	// its trigger is missing the end is unknown.
	Minimum *Bound `json:"minimum,omitempty"`
	// Maximum is the ceiling by which the record has to be erased. A ceiling
	// below the floor is a conflict, never a choice.
	Maximum *Bound `json:"maximum,omitempty"`
	// Transfer is the time between the trigger and the hand-over to the archive (Transferfrist).
	Transfer Duration `json:"transfer,omitzero"`

	Disposition Disposition `json:"disposition" validate:"required,oneof=A B V"`
	// Sampling chooses what is kept of records that would be destroyed.
	Sampling *Sampling `json:"sampling,omitempty"`
	// NoOffer: the law wants it destroyed and forbids offering it (BArchG §6(2)).
	NoOffer bool `json:"no_offer,omitempty"`

	LegalBasis string            `json:"legal_basis" validate:"required,max=1000"`
	Checked    preservation.Date `json:"checked,omitzero" validate:"required_unless=Confidence low"` // when the legal basis was read last
	Confidence string            `json:"confidence" validate:"required,oneof=high medium low"`       // high: text read; medium: partly; low: from practice
	Note       string            `json:"note,omitempty" validate:"max=2000"`

	ValidFrom preservation.Date `json:"valid_from" validate:"required"`
	// ValidTo is the last day of the version: the newest that has begun counts alone, and an
	// older one does not come back when it ends. Zero: there is none.
	ValidTo preservation.Date `json:"valid_to,omitzero"`
	// Applies is "all" when the version counts for every record, or "new" when
	// records whose trigger lies before ValidFrom keep the version before it.
	Applies    string `json:"applies,omitempty" validate:"omitempty,oneof=all new"`
	ProposedBy string `json:"proposed_by,omitempty" validate:"max=200"` // who wrote the version, where another one approves it
	// ApprovedBy is who put the version into force. Without it the version is
	// a draft and governs nothing.
	ApprovedBy string `json:"approved_by,omitempty" validate:"max=200"`
}

// RuleRef names the version of a rule that an evaluation followed.
type RuleRef struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
}

// explicit makes periods that a version does not have NoTime: before they were asked for
// that is what leaving them out meant.
func (r *Rule) explicit() {
	if r.Permanent {
		return
	}
	if r.Duration == (Duration{}) {
		r.Duration = NoTime()
	}
	for _, b := range []**Bound{&r.Minimum, &r.Maximum} {
		if *b != nil && (*b).Duration == (Duration{}) {
			*b = &Bound{Trigger: (*b).Trigger, Duration: NoTime(), Base: (*b).Base} // others may look at that of before
		}
	}
}

// Ref names this version.
func (r *Rule) Ref() RuleRef { return RuleRef{r.ID, r.Version} }
