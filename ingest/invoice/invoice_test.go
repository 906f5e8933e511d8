package invoice_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	xhtml "golang.org/x/net/html"

	"bestand/ingest/invoice"
	"bestand/ingest/sandbox"
)

const ubl = `<?xml version="1.0" encoding="UTF-8"?>
<ubl:Invoice xmlns:ubl="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">
<cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0</cbc:CustomizationID>
<cbc:ID>2026-0815</cbc:ID><cbc:IssueDate>2026-03-02</cbc:IssueDate><cbc:DueDate>2026-04-01</cbc:DueDate>
<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode><cbc:Note>Lieferung &amp; &lt;b&gt;Montage&lt;/b&gt;</cbc:Note>
<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode><cbc:BuyerReference>04011000-12345-03</cbc:BuyerReference>
<cac:AdditionalDocumentReference><cbc:ID>A1</cbc:ID><cac:Attachment><cbc:EmbeddedDocumentBinaryObject mimeCode="text/csv" filename="../a.csv">YTtiCg==</cbc:EmbeddedDocumentBinaryObject></cac:Attachment></cac:AdditionalDocumentReference>
<cac:AccountingSupplierParty><cac:Party><cac:PostalAddress><cbc:StreetName>Lindenstraße 12</cbc:StreetName><cbc:CityName>Görlitz</cbc:CityName><cbc:PostalZone>02826</cbc:PostalZone><cac:Country><cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>
<cac:PartyTaxScheme><cbc:CompanyID>DE123456789</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>
<cac:PartyLegalEntity><cbc:RegistrationName>Müller GmbH</cbc:RegistrationName></cac:PartyLegalEntity></cac:Party></cac:AccountingSupplierParty>
<cac:AccountingCustomerParty><cac:Party><cac:PostalAddress><cac:Country><cbc:IdentificationCode>DE</cbc:IdentificationCode></cac:Country></cac:PostalAddress><cac:PartyLegalEntity><cbc:RegistrationName>Gemeinde Beispiel</cbc:RegistrationName></cac:PartyLegalEntity></cac:Party></cac:AccountingCustomerParty>
<cac:PaymentMeans><cac:PayeeFinancialAccount><cbc:ID>DE02120300000000202051</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans>
<cac:TaxTotal><cbc:TaxAmount currencyID="EUR">237.50</cbc:TaxAmount><cac:TaxSubtotal><cbc:TaxableAmount>1250</cbc:TaxableAmount><cbc:TaxAmount>237.5</cbc:TaxAmount><cac:TaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent></cac:TaxCategory></cac:TaxSubtotal></cac:TaxTotal>
<cac:LegalMonetaryTotal><cbc:LineExtensionAmount>1250</cbc:LineExtensionAmount><cbc:TaxExclusiveAmount>1250.00</cbc:TaxExclusiveAmount><cbc:TaxInclusiveAmount>1487.5</cbc:TaxInclusiveAmount><cbc:PayableAmount>1487.5</cbc:PayableAmount></cac:LegalMonetaryTotal>
<cac:InvoiceLine><cbc:ID>1</cbc:ID><cbc:InvoicedQuantity unitCode="HUR">10</cbc:InvoicedQuantity><cbc:LineExtensionAmount>1250</cbc:LineExtensionAmount><cac:Item><cbc:Name>Beratung</cbc:Name><cac:ClassifiedTaxCategory><cbc:ID>S</cbc:ID><cbc:Percent>19</cbc:Percent></cac:ClassifiedTaxCategory></cac:Item><cac:Price><cbc:PriceAmount>125</cbc:PriceAmount></cac:Price></cac:InvoiceLine>
</ubl:Invoice>`

const cii = `<rsm:CrossIndustryInvoice xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100" xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100" xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100">
<rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:cen.eu:en16931:2017</ram:ID></ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext>
<rsm:ExchangedDocument><ram:ID>2026-0815</ram:ID><ram:TypeCode>380</ram:TypeCode><ram:IssueDateTime><udt:DateTimeString format="102">20260302</udt:DateTimeString></ram:IssueDateTime><ram:IncludedNote><ram:Content>Lieferung &amp; &lt;b&gt;Montage&lt;/b&gt;</ram:Content></ram:IncludedNote></rsm:ExchangedDocument>
<rsm:SupplyChainTradeTransaction>
<ram:IncludedSupplyChainTradeLineItem><ram:AssociatedDocumentLineDocument><ram:LineID>1</ram:LineID></ram:AssociatedDocumentLineDocument><ram:SpecifiedTradeProduct><ram:Name>Beratung</ram:Name></ram:SpecifiedTradeProduct><ram:SpecifiedLineTradeAgreement><ram:NetPriceProductTradePrice><ram:ChargeAmount>125</ram:ChargeAmount></ram:NetPriceProductTradePrice></ram:SpecifiedLineTradeAgreement><ram:SpecifiedLineTradeDelivery><ram:BilledQuantity unitCode="HUR">10</ram:BilledQuantity></ram:SpecifiedLineTradeDelivery><ram:SpecifiedLineTradeSettlement><ram:ApplicableTradeTax><ram:CategoryCode>S</ram:CategoryCode><ram:RateApplicablePercent>19</ram:RateApplicablePercent></ram:ApplicableTradeTax><ram:SpecifiedTradeSettlementLineMonetarySummation><ram:LineTotalAmount>1250</ram:LineTotalAmount></ram:SpecifiedTradeSettlementLineMonetarySummation></ram:SpecifiedLineTradeSettlement></ram:IncludedSupplyChainTradeLineItem>
<ram:ApplicableHeaderTradeAgreement><ram:BuyerReference>04011000-12345-03</ram:BuyerReference><ram:SellerTradeParty><ram:Name>Müller GmbH</ram:Name><ram:PostalTradeAddress><ram:PostcodeCode>02826</ram:PostcodeCode><ram:LineOne>Lindenstraße 12</ram:LineOne><ram:CityName>Görlitz</ram:CityName><ram:CountryID>DE</ram:CountryID></ram:PostalTradeAddress><ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">DE123456789</ram:ID></ram:SpecifiedTaxRegistration></ram:SellerTradeParty><ram:BuyerTradeParty><ram:Name>Gemeinde Beispiel</ram:Name><ram:PostalTradeAddress><ram:CountryID>DE</ram:CountryID></ram:PostalTradeAddress></ram:BuyerTradeParty>
<ram:AdditionalReferencedDocument><ram:IssuerAssignedID>A1</ram:IssuerAssignedID><ram:AttachmentBinaryObject mimeCode="text/csv" filename="../a.csv">YTtiCg==</ram:AttachmentBinaryObject></ram:AdditionalReferencedDocument></ram:ApplicableHeaderTradeAgreement>
<ram:ApplicableHeaderTradeSettlement><ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode><ram:SpecifiedTradeSettlementPaymentMeans><ram:PayeePartyCreditorFinancialAccount><ram:IBANID>DE02120300000000202051</ram:IBANID></ram:PayeePartyCreditorFinancialAccount></ram:SpecifiedTradeSettlementPaymentMeans><ram:ApplicableTradeTax><ram:CalculatedAmount>237.5</ram:CalculatedAmount><ram:BasisAmount>1250</ram:BasisAmount><ram:CategoryCode>S</ram:CategoryCode><ram:RateApplicablePercent>19</ram:RateApplicablePercent></ram:ApplicableTradeTax><ram:SpecifiedTradePaymentTerms><ram:DueDateDateTime><udt:DateTimeString format="102">20260401</udt:DateTimeString></ram:DueDateDateTime></ram:SpecifiedTradePaymentTerms>
<ram:SpecifiedTradeSettlementHeaderMonetarySummation><ram:LineTotalAmount>1250</ram:LineTotalAmount><ram:TaxBasisTotalAmount>1250.00</ram:TaxBasisTotalAmount><ram:TaxTotalAmount currencyID="EUR">237.50</ram:TaxTotalAmount><ram:GrandTotalAmount>1487.5</ram:GrandTotalAmount><ram:DuePayableAmount>1487.5</ram:DuePayableAmount></ram:SpecifiedTradeSettlementHeaderMonetarySummation></ram:ApplicableHeaderTradeSettlement>
</rsm:SupplyChainTradeTransaction></rsm:CrossIndustryInvoice>`

// creditNote is the invoice in the other form of UBL.
var creditNote = strings.NewReplacer("ubl:Invoice", "ubl:CreditNote", "xsd:Invoice-2", "xsd:CreditNote-2", "InvoiceTypeCode>380", "CreditNoteTypeCode>381",
	"InvoiceTypeCode", "CreditNoteTypeCode", "InvoiceLine", "CreditNoteLine", "InvoicedQuantity", "CreditedQuantity",
	"<cbc:DueDate>2026-04-01</cbc:DueDate>", "", "<cac:PaymentMeans>", "<cac:PaymentMeans><cbc:PaymentDueDate>2026-04-01</cbc:PaymentDueDate>").Replace(ubl)

// zugferd1 uses the names that CII has since given up.
var zugferd1 = strings.NewReplacer("urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100", "urn:ferd:CrossIndustryDocument:invoice:1p0", "CrossIndustryInvoice", "CrossIndustryDocument",
	"rsm:ExchangedDocument>", "rsm:HeaderExchangedDocument>", "ExchangedDocumentContext", "SpecifiedExchangedDocumentContext", "SupplyChainTradeTransaction", "SpecifiedSupplyChainTradeTransaction",
	"ApplicableHeaderTradeAgreement", "ApplicableSupplyChainTradeAgreement", "ApplicableHeaderTradeSettlement", "ApplicableSupplyChainTradeSettlement",
	"SpecifiedLineTrade", "SpecifiedSupplyChainTrade", "SettlementHeaderMonetary", "SettlementMonetary", "SettlementLineMonetary", "SettlementMonetary").Replace(cii)

func parse(t testing.TB, s string) *invoice.Invoice {
	t.Helper()
	v, err := invoice.Parse(context.Background(), strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// All syntaxes say the same.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, xml string
		syntax    invoice.Syntax
		kind      string
	}{
		{"ubl", ubl, invoice.UBLInvoice, "380"}, {"credit note", creditNote, invoice.UBLCreditNote, "381"},
		{"cii", cii, invoice.CII, "380"}, {"zugferd 1", zugferd1, invoice.ZUGFeRD1, "380"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := parse(t, c.xml)
			if v.Syntax != c.syntax || v.Type != c.kind || v.Number != "2026-0815" || v.Issued.String() != "2026-03-02" || v.Due.String() != "2026-04-01" ||
				v.Currency != "EUR" || v.BuyerReference != "04011000-12345-03" || v.Seller.Name != "Müller GmbH" || v.Seller.City != "Görlitz" ||
				v.Seller.VATID != "DE123456789" || v.Buyer.Name != "Gemeinde Beispiel" || v.Totals.Payable != "1487.5" || v.Totals.Tax != "237.50" || len(v.IBANs) != 1 {
				t.Errorf("%+v", v)
			}
			if len(v.Lines) != 1 || v.Lines[0] != (invoice.Line{ID: "1", Name: "Beratung", Quantity: "10", Unit: "HUR", Price: "125", Net: "1250", Category: "S", Rate: "19"}) {
				t.Errorf("lines %+v", v.Lines)
			}
			if len(v.Documents) != 1 || v.Documents[0].Name != "../a.csv" || string(v.Documents[0].Content) != "a;b\n" {
				t.Errorf("documents %+v", v.Documents)
			}
			if f := v.Check(); len(f) != 0 {
				t.Errorf("findings %v", f)
			}
			if s := v.Text(); !strings.Contains(s, "Müller GmbH") || !strings.Contains(s, "Beratung") {
				t.Errorf("text %q", s)
			}
			page := string(v.HTML())
			for _, want := range []string{"2026-0815", "02.03.2026", "1.487,50", "10", "Std.", "Lieferung &amp; &lt;b&gt;Montage&lt;/b&gt;", "Görlitz"} {
				if !strings.Contains(page, want) {
					t.Errorf("%q is not on the page", want)
				}
			}
			passive(t, page)
		})
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct{ name, old, new, code, clause string }{
		{"no number", "<cbc:ID>2026-0815</cbc:ID>", "", invoice.Incomplete, "BR-02"},
		{"impossible date", "2026-03-02", "2026-02-30", invoice.Incomplete, "BR-03"},
		{"no Leitweg-ID", "<cbc:BuyerReference>04011000-12345-03</cbc:BuyerReference>", "", invoice.Incomplete, "BR-DE-15"},
		{"wrong line", "<cbc:LineExtensionAmount>1250</cbc:LineExtensionAmount><cac:Item>", "<cbc:LineExtensionAmount>1249</cbc:LineExtensionAmount><cac:Item>", invoice.WrongSum, "BR-CO-10"},
		{"wrong tax", "<cbc:TaxAmount>237.5<", "<cbc:TaxAmount>237.51<", invoice.WrongSum, "BR-CO-14"},
		{"wrong total", "<cbc:PayableAmount>1487.5<", "<cbc:PayableAmount>1478.5<", invoice.WrongSum, "BR-CO-16"},
		{"amount in words", "<cbc:PayableAmount>1487.5<", "<cbc:PayableAmount>viel<", invoice.Incomplete, "BR-15"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := parse(t, strings.Replace(ubl, c.old, c.new, 1)).Check()
			if len(f) != 1 || f[0].Code != c.code || !strings.HasSuffix(f[0].Clause, c.clause) {
				t.Errorf("findings %v, want %s %s", f, c.code, c.clause)
			}
		})
	}
	if f := parse(t, strings.Replace(cii, "urn:cen.eu:en16931:2017", "urn:factur-x.eu:1p0:minimum", 1)).Check(); len(f) != 0 {
		t.Errorf("MINIMUM: %v", f)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, xml, code string }{
		{"empty", "", invoice.Malformed},
		{"cut", ubl[:len(ubl)/2], invoice.Malformed},
		{"other xml", "<a/>", invoice.NoInvoice},
		{"same name, other namespace", "<Invoice/>", invoice.NoInvoice},
		{"document type", `<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`, invoice.HasDTD},
		{"entity", "<a>&x;</a>", invoice.Malformed},
		{"too deep", strings.Repeat("<a>", 200), invoice.TooLarge},
		{"two roots", "<a/><b/>", invoice.Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := invoice.Parse(context.Background(), strings.NewReader(c.xml))
			f, ok := errors.AsType[*invoice.Fault](err)
			if !ok || f.Code != c.code || f.Finding().Code != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := invoice.Parse(ctx, strings.NewReader(ubl)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestXMLPage(t *testing.T) {
	const doc = `<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE a SYSTEM "http://evil/x.dtd"><x:a xmlns:x="urn:x"><b t="&quot;&gt;&lt;script&gt;">Gr` + "\xfc" + `&#223;e &lt;script&gt;</b><c/><!-- so --></x:a>`
	page, findings, err := invoice.XMLPage(context.Background(), strings.NewReader(doc), "Akte <1>")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Akte &lt;1&gt;", "&lt;x:a xmlns:x=&quot;urn:x&quot;&gt;", "Grüße &lt;script&gt;", "\n  &lt;b t="} {
		if !strings.Contains(string(page), want) {
			t.Errorf("%q is not on the page:\n%s", want, page)
		}
	}
	if len(findings) != 1 || findings[0].Code != invoice.HasDTD || strings.Contains(string(page), "evil") {
		t.Errorf("findings %v", findings)
	}
	passive(t, string(page))
	for _, bad := range []string{"", "<a>", "</a>", "text", "<a>&x;</a>"} {
		if _, _, err := invoice.XMLPage(context.Background(), strings.NewReader(bad), ""); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	_, findings, err = invoice.XMLPage(context.Background(), strings.NewReader("<a>"+strings.Repeat("<b>c</b>", 1<<20)+"</a>"), "")
	if err != nil || len(findings) != 1 || findings[0].Code != invoice.Shortened {
		t.Errorf("long document: %v, %v", findings, err)
	}
}

// passive fails when a page holds more than formatting.
func passive(t testing.TB, page string) {
	t.Helper()
	allowed := " html head meta title style body h1 h2 p table thead tbody tr th td ul li br small pre "
	z := xhtml.NewTokenizer(strings.NewReader(page))
	for z.Next() != xhtml.ErrorToken {
		tok := z.Token()
		if tok.Type != xhtml.StartTagToken && tok.Type != xhtml.SelfClosingTagToken {
			continue
		}
		if !strings.Contains(allowed, " "+tok.Data+" ") {
			t.Errorf("element %v", tok)
		}
		for _, a := range tok.Attr {
			if !strings.Contains(" lang charset class scope ", " "+a.Key+" ") {
				t.Errorf("attribute %v", a)
			}
		}
	}
}

func skip(t *testing.T, why any) {
	t.Helper()
	if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func box(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.New(t.Context())
	if err != nil {
		skip(t, err)
	}
	return s
}

func TestWellFormed(t *testing.T) {
	b, dir := box(t), t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("geheim"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, xml, code string }{
		{"ubl", ubl, ""}, {"cut", ubl[:len(ubl)/2], invoice.Malformed},
		{"external entity is not read", `<!DOCTYPE a [<!ENTITY x SYSTEM "file://` + secret + `">]><a>&x;</a>`, ""},
	} {
		p := filepath.Join(dir, "source")
		if err := os.WriteFile(p, []byte(c.xml), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := invoice.WellFormed(t.Context(), b, dir, p)
		if errors.Is(err, sandbox.ErrMissing) {
			skip(t, err)
		}
		if err != nil || (c.code == "") != (len(f) == 0) || len(f) > 0 && f[0].Code != c.code {
			t.Errorf("%s: %v, %v", c.name, f, err)
		}
	}
	if a := invoice.XMLAgent(t.Context(), b, dir); a.Version == "" {
		t.Errorf("agent %+v", a)
	}
}

func TestFromPDF(t *testing.T) {
	b, dir := box(t), t.TempDir()
	qpdf, err := exec.LookPath("qpdf")
	if err != nil {
		skip(t, err)
	}
	src, other := filepath.Join(dir, "x.xml"), filepath.Join(dir, "y.xml")
	for p, s := range map[string]string{src: cii, other: "<a/>"} {
		if err := os.WriteFile(p, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := func(args ...string) string {
		out := filepath.Join(dir, "out.pdf")
		if msg, err := exec.Command(qpdf, append([]string{"--empty"}, append(args, out)...)...).CombinedOutput(); err != nil {
			t.Fatalf("qpdf: %v\n%s", err, msg)
		}
		return out
	}
	pdf := build("--add-attachment", other, "--key=anlage.xml", "--", "--add-attachment", src, "--key=Factur-X.xml", "--")
	e, err := invoice.FromPDF(t.Context(), b, dir, pdf)
	if err != nil || e.Name != "Factur-X.xml" || string(e.XML) != cii {
		t.Errorf("got %q, %d bytes, %v", e.Name, len(e.XML), err)
	}
	if _, err := invoice.FromPDF(t.Context(), b, dir, build("--add-attachment", other, "--key=anlage.xml", "--")); !errors.Is(err, invoice.ErrNone) {
		t.Errorf("other attachment: %v", err)
	}
	if _, err := invoice.FromPDF(t.Context(), b, dir, src); !errors.Is(err, invoice.ErrNone) {
		t.Errorf("no PDF: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{ubl, creditNote, cii, zugferd1, "<a/>", `<?xml version="1.0" encoding="utf-16"?><a/>`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := invoice.Parse(context.Background(), strings.NewReader(string(b))); err == nil {
			v.Check()
			v.Text()
			passive(t, string(v.HTML()))
		} else if _, ok := errors.AsType[*invoice.Fault](err); !ok {
			t.Errorf("not a fault: %v", err)
		}
		if page, _, err := invoice.XMLPage(context.Background(), strings.NewReader(string(b)), string(b[:min(len(b), 20)])); err == nil {
			passive(t, string(page))
		}
	})
}
