package retention

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// InUse is the error of a classification without classes that records are in.
// Name a successor for each, or keep them.
type InUse []preservation.Finding

func (u InUse) Error() string { return Invalid(u).Error() }

// succeed makes a classification the next version of the one in force: it takes
// over the successors that still count. InUse when records would be left
// without a class, Invalid when it has faults, catalog.ErrConflict when it is
// not based on the newest version.
func (p *plan) succeed(ctx context.Context, v catalog.View, s Scheme) (Scheme, error) {
	if s.Version != 0 && s.Version != p.scheme.Version {
		return s, fmt.Errorf("classification version %d is not the newest, which is %d: read it again: %w", s.Version, p.scheme.Version, catalog.ErrConflict)
	}
	s = s.after(p.scheme)
	var used InUse
	for codes := range slices.Chunk(p.scheme.lost(s), maxCodes) {
		counts, err := v.ClassCounts(ctx, codes)
		if err != nil {
			return s, err
		}
		for _, code := range codes {
			if n := counts[code]; n > 0 {
				used = append(used, fault("classes", "in-use", fmt.Sprintf("class %q is left out, and there are records in it (%d): keep it, or name its successor in successors[%s]", code, n, code)))
			}
		}
	}
	bad := append(failed(Check(s, p.rules)), s.unsaid()...)
	switch {
	case len(bad) > 0:
		return s, bad
	case len(used) > 0:
		return s, used
	}
	return s, nil
}

// after is a classification as the version that follows another one. Of the
// successors named before it drops those of classes that are there again, and
// those that lead to a class that is gone without a successor of its own.
func (s Scheme) after(before Scheme) Scheme {
	s.Version, s.Template = before.Version+1, before.Template
	given := s.Successors
	live := s.codes()
	s.Successors = maps.Clone(given)
	for code, next := range before.Successors {
		if _, again := given[code]; again || live[code] {
			continue
		}
		for range len(given) + 1 { // more would be a circle
			if live[next] {
				if s.Successors == nil {
					s.Successors = make(map[string]string)
				}
				s.Successors[code] = next
				break
			}
			next = given[next]
		}
	}
	return s
}

// lost returns the codes that a classification knows and the next one does not,
// not even by a successor.
func (s Scheme) lost(next Scheme) (codes []string) {
	known := next.codes()
	for code := range next.Successors {
		known[code] = true
	}
	for _, c := range s.Classes {
		if !known[c.Code] {
			codes = append(codes, c.Code)
		}
	}
	for code := range s.Successors {
		if !known[code] {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	return codes
}

func (s Scheme) codes() map[string]bool {
	all := make(map[string]bool, len(s.Classes))
	for _, c := range s.Classes {
		all[c.Code] = true
	}
	return all
}
