package retention

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Schedule returns the classification and rules in force of a tenant, ready
// for evaluation. Without a classification it knows no class.
func (o *Officer) Schedule(ctx context.Context, t *catalog.Tenant) (*Schedule, error) {
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return nil, err
	}
	return p.schedule, nil
}

// Scheme returns the newest classification; its zero value when there is none.
func (o *Officer) Scheme(ctx context.Context, t *catalog.Tenant) (Scheme, error) {
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return Scheme{}, err
	}
	return p.scheme, nil
}

// SchemeAt returns a version of the classification, the newest for 0, whose zero
// value says that there is none. catalog.ErrNotFound when there is no such version.
func (o *Officer) SchemeAt(ctx context.Context, t *catalog.Tenant, version int) (Scheme, error) {
	if version == 0 {
		return o.Scheme(ctx, t)
	}
	d, err := t.View().Document(ctx, KindScheme, schemeName, version)
	if err != nil {
		return Scheme{}, err
	}
	var s Scheme
	return s, json.Unmarshal(d.Body, &s)
}

// SchemeVersion says of a version of the classification who put it into force.
type SchemeVersion struct {
	Version int       `json:"version"`
	Title   string    `json:"title"`
	Classes int       `json:"classes"` // how many
	Set     time.Time `json:"set"`
	SetBy   string    `json:"set_by"`
}

// SchemeVersions lists the versions of the classification, newest first.
func (o *Officer) SchemeVersions(ctx context.Context, t *catalog.Tenant) ([]SchemeVersion, error) {
	var all []SchemeVersion
	err := t.View().EachVersion(ctx, KindScheme, schemeName, func(d catalog.Document) error {
		var s Scheme
		if err := json.Unmarshal(d.Body, &s); err != nil {
			return fmt.Errorf("classification version %d: %w", d.Version, err)
		}
		all = append(all, SchemeVersion{d.Version, s.Title, len(s.Classes), time.UnixMilli(d.At).UTC(), d.Actor})
		return nil
	})
	return all, err
}

// Rules returns all versions of all rules.
func (o *Officer) Rules(ctx context.Context, t *catalog.Tenant) ([]Rule, error) {
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return nil, err
	}
	return p.rules, nil
}

// SetScheme makes a classification the next version and has the records whose
// class it changes evaluated anew. One that says what the version in force says
// changes nothing: that version is returned, and false. Errors of type Invalid name
// each field. A version other than 0 has to be the one that the change is based on,
// else catalog.ErrConflict. A class that records are in can't be left out without a
// successor: InUse.
func (o *Officer) SetScheme(ctx context.Context, t *catalog.Tenant, s Scheme, actor string) (out Scheme, changed bool, err error) {
	err = o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		var err error
		if out, err = e.plan.succeed(ctx, e.v, s); err != nil {
			return err
		}
		if changed = !out.same(e.plan.scheme); !changed {
			out, e.again = e.plan.scheme, true
			return nil
		}
		after, err := NewSchedule(out, e.plan.rules)
		if err != nil {
			return err
		}
		if err := e.putScheme(ctx, out); err != nil {
			return err
		}
		return e.staleClasses(differing(e.plan.schedule, after))
	})
	return out, changed, err
}

// putScheme puts a classification into force, tells of each class that has another
// successor than before, and has certificates made that waited for their class.
func (e *edit) putScheme(ctx context.Context, s Scheme) error {
	if err := e.add(ctx, KindScheme, schemeName, s, "classification.set"); err != nil {
		return err
	}
	if err := e.Hasten(JobCertify); err != nil {
		return err
	}
	for _, code := range slices.Sorted(maps.Keys(s.Successors)) {
		if next := s.Successors[code]; next != e.plan.scheme.Successors[code] {
			detail := map[string]string{"version": fmt.Sprint(s.Version), "successor": next}
			if err := e.Audit(catalog.AuditEntry{Actor: e.actor, Action: "classification.succeed", Object: code, Detail: detail}); err != nil {
				return err
			}
		}
	}
	return nil
}

// staleClasses has the records of some classes evaluated anew, and after them
// what belongs to those that change.
func (e *edit) staleClasses(codes []string) error {
	for part := range slices.Chunk(codes, maxCodes) {
		if err := e.MarkStale(catalog.RetentionFilter{Classes: part}); err != nil {
			return err
		}
	}
	return nil
}

// AddRule puts the next version of a rule into force, approved by the actor, or
// makes it a draft where the policy asks for a second person, and has the records that it governs evaluated anew. What is left out means:
// disposition B, for all records, valid from today, legal basis read today
// with medium confidence. Errors as for SetScheme.
func (o *Officer) AddRule(ctx context.Context, t *catalog.Tenant, r Rule, actor string) (Rule, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return r, err
	}
	var out Rule
	err = o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		var versions []Rule
		var err error
		if out, versions, err = e.plan.next(r, preservation.DateOf(e.now.In(policy.zone()))); err != nil {
			return err
		}
		if out.ProposedBy = actor; !e.plan.policy.ApproveRules {
			out.ApprovedBy = actor
		}
		if err := e.add(ctx, KindRule, out.ID, append(versions, out), "rule.add"); err != nil || out.ApprovedBy == "" {
			return err
		}
		return e.staleClasses(e.plan.governed(out.ID))
	})
	return out, err
}

// next completes a rule as the next version of those that it has, which it
// returns, too.
func (p *plan) next(r Rule, today preservation.Date) (Rule, []Rule, error) {
	r.Disposition = cmp.Or(r.Disposition, Assess)
	r.Applies = cmp.Or(r.Applies, "all")
	r.ValidFrom = cmp.Or(r.ValidFrom, today)
	r.Checked = cmp.Or(r.Checked, today)
	r.Confidence = cmp.Or(r.Confidence, "medium")
	r.ProposedBy, r.ApprovedBy = "", ""
	versions := p.versions(r.ID)
	if r.Version != 0 && r.Version != len(versions) {
		return r, nil, fmt.Errorf("rule %s version %d is not the newest, which is %d: read it again: %w", r.ID, r.Version, len(versions), catalog.ErrConflict)
	}
	r.Version = len(versions) + 1
	return r, versions, Validate(r)
}

// displaced are the versions in force that a next one takes the place of from its first
// day on: that which counts then, and those that were to begin later.
func (p *plan) displaced(next Rule) (all []RuleRef) {
	for _, r := range slices.Backward(p.versions(next.ID)) {
		if r.ApprovedBy == "" {
			continue
		}
		if !r.ValidTo.IsZero() && r.ValidTo.Before(next.ValidFrom) {
			break // those before it do not come back
		}
		all = append(all, r.Ref())
		if !next.ValidFrom.Before(r.ValidFrom) { // those before it stood behind it
			break
		}
	}
	return all
}

// LoadSample gives a tenant the Saxon sample classification and rules. A
// tenant that has a classification keeps it.
func (o *Officer) LoadSample(ctx context.Context, t *catalog.Tenant, actor string) error {
	sample, err := SampleTemplate()
	if err != nil {
		return err
	}
	s, rules := sample.Scheme, sample.Rules
	return o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		if e.plan.scheme.Version > 0 {
			return nil
		}
		versions := make(map[string][]Rule)
		for _, r := range rules {
			versions[r.ID] = append(versions[r.ID], r)
		}
		for _, r := range rules {
			if r.Version != len(versions[r.ID]) {
				continue // its last version stores all of them
			}
			if err := e.add(ctx, KindRule, r.ID, versions[r.ID], "rule.add"); err != nil {
				return err
			}
		}
		s.Version, s.Template = 1, &TemplateRef{sample.Name, sample.Version}
		if err := e.add(ctx, KindTemplate, sample.Name, sample, "template.adopt"); err != nil {
			return err
		}
		if err := e.add(ctx, KindScheme, schemeName, s, "classification.set"); err != nil {
			return err
		}
		return e.MarkStale(catalog.RetentionFilter{})
	})
}

// Configure is the handler of the job "configure": it writes every document
// whose object is not in the bucket yet.
func (o *Officer) Configure(ctx context.Context, t *catalog.Tenant, _ catalog.Job) error {
	for {
		docs, err := t.View().UnstoredDocuments(ctx, 100)
		if err != nil || len(docs) == 0 {
			return err
		}
		if err := o.store(ctx, t, docs...); err != nil {
			return err
		}
	}
}

// store writes documents of the catalog to the bucket.
func (o *Officer) store(ctx context.Context, t *catalog.Tenant, docs ...catalog.Document) error {
	if err := o.put(ctx, t, docs...); err != nil {
		return err
	}
	return t.Update(ctx, func(x *catalog.Tx) error {
		for _, d := range docs {
			if err := x.DocumentStored(d.Key); err != nil {
				return err
			}
		}
		return nil
	})
}

// put writes the objects of documents.
func (o *Officer) put(ctx context.Context, t *catalog.Tenant, docs ...catalog.Document) error {
	s, err := o.Store(ctx, t)
	if err != nil {
		return err
	}
	lock, err := o.ProofLock(ctx, t)
	if err != nil {
		return err
	}
	for _, d := range docs {
		if err := storeDocument(ctx, s, d, lock); err != nil {
			return fmt.Errorf("store %s %s: %w", d.Kind, d.Name, err)
		}
	}
	return nil
}

func storeDocument(ctx context.Context, s preservation.Store, d catalog.Document, lock preservation.Lock) error {
	data, sum, err := preservation.ConfigObject{Kind: d.Kind, Name: d.Name, Version: d.Version, At: d.At, Actor: d.Actor, Body: d.Body}.Encode()
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, d.Key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: sum, Lock: lock, ContentType: "application/json"})
	if !errors.Is(err, preservation.ErrExists) {
		return err
	}
	o, err := s.Stat(ctx, d.Key, "")
	if err != nil {
		return err
	}
	have, err := read(ctx, s, o, int64(len(data)))
	if err == nil && !bytes.Equal(have, data) {
		err = fmt.Errorf("%s: %w: another document has its key", d.Key, preservation.ErrCorrupt)
	}
	return err
}
