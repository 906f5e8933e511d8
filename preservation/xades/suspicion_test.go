package xades

import (
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/encoding/unicode"
)

func utf16(t testing.TB, doc string) string {
	t.Helper()
	s, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(doc)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSuspect(t *testing.T) {
	signed := string(read(t, "enveloped.xml"))
	padded := func(n int) string { return "<a>" + strings.Repeat(".", n) + "<s:Signature/></a>" }
	for name, c := range map[string]struct {
		doc  string
		want bool
	}{
		"signed":           {signed, true},
		"UTF-16":           {utf16(t, signed), true},
		"UTF-32":           {"\xff\xfe\x00\x00<\x00\x00\x00S\x00\x00\x00i\x00\x00\x00g\x00\x00\x00n\x00\x00\x00a\x00\x00\x00t\x00\x00\x00u\x00\x00\x00r\x00\x00\x00e\x00\x00\x00", true},
		"EBCDIC":           {"\x4c\x6f\xa7\x94\x93\x40", true},
		"UTF-7":            {`<?xml version="1.0" encoding="UTF-7"?><a/>`, true},
		"entities":         {`<!DOCTYPE a [<!ENTITY s "<&#83;ignature/>">]><a>&s;</a>`, true},
		"nothing":          {"", false},
		"plain":            {`<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, false},
		"plain UTF-16":     {utf16(t, `<?xml version="1.0" encoding="UTF-16"?><a/>`), false},
		"on the border":    {padded(64<<10 - 10), true},
		"on the border, 2": {padded(64<<10 - 14), true},
		"far away":         {padded(1 << 20), true},
		"encoding as text": {"<?xml version='1.0'?><a>" + ` encoding="UTF-7"` + "</a>", false},
	} {
		for _, one := range []bool{false, true} {
			r := iotest.DataErrReader(strings.NewReader(c.doc))
			if one {
				r = iotest.OneByteReader(r)
			}
			if got, err := Suspect(r); got != c.want || err != nil {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
	}
	if _, err := Suspect(iotest.ErrReader(iotest.ErrTimeout)); err != iotest.ErrTimeout {
		t.Error(err)
	}
}

// TestUTF16 has a signed document in another encoding: that is not signed, the
// characters are.
func TestUTF16(t *testing.T) {
	doc := strings.Replace(string(read(t, "enveloped.xml")), `encoding="UTF-8"`, `encoding="UTF-16"`, 1)
	if found := verify(t, utf16(t, doc)); codes(found) != "" || !strings.Contains(said(found), "passed digest-match: : the whole document") {
		t.Error(said(found))
	}
	if found := verify(t, utf16(t, strings.Replace(doc, "Bauantrag", "Bauamtrag", 1))); codes(found) != "digest-mismatch content-uncovered" {
		t.Error(said(found))
	}
	if found := verify(t, utf16(t, strings.Replace(doc, "UTF-16", "ISO-8859-1", 1))); codes(found) != "xml-signature-malformed" {
		t.Error(said(found))
	}
	if found := verify(t, doc); codes(found) != "xml-signature-malformed" {
		t.Error(said(found))
	}
}
