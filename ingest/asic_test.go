package ingest

import (
	"archive/zip"
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/ingest/sip/container"
	"bestand/ingest/sip/finding"
	"bestand/preservation/cades/cms"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

func TestValidateASiC(t *testing.T) {
	s, read := vectors(t)
	both := read("akte.asice")
	signatures := unpack(t, both, "META-INF/signatures001.xml")
	i := strings.Index(signatures, "</ds:SignatureValue>")
	wrong := signatures[:i-12] + "AAAAAAAA" + signatures[i-4:]
	more := strings.Replace(signatures, "<ds:Signature ", "<Rechnung/><ds:Signature ", 1)
	const nobody = `<asic:XAdESSignatures xmlns:asic="http://uri.etsi.org/02918/v1.2.1#"><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod Algorithm="x"/>` +
		`<ds:Reference URI="mehr.txt"><ds:Transforms><ds:Transform Algorithm="urn:x"/></ds:Transforms><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>AAAA</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>AAAA</ds:SignatureValue></ds:Signature></asic:XAdESSignatures>`
	for _, c := range []struct {
		name, file, content string
		codes               string // of warnings, but for revocation
		signed              string // names of what was signed
	}{
		{"ASiC-E", "akte.asice", both, "signing-time-claimed", "anlage.txt akte.xml"},
		{"ASiC-S", "ANLAGE.ASICS", read("anlage.asics"), "signing-time-claimed", "anlage.txt"},
		{"changed", "akte.asice", repack(t, both, "anlage.txt", "anderes"), "digest-mismatch signing-time-claimed container-partly-covered", "akte.xml"},
		{"changed, and another damaged", "akte.asice", spoil(t, repack(t, both, "anlage.txt", "anderes"), "akte.xml"), "digest-mismatch signed-content-damaged content-uncovered signing-time-claimed container-partly-covered", ""},
		{"value changed", "akte.asice", repack(t, both, "META-INF/signatures001.xml", wrong), "signing-time-claimed signature-mismatch imprint-mismatch container-partly-covered", "anlage.txt akte.xml"},
		{"opened by a signature of nobody", "akte.asice", repack(t, repack(t, both, "mehr.txt", "neu"), "META-INF/signatures002.xml", nobody), "signing-time-claimed reference-unsupported content-uncovered signer-certificate-missing container-partly-covered", "anlage.txt akte.xml"},
		{"file added beside the signatures", "akte.asice", repack(t, both, "META-INF/Rechnung.pdf", "neu"), "signing-time-claimed container-partly-covered", "anlage.txt akte.xml"},
		{"file added that is named like a signature", "akte.asice", repack(t, both, "META-INF/signatures-rechnung.xml", "<Rechnung/>"), "signing-time-claimed container-partly-covered", "anlage.txt akte.xml"},
		{"file added that is named like a manifest", "akte.asice", repack(t, both, "META-INF/manifest.pdf", "neu"), "signing-time-claimed container-partly-covered", "anlage.txt akte.xml"},
		{"more around the signatures", "akte.asice", repack(t, both, "META-INF/signatures001.xml", more), "document-partly-covered signing-time-claimed", "anlage.txt akte.xml"},
		{"file is gone", "akte.asice", repack(t, both, "anlage.txt", ""), "signed-content-missing signing-time-claimed", "akte.xml"},
		{"file added", "akte.asice", repack(t, both, "mehr.txt", "neu"), "signing-time-claimed container-partly-covered", "anlage.txt akte.xml"},
		{"CMS signature of nothing added", "akte.asice", repack(t, both, "META-INF/signature.p7s", "?"), "signing-time-claimed signed-content-missing", "anlage.txt akte.xml"},
		{"signature of another kind added", "akte.asice", repack(t, both, "META-INF/signature.pgp", "?"), "signing-time-claimed signature-unsupported container-partly-covered", "anlage.txt akte.xml"},
		{"evidence record beside it", "akte.asice", repack(t, both, "META-INF/evidencerecord001.ers", "?"), "signing-time-claimed evidence-unsupported", "anlage.txt akte.xml"},
		{"evidence record in XML", "akte.asice", repack(t, both, "META-INF/evidencerecord001.xml", "<EvidenceRecord/>"), "signing-time-claimed evidence-unsupported", "anlage.txt akte.xml"},
		{"no signature", "akte.asice", repack(t, both, "META-INF/signatures001.xml", ""), "signature-missing", ""},
		{"damaged", "akte.asice", spoil(t, both, "anlage.txt"), "signed-content-damaged signing-time-claimed container-partly-covered", "akte.xml"},
		{"signature damaged", "akte.asice", spoil(t, both, "META-INF/signatures001.xml"), "container-damaged container-partly-covered", ""},
		{"no ZIP", "akte.asice", "PK", "zip-unreadable", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.finds(t, c.file, c.content, c.codes, "signed", c.signed)
		})
	}
}

// TestValidateASiCEvidence: an evidence record in XML is for other verifiers.
func TestValidateASiCEvidence(t *testing.T) {
	s := newNotary(t)
	for name, want := range map[string]string{"evidencerecord001.ers": "bestand verify", "EvidenceRecord001.XML": "RFC 6283"} {
		said := ""
		for _, e := range s.validateAll(s.file("akte.asice", repack(t, emptyZIP(t), "META-INF/"+name, "?"))) {
			if e.Code == "evidence-unsupported" {
				said += e.Detail
			}
		}
		if !strings.Contains(said, want) {
			t.Errorf("%s: %q, want %q", name, said, want)
		}
	}
}

// finds fails unless a container has the findings, and of its files just these are said
// to be what was signed, or time-stamped.
func (s *notary) finds(t *testing.T, file, content, want, done, names string) {
	t.Helper()
	var codes []string
	said := ""
	for _, e := range s.validateAll(s.file(file, content)) {
		said += e.Detail + "\n"
		if e.Code != "" && e.Code != "revocation-unknown" {
			codes = append(codes, e.Code)
		}
	}
	if got := strings.Join(codes, " "); got != want {
		t.Errorf("codes %q, want %q:\n%s", got, want, said)
	}
	for _, name := range []string{"akte.xml", "anlage.txt", "mehr.txt", "Straße.txt"} {
		if said := strings.Contains(said, name+" is what was "+done); said != slices.Contains(strings.Fields(names), name) {
			t.Errorf("%s is said to be %s: %t", name, done, said)
		}
	}
}

// TestValidateASiCWithCAdES has containers signed by openssl.
func TestValidateASiCWithCAdES(t *testing.T) {
	s := newNotary(t)
	empty := emptyZIP(t)
	one := repack(t, repack(t, empty, "anlage.txt", "Anlage"), "META-INF/signature.p7s", s.sign("Anlage", "-outform", "DER"))

	manifest := asicManifestOf("META-INF/signature001.p7s", "Stra%C3%9Fe.txt", "Anlage", "akte.xml", "<Akte/>")
	two := repack(t, repack(t, empty, "Straße.txt", "Anlage"), "akte.xml", "<Akte/>")
	two = repack(t, two, "META-INF/ASiCManifest001.xml", manifest)
	two = repack(t, two, "META-INF/signature001.p7s", s.sign(manifest, "-outform", "DER"))
	s.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1", "-nodes", "-days", "30", "-subj", "/CN=Amt", "-keyout", "curve.key", "-out", "curve.pem")
	second := []string{"-outform", "DER", "-signer", "curve.pem", "-inkey", "curve.key"}
	alone := repack(t, repack(t, empty, "anlage.txt", "Anlage"), "META-INF/signature001.p7s", s.sign(manifest, "-outform", "DER"))
	old := strings.Replace(manifest, "02918/v1.2.1", "02918/v1.1.1", 1)
	numbered := func(content string) string {
		archive := two
		for i := range maxManifests {
			archive = repack(t, archive, fmt.Sprintf("META-INF/ASiCManifest1%02d.xml", i), content)
		}
		return archive
	}
	long := strings.Replace(manifest, "<asic:DataObjectReference", strings.Repeat(asicReferenceTo("akte.xml", "<Akte/>"), maxReferences)+"<asic:DataObjectReference", 1)
	huge := repack(t, repack(t, two, "META-INF/ASiCManifest001.xml", long), "META-INF/signature001.p7s", s.sign(long, "-outform", "DER"))
	for _, c := range []struct {
		name, file, content string
		codes               string // of warnings, but for revocation
		signed              string // names of what was signed
	}{
		{"ASiC-S", "anlage.asics", one, "signing-time-claimed", "anlage.txt"},
		{"ASiC-S, changed", "anlage.asics", repack(t, one, "anlage.txt", "anderes"), "digest-mismatch signing-time-claimed container-partly-covered", ""},
		{"ASiC-S, damaged", "anlage.asics", spoil(t, one, "anlage.txt"), "signed-content-damaged container-partly-covered", ""},
		{"ASiC-S, signature damaged", "anlage.asics", spoil(t, one, "META-INF/signature.p7s"), "container-damaged container-partly-covered", ""},
		{"ASiC-S, digest unknown", "anlage.asics", repack(t, one, "META-INF/signature.p7s", s.sign("anderes", "-outform", "DER", "-md", "sha224")),
			"digest-unsupported signature-unsupported signing-certificate-unsupported signing-time-claimed container-partly-covered", ""},
		{"ASiC-S, curve of the second signer unknown", "anlage.asics", repack(t, one, "META-INF/signature.p7s", s.sign("Anlage", second...)),
			"signature-unsupported signing-time-claimed chain-unsupported signing-time-claimed container-partly-covered", ""},
		{"ASiC-E", "akte.asice", two, "signing-time-claimed", "Straße.txt akte.xml"},
		{"ASiC-E, file changed", "akte.asice", repack(t, two, "akte.xml", "<Andere/>"), "signing-time-claimed digest-mismatch container-partly-covered", "Straße.txt"},
		{"ASiC-E, file gone", "akte.asice", repack(t, two, "akte.xml", ""), "signing-time-claimed signed-content-missing", "Straße.txt"},
		{"ASiC-E, file damaged", "akte.asice", spoil(t, two, "akte.xml"), "signing-time-claimed signed-content-damaged container-partly-covered", "Straße.txt"},
		{"ASiC-E, file added", "akte.asice", repack(t, two, "mehr.txt", "neu"), "signing-time-claimed container-partly-covered", "Straße.txt akte.xml"},
		{"ASiC-E, manifest changed with a file", "akte.asice", repack(t, repack(t, two, "akte.xml", "<Andere/>"), "META-INF/ASiCManifest001.xml", strings.Replace(manifest, sha256Of("<Akte/>"), sha256Of("<Andere/>"), 1)),
			"digest-mismatch signing-time-claimed container-partly-covered", ""},
		{"ASiC-E, manifest no XML", "akte.asice", repack(t, two, "META-INF/ASiCManifest001.xml", "<"), "manifest-unreadable signature-unsupported container-partly-covered", ""},
		{"ASiC-E, manifest damaged", "akte.asice", spoil(t, two, "META-INF/ASiCManifest001.xml"), "manifest-unreadable signature-unsupported container-partly-covered", ""},
		{"ASiC-E, curve of the second signer unknown", "akte.asice", repack(t, two, "META-INF/signature001.p7s", s.sign(manifest, second...)),
			"signature-unsupported signing-time-claimed chain-unsupported signing-time-claimed container-partly-covered", ""},
		{"one file, manifest of another version", "anlage.asice", repack(t, alone, "META-INF/ASiCManifest.xml", old), "manifest-unreadable signature-unsupported container-partly-covered", ""},
		{"one file, manifest in Latin 1", "anlage.asice", repack(t, alone, "META-INF/ASiCManifest.xml", `<?xml version="1.0" encoding="ISO-8859-1"?>`+manifest), "manifest-unreadable signature-unsupported container-partly-covered", ""},
		{"one file, two signatures, manifest damaged", "anlage.asice", spoil(t, repack(t, repack(t, alone, "META-INF/signature002.p7s", s.sign(manifest, "-outform", "DER")), "META-INF/ASiCManifest.xml", manifest), "META-INF/ASiCManifest.xml"),
			"manifest-unreadable signature-unsupported signature-unsupported container-partly-covered", ""},
		{"one file, manifest of no signature", "anlage.asice", repack(t, alone, "META-INF/ASiCManifest.xml", strings.Replace(manifest, "SigReference", "Reference", 1)), "manifest-unreadable signature-unsupported container-partly-covered", ""},
		{"ASiC-E, too many manifests", "akte.asice", numbered(strings.Replace(manifest, "signature001", "signature002", 1)), "manifest-unsupported signing-time-claimed", "Straße.txt akte.xml"},
		{"ASiC-E, too large a manifest", "akte.asice", repack(t, two, "META-INF/ASiCManifest001.xml", manifest+strings.Repeat(" ", maxManifest)), "manifest-unsupported signature-unsupported container-partly-covered", ""},
		{"ASiC-E, too many references", "akte.asice", huge, "signing-time-claimed reference-unsupported container-partly-covered more-findings", "akte.xml"},
		{"signature no CMS", "anlage.asics", repack(t, one, "META-INF/signature.p7s", "?"), "cms-malformed container-partly-covered", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.finds(t, c.file, c.content, c.codes, "signed", c.signed)
		})
	}
}

// TestValidateASiCWithTimeStamps has containers with tokens of openssl and of our own
// authority.
func TestValidateASiCWithTimeStamps(t *testing.T) {
	s := newNotary(t)
	s.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=Uhr",
		"-addext", "extendedKeyUsage=critical,timeStamping", "-keyout", "tsa.key", "-out", "tsa.pem")
	s.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=Fremd",
		"-addext", "extendedKeyUsage=critical,timeStamping", "-keyout", "fremd.key", "-out", "fremd.pem")
	s.roots.AppendCertsFromPEM([]byte(s.read("tsa.pem")))
	keys, err := pki.Open(filepath.Join(s.dir, "keys"), time.Now(), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range keys.CA.Chain {
		s.roots.AddCert(c)
	}
	authority, err := timestamp.NewAuthority(timestamp.Config{Signer: keys.TSA.Signer, Chain: keys.TSA.Chain})
	if err != nil {
		t.Fatal(err)
	}
	own := func(content string) string {
		sum := sha256.Sum256([]byte(content))
		token, err := authority.Stamp(t.Context(), crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return string(token)
	}
	// whose certificate is for signatures and not for time-stamps
	s.write("token", own("Anlage"))
	s.openssl("cms", "-verify", "-noverify", "-inform", "DER", "-in", "token", "-out", "info")
	misused := s.sign(s.read("info"), "-outform", "DER", "-nodetach", "-econtent_type", "1.2.840.113549.1.9.16.1.4")

	empty := emptyZIP(t)
	one := repack(t, repack(t, empty, "anlage.txt", "Anlage"), "META-INF/timestamp.tst", s.stamp("tsa", "Anlage"))
	manifest := asicManifestOf("META-INF/timestamp001.tst", "Stra%C3%9Fe.txt", "Anlage", "akte.xml", "<Akte/>")
	two := repack(t, repack(t, empty, "Straße.txt", "Anlage"), "akte.xml", "<Akte/>")
	two = repack(t, two, "META-INF/ASiCManifest001.xml", manifest)
	two = repack(t, two, "META-INF/timestamp001.tst", s.stamp("tsa", manifest))
	value := s.sign("Anlage", "-outform", "DER")
	signed := repack(t, repack(t, empty, "anlage.txt", "Anlage"), "META-INF/signature.p7s", value)
	archive := asicManifestOf("META-INF/timestamp001.tst", "META-INF/signature.p7s", value, "anlage.txt", "Anlage")
	archived := repack(t, repack(t, signed, "META-INF/ASiCArchiveManifest.xml", archive), "META-INF/timestamp001.tst", s.stamp("tsa", archive))
	document := asicManifestOf("META-INF/signature001.p7s", "akte.xml", "<Akte/>")
	both := repack(t, repack(t, repack(t, empty, "akte.xml", "<Akte/>"), "META-INF/ASiCManifest001.xml", document), "META-INF/signature001.p7s", s.sign(document, "-outform", "DER"))
	beside := asicManifestOf("META-INF/timestamp.tst", "mehr.txt", "neu")
	for _, c := range []struct {
		name, file, content string
		codes               string // of warnings, but for revocation
		stamped             string // names of what was time-stamped
	}{
		{"ASiC-S", "anlage.asics", one, "", "anlage.txt"},
		{"ASiC-S, SHA-512", "anlage.asics", repack(t, one, "META-INF/timestamp.tst", s.stamp("tsa", "Anlage", "-sha512")), "", "anlage.txt"},
		{"ASiC-S, by our own authority", "anlage.asics", repack(t, one, "META-INF/timestamp.tst", own("Anlage")), "", "anlage.txt"},
		{"ASiC-S, by a stranger", "anlage.asics", repack(t, one, "META-INF/timestamp.tst", s.stamp("fremd", "Anlage")), "chain-untrusted", "anlage.txt"},
		{"ASiC-S, changed", "anlage.asics", repack(t, one, "anlage.txt", "anderes"), "imprint-mismatch container-partly-stamped", ""},
		{"ASiC-S, damaged", "anlage.asics", spoil(t, one, "anlage.txt"), "stamped-content-damaged container-partly-stamped", ""},
		{"ASiC-S, token of another file", "anlage.asics", repack(t, one, "META-INF/timestamp.tst", own("anderes")), "imprint-mismatch container-partly-stamped", ""},
		{"ASiC-S, certificate of another purpose", "anlage.asics", repack(t, one, "META-INF/timestamp.tst", misused), "key-usage-invalid container-partly-stamped", ""},
		{"ASiC-S, token cut off", "anlage.asics", repack(t, one, "META-INF/timestamp.tst", own("Anlage")[:200]), "timestamp-malformed container-partly-stamped", ""},
		{"ASiC-S, a signature for a token", "anlage.asics", repack(t, one, "META-INF/timestamp.tst", value), "timestamp-malformed container-partly-stamped", ""},
		{"ASiC-S, token too large", "anlage.asics", repack(t, one, "META-INF/timestamp.tst", strings.Repeat("0", cms.MaxSize+1)), "timestamp-unsupported container-partly-stamped", ""},
		{"ASiC-S, file added", "anlage.asics", repack(t, one, "mehr.txt", "neu"), "stamped-content-missing container-partly-stamped", ""},
		{"ASiC-E", "akte.asice", two, "", "Straße.txt akte.xml"},
		{"ASiC-E, by our own authority", "akte.asice", repack(t, two, "META-INF/timestamp001.tst", own(manifest)), "", "Straße.txt akte.xml"},
		{"ASiC-E, file changed", "akte.asice", repack(t, two, "akte.xml", "<Andere/>"), "digest-mismatch container-partly-stamped", "Straße.txt"},
		{"ASiC-E, manifest changed with a file", "akte.asice", repack(t, repack(t, two, "akte.xml", "<Andere/>"), "META-INF/ASiCManifest001.xml", strings.Replace(manifest, sha256Of("<Akte/>"), sha256Of("<Andere/>"), 1)),
			"imprint-mismatch container-partly-stamped", ""},
		{"ASiC-E, file gone", "akte.asice", repack(t, two, "akte.xml", ""), "stamped-content-missing", "Straße.txt"},
		{"ASiC-E, file damaged", "akte.asice", spoil(t, two, "akte.xml"), "stamped-content-damaged container-partly-stamped", "Straße.txt"},
		{"ASiC-E, file added", "akte.asice", repack(t, two, "mehr.txt", "neu"), "container-partly-stamped", "Straße.txt akte.xml"},
		{"ASiC-E, manifest no XML", "akte.asice", repack(t, two, "META-INF/ASiCManifest001.xml", "<"), "manifest-unreadable timestamp-unsupported container-partly-stamped", ""},
		{"signature with a time-stamp over both", "anlage.asics", archived, "signing-time-claimed", "anlage.txt"},
		{"signature changed under its time-stamp", "anlage.asics", repack(t, archived, "META-INF/signature.p7s", s.sign("Anlage", "-outform", "DER", "-md", "sha512")), "digest-mismatch signing-time-claimed", "anlage.txt"},
		{"file added with a time-stamp beside a signature", "akte.asice", repack(t, repack(t, repack(t, both, "mehr.txt", "neu"), "META-INF/ASiCManifest002.xml", beside), "META-INF/timestamp.tst", own(beside)),
			"signing-time-claimed container-partly-covered", "mehr.txt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.finds(t, c.file, c.content, c.codes, "time-stamped", c.stamped)
		})
	}
}

// A manifest of another version is said to be one, and of which.
func TestManifestOfAnotherVersion(t *testing.T) {
	a := openASiC(t, nil, map[string]string{"META-INF/ASiCManifest.xml": `<ASiCManifest xmlns="http://uri.etsi.org/02918/v1.1.1#"/>`})
	if err := a.readManifests(t.Context()); err != nil || !a.unread || len(a.found) != 1 || !strings.Contains(a.found[0].Detail, "but have http://uri.etsi.org/02918/v1.1.1#") {
		t.Errorf("%+v, %v", a.found, err)
	}
}

// Manifests are charged to what the signatures of a container may ask for.
func TestManifestsAreCharged(t *testing.T) {
	const manifest = `<ASiCManifest xmlns="http://uri.etsi.org/02918/v1.2.1#"><SigReference URI="x"/></ASiCManifest>`
	a := openASiC(t, nil, map[string]string{"META-INF/ASiCManifest1.xml": manifest, "META-INF/ASiCManifest2.xml": manifest})
	a.left = int64(len(manifest)) + 1
	if err := a.readManifests(t.Context()); err != nil || !a.unread || len(a.found) != 1 || a.found[0].Code != "manifest-unsupported" {
		t.Errorf("%+v, %v", a.found, err)
	}
}

// A signed file for which no budget is left is the file that could not be checked.
func TestSignedFileBeyondTheBudget(t *testing.T) {
	s := newNotary(t)
	a := openASiC(t, s, map[string]string{"anlage.txt": "Anlage", "META-INF/signature.p7s": s.sign("Anlage", "-outform", "DER")})
	a.left = 1
	for _, e := range a.container.Entries {
		if err := a.validate(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if len(a.found) != 1 || a.found[0].Code != "reference-unsupported" || !strings.HasPrefix(a.found[0].Detail, "anlage.txt: ") || a.covered["anlage.txt"] {
		t.Errorf("%+v", a.found)
	}
}

// asicManifestOf is an ASiCManifest with the digests of files, given as names and
// contents, for a signature or a time-stamp.
func asicManifestOf(by string, files ...string) string {
	all := ""
	for pair := range slices.Chunk(files, 2) {
		all += asicReferenceTo(pair[0], pair[1])
	}
	return `<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><asic:SigReference URI="` + by + `"/>` + all + `</asic:ASiCManifest>`
}

func asicReferenceTo(name, content string) string {
	return `<asic:DataObjectReference URI="` + name + `"><ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>` + sha256Of(content) + `</ds:DigestValue></asic:DataObjectReference>`
}

func sha256Of(content string) string {
	sum := sha256.Sum256([]byte(content))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func emptyZIP(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := zip.NewWriter(&b).Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// openASiC opens a container of these files.
func openASiC(t *testing.T, s *notary, files map[string]string) *asic {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range files {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var bad finding.List
	c, err := container.Open(bytes.NewReader(b.Bytes()), int64(b.Len()), container.Limits{}, &bad)
	if err != nil || c == nil {
		t.Fatal(err, bad.All())
	}
	a := &asic{container: c, covered: make(map[string]bool), stamped: make(map[string]bool), left: maxContainerBytes}
	if s != nil {
		a.work = &work{p: &Pipeline{Now: time.Now, Sealer: &Sealer{Trust: s.roots}}}
	}
	return a
}

// unpack returns a file of a ZIP.
func unpack(t *testing.T, archive, name string) string {
	t.Helper()
	r, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := r.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// repack replaces or adds a file of a ZIP, or leaves it out when it is empty.
func repack(t *testing.T, archive, name, content string) string {
	t.Helper()
	r, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range r.File {
		if f.Name != name {
			if err := w.Copy(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	if content != "" {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// spoil changes a byte of the packed content of a file.
func spoil(t *testing.T, archive, name string) string {
	t.Helper()
	r, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.File {
		if f.Name == name {
			at, err := f.DataOffset()
			if err != nil {
				t.Fatal(err)
			}
			b := []byte(archive)
			b[at] ^= 0xff
			return string(b)
		}
	}
	t.Fatal(name)
	return ""
}
