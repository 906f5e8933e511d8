package ingest

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/ingest/convert"
	"bestand/ingest/draft"
	"bestand/ingest/format"
	"bestand/ingest/invoice"
	"bestand/ingest/mail"
	"bestand/ingest/sandbox"
	"bestand/ingest/scan"
	"bestand/ingest/sip"
	"bestand/ingest/verapdf"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/pki"
	"bestand/preservation/revocation"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
	"bestand/preservation/timestamp"
)

// The sandbox starts this test binary as the child of a conversion.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case convert.ChildArg:
			os.Exit(convert.Child(os.Args[2:], os.Stdin, os.Stdout))
		case draft.ChildArg:
			os.Exit(draft.Child(os.Args[2:], os.Stdin, os.Stdout))
		case mail.ChildArg:
			os.Exit(mail.Child(os.Args[2:], os.Stdin, os.Stdout))
		case invoice.ChildArg:
			os.Exit(invoice.Child(os.Args[2:], os.Stdin, os.Stdout))
		}
	}
	os.Exit(m.Run())
}

// workshop is an ingest with a real catalog and a real object store. Its clock
// can be moved.
type workshop struct {
	*testing.T
	*Pipeline
	db      *catalog.DB
	tenant  *catalog.Tenant
	client  *s3.Client
	staging *s3.Staging
	later   time.Duration
}

func newWorkshop(t *testing.T) *workshop { return newWorkshopFor(t, catalog.Settings{}) }

func newWorkshopFor(t *testing.T, set catalog.Settings) *workshop {
	t.Helper()
	w := &workshop{T: t}
	now := func() time.Time { return time.Now().Add(w.later) }
	var err error
	if w.db, err = catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "catalog.db"), Now: now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.db.Close() })
	if err := w.db.CreateTenant(t.Context(), catalog.TenantInfo{ID: "musterstadt", Name: "Musterstadt", Settings: set}, "test"); err != nil {
		t.Fatal(err)
	}
	w.tenant = w.db.Tenant("musterstadt")
	w.client = storetest.Client(t, storetest.Embedded(t))
	if w.staging, err = w.client.Staging(t.Context(), "staging"); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	w.Pipeline = &Pipeline{
		Staging: w.staging, Packages: &sip.Reader{}, WorkDir: t.TempDir(), Now: now, Log: log, EnforcedBy: "test",
		Intake: &Intake{Staging: w.staging, Now: now, Log: log,
			Known: func(context.Context, *catalog.Tenant, string) (bool, error) { return true, nil }},
		Store: func(ctx context.Context, t *catalog.Tenant) (preservation.Store, error) {
			return w.client.Bucket(ctx, string(t.ID()))
		},
		Lock: func(context.Context, *catalog.Tenant, preservation.Record) (preservation.Lock, error) {
			return preservation.Lock{Mode: preservation.Governance, Until: now().Add(time.Hour).Truncate(time.Second)}, nil
		},
	}
	return w
}

// equip adds the tools. The folder is the one of veraPDF; clamd may be empty.
func (w *workshop) equip(veraPDF, clamd string) {
	w.Helper()
	for _, name := range []string{"chromium-headless-shell", "soffice", "gs", "qpdf", "pdftotext", "pdftoppm", "java"} {
		if _, err := sandbox.LookPath(name); err != nil {
			w.without(err)
		}
	}
	box, err := sandbox.New(w.Context())
	if err != nil {
		w.Fatal(err)
	}
	if w.Format, err = format.New(); err != nil {
		w.Fatal(err)
	}
	if w.Scanner, err = scan.New(scan.Config{Address: clamd}); err != nil {
		w.Fatal(err)
	}
	w.PDFA = verapdf.New(verapdf.Config{Sandbox: box, Read: []string{w.WorkDir}, Dir: veraPDF})
	validator := w.PDFA
	w.Cleanup(func() { validator.Close() })
	printer := convert.New(convert.Config{Sandbox: box})
	w.Convert = convert.New(convert.Config{Sandbox: box, Validator: validator, Mail: mail.Renderer(box, printer), XML: invoice.Renderer(box, printer)})
	w.Invoice = func(ctx context.Context, dir, pdf string) (invoice.Embedded, error) {
		return invoice.FromPDF(ctx, box, dir, pdf)
	}
	if w.Sealer != nil {
		return
	}
	keys, err := pki.Open(filepath.Join(w.TempDir(), "keys"), w.Now(), pki.Options{})
	if err != nil {
		w.Fatal(err)
	}
	stamper, err := timestamp.NewAuthority(timestamp.Config{Signer: keys.TSA.Signer, Chain: keys.TSA.Chain, Now: w.Now})
	if err != nil {
		w.Fatal(err)
	}
	drafter := draft.New(box)
	w.Cleanup(func() { drafter.Close() })
	source := &revocation.Source{Now: w.Now, Own: func(*x509.Certificate) ([]byte, error) { return keys.CRL(w.Now()) }}
	w.Sealer = &Sealer{Key: sealedWith(keys.Seal), Stamper: stamper, Revocation: source.Material, Name: "Bestand", Trust: keys.Roots(),
		Drafter: drafter, MaxPDF: 100 << 20, Now: w.Now}
}

func (w *workshop) without(err error) {
	w.Helper()
	if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
		w.Fatal(err)
	}
	w.Skip(err)
}

// begin opens a delivery under an identifier of the producer.
func (w *workshop) begin(source string) *Delivery {
	w.Helper()
	d, err := w.Intake.Begin(w.Context(), w.tenant, "dms", Request{Metadata: preservation.Metadata{
		Producer: "dms", ProducerRecordID: source, Class: "10", Title: "Akte " + source}})
	if err != nil {
		w.Fatal(err)
	}
	return d
}

func (w *workshop) file(d *Delivery, name, content string) {
	w.Helper()
	if _, err := d.File(w.Context(), name, strings.NewReader(content)); err != nil {
		w.Fatal(err)
	}
}

// submit delivers one file.
func (w *workshop) submit(source, name, content string) catalog.Submission {
	w.Helper()
	d := w.begin(source)
	defer d.Abort(w.Context())
	w.file(d, name, content)
	sub, created, err := d.Commit(w.Context())
	if err != nil || !created {
		w.Fatal(created, err)
	}
	return sub
}

// process works on everything in the queue and returns the submission.
func (w *workshop) process(id preservation.SubmissionID) catalog.Submission {
	w.Helper()
	if err := w.Process(w.Context(), w.tenant, catalog.Job{Kind: "process", Key: string(id)}); err != nil {
		w.Fatal(err)
	}
	sub, err := w.tenant.Submission(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return sub
}

func (w *workshop) record(id preservation.RecordID) catalog.Entry {
	w.Helper()
	e, err := w.tenant.Record(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	return e
}

// staged counts the objects in staging.
func (w *workshop) staged() (n int) {
	w.Helper()
	for _, err := range w.staging.List(w.Context(), "") {
		if err != nil {
			w.Fatal(err)
		}
		n++
	}
	return n
}

func (w *workshop) want(what string, err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Errorf("%s: %v, want %v", what, err, want)
	}
}
