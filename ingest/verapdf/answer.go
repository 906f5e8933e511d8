package verapdf

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const (
	maxRules = 1000 // of a verdict: no profile has as many
	maxText  = 1000 // bytes of a message
)

func unexpected(reason string) *endError {
	return &endError{reason: "unexpected answer: " + clip(reason, maxText)}
}

// parseAnswer reads the line that the process says of a file which was to be
// validated against a flavour. The process has read hostile files: an answer
// that contradicts itself or the question is none, and ends it.
func parseAnswer(line []byte, asked Flavour) (Verdict, error) {
	var a struct {
		Claimed, Flavour Flavour
		Valid            bool
		Failed           []Rule
		Error, Detail    string
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return Verdict{}, unexpected(err.Error())
	}
	if len(a.Claimed) > 10 || len(a.Flavour) > 10 || len(a.Failed) > maxRules {
		return Verdict{}, unexpected("it is too long")
	}
	switch a.Error {
	case "":
	case "encrypted":
		return Verdict{}, ErrEncrypted
	case "unreadable":
		return Verdict{}, fmt.Errorf("%w: %s", ErrUnreadable, clip(a.Detail, maxText))
	default:
		return Verdict{}, unexpected("error " + a.Error)
	}
	switch {
	case asked != Auto && a.Flavour != asked:
		return Verdict{}, unexpected(fmt.Sprintf("it judged %q and was asked for %q", a.Flavour, asked))
	case asked == Auto && a.Flavour != a.Claimed:
		return Verdict{}, unexpected(fmt.Sprintf("it judged %q of a file that claims %q", a.Flavour, a.Claimed))
	case a.Valid && (a.Flavour == Auto || len(a.Failed) > 0):
		return Verdict{}, unexpected("valid, and it is not")
	}
	for i := range a.Failed {
		r := &a.Failed[i]
		r.Clause, r.Message = clip(r.Clause, 100), clip(r.Message, maxText)
	}
	slices.SortFunc(a.Failed, func(x, y Rule) int {
		return cmp.Or(cmp.Compare(x.Clause, y.Clause), cmp.Compare(x.Test, y.Test))
	})
	return Verdict{Valid: a.Valid, Flavour: a.Flavour, Claimed: a.Claimed, Failed: a.Failed}, nil
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
