package retention

import (
	"slices"
	"time"

	"bestand/preservation"
)

// Hold forbids the destruction of the records in its scope (Vernichtungssperre)
// until it is released. Any number of holds may cover one record.
type Hold struct {
	ID        string            `json:"id"`
	Scope     Scope             `json:"scope"`
	Authority string            `json:"authority" validate:"required,max=500"` // who asks for it: court, auditor, archive
	Reason    string            `json:"reason" validate:"required,max=2000"`
	Review    preservation.Date `json:"review" validate:"required"` // the day to ask whether it is still needed
	// Query is what the records of the scope were found by when the hold was set,
	// for people: those that it finds later are not held.
	Query map[string]string `json:"query,omitempty" validate:"max=20,dive,max=500"`

	Set   time.Time `json:"set"`
	SetBy string    `json:"set_by"`
	// Reviews are those at which somebody found it still needed, in their order.
	Reviews []Review `json:"reviews,omitempty" validate:"-"`
	// Late are the records of the scope that were being destroyed when the hold was set.
	Late []Late `json:"late,omitempty" validate:"-"`

	Released   time.Time `json:"released,omitzero"`
	ReleasedBy string    `json:"released_by,omitempty"`
	Release    string    `json:"release_reason,omitempty" validate:"max=2000"`
}

// Review says that a hold was looked at and is still needed (Wiedervorlage).
type Review struct {
	At   time.Time         `json:"at"`
	By   string            `json:"by"`
	Due  preservation.Date `json:"due"`                      // the day for which it was set down
	Next preservation.Date `json:"next" validate:"required"` // the day to look again
	Note string            `json:"note" validate:"required,max=2000"`
}

// Scope names the records that a hold or a permit covers. Each list adds to
// the others.
type Scope struct {
	Records []preservation.RecordID `json:"records,omitempty" validate:"omitempty,max=1000000,unique,dive,record"`
	Classes []string                `json:"classes,omitempty" validate:"omitempty,max=10000,unique,dive,required,max=64,code"` // with all below them
	All     bool                    `json:"all,omitempty"`
}

// Empty reports whether the scope covers nothing.
func (s *Scope) Empty() bool { return len(s.Records) == 0 && len(s.Classes) == 0 && !s.All }

// Active reports whether the hold stands. A hold set "in the future" by a
// clock that went back stands too.
func (h *Hold) Active(now time.Time) bool { return h.Released.IsZero() || h.Released.After(now) }

// Holds finds the holds on a record without looking at each. The nil Holds is
// empty. It is immutable and safe for concurrent use.
type Holds struct {
	byRecord map[preservation.RecordID][]*Hold
	byClass  map[string][]*Hold
	all      []*Hold // over everything
}

// NewHolds indexes holds, released ones included.
func NewHolds(holds ...Hold) *Holds {
	x := &Holds{byRecord: make(map[preservation.RecordID][]*Hold), byClass: make(map[string][]*Hold)}
	for i := range holds {
		h := holds[i]
		for _, id := range h.Scope.Records {
			x.byRecord[id] = append(x.byRecord[id], &h)
		}
		for _, code := range h.Scope.Classes {
			x.byClass[code] = append(x.byClass[code], &h)
		}
		if h.Scope.All {
			x.all = append(x.all, &h)
		}
	}
	return x
}

// On returns the IDs of the holds that stand on a record or on the file it
// belongs to, sorted.
func (x *Holds) On(s *Schedule, f *Facts, now time.Time) []string {
	return x.which(s, f, func(h *Hold) bool { return h.Active(now) })
}

// Over reports whether a hold stood on it that was released after an instant.
func (x *Holds) Over(s *Schedule, f *Facts, since, now time.Time) bool {
	return len(x.which(s, f, func(h *Hold) bool { return !h.Active(now) && h.Released.After(since) })) > 0
}

func (x *Holds) which(s *Schedule, f *Facts, are func(*Hold) bool) (ids []string) {
	if x == nil {
		return nil
	}
	add := func(holds []*Hold) {
		for _, h := range holds {
			if are(h) {
				ids = append(ids, h.ID)
			}
		}
	}
	add(x.all)
	for ; f != nil; f = f.File {
		add(x.byRecord[f.ID])
		if f.Parent != "" { // also when the parent's facts are missing
			add(x.byRecord[f.Parent])
		}
		if len(x.byClass) > 0 {
			x.above(s, f.Class, add)
		}
	}
	if len(ids) > 1 {
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	return ids
}

// onRecords reports whether a hold stands on any single record.
func (x *Holds) onRecords(now time.Time) bool { return x != nil && stands(x.byRecord, now) }

// onClasses reports whether a hold stands on any class.
func (x *Holds) onClasses(now time.Time) bool { return x != nil && stands(x.byClass, now) }

func stands[K comparable](by map[K][]*Hold, now time.Time) bool {
	for _, holds := range by {
		if slices.ContainsFunc(holds, func(h *Hold) bool { return h.Active(now) }) {
			return true
		}
	}
	return false
}

// above calls fn with the holds on a class and on those above it. It also goes by
// the form of the code ("63" holds "63.10"), so that a class that a later
// classification dropped does not slip out of a hold.
func (x *Holds) above(s *Schedule, code string, fn func([]*Hold)) {
	fn(x.byClass[code])
	for _, above := range s.classes[code].path {
		fn(x.byClass[above])
	}
	for i := range len(code) {
		if code[i] == '.' {
			fn(x.byClass[code[:i]])
		}
	}
}
