package ui

import (
	"testing"

	"bestand/api"
	"bestand/preservation"
)

// TestFormatNames: people read what they call a format; what they have no name for stands
// as PRONOM has it.
func TestFormatNames(t *testing.T) {
	if err := loadTexts(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, version, de, en string }{
		{"Acrobat PDF/A - Portable Document Format", "2b", "PDF/A-2b (Archivformat)", "PDF/A-2b (for archiving)"},
		{"Acrobat PDF/A - Portable Document Format", "4", "PDF/A-4 (Archivformat)", "PDF/A-4 (for archiving)"},
		{"Acrobat PDF 1.7 - Portable Document Format", "1.7", "PDF 1.7", "PDF 1.7"},
		{"PDF 2.0 - Portable Document Format", "2.0", "PDF 2.0", "PDF 2.0"},
		{"Acrobat PDF/X - Portable Document Format - Exchange PDF/X-4", "", "PDF/X (Druckvorlage)", "PDF/X (for printing)"},
		{"Microsoft Word for Windows", "2007 onwards", "Word-Dokument (ab 2007)", "Word document (2007 onwards)"},
		{"Microsoft Word Document", "97-2003", "Word-Dokument (97–2003)", "Word document (97–2003)"},
		{"Microsoft Word Document Template", "97-2003", "Word-Vorlage (97–2003)", "Word template (97–2003)"},
		{"Microsoft Word Document (Password Protected)", "97-2003", "Office-Datei mit Kennwort", "Office file with a password"},
		{"Macro enabled Microsoft Word Document OOXML", "2007 Onwards", "Word-Dokument mit Makros (ab 2007)", "Word document with macros (2007 onwards)"},
		{"Microsoft Excel 97-2003 Workbook (xls)", "8 & 8X", "Excel-Tabelle (97–2003)", "Excel workbook (97–2003)"},
		{"Excel 95 Workbook (xls)", "7", "Excel-Tabelle (95)", "Excel workbook (95)"},
		{"Microsoft Excel for Windows", "2007 onwards", "Excel-Tabelle (ab 2007)", "Excel workbook (2007 onwards)"},
		{"Microsoft Powerpoint for Windows", "2007 onwards", "PowerPoint-Präsentation (ab 2007)", "PowerPoint presentation (2007 onwards)"},
		{"OpenDocument Text", "1.3", "OpenDocument-Text (1.3)", "OpenDocument text (1.3)"},
		{"Internet Message Format", "", "E-Mail", "E-mail"},
		{"Exchangeable Image File Format (Compressed)", "2.3.x", "JPEG-Bild", "JPEG image"},
		{"Tagged Image File Format", "6", "TIFF-Bild", "TIFF image"},
		{"Comma Separated Values", "", "Tabelle als Text (CSV)", "Table as text (CSV)"},
		{"ZIP Format", "", "ZIP-Archiv", "ZIP archive"},
		{"Q&A Word Processor Document", "", "Q&A Word Processor Document", "Q&A Word Processor Document"},
	} {
		f := preservation.Format{Name: c.name, Version: c.version}
		if de, en := languages[0].format(f), languages[1].format(f); de != c.de || en != c.en {
			t.Errorf("%s %s: %q, %q", c.name, c.version, de, en)
		}
	}
	if got := languages[0].format(preservation.Format{MIME: "application/x-dms"}); got != "application/x-dms" {
		t.Errorf("without a name: %q", got)
	}
}

// TestFormatFacet: formats that are called the same are told apart where they are chosen.
func TestFormatFacet(t *testing.T) {
	v, _ := stranger(t, "/suche")
	f := v.facet(nil, "format", []api.FacetValue{{Value: "fmt/43", Name: "JPEG File Interchange Format 1.01"}, {Value: "fmt/44", Name: "JPEG File Interchange Format 1.02"}, {Value: "fmt/11", Name: "Portable Network Graphics 1.0"}}, nil)
	for i, want := range []string{"JPEG-Bild – fmt/43", "JPEG-Bild – fmt/44", "PNG-Bild"} {
		if got := f.Values[i].Label; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
