// Package finding collects what the readers of submission packages find wrong,
// all of it and not only the first, within bounds: a hostile package has as many
// faults as it has entries.
package finding

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"bestand/preservation"
)

// Max is the most failures that a List keeps, and the most notices beside them.
// It counts those above.
const Max = 300

const maxText = 1000 // bytes of a subject or a detail

// List collects findings. The zero List is empty and passes.
type List struct {
	all          []preservation.Finding
	failed, more int
}

// Fail adds a finding for which the package must be refused.
func (l *List) Fail(code, clause, subject, format string, args ...any) {
	l.Add(preservation.Finding{Code: code, Severity: preservation.Failed, Subject: subject, Clause: clause, Detail: fmt.Sprintf(format, args...)})
}

// Note adds a finding that a person should see and that refuses nothing.
func (l *List) Note(code, clause, subject, format string, args ...any) {
	l.Add(preservation.Finding{Code: code, Severity: preservation.Notice, Subject: subject, Clause: clause, Detail: fmt.Sprintf(format, args...)})
}

// Add takes findings over. Their subjects become printable.
func (l *List) Add(fs ...preservation.Finding) {
	for _, f := range fs {
		kept := len(l.all) - min(l.failed, Max) // notices
		if f.Severity == preservation.Failed {
			kept = l.failed
			l.failed++
		}
		if kept >= Max {
			l.more++
			continue
		}
		f.Subject, f.Detail = Printable(f.Subject), clip(f.Detail)
		l.all = append(l.all, f)
	}
}

// Failed reports whether the package must be refused.
func (l *List) Failed() bool { return l.failed > 0 }

// All returns the findings in their order; the last one counts those that did
// not fit, and fails if a failure may be among them.
func (l *List) All() []preservation.Finding {
	all := l.all[:len(l.all):len(l.all)]
	if l.more > 0 {
		f := preservation.Finding{Code: "more-findings", Severity: preservation.Notice, Detail: fmt.Sprintf("%d more findings are not listed", l.more)}
		if l.failed > Max {
			f.Severity = preservation.Failed
		}
		all = append(all, f)
	}
	return all
}

// Printable returns a name as people may see it: what is neither UTF-8 nor
// printable is written in Go's escapes.
func Printable(s string) string {
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return clip(s)
	}
	return clip(strings.Trim(fmt.Sprintf("%+q", s[:min(len(s), maxText)]), `"`))
}

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}
