package xades

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"bestand/preservation"
)

// TestAdditions has what anybody can add to a signed document without breaking the
// signature: it is told that it is not signed.
func TestAdditions(t *testing.T) {
	const (
		forged  = `<Rechnung>gefälscht</Rechnung>`
		object  = "object-uncovered"
		partly  = "document-partly-covered"
		signed  = `(?:<ds:Object Id="o-).*?</ds:Object>`
		wrapped = `<asic:XAdESSignatures xmlns:asic="http://uri.etsi.org/02918/v1.2.1#">`
	)
	all := []string{"enveloped", "enveloping", "enveloping-xml"}
	for _, c := range []struct {
		name          string
		vectors       []string
		pattern, with string
		want          string
	}{
		{"beside the properties", all, `</xades:QualifyingProperties>`, `$0` + forged, object},
		{"text beside the properties", all, `</xades:QualifyingProperties>`, `$0 gefälscht`, object},
		{"in the properties", all, `</xades:QualifyingProperties>`, forged + `$0`, object},
		{"in the unsigned properties", all[:2], `</xades:UnsignedProperties>`, forged + `$0`, object},
		{"as an unsigned property", all[:2], `</xades:UnsignedSignatureProperties>`, forged + `$0`, object},
		{"as an unsigned property of the same namespace", all[:2], `</xades:UnsignedSignatureProperties>`, `<xades:Rechnung/>$0`, object},
		{"in an unsigned property", all[:2], `</xades:UnsignedSignatureProperties>`, `<xades:CertificateValues>` + forged + `</xades:CertificateValues>$0`, object},
		{"properties of no namespace", all, `</ds:Signature>`, `<ds:Object><QualifyingProperties>` + forged + `</QualifyingProperties></ds:Object>$0`, object},
		{"below the signature", all, `</ds:Signature>`, forged + `$0`, object},
		{"text below the signature", all, `</ds:Signature>`, `gefälscht$0`, object},
		{"in the key", all, `</ds:KeyInfo>`, forged + `$0`, object},
		{"an object in the key", all, `</ds:KeyInfo>`, `<ds:Object>gefälscht</ds:Object>$0`, object},
		{"around the signed object", all[1:], signed, `<ds:Object>` + forged + `$0</ds:Object>`, object},
		{"an object with nothing", all, `</ds:Signature>`, `<ds:Object MimeType="gefälscht"/>$0`, object},
		{"stylesheet", []string{"detached", "enveloping"}, `<ds:Signature`, `<?xml-stylesheet href="a.xsl"?>$0`, partly},
		{"root of a container with more", []string{"internally-detached"}, `(<internally-detached>.*</internally-detached>)`, wrapped + forged + `$1</asic:XAdESSignatures>`, partly},
		{"root of a container with text", []string{"enveloping"}, `(<ds:Signature.*</ds:Signature>)`, wrapped + `gefälscht$1</asic:XAdESSignatures>`, partly},
		{"root of a container", []string{"enveloping"}, `(<ds:Signature.*</ds:Signature>)`, wrapped + `$1</asic:XAdESSignatures>`, ""},
		{"white space", []string{"detached"}, `</ds:Signature>`, "\n $0", ""},
		{"elements in the value", []string{"detached"}, `(<ds:SignatureValue[^>]*>)`, "$1" + forged, "signature-mismatch imprint-mismatch"},
	} {
		for _, v := range c.vectors {
			t.Run(c.name+" "+v, func(t *testing.T) {
				found := verify(t, edit(t, string(read(t, v+".xml")), c.pattern, c.with))
				if codes(found) != c.want {
					t.Errorf("want %q:\n%s", c.want, said(found))
				}
			})
		}
	}
}

// sign makes an enveloping signature over an Object with one transform, over the
// digest that is given whatever the Object holds.
func sign(t *testing.T, transform string, digest [sha256.Size]byte) (with func(object string) string) {
	t.Helper()
	k := newKey(t, "k", nil, nil)
	write := func(value, object string) string {
		return `<ds:Signature xmlns:ds="` + dsig + `"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="` + exc + `"/><ds:SignatureMethod Algorithm="` + dsigMore + `ecdsa-sha256"/><ds:Reference URI="#o"><ds:Transforms>` + transform +
			`</ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>` + base64.StdEncoding.EncodeToString(digest[:]) + `</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>` + value +
			`</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(k.cert.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>` + object + `</ds:Signature>`
	}
	doc, err := parse(t.Context(), strings.NewReader(write("AAAA", "")))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := (form{exclusive: true}).write(&b, doc.root().one(dsig, "SignedInfo"), nil); err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(b.Bytes())
	r, s, err := ecdsa.Sign(rand.Reader, k.signer.(*ecdsa.PrivateKey), h[:])
	if err != nil {
		t.Fatal(err)
	}
	value := base64.StdEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	return func(object string) string { return write(value, object) }
}

// TestNothingSigned has signatures whose digest does not depend on what they refer to.
func TestNothingSigned(t *testing.T) {
	const not = `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>`
	const subtract = `<ds:Transform Algorithm="` + filter2 + `"><XPath xmlns="` + filter2 + `" Filter="subtract">/descendant::ds:Signature</XPath></ds:Transform>`
	const base = `<ds:Transform Algorithm="` + dsig + `base64"/>`
	body := base64.StdEncoding.EncodeToString([]byte("Vertrag"))
	nothing, something := sha256.Sum256(nil), sha256.Sum256([]byte("Vertrag"))
	for _, c := range []struct {
		name, transform string
		digest          [sha256.Size]byte
		object          string
		want            string // the first codes
	}{
		{"without the signature around it", not, nothing, `<ds:Object Id="o">Vertrag</ds:Object>`, "reference-malformed content-uncovered"},
		{"without the signature around it, filter", subtract, nothing, `<ds:Object Id="o">Vertrag</ds:Object>`, "reference-malformed content-uncovered"},
		{"base64", base, something, `<ds:Object Id="o">` + body + `</ds:Object>`, "signing-certificate-missing"},
		{"base64 with markup", base, something, `<ds:Object Id="o"><Betrag wert="1000000">` + body + `</Betrag></ds:Object>`, "reference-unsupported content-uncovered"},
		{"base64 with a comment", base, something, `<ds:Object Id="o">` + body + `<!-- gefälscht --></ds:Object>`, "reference-unsupported content-uncovered"},
		{"base64 of an element with a name", base, something, `<ds:Object><Betrag Id="o" wert="1000000">` + body + `</Betrag></ds:Object>`, "object-uncovered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := verify(t, sign(t, c.transform, c.digest)(c.object))
			if !strings.HasPrefix(codes(found), c.want) || !slices.ContainsFunc(found, func(f preservation.Finding) bool { return f.Code == "signature-match" }) {
				t.Error(said(found))
			}
		})
	}
	// The signature that leaves itself out, as the root of the document or by its name.
	const own = `<ds:Transform Algorithm="` + dsig + `enveloped-signature"/>`
	for _, uri := range []string{"", "#s"} {
		doc := strings.Replace(sign(t, own, nothing)(`<ds:Object Id="o">Vertrag</ds:Object>`), `URI="#o"`, `URI="`+uri+`"`, 1)
		doc = strings.Replace(doc, `<ds:Signature xml`, `<ds:Signature Id="s" xml`, 1)
		if found := verify(t, doc); !strings.HasPrefix(codes(found), "reference-malformed content-uncovered") {
			t.Errorf("%q:\n%s", uri, said(found))
		}
	}
}
