package fileplan

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"bestand/retention"
)

// WriteRules writes rules as CSV, as WriteCSV does: one row for each, which has to
// be the newest version of its rule for the file to be read again.
func WriteRules(w io.Writer, rules []retention.Rule) error {
	rows := [][]string{make([]string, len(ruleColumns))}
	for i, c := range ruleColumns {
		rows[0][i] = c.name
	}
	for i := range rules {
		row := make([]string, len(ruleColumns))
		for j, c := range ruleColumns {
			row[j] = c.cell.write(&rules[i])
		}
		rows = append(rows, row)
	}
	return WriteTable(w, rows)
}

// Rules are retention rules as they were read, with the places that faults are at.
type Rules struct {
	Rules []retention.Rule
	lines []int // by rule, counted from 1
}

// maxRuleBytes is how large a file of rules may be: retention.MaxRules of them with long
// notes.
const maxRuleBytes = 16 << 20

// ReadRules reads rules from CSV. What it has no column for stays as in the newest
// version of each rule; a rule that there is no version of begins empty. Errors
// as of ReadCSV.
func ReadRules(in io.Reader, now []retention.Rule) (*Rules, error) {
	rows, err := readTable(in, ';', maxRuleBytes, retention.MaxRules)
	if err != nil {
		return nil, err
	}
	names, written := make(map[string]int), make([]string, len(ruleColumns))
	for i, c := range ruleColumns {
		written[i] = c.name
		for _, name := range append(c.also, strings.ToLower(c.name)) {
			names[name] = i
		}
	}
	where, bad := readHeading(rows, names, written, func(i int) string { return ruleColumns[i].name }, 0)
	if len(bad) > 0 {
		return nil, bad
	}
	if len(rows) == 1 {
		return nil, retention.Invalid{fault(fmt.Sprintf("line %d", rows[0].line+1), "required", "there is no row below the heading")}
	}
	newest := make(map[string]retention.Rule)
	for _, r := range retention.NewestRules(now) {
		newest[r.ID] = r
	}
	out := new(Rules)
	for _, row := range rows[1:] {
		if len(bad) >= maxFaults {
			return nil, enough(bad, row.line)
		}
		bad = append(bad, row.surplus(rows[0], ';')...)
		cell := func(column int) (text string, there bool) {
			i, there := where[column]
			if there && i < len(row.fields) {
				text = Plain(strings.TrimSpace(row.fields[i]))
			}
			return text, there
		}
		id, _ := cell(0)
		before := newest[id]
		var r retention.Rule
		for i, c := range ruleColumns {
			text, there := cell(i)
			if !there && c.field != "version" {
				text = c.cell.write(&before)
			}
			if err := c.cell.read(&r, text); err != nil {
				bad = append(bad, fault(fmt.Sprintf("line %d, column %s", row.line, c.name), "format", fmt.Sprintf("%.60q: %v", text, err)))
			}
		}
		out.Rules, out.lines = append(out.Rules, r), append(out.lines, row.line)
	}
	if len(bad) > 0 {
		return out, bad
	}
	return out, nil
}

// Locate says of findings about the rules (retention.Invalid) in which line and
// column of the file they are. Other errors pass through.
func (p *Rules) Locate(err error) error { return locate(err, p.place) }

// place translates a path such as "rules[3].minimum.base".
func (p *Rules) place(path string) string {
	rest, ok := strings.CutPrefix(path, "rules[")
	index, field, _ := strings.Cut(rest, "]")
	i, err := strconv.Atoi(index)
	if !ok || err != nil || i >= len(p.lines) {
		return path
	}
	field, _, _ = strings.Cut(strings.TrimPrefix(field, "."), "[")
	for _, c := range ruleColumns {
		if field != "" && (c.field == field || strings.HasPrefix(c.field, field+".") || strings.HasPrefix(field, c.field+".")) {
			return fmt.Sprintf("line %d, column %s", p.lines[i], c.name)
		}
	}
	return fmt.Sprintf("line %d", p.lines[i])
}
