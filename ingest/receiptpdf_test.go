package ingest

import (
	"bytes"
	"strings"
	"testing"

	"bestand/preservation"
)

// TestDeletionText: the printed receipt names what the sender waits for.
func TestDeletionText(t *testing.T) {
	failed := []preservation.Finding{{Code: "x", Severity: preservation.Failed}}
	notice := []preservation.Finding{{Code: "x", Severity: preservation.Notice}}
	part := []ReceiptRecord{{Receipt: &PartReceipt{}}}
	for name, c := range map[string]struct {
		receipt Receipt
		want    string
	}{
		"allowed":             {Receipt{SourceDeletion: "allowed"}, "erlaubt"},
		"problems":            {Receipt{SourceDeletion: "not_yet", Problems: failed}, "siehe Feststellungen"},
		"the second copy":     {Receipt{SourceDeletion: "not_yet"}, "das zweite Exemplar"},
		"with a mere notice":  {Receipt{SourceDeletion: "not_yet", Problems: notice}, "das zweite Exemplar"},
		"parts of a delivery": {Receipt{SourceDeletion: "not_yet", Records: part}, "der einzelnen Datensätze"},
	} {
		t.Run(name, func(t *testing.T) {
			var page bytes.Buffer
			if err := receiptTemplate.Execute(&page, map[string]any{"Receipt": c.receipt, "Deletion": deletion(c.receipt)}); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(page.String(), c.want) {
				t.Errorf("want %q in\n%s", c.want, &page)
			}
		})
	}
}
