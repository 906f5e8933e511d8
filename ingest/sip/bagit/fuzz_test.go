package bagit_test

import (
	"strings"
	"testing"

	"bestand/ingest/sip/bagit"
	"bestand/ingest/sip/finding"
)

// FuzzRead lets the tag files of a bag say anything. A bag is read whole or it
// is told why not, and no file of it is lost or counted twice.
func FuzzRead(f *testing.F) {
	f.Add(declaration, info, bag()[2].Content, bag()[3].Content, "")
	f.Add("BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-16\n", "\xff\xfeA\x00:\x00 \x00x\x00\n\x00", sha("Antrag")+"\tdata/antrag.txt\r\n", "", "http://example.org/ 6 data/antrag.txt\n")
	f.Add("\ufeffBagIt-Version: 1.0\nTag-File-Character-Encoding: ISO-8859-1\n", "A: b\n c\n\n:\n", sha("Antrag")+" *data/antrag.txt\n"+sha("Planung")+" data/pl%C3%A4ne/1.txt\n", "0 x", "- - -")
	f.Add(declaration, "Payload-Oxum: 999999999999999999.999999999999999999\n", sha("x")+" data/../../x\n"+sha("x")+" /etc/passwd\n", "", "")
	f.Fuzz(func(t *testing.T, head, info, manifest, tags, fetch string) {
		fs := bag().Set("bagit.txt", head).Set("bag-info.txt", info).Set("manifest-sha256.txt", manifest).Set("tagmanifest-sha256.txt", tags)
		if fetch != "" {
			fs = fs.Set("fetch.txt", fetch)
		}
		c := fs.Unpack(t)
		var found finding.List
		b, err := bagit.Read(t.Context(), c, "", &found)
		switch {
		case err != nil:
			t.Fatal(err)
		case b == nil && !found.Failed():
			t.Error("neither read nor refused")
		case b == nil:
			return
		case len(b.Payload)+len(b.Tags) != len(fs):
			t.Errorf("%d and %d of %d files", len(b.Payload), len(b.Tags), len(fs))
		}
		for _, x := range b.Payload {
			if !found.Failed() && x.Announced["sha256"] != x.SHA256 {
				t.Errorf("%s was announced with %q and taken with %q", x.Name, x.Announced["sha256"], x.SHA256)
			}
		}
		for _, x := range b.Info {
			if strings.ContainsAny(x.Label+x.Value, "\r\n") {
				t.Errorf("a field of several lines: %q", x)
			}
		}
	})
}
