package mail_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bestand/ingest/convert"
	"bestand/ingest/mail"
	"bestand/preservation"
)

// The converter starts its own program for a part of the work.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == convert.ChildArg {
		os.Exit(convert.Child(os.Args[2:], os.Stdin, os.Stdout))
	}
	if len(os.Args) > 1 && os.Args[1] == mail.ChildArg {
		os.Exit(mail.Child(os.Args[2:], os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

func TestRenderer(t *testing.T) {
	dir := t.TempDir()
	print := convert.New(convert.Config{Sandbox: box(t)})
	c := convert.New(convert.Config{Sandbox: box(t), Mail: mail.Renderer(box(t), print)})
	src, work := filepath.Join(dir, "source"), filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	raw := head + multipart("mixed", part("Content-Type: text/html; charset=utf-8", "<style>table{display:none}</style><p>Sehr geehrte Frau Müller</p>"),
		part("Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"Plan.pdf\"", "%PDF-1.4"))
	if err := os.WriteFile(src, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := c.Render(t.Context(), convert.Source{Path: src, Name: "a.eml", Format: preservation.Format{MIME: "message/rfc822"}}, work)
	if errors.Is(err, convert.ErrMissing) {
		skip(t, err)
	}
	if err != nil || r.Verdict != preservation.VerdictNotValidated || r.Pages != 1 || !strings.Contains(r.Text, "Sehr geehrte Frau Müller") {
		t.Fatalf("%+v, %v", r, err)
	}
	var extracted []string
	for _, o := range r.Outputs {
		if o.Kind == convert.Extracted {
			extracted = append(extracted, o.Name)
		}
	}
	if len(extracted) != 1 || extracted[0] != "Plan.pdf" {
		t.Errorf("extracted %v", extracted)
	}
}
