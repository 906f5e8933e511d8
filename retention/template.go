package retention

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Template is a classification with its rules that several tenants share. What
// a tenant changes of it stays the tenant's: a later version brings what it
// changed itself, and leaves alone what the tenant did.
type Template struct {
	Name    string `json:"name" validate:"required,max=64,name"`
	Version int    `json:"version" validate:"required,min=1"`
	Scheme  Scheme `json:"scheme" validate:"required"`
	Rules   []Rule `json:"rules" validate:"required,max=10000,dive"` // all versions, or the newest of each
}

// TemplateRef names a version of a template.
type TemplateRef struct {
	Name    string `json:"name" validate:"required,max=64,name"`
	Version int    `json:"version" validate:"required,min=1"`
}

// KindTemplate is the kind of the documents that keep what a tenant has adopted,
// named by template.
const KindTemplate = "template"

// Shipped is the name of the template that the Saxon sample is.
const Shipped = "sachsen"

// Template returns the classification in force with the newest versions of the
// rules that are approved, as a template for others.
func (o *Officer) Template(ctx context.Context, t *catalog.Tenant, ref TemplateRef) (Template, error) {
	if err := Validate(ref); err != nil {
		return Template{}, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return Template{}, err
	}
	if p.scheme.Version == 0 {
		return Template{}, catalog.ErrNotFound
	}
	out := Template{Name: ref.Name, Version: ref.Version, Scheme: p.scheme, Rules: []Rule{}}
	out.Scheme.Template = nil
	approved := slices.DeleteFunc(slices.Clone(p.rules), func(r Rule) bool { return r.ApprovedBy == "" })
	newest := newestRules(approved)
	for _, r := range approved {
		if r.Version == newest[r.ID].Version {
			out.Rules = append(out.Rules, r)
		}
	}
	return out, nil
}

// SampleTemplate returns the sample as a template.
func SampleTemplate() (Template, error) {
	s, rules, err := SampleData()
	return Template{Shipped, s.Version, s, rules}, err
}

// Adoption is what the version of a template brings to a tenant.
type Adoption struct {
	Template TemplateRef `json:"template"`
	Added    []string    `json:"added"`   // codes of classes
	Changed  []string    `json:"changed"` // codes of classes
	Removed  []string    `json:"removed"` // codes of classes
	Rules    []string    `json:"rules"`   // IDs of rules that get a next version
	Kept     []string    `json:"kept"`    // codes and IDs that differ from the template because the tenant changed them
	Scheme   Scheme      `json:"scheme"`
	Preview  Preview     `json:"preview,omitzero"` // of what it does to the records
	// Unchanged: this version of the template is in force already, and nothing is added.
	Unchanged bool `json:"unchanged,omitempty"`

	versions []Rule
}

// merge brings the changes between two versions of a template, of which the first
// may be empty, into a classification and the newest versions of its rules.
func merge(base, next Template, now Scheme, rules map[string]Rule) Adoption {
	a := Adoption{Template: TemplateRef{next.Name, next.Version}, Added: []string{}, Changed: []string{}, Removed: []string{}, Rules: []string{}, Kept: []string{}}
	was, has := byCode(base.Scheme), byCode(now)
	theirs := byCode(next.Scheme)
	a.Scheme = now
	a.Scheme.Classes = nil
	a.Scheme.Template = &a.Template
	a.Scheme.Successors = nil
	for _, c := range next.Scheme.Classes {
		ours, here := has[c.Code]
		before, known := was[c.Code]
		switch {
		case !here && known: // the tenant took it out
			if c != before {
				a.Kept = append(a.Kept, c.Code)
			}
			continue
		case !here:
			a.Added = append(a.Added, c.Code)
			a.Scheme.Classes = append(a.Scheme.Classes, c)
			continue
		}
		out := ours // nothing tells who changed what: the tenant did
		if known {
			out = Class{Code: c.Code, Title: pick(before.Title, ours.Title, c.Title), Parent: pick(before.Parent, ours.Parent, c.Parent),
				Rule: pick(before.Rule, ours.Rule, c.Rule), Scope: pick(before.Scope, ours.Scope, c.Scope), Closed: pick(before.Closed, ours.Closed, c.Closed)}
		}
		if out != ours {
			a.Changed = append(a.Changed, c.Code)
		}
		if out != c {
			a.Kept = append(a.Kept, c.Code)
		}
		a.Scheme.Classes = append(a.Scheme.Classes, out)
	}
	for _, c := range now.Classes {
		if _, there := theirs[c.Code]; there {
			continue
		}
		if before, known := was[c.Code]; known && before == c {
			a.Removed = append(a.Removed, c.Code)
			if heir, ok := next.Scheme.Successors[c.Code]; ok {
				if a.Scheme.Successors == nil {
					a.Scheme.Successors = make(map[string]string)
				}
				a.Scheme.Successors[c.Code] = heir
			}
			continue
		} else if known {
			a.Kept = append(a.Kept, c.Code)
		}
		a.Scheme.Classes = append(a.Scheme.Classes, c)
	}
	old, fresh := newestRules(base.Rules), newestRules(next.Rules)
	for _, r := range next.Rules {
		if r.Version != fresh[r.ID].Version {
			continue
		}
		ours, here := rules[r.ID]
		before, known := old[r.ID]
		switch {
		case here && same(ours, r):
		case !here, known && same(ours, before):
			a.Rules = append(a.Rules, r.ID)
			a.versions = append(a.versions, r)
		default:
			a.Kept = append(a.Kept, r.ID)
		}
	}
	return a
}

// pick returns theirs unless the tenant changed it.
func pick[T comparable](before, ours, theirs T) T {
	if ours == before {
		return theirs
	}
	return ours
}

func byCode(s Scheme) map[string]Class {
	all := make(map[string]Class, len(s.Classes))
	for _, c := range s.Classes {
		all[c.Code] = c
	}
	return all
}

func newestRules(rules []Rule) map[string]Rule {
	all := make(map[string]Rule)
	for _, r := range rules {
		if old, ok := all[r.ID]; !ok || r.Version > old.Version {
			all[r.ID] = r
		}
	}
	return all
}

// same compares what two versions of a rule say.
func same(a, b Rule) bool {
	a.Version, a.ProposedBy, a.ApprovedBy = b.Version, b.ProposedBy, b.ApprovedBy
	a.Applies, b.Applies = cmp.Or(a.Applies, "all"), cmp.Or(b.Applies, "all") // which is what it means
	a.explicit()
	b.explicit()
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}

// explicit makes the periods that its rules leave out NoTime, as templates of before meant
// that. Others that have the rules keep them as they are.
func (t *Template) explicit() {
	t.Rules = slices.Clone(t.Rules)
	for i := range t.Rules {
		t.Rules[i].explicit()
	}
}

// follows refuses (catalog.ErrConflict) what is older than the version of a template that
// was adopted before, or has the number of that and says something else: nobody could
// tell which of them a classification follows.
func (t *Template) follows(base *Template) error {
	switch {
	case t.Version < base.Version:
		return fmt.Errorf("version %d of the template %s is older than version %d, which the classification follows: publish it with a higher version: %w", t.Version, t.Name, base.Version, catalog.ErrConflict)
	case t.Version > base.Version:
		return nil
	}
	mine, theirs := *t, *base
	mine.Scheme.Version, theirs.Scheme.Version = 0, 0 // of the tenant that published it
	x, errA := json.Marshal(mine)
	y, errB := json.Marshal(theirs)
	if errA == nil && errB == nil && string(x) == string(y) {
		return nil
	}
	return errors.Join(errA, errB, fmt.Errorf("the classification follows another version %d of the template %s: publish this one with a higher version: %w", t.Version, t.Name, catalog.ErrConflict))
}

// adoption works out what a template brings, on the plan as a view sees it, and
// the rules as the next versions. Errors as for SetScheme.
func (p *plan) adoption(ctx context.Context, v catalog.View, next Template, today preservation.Date) (Adoption, []Rule, error) {
	if err := Validate(next); err != nil {
		return Adoption{}, nil, err
	}
	var base Template
	if ref := p.scheme.Template; ref != nil && ref.Name == next.Name {
		d, err := v.Document(ctx, KindTemplate, ref.Name, 0)
		if err == nil {
			err = json.Unmarshal(d.Body, &base)
		}
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return Adoption{}, nil, err
		}
	}
	next.explicit()
	base.explicit()
	if err := next.follows(&base); err != nil {
		return Adoption{}, nil, err
	}
	a := merge(base, next, p.scheme, newestRules(p.rules))
	with := *p
	with.rules = slices.Clone(p.rules)
	var bad Invalid
	for i, r := range a.versions {
		at := slices.IndexFunc(next.Rules, func(x Rule) bool { return x.ID == r.ID && x.Version == r.Version })
		checked := r.Checked
		r.Version = 0
		r, _, err := with.next(r, today)
		r.Checked = checked // nobody has read the law again
		var wrong Invalid
		if errors.As(err, &wrong) {
			for _, f := range wrong {
				f.Subject = fmt.Sprintf("rules[%d].%s", at, f.Subject)
				bad = append(bad, f)
			}
			continue
		}
		if err != nil {
			return a, nil, fmt.Errorf("rule %s of the template: %w", r.ID, err)
		}
		r.ApprovedBy = System // for the checks; who does it approves, or another one
		a.versions[i] = r
		with.rules = append(with.rules, r)
	}
	if len(bad) > 0 {
		return a, nil, bad
	}
	var err error
	ref := a.Scheme.Template
	a.Scheme.Version = 0
	a.Scheme, err = with.succeed(ctx, v, a.Scheme)
	a.Scheme.Template = ref
	if err == nil && len(a.versions) == 0 && a.Scheme.same(p.scheme) {
		a.Unchanged, a.Scheme = true, p.scheme
	}
	return a, with.rules, err
}

// PreviewTemplate says what the adoption of a version of a template would change.
func (o *Officer) PreviewTemplate(ctx context.Context, t *catalog.Tenant, next Template, examples int) (Adoption, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Adoption{}, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return Adoption{}, err
	}
	now := o.Now()
	a, rules, err := p.adoption(ctx, t.View(), next, preservation.DateOf(now.In(policy.zone())))
	if err != nil {
		return a, err
	}
	after, err := NewSchedule(a.Scheme, rules)
	if err != nil {
		return a, err
	}
	c := comparison{plan: p, codes: p.concerned(&a, after), at: now, zone: policy.zone(), examples: examples}
	c.add("", after)
	a.Preview, err = c.run(ctx, t)
	return a, err
}

// concerned returns the codes of the classes whose records an adoption may move.
func (p *plan) concerned(a *Adoption, after *Schedule) []string {
	codes := differing(p.schedule, after)
	for _, id := range a.Rules {
		codes = append(codes, p.governed(id)...)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// Adopt puts what a version of a template brings into force, in one step: its
// rules as next versions (drafts where the policy asks for a second person), its
// classes, and which version it is.
func (o *Officer) Adopt(ctx context.Context, t *catalog.Tenant, next Template, actor string) (Adoption, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Adoption{}, err
	}
	var a Adoption
	err = o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		var rules []Rule
		var err error
		if a, rules, err = e.plan.adoption(ctx, e.v, next, preservation.DateOf(e.now.In(policy.zone()))); err != nil {
			return err
		}
		if e.again = a.Unchanged; e.again {
			return nil
		}
		after, err := NewSchedule(a.Scheme, rules)
		if err != nil {
			return err
		}
		for _, r := range a.versions {
			if r.ProposedBy, r.ApprovedBy = actor, actor; e.plan.policy.ApproveRules {
				r.ApprovedBy = ""
			}
			if err := e.add(ctx, KindRule, r.ID, append(e.plan.versions(r.ID), r), "rule.add"); err != nil {
				return err
			}
		}
		if err := e.add(ctx, KindTemplate, next.Name, next, "template.adopt"); err != nil {
			return err
		}
		if err := e.putScheme(ctx, a.Scheme); err != nil {
			return err
		}
		return e.staleClasses(e.plan.concerned(&a, after))
	})
	return a, err
}
