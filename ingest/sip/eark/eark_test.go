package eark_test

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"bestand/ingest/sip/eark"
	"bestand/ingest/sip/finding"
	"bestand/ingest/sip/siptest"
	"bestand/ingest/xmltree"
	"bestand/preservation"
)

const dc = `<?xml version="1.0" encoding="UTF-8"?>
<simpledc xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Bauantrag Lindenstraße 12</dc:title><dc:identifier>63.10-2014/0815</dc:identifier>
<dc:creator>Bauordnungsamt</dc:creator><dc:date>2014</dc:date><dc:subject>Bau</dc:subject></simpledc>`

const premis = `<?xml version="1.0" encoding="UTF-8"?><premis xmlns="http://www.loc.gov/premis/v3" version="3.0"/>`

func attributes(content string) string {
	return fmt.Sprintf(`MIMETYPE="application/xml" SIZE="%d" CREATED="2026-01-15T10:00:00Z" CHECKSUM="%X" CHECKSUMTYPE="SHA-256"`, len(content), sha256.Sum256([]byte(content)))
}

// head opens a METS document as CSIP and SIP want it.
func head(id string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<mets xmlns="http://www.loc.gov/METS/" xmlns:csip="https://DILCIS.eu/XML/METS/CSIPExtensionMETS" xmlns:xlink="http://www.w3.org/1999/xlink"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" OBJID="` + id + `" LABEL="Bauantrag" TYPE="Mixed" csip:CONTENTINFORMATIONTYPE="MIXED" PROFILE="https://earksip.dilcis.eu/profile/E-ARK-SIP-v2-1-0.xml">
 <metsHdr CREATEDATE="2026-01-15T10:00:00Z" LASTMODDATE="2026-01-15T10:00:00Z" csip:OAISPACKAGETYPE="SIP">
  <agent ROLE="CREATOR" TYPE="OTHER" OTHERTYPE="SOFTWARE"><name>Exporter</name><note csip:NOTETYPE="SOFTWARE VERSION">1</note></agent>
  <agent ROLE="ARCHIVIST" TYPE="ORGANIZATION"><name>Stadt Musterstadt</name></agent>
  <altRecordID TYPE="SUBMISSIONAGREEMENT">urn:ua:1</altRecordID>
 </metsHdr>
`
}

func file(id, href, content string) string {
	return `<file ID="` + id + `" ` + attributes(content) + `><FLocat LOCTYPE="URL" xlink:type="simple" xlink:href="` + href + `"/></file>`
}

// sip is a package with one representation that has a METS of its own.
func sip() siptest.Files {
	const antrag, plan = "Antrag", "Plan"
	rep := head("rep1") + ` <fileSec ID="rf"><fileGrp ID="rg" USE="Data">` + file("r1", "data/antrag.txt", antrag) + file("r2", "data/Lageplan%20%C3%A4.txt", plan) + `</fileGrp></fileSec>
 <structMap ID="rs" TYPE="PHYSICAL" LABEL="CSIP"><div ID="rd" LABEL="rep1"><div ID="rdm" LABEL="Metadata"/><div ID="rdd" LABEL="Data"><fptr FILEID="rg"/></div></div></structMap>
</mets>`
	mets := head("uuid-1") + ` <dmdSec ID="d1" CREATED="2026-01-15T10:00:00Z" STATUS="CURRENT"><mdRef LOCTYPE="URL" xlink:type="simple" xlink:href="metadata/descriptive/dc.xml" MDTYPE="DC" ` + attributes(dc) + `/></dmdSec>
 <amdSec><digiprovMD ID="p1" STATUS="CURRENT"><mdRef LOCTYPE="URL" xlink:type="simple" xlink:href="metadata/preservation/premis.xml" MDTYPE="PREMIS" ` + attributes(premis) + `/></digiprovMD></amdSec>
 <fileSec ID="f"><fileGrp ID="gr" USE="Representations/rep1">` + file("f1", "representations/rep1/METS.xml", rep) + `</fileGrp></fileSec>
 <structMap ID="s" TYPE="PHYSICAL" LABEL="CSIP"><div ID="s1" LABEL="uuid-1"><div ID="s2" LABEL="Metadata" DMDID="d1" ADMID="p1"/>
  <div ID="s3" LABEL="Representations/rep1"><mptr LOCTYPE="URL" xlink:type="simple" xlink:href="representations/rep1/METS.xml" xlink:title="gr"/></div></div></structMap>
</mets>`
	return siptest.Files{
		{Name: "METS.xml", Content: mets},
		{Name: "metadata/descriptive/dc.xml", Content: dc},
		{Name: "metadata/preservation/premis.xml", Content: premis},
		{Name: "representations/rep1/METS.xml", Content: rep},
		{Name: "representations/rep1/data/antrag.txt", Content: antrag},
		{Name: "representations/rep1/data/Lageplan ä.txt", Content: plan},
	}
}

// change replaces a text in a file, which must be there.
func change(t testing.TB, fs siptest.Files, name, from, to string) siptest.Files {
	t.Helper()
	for _, f := range fs {
		if f.Name == name {
			if !strings.Contains(f.Content, from) {
				t.Fatalf("%s does not hold %q", name, from)
			}
			return fs.Set(name, strings.ReplaceAll(f.Content, from, to))
		}
	}
	t.Fatal("no file " + name)
	return nil
}

func read(t testing.TB, fs siptest.Files) (*eark.Package, []preservation.Finding) {
	t.Helper()
	c := fs.Unpack(t)
	var found finding.List
	roots := eark.Detect(c)
	if len(roots) != 1 {
		t.Fatalf("roots %q", roots)
	}
	p, err := eark.Read(t.Context(), c, roots[0], &found)
	if err != nil {
		t.Fatal(err)
	}
	return p, found.All()
}

func TestRead(t *testing.T) {
	fs := sip().Below("uuid-1")
	if path := os.Getenv("BESTAND_SIP"); path != "" { // for a foreign validator
		if err := os.WriteFile(path, fs.ZIP(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, all := read(t, fs)
	if len(all) > 0 {
		t.Fatal(all)
	}
	if p.ID != "uuid-1" || p.Label != "Bauantrag" || p.Version != "2.1.0" || p.Type != "Mixed" || p.Content != "MIXED" || p.Created != "2026-01-15T10:00:00Z" ||
		p.Creator() != "Stadt Musterstadt" || p.Alt[0] != (eark.Field{Label: "SUBMISSIONAGREEMENT", Value: "urn:ua:1"}) {
		t.Errorf("%+v", p)
	}
	if p.Title != "Bauantrag Lindenstraße 12" || p.Identifier != "63.10-2014/0815" || p.Author != "Bauordnungsamt" || p.Date != "2014" || len(p.Extra) != 1 {
		t.Errorf("%+v", p.Described)
	}
	if len(p.Files) != 6 {
		t.Fatalf("%d files", len(p.Files))
	}
	if f := p.Files[5]; f.Name != "representations/rep1/data/Lageplan ä.txt" || f.Representation != "rep1" || !f.Data || f.Announced["sha256"] != f.SHA256 {
		t.Errorf("%+v", f)
	}
	if f := p.Files[1]; f.Representation != "" || f.Data {
		t.Errorf("%+v", f)
	}
}

func TestFailures(t *testing.T) {
	const root, rep = "METS.xml", "representations/rep1/METS.xml"
	for name, c := range map[string]struct {
		files siptest.Files
		want  []string
	}{
		eark.BadMETS + " identifier":             {change(t, sip(), root, `OBJID="uuid-1"`, `OBJID=""`), []string{eark.BadMETS}},
		eark.BadMETS + " root":                   {change(t, sip(), root, "http://www.loc.gov/METS/", "urn:x"), []string{eark.BadMETS}},
		xmltree.Malformed:                        {change(t, sip(), root, "</mets>", ""), []string{xmltree.Malformed}},
		xmltree.HasDTD:                           {change(t, sip(), root, "<mets ", "<!DOCTYPE mets SYSTEM 'x'><mets "), []string{xmltree.HasDTD}},
		eark.NotSIP:                              {change(t, sip(), root, `OAISPACKAGETYPE="SIP"`, `OAISPACKAGETYPE="AIP"`), []string{eark.NotSIP}},
		eark.BadReference + " traversal":         {change(t, sip(), root, "metadata/preservation/premis.xml", "../premis.xml"), []string{eark.BadReference}},
		eark.BadReference + " escaped traversal": {change(t, sip(), root, "metadata/preservation/premis.xml", "%2e%2e/premis.xml"), []string{eark.BadReference}},
		eark.BadReference + " absolute":          {change(t, sip(), root, "metadata/preservation/premis.xml", "file:///etc/passwd"), []string{eark.BadReference}},
		eark.BadReference + " elsewhere":         {change(t, sip(), root, "metadata/preservation/premis.xml", "https://example.org/premis.xml"), []string{eark.BadReference}},
		eark.BadReference + " none":              {change(t, sip(), root, `xlink:href="metadata/preservation/premis.xml"`, ""), []string{eark.BadReference}},
		eark.Missing:                             {sip().Without("representations/rep1/data/antrag.txt"), []string{eark.Missing}},
		eark.Missing + " representation":         {sip().Without(rep), []string{eark.Missing, eark.Missing}},
		eark.NoDigest:                            {change(t, sip(), root, attributes(premis), `MIMETYPE="text/xml"`), []string{eark.NoDigest}},
		eark.Mismatch:                            {sip().Set("representations/rep1/data/antrag.txt", "antrag"), []string{eark.Mismatch}},
		eark.Mismatch + " size":                  {sip().Set("representations/rep1/data/antrag.txt", "Antrag!"), []string{eark.Mismatch, eark.Mismatch}},
		eark.Mismatch + " METS":                  {change(t, sip(), rep, "Exporter", "exporter"), []string{eark.Mismatch}},
		eark.NoContent:                           {siptest.Files{{Name: root, Content: head("x") + "</mets>"}}, []string{eark.NoContent}},
		"outside-package":                        {append(sip().Below("uuid-1"), siptest.File{Name: "readme.txt"}), []string{"outside-package"}},
		"all and not the first":                  {change(t, sip(), root, `"SIP"`, `"DIP"`).Set("representations/rep1/data/antrag.txt", "antrag").Without("metadata/descriptive/dc.xml"), []string{eark.NotSIP, eark.Missing, eark.Mismatch}},
	} {
		t.Run(name, func(t *testing.T) {
			_, all := read(t, c.files)
			if got := siptest.Codes(all, preservation.Failed); !slices.Equal(got, c.want) {
				t.Errorf("findings %v\nwant %v", all, c.want)
			}
		})
	}
}

func TestNotices(t *testing.T) {
	const root = "METS.xml"
	weak := strings.Replace(strings.Replace(attributes(dc), fmt.Sprintf("%X", sha256.Sum256([]byte(dc))), fmt.Sprintf("%x", md5.Sum([]byte(dc))), 1), "SHA-256", "MD5", 1)
	for name, c := range map[string]struct {
		files siptest.Files
		want  []string
	}{
		eark.Unlisted:    {sip().Set("documentation/readme.txt", "x"), []string{eark.Unlisted}},
		eark.Profile:     {change(t, sip(), root, "E-ARK-SIP-v2-1-0", "E-ARK-CSIP"), []string{eark.Profile}},
		eark.OtherFolder: {change(t, sip(), root, `OBJID="uuid-1"`, `OBJID="uuid-2"`), []string{eark.OtherFolder}},
		eark.WeakDigest:  {change(t, sip(), root, attributes(dc), weak), []string{eark.WeakDigest}},
		eark.UnknownSum:  {change(t, sip(), root, attributes(dc), strings.Replace(attributes(dc), "SHA-256", "CRC32", 1)), []string{eark.UnknownSum}},
		eark.LooseName:   {sip().Without("representations/rep1/data/Lageplan ä.txt").Set("representations/rep1/data/Lageplan a\u0308.txt", "Plan"), []string{eark.LooseName}},
		"none: file:":    {change(t, sip(), root, "metadata/preservation/premis.xml", "file:./metadata/preservation/premis.xml"), nil},
		"none: upwards":  {change(t, sip(), root, "metadata/preservation/premis.xml", "metadata/../metadata/preservation/premis.xml"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, all := read(t, c.files.Below("uuid-1"))
			if got := siptest.Codes(all, preservation.Notice); !slices.Equal(got, c.want) || len(got) != len(all) {
				t.Errorf("findings %v\nwant %v", all, c.want)
			}
		})
	}
}

func TestEAD(t *testing.T) {
	const ead = `<ead xmlns="http://ead3.archivists.org/schema/"><archdesc><did><unittitle>Bauakten</unittitle><unitid>63</unitid><origination><corpname><part>Bauamt</part></corpname></origination></did></archdesc></ead>`
	fs := change(t, sip(), "METS.xml", attributes(dc), attributes(ead))
	fs = change(t, fs, "METS.xml", `MDTYPE="DC"`, `MDTYPE="EAD"`).Set("metadata/descriptive/dc.xml", ead)
	p, all := read(t, fs.Below("uuid-1"))
	if len(all) > 0 || p.Title != "Bauakten" || p.Identifier != "63" || p.Author != "Bauamt" {
		t.Errorf("%+v %v", p, all)
	}
}
