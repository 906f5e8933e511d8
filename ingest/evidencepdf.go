package ingest

import (
	"cmp"
	"context"
	_ "embed"
	"html/template"
	"io"

	"bestand/preservation/catalog"
	"bestand/preservation/proof"
)

//go:embed evidence.html
var evidencePage string

var evidenceTemplate = template.Must(template.New("evidence").Parse(evidencePage))

// EvidencePDF renders a report on evidence for people, as PDF/A with the archive's
// seal, and returns its size. convert.ErrMissing when there is no browser to print
// it with.
func (p *Pipeline) EvidencePDF(ctx context.Context, t *catalog.Tenant, r proof.Report) (io.ReadCloser, int64, error) {
	named := r.Files[:min(len(r.Files), maxNamed)]
	return p.Print(ctx, t, evidenceTemplate, map[string]any{
		"Report": r, "Files": named, "More": len(r.Files) - len(named),
		"CheckName": func(code string) string { return cmp.Or(checkNames[code], code) },
	})
}

// checkNames are what the checks of evidence are called in German, by the codes of
// their findings. A code without one stands for itself.
var checkNames = map[string]string{
	"algorithm-mixed":             "Ein Hashverfahren je Kette",
	"algorithm-suitable":          "Eignung des Verfahrens",
	"algorithm-undeclared":        "Hashverfahren im Evidence Record angegeben",
	"algorithm-unsuitable":        "Eignung des Verfahrens",
	"algorithm-weak":              "Stärke des Verfahrens",
	"certificate-expired":         "Gültigkeit des Zertifikats",
	"certificate-revoked":         "Sperrung des Zertifikats",
	"chain-trusted":               "Zertifikatskette bis zum Vertrauensanker",
	"chain-unknown":               "Zertifikatskette bis zum Vertrauensanker",
	"chain-unsupported":           "Zertifikatskette bis zum Vertrauensanker",
	"chain-untrusted":             "Zertifikatskette bis zum Vertrauensanker",
	"cms-malformed":               "Form der Signatur",
	"covered":                     "Datei vom Evidence Record erfasst",
	"data-missing":                "Daten zum Evidence Record vorhanden",
	"data-uncovered":              "Datei vom Evidence Record erfasst",
	"data-unreadable":             "Datei lesbar",
	"digest-match":                "Inhalt ist, was signiert wurde",
	"digest-mismatch":             "Prüfsumme der Datei",
	"digest-unsupported":          "Hashverfahren bekannt",
	"file-missing":                "Datei im Paket vorhanden",
	"file-surplus":                "Keine fremde Datei im Paket",
	"group-complete":              "Evidence Record erfasst diese Dateien und keine anderen",
	"group-differs":               "Evidence Record erfasst diese Dateien und keine anderen",
	"held-by-earlier-version":     "Datei im Paket einer früheren Fassung",
	"imprint-match":               "Zeitstempel gilt für diesen Hashbaum",
	"imprint-mismatch":            "Zeitstempel gilt für diesen Hashbaum",
	"key-usage-invalid":           "Zweck des Zertifikats",
	"key-usage-valid":             "Zweck des Zertifikats",
	"not-covered":                 "Datei vom Evidence Record erfasst",
	"order":                       "Reihenfolge der Zeitstempel",
	"order-wrong":                 "Reihenfolge der Zeitstempel",
	"package-intact":              "Paket vollständig und unverändert",
	"renewal-late":                "Rechtzeitige Erneuerung",
	"revocation-checked":          "Sperrliste geprüft",
	"revocation-unknown":          "Sperrliste geprüft",
	"seal-missing":                "Siegel des Pakets vorhanden",
	"seal-not-checked":            "Siegel des Pakets geprüft",
	"signature-match":             "Signatur passt zum Zertifikat",
	"signature-mismatch":          "Signatur passt zum Zertifikat",
	"signer-missing":              "Zertifikat des Unterzeichners vorhanden",
	"signing-certificate-match":   "Signatur nennt ihr Zertifikat",
	"signing-certificate-missing": "Signatur nennt ihr Zertifikat",
	"signing-time-claimed":        "Angegebener Zeitpunkt der Signatur",
	"size-mismatch":               "Umfang der Datei",
	"stamped":                     "Zeit laut Zeitstempel",
	"still-valid":                 "Zertifikate gültig bis zur Erneuerung",
	"still-valid-unsupported":     "Zertifikate gültig bis zur Erneuerung",
	"suitability-unknown":         "Eignung des Verfahrens",
	"time-future":                 "Zeit nicht in der Zukunft",
	"timestamp-malformed":         "Form des Zeitstempels",
	"tree-malformed":              "Form des Hashbaums",
}
