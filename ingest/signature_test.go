package ingest

import (
	"strings"
	"testing"

	"bestand/preservation"
)

// TestGravest has more findings about one file than the record is to keep.
func TestGravest(t *testing.T) {
	some := func(n int, s preservation.Severity, code string) (all []preservation.Finding) {
		for range n {
			all = append(all, preservation.Finding{Code: code, Severity: s})
		}
		return all
	}
	for name, c := range map[string]struct {
		found []preservation.Finding
		want  string // the last
		codes map[string]int
	}{
		"just enough":   {some(maxValidated, preservation.Passed, "p"), "", map[string]int{"p": maxValidated}},
		"one more":      {some(maxValidated+1, preservation.Passed, "p"), "2 more findings, 0 of them grave", map[string]int{"p": maxValidated - 1, CodeMore: 1}},
		"grave ones":    {append(some(9000, preservation.Passed, "p"), some(3, preservation.Failed, "f")...), "8504 more findings, 0 of them grave", map[string]int{"p": maxValidated - 4, "f": 3, CodeMore: 1}},
		"grave, all":    {append(some(2, preservation.Notice, "n"), some(1000, preservation.Failed, "f")...), "503 more findings, 501 of them grave", map[string]int{"f": maxValidated - 1, CodeMore: 1}},
		"notices first": {append(some(1000, preservation.Passed, "p"), some(10, preservation.Notice, "n")...), "511 more findings, 0 of them grave", map[string]int{"n": 10, "p": maxValidated - 11, CodeMore: 1}},
	} {
		got := map[string]int{}
		kept := gravest(c.found)
		for _, x := range kept {
			got[x.Code]++
		}
		for code, n := range c.codes {
			if got[code] != n || len(got) != len(c.codes) {
				t.Errorf("%s: %v, want %v", name, got, c.codes)
			}
		}
		if last := kept[len(kept)-1]; !strings.HasPrefix(last.Detail, c.want) || strings.Contains(last.Detail, " 501 of") != (last.Severity == preservation.Failed) {
			t.Errorf("%s: %+v", name, last)
		}
	}
}
