// Package verdict judges packages and evidence records by nothing but their bytes and
// trust anchors: no archive, no database, no network. The commands bestand verify and
// erverify say what it finds.
package verdict

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"bestand/preservation"
)

// Verdict is what is said of one file: every check with its result and its clause.
type Verdict struct {
	Path     string                 `json:"path"`
	OK       bool                   `json:"ok"`
	Trusted  bool                   `json:"trusted"` // judged against trust anchors
	Findings []preservation.Finding `json:"findings"`
}

// New sums findings up: OK unless one of them failed.
func New(path string, roots *x509.CertPool, findings []preservation.Finding) Verdict {
	return Verdict{Path: path, OK: !failed(findings), Trusted: roots != nil, Findings: findings}
}

func failed(all []preservation.Finding) bool {
	for _, f := range all {
		if f.Severity == preservation.Failed {
			return true
		}
	}
	return false
}

// JSON writes the verdict in one line.
func (v Verdict) JSON(w io.Writer) error { return json.NewEncoder(w).Encode(v) }

// Text writes the verdict for people, a finding in each line.
func (v Verdict) Text(w io.Writer) error {
	word := "intact"
	switch {
	case !v.OK:
		word = "NOT INTACT"
	case !v.Trusted:
		word = "consistent, but anybody could have made it: give --trust to have seals and time-stamps judged"
	}
	fmt.Fprintf(w, "%s: %s\n", Legible(v.Path), word)
	for _, f := range v.Findings {
		subject, clause := "", ""
		if f.Subject != "" {
			subject = Legible(f.Subject) + ": "
		}
		if f.Clause != "" {
			clause = " [" + f.Clause + "]"
		}
		if _, err := fmt.Fprintf(w, "  %-7s %s: %s%s%s\n", f.Severity, f.Code, subject, Legible(f.Detail), clause); err != nil {
			return err
		}
	}
	return nil
}

// Anchors reads trust anchors from a PEM file; no path gives none.
func Anchors(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", path)
	}
	return pool, nil
}

// Legible writes a text for a terminal: what a terminal would obey, what reverses
// the writing and what is not UTF-8 stands there as an escape. Names of files and
// answers of a server can hold anything.
func Legible(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b.String()
}
