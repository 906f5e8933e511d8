package ui

import (
	"bestand/preservation"
	"bestand/retention"
)

// reasonText is a reason in a language, or as it is where its words are not known; Known
// says which.
type reasonText struct {
	Text  string
	Known bool
	Run   string // that it names; "" for none
}

// why writes a reason in the language.
func (l *language) why(reason string) reasonText {
	key, named, ok := retention.ReasonKey(reason)
	if !ok {
		return reasonText{Text: reason}
	}
	args := make([]any, len(named))
	for i, value := range named {
		args[i] = l.dayIn(value)
	}
	why := reasonText{Text: l.t("why."+key, args...), Known: true}
	if key == "other" {
		why.Run = named[0]
	}
	return why
}

// dayIn writes a text that is a day as the language does, and others as they are.
func (l *language) dayIn(text string) string {
	if d, err := preservation.ParseDate(text); err == nil {
		return l.date(d)
	}
	return text
}
