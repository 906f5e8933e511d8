package fileplan

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/retention"
)

// ruleColumn is a column of the CSV of rules.
type ruleColumn struct {
	name  string
	also  []string // other headings that are understood, in lower case
	field string   // path of what it holds, as findings name it
	cell  cell[retention.Rule]
}

// cell is something of a T as text. Reading nothing leaves it empty.
type cell[T any] struct {
	write func(*T) string
	read  func(*T, string) error
}

type (
	ruleRow  = retention.Rule
	bound    = retention.Bound
	sampling = retention.Sampling
)

// ruleColumns are written in this order.
var ruleColumns = []ruleColumn{
	{"Kurzname", []string{"regel", "aufbewahrungsregel", "id"}, "id", of(func(r *ruleRow) *string { return &r.ID }, words[string]())},
	{"Fassung", []string{"version"}, "version", of(func(r *ruleRow) *int { return &r.Version }, whole[int]())},
	{"Titel", []string{"bezeichnung", "title"}, "title", of(func(r *ruleRow) *string { return &r.Title }, words[string]())},
	{"Dauerhaft", []string{"permanent"}, "permanent", of(func(r *ruleRow) *bool { return &r.Permanent }, flag())},
	{"Beginnt mit", []string{"trigger"}, "trigger", of(func(r *ruleRow) *string { return &r.Trigger }, words[string]())},
	{"Frist", []string{"aufbewahrungsfrist", "duration"}, "duration", of(func(r *ruleRow) *retention.Duration { return &r.Duration }, period())},
	{"Gerechnet", []string{"base"}, "base", of(func(r *ruleRow) *retention.Base { return &r.Base }, oneOf(bases))},
	{"Haushaltsjahr ab Monat", []string{"fiscal_month"}, "fiscal_month", of(func(r *ruleRow) *time.Month { return &r.FiscalMonth }, whole[time.Month]())},
	{"Mindestens ab", []string{"minimum.trigger"}, "minimum.trigger", optional(lower, boundTrigger)},
	{"Mindestfrist", []string{"minimum.duration"}, "minimum.duration", optional(lower, boundPeriod)},
	{"Mindestfrist gerechnet", []string{"minimum.base"}, "minimum.base", optional(lower, boundBase)},
	{"Höchstens ab", []string{"maximum.trigger"}, "maximum.trigger", optional(upper, boundTrigger)},
	{"Höchstfrist", []string{"maximum.duration"}, "maximum.duration", optional(upper, boundPeriod)},
	{"Höchstfrist gerechnet", []string{"maximum.base"}, "maximum.base", optional(upper, boundBase)},
	{"Transferfrist", []string{"transfer"}, "transfer", of(func(r *ruleRow) *retention.Duration { return &r.Transfer }, period())},
	{"Aussonderungsart", []string{"danach", "disposition"}, "disposition", of(func(r *ruleRow) *retention.Disposition { return &r.Disposition }, words[retention.Disposition]())},
	{"Stichprobe: jede so vielte", []string{"sampling.every"}, "sampling.every", optional(sample, of(func(s *sampling) *int { return &s.Every }, whole[int]()))},
	{"Stichprobe: von 1000", []string{"sampling.share"}, "sampling.share", optional(sample, of(func(s *sampling) *int { return &s.Share }, whole[int]()))},
	{"Stichprobe: Namen mit", []string{"sampling.letters"}, "sampling.letters", optional(sample, of(func(s *sampling) *[]string { return &s.Letters }, list(words[string]())))},
	{"Stichprobe: geboren am", []string{"sampling.birthdays"}, "sampling.birthdays", optional(sample, of(func(s *sampling) *[]int { return &s.Birthdays }, list(whole[int]())))},
	{"Nicht anbieten", []string{"no_offer"}, "no_offer", of(func(r *ruleRow) *bool { return &r.NoOffer }, flag())},
	{"Rechtsgrundlage", []string{"legal_basis"}, "legal_basis", of(func(r *ruleRow) *string { return &r.LegalBasis }, words[string]())},
	{"Gelesen am", []string{"checked"}, "checked", of(func(r *ruleRow) *preservation.Date { return &r.Checked }, day())},
	{"Sicherheit", []string{"confidence"}, "confidence", of(func(r *ruleRow) *string { return &r.Confidence }, oneOf(confidences))},
	{"Hinweis", []string{"note"}, "note", of(func(r *ruleRow) *string { return &r.Note }, words[string]())},
	{"Gültig ab", []string{"valid_from"}, "valid_from", of(func(r *ruleRow) *preservation.Date { return &r.ValidFrom }, day())},
	{"Gültig bis", []string{"valid_to"}, "valid_to", of(func(r *ruleRow) *preservation.Date { return &r.ValidTo }, day())},
	{"Gilt für", []string{"applies"}, "applies", of(func(r *ruleRow) *string { return &r.Applies }, oneOf(reaches))},
}

var (
	lower  = func(r *ruleRow) **bound { return &r.Minimum }
	upper  = func(r *ruleRow) **bound { return &r.Maximum }
	sample = func(r *ruleRow) **sampling { return &r.Sampling }

	boundTrigger = of(func(b *bound) *string { return &b.Trigger }, words[string]())
	boundPeriod  = of(func(b *bound) *retention.Duration { return &b.Duration }, period())
	boundBase    = of(func(b *bound) *retention.Base { return &b.Base }, oneOf(bases))
)

// term is a value and the word for it.
type term[F ~string] struct {
	value F
	word  string
}

var (
	bases       = []term[retention.Base]{{retention.Day, "Tag"}, {retention.YearEnd, "Jahresende"}, {retention.NextFiscalYear, "nächstes Haushaltsjahr"}}
	confidences = []term[string]{{"high", "hoch"}, {"medium", "mittel"}, {"low", "niedrig"}}
	reaches     = []term[string]{{"all", "alle"}, {"new", "neue"}}
)

// of is a cell for a field of T.
func of[T, F any](field func(*T) *F, c cell[F]) cell[T] {
	return cell[T]{func(t *T) string { return c.write(field(t)) }, func(t *T, s string) error { return c.read(field(t), s) }}
}

// optional is a cell for something in a part of T that is made when it is needed.
func optional[T, P any](part func(*T) **P, c cell[P]) cell[T] {
	return cell[T]{
		func(t *T) string {
			if *part(t) == nil {
				return ""
			}
			return c.write(*part(t))
		},
		func(t *T, s string) error {
			if s == "" {
				return nil
			}
			if p := part(t); *p == nil {
				*p = new(P)
			}
			return c.read(*part(t), s)
		},
	}
}

func words[F ~string]() cell[F] {
	return cell[F]{func(f *F) string { return string(*f) }, func(f *F, s string) error { *f = F(s); return nil }}
}

func whole[F ~int]() cell[F] {
	return cell[F]{
		func(f *F) string {
			if *f == 0 {
				return ""
			}
			return strconv.Itoa(int(*f))
		},
		func(f *F, s string) error {
			if s == "" {
				return nil
			}
			n, err := strconv.Atoi(s)
			if err != nil {
				return errors.New("write a whole number, or nothing")
			}
			*f = F(n)
			return nil
		},
	}
}

func flag() cell[bool] {
	return cell[bool]{
		func(on *bool) string {
			if *on {
				return "ja"
			}
			return ""
		},
		func(on *bool, s string) error {
			var ok bool
			if *on, ok = yes(s); !ok {
				return errors.New("write ja or nein")
			}
			return nil
		},
	}
}

// day is written as 2026-12-31.
func day() cell[preservation.Date] {
	return cell[preservation.Date]{
		func(d *preservation.Date) string { return d.String() },
		func(d *preservation.Date, s string) error {
			var err error
			*d, err = ParseDate(s)
			return err
		},
	}
}

// ParseDate reads a day of a spreadsheet, such as 2026-12-31 or 31.12.2026; nothing
// is no day.
func ParseDate(s string) (preservation.Date, error) {
	if s == "" {
		return preservation.Date{}, nil
	}
	t, err := time.Parse("2.1.2006", s)
	if err != nil {
		t, err = time.Parse(time.DateOnly, s)
	}
	if err != nil {
		return preservation.Date{}, errors.New("write an existing day as 2026-12-31 or 31.12.2026")
	}
	return preservation.DateOf(t), nil
}

func oneOf[F ~string](terms []term[F]) cell[F] {
	return cell[F]{
		func(f *F) string {
			for _, t := range terms {
				if t.value == *f {
					return t.word
				}
			}
			return string(*f)
		},
		func(f *F, s string) error {
			known := make([]string, len(terms))
			for i, t := range terms {
				if strings.EqualFold(s, t.word) || strings.EqualFold(s, string(t.value)) {
					*f = t.value
					return nil
				}
				known[i] = t.word
			}
			if s == "" {
				return nil
			}
			return fmt.Errorf("write %s", strings.Join(known, " or "))
		},
	}
}

// list parts its members by commas or blanks.
func list[F any](c cell[F]) cell[[]F] {
	return cell[[]F]{
		func(all *[]F) string {
			out := make([]string, len(*all))
			for i := range *all {
				out[i] = c.write(&(*all)[i])
			}
			return strings.Join(out, ", ")
		},
		func(all *[]F, s string) error {
			for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }) {
				var one F
				if err := c.read(&one, part); err != nil {
					return fmt.Errorf("%.20q: %w", part, err)
				}
				*all = append(*all, one)
			}
			return nil
		},
	}
}

// periodPart is a number of years, months or days.
var periodPart = regexp.MustCompile(`(?i)^(\d{1,6}) *(jahre?|j|years?|y|monate?|m|months?|tage?|t|d|days?)\b[ ,]*(?:und )?`)

// period is written as in "3 Jahre 6 Monate", and "0 Tage" where it is of no length.
func period() cell[retention.Duration] {
	return cell[retention.Duration]{
		func(d *retention.Duration) string {
			var out []string
			for _, p := range []struct {
				n         int
				one, more string
			}{{d.Years, "Jahr", "Jahre"}, {d.Months, "Monat", "Monate"}, {d.Days, "Tag", "Tage"}} {
				switch p.n {
				case 0:
				case 1:
					out = append(out, "1 "+p.one)
				default:
					out = append(out, fmt.Sprintf("%d %s", p.n, p.more))
				}
			}
			if *d == retention.NoTime() {
				return "0 Tage"
			}
			return strings.Join(out, " ")
		},
		func(d *retention.Duration, s string) error {
			for rest := s; rest != ""; {
				m := periodPart.FindStringSubmatch(rest)
				if m == nil {
					*d = retention.Duration{}
					return errors.New("write a period such as 10 Jahre, 6 Monate or 3 Jahre 6 Monate 5 Tage")
				}
				rest = rest[len(m[0]):]
				n, _ := strconv.Atoi(m[1]) // digits, not many
				switch strings.ToLower(m[2])[0] {
				case 'j', 'y':
					d.Years += n
				case 'm':
					d.Months += n
				default:
					d.Days += n
				}
			}
			if s != "" && d.None() {
				*d = retention.NoTime()
			}
			return nil
		},
	}
}
