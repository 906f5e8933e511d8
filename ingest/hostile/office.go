package hostile

import (
	"fmt"
	"strings"
)

const odfSpaces = `xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" ` +
	`xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" ` +
	`xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:script="urn:oasis:names:tc:opendocument:xmlns:script:1.0" ` +
	`xmlns:ooo="http://openoffice.org/2004/office" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" ` +
	`xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" office:version="1.2"`

func paragraph(s string) string { return "<text:p>" + s + "</text:p>" }

// odtParts is a text document with what stands before its body, such as scripts, and in it.
func odtParts(before, body string, more ...part) []part {
	return odfParts("application/vnd.oasis.opendocument.text", before, "<office:text>"+body+"</office:text>", more...)
}

func odfParts(mime, before, body string, more ...part) []part {
	manifest := `<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.2">` +
		`<manifest:file-entry manifest:full-path="/" manifest:media-type="` + mime + `"/>` +
		`<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>`
	for _, p := range more {
		manifest += `<manifest:file-entry manifest:full-path="` + p.name + `" manifest:media-type=""/>`
	}
	return append([]part{
		{"mimetype", []byte(mime)},
		{"content.xml", []byte(`<?xml version="1.0" encoding="UTF-8"?><office:document-content ` + odfSpaces + `>` + before + `<office:body>` + body + `</office:body></office:document-content>`)},
		{"META-INF/manifest.xml", []byte(manifest + `</manifest:manifest>`)},
	}, more...)
}

func odt(before, body string, more ...part) []byte { return pack(odtParts(before, body, more...)...) }

const (
	wordSpaces = `xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" ` +
		`xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" ` +
		`xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture" xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office"`
	relType = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
)

// relation is an entry of a .rels part.
func relation(id, kind, target, mode string) string {
	if mode != "" {
		mode = ` TargetMode="` + mode + `"`
	}
	return fmt.Sprintf(`<Relationship Id="%s" Type="%s%s" Target="%s"%s/>`, id, relType, kind, target, mode)
}

func relations(entries string) []byte {
	return []byte(`<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` + entries + `</Relationships>`)
}

func run(s string) string { return `<w:p><w:r><w:t xml:space="preserve">` + s + `</w:t></w:r></w:p>` }

// docx is a Word document with a body and relations of its main part.
func docx(body, rels string, more ...part) []byte {
	types := `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>` +
		`<Default Extension="png" ContentType="image/png"/><Default Extension="html" ContentType="text/html"/><Default Extension="bin" ContentType="application/vnd.openxmlformats-officedocument.oleObject"/>` +
		`<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/>` +
		`<Override PartName="/word/settings.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.settings+xml"/></Types>`
	return pack(append([]part{
		{"[Content_Types].xml", []byte(types)},
		{"_rels/.rels", relations(relation("rId1", "officeDocument", "word/document.xml", ""))},
		{"word/document.xml", []byte(`<?xml version="1.0" encoding="UTF-8"?><w:document ` + wordSpaces + `><w:body>` + body + `</w:body></w:document>`)},
		{"word/_rels/document.xml.rels", relations(rels)},
	}, more...)...)
}

func plainDOCX() []byte { return docx(run(Marker), "") }

const sheetSpace = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"`

// xlsx is a workbook of one sheet.
func xlsx(sheet, workbook, rels string, more ...part) []byte {
	types := `<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">` +
		`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>` +
		`<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>` +
		`<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>` +
		`<Override PartName="/xl/externalLinks/externalLink1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.externalLink+xml"/>` +
		`<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>`
	return pack(append([]part{
		{"[Content_Types].xml", []byte(types)},
		{"_rels/.rels", relations(relation("rId1", "officeDocument", "xl/workbook.xml", ""))},
		{"xl/workbook.xml", []byte(`<?xml version="1.0"?><workbook ` + sheetSpace + `><sheets><sheet name="Blatt" sheetId="1" r:id="rId1"/></sheets>` + workbook + `</workbook>`)},
		{"xl/_rels/workbook.xml.rels", relations(relation("rId1", "worksheet", "worksheets/sheet1.xml", "") + rels)},
		{"xl/worksheets/sheet1.xml", []byte(`<?xml version="1.0"?><worksheet ` + sheetSpace + `><sheetData>` + sheet + `</sheetData></worksheet>`)},
	}, more...)...)
}

func inline(cell, s string) string {
	return fmt.Sprintf(`<row><c r="%s" t="inlineStr"><is><t>%s</t></is></c></row>`, cell, s)
}

const lol = `<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a0 "Lindenstrasse ">` +
	`<!ENTITY a1 "&a0;&a0;&a0;&a0;&a0;&a0;&a0;&a0;&a0;&a0;"><!ENTITY a2 "&a1;&a1;&a1;&a1;&a1;&a1;&a1;&a1;&a1;&a1;">` +
	`<!ENTITY a3 "&a2;&a2;&a2;&a2;&a2;&a2;&a2;&a2;&a2;&a2;"><!ENTITY a4 "&a3;&a3;&a3;&a3;&a3;&a3;&a3;&a3;&a3;&a3;">` +
	`<!ENTITY a5 "&a4;&a4;&a4;&a4;&a4;&a4;&a4;&a4;&a4;&a4;"><!ENTITY a6 "&a5;&a5;&a5;&a5;&a5;&a5;&a5;&a5;&a5;&a5;">` +
	`<!ENTITY a7 "&a6;&a6;&a6;&a6;&a6;&a6;&a6;&a6;&a6;&a6;"><!ENTITY a8 "&a7;&a7;&a7;&a7;&a7;&a7;&a7;&a7;&a7;&a7;">` +
	`<!ENTITY a9 "&a8;&a8;&a8;&a8;&a8;&a8;&a8;&a8;&a8;&a8;">]>`

// officeBombs are small files that ask for much.
func officeBombs() []File {
	table := func(rows, columns string) string {
		return `<office:spreadsheet><table:table table:name="T"><table:table-row table:number-rows-repeated="` + rows + `">` +
			`<table:table-cell table:number-columns-repeated="` + columns + `" office:value-type="string"><text:p>x</text:p></table:table-cell></table:table-row></table:table></office:spreadsheet>`
	}
	const ods = "application/vnd.oasis.opendocument.spreadsheet"
	grid := strings.Repeat(`<w:tbl><w:tr><w:tc>`, 3000) + run(Marker) + strings.Repeat(`</w:tc></w:tr></w:tbl><w:p/>`, 3000)
	return []File{
		{Name: "paragraphs.odt", Heavy: true, Content: func() []byte { return odt("", strings.Repeat(paragraph(Marker), 3_000_000)) }},
		{Name: "spaces.odt", Content: func() []byte { return odt("", paragraph(Marker+`<text:s text:c="2000000000"/>`)) }},
		{Name: "one-text-60mib.odt", Heavy: true, Content: func() []byte { return odt("", paragraph(strings.Repeat("Lindenstrasse ", 60<<20/14))) }},
		{Name: "one-text-60mib.docx", Heavy: true, Content: func() []byte { return docx(run(strings.Repeat("Lindenstrasse ", 60<<20/14)), "") }},
		{Name: "attribute-60mib.odt", Content: func() []byte {
			return odt("", `<text:p text:style-name="`+strings.Repeat("x", 60<<20)+`">`+Marker+`</text:p>`)
		}, Heavy: true},
		{Name: "rows.ods", Heavy: true, Content: func() []byte { return pack(odfParts(ods, "", table("1048576", "1024"))...) }},
		{Name: "strings.xlsx", Heavy: true, Content: func() []byte {
			return xlsx(inline("A1", Marker), "", relation("rId2", "sharedStrings", "sharedStrings.xml", ""),
				part{"xl/sharedStrings.xml", []byte(`<sst ` + sheetSpace + `>` + strings.Repeat(`<si/>`, 12_000_000) + `</sst>`)})
		}},
		{Name: "tables-3000.docx", Heavy: true, Content: func() []byte { return docx(grid, "") }},
		{Name: "elements-1m.odt", Content: func() []byte {
			return odt("", strings.Repeat("<text:section>", 1_000_000)+paragraph(Marker)+strings.Repeat("</text:section>", 1_000_000))
		}},
		{Name: "elements-1m.docx", Content: func() []byte {
			return docx(strings.Repeat("<w:sdt><w:sdtContent>", 500_000)+run(Marker)+strings.Repeat("</w:sdtContent></w:sdt>", 500_000), "")
		}},
		{Name: "entities.odt", Content: func() []byte {
			parts := odtParts("", paragraph(Marker))
			parts[1].content = []byte(lol + `<office:document-content ` + odfSpaces + `><office:body><office:text>` + paragraph("&a9;") + `</office:text></office:body></office:document-content>`)
			return pack(parts...)
		}},
		{Name: "entities.docx", Content: func() []byte {
			return docx("", "", part{"word/settings.xml", []byte(lol + `<w:settings ` + wordSpaces + `>&a9;</w:settings>`)})
		}},
		{Name: "picture-60000.docx", Content: func() []byte {
			return docx(run(Marker)+wordPicture("rId5"), relation("rId5", "image", "media/a.png", ""), part{"word/media/a.png", hugePNG(60000, 60000, 1000)})
		}},
		{Name: "formula-loop.xlsx", Content: func() []byte {
			return xlsx(`<row r="1"><c r="A1"><f>B1</f></c><c r="B1"><f>A1</f></c><c r="C1" t="inlineStr"><is><t>`+Marker+`</t></is></c></row>`, "", "")
		}, Shows: true},
		{Name: "columns.xlsx", Heavy: true, Content: func() []byte {
			return xlsx(inline("XFD1048576", Marker), "", "")
		}},
	}
}

func wordPicture(id string) string {
	return `<w:p><w:r><w:drawing><wp:inline><wp:extent cx="914400" cy="914400"/><wp:docPr id="1" name="p"/><a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture">` +
		`<pic:pic><pic:nvPicPr><pic:cNvPr id="1" name="p"/><pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip r:embed="` + id + `"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>` +
		`<pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="914400" cy="914400"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>`
}
