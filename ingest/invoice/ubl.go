package invoice

// parseUBL reads the UBL syntax (EN 16931-3-2).
func parseUBL(r *element, s Syntax) *Invoice {
	kind, line, quantity := "InvoiceTypeCode", "InvoiceLine", "InvoicedQuantity"
	if s == UBLCreditNote {
		kind, line, quantity = "CreditNoteTypeCode", "CreditNoteLine", "CreditedQuantity"
	}
	v := &Invoice{
		Syntax:           s,
		Profile:          r.str("CustomizationID"),
		Number:           r.str("ID"),
		Issued:           date(r.str("IssueDate")),
		Type:             r.str(kind),
		Currency:         r.str("DocumentCurrencyCode"),
		Due:              date(first(r.str("DueDate"), r.str("PaymentMeans/PaymentDueDate"))),
		BuyerReference:   r.str("BuyerReference"),
		Project:          r.str("ProjectReference/ID"),
		Contract:         r.str("ContractDocumentReference/ID"),
		Order:            r.str("OrderReference/ID"),
		Notes:            texts(r.all("Note")),
		PaymentTerms:     r.str("PaymentTerms/Note"),
		PaymentReference: r.str("PaymentMeans/PaymentID"),
		IBANs:            texts(r.all("PaymentMeans/PayeeFinancialAccount/ID")),
		Delivered:        date(r.str("Delivery/ActualDeliveryDate")),
		PeriodStart:      date(r.str("InvoicePeriod/StartDate")),
		PeriodEnd:        date(r.str("InvoicePeriod/EndDate")),
		Seller:           ublParty(r.one("AccountingSupplierParty/Party")),
		Buyer:            ublParty(r.one("AccountingCustomerParty/Party")),
	}
	sums := r.one("LegalMonetaryTotal")
	v.Totals = Totals{
		Lines: sums.str("LineExtensionAmount"), Allowances: sums.str("AllowanceTotalAmount"), Charges: sums.str("ChargeTotalAmount"),
		Net: sums.str("TaxExclusiveAmount"), Gross: sums.str("TaxInclusiveAmount"), Prepaid: sums.str("PrepaidAmount"),
		Rounding: sums.str("PayableRoundingAmount"), Payable: sums.str("PayableAmount"),
	}
	for _, t := range r.all("TaxTotal") {
		if c := t.one("TaxAmount").attribute("currencyID"); c != "" && v.Currency != "" && c != v.Currency {
			continue // BT-111, in the currency of the tax office
		}
		v.Totals.Tax = t.str("TaxAmount")
		for _, b := range t.all("TaxSubtotal") {
			v.Taxes = append(v.Taxes, Tax{Category: b.str("TaxCategory/ID"), Rate: b.str("TaxCategory/Percent"),
				Base: b.str("TaxableAmount"), Amount: b.str("TaxAmount"), Reason: b.str("TaxCategory/TaxExemptionReason")})
		}
	}
	for _, a := range r.all("AllowanceCharge") {
		v.Adjustments = append(v.Adjustments, Adjustment{Charge: a.str("ChargeIndicator") == "true",
			Reason: first(a.str("AllowanceChargeReason"), a.str("AllowanceChargeReasonCode")), Amount: a.str("Amount")})
	}
	for _, l := range r.all(line) {
		v.Lines = append(v.Lines, Line{ID: l.str("ID"), Name: l.str("Item/Name"), Description: l.str("Item/Description"),
			Quantity: l.str(quantity), Unit: l.one(quantity).attribute("unitCode"), Price: l.str("Price/PriceAmount"),
			Net: l.str("LineExtensionAmount"), Category: l.str("Item/ClassifiedTaxCategory/ID"), Rate: l.str("Item/ClassifiedTaxCategory/Percent")})
	}
	for _, d := range r.all("AdditionalDocumentReference") {
		doc := Document{ID: d.str("ID"), Description: d.str("DocumentDescription"), Location: d.str("Attachment/ExternalReference/URI")}
		doc.Name, doc.MIME, doc.Content = embedded(d.one("Attachment/EmbeddedDocumentBinaryObject"))
		v.Documents = append(v.Documents, doc)
	}
	return v
}

func ublParty(p *element) Party {
	a := p.one("PostalAddress")
	party := Party{
		Name:        first(p.str("PartyLegalEntity/RegistrationName"), p.str("PartyName/Name")),
		TradingName: p.str("PartyName/Name"),
		Street:      a.str("StreetName"), City: a.str("CityName"), PostCode: a.str("PostalZone"), Country: a.str("Country/IdentificationCode"),
		Contact: p.str("Contact/Name"), Mail: p.str("Contact/ElectronicMail"), Phone: p.str("Contact/Telephone"),
	}
	for _, t := range p.all("PartyTaxScheme") {
		if t.str("TaxScheme/ID") == "VAT" {
			party.VATID = t.str("CompanyID")
		} else {
			party.TaxNumber = t.str("CompanyID")
		}
	}
	return party
}

// first returns the first that is not empty.
func first(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}
