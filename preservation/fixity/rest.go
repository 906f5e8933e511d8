package fixity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Cursors.
const (
	restName  = "fixity.rest"
	roundName = "fixity.round"
)

// course is how far a look at the rest of a bucket has come, as JSON.
type course struct {
	Begun time.Time `json:"begun"`
	Ended time.Time `json:"ended,omitzero"`
	Place Place     `json:"place"`
}

// turn says whether a look is to be made now: one that was broken off goes on, and one
// that ended is followed by the next after a pause, or when somebody asked for it since.
// One that a clock that was ahead has begun counts for nothing.
func (l *look) turn(c course) (course, bool) {
	now := l.Checker.Now()
	switch {
	case c.Begun.IsZero(), c.Begun.Before(l.asked), c.Begun.After(now):
	case c.Ended.IsZero():
		return c, true
	case now.Sub(c.Ended) < l.pause:
		return c, false
	}
	return course{Begun: now}, true
}

// rest looks at what belongs to no record, when it is time.
func (l *look) rest(ctx context.Context) error {
	c, err := cursor[course](ctx, l.t, restName)
	if err != nil {
		return err
	}
	c, due := l.turn(c)
	if !due {
		return nil
	}
	err = l.Checker.Rest(ctx, l.t, l.store, c.Place, func(at Place, r Report) error {
		c.Place = at
		return l.noteRest(ctx, c, r.Failed)
	})
	if err != nil {
		return fmt.Errorf("scrub the bucket: %w", err)
	}
	mended, err := l.mendRest(ctx)
	if err != nil {
		return fmt.Errorf("repair from the second copy: %w", err)
	}
	c.Ended, c.Place = l.Checker.Now(), Place{}
	if mended > 0 {
		c.Ended = time.Unix(0, 0) // what was written again is looked at with the next run
	}
	return l.t.Update(ctx, func(x *catalog.Tx) error {
		return errors.Join(x.DropFindings(c.Begun), setCursor(x, restName, c))
	})
}

func (l *look) noteRest(ctx context.Context, c course, failed []preservation.Finding) error {
	return l.noteFindings(ctx, failed, func(x *catalog.Tx) error { return setCursor(x, restName, c) })
}

// noteFindings keeps findings about no record, with what else is to be noted.
func (l *look) noteFindings(ctx context.Context, failed []preservation.Finding, also func(*catalog.Tx) error) error {
	var fresh []preservation.Finding
	err := l.t.Update(ctx, func(x *catalog.Tx) error {
		fresh = nil
		for _, f := range failed {
			added, err := x.AddFinding("", f)
			if err != nil {
				return err
			}
			if !added {
				continue
			}
			fresh = append(fresh, f)
			if err := x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.finding", Object: f.Subject, Detail: map[string]string{"code": f.Code}}); err != nil {
				return err
			}
		}
		if also == nil {
			return nil
		}
		return also(x)
	})
	for _, f := range fresh {
		if err == nil {
			l.alarm(ctx, l.t, "", f)
		}
	}
	return err
}

// Round is the time in which every record was read back once.
type Round struct {
	Begun time.Time `json:"begun"` // of the one under way
	Ended time.Time `json:"ended,omitzero"`
}

// LastRound tells of the rounds over a tenant's holding.
func LastRound(ctx context.Context, t *catalog.Tenant) (Round, error) {
	return cursor[Round](ctx, t, roundName)
}

// begun returns the round under way, and begins the first one.
func (l *look) begun(ctx context.Context) (Round, error) {
	r, err := LastRound(ctx, l.t)
	if err != nil || !r.Begun.IsZero() {
		return r, err
	}
	r.Begun = l.Checker.Now()
	return r, l.t.Update(ctx, func(x *catalog.Tx) error { return setCursor(x, roundName, r) })
}

// round ends a round when every record was read since it began.
func (l *look) round(ctx context.Context, r Round) error {
	f, err := l.t.View().Fixity(ctx)
	if err != nil || f.Unread > 0 || f.Oldest.Before(r.Begun) {
		return err
	}
	now := l.Checker.Now()
	detail := map[string]string{"begun": r.Begun.UTC().Format(time.RFC3339), "records": strconv.FormatInt(f.Records, 10), "findings": strconv.FormatInt(f.Findings, 10)}
	return l.t.Update(ctx, func(x *catalog.Tx) error {
		return errors.Join(setCursor(x, roundName, Round{Begun: now, Ended: now}),
			x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.round", Object: string(l.t.ID()), Detail: detail}))
	})
}

func cursor[T any](ctx context.Context, t *catalog.Tenant, name string) (v T, err error) {
	text, err := t.View().Cursor(ctx, name)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &v)
	}
	return v, err
}

func setCursor(x *catalog.Tx, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return x.SetCursor(name, string(text))
}
