package retention

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"

	"bestand/preservation"
)

// Invalid is the error that carries every finding about an input, each with
// the path of the field it is about, such as "classes[3].parent".
type Invalid []preservation.Finding

// And adds what others found that is not among these findings yet. Of a field that there is
// a finding about none says that it is missing.
func (v Invalid) And(more Invalid) Invalid {
	out := slices.Clone(v)
	have := make(map[[2]string]bool, len(v))
	named := make(map[string]bool, len(v))
	for _, f := range v {
		have[[2]string{f.Subject, f.Code}], named[f.Subject] = true, true
	}
	for _, f := range more {
		if !have[[2]string{f.Subject, f.Code}] && !(named[f.Subject] && strings.HasPrefix(f.Code, "required")) {
			out = append(out, f)
		}
	}
	return out
}

func (v Invalid) Error() string {
	lines := make([]string, len(v))
	for i, f := range v {
		lines[i] = f.Subject + ": " + f.Detail
	}
	return strings.Join(lines, "; ")
}

func failed(all []preservation.Finding) (bad Invalid) {
	for _, f := range all {
		if f.Severity == preservation.Failed {
			bad = append(bad, f)
		}
	}
	return bad
}

// Validate checks the fields of a Scheme, Rule, Hold, Permit or Trigger as a
// user sent it. Its error is of type Invalid.
func Validate(v any) error {
	bad := fields("", v)
	switch v := v.(type) {
	case Rule:
		bad = append(bad, v.contradictions("")...)
		bad = append(bad, v.unsaid()...)
	case Hold:
		if v.Scope.Empty() {
			bad = append(bad, fault("scope", "required", "name records or classes, or say all"))
		}
	case Permit:
		if !v.ValidTo.IsZero() && v.ValidTo.Before(v.ValidFrom) {
			bad = append(bad, fault("valid_to", "never-valid", "lies before valid_from"))
		}
		if v.Approver != "" && strings.EqualFold(v.Approver, v.Proposer) {
			bad = append(bad, fault("approver", "same-person", "must differ from the proposer"))
		}
	}
	if len(bad) > 0 {
		return Invalid(bad)
	}
	return nil
}

// unsaid finds what a rule that is being written says to nobody or about nothing. Versions
// that were accepted before this was asked for stay valid.
func (r *Rule) unsaid() (found []preservation.Finding) {
	found = append(wording("title", r.Title), wording("legal_basis", r.LegalBasis)...)
	found = append(found, legible("note", r.Note)...)
	found = append(found, r.unmeasured()...)
	bases := []Base{r.Base}
	for _, b := range []*Bound{r.Minimum, r.Maximum} {
		if b != nil {
			bases = append(bases, b.Base)
		}
	}
	if r.FiscalMonth != 0 && !slices.Contains(bases, NextFiscalYear) {
		found = append(found, fault("fiscal_month", "contradiction", "counts only where something is reckoned from the next fiscal year"))
	}
	return found
}

// unmeasured finds the periods that are missing, which nobody may take for none.
func (r *Rule) unmeasured() (found []preservation.Finding) {
	missing := func(field string) {
		found = append(found, fault(field, "required", `is missing: say how long, and {"days": 0} (in a spreadsheet 0 Tage) where the period ends as soon as its trigger has come`))
	}
	if !r.Permanent && r.Duration == (Duration{}) {
		missing("duration")
	}
	if r.Minimum != nil && r.Minimum.Duration == (Duration{}) {
		missing("minimum.duration")
	}
	if r.Maximum != nil && r.Maximum.Duration == (Duration{}) {
		missing("maximum.duration")
	}
	return found
}

// unsaid is the same of a classification.
func (s *Scheme) unsaid() (found []preservation.Finding) {
	found = wording("title", s.Title)
	for i, c := range s.Classes {
		found = append(found, wording(fmt.Sprintf("classes[%d].title", i), c.Title)...)
		found = append(found, legible(fmt.Sprintf("classes[%d].scope", i), c.Scope)...)
	}
	return found
}

// wording finds text that tells nobody anything: of blanks alone, or illegible.
func wording(field, text string) []preservation.Finding {
	if text != "" && strings.TrimSpace(text) == "" { // what is empty is found by its tag
		return []preservation.Finding{fault(field, "required", "is blank: write something that others understand")}
	}
	return legible(field, text)
}

// legible finds text with what no page, PDF or database shows.
func legible(field, text string) []preservation.Finding {
	if strings.ContainsFunc(text, preservation.Unprintable) {
		return []preservation.Finding{fault(field, "text", "must not hold control characters, nor those that reverse the direction of writing")}
	}
	return nil
}

// Check returns everything that is wrong with a classification and its rules,
// all versions of them: never only the first. Findings of severity Notice do
// not keep the two from being used.
func Check(s Scheme, rules []Rule) []preservation.Finding {
	found := fields("", s)
	found = append(found, s.tree()...)
	for i := range rules {
		at := fmt.Sprintf("rules[%d]", i)
		found = append(found, fields(at, rules[i])...)
		found = append(found, rules[i].contradictions(at+".")...)
	}
	return append(found, links(s, rules)...)
}

// maxDepth is how many levels a classification may have.
const maxDepth = 32

// tree finds duplicate codes, missing parents and cycles.
func (s *Scheme) tree() (found []preservation.Finding) {
	first := make(map[string]int, len(s.Classes))
	for i, c := range s.Classes {
		if j, dup := first[c.Code]; dup {
			found = append(found, fault(fmt.Sprintf("classes[%d].code", i), "duplicate", fmt.Sprintf("%q is also classes[%d]", c.Code, j)))
			continue
		}
		first[c.Code] = i
	}
	for code, next := range s.Successors {
		field := fmt.Sprintf("successors[%s]", code)
		if _, there := first[code]; there {
			found = append(found, fault(field, "contradiction", fmt.Sprintf("class %q is there: only one that is no more has a successor", code)))
		}
		if _, there := first[next]; !there {
			found = append(found, fault(field, "unknown-class", fmt.Sprintf("there is no class %q", next)))
		}
	}
	depth := make(map[string]int, len(s.Classes)) // levels from the main group; -1 when it is never reached
	for i, c := range s.Classes {
		field := fmt.Sprintf("classes[%d].parent", i)
		if _, ok := first[c.Parent]; !ok && c.Parent != "" {
			found = append(found, fault(field, "unknown-class", fmt.Sprintf("there is no class %q", c.Parent)))
		}
		var path []string
		onPath := make(map[string]bool)
		level := 0 // of the class above the path
		for code := c.Code; code != ""; {
			if known := depth[code]; known != 0 {
				level = known
				break
			}
			if onPath[code] {
				level = -1
				break
			}
			path, onPath[code] = append(path, code), true
			j, ok := first[code]
			if !ok {
				break // a missing parent, reported where it is named
			}
			code = s.Classes[j].Parent
		}
		for _, code := range slices.Backward(path) {
			if level >= 0 {
				level++
			}
			depth[code] = level
		}
		switch d := depth[c.Code]; {
		case d < 0:
			found = append(found, fault(field, "cycle", fmt.Sprintf("%q never reaches a main group", c.Code)))
		case d > maxDepth:
			found = append(found, fault(field, "too-deep", fmt.Sprintf("at most %d levels", maxDepth)))
		}
	}
	return found
}

// contradictions finds what cannot be meant in one version of a rule.
func (r *Rule) contradictions(at string) (found []preservation.Finding) {
	add := func(field, code, detail string) { found = append(found, fault(at+field, code, detail)) }
	if !r.ValidTo.IsZero() && r.ValidTo.Before(r.ValidFrom) {
		add("valid_to", "never-valid", "lies before valid_from: the version never counts")
	}
	if s := r.Sampling; s != nil {
		if r.Disposition != Destroy {
			add("sampling", "contradiction", "only of what is to be destroyed (V) a sample is kept")
		}
		if s.Every == 0 && s.Share == 0 && len(s.Letters) == 0 && len(s.Birthdays) == 0 {
			add("sampling", "required", "say how: every, share, letters or birthdays")
		}
		for i, l := range s.Letters {
			if initial(l) != l {
				add(fmt.Sprintf("sampling.letters[%d]", i), "letter", "must be an upper-case letter; Ä, Ö and Ü count as A, O and U")
			}
		}
	}
	if r.Permanent {
		if r.Trigger != "" || !r.Duration.None() || r.Minimum != nil || r.Maximum != nil {
			add("permanent", "contradiction", "a permanent rule has no trigger, duration, minimum or maximum")
		}
		if r.Disposition == Destroy {
			add("disposition", "contradiction", "what is kept for ever is never destroyed")
		}
		return found
	}
	if r.NoOffer && r.Disposition == Archive {
		add("no_offer", "contradiction", "what is archived was offered")
	}
	if r.Maximum == nil {
		return found
	}
	main := Bound{Trigger: r.Trigger, Duration: r.Duration, Base: r.Base}
	if above(main, *r.Maximum, r) {
		add("maximum", "contradiction", "ends before the retention period: every record would be in conflict")
	}
	if r.Minimum != nil && above(*r.Minimum, *r.Maximum, r) {
		add("maximum", "contradiction", "ends before the minimum: every record would be in conflict")
	}
	return found
}

// above reports whether a floor always ends after a ceiling. Only bounds with
// one trigger can be compared before the events are known.
func above(floor, ceiling Bound, r *Rule) bool {
	if floor.Trigger != ceiling.Trigger {
		return false
	}
	for _, day := range []preservation.Date{{Year: 2023, Month: 1, Day: 1}, {Year: 2023, Month: 12, Day: 31}, {Year: 2024, Month: 2, Day: 29}} {
		_, f := span(day, floor.Duration, floor.Base, r.FiscalMonth)
		_, c := span(day, ceiling.Duration, ceiling.Base, r.FiscalMonth)
		if !c.Before(f) {
			return false
		}
	}
	return true
}

// links finds rules that no class reaches, versions that no day reaches, and
// classes without a rule.
func links(s Scheme, rules []Rule) (found []preservation.Finding) {
	byID := make(map[string][]int)
	for i, r := range rules {
		for _, j := range byID[r.ID] {
			if rules[j].Version == r.Version {
				found = append(found, fault(fmt.Sprintf("rules[%d].version", i), "duplicate", fmt.Sprintf("version %d of %q is also rules[%d]", r.Version, r.ID, j)))
			}
		}
		byID[r.ID] = append(byID[r.ID], i)
	}
	for _, at := range byID {
		slices.SortFunc(at, func(a, b int) int { return cmp.Compare(rules[a].Version, rules[b].Version) })
		for k, i := range at[:max(len(at)-1, 0)] {
			next := rules[at[k+1]]
			if r := rules[i]; !next.ValidFrom.IsZero() && next.Applies != "new" && !r.ValidFrom.Before(next.ValidFrom) {
				found = append(found, note(fmt.Sprintf("rules[%d].valid_from", i), "unreachable", fmt.Sprintf("version %d replaces it before it begins", next.Version)))
			}
		}
	}
	used := make(map[string]bool)
	ruled := make(map[string]bool)
	for i, c := range s.Classes {
		if c.Rule == "" {
			continue
		}
		used[c.Rule], ruled[c.Code] = true, true
		if _, ok := byID[c.Rule]; !ok {
			found = append(found, fault(fmt.Sprintf("classes[%d].rule", i), "unknown-rule", fmt.Sprintf("there is no rule %q", c.Rule)))
		}
	}
	for i, r := range rules {
		if !used[r.ID] {
			found = append(found, note(fmt.Sprintf("rules[%d].id", i), "unreachable", fmt.Sprintf("no class uses %q", r.ID)))
		}
	}
	parent := make(map[string]string, len(s.Classes))
	for _, c := range s.Classes {
		parent[c.Code] = c.Parent
	}
	for i, c := range s.Classes {
		code := c.Code
		for level := 0; code != "" && !ruled[code] && level < maxDepth; level++ {
			code = parent[code]
		}
		if !ruled[code] {
			found = append(found, note(fmt.Sprintf("classes[%d].rule", i), "no-rule", "its records stay unresolved"))
		}
	}
	slices.SortStableFunc(found, func(a, b preservation.Finding) int { return strings.Compare(a.Subject, b.Subject) })
	return found
}

func fault(field, code, detail string) preservation.Finding {
	return preservation.Finding{Code: code, Severity: preservation.Failed, Subject: field, Detail: detail}
}

func note(field, code, detail string) preservation.Finding {
	return preservation.Finding{Code: code, Severity: preservation.Notice, Subject: field, Detail: detail}
}

var (
	codePattern = regexp.MustCompile(`^[\pL\pN]+(?:[ ._/-][\pL\pN]+)*$`)
	namePattern = regexp.MustCompile(`^[a-z0-9]+(?:[-_.][a-z0-9]+)*$`)
)

// tags is the validator with this package's tags, made on first use.
var tags = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	v.RegisterCustomTypeFunc(func(d reflect.Value) any {
		return d.Interface().(preservation.Date).String()
	}, preservation.Date{})
	for tag, ok := range map[string]func(string) bool{
		"code":   codePattern.MatchString,
		"name":   namePattern.MatchString,
		"record": func(s string) bool { return preservation.RecordID(s).Valid() },
	} {
		if err := v.RegisterValidation(tag, func(fl validator.FieldLevel) bool { return ok(fl.Field().String()) }); err != nil {
			panic(err) // the tag's name is a bad one: a bug
		}
	}
	return v
})

// fields runs the validator's tags over a value.
func fields(at string, v any) (found []preservation.Finding) {
	var all validator.ValidationErrors
	err := tags().Struct(v)
	if !errors.As(err, &all) {
		if err != nil {
			panic(err) // not a struct: a bug
		}
		return nil
	}
	for _, e := range all {
		_, path, _ := strings.Cut(e.Namespace(), ".")
		if at != "" {
			path = at + "." + path
		}
		found = append(found, fault(path, e.Tag(), wanted(e)))
	}
	return found
}

// wanted says in words what a tag asks for.
func wanted(e validator.FieldError) string {
	switch e.Tag() {
	case "required", "required_unless":
		return "is missing"
	case "oneof":
		return "must be one of " + strings.Join(strings.Fields(e.Param()), ", ")
	case "min":
		return "must be at least " + e.Param()
	case "max":
		switch e.Kind() {
		case reflect.String:
			return "must have at most " + e.Param() + " characters"
		case reflect.Slice, reflect.Map:
			return "must have at most " + e.Param() + " entries"
		}
		return "must be at most " + e.Param()
	case "unique":
		return "must not name anything twice"
	case "code":
		return "must be letters and digits, in groups parted by . / - _ or one blank"
	case "name":
		return "must be lower-case letters and digits, in groups parted by - _ or ."
	case "record":
		return "must be a record id"
	}
	return "fails " + e.Tag()
}
