package ui

import (
	"strings"
	"testing"

	"bestand/api"
	"bestand/preservation"
)

const xrechnung = `<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
<cbc:ID>R-17</cbc:ID><cbc:IssueDate>2026-03-02</cbc:IssueDate><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>
<cac:LegalMonetaryTotal><cbc:PayableAmount currencyID="EUR">1190.50</cbc:PayableAmount></cac:LegalMonetaryTotal>
<cac:InvoiceLine><cbc:ID>1</cbc:ID><cbc:InvoicedQuantity unitCode="C62">2.5</cbc:InvoicedQuantity><cbc:LineExtensionAmount currencyID="EUR">1000.00</cbc:LineExtensionAmount><cac:Item><cbc:Name>Spielgerät</cbc:Name></cac:Item></cac:InvoiceLine>
</Invoice>`

const letter = "From: =?ISO-8859-1?Q?Bj=F6rn?= <b@example.de>\r\nTo: amt@example.de\r\nSubject: =?UTF-8?B?QW5mcmFnZSDDvGJlcg==?=\r\n B\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\n\r\nUmF3IGJhc2U2NA==\r\n"

// TestReadable: of a message and of an invoice people see first what it says, and its
// rendition before its source, which stands behind a heading.
func TestReadable(t *testing.T) {
	v, _ := stranger(t, "/")
	show := func(media, text string, rendition bool, attached ...api.File) string {
		t.Helper()
		original := pane{File: api.File{ID: "f0001", Name: "original", Representation: preservation.Original}, How: "text", Source: isSource(media), Text: text, Attached: attached}
		original.explain(t.Context(), v.lang, media, []byte(text), true)
		p := fileView{Panes: []pane{original}}
		if rendition {
			p.Panes = append(p.Panes, pane{File: api.File{ID: "f0002", Name: "original.pdf", Representation: preservation.Preservation, DerivedFrom: "f0001"}, How: "pdf"})
		}
		readableFirst(p.Panes)
		v, w := stranger(t, "/")
		if err := v.show("file", "original", p); err != nil {
			t.Fatal(err)
		}
		return w.Body.String()
	}
	const closed, open = "<details><summary>Quelltext", "<details open><summary>Quelltext"
	got := show("application/xml", xrechnung, true)
	says(t, got, []string{"Rechnungsnummer", "R-17", "02.03.2026", "1190,50 EUR", "Positionen", "Spielgerät", "2,5", closed, "Maßgeblich ist die Datei selbst"}, []string{open})
	if strings.Index(got, "<iframe") > strings.Index(got, "Quelltext") {
		t.Error("the source comes before the rendition")
	}
	says(t, show("application/xml", strings.NewReplacer("R-17", "R-\u202e71", "Spielgerät", "Spiel\u202etäreg").Replace(xrechnung), true), []string{"R-\ufffd71", "Spiel\ufffdtäreg"}, []string{"\u202e"})
	got = show("message/rfc822", letter, false, api.File{ID: "f0003", Name: "plan.pdf"})
	says(t, got, []string{"Von</dt>", "Björn &lt;b@example.de&gt;", "Anfrage über B", "1 Anlage", "plan.pdf", closed}, []string{open})
	says(t, show("application/xml", "<a>b</a>", false), []string{open}, []string{"Maßgeblich"})
	says(t, show("application/xml", "<a>b</a>", true), []string{closed}, []string{open})
	says(t, show("text/plain", "Notiz", true), []string{"Notiz"}, []string{"Quelltext"})
}
