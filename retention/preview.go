package retention

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Preview is what a change of rules or classification would do to the records
// that there are. Nothing of it is stored.
type Preview struct {
	// At is the day that both sides are evaluated for: today, or the day on which
	// the change begins to count when that lies ahead.
	At      preservation.Date `json:"at"`
	Effects []Effect          `json:"effects"` // of a rule: for all records, and for new ones only
	// Displaces are, of a rule, the versions that the next one takes the place of, and
	// GapFrom is the day from which no version is in force.
	Displaces []RuleRef         `json:"displaces,omitempty"`
	GapFrom   preservation.Date `json:"gap_from,omitzero"`
	// Unchanged: a classification says what the version in force says, and would make
	// no next one.
	Unchanged bool `json:"unchanged,omitempty"`
}

// Effect counts what one way of making a change would do.
type Effect struct {
	Applies     string `json:"applies,omitempty"` // all or new, as in a Rule
	Records     int64  `json:"records"`           // evaluated by a rule or class that changes
	Moved       int64  `json:"moved"`             // of these, that are in one of the moves
	Earlier     int64  `json:"earlier"`           // of these, with an end before the one they have
	Later       int64  `json:"later"`             // of these, with an end after the one they have
	NewlyDue    int64  `json:"newly_due"`
	NoLongerDue int64  `json:"no_longer_due"`
	Conflict    int64  `json:"conflict"`   // that come into it
	Unresolved  int64  `json:"unresolved"` // that come into it
	Moves       []Move `json:"moves"`      // by where from and where to
}

// Move is a row of the table of a preview.
type Move struct {
	From     Place     `json:"from"`
	To       Place     `json:"to"`
	Records  int64     `json:"records"`
	Examples []Example `json:"examples"`
}

// Place is where a record stands: its state, the year of its end and what is
// to become of it.
type Place struct {
	State       State       `json:"state"`
	Year        int         `json:"year,omitempty"` // 0 without an end
	Disposition Disposition `json:"disposition,omitempty"`
}

// Example is one record of a move.
type Example struct {
	Record preservation.RecordID `json:"record"`
	Class  string                `json:"class"`
	From   preservation.Date     `json:"from,omitzero"` // end before
	To     preservation.Date     `json:"to,omitzero"`   // end after
}

// maxMoves bounds the table of a preview. Moves beyond it are counted without
// their years.
const maxMoves = 10_000

// PreviewRule says what AddRule would do, for all records and for new ones. Of
// each move it names up to so many records. Errors as for AddRule.
func (o *Officer) PreviewRule(ctx context.Context, t *catalog.Tenant, r Rule, examples int) (Preview, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Preview{}, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return Preview{}, err
	}
	now := o.Now()
	today := preservation.DateOf(now.In(policy.zone()))
	r, _, err = p.next(r, today)
	if err != nil {
		return Preview{}, err
	}
	c := comparison{plan: p, codes: p.governed(r.ID), at: now, zone: policy.zone(), examples: examples}
	if today.Before(r.ValidFrom) {
		c.at = r.ValidFrom.In(policy.zone())
	}
	for _, applies := range []string{"all", "new"} {
		r.Applies = applies
		s, err := p.with([]Rule{r})
		if err != nil {
			return Preview{}, err
		}
		c.add(applies, s)
	}
	out, err := c.run(ctx, t)
	if out.Displaces = p.displaced(r); !r.ValidTo.IsZero() {
		out.GapFrom = r.ValidTo.AddDays(1)
	}
	return out, err
}

// with is the schedule with further versions of rules, as if they were in force.
func (p *plan) with(versions []Rule) (*Schedule, error) {
	if len(p.scheme.Classes) == 0 {
		return p.schedule, nil
	}
	all := slices.Clone(p.rules)
	for _, r := range versions {
		r.ApprovedBy = System
		all = append(all, r)
	}
	return NewSchedule(p.scheme, all)
}

// PreviewScheme says what SetScheme would do. Errors as for SetScheme.
func (o *Officer) PreviewScheme(ctx context.Context, t *catalog.Tenant, s Scheme, examples int) (Preview, error) {
	policy, err := o.policy(ctx, t)
	if err != nil {
		return Preview{}, err
	}
	p, err := o.plans.at(ctx, t.View(), t.ID())
	if err != nil {
		return Preview{}, err
	}
	if s, err = p.succeed(ctx, t.View(), s); err != nil {
		return Preview{}, err
	}
	after, err := NewSchedule(s, p.rules)
	if err != nil {
		return Preview{}, err
	}
	c := comparison{plan: p, codes: differing(p.schedule, after), at: o.Now(), zone: policy.zone(), examples: examples}
	c.add("", after)
	out, err := c.run(ctx, t)
	out.Unchanged = s.same(p.scheme)
	return out, err
}

// comparison evaluates the records of some classes by the plan in force and by
// others, in memory that does not grow with their number.
type comparison struct {
	plan     *plan
	codes    []string // of the classes in question
	at       time.Time
	zone     *time.Location
	examples int
	sides    []side
}

type side struct {
	schedule *Schedule
	effect   Effect
	moves    map[[2]Place]*Move
}

func (c *comparison) add(applies string, s *Schedule) {
	c.sides = append(c.sides, side{s, Effect{Applies: applies}, make(map[[2]Place]*Move)})
}

func (c *comparison) run(ctx context.Context, t *catalog.Tenant) (Preview, error) {
	concerned := make(map[string]bool, len(c.codes))
	for _, code := range c.codes {
		concerned[code] = true
	}
	for _, code := range c.codes {
		var place catalog.ClassPlace
		for {
			rows, next, err := t.View().OfClass(ctx, code, place, batch)
			if err != nil {
				return Preview{}, fmt.Errorf("preview: %w", err)
			}
			if len(rows) == 0 {
				break
			}
			place = next
			if err := c.compare(ctx, t.View(), rows, concerned); err != nil {
				return Preview{}, fmt.Errorf("preview: %w", err)
			}
		}
	}
	return c.result(), nil
}

func (c *comparison) result() Preview {
	out := Preview{At: preservation.DateOf(c.at.In(c.zone))}
	for _, s := range c.sides {
		s.effect.Moves = make([]Move, 0, len(s.moves))
		for _, m := range s.moves {
			s.effect.Moves = append(s.effect.Moves, *m)
		}
		slices.SortFunc(s.effect.Moves, func(a, b Move) int {
			return cmp.Or(a.From.compare(b.From), a.To.compare(b.To))
		})
		out.Effects = append(out.Effects, s.effect)
	}
	return out
}

// compare looks at records of classes in question, and at those within them that are of
// another class: a part follows its file.
func (c *comparison) compare(ctx context.Context, v catalog.View, rows []catalog.Retention, concerned map[string]bool) error {
	if err := c.lookAt(ctx, v, rows, concerned); err != nil {
		return err
	}
	files := make([]preservation.RecordID, len(rows))
	for i := range rows {
		files[i] = rows[i].Record
	}
	return c.within(ctx, v, files, concerned, 1)
}

// within looks at the parts of files of classes in question, page by page, and at what is
// within each page before the next one.
func (c *comparison) within(ctx context.Context, v catalog.View, files []preservation.RecordID, concerned map[string]bool, level int) error {
	var last catalog.Part
	for level <= maxNesting && len(files) > 0 {
		page, err := v.Within(ctx, files, last, batch)
		if err != nil || len(page) == 0 {
			return err
		}
		last = page[len(page)-1]
		var parts []preservation.RecordID
		for _, p := range page {
			if !concerned[p.Class] { // those of these classes come by themselves, and theirs with them
				parts = append(parts, p.Record)
			}
		}
		if len(parts) == 0 {
			continue
		}
		rows, err := v.Retentions(ctx, catalog.RetentionFilter{IDs: parts}, "", len(parts))
		if err == nil {
			err = c.lookAt(ctx, v, rows, concerned)
		}
		if err == nil {
			err = c.within(ctx, v, parts, concerned, level+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) lookAt(ctx context.Context, v catalog.View, rows []catalog.Retention, concerned map[string]bool) error {
	facts, err := gather(ctx, v, rows)
	if err != nil {
		return err
	}
	for _, f := range facts {
		for at := f; at != nil; at = at.File {
			if concerned[at.Class] {
				c.look(f)
				break
			}
		}
	}
	return nil
}

// look evaluates one record by every plan.
func (c *comparison) look(f *Facts) {
	before := Evaluate(c.plan.schedule, *f, c.plan.holds, c.at, c.zone)
	for i := range c.sides {
		s := &c.sides[i]
		s.count(f, &before, Evaluate(s.schedule, *f, c.plan.holds, c.at, c.zone), c.examples)
	}
}

func (s *side) count(f *Facts, before *Evaluation, after Evaluation, examples int) {
	e := &s.effect
	e.Records++
	from, to := place(before), place(&after)
	if from == to && before.End == after.End && before.Ceiling == after.Ceiling {
		return
	}
	e.Moved++
	if !before.End.IsZero() && !after.End.IsZero() {
		switch before.End.Compare(after.End) {
		case 1:
			e.Earlier++
		case -1:
			e.Later++
		}
	}
	if from.State != to.State {
		switch to.State {
		case Due:
			e.NewlyDue++
		case Conflict:
			e.Conflict++
		case Unresolved:
			e.Unresolved++
		}
		if from.State == Due {
			e.NoLongerDue++
		}
	}
	m := s.moves[[2]Place{from, to}]
	if m == nil && len(s.moves) >= maxMoves {
		from.Year, to.Year = 0, 0
		m = s.moves[[2]Place{from, to}]
	}
	if m == nil {
		m = &Move{From: from, To: to, Examples: []Example{}}
		s.moves[[2]Place{from, to}] = m
	}
	m.Records++
	at, _ := slices.BinarySearchFunc(m.Examples, f.ID, func(e Example, id preservation.RecordID) int { return cmp.Compare(e.Record, id) })
	if at < examples { // the first ones by their identifiers, in whatever order they come
		m.Examples = slices.Insert(m.Examples, at, Example{f.ID, f.Class, before.End, after.End})
		m.Examples = m.Examples[:min(len(m.Examples), examples)]
	}
}

func place(e *Evaluation) Place { return Place{e.State, e.End.Year, e.Disposition} }

func (p Place) compare(q Place) int {
	return cmp.Or(cmp.Compare(p.State, q.State), cmp.Compare(p.Year, q.Year), cmp.Compare(p.Disposition, q.Disposition))
}

// differing returns the codes of the classes that are not the same for
// evaluations and holds in two classifications over the same rules.
func differing(a, b *Schedule) (codes []string) {
	for code, x := range a.classes {
		if y, ok := b.classes[code]; !ok || x.rule != y.rule || x.successor != y.successor || !slices.Equal(x.path, y.path) {
			codes = append(codes, code)
		}
	}
	for code := range b.classes {
		if _, ok := a.classes[code]; !ok {
			codes = append(codes, code)
		}
	}
	slices.Sort(codes)
	return codes
}
