package ui

import (
	"bytes"
	"context"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"

	"golang.org/x/text/encoding/htmlindex"

	"bestand/api"
	"bestand/ingest/invoice"
	"bestand/preservation"
)

// labelled is what a file says under a heading of its format.
type labelled struct{ Label, Value string }

// isSource reports whether the text of files of a media type is for programs, so that
// people are shown first what it says.
func isSource(media string) bool {
	return media == "message/rfc822" || media == "text/xml" || media == "application/xml" || strings.HasSuffix(media, "+xml")
}

// explain takes from the text of a message its header, and from that of an electronic
// invoice its fields. Of other files, and of those that are cut off or wrong, it tells
// nothing: their text and their rendition say what is there.
func (p *pane) explain(ctx context.Context, l *language, media string, text []byte, whole bool) {
	switch {
	case media == "message/rfc822":
		p.Said = messageHead(text)
	case whole:
		if v, err := invoice.Fields(ctx, bytes.NewReader(text)); err == nil {
			p.Said, p.Lines = invoiceFields(l, v), invoiceLines(v)
		}
	}
}

// messageHead is the header of a message (RFC 5322, 3.6), decoded (RFC 2047).
func messageHead(text []byte) (all []labelled) {
	m, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		return nil
	}
	words := mime.WordDecoder{CharsetReader: func(charset string, in io.Reader) (io.Reader, error) {
		enc, err := htmlindex.Get(charset)
		if err != nil {
			return nil, err
		}
		return enc.NewDecoder().Reader(in), nil
	}}
	for _, f := range []struct{ name, label string }{{"From", "message.from"}, {"To", "message.to"}, {"Cc", "message.cc"}, {"Date", "message.date"}, {"Subject", "message.subject"}} {
		value := m.Header.Get(f.name)
		if decoded, err := words.DecodeHeader(value); err == nil {
			value = decoded
		}
		if value != "" {
			all = append(all, labelled{f.label, legible([]byte(value), "")})
		}
	}
	return all
}

// invoiceFields are those that an invoice is known by (EN 16931-1).
func invoiceFields(l *language, v *invoice.Invoice) (all []labelled) {
	money := func(amount string) string {
		if amount == "" {
			return ""
		}
		return strings.TrimSpace(l.decimal(amount) + " " + v.Currency)
	}
	for _, f := range []labelled{
		{"invoice.number", v.Number}, {"invoice.seller", v.Seller.Name}, {"invoice.buyer", v.Buyer.Name}, {"invoice.issued", l.date(v.Issued)}, {"invoice.due", l.date(v.Due)},
		{"invoice.reference", v.BuyerReference}, {"invoice.order", v.Order}, {"invoice.purpose", v.PaymentReference}, {"invoice.account", strings.Join(v.IBANs, ", ")},
		{"invoice.net", money(v.Totals.Net)}, {"invoice.tax", money(v.Totals.Tax)}, {"invoice.gross", money(v.Totals.Gross)}, {"invoice.payable", money(v.Totals.Payable)},
	} {
		if f.Value != "" {
			all = append(all, labelled{f.Label, legible([]byte(f.Value), "")})
		}
	}
	return all
}

// invoiceLines are those of an invoice, with what a page shows of them.
func invoiceLines(v *invoice.Invoice) (all []invoice.Line) {
	for _, of := range v.Lines {
		l := invoice.Line{ID: of.ID, Name: of.Name, Quantity: of.Quantity, Price: of.Price, Net: of.Net}
		for _, s := range []*string{&l.ID, &l.Name, &l.Quantity, &l.Price, &l.Net} {
			*s = legible([]byte(*s), "")
		}
		all = append(all, l)
	}
	return all
}

// decimal writes a decimal number as the language does, every digit of it.
func (l *language) decimal(n string) string {
	if l.code == "de" {
		return strings.ReplaceAll(n, ".", ",")
	}
	return n
}

// readableFirst puts the rendition of a document before its source.
func readableFirst(panes []pane) {
	if len(panes) == 0 || !panes[0].Source {
		return
	}
	slices.SortStableFunc(panes, func(a, b pane) int { return a.rank() - b.rank() })
}

func (p *pane) rank() int {
	if p.File.Representation == preservation.Preservation && !p.Source {
		return 0
	}
	return 1
}

// takenOut are the documents that were taken out of another one.
func takenOut(all []pair, of api.File) (files []api.File) {
	for _, p := range all {
		if p.From != "" && p.Original.DerivedFrom == of.ID {
			files = append(files, p.Original)
		}
	}
	return files
}
