package mail_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bestand/ingest/mail"
	"bestand/ingest/sandbox"
)

// An Outlook message with one attachment, written by a library that is not the
// one under test.
const writeMSG = `use OLE::Storage_Lite;
sub name { OLE::Storage_Lite::Asc2Ucs($_[0]) }
sub file { OLE::Storage_Lite::PPS::File->new(name($_[0]), $_[1]) }
sub dir { OLE::Storage_Lite::PPS::Dir->new(name($_[0]), [0,0,0,1,0,100], [0,0,0,1,0,100], $_[1]) }
OLE::Storage_Lite::PPS::Root->new([0,0,0,1,0,100], [0,0,0,1,0,100], [
  file('__properties_version1.0', "\0" x 32), file('__nameid_version1.0', ""),
  file('__substg1.0_0037001E', 'Bauantrag'), file('__substg1.0_1000001E', "Text der Nachricht\r\n"),
  file('__substg1.0_0C1A001E', 'Erika Muster'), file('__substg1.0_0C1F001E', 'erika@example.org'),
  dir('__attach_version1.0_#00000000', [ file('__properties_version1.0', "\0" x 8),
    file('__substg1.0_37010102', "\x00\x01\x02Plan"), file('__substg1.0_3707001E', 'plan.bin') ]),
])->save($ARGV[0]) or die;`

func box(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.New(t.Context())
	if err != nil {
		skip(t, err)
	}
	return s
}

func skip(t *testing.T, why any) {
	t.Helper()
	if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func TestMSG(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "source")
	if out, err := exec.Command("perl", "-e", writeMSG, path).CombinedOutput(); err != nil {
		skip(t, "perl's OLE::Storage_Lite: "+string(out))
	}
	eml, err := mail.FromMSG(t.Context(), box(t), dir, path)
	if errors.Is(err, sandbox.ErrMissing) {
		skip(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	m, err := mail.Parse(t.Context(), eml, mail.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if m.Subject != "Bauantrag" || m.Text != "Text der Nachricht" {
		t.Errorf("subject %q, text %q", m.Subject, m.Text)
	}
	if len(m.Attachments) != 1 || m.Attachments[0].Name != "plan.bin" || string(attachment(t, m.Attachments[0])) != "\x00\x01\x02Plan" {
		t.Errorf("attachments %+v", m.Attachments)
	}
	if a := mail.MSGAgent(t.Context(), box(t), dir); a.Version == "" {
		t.Errorf("agent %+v", a)
	}
}

func TestNotMSG(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "source")
	if err := os.WriteFile(path, []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 and no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := mail.FromMSG(t.Context(), box(t), dir, path)
	if errors.Is(err, sandbox.ErrMissing) {
		skip(t, err)
	}
	if f, ok := errors.AsType[*mail.Fault](err); !ok || f.Code != mail.Malformed {
		t.Errorf("got %v", err)
	}
}
