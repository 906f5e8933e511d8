package xades

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCanonical has libxml2 judge our canonical forms of whole documents. Those of
// parts are judged by EU DSS, which made the vectors.
func TestCanonical(t *testing.T) {
	if _, err := exec.LookPath("xmllint"); err != nil {
		if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	docs := []string{
		string(read(t, "akte.xml")),
		"<a b=\"x\n\ty\r\nz\" c='&#10;&#9;&#13; \"'/>",
		`<a xmlns:z="urn:a" xmlns:y="urn:b" y:k="1" z:k="2" k="0" xml:lang="de"/>`,
		`<a xmlns=""><b xmlns="urn:x"><c xmlns=""><d/></c></b></a>`,
		`<p:a xmlns:p="urn:1"><p:b xmlns:p="urn:2"><p:c xmlns:p="urn:1"/></p:b></p:a>`,
		`<a xmlns:u="urn:u"><b xmlns:v="urn:v" u:x="1"/></a>`,
		"<a b='&#13;&#9;&#10;'>x&#13;&gt;&lt;&amp;\"'</a>",
		"<a><![CDATA[<&>]]]]><![CDATA[>]]>\r\n\r</a>",
		"\ufeff<?xml version='1.0'?><?p  d ?><!--v--><a><?q?><?r  s?></a><!--c--><?z?>\n",
		"<a><!--x\r\ny--><b c='>'/><!-- ' \" < --></a>",
		"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><a b=\"\xfc\xa4\">Stra\xdfe</a>",
		"<?xml version=\"1.0\" encoding=\"ISO-8859-15\"?><a>\xa4</a>",
		"<ä ö='ü'>\U0001F4C1\u2028</ä>",
		utf16(t, "<?xml version='1.0' encoding='UTF-16'?>\r\n<ä ö='ü\r\n'>\U0001F4C1\u2028</ä>"),
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		docs = append(docs, random(r))
	}
	file := filepath.Join(t.TempDir(), "d.xml")
	for _, doc := range docs {
		if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
		n, err := parse(t.Context(), strings.NewReader(doc))
		if err != nil {
			t.Errorf("%q: %v", doc, err)
			continue
		}
		for flag, uri := range map[string]string{"--c14n": c14n10 + "#WithComments", "--c14n11": c14n11 + "#WithComments", "--exc-c14n": exc + "WithComments"} {
			want, err := exec.Command("xmllint", "--nonet", flag, file).Output()
			if err != nil {
				t.Fatalf("%q: %v", doc, err)
			}
			var got bytes.Buffer
			if err := forms[uri].write(&got, n, nil); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s of %q\n got %q\nwant %q", flag, doc, &got, want)
			}
		}
	}
}

// TestBase: Canonical XML 1.1 would join the bases of an element, which is not done here.
func TestBase(t *testing.T) {
	n, err := parse(t.Context(), strings.NewReader(`<a xml:base="x"><b/></a>`))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := forms[c14n10].write(&b, n.root().root(), nil); err != nil || b.String() != `<b xml:base="x"></b>` {
		t.Errorf("%s, %v", &b, err)
	}
	if err := forms[c14n11].write(&b, n.root().root(), nil); !errors.As(err, new(unsupported)) {
		t.Error(err)
	}
}

// random makes a document of few names and namespaces, so that they meet.
func random(r *rand.Rand) string {
	prefixes := []string{"", "p", "q", "r"}
	uris := []string{"urn:1", "urn:2", "urn:3"}
	var element func(depth int, known []string) string
	element = func(depth int, known []string) string {
		declared := map[string]bool{}
		var tag strings.Builder
		for range r.IntN(3) {
			p := prefixes[r.IntN(len(prefixes))]
			if declared[p] {
				continue
			}
			declared[p], known = true, append(known[:len(known):len(known)], p)
			uri := uris[r.IntN(len(uris))]
			if p == "" {
				if r.IntN(3) == 0 {
					uri = ""
				}
				fmt.Fprintf(&tag, ` xmlns=%q`, uri)
			} else {
				fmt.Fprintf(&tag, ` xmlns:%s=%q`, p, uri)
			}
		}
		any := func() string {
			if p := known[r.IntN(len(known))]; p != "" {
				return p + ":"
			}
			return ""
		}
		if r.IntN(2) == 0 {
			fmt.Fprintf(&tag, " %s%c='%d \n'", any(), 'a'+rune(r.IntN(4)), r.IntN(9))
		}
		name := any() + "e"
		var body strings.Builder
		for range r.IntN(4) {
			switch r.IntN(4) {
			case 0:
				body.WriteString("t&amp;\t\n")
			case 1:
				body.WriteString("<!--c-->")
			default:
				if depth < 5 {
					body.WriteString(element(depth+1, known))
				}
			}
		}
		return "<" + name + tag.String() + ">" + body.String() + "</" + name + ">"
	}
	return element(0, []string{""})
}
