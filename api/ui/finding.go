package ui

import (
	"strings"

	xlanguage "golang.org/x/text/language"

	"bestand/api"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// findingsOf are the findings about a file, each code once. What failed is past where
// there is a valid rendition by now.
func findingsOf(events []preservation.Event, file preservation.FileID, renditions []api.File) (all []preservation.Event) {
	mended, known := false, map[string]bool{}
	for _, r := range renditions {
		mended = mended || r.Representation == preservation.Preservation && r.Verdict == preservation.VerdictValid
	}
	for _, e := range events {
		if e.Code == "" || e.Outcome == preservation.Success || known[e.Code] || mended && e.Outcome == preservation.Failure {
			continue
		}
		for _, f := range e.Files {
			if f == file && !known[e.Code] {
				known[e.Code] = true
				all = append(all, e)
			}
		}
	}
	return all
}

// remedy says what somebody can do about a finding; "" where nothing is to be done.
func (l *language) remedy(code string) string {
	if strings.HasPrefix(code, "limit-") {
		code = "limit"
	}
	return l.words["remedy."+code].text
}

// details are sentences of the archive's events that have words in each language. What
// stands behind the first part is kept as it is.
var details = []struct{ start, key string }{
	{"no known malware", "detail.clean"},
	{"not scanned: not-configured", "detail.no-scanner"},
	{"stored as ", "detail.stored"},
	{"Valid PDF/A-", "detail.pdfa"},
	{"signature: ", "detail.signature"},
	{"SHA-256 and SHA-512", "detail.digests"},
	{"Well-formed XML.", "detail.xml"},
	{preservation.HoldSet, "detail.held"},
	{preservation.HoldReleased, "detail.released"},
	{"a certificate of the time-stamping authority ends", "detail.certificate"},
}

// detail is a sentence of the archive in the language, or "" where it has only the
// English one.
func (l *language) detail(text string) string {
	if l.tag == xlanguage.BritishEnglish {
		return text
	}
	for _, d := range details {
		rest, ok := strings.CutPrefix(text, d.start)
		switch {
		case !ok:
		case d.key == "detail.pdfa":
			return l.t(d.key, strings.TrimSuffix(rest, "."))
		case d.key == "detail.signature":
			return l.t(d.key, rest)
		default:
			return l.t(d.key)
		}
	}
	return ""
}

// reported are the events that were reported for a record, by the archive's event.
func (v *visit) reported(id string) (map[string]catalog.Trigger, error) {
	record := preservation.RecordID(id)
	all, err := v.ui.Catalog.Tenant(v.who.Tenant).View().Triggers(v.r.Context(), record)
	if err != nil {
		return nil, err
	}
	by := map[string]catalog.Trigger{}
	for _, g := range all[record] {
		by[g.ID] = g
	}
	return by, nil
}
