package invoice

import (
	"errors"
	"html"
	"strings"
	"testing"
)

// What an invoice says stands on its page, whether there is a field for it or not.
func TestRest(t *testing.T) {
	const ubl = `<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"><ID>7</ID><Delivery><DeliveryLocation><Address><CityName>Görlitz</CityName></Address></DeliveryLocation></Delivery>` +
		`<PaymentMeans><PayeeFinancialAccount><ID>DE02</ID><Name>Kasse &amp; Co</Name></PayeeFinancialAccount></PaymentMeans>` +
		`<InvoiceLine><ID>1</ID><Note>direkt vom Verlag</Note><Item><Name>Zeitschrift</Name></Item></InvoiceLine><InvoiceLine><ID>2</ID><Note>in 12/2016</Note></InvoiceLine></Invoice>`
	v, err := Parse(t.Context(), strings.NewReader(ubl))
	if err != nil {
		t.Fatal(err)
	}
	want := []Detail{
		{"Delivery / DeliveryLocation / Address / CityName", "Görlitz"}, {"PaymentMeans / PayeeFinancialAccount / Name", "Kasse & Co"},
		{"InvoiceLine / Note", "direkt vom Verlag"}, {"InvoiceLine / Note", "in 12/2016"},
	}
	if len(v.Rest) != len(want) {
		t.Fatalf("%q", v.Rest)
	}
	page, text := html.UnescapeString(string(v.HTML())), v.Text()
	for i, d := range want {
		if v.Rest[i] != d || !strings.Contains(page, d.Value) || !strings.Contains(text, d.Value) {
			t.Errorf("%q, want %q, on page and in text", v.Rest[i], d)
		}
	}
}

// Of an invoice that is all long paths, its fields can be read, and all that it says not.
func TestLongPaths(t *testing.T) {
	name := strings.Repeat("x", 250)
	deep := strings.Repeat("<"+name+">", 90) + strings.Repeat("<a>1</a>", 4000) + strings.Repeat("</"+name+">", 90)
	doc := `<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"><ID>7</ID>` + deep + `</Invoice>`
	_, err := Parse(t.Context(), strings.NewReader(doc))
	if fault, ok := errors.AsType[*Fault](err); !ok || fault.Code != TooLarge {
		t.Errorf("%v, want %s", err, TooLarge)
	}
	if v, err := Fields(t.Context(), strings.NewReader(doc)); err != nil || v.Number != "7" || v.Rest != nil {
		t.Errorf("%+v, %v", v, err)
	}
	many := strings.Replace(doc, deep, strings.Repeat("<a/>", maxFields), 1)
	if _, err := Fields(t.Context(), strings.NewReader(many)); err == nil {
		t.Error("the fields of too many elements were read")
	}
}
