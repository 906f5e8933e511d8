package retention

import (
	"context"
	"fmt"
	"slices"

	"bestand/preservation/catalog"
)

// Policy is what a tenant decides about its officers.
type Policy struct {
	// ApproveRules: the version of a rule is a draft until another person
	// approves it.
	ApproveRules bool `json:"approve_rules" validate:"-"`
}

// Policy returns the policy of a tenant.
func (o *Officer) Policy(ctx context.Context, t *catalog.Tenant) (Policy, error) {
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return Policy{}, err
	}
	return p.policy, nil
}

// SetPolicy changes the policy. Versions of rules that are in force stay so.
func (o *Officer) SetPolicy(ctx context.Context, t *catalog.Tenant, p Policy, actor string) error {
	return o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		if p == e.plan.policy {
			return nil
		}
		return e.add(ctx, KindPolicy, schemeName, p, "policy.set")
	})
}

// ApproveRule puts a draft into force and has the records that it governs
// evaluated anew. ErrSamePerson for who wrote it, catalog.ErrConflict when it is
// in force.
func (o *Officer) ApproveRule(ctx context.Context, t *catalog.Tenant, id string, version int, actor string) (Rule, error) {
	var out Rule
	err := o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		versions := e.plan.versions(id)
		i := slices.IndexFunc(versions, func(r Rule) bool { return r.Version == version })
		if i < 0 {
			return catalog.ErrNotFound
		}
		r := &versions[i]
		if r.ApprovedBy != "" {
			return fmt.Errorf("it is in force already: %w", catalog.ErrConflict)
		}
		if err := e.second(ctx, actor, r.ProposedBy); err != nil {
			return err
		}
		r.ApprovedBy = actor
		out = *r
		if err := e.add(ctx, KindRule, id, versions, "rule.approve"); err != nil {
			return err
		}
		return e.staleClasses(e.plan.governed(id))
	})
	if err != nil {
		err = fmt.Errorf("rule %s version %d: %w", id, version, err)
	}
	return out, err
}
