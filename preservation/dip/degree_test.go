package dip_test

import (
	"strings"
	"testing"

	"bestand/preservation/dip"
)

// TestXdomeaDegree writes a degree for what is classified or said to be open, none for
// all else, and the exact word in any case.
func TestXdomeaDegree(t *testing.T) {
	for word, want := range map[string]string{
		"open": "003", "Offen": "003", "003": "003",
		"restricted": "002", "restricted ": "002", "VS-NfD": "002", "VS – Nur für den Dienstgebrauch": "002",
		"confidential": "005", "vertraulich": "005", "VS-Vertraulich": "005",
		"Secret": "001", "geheim": "001", "001": "001",
		"top secret": "004", "streng  geheim": "004",
		"internal": "", "intern": "", "public": "", "öffentlich": "", "Steuergeheimnis": "", "nicht öffentlich": "", "?": "",
	} {
		m := about("case")
		m.Confidentiality = word
		s := described(t, m, "a.txt")
		w := export(t, "x.zip", dip.Xdomea, s)
		validate(t, w, dip.XdomeaName(s)+".xml")
		message := string(w.read(t, dip.XdomeaName(s)+".xml"))
		_, after, found := strings.Cut(message, "<xdomea:Geheimhaltungsgrad ")
		if found != (want != "") || found && !strings.Contains(after[:max(0, strings.Index(after, "</"))], "<code>"+want) {
			t.Errorf("%q is not %q: %.150s", word, want, after)
		}
		if want := "<xdomea:Name>Confidentiality</xdomea:Name><xdomea:Wert>" + word + "<"; !strings.Contains(message, want) {
			t.Errorf("no %s", want)
		}
	}
}
