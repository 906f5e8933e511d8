package xades

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"bestand/preservation/revocation"
)

// quick verifies a document of somebody who wants to keep the machine busy.
func quick(t *testing.T, doc string) string {
	t.Helper()
	start := time.Now()
	found := verify(t, doc)
	if took := time.Since(start); took > 20*time.Second { // some fractions of one, on a machine without other work
		t.Errorf("%d bytes took %v", len(doc), took)
	}
	return said(found)
}

// TestManyPrefixes has long lists of prefixes and many namespaces in scope, which
// must not be looked through for every element.
func TestManyPrefixes(t *testing.T) {
	var scope, list strings.Builder
	for i := range maxDeclarations - 20 {
		fmt.Fprintf(&scope, ` xmlns:q%d="u:%d"`, i, i)
	}
	for i := range maxPrefixes {
		fmt.Fprintf(&list, "q%d n%d ", i, i)
	}
	inclusive := func(n int) string {
		return `$1><InclusiveNamespaces xmlns="` + exc + `" PrefixList="` + strings.Join(strings.Fields(list.String())[:n], " ") + `"/></ds:Transform>`
	}
	const transform = `(<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#")(?:/>|></ds:Transform>)`
	doc := edit(t, string(read(t, "whole-exclusive.xml")), "Bauantrag", strings.Repeat(`<q1:a q2:b=""/>`, 90_000))
	doc = edit(t, doc, `<a:Akte`, `$0`+scope.String())
	if s := quick(t, edit(t, doc, transform, inclusive(maxPrefixes))); !strings.Contains(s, "failed digest-mismatch: : the whole document") {
		t.Error(s)
	}
	if s := quick(t, edit(t, doc, transform, inclusive(maxPrefixes+1))); !strings.Contains(s, "a PrefixList of more than 32 prefixes") {
		t.Error(s)
	}
}

// TestNothingToWrite has references that visit much and write nothing.
func TestNothingToWrite(t *testing.T) {
	many := strings.Repeat(`<ds:Reference URI=""><ds:Transforms>`+strings.Repeat(`<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>not(ancestor-or-self::ds:Signature)</ds:XPath></ds:Transform>`, maxTransforms)+
		`</ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>`, maxReferences-2)
	doc := edit(t, edit(t, string(read(t, "enveloped.xml")), "</ds:SignedInfo>", many+"$0"), "Bauantrag", strings.Repeat("<!---->", 200_000))
	if s := quick(t, doc); !strings.Contains(s, "in canonical form: check it with another verifier") {
		t.Error("all was done")
	}
}

// TestHugeKey has keys that take seconds for one signature.
func TestHugeKey(t *testing.T) {
	k := newKey(t, "k", nil, nil)
	for _, bits := range []uint{revocation.MaxKey, revocation.MaxKey + 64, 262_144} {
		n := new(big.Int).Lsh(big.NewInt(1), bits)
		c := &x509.Certificate{SerialNumber: big.NewInt(5), Subject: pkix.Name{CommonName: "huge"}, NotBefore: signedAt, NotAfter: signedAt.AddDate(5, 0, 0)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &rsa.PublicKey{N: n.Sub(n, big.NewInt(159)), E: 1<<31 - 1}, k.signer)
		if err != nil {
			t.Fatal(err)
		}
		value := make([]byte, bits/8)
		value[0] = 1
		doc := edit(t, string(read(t, "enveloped.xml")), `(<ds:X509Data>).*</ds:X509Data>`, "$1<ds:X509Certificate>"+base64.StdEncoding.EncodeToString(der)+"</ds:X509Certificate></ds:X509Data>")
		doc = edit(t, doc, `(<ds:SignatureValue[^>]*>)[^<]*`, "${1}"+base64.StdEncoding.EncodeToString(value))
		want := "notice signature-unsupported: : not supported: the key of CN=huge"
		if bits == revocation.MaxKey {
			want = "failed signature-mismatch"
		}
		if s := quick(t, doc); !strings.Contains(s, want) {
			t.Errorf("%d bits:\n%s", bits, s)
		}
	}
}

// TestManyStamps has more time-stamps than anybody needs.
func TestManyStamps(t *testing.T) {
	doc := string(read(t, "enveloped.xml"))
	stamp := regexp.MustCompile(`(?s)<xades:SignatureTimeStamp.*</xades:SignatureTimeStamp>`).FindString(doc)
	token := regexp.MustCompile(`(?s)<xades:EncapsulatedTimeStamp.*</xades:EncapsulatedTimeStamp>`).FindString(doc)
	for name, doc := range map[string]string{
		"stamps":        strings.Replace(doc, stamp, strings.Repeat(stamp, 1000), 1),
		"in one":        strings.Replace(doc, token, strings.Repeat(token, 1000), 1),
		"of other kind": strings.Replace(doc, stamp, strings.Repeat("<xades:ArchiveTimeStamp/>", 1000), 1),
	} {
		s := quick(t, doc)
		if !strings.Contains(s, "more than 64 time-stamps") || strings.Count(s, "\n") > 10*maxStamps {
			t.Errorf("%s: %d findings", name, strings.Count(s, "\n"))
		}
	}
}

// TestManyObjects has a signature that covers much, with much in it that it does not.
func TestManyObjects(t *testing.T) {
	doc := string(read(t, "enveloping-xml.xml"))
	info := regexp.MustCompile(`(?s)<ds:Reference Id="r-.*?</ds:Reference>`).FindString(doc)
	doc = strings.Replace(doc, info, strings.Repeat(info, maxReferences-2), 1)
	doc = edit(t, doc, "</ds:Signature>", strings.Repeat("<ds:Object>x</ds:Object>", 100_000)+"$0")
	if s := quick(t, doc); strings.Count(s, "object-uncovered") != 1 || !strings.Contains(s, "/Signature/Object and 99999 more") {
		t.Errorf("%.2000s", s)
	}
	many := edit(t, string(read(t, "enveloped.xml")), "</a:Akte>", strings.Repeat(`<s:Signature xmlns:s="`+dsig+`"/>`, 50_000)+"$0")
	if s := quick(t, many); !strings.Contains(s, "leaves out more than 32 signatures") || strings.Count(s, "\n") > 2*maxSignatures+10 {
		t.Errorf("%.2000s", s)
	}
}
