package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Kinds of the configuration documents that make up a tenant's plan. Their
// bodies are a Scheme, all versions of one Rule in order, a Hold, a Permit and a Policy.
const (
	KindScheme = "classification" // one document, named schemeName
	KindRule   = "rule"           // named by rule ID
	KindHold   = "hold"           // named by hold ID
	KindPermit = "permit"         // named by permit ID
	KindPolicy = "policy"         // one document, named schemeName

	schemeName = "default"
)

// Decides reports whether documents of a kind decide on what may be destroyed, and how.
func Decides(kind string) bool {
	return slices.Contains([]string{KindScheme, KindRule, KindHold, KindPermit, KindPolicy, KindRun, KindSubjectRequest}, kind)
}

// plan is everything a tenant configured about retention, at one moment.
type plan struct {
	scheme   Scheme
	rules    []Rule
	schedule *Schedule
	held     []Hold
	holds    *Holds
	permits  []Permit
	policy   Policy
}

// lockName is the lock under which a plan changes and decisions are made by it:
// a hold and a deletion can't pass each other.
const lockName = "retention"

// maxCodes is how many class codes one statement may name.
const maxCodes = 5000

// stampName is the cursor that changes with every change of the plan.
const stampName = "retention.plan"

// plans keeps the last plan of each tenant, because reading and checking it for
// every record of a run would cost more than the run.
type plans struct {
	mu   sync.Mutex
	last map[preservation.TenantID]stamped
}

type stamped struct {
	stamp string
	plan  *plan
}

// at returns the plan as a view sees it.
func (c *plans) at(ctx context.Context, v catalog.View, id preservation.TenantID) (*plan, error) {
	stamp, err := v.Cursor(ctx, stampName)
	if err != nil {
		return nil, fmt.Errorf("read retention plan: %w", err)
	}
	c.mu.Lock()
	have, ok := c.last[id]
	c.mu.Unlock()
	if ok && stamp != "" && have.stamp == stamp {
		return have.plan, nil
	}
	p, err := readPlan(ctx, v)
	if err != nil {
		var bad Invalid
		if errors.As(err, &bad) { // what was accepted was valid
			err = fmt.Errorf("%w: %v: the catalog has lost or changed some of it; stop the service and run bestand check, then bestand rebuild", preservation.ErrCorrupt, err)
		}
		return nil, fmt.Errorf("read retention plan: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = make(map[preservation.TenantID]stamped)
	}
	c.last[id] = stamped{stamp, p}
	return p, nil
}

func readPlan(ctx context.Context, v catalog.View) (*plan, error) {
	p := &plan{schedule: &Schedule{}}
	d, err := v.Document(ctx, KindScheme, schemeName, 0)
	if err == nil {
		err = json.Unmarshal(d.Body, &p.scheme)
	}
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return nil, err
	}
	versions, err := documents[[]Rule](ctx, v, KindRule)
	if err != nil {
		return nil, err
	}
	for _, r := range versions {
		for i := range r {
			r[i].explicit()
		}
		p.rules = append(p.rules, r...)
	}
	if p.held, err = documents[Hold](ctx, v, KindHold); err != nil {
		return nil, err
	}
	if p.permits, err = documents[Permit](ctx, v, KindPermit); err != nil {
		return nil, err
	}
	d, err = v.Document(ctx, KindPolicy, schemeName, 0)
	if err == nil {
		err = json.Unmarshal(d.Body, &p.policy)
	}
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return nil, err
	}
	p.holds = NewHolds(p.held...)
	if len(p.scheme.Classes) > 0 {
		if p.schedule, err = NewSchedule(p.scheme, p.rules); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func documents[T any](ctx context.Context, v catalog.View, kind string) ([]T, error) {
	docs, err := v.Documents(ctx, kind)
	if err != nil {
		return nil, err
	}
	all := make([]T, len(docs))
	for i, d := range docs {
		if err := json.Unmarshal(d.Body, &all[i]); err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, d.Name, err)
		}
	}
	return all, nil
}

// permit returns the standing permit that allows an evaluation's record to be
// destroyed unattended.
func (p *plan) permit(e *Evaluation, today preservation.Date) (Permit, bool) {
	for i := range p.permits {
		if p.permits[i].Allows(p.schedule, e, today) {
			return p.permits[i], true
		}
	}
	return Permit{}, false
}

// governed returns the codes of the classes whose records follow a rule, those
// of classes that are no more included.
func (p *plan) governed(rule string) (codes []string) {
	for code, c := range p.schedule.classes {
		if c.rule == rule {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	return codes
}
