package invoice_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bestand/ingest/convert"
	"bestand/ingest/invoice"
	"bestand/preservation"
)

// The converter starts its own program for a part of the work.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == convert.ChildArg {
		os.Exit(convert.Child(os.Args[2:], os.Stdin, os.Stdout))
	}
	if len(os.Args) > 1 && os.Args[1] == invoice.ChildArg {
		os.Exit(invoice.Child(os.Args[2:], os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

func TestRenderer(t *testing.T) {
	print := convert.New(convert.Config{Sandbox: box(t)})
	c := convert.New(convert.Config{Sandbox: box(t), XML: invoice.Renderer(box(t), print)})
	for _, s := range []struct{ name, xml, verdict, text, code string }{
		{"invoice", ubl, preservation.VerdictNotValidated, "Müller GmbH", ""},
		{"wrong sum", strings.Replace(ubl, "<cbc:PayableAmount>1487.5<", "<cbc:PayableAmount>1478.5<", 1), preservation.VerdictNotValidated, "Müller GmbH", invoice.WrongSum},
		{"other", "<akte><betreff>Bauantrag</betreff></akte>", preservation.VerdictNotValidated, "", ""},
		{"damaged", ubl[:len(ubl)/2], preservation.VerdictNoRendition, "", invoice.Malformed},
	} {
		dir := t.TempDir()
		src, work := filepath.Join(dir, "source"), filepath.Join(dir, "work")
		if err := os.Mkdir(work, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(src, []byte(s.xml), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := c.Render(t.Context(), convert.Source{Path: src, Name: "a.xml", Title: "a", Format: preservation.Format{MIME: "application/xml"}}, work)
		if errors.Is(err, convert.ErrMissing) {
			skip(t, err)
		}
		if err != nil || r.Verdict != s.verdict || !strings.Contains(r.Text, s.text) {
			t.Errorf("%s: %+v, %v", s.name, r, err)
		}
		found := s.code == ""
		for _, e := range r.Events {
			found = found || e.Code == s.code
		}
		for _, o := range r.Outputs {
			for _, e := range o.Events {
				found = found || e.Code == s.code
			}
			if o.Kind == convert.Extracted && o.Name != "../a.csv" {
				t.Errorf("%s: extracted %q", s.name, o.Name)
			}
		}
		if !found {
			t.Errorf("%s: no event says %s: %+v", s.name, s.code, r)
		}
	}
}
