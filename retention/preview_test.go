package retention

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// evaluations are those that the catalog has stored, by record.
func (a *archive) evaluations() map[preservation.RecordID]Evaluation {
	a.t.Helper()
	rows, err := a.tenant.View().Retentions(a.t.Context(), catalog.RetentionFilter{}, "", 1e6)
	if err != nil {
		a.t.Fatal(err)
	}
	all := make(map[preservation.RecordID]Evaluation, len(rows))
	for _, r := range rows {
		var e Evaluation
		if err := json.Unmarshal(r.Last.Body, &e); err != nil {
			a.t.Fatal(err)
		}
		all[r.Record] = e
	}
	return all
}

// holding fills an archive with records as they come: with and without dates,
// within files, on hold, with events.
func holding(t *testing.T, seed uint64) *archive {
	a := newArchive(t, "2026-02-01")
	r := draw{rand.New(rand.NewPCG(seed, 7))}
	classes := []string{"01.10", "01.20", "05.10", "63.10", "02.20", "00.10"}
	var files []preservation.RecordID
	for i := range 150 {
		m := a.metadata(classes[r.IntN(len(classes))], r.date().String())
		m.ProducerRecordID = fmt.Sprint(i)
		if r.IntN(6) == 0 {
			m.Closed = preservation.Date{}
		}
		if len(files) > 0 && r.IntN(3) == 0 {
			m.Parent = files[r.IntN(len(files))]
		}
		id := a.keep(m)
		if r.IntN(3) == 0 {
			files = append(files, id)
		}
		if r.IntN(20) == 0 {
			a.hold(Scope{Records: []preservation.RecordID{id}})
		}
	}
	a.night()
	a.settle()
	return a
}

// settle evaluates until parts have followed their files, as the job does.
func (a *archive) settle() {
	a.t.Helper()
	for range maxNesting {
		a.evaluate()
		if n, err := a.tenant.View().CountRetentions(a.t.Context(), catalog.RetentionFilter{Stale: true}); err != nil {
			a.t.Fatal(err)
		} else if n == 0 {
			return
		}
	}
	a.t.Fatal("there is always something left to evaluate")
}

// moved is the table of a preview as it has to be, made of what was stored
// before and after.
func moved(before, after map[preservation.RecordID]Evaluation) map[[2]Place]int64 {
	table := make(map[[2]Place]int64)
	for id, x := range before {
		y := after[id]
		if place(&x) != place(&y) || x.End != y.End || x.Ceiling != y.Ceiling {
			table[[2]Place{place(&x), place(&y)}]++
		}
	}
	return table
}

func (e *Effect) table() map[[2]Place]int64 {
	table := make(map[[2]Place]int64)
	for _, m := range e.Moves {
		table[[2]Place{m.From, m.To}] += m.Records
	}
	return table
}

// TestPreviewRule: what a preview says is what happens when the rule is saved
// and everything evaluated, for all records and for new ones.
func TestPreviewRule(t *testing.T) {
	change := Rule{ID: "general-10y", Title: "Kürzer", Trigger: OnClosure, Duration: Duration{Years: 4, Months: 3}, Base: Day, Disposition: Destroy, LegalBasis: "neu"}
	bounded := change
	bounded.Duration, bounded.Maximum = Duration{Years: 12}, &Bound{Trigger: OnOpening, Duration: Duration{Years: 30}, Base: Day}
	waiting := change
	waiting.Minimum = &Bound{Trigger: "assessment-period-end", Duration: NoTime(), Base: Day}
	forever := Rule{ID: "general-10y", Title: "Für immer", Permanent: true, Disposition: Archive, LegalBasis: "neu"}
	for name, r := range map[string]Rule{"shorter": change, "ceiling": bounded, "floor that nobody reported": waiting, "permanent": forever} {
		t.Run(name, func(t *testing.T) {
			for i, applies := range []string{"all", "new"} {
				a := holding(t, 11)
				r.ValidFrom = day(t, "2015-06-30") // old and new records on both sides
				before := a.evaluations()
				p, err := a.officer.PreviewRule(t.Context(), a.tenant, r, 2)
				if err != nil {
					t.Fatal(err)
				}
				if again := a.evaluations(); !reflect.DeepEqual(before, again) {
					t.Fatal("the preview has changed something")
				}
				r.Applies = applies
				if _, err := a.officer.AddRule(t.Context(), a.tenant, r, "anna"); err != nil {
					t.Fatal(err)
				}
				a.settle()
				e := p.Effects[i]
				want := moved(before, a.evaluations())
				if e.Applies != applies || !reflect.DeepEqual(e.table(), want) {
					t.Errorf("%s: previewed %v\nhappened %v", applies, e.table(), want)
				}
				var n int64
				for _, c := range want {
					n += c
				}
				if e.Moved != n || n == 0 {
					t.Errorf("%s: %d moved, %d did", applies, e.Moved, n)
				}
				for _, m := range e.Moves {
					if len(m.Examples) == 0 || len(m.Examples) > 2 {
						t.Errorf("examples %v", m.Examples)
					}
				}
			}
		})
	}
}

// TestRuleGap: a version displaces those that were to begin later, and a preview says from
// when there is none.
func TestRuleGap(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	r := Rule{ID: "brief", Title: "Kurz", Trigger: OnClosure, Duration: Duration{Years: 4}, Base: Day, LegalBasis: "neu"}
	for _, from := range []string{"2020-01-01", "2026-06-15"} {
		if r.ValidFrom = day(t, from); from == "2026-06-15" {
			r.Title = "Später"
		}
		if _, err := a.officer.AddRule(t.Context(), a.tenant, r, "anna"); err != nil {
			t.Fatal(err)
		}
	}
	r.Title, r.ValidFrom, r.ValidTo = "Nur im Mai", day(t, "2026-05-01"), day(t, "2026-05-31")
	p, err := a.officer.PreviewRule(t.Context(), a.tenant, r, 0)
	if err != nil || len(p.Displaces) != 2 || p.GapFrom != day(t, "2026-06-01") {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := a.officer.AddRule(t.Context(), a.tenant, r, "anna"); err != nil {
		t.Error(err)
	}
	r.ValidTo, r.ValidFrom = preservation.Date{}, day(t, "2026-06-01")
	if p, err := a.officer.PreviewRule(t.Context(), a.tenant, r, 0); err != nil || len(p.Displaces) != 0 || !p.GapFrom.IsZero() {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestPreviewLooksAtAll: a preview looks only at the classes in question and what is
// within their files, and comes to what looking at everything comes to.
func TestPreviewLooksAtAll(t *testing.T) {
	a := holding(t, 17)
	ctx := t.Context()
	r := Rule{ID: "council-minutes", Title: "Zehn Jahre", Trigger: OnClosure, Duration: Duration{Years: 10}, Base: YearEnd, LegalBasis: "neu", ValidFrom: day(t, "2000-01-01")}
	got, err := a.officer.PreviewRule(ctx, a.tenant, r, 3)
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.officer.plans.at(ctx, a.tenant.View(), a.tenant.ID())
	if err != nil {
		t.Fatal(err)
	}
	if r, _, err = p.next(r, preservation.DateOf(a.now)); err != nil {
		t.Fatal(err)
	}
	full := comparison{plan: p, at: a.now, zone: berlin(t), examples: 3}
	concerned := make(map[string]bool)
	for _, code := range p.governed(r.ID) {
		concerned[code] = true
	}
	for _, r.Applies = range []string{"all", "new"} {
		s, err := p.with([]Rule{r})
		if err != nil {
			t.Fatal(err)
		}
		full.add(r.Applies, s)
	}
	rows, err := a.tenant.View().Retentions(ctx, catalog.RetentionFilter{}, "", 1000)
	if err == nil {
		err = full.lookAt(ctx, a.tenant.View(), rows, concerned)
	}
	if err != nil {
		t.Fatal(err)
	}
	other := 0
	for _, m := range got.Effects[0].Moves {
		for _, e := range m.Examples {
			if !concerned[e.Class] {
				other++
			}
		}
	}
	want := full.result()
	want.Displaces = []RuleRef{{"council-minutes", 1}}
	if !reflect.DeepEqual(got, want) || got.Effects[0].Moved == 0 || other == 0 {
		t.Errorf("%d of another class, previewed %+v\nlooking at everything %+v", other, got, want)
	}
}

// TestPreviewManyParts: of a file with more parts than are looked at together, and with
// parts of these, each is counted once.
func TestPreviewManyParts(t *testing.T) {
	a := newArchive(t, "2026-02-01")
	put := func(class string, parent preservation.RecordID) preservation.RecordID {
		m := a.metadata(class, "2020-05-05")
		m.Parent = parent
		return a.keep(m)
	}
	file := put("00.10", "")
	n := int64(1)
	for i := range 2*batch + 7 {
		part := put("01.10", file)
		n++
		if i%100 == 0 {
			put("05.10", part)
			n++
		}
	}
	put("00.10", file) // comes by itself
	n++
	a.evaluate()
	r := Rule{ID: "council-minutes", Title: "Zehn Jahre", Trigger: OnClosure, Duration: Duration{Years: 10}, Base: YearEnd, LegalBasis: "neu", ValidFrom: day(t, "2000-01-01")}
	p, err := a.officer.PreviewRule(t.Context(), a.tenant, r, 1)
	if err != nil || p.Effects[0].Records != n || p.Effects[0].Moved != n {
		t.Errorf("want %d: %+v, %v", n, p.Effects, err)
	}
	if _, err := a.officer.AddRule(t.Context(), a.tenant, r, "anna"); err != nil {
		t.Fatal(err)
	}
	before := a.evaluations()
	a.settle()
	if want := moved(before, a.evaluations()); !reflect.DeepEqual(p.Effects[0].table(), want) {
		t.Errorf("previewed %v\nhappened %v", p.Effects[0].table(), want)
	}
}

func TestPreviewRuleAhead(t *testing.T) {
	a := holding(t, 3)
	r := Rule{ID: "general-10y", Title: "Ab Mai", Trigger: OnClosure, Duration: Duration{Years: 30}, Base: YearEnd, LegalBasis: "neu", ValidFrom: day(t, "2026-05-01")}
	p, err := a.officer.PreviewRule(t.Context(), a.tenant, r, 0)
	if err != nil || p.At != r.ValidFrom || p.Effects[0].NoLongerDue == 0 {
		t.Errorf("%+v, %v", p, err)
	}
	var bad Invalid
	r.Trigger = ""
	if _, err := a.officer.PreviewRule(t.Context(), a.tenant, r, 0); !errors.As(err, &bad) || bad[0].Subject != "trigger" {
		t.Errorf("a bad rule: %v", err)
	}
	r.Trigger, r.Version = OnClosure, 7
	if _, err := a.officer.PreviewRule(t.Context(), a.tenant, r, 0); !errors.Is(err, catalog.ErrConflict) {
		t.Errorf("an old version: %v", err)
	}
}

// TestPreviewScheme: as TestPreviewRule, of a classification that gives a class
// another rule, moves one, drops one and adds one.
func TestPreviewScheme(t *testing.T) {
	a := holding(t, 5)
	ctx := t.Context()
	s, err := a.officer.Scheme(ctx, a.tenant)
	if err != nil {
		t.Fatal(err)
	}
	s.Classes = slices.DeleteFunc(slices.Clone(s.Classes), func(c Class) bool { return c.Code == "01.20" })
	for i := range s.Classes {
		if s.Classes[i].Code == "01.10" {
			s.Classes[i].Rule = "invoices"
		}
	}
	var used InUse
	if _, err := a.officer.PreviewScheme(ctx, a.tenant, s, 0); !errors.As(err, &used) || !strings.Contains(used[0].Detail, `"01.20"`) {
		t.Fatalf("a class in use is left out: %v", err)
	}
	if _, _, err := a.officer.SetScheme(ctx, a.tenant, s, "anna"); !errors.As(err, &used) {
		t.Fatalf("a class in use is left out: %v", err)
	}
	s.Successors = map[string]string{"01.20": "05.10"}
	p, err := a.officer.PreviewScheme(ctx, a.tenant, s, 1)
	if err != nil {
		t.Fatal(err)
	}
	before := a.evaluations()
	if s, _, err = a.officer.SetScheme(ctx, a.tenant, s, "anna"); err != nil {
		t.Fatal(err)
	}
	a.settle()
	after := a.evaluations()
	if want := moved(before, after); !reflect.DeepEqual(p.Effects[0].table(), want) || len(want) == 0 {
		t.Errorf("previewed %v\nhappened %v", p.Effects[0].table(), want)
	}
	for id, e := range after {
		if e.Class == "01.20" && e.Rule.ID != "procurement" && !slices.ContainsFunc(e.Reasons, func(r Reason) bool { return r.Code == OfFile }) {
			t.Errorf("record %s: %+v", id, e)
		}
	}
	log, err := a.tenant.AuditLog(ctx, 0, "01.20", 10)
	if err != nil || len(log) != 1 || log[0].Action != "classification.succeed" || log[0].Detail["successor"] != "05.10" {
		t.Errorf("audit %+v, %v", log, err)
	}

	// The successor goes too: who goes by it needs another one, and it is inherited.
	s.Classes = slices.DeleteFunc(slices.Clone(s.Classes), func(c Class) bool { return c.Code == "05.10" })
	s.Successors = nil
	if _, _, err := a.officer.SetScheme(ctx, a.tenant, s, "anna"); !errors.As(err, &used) || len(used) != 2 {
		t.Errorf("a successor in use is left out: %v", err)
	}
	s.Successors = map[string]string{"05.10": "01.10"}
	if s, _, err = a.officer.SetScheme(ctx, a.tenant, s, "anna"); err != nil || s.Successors["01.20"] != "01.10" {
		t.Fatalf("successors %v, %v", s.Successors, err)
	}
	s.Classes, s.Successors = append(s.Classes, Class{Code: "01.20", Title: "Wieder da", Parent: "01"}), nil
	if s, _, err = a.officer.SetScheme(ctx, a.tenant, s, "anna"); err != nil || len(s.Successors) != 1 {
		t.Fatalf("successors %v, %v", s.Successors, err)
	}
	var bad Invalid
	s.Successors = map[string]string{"01.20": "01.10"}
	if _, _, err = a.officer.SetScheme(ctx, a.tenant, s, "anna"); !errors.As(err, &bad) || bad[0].Subject != "successors[01.20]" {
		t.Errorf("a successor of a class that is there: %v", err)
	}
	s.Successors = map[string]string{"99.1": "99.2", "99.2": "99.1"}
	if _, _, err = a.officer.SetScheme(ctx, a.tenant, s, "anna"); !errors.As(err, &bad) {
		t.Errorf("a circle: %v", err)
	}
}
