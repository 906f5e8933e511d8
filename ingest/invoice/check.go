package invoice

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"bestand/preservation"
)

// Check compares the fields with the rules of EN 16931-1, 6.4 that need no
// code lists: what must be there, and which sums must agree. It returns all
// findings. The profiles MINIMUM and BASIC WL of Factur-X are no invoices under
// the norm and are held to less.
func (v *Invoice) Check() []preservation.Finding {
	c := &check{v: v}
	profile := strings.ToLower(v.Profile)
	minimum := strings.HasSuffix(profile, ":minimum")
	noLines := minimum || strings.HasSuffix(profile, ":basicwl")
	if v.Syntax != ZUGFeRD1 {
		c.need("BR-01", "BT-24", v.Profile)
		c.need("BR-04", "BT-3", v.Type)
	}
	c.need("BR-02", "BT-1", v.Number)
	c.need("BR-03", "BT-2", v.Issued.String())
	c.need("BR-05", "BT-5", v.Currency)
	c.need("BR-06", "BT-27", v.Seller.Name)
	c.need("BR-07", "BT-44", v.Buyer.Name)
	if !minimum {
		c.need("BR-09", "BT-40", v.Seller.Country)
		c.need("BR-11", "BT-55", v.Buyer.Country)
		c.amount("BR-12", "BT-106", v.Totals.Lines)
	}
	c.amount("BR-13", "BT-109", v.Totals.Net)
	c.amount("BR-14", "BT-112", v.Totals.Gross)
	c.amount("BR-15", "BT-115", v.Totals.Payable)
	if !noLines && len(v.Lines) == 0 {
		c.add(Incomplete, "BR-16", "BG-25", "the invoice has no line")
	}
	if strings.Contains(profile, "xrechnung") {
		c.need("BR-DE-15", "BT-10", v.BuyerReference)
	}
	if !noLines {
		var nets []string
		for _, l := range v.Lines {
			nets = append(nets, l.Net)
		}
		c.sum("BR-CO-10", "BT-106", v.Totals.Lines, nets, nil)
	}
	if !minimum {
		c.sum("BR-CO-13", "BT-109", v.Totals.Net, []string{v.Totals.Lines, v.Totals.Charges}, []string{v.Totals.Allowances})
		var taxes []string
		for _, t := range v.Taxes {
			taxes = append(taxes, t.Amount)
		}
		if v.Totals.Tax != "" {
			c.sum("BR-CO-14", "BT-110", v.Totals.Tax, taxes, nil)
		}
		c.sum("BR-CO-16", "BT-115", v.Totals.Payable, []string{v.Totals.Gross, v.Totals.Rounding}, []string{v.Totals.Prepaid})
	}
	c.sum("BR-CO-15", "BT-112", v.Totals.Gross, []string{v.Totals.Net, v.Totals.Tax}, nil)
	return c.findings
}

type check struct {
	v        *Invoice
	findings []preservation.Finding
}

func (c *check) add(code, rule, field, detail string) {
	c.findings = append(c.findings, preservation.Finding{Code: code, Severity: preservation.Failed, Subject: field, Detail: detail, Clause: "EN 16931-1 " + rule})
}

func (c *check) need(rule, field, value string) {
	if value == "" {
		c.add(Incomplete, rule, field, field+" is missing or cannot be read")
	}
}

func (c *check) amount(rule, field, value string) {
	if _, ok := decimal(value); !ok {
		c.add(Incomplete, rule, field, field+" is missing or not an amount")
	}
}

// sum compares a total with its parts; a part that is missing counts as
// nothing, an unreadable one has been reported or makes the sum wrong.
func (c *check) sum(rule, field, total string, plus, minus []string) {
	want, ok := decimal(total)
	if !ok {
		return
	}
	got := new(big.Rat)
	for _, s := range plus {
		if d, ok := decimal(s); ok {
			got.Add(got, d)
		}
	}
	for _, s := range minus {
		if d, ok := decimal(s); ok {
			got.Sub(got, d)
		}
	}
	if got.Cmp(want) != 0 {
		c.add(WrongSum, rule, field, fmt.Sprintf("%s is not the sum of its parts", field))
	}
}

var decimalPattern = regexp.MustCompile(`^[+-]?[0-9]{1,18}(?:\.[0-9]{0,12})?$`)

func decimal(s string) (*big.Rat, bool) {
	if !decimalPattern.MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}
