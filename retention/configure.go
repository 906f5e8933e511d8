package retention

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

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

// Rules returns all versions of all rules.
func (o *Officer) Rules(ctx context.Context, t *catalog.Tenant) ([]Rule, error) {
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return nil, err
	}
	return p.rules, nil
}

// SetScheme makes a classification the next version and has every record
// evaluated anew. Errors of type Invalid name each field. A version other than
// 0 has to be the one that the change is based on, else catalog.ErrConflict.
func (o *Officer) SetScheme(ctx context.Context, t *catalog.Tenant, s Scheme, actor string) (Scheme, error) {
	var out Scheme
	err := o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		out = s
		if s.Version != 0 && s.Version != e.plan.scheme.Version {
			return fmt.Errorf("classification version %d is not the newest, which is %d: read it again: %w", s.Version, e.plan.scheme.Version, catalog.ErrConflict)
		}
		out.Version = e.plan.scheme.Version + 1
		if bad := failed(Check(out, e.plan.rules)); len(bad) > 0 {
			return bad
		}
		if err := e.add(ctx, KindScheme, schemeName, out, "classification.set"); err != nil {
			return err
		}
		_, err := e.MarkStale(catalog.RetentionFilter{})
		return err
	})
	return out, err
}

// AddRule puts the next version of a rule into force, approved by the actor,
// and has the records that it governs evaluated anew. What is left out means:
// disposition B, for all records, valid from today, legal basis read today
// with medium confidence. Errors as for SetScheme.
func (o *Officer) AddRule(ctx context.Context, t *catalog.Tenant, r Rule, actor string) (Rule, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return r, err
	}
	var out Rule
	err = o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		out = r
		today := preservation.DateOf(e.now.In(policy.zone()))
		out.Disposition = cmp.Or(r.Disposition, Assess)
		out.Applies = cmp.Or(r.Applies, "all")
		out.ValidFrom = cmp.Or(r.ValidFrom, today)
		out.Checked = cmp.Or(r.Checked, today)
		out.Confidence = cmp.Or(r.Confidence, "medium")
		out.ApprovedBy = actor
		var versions []Rule
		for _, v := range e.plan.rules {
			if v.ID == r.ID {
				versions = append(versions, v)
			}
		}
		if r.Version != 0 && r.Version != len(versions) {
			return fmt.Errorf("rule %s version %d is not the newest, which is %d: read it again: %w", r.ID, r.Version, len(versions), catalog.ErrConflict)
		}
		out.Version = len(versions) + 1
		if err := Validate(out); err != nil {
			return err
		}
		if err := e.add(ctx, KindRule, out.ID, append(versions, out), "rule.add"); err != nil {
			return err
		}
		for codes := range slices.Chunk(e.plan.governed(out.ID), maxCodes) {
			if _, err := e.MarkStale(catalog.RetentionFilter{Classes: codes}); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// LoadSample gives a tenant the Saxon sample classification and rules. A
// tenant that has a classification keeps it.
func (o *Officer) LoadSample(ctx context.Context, t *catalog.Tenant, actor string) error {
	s, rules, err := SampleData()
	if err != nil {
		return err
	}
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
		s.Version = 1
		if err := e.add(ctx, KindScheme, schemeName, s, "classification.set"); err != nil {
			return err
		}
		_, err := e.MarkStale(catalog.RetentionFilter{})
		return err
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
