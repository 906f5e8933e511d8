package retention

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"bestand/preservation"
)

// Schedule is a classification with its rules, checked and made ready for
// evaluation. It is immutable and safe for concurrent use.
type Schedule struct {
	scheme  Scheme
	classes map[string]class
	rules   map[string][]*Rule // versions by ID, newest first
}

type class struct {
	Class
	path  []string // own code first, main group last
	rule  string   // ID of its rule or of that inherited
	rules []*Rule  // versions of it, newest first
	// successor is set for a class that is no more; everything but path[0] is that one's.
	successor string
}

// NewSchedule checks a classification and its rules (all versions) and
// compiles them. Its error is of type Invalid and lists everything that is wrong.
func NewSchedule(s Scheme, rules []Rule) (*Schedule, error) {
	if bad := failed(Check(s, rules)); len(bad) > 0 {
		return nil, bad
	}
	versions := make(map[string][]*Rule)
	for i := range rules {
		r := rules[i]
		versions[r.ID] = append(versions[r.ID], &r)
	}
	for _, v := range versions {
		slices.SortFunc(v, func(a, b *Rule) int { return cmp.Compare(b.Version, a.Version) })
	}
	byCode := make(map[string]Class, len(s.Classes))
	for _, c := range s.Classes {
		byCode[c.Code] = c
	}
	out := &Schedule{scheme: s, classes: make(map[string]class, len(s.Classes)), rules: versions}
	for _, c := range s.Classes {
		n := class{Class: c, rule: c.Rule}
		for at := c; ; at = byCode[at.Parent] {
			n.path = append(n.path, at.Code)
			n.rule = cmp.Or(n.rule, at.Rule)
			if at.Parent == "" {
				break
			}
		}
		n.rules = versions[n.rule]
		out.classes[c.Code] = n
	}
	for code, next := range s.Successors {
		n := out.classes[next]
		n.path = append([]string{code}, n.path...)
		n.successor = next
		out.classes[code] = n
	}
	return out, nil
}

// Version is that of the classification.
func (s *Schedule) Version() int { return s.scheme.Version }

// Accepts reports whether a new record may come into a class.
func (s *Schedule) Accepts(code string) bool {
	c, ok := s.Class(code)
	return ok && !c.Closed
}

// Class returns the class with a code. A class that is no more is unknown here,
// even if it has a successor.
func (s *Schedule) Class(code string) (Class, bool) {
	c := s.classes[code]
	if c.successor != "" {
		return Class{}, false
	}
	return c.Class, c.Code != ""
}

// Within reports whether a class is another one or lies below it.
func (s *Schedule) Within(code, above string) bool {
	if code == above {
		return true
	}
	return slices.Contains(s.classes[code].path, above)
}

// Below returns the codes of a class and of all classes under it, in the order
// of the classification, and behind them those of classes that are no more whose
// successors these are; none when the class is unknown.
func (s *Schedule) Below(code string) (codes []string) {
	for _, c := range s.scheme.Classes {
		if s.Within(c.Code, code) {
			codes = append(codes, c.Code)
		}
	}
	for _, gone := range slices.Sorted(maps.Keys(s.scheme.Successors)) {
		if s.Within(gone, code) {
			codes = append(codes, gone)
		}
	}
	return codes
}

// Rule returns one version of a rule.
func (s *Schedule) Rule(ref RuleRef) (Rule, bool) {
	for _, r := range s.rules[ref.ID] {
		if r.Version == ref.Version {
			return *r, true
		}
	}
	return Rule{}, false
}

// basis is the legal basis of a version of a rule by its name, see [RuleRef.String].
func (s *Schedule) basis(name string) string {
	id, version, _ := strings.Cut(name, "@")
	n, err := strconv.Atoi(version)
	if err != nil {
		return ""
	}
	r, _ := s.Rule(RuleRef{ID: id, Version: n})
	return r.LegalBasis
}

// Governs returns the version of the rule that holds for a class on a day, of
// those that count for all records as well as for new ones.
func (s *Schedule) Governs(code string, day preservation.Date) (Rule, bool) {
	for _, r := range s.classes[code].rules {
		if r.ApprovedBy != "" && !day.Before(r.ValidFrom) {
			return *r, r.ValidTo.IsZero() || !r.ValidTo.Before(day)
		}
	}
	return Rule{}, false
}

// rule returns the version that governs a record today. The reason is set when
// there is none.
func (s *Schedule) rule(f *Facts, today preservation.Date) (*Rule, Reason) {
	c, ok := s.classes[f.Class]
	switch {
	case !ok:
		return nil, Reason{Code: UnknownClass, Subject: f.Class}
	case len(c.rules) == 0:
		return nil, Reason{Code: NoRule, Subject: f.Class}
	}
	kept := false // a newer version left the record to the one before it
	for _, r := range c.rules {
		if r.ApprovedBy == "" || today.Before(r.ValidFrom) {
			continue
		}
		if !kept && !r.ValidTo.IsZero() && r.ValidTo.Before(today) {
			break
		}
		if r.Applies == "new" && !r.Permanent {
			if d := f.date(r.Trigger, r.FiscalMonth); !d.IsZero() && d.Before(r.ValidFrom) {
				kept = true
				continue
			}
		}
		return r, Reason{}
	}
	return nil, Reason{Code: NotInForce, Subject: c.rule}
}
