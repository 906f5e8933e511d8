package replica

import (
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

// KindCopy is the kind of the documents that say where second copies are, one for
// each place and named after it: nothing may be destroyed before it was destroyed in
// all of them, also when the catalog is lost and made anew from the bucket.
const KindCopy = "copy"

// placed is the body of such a document.
type placed struct {
	Place string `json:"place"`
	Gone  bool   `json:"gone,omitempty"` // a person said so
}

// Places lists the second copies that a tenant's bucket has, or had and nobody said that
// they are gone.
func Places(ctx context.Context, v catalog.View) ([]string, error) {
	docs, err := v.Documents(ctx, KindCopy)
	if err != nil {
		return nil, err
	}
	var all []string
	gone := map[string]bool{}
	for _, d := range docs {
		var p placed
		if err := json.Unmarshal(d.Body, &p); err != nil {
			return nil, fmt.Errorf("%s %s: %w", d.Kind, d.Name, err)
		}
		if gone[p.Place] = p.Gone; !p.Gone {
			all = append(all, p.Place)
		}
	}
	s, err := Surveyed(ctx, v)
	if err == nil && s.Place != "" && !gone[s.Place] && !slices.Contains(all, s.Place) { // a former release did not write it down
		all = append(all, s.Place)
	}
	return all, err
}

// Told lists the second copies that documents tell of, in any order, as Places does.
func Told(docs []preservation.ConfigObject) ([]string, error) {
	newest := map[string]preservation.ConfigObject{}
	for _, d := range docs {
		if d.Kind == KindCopy && d.Version > newest[d.Name].Version {
			newest[d.Name] = d
		}
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(newest)) {
		var p placed
		if err := json.Unmarshal(newest[name].Body, &p); err != nil {
			return nil, fmt.Errorf("%s %s: %w", KindCopy, name, err)
		}
		if !p.Gone {
			all = append(all, p.Place)
		}
	}
	return all, nil
}

// setPlace writes down that there is a second copy at a place, or that it is gone.
func setPlace(ctx context.Context, x *catalog.Tx, t preservation.TenantID, p placed, actor string, now time.Time) error {
	version := 1
	switch d, err := x.View().Document(ctx, KindCopy, p.Place, 0); {
	case err == nil:
		var have placed
		if err := json.Unmarshal(d.Body, &have); err != nil || have == p {
			return err
		}
		version = d.Version + 1
	case !errors.Is(err, catalog.ErrNotFound):
		return err
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	action := "copy.begin"
	if p.Gone {
		action = "copy.give-up"
	}
	return errors.Join(
		x.AddDocument(catalog.Document{Kind: KindCopy, Name: p.Place, Version: version, Key: preservation.ConfigKey(preservation.NewID(now)), Body: body, Actor: actor, At: now.UnixMilli()}),
		x.Audit(catalog.AuditEntry{Actor: actor, Action: action, Object: string(t), Detail: map[string]string{"place": p.Place}}))
}

// begin writes down that the second copy is at its place, and that no other place has
// what the catalog noted as copied.
func (r *run) begin(ctx context.Context) error {
	last, err := Surveyed(ctx, r.t.View())
	if err != nil {
		return err
	}
	_, err = r.t.View().Document(ctx, KindCopy, r.Place, 0)
	if err == nil && last.Place == r.Place {
		return nil
	}
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	inner := context.WithoutCancel(ctx)
	err = r.t.Update(ctx, func(x *catalog.Tx) error {
		last, err := Surveyed(inner, x.View())
		if err != nil {
			return err
		}
		if last.Place != "" && last.Place != r.Place { // of a former release
			if err := setPlace(inner, x, r.t.ID(), placed{Place: last.Place}, "system", r.Now()); err != nil {
				return err
			}
		}
		if last.Place != r.Place {
			if err := errors.Join(x.ForgetCopies(), setSurvey(x, Survey{Place: r.Place})); err != nil {
				return err
			}
		}
		return setPlace(inner, x, r.t.ID(), placed{Place: r.Place}, "system", r.Now())
	})
	if err != nil || r.Configure == nil {
		return err
	}
	return r.Configure(ctx, r.t)
}

// GiveUp notes that every second copy is gone, but the one at the place that is kept;
// none, if that is empty.
func GiveUp(ctx context.Context, t *catalog.Tenant, kept, actor string, now time.Time) error {
	places, err := Places(ctx, t.View())
	if err != nil {
		return err
	}
	inner := context.WithoutCancel(ctx)
	for _, place := range places {
		if place == kept {
			continue
		}
		err := t.Update(ctx, func(x *catalog.Tx) error {
			if err := setPlace(inner, x, t.ID(), placed{Place: place, Gone: true}, actor, now); err != nil {
				return err
			}
			if s, err := Surveyed(inner, x.View()); err != nil || s.Place != place {
				return err
			}
			return errors.Join(x.ForgetCopies(), x.SetCursor(surveyName, ""))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
