package invoice

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"bestand/preservation"
)

// Syntax is the XML language of an invoice.
type Syntax string

const (
	UBLInvoice    Syntax = "UBL 2.1 Invoice"
	UBLCreditNote Syntax = "UBL 2.1 CreditNote"
	CII           Syntax = "UN/CEFACT CII D16B"
	ZUGFeRD1      Syntax = "ZUGFeRD 1.0"
)

// SyntaxOf names the syntax of a root element; empty when it is no invoice.
func SyntaxOf(space, local string) Syntax {
	switch {
	case local == "Invoice" && space == "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2":
		return UBLInvoice
	case local == "CreditNote" && space == "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2":
		return UBLCreditNote
	case local == "CrossIndustryInvoice" && space == "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100":
		return CII
	case local == "CrossIndustryDocument" && strings.HasPrefix(space, "urn:ferd:CrossIndustryDocument:invoice:1p0"):
		return ZUGFeRD1
	}
	return ""
}

// Invoice holds the fields of an invoice as they are written. Amounts are
// decimal numbers in Currency; a field that is missing is empty.
type Invoice struct {
	Syntax           Syntax
	Profile          string            // BT-24
	Number           string            // BT-1
	Issued           preservation.Date // BT-2
	Type             string            // BT-3, UNTDID 1001: 380 invoice, 381 credit note
	Currency         string            // BT-5
	Due              preservation.Date // BT-9
	BuyerReference   string            // BT-10: the Leitweg-ID of public buyers
	Project          string            // BT-11
	Contract         string            // BT-12
	Order            string            // BT-13
	Notes            []string          // BT-22
	PaymentTerms     string            // BT-20
	PaymentReference string            // BT-83
	IBANs            []string          // BT-84
	Delivered        preservation.Date // BT-72
	PeriodStart      preservation.Date // BT-73
	PeriodEnd        preservation.Date // BT-74
	Seller           Party             // BG-4
	Buyer            Party             // BG-7
	Totals           Totals            // BG-22
	Adjustments      []Adjustment      // BG-20, BG-21
	Taxes            []Tax             // BG-23
	Lines            []Line            // BG-25
	Documents        []Document        // BG-24
	Rest             []Detail          // all else that the document says
}

// Detail is an element that has no field of its own.
type Detail struct{ Path, Value string }

// Party is a seller or buyer.
type Party struct {
	Name, TradingName string
	VATID, TaxNumber  string
	Street, City      string
	PostCode, Country string
	Contact           string
	Mail, Phone       string
}

// Totals are the sums of the document.
type Totals struct {
	Lines      string // BT-106
	Allowances string // BT-107
	Charges    string // BT-108
	Net        string // BT-109
	Tax        string // BT-110
	Gross      string // BT-112
	Prepaid    string // BT-113
	Rounding   string // BT-114
	Payable    string // BT-115
}

// Adjustment is an allowance or a charge on the whole document.
type Adjustment struct {
	Charge         bool
	Reason, Amount string
}

// Tax is one line of the VAT breakdown.
type Tax struct{ Category, Rate, Base, Amount, Reason string }

// Line is an invoice line.
type Line struct {
	ID, Name, Description, Quantity, Unit, Price, Net, Category, Rate string
}

// Document is a supporting document, embedded or by reference.
type Document struct {
	ID, Description, Location string
	Name, MIME                string
	Content                   []byte // nil when it is not embedded
}

// Parse reads an invoice of any of the syntaxes. The error is a *Fault when
// the file itself is the reason.
func Parse(ctx context.Context, r io.Reader) (*Invoice, error) {
	v, root, err := parse(ctx, r, maxElements)
	if err == nil {
		v.Rest, err = root.unread()
	}
	if err != nil {
		return nil, fmt.Errorf("invoice: %w", err)
	}
	return v, nil
}

// Fields reads an invoice as Parse does, without Rest, and refuses one of more than
// 50,000 elements: it takes little memory, also of a file that was made to take much.
func Fields(ctx context.Context, r io.Reader) (*Invoice, error) {
	v, _, err := parse(ctx, r, maxFields)
	if err != nil {
		return nil, fmt.Errorf("invoice: %w", err)
	}
	return v, nil
}

// parse reads the fields of an invoice of at most so many elements.
func parse(ctx context.Context, r io.Reader, elements int) (*Invoice, *element, error) {
	root, err := parseTree(ctx, r, elements)
	if err != nil {
		return nil, nil, err
	}
	s := SyntaxOf(root.Name.Space, root.Name.Local)
	switch s {
	case UBLInvoice, UBLCreditNote:
		return parseUBL(root, s), root, nil
	case ZUGFeRD1:
		modernise(root)
		fallthrough
	case CII:
		return parseCII(root, s), root, nil
	}
	return nil, nil, &Fault{NoInvoice, "the root element is not that of an invoice"}
}

// Text returns what search should find.
func (v *Invoice) Text() string {
	w := []string{v.Number, v.BuyerReference, v.Project, v.Contract, v.Order, v.PaymentReference, v.PaymentTerms}
	for _, p := range []Party{v.Seller, v.Buyer} {
		w = append(w, p.Name, p.TradingName, p.VATID, p.TaxNumber, p.Street, p.PostCode, p.City, p.Contact, p.Mail)
	}
	w = append(w, v.Notes...)
	w = append(w, v.IBANs...)
	for _, l := range v.Lines {
		w = append(w, l.Name, l.Description)
	}
	for _, d := range v.Rest {
		w = append(w, d.Value)
	}
	for _, d := range v.Documents {
		w = append(w, d.ID, d.Description, d.Name)
	}
	var out []string
	for _, s := range w {
		if s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, "\n")
}

// date reads the forms that the syntaxes use: 2006-01-02 and 20060102.
func date(s string) preservation.Date {
	if len(s) == 8 {
		s = s[:4] + "-" + s[4:6] + "-" + s[6:]
	}
	if len(s) > 10 { // with a zone, which a civil day does not need
		s = s[:10]
	}
	d, err := preservation.ParseDate(s)
	if err != nil {
		return preservation.Date{}
	}
	return d
}

func texts(es []*element) (out []string) {
	for _, e := range es {
		if s := e.value(); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// embedded decodes a binary object of BT-125; nil when it is none.
func embedded(e *element) (name, kind string, content []byte) {
	if e == nil {
		return "", "", nil
	}
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(e.value()), ""))
	if err != nil || len(b) == 0 {
		return e.attribute("filename"), e.attribute("mimeCode"), nil
	}
	return e.attribute("filename"), e.attribute("mimeCode"), b
}
