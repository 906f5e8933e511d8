package ingest

import (
	"fmt"
	"strings"
)

// Problem is one thing that a producer must change.
type Problem struct {
	Field  string // JSON path in the metadata, such as files[0].sha256
	Code   string // stable, kebab-case
	Detail string // for people: what is wrong and what to do
}

// Invalid refuses a delivery with all its problems. Sending it again unchanged
// gives the same answer.
type Invalid struct{ Problems []Problem }

func (e *Invalid) Error() string {
	var all []string
	for _, p := range e.Problems {
		all = append(all, p.Field+": "+p.Detail)
	}
	return strings.Join(all, "; ")
}

func invalid(field, code, format string, args ...any) *Invalid {
	return &Invalid{Problems: []Problem{{Field: field, Code: code, Detail: fmt.Sprintf(format, args...)}}}
}
