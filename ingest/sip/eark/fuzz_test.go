package eark_test

import (
	"strings"
	"testing"

	"bestand/ingest/sip/eark"
	"bestand/ingest/sip/finding"
)

// FuzzRead lets METS and Dublin Core of a package say anything. What METS
// announces of a file that was taken is what the file is.
func FuzzRead(f *testing.F) {
	fs := sip()
	f.Add(fs[0].Content, fs[3].Content, dc)
	f.Add(change(f, sip(), "METS.xml", "representations/rep1/METS.xml\"", "../../../etc/passwd\"")[0].Content, fs[3].Content, dc)
	f.Add(change(f, sip(), "METS.xml", "OBJID=\"uuid-1\"", "OBJID=\"%2e%2e/\"")[0].Content, "<mets/>", "<a>"+strings.Repeat("<b>", 50))
	f.Add(fs[0].Content, change(f, sip(), "representations/rep1/METS.xml", "SHA-256", "MD5")[3].Content, `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`)
	f.Fuzz(func(t *testing.T, mets, representation, described string) {
		fs := sip().Set("METS.xml", mets).Set("representations/rep1/METS.xml", representation).Set("metadata/descriptive/dc.xml", described)
		var found finding.List
		p, err := eark.Read(t.Context(), fs.Unpack(t), "", &found)
		switch {
		case err != nil:
			t.Fatal(err)
		case found.Failed():
			return
		case p == nil || p.ID == "" || len(p.Files) != len(fs):
			t.Fatalf("taken as %+v", p)
		}
		for _, x := range p.Files {
			if want, ok := x.Announced["sha256"]; ok && want != x.SHA256 {
				t.Errorf("%s was announced with %q and taken with %q", x.Name, want, x.SHA256)
			}
		}
	})
}
