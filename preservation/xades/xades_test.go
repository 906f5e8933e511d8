package xades

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/evidence/judge"
	"bestand/preservation/revocation"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func trust(t testing.TB) cades.Trust {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(read(t, "ca.pem")) {
		t.Fatal("no certificate")
	}
	return cades.Trust{Roots: pool, At: judgedAt, Optional: true, Material: revocation.Material{Lists: [][]byte{read(t, "ca.crl")}}}
}

// open gives the files beside a signature, and none that lies elsewhere.
func open(name string) (io.ReadCloser, error) {
	if name != filepath.Base(name) {
		return nil, fs.ErrNotExist
	}
	return os.Open(filepath.Join("testdata", name))
}

func verify(t testing.TB, doc string) []preservation.Finding {
	t.Helper()
	found, _, err := Verify(t.Context(), strings.NewReader(doc), Options{Trust: trust(t), Open: open})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// codes are those of all that was not passed, but for what every signature has.
func codes(found []preservation.Finding) string {
	var all []string
	for _, f := range found {
		if f.Severity != preservation.Passed && f.Code != "signing-time-claimed" {
			all = append(all, f.Code)
		}
	}
	return strings.Join(all, " ")
}

func failed(found []preservation.Finding) bool {
	return slices.ContainsFunc(found, func(f preservation.Finding) bool { return f.Severity == preservation.Failed })
}

func said(found []preservation.Finding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%s %s: %s: %s\n", f.Severity, f.Code, f.Subject, f.Detail)
	}
	return b.String()
}

func TestVectors(t *testing.T) {
	want := map[string]string{
		"rsa-sha1":            "algorithm-weak",
		"internally-detached": "document-partly-covered",
		"manifest":            "document-partly-covered",
		"element-c14n10":      "document-partly-covered",
		"element-c14n11":      "document-partly-covered",
		"element-exclusive":   "document-partly-covered",
	}
	covers := map[string]string{
		"enveloped":         "the whole document without the signature in it is what was signed",
		"whole-c14n10":      "the whole document without the signature in it is what was signed",
		"enveloping":        "/Signature/Object (o-",
		"enveloping-xml":    "/Signature/Object (o-",
		"detached":          "anlage.txt is what was signed",
		"manifest":          "anlage.txt is what was signed",
		"detached-two":      "akte.xml is what was signed",
		"element-exclusive": "/Akte/Vorgang/Antrag (a1) is what was signed",
	}
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			found := verify(t, string(read(t, v.name+".xml")))
			passed := func(code string) bool {
				return slices.ContainsFunc(found, func(f preservation.Finding) bool {
					return f.Code == code && f.Severity == preservation.Passed && !strings.Contains(f.Subject, "time-stamp")
				})
			}
			for _, c := range []string{"digest-match", "signature-match", "signing-certificate-match", "chain-trusted"} {
				if !passed(c) {
					t.Errorf("no %s", c)
				}
			}
			if strings.Contains(v.options, "level=T") != strings.Contains(said(found), "passed imprint-match: time-stamp") {
				t.Error("time-stamp")
			}
			if codes(found) != want[v.name] || !strings.Contains(said(found), covers[v.name]) {
				t.Errorf("want %q, %q:\n%s", want[v.name], covers[v.name], said(found))
			}
		})
	}
}

// TestXMLSec has a plain XML signature of xmlsec1 (with InclusiveNamespaces, XPointer
// with comments, Canonical XML 1.1 of a part, and the XPath that leaves signatures
// out), which xmlsec1 --verify passes.
func TestXMLSec(t *testing.T) {
	doc := string(read(t, "xmlsec.xml"))
	found := verify(t, doc)
	if s := said(found); failed(found) || strings.Count(s, "passed digest-match") != 3 || !strings.Contains(s, "passed signature-match") || !strings.Contains(s, "signing-certificate-missing") {
		t.Error(s)
	}
	if found := verify(t, strings.Replace(doc, "bleibt", "ging", 1)); strings.Count(said(found), "failed digest-mismatch") != 1 {
		t.Errorf("the comment is signed by one of the references:\n%s", said(found))
	}
}

// edit changes a document in one place.
func edit(t testing.TB, doc, pattern, with string) string {
	t.Helper()
	re := regexp.MustCompile("(?s)" + pattern)
	if n := len(re.FindAllString(doc, -1)); n < 1 {
		t.Fatalf("no %s in the document", pattern)
	}
	done := false
	return re.ReplaceAllStringFunc(doc, func(s string) string {
		if done {
			return s
		}
		done = true
		return re.ReplaceAllString(s, with)
	})
}

// change is what somebody did to a signed document.
type change struct {
	name, vector, pattern, with string
	want                        string // codes
	stands                      bool   // it is still what was signed, and the findings say what that is
}

func changes(t testing.TB) []change {
	t.Helper()
	block, _ := pem.Decode(read(t, "zwilling.pem"))
	twin := base64.StdEncoding.EncodeToString(block.Bytes)
	other := regexp.MustCompile(`<ds:X509Certificate>([^<]*)<`).FindStringSubmatch(string(read(t, "pss-sha256.xml")))[1]
	stamp := regexp.MustCompile(`<xades:EncapsulatedTimeStamp[^>]*>([^<]*)<`).FindStringSubmatch(string(read(t, "enveloping.xml")))[1]
	const antrag = `<b:Antrag Id="a1".*</b:Antrag>`
	return []change{
		{"content", "enveloped", "Bauantrag", "Bauamtrag", "digest-mismatch content-uncovered", false},
		{"attribute", "whole-c14n10", `z="1"`, `z="2"`, "digest-mismatch content-uncovered", false},
		{"white space", "whole-c14n11", "<Vorgang", " <Vorgang", "digest-mismatch content-uncovered", false},
		{"comment that is not signed", "whole-c14n10", "im Antrag", "am Antrag", "", true},
		{"added", "enveloped", "</a:Akte>", "<x/></a:Akte>", "digest-mismatch content-uncovered", false},
		{"enclosed content", "enveloping", "PD94", "PD95", "digest-mismatch content-uncovered", false},
		{"enclosed XML", "enveloping-xml", "Baum", "Buam", "digest-mismatch content-uncovered", false},
		{"manifest", "manifest", `(<ds:Manifest.*?<ds:DigestValue>)..`, "${1}AA", "digest-mismatch content-uncovered", false},
		{"signed properties", "enveloped", "2026-11-01T09:00:00Z", "2025-11-01T09:00:00Z", "digest-mismatch", false},
		{"properties of another signature", "enveloped", `Target="#id-`, `Target="#other-`, "xml-signature-malformed", false},
		{"second properties", "enveloped", "<ds:Object>", `<ds:Object><xades:QualifyingProperties xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"/></ds:Object><ds:Object>`, "xml-signature-malformed object-uncovered signing-certificate-missing", false},
		{"properties elsewhere", "element-exclusive", `(<ds:Object>)(<xades:QualifyingProperties.*)(</ds:Object></ds:Signature>)`, `<ds:Object><x>$2</x></ds:Object>$1<xades:QualifyingProperties xmlns:xades="http://uri.etsi.org/01903/v1.3.2#"><xades:SignedProperties/></xades:QualifyingProperties>$3`,
			"xml-signature-malformed document-partly-covered object-uncovered signed-properties-uncovered", false},
		{"signed info", "enveloped", `<ds:Reference Id="r-`, `<ds:Reference Id="s-`, "signature-mismatch", false},
		{"signature value", "ecdsa-sha512", `(<ds:SignatureValue[^>]*>)....`, "${1}AAAA", "signature-mismatch", false},
		{"signature value is none", "pss-sha512", `(<ds:SignatureValue[^>]*>)[^<]*`, "$1!", "signature-mismatch", false},
		{"certificate of the same key", "enveloped", `(<ds:X509Certificate>)[^<]*`, "${1}" + twin, "signing-certificate-mismatch", false},
		{"certificate of another key", "ecdsa-sha384", `(<ds:X509Data>).*</ds:X509Data>`, "$1<ds:X509Certificate>" + other + "</ds:X509Certificate></ds:X509Data>", "signature-mismatch signing-certificate-mismatch", false},
		{"no certificate", "rsa-sha512", `<ds:KeyInfo>.*</ds:KeyInfo>`, "", "signer-certificate-missing", true},
		{"time-stamp of another signature", "enveloped", `(<xades:EncapsulatedTimeStamp[^>]*>)[^<]*`, "${1}" + stamp, "imprint-mismatch", false},
		{"time-stamp is none", "enveloped", `(<xades:EncapsulatedTimeStamp[^>]*>)[^<]*`, "${1}AAAA", "timestamp-malformed", false},
		{"other time-stamp", "enveloped", `(xades:)SignatureTimeStamp(.*xades:)SignatureTimeStamp`, "${1}ArchiveTimeStamp${2}ArchiveTimeStamp", "timestamp-unsupported", true},
		{"another beside it", "enveloped", `</xades:SignatureTimeStamp>`, `$0<x:ArchiveTimeStamp xmlns:x="http://uri.etsi.org/01903/v1.4.1#"/>`, "timestamp-unsupported", true},
		{"another of the second version", "enveloped", `</xades:SignatureTimeStamp>`, `$0<x:SigAndRefsTimeStampV2 xmlns:x="http://uri.etsi.org/01903/v1.4.1#"/>`, "timestamp-unsupported", true},
		{"none, but what belongs to one", "enveloped", `</xades:SignatureTimeStamp>`, `$0<x:TimeStampValidationData xmlns:x="http://uri.etsi.org/01903/v1.4.1#"/>`, "", true},
		{"wrapped under the same name", "element-exclusive", antrag, `<b:Antrag Id="a1">gefälscht</b:Antrag><alt>${0}</alt>`, "reference-malformed content-uncovered", false},
		{"wrapped under another name", "element-exclusive", antrag, `<b:Antrag Id="a2">gefälscht</b:Antrag><alt>${0}</alt>`, "document-partly-covered", true},
		{"name of another kind", "element-exclusive", "<Vorgang", `<Vorgang xml:id="a1"`, "reference-malformed content-uncovered", false},
		{"signed element is gone", "element-exclusive", antrag, "", "reference-malformed content-uncovered", false},
		{"unsigned object", "enveloping", "</ds:Signature>", "<ds:Object>gefälscht</ds:Object></ds:Signature>", "object-uncovered", true},
		{"file is gone", "detached", `URI="anlage.txt"`, `URI="weg.txt"`, "signed-content-missing content-uncovered signature-mismatch", false},
		{"other file", "detached", `URI="anlage.txt"`, `URI="klein.xml"`, "digest-mismatch content-uncovered signature-mismatch", false},
		{"file outside", "detached", `URI="anlage.txt"`, `URI="../../../etc/hostname"`, "signed-content-missing content-uncovered signature-mismatch", false},
		{"file by its path", "detached", `URI="anlage.txt"`, `URI="/etc/hostname"`, "reference-unsupported content-uncovered signature-mismatch", false},
		{"remote", "detached", `URI="anlage.txt"`, `URI="http://127.0.0.1/anlage.txt"`, "reference-unsupported content-uncovered signature-mismatch", false},
		{"file URI", "detached", `URI="anlage.txt"`, `URI="file:anlage.txt"`, "reference-unsupported content-uncovered signature-mismatch", false},
		{"no URI", "detached", ` URI="anlage.txt"`, ``, "reference-unsupported content-uncovered signature-mismatch", false},
		{"XSLT", "whole-c14n10", `2000/09/xmldsig#enveloped-signature`, `TR/1999/REC-xslt-19991116`, "reference-unsupported content-uncovered signature-mismatch", false},
		{"XPath", "whole-c14n10", `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>`, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>//x</ds:XPath></ds:Transform>`, "reference-unsupported content-uncovered signature-mismatch", false},
		{"XPath that is known", "whole-c14n10", `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>`, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath> not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>`, "signature-mismatch", false},
		{"XPath filter", "enveloped", `/descendant::ds:Signature<`, `/descendant::ds:Signature | //x<`, "reference-unsupported content-uncovered signature-mismatch", false},
		{"enveloped in nothing", "element-exclusive", `(URI="#a1"><ds:Transforms>)`, `$1<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>`, "reference-malformed content-uncovered signature-mismatch", false},
		{"digest algorithm", "enveloped", `xmlenc#sha256`, `xmlenc#ripemd160`, "reference-unsupported content-uncovered signature-mismatch", false},
		{"signature algorithm", "enveloped", `xmldsig-more#rsa-sha256`, `xmldsig-more#hmac-sha256`, "signature-unsupported", true},
		{"canonical form", "enveloped", `(CanonicalizationMethod Algorithm=")`, `${1}x`, "signature-unsupported", true},
		{"two signed infos", "enveloped", `<ds:SignedInfo>.*</ds:SignedInfo>`, `$0$0`, "xml-signature-malformed", false},
		{"entities", "enveloped", `<a:Akte`, `<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><a:Akte`, "xml-signature-unsupported", true},
		{"entity of nobody", "enveloped", `Bauantrag`, `&Bauantrag;`, "xml-signature-malformed", true},
		{"attribute twice", "enveloped", `z="1"`, `z="1" z="1"`, "xml-signature-malformed", true},
		{"cut off", "enveloped", `</ds:Signature>.*`, ``, "xml-signature-malformed", true},
		{"endless name", "element-exclusive", `Id="a1"`, `Id="` + strings.Repeat("a", 5000) + `"`, "reference-malformed content-uncovered", false},
		{"depth", "enveloped", `Bauantrag`, strings.Repeat("<a>", maxDepth) + strings.Repeat("</a>", maxDepth), "xml-signature-unsupported", true},
		{"width", "enveloped", `Bauantrag`, strings.Repeat("<a/>", maxNodes), "xml-signature-unsupported", true},
	}
}

func (c change) apply(t testing.TB) string {
	t.Helper()
	return edit(t, string(read(t, c.vector+".xml")), c.pattern, c.with)
}

func TestChanges(t *testing.T) {
	for _, c := range changes(t) {
		t.Run(c.name, func(t *testing.T) {
			found := verify(t, c.apply(t))
			if codes(found) != c.want || failed(found) == c.stands && !strings.Contains(c.want, "unsupported") {
				t.Errorf("want %q:\n%s", c.want, said(found))
			}
		})
	}
	wrapped := changes(t)[slices.IndexFunc(changes(t), func(c change) bool { return c.name == "wrapped under another name" })]
	if s := said(verify(t, wrapped.apply(t))); !strings.Contains(s, "/Akte/Vorgang/alt/Antrag (a1) is what was signed") {
		t.Errorf("what was signed is not named:\n%s", s)
	}
}

// TestSize has a document above the limit, and one whose references ask for more
// work than it is worth.
func TestSize(t *testing.T) {
	doc := string(read(t, "enveloped.xml"))
	if found := verify(t, edit(t, doc, "Bauantrag", strings.Repeat("x", MaxSize))); codes(found) != "xml-signature-unsupported" {
		t.Error(said(found))
	}
	many := strings.Repeat(`<ds:Reference URI=""><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>`, maxReferences-2)
	doc = edit(t, edit(t, doc, "</ds:SignedInfo>", many+"$0"), "Bauantrag", strings.Repeat("x", 1<<20))
	if found := verify(t, doc); !strings.Contains(said(found), "in canonical form: check it with another verifier") {
		t.Error("all was done")
	}
	if found := verify(t, edit(t, doc, "</ds:SignedInfo>", many+"$0")); !strings.Contains(said(found), "more than 1000 references") {
		t.Error(said(found))
	}
}

func TestErrors(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	doc := read(t, "detached.xml")
	if _, _, err := Verify(ended, bytes.NewReader(doc), Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	broken := errors.New("disk")
	if _, _, err := Verify(t.Context(), io.MultiReader(bytes.NewReader(doc[:100]), failing{broken}), Options{}); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, _, err := Verify(t.Context(), bytes.NewReader(doc), Options{Open: func(string) (io.ReadCloser, error) { return nil, broken }}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestJudge has EU DSS judge the same documents: what it passes we do, and what it
// calls broken we do not take for good.
func TestJudge(t *testing.T) {
	dir := t.TempDir()
	anchors := filepath.Join(dir, "trust.pem")
	list := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: read(t, "ca.crl")})
	if err := os.WriteFile(anchors, append(read(t, "ca.pem"), list...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		for _, s := range judge.Signatures(t, v.path(), anchors, judgedAt, v.detached()...) {
			if s.Indication != "TOTAL_PASSED" && v.name != "rsa-sha1" || !strings.HasPrefix(s.Level, "XAdES") {
				t.Errorf("%s: %+v", v.name, s)
			}
		}
	}
	for _, c := range changes(t) {
		if strings.Contains(c.want, "unsupported") || c.want == "xml-signature-malformed" {
			continue
		}
		file := filepath.Join(dir, "changed.xml")
		if err := os.WriteFile(file, []byte(c.apply(t)), 0o600); err != nil {
			t.Fatal(err)
		}
		all := judge.Signatures(t, file, anchors, judgedAt, vectors[slices.IndexFunc(vectors, func(v vector) bool { return v.name == c.vector })].detached()...)
		for _, s := range all {
			if failed(verify(t, c.apply(t))) != (s.Indication == "TOTAL_FAILED") {
				t.Logf("%s: %+v, we: %s", c.name, s, codes(verify(t, c.apply(t))))
			}
			if s.Indication == "TOTAL_FAILED" && !failed(verify(t, c.apply(t))) {
				t.Errorf("%s: refused by DSS, not by us: %+v", c.name, s)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	for _, name := range []string{"enveloped", "enveloping-xml", "detached", "element-c14n10", "manifest"} {
		f.Add(read(f, name+".xml"))
	}
	o := Options{Trust: trust(f), Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("Anlage")), nil }}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if _, _, err := Verify(t.Context(), bytes.NewReader(doc), o); err != nil {
			t.Error(err)
		}
	})
}
