package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/ingest"
	"bestand/ingest/sandbox"
	"bestand/ingest/verapdf"
	"bestand/preservation"
	"bestand/preservation/evidence/judge"
	"bestand/preservation/verdict"
)

// verifier looks at what the archive made with tools that know nothing of it.
type verifier struct {
	*testing.T
	pdfa *verapdf.Validator
	ca   string // file
	dir  string
}

func newVerifier(t *testing.T, in *installation) *verifier {
	t.Helper()
	for _, name := range []string{"unzip", "xmllint", "qpdf", "pdfsig", "openssl"} {
		tool(t, name)
	}
	box, err := sandbox.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := &verifier{T: t, dir: t.TempDir(), ca: filepath.Join(in.dir, "keys", "ca.pem")}
	v.pdfa = verapdf.New(verapdf.Config{Sandbox: box, Read: []string{v.dir}})
	t.Cleanup(func() { v.pdfa.Close() })
	return v
}

// in makes the verifier report to a subtest.
func (v *verifier) in(t *testing.T) *verifier {
	return &verifier{T: t, pdfa: v.pdfa, ca: v.ca, dir: v.dir}
}

// run wants a tool to succeed and returns what it said.
func (v *verifier) run(name string, args ...string) string {
	v.Helper()
	cmd := exec.CommandContext(v.Context(), name, args...)
	catalog, err := filepath.Abs("../../preservation/aip/testdata/schema/catalog.xml")
	if err != nil {
		v.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "XML_CATALOG_FILES=file://"+catalog, "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		v.Errorf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func (v *verifier) save(name string, content []byte) string {
	v.Helper()
	path := filepath.Join(v.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		v.Fatal(err)
	}
	return path
}

// page looks at a page that the archive printed and sealed: foreign tools find it to be
// sealed, tagged and PDF/A, and it says the words. Its text is returned.
func (v *verifier) page(name string, content []byte, words ...string) string {
	v.Helper()
	pdf := v.save(name, content)
	v.run("qpdf", "--check", pdf)
	v.valid(pdf, "2b")
	if said := v.run("pdfsig", pdf); !strings.Contains(said, "Signature Validation: Signature is Valid.") {
		v.Errorf("pdfsig on %s:\n%s", name, said)
	}
	if info := v.run("pdfinfo", pdf); !strings.Contains(strings.Join(strings.Fields(info), " "), "Tagged: yes") {
		v.Errorf("%s has no structure for those who cannot see it:\n%s", name, info)
	}
	text := v.run("pdftotext", "-layout", pdf, "-")
	for _, word := range words {
		if !strings.Contains(text, word) {
			v.Errorf("%s does not say %q:\n%s", name, word, text)
		}
	}
	return text
}

// record looks at the package of a record and at everything in it.
func (v *verifier) record(c *caller, r holding) {
	v.Helper()
	body := c.get("/v1/records/"+r.ID+"/package").want(v.T, 200)
	if got := hex256(body.body); got != r.Package.SHA256 || body.Header.Get("ETag") != `"`+got+`"` {
		v.Errorf("package has SHA-256 %s, the record says %s, its ETag %s", got, r.Package.SHA256, body.Header.Get("ETag"))
	}
	path := v.save(r.ID+".zip", body.body)
	v.run("unzip", "-tq", path)
	v.offline(path, body.body)
	folder := filepath.Join(v.dir, r.ID)
	v.run("unzip", "-q", path, "-d", v.dir)
	schema := "../../preservation/aip/testdata/schema/"
	v.run("xmllint", "--nonet", "--noout", "--schema", schema+"aip.xsd", filepath.Join(folder, "METS.xml"))
	v.run("xmllint", "--nonet", "--noout", "--schema", schema+"premis.xsd", filepath.Join(folder, "metadata/preservation/premis.xml"))
	v.run("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", filepath.Join(folder, "METS.xml.p7s"),
		"-content", filepath.Join(folder, "METS.xml"), "-CAfile", v.ca, "-purpose", "any", "-out", os.DevNull)

	renditions := 0
	for _, f := range r.of(preservation.Preservation) {
		if f.Format.MIME != "application/pdf" {
			continue
		}
		renditions++
		pdf := filepath.Join(folder, filepath.FromSlash(v.path(folder, f)))
		v.run("qpdf", "--check", pdf)
		if said := v.run("pdfsig", pdf); strings.Count(said, "Signature Validation: Signature is Valid.") != 1 {
			v.Errorf("pdfsig on %s:\n%s", f.Name, said)
		}
		if all := judge.Signatures(v.T, pdf, v.ca, time.Now()); len(all) != 1 || all[0].Level != "PAdES-BASELINE-LT" || all[0].Indication != "TOTAL_PASSED" {
			v.Errorf("EU DSS on %s: %+v", f.Name, all)
		}
		if renditions == 1 {
			v.archived(c, r, f)
		}
		v.valid(pdf, f.Flavour)
	}
	if renditions < len(r.of(preservation.Original)) {
		v.Errorf("%d renditions of %d originals", renditions, len(r.of(preservation.Original)))
	}
	v.events(c, r)
}

// archived fetches a copy of a rendition in level B-LTA, which originals have not.
func (v *verifier) archived(c *caller, r holding, f held) {
	v.Helper()
	at := "/v1/records/" + r.ID + "/files/"
	pdf := v.save(r.ID+"-lta.pdf", c.get(at+string(f.ID)+"?seal=B-LTA").want(v.T, 200).body)
	v.run("qpdf", "--check", pdf)
	v.valid(pdf, f.Flavour)
	if all := judge.Signatures(v.T, pdf, v.ca, time.Now()); len(all) != 1 || all[0].Level != "PAdES-BASELINE-LTA" || all[0].Indication != "TOTAL_PASSED" {
		v.Errorf("EU DSS on the copy of %s: %+v", f.Name, all)
	}
	c.get(at+string(r.of(preservation.Original)[0].ID)+"?seal=B-LTA").want(v.T, 409)
}

// path finds a file of the record among the unpacked ones, by its digest.
func (v *verifier) path(folder string, f held) (found string) {
	v.Helper()
	root := filepath.Join(folder, "representations", string(f.Representation), "data")
	filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if b, err := os.ReadFile(path); err == nil && hex256(b) == f.SHA256 {
				found, _ = filepath.Rel(folder, path)
			}
		}
		return err
	})
	if found == "" {
		v.Fatalf("the package has no file with the SHA-256 of %s", f.Name)
	}
	return found
}

// valid wants a PDF to be PDF/A of a flavour.
func (v *verifier) valid(pdf, flavour string) {
	v.Helper()
	verdict, err := v.pdfa.Validate(v.Context(), pdf, verapdf.Flavour(flavour))
	if err != nil || !verdict.Valid || verdict.Claimed != verapdf.Flavour(flavour) {
		v.Errorf("veraPDF on %s: %+v %v", filepath.Base(pdf), verdict, err)
	}
}

// events wants every step to have left its trace, with who did it.
func (v *verifier) events(c *caller, r holding) {
	v.Helper()
	seen := map[preservation.EventType]bool{}
	last := ""
	for _, e := range c.events(r.ID) {
		seen[e.Type] = true
		if e.Agent.Name == "" || e.Agent.Type == preservation.Software && e.Agent.Version == "" && e.Code != "not-scanned" || e.Outcome == "" || e.At.IsZero() {
			v.Errorf("event %+v says too little", e)
		}
		if e.ID < last && e.Type != preservation.EventStore {
			v.Errorf("event %s is out of order", e.ID)
		}
		last = e.ID
	}
	for _, want := range []preservation.EventType{preservation.EventReceive, preservation.EventFixity, preservation.EventScan, preservation.EventIdentify,
		preservation.EventConvert, preservation.EventValidate, preservation.EventCheck, preservation.EventSeal, preservation.EventDigest,
		preservation.EventPackage, preservation.EventStore} {
		if !seen[want] {
			v.Errorf("no event %q", want)
		}
	}
	premis := v.save("premis.xml", c.get("/v1/records/"+r.ID+"/events", "Accept", "application/xml").want(v.T, 200).body)
	v.run("xmllint", "--nonet", "--noout", "--schema", "../../preservation/aip/testdata/schema/premis.xsd", premis)
}

// offline has the program verify a package, and copies of it with one byte
// changed in each of its parts.
func (v *verifier) offline(path string, content []byte) {
	v.Helper()
	verify := func(path string, trust ...string) (string, error) {
		var out bytes.Buffer
		err := run(context.Background(), append(append([]string{"verify"}, trust...), path), &out, &out)
		return out.String(), err
	}
	trust := []string{"--trust", v.ca}
	if said, err := verify(path, trust...); err != nil || !strings.Contains(said, ": intact") {
		v.Errorf("verify: %v\n%s", err, said)
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		v.Fatal(err)
	}
	flips := map[string]int64{"end of the directory": int64(len(content)) - 10, "directory": int64(len(content)) - 60}
	for _, f := range z.File {
		at, err := f.DataOffset()
		if err != nil {
			v.Fatal(err)
		}
		if f.UncompressedSize64 > 0 {
			flips[f.Name] = at + int64(f.UncompressedSize64)/2
		}
	}
	for where, at := range flips {
		bad := bytes.Clone(content)
		bad[at] ^= 0x10
		copied := v.save("flipped.zip", bad)
		said, err := verify(copied, trust...)
		var code exitCode
		if !errors.As(err, &code) || code != 1 || !strings.Contains(said, "NOT INTACT") {
			v.Errorf("a byte flipped at %d in %s: %v\n%s", at, where, err, said)
		}
	}
}

// receipt checks the signed receipt by hand and holds it against the files that
// were sent, and its readable form by tools.
func (v *verifier) receipt(c *caller, o outcome, r holding) {
	v.Helper()
	jws, err := os.ReadFile(o.Receipt)
	if err != nil {
		v.Fatal(err)
	}
	answer := c.get("/v1/submissions/"+o.Submission+"/receipt").want(v.T, 200)
	if answer.Header.Get("Content-Type") != "application/jose" || !bytes.Equal(answer.body, jws) {
		v.Errorf("receipt as %s, the same: %v", answer.Header.Get("Content-Type"), bytes.Equal(answer.body, jws))
	}
	var receipt ingest.Receipt
	if err := json.Unmarshal(v.signed(string(jws)), &receipt); err != nil {
		v.Fatal(err)
	}
	record := receipt.Records[0]
	if string(record.ID) != r.ID || record.Package.SHA256 != r.Package.SHA256 || receipt.SourceDeletion != "allowed" ||
		receipt.Lock.Mode != preservation.Compliance || receipt.Lock.EnforcedBy == "" || receipt.Copies < 1 {
		v.Errorf("receipt %+v", receipt)
	}
	sent := files(v.T, o.Path)
	if len(record.Files) != len(sent) {
		v.Errorf("receipt names %d files, %d were sent", len(record.Files), len(sent))
	}
	for _, f := range record.Files {
		content := sent[f.Name]
		sha := sha512.Sum512(content)
		if f.SHA256 != hex256(content) || f.SHA512 != hex.EncodeToString(sha[:]) || f.Size != int64(len(content)) {
			v.Errorf("receipt of %s: %+v", f.Name, f)
		}
	}
	var out bytes.Buffer
	if err := run(context.Background(), []string{"verify", "--trust", v.ca, o.Receipt}, &out, &out); err != nil {
		v.Errorf("verify: %v\n%s", err, &out)
	}
	tampered := v.save("tampered.jws", bytes.Replace(jws, []byte("."), []byte(".A"), 1))
	if err := run(context.Background(), []string{"verify", "--trust", v.ca, tampered}, &out, &out); err == nil {
		v.Error("a receipt with another payload verifies")
	}
	name := r.ID + "-receipt.pdf"
	v.page(name, c.get("/v1/submissions/"+o.Submission+"/receipt?format=pdf").want(v.T, 200).body)
	if text := v.run("pdftotext", filepath.Join(v.dir, name), "-"); !strings.Contains(strings.Join(strings.Fields(text), ""), record.Package.SHA256) {
		v.Errorf("the readable receipt does not name the digest of the package:\n%s", text)
	}
}

// signed verifies a JWS (RFC 7515) with ES256 (RFC 7518, 3.4) by the standard
// library alone, against the archive's CA.
func (v *verifier) signed(jws string) []byte {
	v.Helper()
	parts := strings.Split(strings.TrimSpace(jws), ".")
	if len(parts) != 3 {
		v.Fatalf("receipt has %d parts", len(parts))
	}
	raw := make([][]byte, 3)
	for i, p := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.DecodeString(p); err != nil {
			v.Fatal(err)
		}
	}
	var header struct {
		Alg string
		X5C []string
	}
	if err := json.Unmarshal(raw[0], &header); err != nil || header.Alg != "ES256" || len(header.X5C) == 0 {
		v.Fatalf("header %s: %v", raw[0], err)
	}
	der, err := base64.StdEncoding.DecodeString(header.X5C[0])
	if err != nil {
		v.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		v.Fatal(err)
	}
	roots, err := verdict.Anchors(v.ca)
	if err != nil {
		v.Fatal(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		v.Error(err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(raw[2][:32]), new(big.Int).SetBytes(raw[2][32:])
	if !ecdsa.Verify(cert.PublicKey.(*ecdsa.PublicKey), sum[:], r, s) {
		v.Error("the signature of the receipt is not valid")
	}
	return raw[1]
}

func hex256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
