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
