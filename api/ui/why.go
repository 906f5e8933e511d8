package ui

import (
	"regexp"

	"bestand/preservation"
)

// whys are what package retention writes of the records of a run, above all why one is
// not disposed of, with the key of their text. What they name becomes the text's values.
var whys = []struct {
	pattern *regexp.Regexp
	key     string
}{
	{regexp.MustCompile(`^there is no such record(?: any more)?$`), "why.absent"},
	{regexp.MustCompile(`^its destruction has begun$`), "why.begun"},
	{regexp.MustCompile(`^its retention ends on (\S+)$`), "why.retained"},
	{regexp.MustCompile(`^it is held$`), "why.held"},
	{regexp.MustCompile(`^it is unresolved$`), "why.unresolved"},
	{regexp.MustCompile(`^it is conflict$`), "why.conflict"},
	{regexp.MustCompile(`^it is permanent$`), "why.permanent"},
	{regexp.MustCompile(`^it is (?:active|closed)$`), "why.active"},
	{regexp.MustCompile(`^it is in the disposal run (\S+)$`), "why.other"},
	{regexp.MustCompile(`^it is kept until (\S+) as decided in the disposal run (\S+)$`), "why.kept"},
	{regexp.MustCompile(`^kept until (\S+): (.*)$`), "why.keep"},
	{regexp.MustCompile(`^its file is kept, or another part of it$`), "why.part"},
	{regexp.MustCompile(`^a new version was added since it was listed$`), "why.version"},
	{regexp.MustCompile(`^it is in another class than when it was listed$`), "why.class"},
	{regexp.MustCompile(`^another rule or date applies than when it was listed$`), "why.rule"},
	{regexp.MustCompile(`^the run was cancelled: (.*)$`), "why.cancelled"},
	{regexp.MustCompile(`^(\d+) records to be destroyed$`), "why.many"},
	{regexp.MustCompile(`^(.+), (.+), acknowledged on (\S+)$`), "why.acknowledged"},
	{regexp.MustCompile(`^sample: one of (\d+)$`), "why.every"},
	{regexp.MustCompile(`^sample: (\d+) of 1000$`), "why.share"},
	{regexp.MustCompile(`^sample: name with (\S+)$`), "why.letter"},
	{regexp.MustCompile(`^sample: born on a day (\d+)$`), "why.birthday"},
}

// reasonText is a reason in a language, or as it is where its words are not known; Known
// says which.
type reasonText struct {
	Text  string
	Known bool
}

// why writes a reason in the language.
func (l *language) why(reason string) reasonText {
	for _, w := range whys {
		m := w.pattern.FindStringSubmatch(reason)
		if m == nil {
			continue
		}
		args := make([]any, len(m)-1)
		for i, value := range m[1:] {
			args[i] = l.dayIn(value)
		}
		return reasonText{l.t(w.key, args...), true}
	}
	return reasonText{reason, false}
}

// dayIn writes a text that is a day as the language does, and others as they are.
func (l *language) dayIn(text string) string {
	if d, err := preservation.ParseDate(text); err == nil {
		return l.date(d)
	}
	return text
}
