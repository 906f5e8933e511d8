package ingest

import (
	"fmt"
	"slices"
	"strings"

	"bestand/ingest/convert"
	"bestand/ingest/format"
	"bestand/preservation"
)

// Findings of a submission are told one by one, in its status and in the receipt,
// up to so many and so many bytes. Of those that follow only their number is told:
// the events of the record name their files as well.
const (
	maxFindings     = 1000
	maxFindingBytes = 256 << 10
)

// CodeMore is the code of the finding that stands for all further ones.
const CodeMore = "more-findings"

// findings collects what the producer should know of.
type findings struct {
	list  []preservation.Finding
	bytes int
	more  struct {
		at     int // its index, when there are any
		n      int
		failed int
	}
}

func (s *findings) add(x preservation.Finding) {
	s.bytes += len(x.Subject) + len(x.Detail)
	if s.more.n == 0 && len(s.list) < maxFindings && s.bytes <= maxFindingBytes {
		s.list = append(s.list, x)
		return
	}
	if s.more.n == 0 {
		s.more.at = len(s.list)
		s.list = append(s.list, preservation.Finding{})
	}
	s.more.n++
	sum := preservation.Finding{Code: CodeMore, Severity: preservation.Notice}
	if x.Severity == preservation.Failed {
		s.more.failed++
	}
	if s.more.failed > 0 {
		sum.Severity = preservation.Failed
	}
	sum.Detail = fmt.Sprintf("%d more findings, %d of them grave; the events of the record name the files", s.more.n, s.more.failed)
	s.list[s.more.at] = sum
}

// problem notes a finding about a file that the record is archived with. What
// was said of the file before is not said again in other words: that it has no
// conversion follows from its format not being known.
func (w *work) problem(f *file, x preservation.Finding) {
	if slices.ContainsFunc(f.said, func(code string) bool {
		return code == x.Code || x.Code == convert.CodeNoRoute && (code == format.UnknownFormat || code == format.Damaged)
	}) {
		return
	}
	f.said = append(f.said, x.Code)
	x.Subject = f.subject()
	w.problems.add(x)
}

// subject names a file for people: its identifier and the sender's name.
func (f *file) subject() string {
	return string(f.ID) + " " + strings.ToValidUTF8(f.Name, "\uFFFD")
}
