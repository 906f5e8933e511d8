package invoice

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"
)

var typeNames = map[string]string{
	"326": "Teilrechnung", "380": "Rechnung", "381": "Gutschrift", "384": "Rechnungskorrektur", "389": "Gutschrift (selbst fakturiert)",
	"751": "Rechnungsinformation", "875": "Abschlagsrechnung (Bau)", "876": "Teilschlussrechnung (Bau)", "877": "Schlussrechnung (Bau)",
}

// Names of units that invoices of municipalities use most (UN/ECE Rec. 20, 21).
var unitNames = map[string]string{
	"C62": "Stück", "H87": "Stück", "XPP": "Stück", "EA": "Stück", "HUR": "Std.", "DAY": "Tage", "WEE": "Wochen", "MON": "Monate", "ANN": "Jahre",
	"KGM": "kg", "GRM": "g", "TNE": "t", "MTR": "m", "KMT": "km", "MTK": "m²", "MTQ": "m³", "LTR": "l", "KWH": "kWh", "MWH": "MWh", "P1": "%", "LS": "pauschal", "SET": "Satz", "MIN": "Min.",
}

var pageTemplate = template.Must(template.New("invoice").Funcs(template.FuncMap{
	"number": germanNumber,
	"money":  germanMoney,
	"fields": fields,
	"totals": totals,
	"title":  func(v *Invoice) string { return first(typeNames[v.Type], "Rechnung") + " " + v.Number },
	"unit":   func(s string) string { return first(unitNames[s], s) },
	"kind":   func(s string) string { return first(typeNames[s], "Rechnung") },
	"sign": func(a Adjustment) string {
		if a.Charge {
			return "Zuschlag"
		}
		return "Nachlass"
	},
	"size": func(b []byte) string { return germanNumber(fmt.Sprint(len(b))) },
}).Parse(pageHead + `{{define "party"}}<td>{{.Name}}{{if and .TradingName (ne .TradingName .Name)}}<br>{{.TradingName}}{{end}}{{with .Street}}<br>{{.}}{{end}}<br>{{.PostCode}} {{.City}} {{.Country}}
{{with .VATID}}<br>USt-IdNr.: {{.}}{{end}}{{with .TaxNumber}}<br>Steuernummer: {{.}}{{end}}{{with .Contact}}<br>Kontakt: {{.}}{{end}}{{with .Phone}}<br>Telefon: {{.}}{{end}}{{with .Mail}}<br>E-Mail: {{.}}{{end}}</td>{{end}}
{{define "row"}}{{if .Value}}<tr><th scope="row">{{.Name}}</th><td>{{.Value}}</td></tr>{{end}}{{end}}
<h1>{{kind .Type}} {{.Number}}</h1>
<p class="note">Lesefassung einer elektronischen Rechnung ({{.Syntax}}). Maßgeblich ist die XML-Datei.</p>
<table class="fields">{{range fields .}}{{template "row" .}}{{end}}</table>
<table class="parties"><thead><tr><th scope="col">Verkäufer</th><th scope="col">Käufer</th></tr></thead><tbody><tr>{{template "party" .Seller}}{{template "party" .Buyer}}</tr></tbody></table>
{{range .Notes}}<p class="text">{{.}}</p>
{{end}}{{if .Lines}}<h2>Positionen</h2>
<table class="list"><thead><tr><th scope="col">Pos.</th><th scope="col">Bezeichnung</th><th scope="col" class="n">Menge</th><th scope="col">Einheit</th><th scope="col" class="n">Einzelpreis</th><th scope="col" class="n">USt.</th><th scope="col" class="n">Netto</th></tr></thead><tbody>
{{range .Lines}}<tr><td>{{.ID}}</td><td>{{.Name}}{{with .Description}}<br><small class="text">{{.}}</small>{{end}}</td><td class="n">{{number .Quantity}}</td><td>{{unit .Unit}}</td><td class="n">{{money .Price}}</td><td class="n">{{with .Rate}}{{number .}} %{{end}} {{.Category}}</td><td class="n">{{money .Net}}</td></tr>
{{end}}</tbody></table>
{{end}}{{if .Adjustments}}<h2>Nachlässe und Zuschläge</h2>
<table class="list"><tbody>{{range .Adjustments}}<tr><td>{{sign .}}</td><td>{{.Reason}}</td><td class="n">{{money .Amount}}</td></tr>
{{end}}</tbody></table>
{{end}}<h2>Umsatzsteuer</h2>
<table class="list"><thead><tr><th scope="col">Kategorie</th><th scope="col" class="n">Satz</th><th scope="col" class="n">Grundlage</th><th scope="col" class="n">Betrag</th><th scope="col">Befreiungsgrund</th></tr></thead><tbody>
{{range .Taxes}}<tr><td>{{.Category}}</td><td class="n">{{with .Rate}}{{number .}} %{{end}}</td><td class="n">{{money .Base}}</td><td class="n">{{money .Amount}}</td><td>{{.Reason}}</td></tr>
{{end}}</tbody></table>
<h2>Summen in {{.Currency}}</h2>
<table class="list sums"><tbody>{{range totals .}}{{if .Value}}<tr><th scope="row">{{.Name}}</th><td class="n">{{money .Value}}</td></tr>
{{end}}{{end}}</tbody></table>
{{if .Documents}}<h2>Rechnungsbegründende Unterlagen</h2>
<ul>{{range .Documents}}<li>{{.ID}}{{with .Description}}: {{.}}{{end}}{{if .Content}} – eingebettet: {{.Name}} ({{.MIME}}, {{size .Content}} Byte){{end}}{{with .Location}} – Verweis: {{.}}{{end}}</li>
{{end}}</ul>{{end}}
{{if .Rest}}<h2>Weitere Angaben der XML-Datei</h2>
<table class="rest"><tbody>{{range .Rest}}<tr><td>{{.Path}}</td><td class="text">{{.Value}}</td></tr>
{{end}}</tbody></table>{{end}}
</body></html>
`))

const pageHead = `<!DOCTYPE html>
<html lang="de"><head><meta charset="utf-8"><title>{{title .}}</title>
<style>
body { font: 10pt/1.35 "Liberation Sans", Carlito, "DejaVu Sans", sans-serif; margin: 0; color: #000; background: #fff }
h1 { font-size: 15pt; margin: 0 0 .3em } h2 { font-size: 11.5pt; margin: 1.2em 0 .3em }
table { border-collapse: collapse; width: 100% } td, th { vertical-align: top; text-align: left; padding: 2px 8px 2px 0; overflow-wrap: anywhere }
.fields th { width: 12em; font-weight: bold } .parties td, .parties th { width: 50% } .parties { margin-top: 1em }
.list td, .list th { border-bottom: 1px solid #999 } .n { text-align: right } .sums { width: 60%; margin-left: 40% }
.rest { font-size: 8.5pt } .rest td:first-child { width: 55%; color: #444 }
.text { white-space: pre-wrap } .note { color: #444 }
pre { font: 9pt/1.35 "Liberation Mono", "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 }
</style></head><body>
`

type field struct{ Name, Value string }

func fields(v *Invoice) []field {
	period := ""
	if !v.PeriodStart.IsZero() || !v.PeriodEnd.IsZero() {
		period = german(v.PeriodStart.String()) + " bis " + german(v.PeriodEnd.String())
	}
	return []field{
		{"Rechnungsdatum", german(v.Issued.String())}, {"Fällig am", german(v.Due.String())}, {"Leistungsdatum", german(v.Delivered.String())},
		{"Abrechnungszeitraum", period}, {"Leitweg-ID / Käuferreferenz", v.BuyerReference}, {"Bestellnummer", v.Order}, {"Vertragsnummer", v.Contract},
		{"Projekt", v.Project}, {"Zahlungsbedingungen", v.PaymentTerms}, {"Verwendungszweck", v.PaymentReference}, {"IBAN", strings.Join(v.IBANs, ", ")},
		{"Profil", v.Profile},
	}
}

func totals(v *Invoice) []field {
	return []field{
		{"Summe der Positionen", v.Totals.Lines}, {"Nachlässe", v.Totals.Allowances}, {"Zuschläge", v.Totals.Charges}, {"Gesamtbetrag netto", v.Totals.Net},
		{"Umsatzsteuer", v.Totals.Tax}, {"Gesamtbetrag brutto", v.Totals.Gross}, {"Bereits gezahlt", v.Totals.Prepaid}, {"Rundung", v.Totals.Rounding},
		{"Zahlbetrag", v.Totals.Payable},
	}
}

// HTML returns the readable page of the invoice: German, UTF-8, every value
// escaped, nothing active.
func (v *Invoice) HTML() []byte {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, v); err != nil {
		panic(err) // the template and its data are ours
	}
	return b.Bytes()
}

// german turns 2026-03-02 into 02.03.2026.
func german(s string) string {
	if len(s) != 10 {
		return s
	}
	return s[8:] + "." + s[5:7] + "." + s[:4]
}

// germanNumber turns 1234.50 into 1.234,50 and leaves alone what is no number.
func germanNumber(s string) string {
	if !decimalPattern.MatchString(s) {
		return s
	}
	whole, fraction, _ := strings.Cut(s, ".")
	sign := ""
	if whole[0] == '-' || whole[0] == '+' {
		sign, whole = strings.TrimPrefix(whole[:1], "+"), whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "." + whole[i:]
	}
	if fraction != "" {
		fraction = "," + fraction
	}
	return sign + whole + fraction
}

// germanMoney writes at least two decimals.
func germanMoney(s string) string {
	if decimalPattern.MatchString(s) {
		if _, fraction, point := strings.Cut(s, "."); !point {
			s += ".00"
		} else if len(fraction) < 2 {
			s += "00"[len(fraction):]
		}
	}
	return germanNumber(s)
}
