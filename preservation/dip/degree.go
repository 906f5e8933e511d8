package dip

import (
	"strings"

	"golang.org/x/text/cases"
)

// Codes of Vertraulichkeitsstufe 1.0.
const (
	degreeSecret       = "001" // Geheim
	degreeRestricted   = "002" // VS - Nur für den Dienstgebrauch
	degreeOpen         = "003" // offen
	degreeTopSecret    = "004" // Streng geheim
	degreeConfidential = "005" // VS - Vertraulich
)

// degrees are the words for a code that senders use, folded: those of the
// Verschlusssachenanweisung, and offen. What is internal, public or under a secrecy of
// its own, as that of taxes, is no classified information by it.
var degrees = map[string]string{
	"top secret": degreeTopSecret, "streng geheim": degreeTopSecret, "str. geh.": degreeTopSecret, "004": degreeTopSecret,
	"secret": degreeSecret, "geheim": degreeSecret, "geh.": degreeSecret, "001": degreeSecret,
	"confidential": degreeConfidential, "vertraulich": degreeConfidential, "vs vertraulich": degreeConfidential, "vs vertr.": degreeConfidential, "005": degreeConfidential,
	"restricted": degreeRestricted, "vs nfd": degreeRestricted, "nfd": degreeRestricted, "nur für den dienstgebrauch": degreeRestricted,
	"vs nur für den dienstgebrauch": degreeRestricted, "002": degreeRestricted,
	"open": degreeOpen, "offen": degreeOpen, "003": degreeOpen,
}

// degree is the code of Vertraulichkeitsstufe for a confidentiality in the words of its
// sender, and empty if these name none.
func degree(confidentiality string) string {
	words := strings.FieldsFunc(cases.Fold().String(confidentiality), func(r rune) bool {
		return r == '-' || r == '–' || r == '_' || r <= ' ' || r == '\u00a0'
	})
	return degrees[strings.Join(words, " ")]
}
