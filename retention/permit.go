package retention

import (
	"strings"
	"time"

	"bestand/preservation"
)

// Permit is the standing permission of the competent archive to destroy the
// records of some classes without offering each (SächsArchivG §5(9)). It is in
// force once a second person approved it.
type Permit struct {
	ID         string            `json:"id"`
	Classes    []string          `json:"classes" validate:"required,min=1,max=10000,unique,dive,required,max=64,code"` // with all below them
	Authority  string            `json:"authority" validate:"required,max=500"`                                        // the archive that granted it
	Granted    preservation.Date `json:"granted" validate:"required"`
	LegalBasis string            `json:"legal_basis" validate:"required,max=1000"`
	ValidFrom  preservation.Date `json:"valid_from" validate:"required"`
	ValidTo    preservation.Date `json:"valid_to,omitzero"`

	Proposer string    `json:"proposer"`
	Proposed time.Time `json:"proposed"`
	Approver string    `json:"approver,omitempty"`
	Approved time.Time `json:"approved,omitzero"`
	Revoked  time.Time `json:"revoked,omitzero"`
	Revoker  string    `json:"revoker,omitempty"`

	// Idle are, by the rules of today, the classes of the permit that it has no effect on.
	// It is worked out for whoever reads the permit, and never stored.
	Idle []IdleClass `json:"idle,omitempty" validate:"-"`
}

// IdleClass is a class whose records no permit spares the offer: its rule does not say V.
type IdleClass struct {
	Class       string      `json:"class"`
	Rule        string      `json:"rule,omitempty"`        // with its version; empty where none is in force
	Disposition Disposition `json:"disposition,omitempty"` // of that rule
}

// maxIdle is how many classes without effect are named of a permit.
const maxIdle = 100

// idle finds the classes that the permit has no effect on. Of classes without a rule only
// those are named that have none below them: the others are headings.
func (p *Permit) idle(s *Schedule, today preservation.Date) (all []IdleClass) {
	seen := map[string]bool{}
	for _, code := range p.Classes {
		for _, below := range s.Below(code) {
			if _, known := s.Class(below); !known || seen[below] {
				continue
			}
			seen[below] = true
			r, ok := s.Governs(below, today)
			if len(all) == maxIdle || ok && r.Disposition == Destroy || !ok && len(s.Below(below)) > 1 {
				continue
			}
			c := IdleClass{Class: below}
			if ok {
				c.Rule, c.Disposition = r.Ref().String(), r.Disposition
			}
			all = append(all, c)
		}
	}
	return all
}

// InForce reports whether the permit may be acted upon on a day.
func (p *Permit) InForce(today preservation.Date) bool {
	return p.Proposer != "" && p.Approver != "" && !p.Approved.IsZero() &&
		!strings.EqualFold(p.Proposer, p.Approver) && p.Revoked.IsZero() &&
		!p.Granted.IsZero() && !today.Before(p.Granted) && !today.Before(p.ValidFrom) &&
		(p.ValidTo.IsZero() || !p.ValidTo.Before(today))
}

// Allows reports whether the permit lets a record be destroyed unattended:
// it is in force and covers the class, and the record is due under
// disposition V with no hold, no dispute and nothing missing. Records of a class
// that a later classification replaced by a successor are covered by no permit,
// neither by one for the old class nor by one for the successor: the archive knew
// other contents when it granted it, and is asked anew.
func (p *Permit) Allows(s *Schedule, e *Evaluation, today preservation.Date) bool {
	if e.State != Due || e.Disposition != Destroy || !p.InForce(today) {
		return false
	}
	if e.DueFrom.IsZero() || today.Before(e.DueFrom) {
		return false
	}
	for _, code := range p.Classes {
		if _, known := s.Class(e.Class); known && s.Within(e.Class, code) {
			return true
		}
	}
	return false
}
