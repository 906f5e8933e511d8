// Package synthetic makes German records for benchmarks: any number of them,
// always the same, with words and names as unevenly frequent as in real text.
package synthetic

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"bestand/preservation"
)

// Source makes records out of a vocabulary. It is not changed once made.
type Source struct {
	Words []string // roughly by frequency, then inflected compounds
	Names []string // of persons
	stop  []string
}

// New returns a source of the words of a dictionary as package search has it,
// and of stop words.
func New(dictionary, stop string) *Source {
	r := rand.New(rand.NewPCG(1, 2))
	var base []string
	for line := range strings.Lines(dictionary) {
		line, _, _ = strings.Cut(line, "#")
		if !strings.ContainsAny(line[:min(len(line), 1)], "!=") {
			base = append(base, strings.Fields(line)...)
		}
	}
	slices.Sort(base)
	base = slices.Compact(base)
	r.Shuffle(len(base), func(i, j int) { base[i], base[j] = base[j], base[i] })
	s := &Source{Words: slices.Clone(base), stop: strings.Fields(stop)}
	slices.SortStableFunc(s.Words, func(a, b string) int { return len(a)/8 - len(b)/8 }) // short words are frequent
	joints, endings := []string{"", "s", "es"}, []string{"", "s", "es", "n", "en", "er"}
	for len(s.Words) < 60000 {
		s.Words = append(s.Words, base[r.IntN(len(base))]+joints[r.IntN(3)]+base[r.IntN(len(base))]+endings[r.IntN(6)])
	}
	syllables := strings.Fields("ber mül ler schm idt mei er hof fmann lan ge kai ser wal ter neu mann schu bert graf stein bach krü ger zim bau bö hm rich ter")
	for len(s.Names) < 20000 {
		n := ""
		for range 2 + r.IntN(2) {
			n += syllables[r.IntN(len(syllables))]
		}
		s.Names = append(s.Names, strings.ToUpper(n[:1])+n[1:])
	}
	return s
}

// Frequency draws indexes of Words as often as they stand in texts.
func (s *Source) Frequency(r *rand.Rand) *rand.Zipf {
	return rand.NewZipf(r, 1.07, 8, uint64(len(s.Words)-1))
}

// Epoch is when the first record was received; the others follow four a second.
var Epoch = time.Date(2024, 1, 15, 10, 0, 0, 0, time.UTC)

// Record returns the n-th record and its text, of about 70 words. class says
// in which class it is, for a number at random.
func (s *Source) Record(n int, class func(r int) string) (preservation.Record, string) {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	words := s.Frequency(r)
	word := func() string { return s.Words[words.Uint64()] }
	text := func(n int) string { // two words in five are stop words, as in German prose
		var b strings.Builder
		for range n {
			if r.IntN(5) < 2 {
				b.WriteString(s.stop[r.IntN(len(s.stop))])
			} else {
				b.WriteString(word())
			}
			b.WriteByte(' ')
		}
		return strings.TrimSuffix(b.String(), " ")
	}
	opened := preservation.Date{Year: 1990, Month: 1, Day: 1}.AddDays(r.IntN(12000))
	code := class(r.IntN(1 << 30))
	received := Epoch.Add(time.Duration(n) * 250 * time.Millisecond)
	rec := preservation.Record{
		ID: preservation.RecordID(preservation.NewID(received)), Version: 1,
		Submission: preservation.SubmissionID(preservation.NewID(received)), Received: received,
		Metadata: preservation.Metadata{
			Producer: fmt.Sprintf("dms-%d", r.IntN(6)), ProducerRecordID: fmt.Sprintf("R-%08d", n), Kind: []string{"file", "case", "document"}[r.IntN(3)],
			Class: code, Title: text(4 + r.IntN(4)), Reference: fmt.Sprintf("%s-%d-%d/%05d", code, r.IntN(40), opened.Year, n%100000),
			Creator: "Amt " + code[:min(2, len(code))], Opened: opened, Closed: opened.AddDays(r.IntN(900)),
			Subjects: []preservation.Subject{{Name: s.Names[r.IntN(400)] + " " + s.Names[r.IntN(len(s.Names))]}},
			Keywords: []string{word(), word()},
		},
		Files: []preservation.File{
			{Name: word() + "_" + strconv.Itoa(n) + ".pdf", Format: formats[r.IntN(len(formats))]},
			{Name: "Anlage.pdf", Format: formats[0]},
		},
	}
	return rec, text(40 + r.IntN(60))
}

var formats = []preservation.Format{
	{PUID: "fmt/95", MIME: "application/pdf"},
	{PUID: "fmt/412", MIME: "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{PUID: "fmt/353", MIME: "image/tiff"},
	{PUID: "fmt/278", MIME: "message/rfc822"},
}
