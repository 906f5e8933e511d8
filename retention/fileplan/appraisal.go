package fileplan

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/retention"
)

const (
	maxAppraisalBytes = 1 << 28
	maxAppraisals     = 1_000_000 // as many as a disposal run may have
)

// ReadAppraisals reads decisions about single records of a disposal run from CSV with a
// semicolon or a comma, in the columns Datensatz, Entscheidung, Bis and Vermerk among any
// others, and puts those together that are alike. Rows without a decision are left out.
// Its error is of type retention.Invalid and names the line and column of everything that
// is wrong. A record that is decided about twice is refused, however alike: with two
// decisions it would hang on the order which of them counts.
func ReadAppraisals(r io.Reader) ([]retention.Appraisal, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	comma := ';'
	if begin, _ := in.Peek(1 << 16); !bytes.ContainsRune(heading1(begin), ';') { // what cannot be read is said below
		comma = ','
	}
	rows, err := readTable(in, comma, maxAppraisalBytes, maxAppraisals)
	if err != nil {
		return nil, err
	}
	column := func(names ...string) int {
		return slices.IndexFunc(rows[0].fields, func(h string) bool { return slices.Contains(names, strings.ToLower(strings.TrimSpace(h))) })
	}
	record, decision, until, note := column("datensatz", "record"), column("entscheidung", "decision"), column("bis", "until"), column("vermerk", "note")
	if record < 0 || decision < 0 {
		return nil, retention.Invalid{fault("line 1", "missing-column", "has to name the columns Datensatz and Entscheidung")}
	}
	type alike struct {
		decision, note string
		until          preservation.Date
	}
	at := make(map[alike]int)
	first := make(map[preservation.RecordID]int) // the lines of the records
	var all []retention.Appraisal
	var bad retention.Invalid
	for _, row := range rows[1:] {
		if len(bad) >= maxFaults {
			return nil, enough(bad, row.line)
		}
		cell := func(i int) string {
			if i < 0 || i >= len(row.fields) {
				return ""
			}
			return Plain(strings.TrimSpace(row.fields[i]))
		}
		wrong := func(column, code, detail string) {
			bad = append(bad, fault(fmt.Sprintf("line %d, column %s", row.line, column), code, detail))
		}
		bad = append(bad, row.surplus(rows[0], comma)...)
		a := alike{decision: cell(decision), note: cell(note)}
		if a.decision == "" {
			continue
		}
		if !slices.Contains([]string{"A", "B", "V", retention.Keep, retention.NoAnswer}, a.decision) {
			wrong("Entscheidung", "oneof", fmt.Sprintf("%.60q: write A, B, V or K; of the answer to an offer A, B, V or none", a.decision))
		}
		if a.until, err = ParseDate(cell(until)); err != nil {
			wrong("Bis", "date", fmt.Sprintf("%.60q: %v", cell(until), err))
		}
		id := preservation.RecordID(cell(record))
		switch line := first[id]; {
		case !id.Valid():
			wrong("Datensatz", "record", fmt.Sprintf("%.60q is not the identifier of a record", id))
		case line > 0:
			wrong("Datensatz", "duplicate", fmt.Sprintf("record %s is decided about in line %d, too", id, line))
		}
		first[id] = row.line
		i, ok := at[a]
		if !ok {
			i, at[a] = len(all), len(all)
			all = append(all, retention.Appraisal{Decision: a.decision, Note: a.note, Until: a.until})
		}
		all[i].Scope.Records = append(all[i].Scope.Records, id)
	}
	if len(bad) > 0 {
		return nil, bad
	}
	return all, nil
}

// heading1 is the first line of a file.
func heading1(begin []byte) []byte {
	line, _, _ := bytes.Cut(begin, []byte("\n"))
	return line
}
