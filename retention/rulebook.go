package retention

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// RuleChange is what a list of rules changes of those that there are.
type RuleChange struct {
	Rules     []Rule     `json:"rules"`             // the next versions, of those that differ from the newest one
	Unchanged int        `json:"unchanged"`         // how many say what the newest version says
	Changes   []Revision `json:"changes,omitempty"` // what the next versions say otherwise than the newest ones
	Preview   Preview    `json:"preview,omitzero"`  // of what all of them do to the records
}

// Revision is what the next version of a rule says otherwise than the one before it. Of
// the first version there is nothing.
type Revision struct {
	Rule   string        `json:"rule"`
	Fields []FieldChange `json:"fields"`
}

// FieldChange is one field as it was and as it is going to be; empty where it says nothing.
type FieldChange struct {
	Field string `json:"field"` // its path, such as duration.years
	From  string `json:"from"`
	To    string `json:"to"`
}

// revision compares two versions field by field.
func revision(before, next Rule) (Revision, error) {
	before.Applies = cmp.Or(before.Applies, "all") // which is what it means
	var from, to map[string]string
	was, err := json.Marshal(before)
	if err == nil {
		from, err = leaves(was)
	}
	if err != nil {
		return Revision{}, err
	}
	is, err := json.Marshal(next)
	if err == nil {
		to, err = leaves(is)
	}
	out := Revision{Rule: next.ID, Fields: []FieldChange{}}
	all := maps.Clone(from)
	maps.Copy(all, to)
	for _, field := range slices.Sorted(maps.Keys(all)) {
		if from[field] != to[field] && !slices.Contains([]string{"version", "proposed_by", "approved_by"}, field) {
			out.Fields = append(out.Fields, FieldChange{field, from[field], to[field]})
		}
	}
	return out, err
}

// leaves are the values of a JSON object by their paths, those of a list in one.
func leaves(object []byte) (map[string]string, error) {
	var top map[string]any
	if err := json.Unmarshal(object, &top); err != nil {
		return nil, err
	}
	all := make(map[string]string)
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				walk(strings.TrimPrefix(path+"."+name, "."), inner)
			}
		case []any:
			var items []string
			for _, i := range v {
				items = append(items, fmt.Sprint(i))
			}
			all[path] = strings.Join(items, ", ")
		default:
			all[path] = fmt.Sprint(v)
		}
	}
	walk("", top)
	return all, nil
}

// MaxRules is how many rules one change may have.
const MaxRules = 10_000

// AddRules puts the next versions of rules into force in one step, each as
// AddRule does, or makes them drafts. Those that say what the newest version says
// get no next one, and rules that are not in the list stay as they are. Errors
// of type Invalid name each field of each rule, such as "rules[3].base";
// catalog.ErrConflict names the rules that somebody else changed in the meantime.
func (o *Officer) AddRules(ctx context.Context, t *catalog.Tenant, rules []Rule, actor string) (RuleChange, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return RuleChange{}, err
	}
	var out RuleChange
	err = o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		var err error
		if out, err = e.plan.revise(rules, preservation.DateOf(e.now.In(policy.zone()))); err != nil {
			return err
		}
		e.again = out.Unchanged > 0
		for i := range out.Rules {
			r := &out.Rules[i]
			if r.ProposedBy = actor; !e.plan.policy.ApproveRules {
				r.ApprovedBy = actor
			}
			if err := e.add(ctx, KindRule, r.ID, append(e.plan.versions(r.ID), *r), "rule.add"); err != nil {
				return err
			}
			if r.ApprovedBy == "" {
				continue
			}
			if err := e.staleClasses(e.plan.governed(r.ID)); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// PreviewRules says what AddRules would do, with one effect: each rule counts for
// the records that it says, as of the day on which the last of them begins to
// count. Errors as for AddRules.
func (o *Officer) PreviewRules(ctx context.Context, t *catalog.Tenant, rules []Rule, examples int) (RuleChange, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return RuleChange{}, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return RuleChange{}, err
	}
	now := o.Now()
	day := preservation.DateOf(now.In(policy.zone()))
	out, err := p.revise(rules, day)
	if err != nil {
		return out, err
	}
	c := comparison{plan: p, at: now, zone: policy.zone(), examples: examples}
	for _, r := range out.Rules {
		c.codes = append(c.codes, p.governed(r.ID)...)
		if day.Before(r.ValidFrom) {
			day, c.at = r.ValidFrom, r.ValidFrom.In(policy.zone())
		}
	}
	after, err := p.with(out.Rules)
	if err != nil {
		return out, err
	}
	c.add("", after)
	out.Preview, err = c.run(ctx, t)
	return out, err
}

// revise works out the next versions that a list of rules makes.
func (p *plan) revise(rules []Rule, today preservation.Date) (RuleChange, error) {
	out := RuleChange{Rules: []Rule{}}
	if n := len(rules); n == 0 || n > MaxRules {
		return out, Invalid{fault("rules", "max", fmt.Sprintf("must be 1 to %d", MaxRules))}
	}
	newest := newestRules(p.rules)
	first := make(map[string]int, len(rules))
	var bad Invalid
	var passed []string
	for i, r := range rules {
		at := fmt.Sprintf("rules[%d]", i)
		if j, twice := first[r.ID]; twice && r.ID != "" {
			bad = append(bad, fault(at+".id", "duplicate", fmt.Sprintf("%q is also rules[%d]", r.ID, j)))
			continue
		}
		first[r.ID] = i
		now, there := newest[r.ID]
		if there && same(r, now) { // a period left out was none before it had to be said
			out.Unchanged++
			continue
		}
		if r.Version != 0 && r.Version != now.Version {
			passed = append(passed, fmt.Sprintf("%s (version %d, the newest is %d)", r.ID, r.Version, now.Version))
			r.Version = 0
		}
		r, _, err := p.next(r, today)
		var wrong Invalid
		if errors.As(err, &wrong) {
			for _, f := range wrong {
				f.Subject = at + "." + f.Subject
				bad = append(bad, f)
			}
			continue
		}
		if err != nil {
			return out, err
		}
		out.Rules = append(out.Rules, r)
		if there {
			change, err := revision(now, r)
			if err != nil {
				return out, err
			}
			out.Changes = append(out.Changes, change)
		}
	}
	switch {
	case len(bad) > 0:
		return out, bad
	case len(passed) > 0:
		return out, fmt.Errorf("not based on the newest version: %s; export the rules again, or leave the version out to replace it: %w", strings.Join(passed, ", "), catalog.ErrConflict)
	}
	return out, nil
}

// versions returns those of one rule, oldest first.
func (p *plan) versions(id string) (all []Rule) {
	for _, r := range p.rules {
		if r.ID == id {
			all = append(all, r)
		}
	}
	return all
}

// NewestRules returns the newest version of each rule, by ID.
func NewestRules(rules []Rule) []Rule {
	var all []Rule
	for _, r := range newestRules(rules) {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return all
}
