package fileplan

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"bestand/preservation"
	"bestand/retention"
)

// Plan is a classification as it was read, with the places that faults are at.
type Plan struct {
	retention.Scheme
	has   map[property]bool
	lines []int          // by class, counted from 1
	heirs map[string]int // lines of successors, by the code of the class that is no more
}

// property is what a column or an element says of a class.
type property string

const (
	code      property = "code"
	parent    property = "parent"
	title     property = "title"
	rule      property = "rule"
	scope     property = "scope"
	closed    property = "closed"
	successor property = "successor"
)

// On returns the plan as the next version of one in force: what the file cannot
// say, the title of the whole included, stays as it is there.
func (p *Plan) On(now retention.Scheme) retention.Scheme {
	s := p.Scheme
	s.Version = now.Version
	if s.Title == "" {
		s.Title = now.Title
	}
	before := make(map[string]retention.Class, len(now.Classes))
	for _, c := range now.Classes {
		before[c.Code] = c
	}
	for i := range s.Classes {
		c := &s.Classes[i]
		old := before[c.Code]
		if !p.has[rule] {
			c.Rule = old.Rule
		}
		if !p.has[scope] {
			c.Scope = old.Scope
		}
		if !p.has[closed] {
			c.Closed = old.Closed
		}
	}
	return s
}

// check adds what is wrong with the classes themselves to what was wrong with
// their rows. A title and rules the one in force may have.
func (p *Plan) check(bad retention.Invalid) error {
	for _, f := range retention.Check(p.Scheme, nil) {
		if f.Severity == preservation.Failed && f.Code != "unknown-rule" && f.Subject != "title" {
			bad = append(bad, f)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return p.Locate(bad)
}

// Locate says of findings about the plan (retention.Invalid, retention.InUse)
// in which line and column of the file they are. Other errors pass through.
func (p *Plan) Locate(err error) error { return locate(err, p.place) }

// fieldPath finds paths of fields in what a finding says.
var fieldPath = regexp.MustCompile(`\b(?:classes|successors|rules)\[[^\]]*\](?:\.\w+)*`)

// locate translates the paths in findings by place.
func locate(err error, place func(string) string) error {
	translate := func(all []preservation.Finding) []preservation.Finding {
		out := make([]preservation.Finding, len(all))
		for i, f := range all {
			f.Subject, f.Detail = place(f.Subject), fieldPath.ReplaceAllStringFunc(f.Detail, place)
			out[i] = f
		}
		return out
	}
	var bad retention.Invalid
	var used retention.InUse
	switch {
	case errors.As(err, &bad):
		return retention.Invalid(translate(bad))
	case errors.As(err, &used):
		return retention.InUse(translate(used))
	}
	return err
}

// place translates a path such as "classes[3].parent".
func (p *Plan) place(path string) string {
	if rest, ok := strings.CutPrefix(path, "classes["); ok {
		index, field, _ := strings.Cut(rest, "]")
		if i, err := strconv.Atoi(index); err == nil && i < len(p.lines) {
			return at(p.lines[i], property(strings.TrimPrefix(field, ".")))
		}
	}
	if rest, ok := strings.CutPrefix(path, "successors["); ok {
		gone := strings.TrimSuffix(rest, "]")
		if line := p.heirs[gone]; line > 0 {
			return at(line, successor)
		}
		return fmt.Sprintf("a row of CSV with %s in %s and its successor in %s", gone, heading[code], heading[successor])
	}
	if path == "classes" {
		return "file"
	}
	return path
}

func at(line int, p property) string {
	if name := heading[p]; name != "" {
		return fmt.Sprintf("line %d, column %s", line, name)
	}
	return fmt.Sprintf("line %d", line)
}

func fault(subject, code, detail string) preservation.Finding {
	return preservation.Finding{Code: code, Severity: preservation.Failed, Subject: subject, Detail: detail}
}
