package sip_test

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"bestand/ingest/sip"
	"bestand/ingest/sip/siptest"
)

// hostileNames mean harm to shells, terminals, file systems or readers, or look
// the same to somebody.
var hostileNames = []string{
	"-rf", "--help", "$(touch pwned)`touch pwned`;touch pwned|'.txt", "um\u0308laut.txt", "ümlaut.txt", "gleich.TXT", "gleich.txt", "punkt.", "punkt", "blank ", "blank",
	"a\u202etxt.exe", "CON", "nul.txt", "..txt", "...", "METS.xml", "mimetype", "%2e%2e%2f", "a:b", `"quoted"`, "<script>&amp;", strings.Repeat("ä", 100), "\u200b", "*", "?", "~", "ﬁ", "fi", "K", "\u212a", "a#b?c=d",
}

func named(t *testing.T, p *sip.Package, prefix string) {
	t.Helper()
	have := map[string]string{}
	for _, u := range p.Units {
		for _, f := range u.Files {
			if name, ok := strings.CutPrefix(f.Name, prefix); ok {
				have[name] = f.SHA256
			}
		}
	}
	for _, name := range hostileNames {
		if have[name] != sha("content of "+name) {
			t.Errorf("%q came as %q", name, have[name])
		}
	}
}

// TestHostileNamesEARK: METS refers to files by URL, so that every name can be named.
func TestHostileNamesEARK(t *testing.T) {
	files := siptest.Files{{Name: "urn-1/METS.xml"}}
	var group strings.Builder
	for _, name := range append([]string{"\x1b[2J\a", "zeile\nzwei\r"}, hostileNames...) {
		content := "content of " + name
		files = append(files, siptest.File{Name: "urn-1/representations/rep1/data/" + name, Content: content})
		fmt.Fprintf(&group, `<file SIZE="%d" CHECKSUM="%s" CHECKSUMTYPE="SHA-256"><FLocat xlink:href="representations/rep1/data/%s"/></file>`, len(content), sha(content), strings.ReplaceAll(url.PathEscape(name), "&", "&amp;"))
	}
	whole := earkSIP()[0].Content
	from, to := strings.Index(whole, "<file "), strings.Index(whole, "</fileGrp>")
	files[0].Content = whole[:from] + group.String() + whole[to:]
	named(t, open(t, sip.Reader{}, files, ""), "representations/rep1/data/")
}

// TestHostileNamesXdomea: a name begins with a UUID, and behind it says anything
// that XML can say.
func TestHostileNamesXdomea(t *testing.T) {
	const id = "00000000-0000-4000-8000-0000000000f3"
	for _, name := range hostileNames {
		writings := []string{id + "_" + name}
		if strings.TrimSpace(name) != name { // as programs write it that read XML by its schema
			writings = append(writings, id+"_"+strings.TrimSpace(name))
		}
		for _, writing := range append(writings, "\n\t"+writings[len(writings)-1]+"\n") {
			t.Run(writing, func(t *testing.T) {
				_, fs := message(t, "3.0.0")
				var escaped strings.Builder
				if err := xml.EscapeText(&escaped, []byte(writing)); err != nil {
					t.Fatal(err)
				}
				fs = fs.Without(id+".txt").Set(id+"_"+name, "content of "+name)
				fs[0].Content = strings.Replace(fs[0].Content, id+".txt", escaped.String(), 1)
				found := false
				for _, u := range open(t, sip.Reader{}, fs, "").Units {
					for _, f := range u.Files {
						found = found || f.Name == id+"_"+name && f.SHA256 == sha("content of "+name)
					}
				}
				if !found {
					t.Error("it is not there under its name")
				}
			})
		}
	}
}
