package ui

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/collate"
	"golang.org/x/text/feature/plural"
	xlanguage "golang.org/x/text/language"
	"golang.org/x/text/message"

	"bestand/preservation"
)

//go:embed text/*.yaml
var textFiles embed.FS

// language is one in which the pages can be read.
type language struct {
	code, name string
	tag        xlanguage.Tag
	words      map[string]phrase
	day, short string // layouts of package time, with the year and without
	instant    string
	zone       *time.Location
}

// phrase is a text, or one for each plural form (CLDR).
type phrase struct {
	text  string
	forms map[string]string
}

// UnmarshalYAML reads either form.
func (p *phrase) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.MappingNode {
		return n.Decode(&p.forms)
	}
	return n.Decode(&p.text)
}

// languages are those that there are; the first one is the usual one.
var languages = []*language{
	{code: "de", name: "Deutsch", tag: xlanguage.German, day: "02.01.2006", short: "02.01.", instant: "02.01.2006, 15:04 Uhr"},
	{code: "en", name: "English", tag: xlanguage.BritishEnglish, day: "2 Jan 2006", short: "2 Jan", instant: "2 Jan 2006, 15:04"},
}

func loadTexts() error {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		return err
	}
	for _, l := range languages {
		b, err := fs.ReadFile(textFiles, "text/"+l.code+".yaml")
		if err != nil {
			return err
		}
		words := map[string]phrase{}
		if err := yaml.Unmarshal(b, &words); err != nil {
			return fmt.Errorf("text/%s.yaml: %w", l.code, err)
		}
		l.words, l.zone = words, zone
	}
	return nil
}

// t is the text of a key, with numbers written as the language writes them. A key
// without text is a bug, which a test finds.
func (l *language) t(key string, args ...any) string {
	p, ok := l.words[key]
	if !ok {
		return key
	}
	if len(args) == 0 {
		return p.text
	}
	return message.NewPrinter(l.tag).Sprintf(p.text, args...)
}

// n is the text of a key for a number of things, which is the first argument.
func (l *language) n(key string, count any, args ...any) string {
	p, ok := l.words[key]
	if !ok {
		return key
	}
	form := "other"
	if plural.Cardinal.MatchPlural(l.tag, int(whole(count)), 0, 0, 0, 0) == plural.One {
		form = "one"
	}
	return message.NewPrinter(l.tag).Sprintf(p.forms[form], append([]any{count}, args...)...)
}

// coded is the text of a code of the interface, or the code where there is none.
func (l *language) coded(kind string, code any) string {
	if s, ok := code.(*string); ok && s != nil {
		code = *s
	}
	key := kind + "." + strings.ReplaceAll(fmt.Sprint(code), " ", "-")
	if p, ok := l.words[key]; ok {
		return p.text
	}
	switch kind {
	case "action": // what its history calls an act of a disposal run
		if act, of := strings.CutPrefix(fmt.Sprint(code), "disposal."); of {
			return l.coded("runact", act)
		}
	case "filefault": // that of a field, or of what is archived
		if _, ok := l.words["fault."+fmt.Sprint(code)]; !ok {
			return l.coded("finding", code)
		}
		return l.coded("fault", code)
	case "finding": // of metadata, as the interface calls what is wrong with a field
		return l.coded("fault", code)
	}
	if name, _, of := strings.Cut(fmt.Sprint(code), "-"); of && kind == "field" { // the same field of several things
		return l.coded("field", name)
	}
	return fmt.Sprint(code)
}

func whole(n any) int64 {
	switch n := n.(type) {
	case int:
		return int64(n)
	case int64:
		return n
	}
	return 0
}

func (l *language) number(n any) string { return message.NewPrinter(l.tag).Sprint(n) }

// size writes a number of bytes for people, in powers of 1000.
func (l *language) size(n int64) string {
	p := message.NewPrinter(l.tag)
	v, unit := float64(n), 0
	for v >= 999.5 && unit < 4 {
		v, unit = v/1000, unit+1
	}
	if unit == 0 {
		return l.n("size.bytes", n)
	}
	return p.Sprintf("%.1f %s", v, []string{"", "kB", "MB", "GB", "TB"}[unit])
}

// date writes a day, an instant as its day.
func (l *language) date(d any) string {
	switch d := d.(type) {
	case preservation.Date:
		if d.IsZero() {
			return ""
		}
		return d.In(time.UTC).Format(l.day)
	case *preservation.Date:
		if d == nil {
			return ""
		}
		return l.date(*d)
	case time.Time:
		if d.IsZero() {
			return ""
		}
		return d.In(l.zone).Format(l.day)
	}
	return ""
}

// time writes an instant.
func (l *language) time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(l.zone).Format(l.instant)
}

// duration writes a time span as people measure it.
func (l *language) duration(d time.Duration) string {
	p := message.NewPrinter(l.tag)
	switch {
	case d < time.Second:
		return p.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return p.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return p.Sprintf("%d min", int(d.Minutes()))
	}
	return p.Sprintf("%d h", int(d.Hours()))
}

// Code is the language's tag (BCP 47).
func (l *language) Code() string { return l.code }

// Name is how the language calls itself.
func (l *language) Name() string { return l.name }

// collator sorts as a dictionary of the language does, numbers by their value.
func (l *language) collator() *collate.Collator { return collate.New(l.tag, collate.Numeric) }
