package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/sync/errgroup"

	"bestand/ingest/sandbox"
	"bestand/ingest/verapdf"
	"bestand/preservation"
	"bestand/preservation/objectstore"
	"bestand/preservation/s3"
)

const (
	benchClients = 8
	benchSize    = 100 << 10 // bytes of a document
	benchRound   = 100       // documents of a round
	acceptRound  = 600       // as many as take a second or so
)

// BenchmarkAccept compares how fast records are accepted that need no conversion
// with what the object store under the service takes from minio-go with the same
// lock and nothing around it. Every iteration is a round of each, and the
// archiving of what was accepted goes on meanwhile.
func BenchmarkAccept(b *testing.B) {
	s := benchService(b)
	document := pdfaDocument(b)
	var ours, bare []float64
	for b.Loop() {
		docs := distinct(document, acceptRound)
		bare = append(bare, perSecond(b, docs, s.put))
		ours = append(ours, perSecond(b, docs, s.submit))
		s.drained(b)
	}
	compared(b, ours, bare)
}

// BenchmarkArchive compares how fast such records are archived, from the first
// request to the last receipt, with the validation of the same files by the warm
// veraPDF alone, which runs in as many processes as the service has.
func BenchmarkArchive(b *testing.B) {
	s := benchService(b)
	document := pdfaDocument(b)
	dir := b.TempDir()
	box, err := sandbox.New(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	cfg, err := loadConfig(flags("bench", b.Output()), nil)
	if err != nil {
		b.Fatal(err)
	}
	v := verapdf.New(verapdf.Config{Sandbox: box, Read: []string{dir}, Processes: cfg.validators()})
	defer v.Close()
	validate := func(ctx context.Context, doc []byte) error {
		path := filepath.Join(dir, digestOf(doc))
		if err := os.WriteFile(path, doc, 0o600); err != nil {
			return err
		}
		got, err := v.Validate(ctx, path, verapdf.Auto)
		if err == nil && !got.Valid {
			err = fmt.Errorf("not valid: %+v", got)
		}
		return err
	}
	warm := distinct(document, 2*benchRound) // of both virtual machines
	perSecond(b, warm[:benchRound], validate)
	perSecond(b, warm[benchRound:], s.submit)
	s.drained(b)
	var ours, alone []float64
	for b.Loop() {
		docs := distinct(document, benchRound)
		alone = append(alone, perSecond(b, docs, validate))
		begin := time.Now()
		perSecond(b, docs, s.submit)
		s.drained(b)
		ours = append(ours, float64(len(docs))/time.Since(begin).Seconds())
	}
	compared(b, ours, alone)
}

// compared reports the medians of both sides.
func compared(b *testing.B, ours, peer []float64) {
	b.Helper()
	b.ReportMetric(middle(ours), "ours/s")
	b.ReportMetric(middle(peer), "peer/s")
	b.ReportMetric(middle(ours)/middle(peer), "ratio")
}

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// perSecond does something with every document, with as many clients as there
// are, and returns the rate.
func perSecond(b *testing.B, docs [][]byte, do func(context.Context, []byte) error) float64 {
	b.Helper()
	begin := time.Now()
	g, ctx := errgroup.WithContext(b.Context())
	g.SetLimit(benchClients)
	for _, d := range docs {
		g.Go(func() error { return do(ctx, d) })
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return float64(len(docs)) / time.Since(begin).Seconds()
}

// serviceUnderTest is the service over an embedded object store that others can
// use as well.
type serviceUnderTest struct {
	*installation
	token string
	bare  *minio.Client
}

const bareBucket = "bare"

// benchService starts the service over an object store of its own kind, whose
// keys the benchmark knows.
func benchService(b *testing.B, flags ...string) *serviceUnderTest {
	b.Helper()
	converters(b)
	dir := b.TempDir()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	store, err := objectstore.Supervise(b.Context(), objectstore.Options{Dir: filepath.Join(dir, "objects"), Command: []string{self, "objectstore"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Stop(context.Background()) })
	access, secret := store.Credentials()
	secretFile := filepath.Join(dir, "secret")
	if err := os.WriteFile(secretFile, []byte(secret), 0o600); err != nil {
		b.Fatal(err)
	}
	client, err := s3.Dial(s3.Config{Endpoint: store.Endpoint(), AccessKey: access, SecretKey: secret})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := client.Bucket(b.Context(), bareBucket); err != nil {
		b.Fatal(err)
	}
	socket := strings.TrimPrefix(store.Endpoint(), "unix:")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	bare, err := minio.New("localhost", &minio.Options{
		Creds: credentials.NewStaticV4(access, secret, ""), Region: "us-east-1", TrailingHeaders: true,
		Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: benchClients, DisableCompression: true},
	})
	if err != nil {
		b.Fatal(err)
	}
	s := &serviceUnderTest{bare: bare}
	s.installation = install(b, append(flags, "--s3-endpoint", store.Endpoint(), "--s3-access-key", access, "--s3-secret-file", secretFile, "--s3-secure=false")...).serve(b)
	if s.token, err = readSecret(filepath.Join(s.dir, tokenFile)); err != nil {
		b.Fatal(err)
	}
	return s
}

// put stores a document as minio-go does when it is asked for what the archive
// asks for: a lock, no overwriting, a checksum.
func (s *serviceUnderTest) put(ctx context.Context, doc []byte) error {
	o := minio.PutObjectOptions{Mode: minio.Compliance, RetainUntilDate: time.Now().Add(time.Hour), ContentType: "application/pdf",
		DisableMultipart: true, DisableContentSha256: true, Checksum: minio.ChecksumSHA256}
	o.SetMatchETagExcept("*")
	_, err := s.bare.PutObject(ctx, bareBucket, "aip/"+preservation.NewID(time.Now()), bytes.NewReader(doc), int64(len(doc)), o)
	return err
}

var benchHTTP = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: benchClients}}

// submit hands a document over and returns when it is accepted.
func (s *serviceUnderTest) submit(ctx context.Context, doc []byte) error {
	body := form(about(digestOf(doc), "63.10", "Baugenehmigung"), sent{"bescheid.pdf", func() io.Reader { return bytes.NewReader(doc) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/submissions", body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	return s.ask(req, http.StatusAccepted, nil)
}

func (s *serviceUnderTest) ask(req *http.Request, status int, to any) error {
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := benchHTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != status {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	if err == nil && to != nil {
		err = json.Unmarshal(text, to)
	}
	return err
}

// drained returns when everything that was accepted has been archived.
func (s *serviceUnderTest) drained(b *testing.B) {
	b.Helper()
	for end := time.Now().Add(10 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var open int
		for _, status := range []string{"received", "processing", "quarantined", "rejected"} {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, s.url+"/v1/submissions?limit=1&status="+status, nil)
			if err != nil {
				b.Fatal(err)
			}
			var page struct {
				Items []struct{ ID, Status string }
			}
			if err := s.ask(req, http.StatusOK, &page); err != nil {
				b.Fatal(err)
			}
			if len(page.Items) > 0 && (status == "quarantined" || status == "rejected") {
				b.Fatalf("%+v", page.Items)
			}
			if open += len(page.Items); open > 0 {
				break
			}
		}
		if open == 0 {
			return
		}
		if time.Now().After(end) {
			b.Fatal("not archived within ten minutes")
		}
	}
}

func digestOf(doc []byte) string {
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])
}

// identifiers are the two strings by which a PDF tells itself from others
// (ISO 32000-1, 14.4).
var identifiers = regexp.MustCompile(`<([0-9A-F]{32})>\s*<([0-9A-F]{32})>`)

// distinct returns as many documents that differ in their identifiers only.
func distinct(document []byte, n int) [][]byte {
	at := identifiers.FindSubmatchIndex(document)
	docs := make([][]byte, n)
	for i := range docs {
		docs[i] = bytes.Clone(document)
		var id [16]byte
		rand.Read(id[:])
		hexed := fmt.Sprintf("%X", id)
		copy(docs[i][at[2]:], hexed)
		copy(docs[i][at[4]:], hexed)
	}
	return docs
}

// pdfaDocument is a decision of three pages with a picture, as LibreOffice writes
// it in PDF/A-2b, of the size of the benchmarks.
func pdfaDocument(b *testing.B) []byte {
	b.Helper()
	text := strings.Repeat("Auf Ihren Antrag wird gemäß § 72 der Sächsischen Bauordnung die Genehmigung zum Umbau des Wohngebäudes erteilt. ", 8)
	picture := 60 << 10
	for range 4 {
		pdf := printed(b, text, picture)
		if identifiers.FindIndex(pdf) == nil {
			b.Fatal("the PDF has no identifiers")
		}
		if diff := benchSize - len(pdf); diff > 1<<10 || diff < -1<<10 {
			picture += diff
			continue
		}
		return pdf
	}
	b.Fatal("no document of the wanted size")
	return nil
}

func printed(b *testing.B, text string, picture int) []byte {
	b.Helper()
	dir := b.TempDir()
	side := image.NewGray(image.Rect(0, 0, 200, picture/200))
	rand.Read(side.Pix)
	var scan bytes.Buffer
	if err := png.Encode(&scan, side); err != nil {
		b.Fatal(err)
	}
	var page strings.Builder
	page.WriteString(`<!DOCTYPE html><html lang="de"><head><meta charset="utf-8"><title>Bescheid</title></head><body>`)
	for i := range 12 {
		fmt.Fprintf(&page, "<h2>%d. Nebenbestimmung</h2><p>%s</p>", i+1, text)
	}
	fmt.Fprintf(&page, `<p><img alt="Lageplan" width="300" height="200" src="data:image/png;base64,%s"></p></body></html>`, base64.StdEncoding.EncodeToString(scan.Bytes()))
	if err := os.WriteFile(filepath.Join(dir, "bescheid.html"), []byte(page.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	options := `pdf:writer_web_pdf_Export:{"SelectPdfVersion":{"type":"long","value":"2"},"UseTaggedPDF":{"type":"boolean","value":"true"},"UseLosslessCompression":{"type":"boolean","value":"true"},"ReduceImageResolution":{"type":"boolean","value":"false"}}`
	cmd := exec.CommandContext(b.Context(), "soffice", "-env:UserInstallation=file://"+dir+"/profile", "--headless", "--convert-to", options, "--outdir", dir, filepath.Join(dir, "bescheid.html"))
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	pdf, err := os.ReadFile(filepath.Join(dir, "bescheid.pdf"))
	if err != nil {
		b.Fatal(err)
	}
	return pdf
}
