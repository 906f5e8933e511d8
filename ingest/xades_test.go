package ingest

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/unicode"

	"bestand/ingest/format"
	"bestand/preservation"
)

func TestValidateXML(t *testing.T) {
	s, read := vectors(t)
	changed := strings.Replace(read("enveloped.xml"), "Bauantrag", "Gefälscht", 1)
	for _, c := range []struct {
		name, file, sig string
		document        string // its name
		content         string
		codes           string // of warnings, but for revocation
		signed          string // what was signed
		both            bool   // events name the document, too
	}{
		{"enveloped", "akte.xml", read("enveloped.xml"), "anlage.txt", "", "signing-time-claimed", "the whole document", false},
		{"changed", "akte.xml", strings.Replace(read("enveloped.xml"), "Bauantrag", "Bauamtrag", 1), "anlage.txt", "", "digest-mismatch content-uncovered signing-time-claimed", "SignedProperties", false},
		{"beside", "anlage.xml", read("detached.xml"), "anlage.txt", read("anlage.txt"), "signing-time-claimed", "anlage.txt", true},
		{"beside in a folder", "post/anlage.xades", read("detached.xml"), "post/anlage.txt", read("anlage.txt"), "signing-time-claimed", "anlage.txt", true},
		{"in another folder", "post/anlage.xades", read("detached.xml"), "anlage.txt", read("anlage.txt"), "signed-content-missing content-uncovered signing-time-claimed", "", false},
		{"beside, changed", "anlage.xml", read("detached.xml"), "anlage.txt", "anderes", "digest-mismatch content-uncovered signing-time-claimed", "", true},
		{"changed, in UTF-16", "akte.xml", utf16(t, changed), "anlage.txt", "", "digest-mismatch content-uncovered signing-time-claimed", "SignedProperties", false},
		{"changed, the namespace written with a reference", "akte.xml", strings.ReplaceAll(changed, `xmldsig#"`, `xmldsig&#35;"`), "anlage.txt", "", "digest-mismatch content-uncovered signing-time-claimed", "SignedProperties", false},
		{"in an encoding that nobody reads", "a.xml", `<?xml version="1.0" encoding="UTF-7"?><a/>`, "anlage.txt", "", "xml-signature-unsupported", "", false},
		{"names the namespace", "a.xsd", `<a targetNamespace="http://www.w3.org/2000/09/xmldsig#"/>`, "anlage.txt", "", "", "", false},
		{"no signature", "a.xml", `<a/>`, "anlage.txt", "", "", "", false},
		{"cut off", "a.xml", read("enveloped.xml")[:3000], "anlage.txt", "", "xml-signature-malformed", "", false},
		{"document type", "a.xml", `<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a xmlns="http://www.w3.org/2000/09/xmldsig#"/>`, "anlage.txt", "", "xml-signature-unsupported", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			sig, document := s.file(c.file, c.sig), s.file(c.document, c.content)
			if strings.HasSuffix(c.file, ".xsd") {
				sig.ident.Family = format.XML
			}
			var codes []string
			signed, both := false, false
			for _, e := range s.validateAll(document, sig) {
				if e.Code != "" && e.Code != "revocation-unknown" {
					codes = append(codes, e.Code)
				}
				signed = signed || strings.Contains(e.Detail, "is what was signed") && strings.Contains(e.Detail, c.signed)
				both = both || slices.Equal(e.Files, []preservation.FileID{sig.ID, document.ID})
			}
			if got := strings.Join(codes, " "); got != c.codes || c.signed != "" && !signed || both != c.both {
				t.Errorf("codes %q, signed %v, both %v; want %q, %q, %v", got, signed, both, c.codes, c.signed, c.both)
			}
		})
	}
}

func utf16(t *testing.T, doc string) string {
	t.Helper()
	s, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewEncoder().String(strings.Replace(doc, `encoding="UTF-8"`, `encoding="UTF-16"`, 1))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
