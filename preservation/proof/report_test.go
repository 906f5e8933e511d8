package proof_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/evidence"
)

// TestReportOfOldSeal: the certificate of the seal has ended since, and evidence
// proves that the seal is older.
func TestReportOfOldSeal(t *testing.T) {
	a := newArchive(t)
	a.sealed, a.now = true, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	a.newKeys()
	a.notary.Suitable = table(t, nil)
	c, _ := a.archived(1)
	if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	ended := a.keys.Expires().AddDate(0, 6, 0)
	a.now = a.keys.Expires().AddDate(0, -3, 0)
	a.newKeys()
	if n, err := a.notary.Renew(t.Context(), a.Tenant); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	a.now = ended
	report, err := a.notary.Report(t.Context(), a.Tenant, c.Record.ID, 1)
	a.must(err)
	if !report.Passed {
		for _, f := range report.Findings {
			if f.Severity == preservation.Failed {
				t.Errorf("%+v", f)
			}
		}
	}
	// Evidence that is not proven itself vouches for nothing.
	a.notary.Suitable = table(t, map[string]string{"SHA-256": "2028-12-31"})
	report, err = a.notary.Report(t.Context(), a.Tenant, c.Record.ID, 1)
	a.must(err)
	ends := func(f preservation.Finding) bool {
		return f.Severity == preservation.Failed && f.Code != "algorithm-unsuitable"
	}
	if report.Passed || !slices.ContainsFunc(report.Findings, ends) {
		t.Errorf("%+v", report.Findings)
	}
}

// TestReportOfUnknownAlgorithm: of an algorithm that the table does not have no end is
// known, which is another thing than none in sight.
func TestReportOfUnknownAlgorithm(t *testing.T) {
	a := newArchive(t)
	c, _ := a.archived(1)
	if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	var err error
	a.notary.Suitable, err = evidence.ReadSuitability(strings.NewReader(`{"format": "bestand-algorithms/1", "digest": [{"name": "SHA-256"}, {"name": "SHA-512"}], "signature": [{"name": "RSA", "bits": 3000}]}`))
	a.must(err)
	report, err := a.notary.Report(t.Context(), a.Tenant, c.Record.ID, 1)
	a.must(err)
	seen := 0
	for _, line := range report.Chains[0][0].Algorithms {
		if line.Known != strings.HasPrefix(line.Name, "SHA-") || line.Until != nil {
			t.Errorf("%+v", line)
		}
		if !line.Known {
			seen++
		}
	}
	if seen == 0 {
		t.Errorf("%+v", report.Chains[0][0].Algorithms)
	}
}
