package retention

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"bestand/preservation"
)

// Sampling chooses records for the archive out of many of the same kind
// (Samplebildung). Whether one is chosen follows from the record alone, so that
// anybody can repeat and explain it, at any time and in any order. Each way of
// choosing adds to the others.
type Sampling struct {
	// Every chooses one of so many records: those whose number, see chance,
	// leaves no remainder.
	Every int `json:"every,omitempty" validate:"omitempty,min=2,max=1000000"`
	// Share chooses so many of 1000 records: those whose number is among the
	// lowest.
	Share int `json:"share,omitempty" validate:"omitempty,min=1,max=999"`
	// Letters chooses records about somebody whose name begins with one of
	// them. Ä, Ö and Ü count as A, O and U (DIN 5007-1).
	Letters []string `json:"letters,omitempty" validate:"omitempty,max=26,unique,dive,required,max=1"`
	// Birthdays chooses records about somebody born on one of these days of
	// whatever month.
	Birthdays []int `json:"birthdays,omitempty" validate:"omitempty,max=30,unique,dive,min=1,max=31"`
}

// chosen returns in words why a record is in the sample, nothing when it is not.
func (s *Sampling) chosen(f *Facts) string {
	switch {
	case s == nil:
		return ""
	case s.Every > 0 && chance(f.ID)%uint64(s.Every) == 0:
		return fmt.Sprintf("one of %d", s.Every)
	case s.Share > 0 && chance(f.ID)/(1<<32) < uint64(s.Share)*(1<<32)/1000:
		return fmt.Sprintf("%d of 1000", s.Share)
	}
	for i := range f.Subjects {
		p := &f.Subjects[i]
		if l := initial(p.Name); l != "" && slices.Contains(s.Letters, l) {
			return "name with " + l
		}
		if d := p.Born; !d.IsZero() && slices.Contains(s.Birthdays, d.Day) {
			return fmt.Sprintf("born on a day %d", d.Day)
		}
	}
	return ""
}

// What a list that is locked for long says of a sample by persons: nothing of them.
const (
	byName     = "by name"
	byBirthday = "by birthday"
)

// sampledBy is why a record is in the sample, without what is personal of it.
func sampledBy(why string) string {
	switch key, _, _ := ReasonKey(why); key {
	case "letter":
		return byName
	case "birthday":
		return byBirthday
	}
	return why
}

// chance is the number of a record in a sample: the first eight bytes of the
// SHA-256 of its identifier, the most significant first.
func chance(id preservation.RecordID) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:8])
}

// initial returns the letter under which a name such as "Muster, Erika" is filed.
func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(name, func(r rune) bool { return !unicode.IsLetter(r) }))
	if r == utf8.RuneError {
		return ""
	}
	r = unicode.ToUpper(r)
	if i := slices.Index([]rune("ÄÖÜ"), r); i >= 0 {
		r = []rune("AOU")[i]
	}
	return string(r)
}
