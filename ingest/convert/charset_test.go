package convert

import "testing"

func TestDecode(t *testing.T) {
	utf16le := "G\x00r\x00\xFC\x00\xDF\x00e\x00 \x00a\x00u\x00s\x00"
	tests := []struct {
		name, in, hint, text, charset string
		sure                          bool
	}{
		{"ASCII", "Grusse", "", "Grusse", "UTF-8", true},
		{"UTF-8", "Grüße", "", "Grüße", "UTF-8", true},
		{"UTF-8 against the hint", "Grüße", "iso-8859-1", "Grüße", "UTF-8", true},
		{"byte order mark", "\xEF\xBB\xBFGrüße", "", "Grüße", "UTF-8", true},
		{"UTF-16 with a mark", "\xFF\xFE" + utf16le, "", "Grüße aus", "UTF-16", true},
		{"UTF-16 big endian with a mark", "\xFE\xFF\x00G\x00r", "", "Gr", "UTF-16", true},
		{"UTF-16 without a mark", utf16le, "", "Grüße aus", "UTF-16", true},
		{"Windows", "Gr\xFC\xDFe \x80", "", "Grüße €", "windows-1252", false},
		{"hint", "\xC7\xF1", "koi8-r", "гЯ", "koi8-r", true},
		{"wrong hint", "Gr\xFC\xDFe", "klingon", "Grüße", "windows-1252", false},
		{"Windows with quotation marks", "der \x84Gr\xFC\xDFer\x93", "", "der „Grüßer“", "windows-1252", false},
		{"DOS", "Die Gr\x81\xE1e des \x99lfeldes, M\x84rz", "", "Die Grüße des Ölfeldes, März", "IBM850", false},
		{"Russian", "\xCF\xF0\xE8\xEA\xE0\xE7 \xEE \xED\xE0\xE7\xED\xE0\xF7\xE5\xED\xE8\xE8 \xED\xE0 \xE4\xEE\xEB\xE6\xED\xEE\xF1\xF2\xFC", "",
			"Приказ о назначении на должность", "windows-1251", false},
		{"Japanese with escapes", "\x1b$B%F%9%H%F%-%9%H\x1b(B", "", "テストテキスト", "iso-2022-jp", false},
		{"mainframe", "\xC7\x99\x85\x85\xA3\x89\x95\x87\xA2\x40\x86\x99\x96\x94\x40\xC2", "", "Greetings from B", "EBCDIC", false},
		{"empty", "", "", "", "UTF-8", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, charset, sure := decode([]byte(tt.in), tt.hint)
			if text != tt.text || charset != tt.charset || sure != tt.sure {
				t.Errorf("%q, %q, %v", text, charset, sure)
			}
		})
	}
}
