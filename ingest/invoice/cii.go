package invoice

// parseCII reads the CII syntax (EN 16931-3-3).
func parseCII(r *element, s Syntax) *Invoice {
	doc, trade := r.one("ExchangedDocument"), r.one("SupplyChainTradeTransaction")
	agreed, delivered, settled := trade.one("ApplicableHeaderTradeAgreement"), trade.one("ApplicableHeaderTradeDelivery"), trade.one("ApplicableHeaderTradeSettlement")
	v := &Invoice{
		Syntax:           s,
		Profile:          r.str("ExchangedDocumentContext/GuidelineSpecifiedDocumentContextParameter/ID"),
		Number:           doc.str("ID"),
		Issued:           date(doc.str("IssueDateTime/DateTimeString")),
		Type:             doc.str("TypeCode"),
		Currency:         settled.str("InvoiceCurrencyCode"),
		Due:              date(settled.str("SpecifiedTradePaymentTerms/DueDateDateTime/DateTimeString")),
		BuyerReference:   agreed.str("BuyerReference"),
		Project:          agreed.str("SpecifiedProcuringProject/ID"),
		Contract:         agreed.str("ContractReferencedDocument/IssuerAssignedID"),
		Order:            agreed.str("BuyerOrderReferencedDocument/IssuerAssignedID"),
		Notes:            texts(doc.all("IncludedNote/Content")),
		PaymentTerms:     settled.str("SpecifiedTradePaymentTerms/Description"),
		PaymentReference: settled.str("PaymentReference"),
		IBANs:            texts(settled.all("SpecifiedTradeSettlementPaymentMeans/PayeePartyCreditorFinancialAccount/IBANID")),
		Delivered:        date(delivered.str("ActualDeliverySupplyChainEvent/OccurrenceDateTime/DateTimeString")),
		PeriodStart:      date(settled.str("BillingSpecifiedPeriod/StartDateTime/DateTimeString")),
		PeriodEnd:        date(settled.str("BillingSpecifiedPeriod/EndDateTime/DateTimeString")),
		Seller:           ciiParty(agreed.one("SellerTradeParty")),
		Buyer:            ciiParty(agreed.one("BuyerTradeParty")),
	}
	sums := settled.one("SpecifiedTradeSettlementHeaderMonetarySummation")
	v.Totals = Totals{
		Lines: sums.str("LineTotalAmount"), Allowances: sums.str("AllowanceTotalAmount"), Charges: sums.str("ChargeTotalAmount"),
		Net: sums.str("TaxBasisTotalAmount"), Gross: sums.str("GrandTotalAmount"), Prepaid: sums.str("TotalPrepaidAmount"),
		Rounding: sums.str("RoundingAmount"), Payable: sums.str("DuePayableAmount"),
	}
	for _, t := range sums.all("TaxTotalAmount") {
		if c := t.attribute("currencyID"); c == "" || v.Currency == "" || c == v.Currency {
			v.Totals.Tax = t.value()
			break
		}
	}
	for _, t := range settled.all("ApplicableTradeTax") {
		v.Taxes = append(v.Taxes, Tax{Category: t.str("CategoryCode"), Rate: first(t.str("RateApplicablePercent"), t.str("ApplicablePercent")),
			Base: t.str("BasisAmount"), Amount: t.str("CalculatedAmount"), Reason: t.str("ExemptionReason")})
	}
	for _, a := range settled.all("SpecifiedTradeAllowanceCharge") {
		v.Adjustments = append(v.Adjustments, Adjustment{Charge: a.str("ChargeIndicator/Indicator") == "true",
			Reason: first(a.str("Reason"), a.str("ReasonCode")), Amount: a.str("ActualAmount")})
	}
	for _, l := range trade.all("IncludedSupplyChainTradeLineItem") {
		price, quantity, sum := l.one("SpecifiedLineTradeAgreement"), l.one("SpecifiedLineTradeDelivery/BilledQuantity"), l.one("SpecifiedLineTradeSettlement")
		line := Line{ID: l.str("AssociatedDocumentLineDocument/LineID"), Name: l.str("SpecifiedTradeProduct/Name"),
			Description: l.str("SpecifiedTradeProduct/Description"), Unit: quantity.attribute("unitCode"),
			Price:    price.str("NetPriceProductTradePrice/ChargeAmount"),
			Net:      first(sum.str("SpecifiedTradeSettlementLineMonetarySummation/LineTotalAmount"), sum.str("SpecifiedTradeSettlementMonetarySummation/LineTotalAmount")),
			Category: sum.str("ApplicableTradeTax/CategoryCode"),
			Rate:     first(sum.str("ApplicableTradeTax/RateApplicablePercent"), sum.str("ApplicableTradeTax/ApplicablePercent"))}
		if quantity != nil {
			line.Quantity = quantity.value()
		}
		v.Lines = append(v.Lines, line)
	}
	for _, d := range agreed.all("AdditionalReferencedDocument") {
		doc := Document{ID: d.str("IssuerAssignedID"), Description: d.str("Name"), Location: d.str("URIID")}
		doc.Name, doc.MIME, doc.Content = embedded(d.one("AttachmentBinaryObject"))
		v.Documents = append(v.Documents, doc)
	}
	return v
}

func ciiParty(p *element) Party {
	a, c := p.one("PostalTradeAddress"), p.one("DefinedTradeContact")
	party := Party{
		Name: p.str("Name"), TradingName: p.str("SpecifiedLegalOrganization/TradingBusinessName"),
		Street: a.str("LineOne"), City: a.str("CityName"), PostCode: a.str("PostcodeCode"), Country: a.str("CountryID"),
		Contact: c.str("PersonName"), Mail: c.str("EmailURIUniversalCommunication/URIID"), Phone: c.str("TelephoneUniversalCommunication/CompleteNumber"),
	}
	for _, t := range p.all("SpecifiedTaxRegistration/ID") {
		if t.attribute("schemeID") == "VA" {
			party.VATID = t.value()
		} else {
			party.TaxNumber = t.value()
		}
	}
	return party
}

// What ZUGFeRD 1.0 called by other names.
var newNames = map[string]string{
	"HeaderExchangedDocument":                   "ExchangedDocument",
	"SpecifiedExchangedDocumentContext":         "ExchangedDocumentContext",
	"SpecifiedSupplyChainTradeTransaction":      "SupplyChainTradeTransaction",
	"ApplicableSupplyChainTradeAgreement":       "ApplicableHeaderTradeAgreement",
	"ApplicableSupplyChainTradeDelivery":        "ApplicableHeaderTradeDelivery",
	"ApplicableSupplyChainTradeSettlement":      "ApplicableHeaderTradeSettlement",
	"SpecifiedSupplyChainTradeAgreement":        "SpecifiedLineTradeAgreement",
	"SpecifiedSupplyChainTradeDelivery":         "SpecifiedLineTradeDelivery",
	"SpecifiedSupplyChainTradeSettlement":       "SpecifiedLineTradeSettlement",
	"SpecifiedTradeSettlementMonetarySummation": "SpecifiedTradeSettlementHeaderMonetarySummation",
}

func modernise(e *element) {
	for _, c := range e.children {
		if n, ok := newNames[c.Name.Local]; ok && (e.Name.Local != "SpecifiedLineTradeSettlement" || n != newNames["SpecifiedTradeSettlementMonetarySummation"]) {
			c.Name.Local = n
		}
		modernise(c)
	}
}
