package xdomea_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bestand/ingest/sandbox"
	"bestand/ingest/sip/siptest"
	"bestand/ingest/sip/xdomea"
	"bestand/preservation"
)

// ours stands in for the schemas of the standard, which are not part of the
// program: it knows the root element and says what one of its parts must be.
const ours = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:xoev-de:xdomea:schema:3.0.0" elementFormDefault="qualified">
 <xs:element name="Aussonderung.Aussonderung.0503"><xs:complexType><xs:sequence>
  <xs:element name="Kopf"><xs:complexType><xs:sequence>
   <xs:element name="ProzessID"><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="0.*"/></xs:restriction></xs:simpleType></xs:element>
   <xs:any processContents="skip" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
  <xs:any processContents="skip" maxOccurs="unbounded"/>
 </xs:sequence></xs:complexType></xs:element>
</xs:schema>`

func schemas(t *testing.T, dir string) xdomea.Options {
	t.Helper()
	if _, err := sandbox.LookPath("xmllint"); errors.Is(err, sandbox.ErrMissing) {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip("xmllint is not installed")
	}
	box, err := sandbox.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return xdomea.Options{Schemas: &xdomea.Schemas{Box: box, Dir: dir}, Scratch: t.TempDir()}
}

func TestSchemas(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"xdomea_3.0.0/xdomea.xsd": ours, "xdomea_3.1.0/xdomea.xsd": "<broken"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const secret = "99999999-0000-4000-8000-000000000001"
	o := schemas(t, dir)
	c3 := container3(t)
	for name, c := range map[string]struct {
		files    siptest.Files
		severity preservation.Severity
		want     string
	}{
		"valid":                               {c3, "", ""},
		xdomea.InvalidSchema:                  {change(t, append(siptest.Files{{Name: secret + "_0503.xml", Content: c3[0].Content}}, c3[1:]...), process3, secret), preservation.Failed, xdomea.InvalidSchema},
		xdomea.NoSchema + " of this version":  {container4(t), preservation.Notice, xdomea.NoSchema},
		xdomea.NoSchema + " that can be read": {change(t, c3, "schema:3.0.0", "schema:3.1.0"), preservation.Notice, xdomea.NoSchema},
	} {
		t.Run(name, func(t *testing.T) {
			_, all := read(t, c.files, "", o)
			failed := siptest.Codes(all, preservation.Failed)
			if (c.severity == preservation.Failed) != (len(failed) > 0) {
				t.Errorf("findings %v", all)
			}
			if c.want != "" && !slices.Contains(siptest.Codes(all, c.severity), c.want) {
				t.Errorf("findings %v", all)
			}
			for _, f := range all {
				if f.Code == xdomea.InvalidSchema && (strings.Contains(f.Detail, secret) || !strings.Contains(f.Detail, "line 4, element ProzessID: its value breaks the rule pattern")) {
					t.Errorf("detail %q", f.Detail)
				}
			}
		})
	}
}

// TestStandard validates the messages of these tests, and the excerpts of them,
// against the schemas of the standard, where somebody has put them.
func TestStandard(t *testing.T) {
	dir := os.Getenv("BESTAND_XDOMEA_SCHEMAS")
	if dir == "" {
		t.Skip("BESTAND_XDOMEA_SCHEMAS names no folder with the schemas of xdomea")
	}
	o := schemas(t, dir)
	for name, fs := range map[string]siptest.Files{
		"3.0.0": container3(t), "3.1.0": change(t, container3(t), "schema:3.0.0", "schema:3.1.0"), "4.0.0": container4(t),
	} {
		m, all := read(t, fs, "", o)
		for _, record := range m.Records() {
			var buf bytes.Buffer
			if err := m.Excerpt(t.Context(), &buf, record); err != nil {
				t.Fatal(err)
			}
			_, more := read(t, fs.Set(m.Entry.Name, buf.String()), "", o)
			for _, f := range more {
				if f.Code != xdomea.SurplusFile { // the files of the other record
					all = append(all, f)
				}
			}
		}
		for _, f := range all {
			if f.Severity == preservation.Failed || f.Code == xdomea.NoSchema {
				t.Errorf("%s: %v", name, f)
			}
		}
	}
}
