package fileplan

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"bestand/retention"
)

// MaxBytes is how large a file may be.
const MaxBytes = 64 << 20

const (
	maxPlanRows = 200_000 // classes and successors, 100,000 of each
	maxColumns  = 100     // far more than there are properties
	maxFaults   = 1000    // of the cells of a file: who sends more has one to mend
)

// columns are the headings that are written, in their order.
var columns = []property{code, parent, title, rule, scope, closed, successor}

var heading = map[property]string{
	code: "Kennzeichen", parent: "Übergeordnet", title: "Bezeichnung", rule: "Aufbewahrungsregel",
	scope: "Beschreibung", closed: "Stillgelegt", successor: "Nachfolger",
}

// headings are those that are understood, in lower case.
var headings = map[string]property{
	"kennzeichen": code, "aktenplankennzeichen": code, "aktenplannummer": code, "code": code,
	"übergeordnet": parent, "übergeordnetes kennzeichen": parent, "parent": parent,
	"bezeichnung": title, "titel": title, "betreff": title, "title": title,
	"aufbewahrungsregel": rule, "regel": rule, "rule": rule,
	"beschreibung": scope, "inhalt": scope, "inhaltsangabe": scope, "erläuterung": scope, "scope": scope,
	"stillgelegt": closed, "closed": closed,
	"nachfolger": successor, "successor": successor,
}

const bom = "\ufeff"

// WriteCSV writes a classification as CSV: UTF-8 with a byte order mark, which
// spreadsheets need, semicolons, a heading. Text that a spreadsheet would take
// for a formula gets an apostrophe in front.
func WriteCSV(w io.Writer, s retention.Scheme) error {
	rows := [][]string{make([]string, len(columns))}
	for i, p := range columns {
		rows[0][i] = heading[p]
	}
	for _, c := range s.Classes {
		shut := ""
		if c.Closed {
			shut = "ja"
		}
		rows = append(rows, []string{c.Code, c.Parent, c.Title, c.Rule, c.Scope, shut, ""})
	}
	for _, gone := range slices.Sorted(maps.Keys(s.Successors)) {
		rows = append(rows, []string{gone, "", "", "", "", "", s.Successors[gone]})
	}
	return WriteTable(w, rows)
}

// WriteTable writes rows as CSV for a spreadsheet, as WriteCSV does.
func WriteTable(w io.Writer, rows [][]string) error {
	if _, err := io.WriteString(w, bom); err != nil {
		return err
	}
	out := csv.NewWriter(w)
	out.Comma, out.UseCRLF = ';', true
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, text := range row {
			safe[i] = neutral(text)
		}
		if err := out.Write(safe); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// neutral keeps a spreadsheet from calculating what is text.
func neutral(s string) string {
	if calculates(strings.TrimLeft(s, "'")) {
		return "'" + s
	}
	return s
}

// Plain takes back the apostrophe that WriteTable puts before what a spreadsheet
// would calculate.
func Plain(s string) string {
	if rest, ok := strings.CutPrefix(s, "'"); ok && calculates(strings.TrimLeft(rest, "'")) {
		return rest
	}
	return s
}

func calculates(s string) bool { return s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) }

// ReadCSV reads a classification. Its error is of type retention.Invalid and
// names the line and column of everything that is wrong; beside it there is the
// plan when rows could be read, in which others may find more. Without the
// column Übergeordnet the codes themselves say what lies below what.
func ReadCSV(r io.Reader) (*Plan, error) {
	rows, err := readTable(r, ';', MaxBytes, maxPlanRows)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = heading[c]
	}
	where, bad := readHeading(rows, headings, names, func(p property) string { return heading[p] }, code, title)
	if len(bad) > 0 {
		return nil, bad
	}
	p := &Plan{has: make(map[property]bool), heirs: make(map[string]int)}
	for what := range where {
		p.has[what] = true
	}
	for _, row := range rows[1:] {
		if len(bad) >= maxFaults {
			return nil, enough(bad, row.line)
		}
		field := func(p property) string {
			if i, ok := where[p]; ok && i < len(row.fields) {
				return Plain(strings.TrimSpace(row.fields[i]))
			}
			return ""
		}
		bad = append(bad, row.surplus(rows[0], ';')...)
		if next := field(successor); next != "" {
			if p.Successors == nil {
				p.Successors = make(map[string]string)
			}
			if first := p.heirs[field(code)]; first > 0 {
				bad = append(bad, fault(at(row.line, code), "duplicate", fmt.Sprintf("line %d names a successor of %q, too", first, field(code))))
			}
			p.Successors[field(code)], p.heirs[field(code)] = next, row.line
			continue
		}
		shut, ok := yes(field(closed))
		if !ok {
			bad = append(bad, fault(at(row.line, closed), "oneof", fmt.Sprintf("%.60q: write ja or nein", field(closed))))
		}
		p.Classes = append(p.Classes, retention.Class{Code: field(code), Title: field(title), Parent: field(parent), Rule: field(rule), Scope: field(scope), Closed: shut})
		p.lines = append(p.lines, row.line)
	}
	if !p.has[parent] {
		p.nest()
	}
	if len(rows) == 1 {
		return nil, retention.Invalid{fault(fmt.Sprintf("line %d", rows[0].line+1), "required", "there is no row below the heading")}
	}
	return p, p.check(bad)
}

// nest finds the class above each by its code: the longest other code that it
// begins with. Before the first separator digits subdivide (6, 63), behind it
// whole groups do (63.10, not 63.1).
func (p *Plan) nest() {
	codes := make(map[string]bool, len(p.Classes))
	for _, c := range p.Classes {
		codes[c.Code] = true
	}
	for i := range p.Classes {
		c := p.Classes[i].Code
		first := strings.IndexAny(c, separators)
		for end := len(c) - 1; end > 0; end-- {
			if utf8.RuneStart(c[end]) && codes[c[:end]] && (strings.IndexByte(separators, c[end]) >= 0 || first < 0 || end < first) {
				p.Classes[i].Parent = c[:end]
				break
			}
		}
	}
}

const separators = " ._/-"

func yes(s string) (set, ok bool) {
	switch strings.ToLower(s) {
	case "ja", "j", "x", "1", "wahr", "true", "yes":
		return true, true
	case "", "nein", "n", "0", "falsch", "false", "no":
		return false, true
	}
	return false, false
}

// readHeading returns at which index the column of each property is. Names are
// those that a heading may have, in lower case; those that are written are told.
func readHeading[P comparable](rows []line, names map[string]P, written []string, called func(P) string, needed ...P) (map[P]int, retention.Invalid) {
	where := make(map[P]int)
	told := false
	var bad retention.Invalid
	for i, name := range rows[0].fields {
		name = strings.TrimSpace(name)
		what, ok := names[strings.ToLower(name)]
		_, twice := where[what]
		switch {
		case name == "" && unused(rows[1:], i):
		case !ok:
			known := "these either"
			if !told {
				known, told = strings.Join(written, ", "), true
			}
			bad = append(bad, fault(fmt.Sprintf("line %d, column %d", rows[0].line, i+1), "unknown-column", fmt.Sprintf("%.60q is none of %s: rename or remove the column", name, known)))
		case twice:
			bad = append(bad, fault(fmt.Sprintf("line %d, column %d", rows[0].line, i+1), "duplicate", fmt.Sprintf("there are two columns for %s", called(what))))
		default:
			where[what] = i
		}
	}
	for _, p := range needed {
		if _, there := where[p]; !there {
			bad = append(bad, fault(fmt.Sprintf("line %d", rows[0].line), "missing-column", fmt.Sprintf("the heading has no column %s", called(p))))
		}
	}
	return where, bad
}

// line is a row with the line that it begins in.
type line struct {
	line   int
	fields []string
}

// separator names what parts columns.
var separator = map[rune]string{';': "semicolon", ',': "comma"}

// surplus is the fault of a row with text behind the last column of the heading.
func (l line) surplus(head line, comma rune) retention.Invalid {
	n := len(head.fields)
	if len(l.fields) <= n || empty(l.fields[n:]) {
		return nil
	}
	return retention.Invalid{fault(fmt.Sprintf("line %d, column %d", l.line, n+1), "surplus", "there are more columns than the heading has: put text with a "+separator[comma]+" into quotes")}
}

// empty reports whether there is no text in any of the fields.
func empty(fields []string) bool {
	return !slices.ContainsFunc(fields, func(s string) bool { return strings.TrimSpace(s) != "" })
}

// unused reports whether a column has no text in any row.
func unused(rows []line, column int) bool {
	return !slices.ContainsFunc(rows, func(r line) bool {
		return column < len(r.fields) && strings.TrimSpace(r.fields[column]) != ""
	})
}

// enough ends a list of faults before a line.
func enough(bad retention.Invalid, line int) retention.Invalid {
	return append(bad, fault(fmt.Sprintf("line %d", line), "unread", fmt.Sprintf("was not looked at any more, nor was what follows, after %d faults: mend these first", len(bad))))
}

// readTable reads CSV whose columns a comma parts, one of those that have a name as
// separator, of at most so many bytes and rows below the heading, as far as it is the same
// for all tables. There is at least the heading; rows without any text are left out.
func readTable(r io.Reader, comma rune, maxBytes int64, maxRows int) ([]line, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > maxBytes {
		return nil, retention.Invalid{fault("file", "too-large", fmt.Sprintf("at most %d bytes", maxBytes))}
	}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return nil, retention.Invalid{fault("line 1", "encoding", "this is UTF-16 (Unicode text): save it as CSV UTF-8")}
	}
	if !utf8.Valid(data) {
		good := data
		for i := 0; i < len(data); {
			r, n := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && n == 1 {
				good = data[:i]
				break
			}
			i += n
		}
		lineNo := bytes.Count(good, []byte("\n")) + 1
		column := bytes.Count(good[bytes.LastIndexByte(good, '\n')+1:], []byte(string(comma))) + 1
		return nil, retention.Invalid{fault(fmt.Sprintf("line %d, column %d", lineNo, column), "encoding",
			"is not UTF-8, but perhaps Windows-1252 (ANSI): umlauts would be lost. Save it as CSV UTF-8")}
	}
	data = bytes.TrimPrefix(data, []byte(bom))
	switch first, _, more := bytes.Cut(data, []byte("\n")); {
	case !more && bytes.ContainsRune(bytes.TrimRight(first, "\r"), '\r'):
		return nil, retention.Invalid{fault("line 1", "line-ends", "its lines end in carriage returns alone, as in CSV (Macintosh): save it as CSV UTF-8")}
	case !bytes.ContainsRune(first, comma) && bytes.ContainsAny(first, ",;\t"):
		return nil, retention.Invalid{fault("line 1", "separator", fmt.Sprintf("the heading has no %[1]s: columns have to be parted by %[1]ss", separator[comma]))}
	}
	if n := wide(data, comma); n > 0 {
		return nil, retention.Invalid{fault(fmt.Sprintf("line %d", n), "too-many", fmt.Sprintf("at most %d columns: remove those that are empty", maxColumns))}
	}
	in := csv.NewReader(bytes.NewReader(data))
	in.Comma, in.FieldsPerRecord = comma, -1
	var rows []line
	for {
		fields, err := in.Read()
		if err == io.EOF {
			break
		}
		var broken *csv.ParseError
		if errors.As(err, &broken) {
			return nil, retention.Invalid{fault(fmt.Sprintf("line %d", broken.Line), "malformed", fmt.Sprintf("the quotes that begin in line %d do not fit: text with quotes in it needs them doubled, and quotes around it", broken.StartLine))}
		}
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 && empty(fields) {
			continue
		}
		n, _ := in.FieldPos(0)
		if len(rows) > maxRows {
			return nil, retention.Invalid{fault(fmt.Sprintf("line %d", n), "too-many", fmt.Sprintf("at most %d rows", maxRows))}
		}
		for i := range fields {
			fields[i] = strings.ReplaceAll(fields[i], "\r", "\n") // a break in a cell of an old spreadsheet, which WriteTable would lose
		}
		rows = append(rows, line{n, fields})
	}
	if len(rows) == 0 {
		return nil, retention.Invalid{fault("line 1", "empty", "the file is empty: it has to begin with a heading")}
	}
	return rows, nil
}

// wide returns the first line with more than maxColumns columns, or 0. The CSV reader
// would take many times the memory of the text for a row of nothing but separators.
func wide(data []byte, comma rune) int {
	line, columns, quoted := 1, 1, false
	for _, b := range data {
		switch {
		case b == '"':
			quoted = !quoted
		case rune(b) == comma && !quoted:
			if columns++; columns > maxColumns {
				return line
			}
		case b == '\n':
			line++
			if !quoted {
				columns = 1
			}
		}
	}
	return 0
}
