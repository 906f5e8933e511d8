package retention

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html"
	"iter"
	"regexp"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
)

// TestCertificatePage says in German what became of each record and why, and who did what.
func TestCertificatePage(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	date := func(text string) preservation.Date { return day(t, text) }
	c := Certificate{Run: "r", Status: RunCompleted, Offer: Offer{Authority: "Kreisarchiv", Offered: date("2026-01-02"), Deadline: date("2026-07-02")},
		Approval: Approval{By: "paula", At: at, Records: 5, Destroy: 2, HandOver: 2}, Counts: RunCounts{Destroyed: 3, TakenOver: 1, Transferred: 1, Left: 1},
		History: []Step{{At: at, By: "otto", Act: actDecided, Times: 3}, {At: at, By: "paula", Act: actStopped, Note: "Rückfrage"}, {At: at, By: System, Act: actStopped, Note: "120 of 300 records in one run are more than the configured share of 0.1"},
			{At: at, By: "clara", Act: actStarted, Note: "120 records allowed although unusual"}}}
	records := func() iter.Seq2[CertifiedRecord, error] {
		all := []CertifiedRecord{
			{Record: "a", Opened: date("1998-01-01"), Closed: date("2001-02-28"), End: date("2006-12-31"), Decision: "V", DecidedBy: "otto", Answer: NoAnswer, Outcome: "destroyed", Destroyed: at},
			{Record: "b", Closed: date("2001-03-01"), Decision: "A", DecidedBy: "otto", Transfer: "Kreisarchiv, Ü 2, acknowledged on 2026-08-01", Outcome: "destroyed", Destroyed: at},
			{Record: "c", Opened: date("1999-01-01"), Decision: "A", DecidedBy: "otto", Transfer: "Kreisarchiv, Ü 1, acknowledged on 2026-08-02", Outcome: "transferred"},
			{Record: "d", LegalBasis: "SächsBG §117", Decision: "V", DecidedBy: "otto", Outcome: "left", Reason: "it is held"},
		}
		return func(yield func(CertifiedRecord, error) bool) {
			for _, r := range all {
				if !yield(r, nil) {
					return
				}
			}
		}
	}
	page, data, err := c.Page(records(), "0815")
	if err != nil {
		t.Fatal(err)
	}
	data["Local"], data["Tenant"], data["Seal"] = func(at time.Time) string { return at.Format("02.01.2006 15:04") }, "Musterstadt", "S"
	var out strings.Builder
	if err := page.Execute(&out, data); err != nil {
		t.Fatal(err)
	}
	text := html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(out.String(), " "))
	text = strings.Join(strings.Fields(text), " ")
	for _, want := range []string{
		"3 vernichtet, davon 1, nachdem ein Archiv sie übernommen hatte; 1 übernommen mit bleibender Kopie; 1 zurückgehalten",
		"23.11.2026 08:00 Akten bewertet (3-mal, zuletzt) otto",
		"Angehalten paula Rückfrage",
		"Angehalten das Programm 120 von 300 Akten in einem Lauf sind mehr als der eingestellte Anteil (0.1).",
		"Trotz ungewöhnlicher Zahl zugelassen 23.11.2026 08:00, clara: Die ungewöhnliche Zahl von 120 Akten wurde zugelassen.",
		"Ausführung angeordnet clara Die ungewöhnliche Zahl von 120 Akten wurde zugelassen.",
		"davon 2 zu vernichten und 2 dem Archiv zu übergeben, deren eigene Exemplare nach seiner Empfangsbestätigung vernichtet werden dürfen",
		"01.01.1998–28.02.2001 Frist bis 31.12.2006",
		"angeboten am 02.01.2026 an Kreisarchiv, keine Antwort bis 02.07.2026; freigegeben durch paula",
		"bis 01.03.2001",
		"übergeben: Kreisarchiv, Ü 2, bestätigt am 01.08.2026; freigegeben durch paula",
		"ab 01.01.1999",
		"übernommen übergeben: Kreisarchiv, Ü 1, bestätigt am 02.08.2026; eine Kopie bleibt für das Archiv",
		"SächsBG §117",
		"Eine Sperre hält sie fest.",
		"(certificate.json) enthält alle 4 Datensätze. Ihr SHA-256, den der Befehl sha256sum certificate.json nachrechnet, ist 0815 ;",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the certificate does not say %q:\n%s", want, text)
		}
	}
}

// TestCertificateOfMany lists no more on paper than anybody reads, says how many there are,
// and names the digest of the text that has all.
func TestCertificateOfMany(t *testing.T) {
	const n = printedRecords + 5
	records := func(yield func(CertifiedRecord, error) bool) {
		for i := range n {
			if !yield(CertifiedRecord{Record: preservation.RecordID(fmt.Sprintf("r%05d", i)), Outcome: "destroyed"}, nil) {
				return
			}
		}
	}
	c := Certificate{Run: "r", Status: RunCompleted}
	sum := sha256.New()
	if err := c.Write(sum, records); err != nil {
		t.Fatal(err)
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	page, data, err := c.Page(records, digest)
	if err != nil {
		t.Fatal(err)
	}
	data["Local"], data["Tenant"], data["Seal"] = func(time.Time) string { return "" }, "Musterstadt", "S"
	var out strings.Builder
	if err := page.Execute(&out, data); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Das sind 2000 von 2005 Datensätzen; die übrigen 5 stehen in der JSON-Fassung.", "enthält alle 2005 Datensätze", digest, "r01999"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if strings.Contains(out.String(), "r02000") {
		t.Error("it lists more than it says")
	}
}
