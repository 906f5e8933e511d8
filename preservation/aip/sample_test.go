package aip_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
)

// testSeal stands in for a CMS signature where only its place matters.
func testSeal(_ context.Context, mets []byte) ([]byte, error) {
	return fmt.Appendf(nil, "seal over %x\n", sha256.Sum256(mets)), nil
}

func digests(content []byte) preservation.Digests {
	short, long := sha256.Sum256(content), sha512.Sum512(content)
	return preservation.Digests{SHA256: hex.EncodeToString(short[:]), SHA512: hex.EncodeToString(long[:])}
}

// shelf holds the content of files, as the folder of a job does.
type shelf map[preservation.FileID][]byte

func (s shelf) open(id preservation.FileID) (io.ReadCloser, error) {
	b, ok := s[id]
	if !ok {
		return nil, fmt.Errorf("no content of %s", id)
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// add puts a file into the record and its content on the shelf.
func (s shelf) add(r *preservation.Record, rep preservation.Representation, name string, content []byte) *preservation.File {
	id := preservation.NewFileID(len(r.Files) + 1)
	s[id] = content
	r.Files = append(r.Files, preservation.File{ID: id, Representation: rep, Name: name, Size: int64(len(content)), Digests: digests(content)})
	return &r.Files[len(r.Files)-1]
}

// sample is a small record with everything in it.
func sample() (aip.Package, shelf) {
	at := time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.UTC)
	rec := preservation.Record{
		ID: "01jx5m3v8k4q7r2t9w6y0z1abc", Tenant: "musterstadt", Version: 1, Submission: "01jx5m3v8k4q7r2t9w6y0z1abd", Received: at,
		Metadata: preservation.Metadata{
			Producer: "dms-bauamt", ProducerRecordID: "63.10-2014/0815", Kind: "file", Class: "63.10",
			Title: "Bauantrag Lindenstraße 12 <Anbau> & \"Carport\"", Reference: "63.10-2014/0815", Creator: "Bauordnungsamt",
			Opened: preservation.Date{Year: 2014, Month: 3, Day: 2}, Closed: preservation.Date{Year: 2015, Month: 11, Day: 30},
			Confidentiality: "internal", PersonalData: true,
			Subjects: []preservation.Subject{{Name: "Muster, Erika", Born: preservation.Date{Year: 1961, Month: 5, Day: 4}}},
			Keywords: []string{"Baugenehmigung", "Anbau"}, Extra: map[string]string{"Flurstück": "112/4", "Gemarkung": "Linden"},
		},
	}
	s := shelf{}
	docx := s.add(&rec, preservation.Original, "bauantrag.DOCX", []byte("not really an office document\n"))
	docx.Title, docx.Document, docx.Verdict = "Bauantrag", "1", ""
	docx.Format = preservation.Format{PUID: "fmt/412", Name: "Microsoft Word for Windows", Version: "2007 onwards",
		MIME: "application/vnd.openxmlformats-officedocument.wordprocessingml.document", Registry: "DROID_SignatureFile_V120", Basis: "container"}
	pdf := s.add(&rec, preservation.Preservation, "bauantrag.pdf", []byte("%PDF-1.7 not really\n"))
	pdf.DerivedFrom, pdf.Document, pdf.Verdict, pdf.Flavour = "f0001", "1", preservation.VerdictValid, "2b"
	pdf.Format = preservation.Format{PUID: "fmt/477", Name: "Acrobat PDF/A - Portable Document Format", Version: "2b", MIME: "application/pdf"}
	s.add(&rec, preservation.Original, "leer", nil)

	tool := preservation.Agent{Type: preservation.Software, Name: "LibreOffice", Version: "7.4.7.2"}
	bestand := preservation.Agent{Type: preservation.Software, Name: "Bestand", Version: "0.1.0"}
	events := []preservation.Event{
		{ID: "01jx5m3v8k4q7r2t9w6y0z1ab1", Type: preservation.EventReceive, At: at, Outcome: preservation.Success, Agent: bestand},
		{ID: "01jx5m3v8k4q7r2t9w6y0z1ab2", Type: preservation.EventScan, At: at.Add(time.Second), Outcome: preservation.Warning, Code: "not-scanned",
			Detail: "no virus scanner is configured", Agent: bestand, Files: []preservation.FileID{"f0001", "f0003"}},
		{ID: "01jx5m3v8k4q7r2t9w6y0z1ab3", Type: preservation.EventConvert, At: at.Add(3 * time.Second), Outcome: preservation.Success,
			Detail: "to PDF/A-2b", Agent: tool, Files: []preservation.FileID{"f0001", "f0002"}},
		{ID: "01jx5m3v8k4q7r2t9w6y0z1ab4", Type: preservation.EventCheck, At: at.Add(4 * time.Second), Outcome: preservation.Success,
			Agent: preservation.Agent{Type: preservation.Person, Name: "archivist"}},
	}
	return aip.Package{Record: rec, Events: events, Creator: bestand, Content: s.open, Seal: testSeal}, s
}

// pack writes a package that must succeed.
func pack(t testing.TB, p aip.Package) ([]byte, aip.Manifest) {
	t.Helper()
	var b bytes.Buffer
	m, err := aip.Write(t.Context(), &b, p)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), m
}

// verify returns all findings, with a seal check that knows testSeal.
func verify(t testing.TB, zip []byte) []preservation.Finding {
	t.Helper()
	return aip.Verify(t.Context(), bytes.NewReader(zip), int64(len(zip)), aip.Options{VerifySeal: checkTestSeal})
}

func checkTestSeal(mets io.Reader, seal []byte) []preservation.Finding {
	read, err := io.ReadAll(mets)
	if want, _ := testSeal(context.Background(), read); err != nil || !bytes.Equal(seal, want) {
		return []preservation.Finding{{Code: "seal-invalid", Severity: preservation.Failed}}
	}
	return []preservation.Finding{{Code: "seal-valid", Severity: preservation.Passed}}
}

func codes(findings []preservation.Finding) (c []string) {
	for _, f := range findings {
		c = append(c, f.Code)
	}
	return c
}
