package dip_test

import (
	"strings"
	"testing"

	"bestand/preservation/dip"
)

// TestXdomeaDegree hands nothing over as open that is not, and the exact word with it.
func TestXdomeaDegree(t *testing.T) {
	for word, want := range map[string]string{
		"open": "003", "Offen": "003", "öffentlich": "003", "003": "003",
		"restricted": "002", "restricted ": "002", "VS-NfD": "002", "VS – Nur für den Dienstgebrauch": "002", "internal": "002",
		"confidential": "005", "vertraulich": "005", "VS-Vertraulich": "005",
		"Secret": "001", "geheim": "001", "001": "001",
		"top secret": "004", "streng  geheim": "004",
		"Steuergeheimnis": "004", "nicht öffentlich": "004", "?": "004",
	} {
		m := about("case")
		m.Confidentiality = word
		s := described(t, m, "a.txt")
		w := export(t, "x.zip", dip.Xdomea, s)
		validate(t, w, dip.XdomeaName(s)+".xml")
		message := string(w.read(t, dip.XdomeaName(s)+".xml"))
		if _, after, _ := strings.Cut(message, "<xdomea:Geheimhaltungsgrad "); !strings.Contains(after[:max(0, strings.Index(after, "</"))], "<code>"+want) {
			t.Errorf("%q is not %s: %.150s", word, want, after)
		}
		if want := "<xdomea:Name>Confidentiality</xdomea:Name><xdomea:Wert>" + word + "<"; !strings.Contains(message, want) {
			t.Errorf("no %s", want)
		}
	}
}
