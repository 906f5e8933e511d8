package ui

import (
	"regexp"
	"strings"

	"bestand/preservation"
)

// formats are the names that PRONOM gives to the formats that a municipality has most,
// with the edition in brackets, and what people call them. What names one of several more
// closely stands before the others.
var formats = []struct {
	form *regexp.Regexp
	key  string
}{
	{sentence(`Acrobat PDF/A - Portable Document Format (\S+)`), "format.pdfa"},
	{sentence(`Acrobat PDF/X .*`), "format.pdfx"},
	{sentence(`PDF Portfolio.*`), "format.portfolio"},
	{sentence(`(?:Acrobat )?PDF \S+ - Portable Document Format (\S+)`), "format.pdf"},
	{sentence(`Microsoft Word Document (?:Template )?\(Password Protected\) .*|Microsoft Office Encrypted Document .*`), "format.locked"},
	{sentence(`Microsoft Word (?:Macro-Enabled )?(?:Document )?Template (.+)`), "format.wordtemplate"},
	{sentence(`Macro enabled Microsoft Word Document OOXML (.+)`), "format.wordmacro"},
	{sentence(`Microsoft Word (?:Document|for Windows|\(Generic\)) (.+)`), "format.word"},
	{sentence(`Microsoft Excel Macro-Enabled (\S+)`), "format.excelmacro"},
	{sentence(`(?:Microsoft )?Excel (\S+) (?:Workbook|Worksheet) \(xls\).*`), "format.excel"},
	{sentence(`Microsoft Excel (?:for Windows|Non-XML Binary Workbook) (.+)`), "format.excel"},
	{sentence(`Macro Enabled Microsoft Powerpoint (.+)`), "format.powerpointmacro"},
	{sentence(`Microsoft Power[Pp]oint (?:Presentation(?: Show)?|Show|for Windows) (.+)`), "format.powerpoint"},
	{sentence(`Microsoft Office Open XML.*`), "format.office"},
	{sentence(`OpenDocument Text (\S+)`), "format.odt"},
	{sentence(`OpenDocument Spreadsheet (\S+)`), "format.ods"},
	{sentence(`OpenDocument Presentation (\S+)`), "format.odp"},
	{sentence(`OpenDocument Graphics (\S+)`), "format.odg"},
	{sentence(`Rich Text Format.*`), "format.rtf"},
	{sentence(`MIME Email.*|Internet Message Format.*`), "format.mail"},
	{sentence(`Microsoft Outlook Email Message.*`), "format.outlook"},
	{sentence(`Microsoft Outlook Personal Folders.*`), "format.pst"},
	{sentence(`MBOX`), "format.mbox"},
	{sentence(`Internet Calendar and Scheduling format`), "format.ical"},
	{sentence(`(?:Geographic )?Tagged Image File Format.*`), "format.tiff"},
	{sentence(`JPEG File Interchange Format.*|Exchangeable Image File Format \(Compressed\).*|Raw JPEG Stream.*`), "format.jpeg"},
	{sentence(`JP2 \(JPEG 2000 part 1\)|JPX \(JPEG 2000 part 2\)`), "format.jpegtwo"},
	{sentence(`Portable Network Graphics.*`), "format.png"},
	{sentence(`Graphics Interchange Format.*`), "format.gif"},
	{sentence(`Windows Bitmap.*`), "format.bmp"},
	{sentence(`WebP.*`), "format.webp"},
	{sentence(`High Efficiency Image File Format`), "format.heif"},
	{sentence(`Scalable Vector Graphics.*`), "format.svg"},
	{sentence(`AutoCAD Drawing .*`), "format.dwg"},
	{sentence(`Drawing Interchange (?:File )?Format \(.*`), "format.dxf"},
	{sentence(`ESRI Arc/View ShapeFile`), "format.shape"},
	{sentence(`Geography Markup Language.*`), "format.gml"},
	{sentence(`Plain Text File`), "format.text"},
	{sentence(`Binary File`), "format.unknown"},
	{sentence(`Comma Separated Values`), "format.csv"},
	{sentence(`Extensible Markup Language.*`), "format.xml"},
	{sentence(`JSON Data Interchange Format`), "format.json"},
	{sentence(`(?:Hypertext|Extensible Hypertext) Markup Language.*`), "format.html"},
	{sentence(`Microsoft Access Database File (.+)`), "format.access"},
	{sentence(`Microsoft Visio (?:XML )?Drawing (.+)`), "format.visio"},
	{sentence(`ZIP Format`), "format.zip"},
	{sentence(`7Zip format`), "format.sevenzip"},
	{sentence(`RAR Archive.*`), "format.rar"},
	{sentence(`GZIP Format`), "format.gzip"},
	{sentence(`Tape Archive Format`), "format.tar"},
	{sentence(`Associated Signature Container .*`), "format.asic"},
	{sentence(`MPEG 1/2 Audio Layer 3.*`), "format.sound"},
	{sentence(`Waveform Audio.*`), "format.wave"},
	{sentence(`MPEG-4 Media File`), "format.video"},
}

// format is what people call the format of a file; what has no such name is called as
// PRONOM does, or by its media type.
func (l *language) format(f preservation.Format) string {
	if f.Name == "" {
		return f.MIME
	}
	return l.formatNamed(strings.TrimSpace(f.Name + " " + f.Version))
}

// formatNamed is what people call a format that PRONOM has a name for.
func (l *language) formatNamed(pronom string) string {
	for _, f := range formats {
		found := f.form.FindStringSubmatch(pronom)
		if found == nil {
			continue
		}
		var editions []any
		for _, edition := range found[1:] {
			editions = append(editions, l.edition(edition))
		}
		return l.t(f.key, editions...)
	}
	return pronom
}

// edition writes the edition of a format: 97-2003, 2007 onwards.
func (l *language) edition(text string) string {
	if year, later := strings.CutSuffix(strings.ToLower(text), " onwards"); later {
		return l.t("format.since", year)
	}
	return strings.ReplaceAll(text, "-", "–")
}
