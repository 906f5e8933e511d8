package retention

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bestand/preservation/catalog"
)

// A hold over a class that nobody uses protects nothing, and an event that no
// rule waits for starts no period. Nobody would notice a mistyped name for
// years, so it is refused where it is given.

// namesClasses refuses classes that neither the classification nor a record
// knows. Records may still be in a class that a later classification dropped.
func namesClasses(ctx context.Context, v catalog.View, s *Schedule, codes []string) error {
	var bad Invalid
	for i, code := range codes {
		if _, ok := s.Class(code); ok {
			continue
		}
		rows, err := v.Retentions(ctx, catalog.RetentionFilter{Classes: []string{code}}, "", 1)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			bad = append(bad, fault(fmt.Sprintf("scope.classes[%d]", i), UnknownClass, fmt.Sprintf("there is no class %q", code)))
		}
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

// namesTrigger refuses an event that no version of a rule waits for.
func (p *plan) namesTrigger(name string) error {
	used := []string{OnClosure, OnOpening, OnBirth, OnDeath, OnFiscalYear}
	for _, r := range p.rules {
		used = append(used, r.Trigger)
		for _, b := range []*Bound{r.Minimum, r.Maximum} {
			if b != nil {
				used = append(used, b.Trigger)
			}
		}
	}
	if slices.Contains(used, name) {
		return nil
	}
	used = slices.DeleteFunc(used, func(s string) bool { return s == "" })
	slices.Sort(used)
	return Invalid{fault("type", "unknown-trigger", fmt.Sprintf("no rule waits for %q; in use are %s", name, strings.Join(slices.Compact(used), ", ")))}
}
