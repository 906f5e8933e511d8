package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Reclassification moves a record to another class (Umsortierung im Aktenplan).
// The package keeps saying what the producer said.
type Reclassification struct {
	Added
	From   string `json:"from"`
	Class  string `json:"class" validate:"required,max=64,code"`
	Reason string `json:"reason" validate:"required,max=2000"`
}

// Reclassify gives a record another class and has it evaluated anew, with all that
// belongs to it. Errors of type Invalid name the field; catalog.ErrConflict once the
// record is being destroyed. Of two at once the last one counts.
func (o *Officer) Reclassify(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, class, reason, actor string) (Reclassification, error) {
	g := Reclassification{Class: class, Reason: strings.TrimSpace(reason)}
	if err := Validate(g); err != nil {
		return g, err
	}
	r, err := living(ctx, t.View(), id)
	if err != nil {
		return g, err
	}
	if g.Added, err = o.added(ctx, t.View(), id, catalog.Reclassification, actor); err != nil {
		return g, err
	}
	g.From = r.Class
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return g, err
	}
	if err := p.newClass(g.From, class); err != nil {
		return g, err
	}
	return g, o.annotate(ctx, t, id, addition{by: g.Added, event: preservation.EventReclassify, body: g,
		detail: fmt.Sprintf("class %s replaced by %s", g.From, class),
		audit:  catalog.AuditEntry{Actor: actor, Action: "record.reclassify", Object: string(id), Detail: map[string]string{"from": g.From, "class": class}}})
}

// PreviewReclassification says where a record would stand in another class. Errors as
// for Reclassify.
func (o *Officer) PreviewReclassification(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, class string) (Evaluation, error) {
	r, err := living(ctx, t.View(), id)
	if err != nil {
		return Evaluation{}, err
	}
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Evaluation{}, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return Evaluation{}, err
	}
	if err := p.newClass(r.Class, class); err != nil {
		return Evaluation{}, err
	}
	r.Class = class
	facts, err := gather(ctx, t.View(), []catalog.Retention{r})
	if err != nil {
		return Evaluation{}, err
	}
	return Evaluate(p.schedule, *facts[0], p.holds, o.Now(), policy.zone()), nil
}

// newClass refuses to move a record to the class that it has, or to one that there is not.
func (p *plan) newClass(from, to string) error {
	if from == to {
		return Invalid{fault("class", "unchanged", "the record is in this class already")}
	}
	if _, ok := p.schedule.Class(to); !ok {
		return Invalid{fault("class", UnknownClass, fmt.Sprintf("there is no class %q", to))}
	}
	return nil
}

// Reclassifications lists how a record came to its class, oldest first.
func (o *Officer) Reclassifications(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) ([]Reclassification, error) {
	return annotationsOf[Reclassification](ctx, t.View(), id, catalog.Reclassification)
}

func annotationsOf[T any](ctx context.Context, v catalog.View, id preservation.RecordID, kind string) ([]T, error) {
	notes, err := v.Annotations(ctx, id, kind)
	if err != nil {
		return nil, err
	}
	all := make([]T, len(notes))
	for i, n := range notes {
		if err := json.Unmarshal(n.Body, &all[i]); err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind, n.ID, err)
		}
	}
	return all, nil
}

// classIn returns the class of a record as the bucket tells it: that of its
// package, or of the last reclassification among its event objects.
func classIn(ctx context.Context, s preservation.Store, id preservation.RecordID, packaged string) (string, error) {
	keys, err := keysBelow(ctx, s, preservation.EventPrefix(id))
	if err != nil {
		return "", err
	}
	var last Reclassification
	for _, key := range keys {
		e, _, err := readEvent(ctx, s, key)
		if errors.Is(err, preservation.ErrUnreadable) || errors.Is(err, preservation.ErrNotFound) {
			continue // then the classes differ, if it was one
		}
		if err != nil {
			return "", err
		}
		var g Reclassification
		if e.Event.Type != preservation.EventReclassify || json.Unmarshal(e.Body, &g) != nil {
			continue
		}
		if c := g.Recorded.Compare(last.Recorded); c > 0 || c == 0 && g.ID > last.ID {
			last = g
		}
	}
	if last.Class != "" {
		return last.Class, nil
	}
	return packaged, nil
}
