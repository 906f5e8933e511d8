package mail_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	xhtml "golang.org/x/net/html"

	"bestand/ingest/mail"
)

const head = "From: =?utf-8?Q?J=C3=B6rg?= <j@example.org>\r\nTo: amt@example.org\r\nSubject: =?iso-8859-1?Q?Antrag_f=FCr_Stra=DFe?=\r\nDate: Mon, 2 Mar 2026 10:15:00 +0100\r\nMIME-Version: 1.0\r\n"

func parse(t testing.TB, raw string, o mail.Options) (*mail.Message, error) {
	t.Helper()
	dir := t.TempDir()
	p := filepath.Join(dir, "message")
	if err := os.WriteFile(p, []byte(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Dir = dir
	return mail.Parse(context.Background(), p, o)
}

func must(t testing.TB, raw string) *mail.Message {
	t.Helper()
	m, err := parse(t, raw, mail.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func codes(m *mail.Message) string {
	var c []string
	for _, f := range m.Findings {
		c = append(c, f.Code)
	}
	return strings.Join(c, " ")
}

func attachment(t testing.TB, a mail.Attachment) []byte {
	t.Helper()
	b, err := os.ReadFile(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != a.Size {
		t.Errorf("%s: %d bytes, said %d", a.Name, len(b), a.Size)
	}
	return b
}

func part(header, body string) string { return header + "\r\n\r\n" + body + "\r\n" }

func multipart(kind string, parts ...string) string {
	b := fmt.Sprintf("b%d", rand.Uint64())
	return "Content-Type: multipart/" + kind + "; boundary=\"" + b + "\"\r\n\r\n--" + b + "\r\n" + strings.Join(parts, "--"+b+"\r\n") + "--" + b + "--\r\n"
}

func wrapped(b []byte) string {
	s, out := base64.StdEncoding.EncodeToString(b), ""
	for ; len(s) > 76; s = s[76:] {
		out += s[:76] + "\r\n"
	}
	return out + s
}

func TestHeaderAndText(t *testing.T) {
	m := must(t, head+"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe,=\r\n <script>alert(1)</script>\r\n")
	if m.From != "Jörg <j@example.org>" || m.Subject != "Antrag für Straße" || m.Date.Format("2006-01-02 15:04 -0700") != "2026-03-02 10:15 +0100" {
		t.Errorf("header %+v", m)
	}
	if m.Text != "Grüße, <script>alert(1)</script>" {
		t.Errorf("text %q", m.Text)
	}
	page := string(m.HTML)
	for _, want := range []string{"Jörg &lt;j@example.org&gt;", "02.03.2026 10:15:00", "Antrag für Straße", "Grüße, &lt;script&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if len(m.Findings) != 0 || len(m.Attachments) != 0 {
		t.Errorf("findings %v, attachments %v", m.Findings, m.Attachments)
	}
}

// Bytes and names come out as they went in; equal names stay two files.
func TestAttachments(t *testing.T) {
	data := make([]byte, 5000)
	rand.NewChaCha8([32]byte{1}).Read(data)
	latin := []byte("Stra\xdfe;1\n")
	nfd := "Gru\u0308ße.pdf"
	m := must(t, head+multipart("mixed",
		part("Content-Type: text/plain", "Anbei."),
		part("Content-Type: application/pdf; name=\"=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte(nfd))+"?=\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment", wrapped(data)),
		part("Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"../../etc/passwd\"", wrapped(data[:100])),
		part("Content-Type: text/csv; charset=utf-8\r\nContent-Disposition: attachment; filename=\"../../etc/passwd\"\r\nContent-Transfer-Encoding: 8bit", string(latin)),
		part("Content-Type: message/rfc822", "From: a@b\r\nSubject: innen\r\n\r\nText"),
	))
	want := []struct {
		name string
		data []byte
	}{
		{nfd, data}, {"../../etc/passwd", data[:100]}, {"../../etc/passwd", latin}, {"part-5.eml", []byte("From: a@b\r\nSubject: innen\r\n\r\nText")},
	}
	if len(m.Attachments) != len(want) {
		t.Fatalf("attachments %+v", m.Attachments)
	}
	for i, w := range want {
		a := m.Attachments[i]
		if got := attachment(t, a); a.Name != w.name || !bytes.Equal(got, w.data) {
			t.Errorf("attachment %d: %q, %d bytes, want %q, %d bytes; same: %v", i, a.Name, len(got), w.name, len(w.data), bytes.Equal(got, w.data))
		}
		if filepath.Dir(a.Path) == "/etc" || strings.Contains(a.Path, "passwd") {
			t.Errorf("path %q", a.Path)
		}
	}
}

const hostile = `<html><head><title>x</title><style>body{display:none}</style><script>alert(1)</script></head>
<body onload="alert(2)" background="http://evil/x.png"></div></div></table>
<p style="position:fixed;top:0;color:red;background:url(http://evil/y)">Sicht<b>bar</p>
<a href="javascript:alert(3)" onclick=alert(4)>Verweis</a>
<img src="cid:bild@x" width=10 onerror=alert(5)><img src="http://evil/pixel.gif" alt="Logo"><img src="data:image/svg+xml;base64,PHN2Zy8+">
<svg><script>alert(6)</script><p>im svg</p></svg><math><mtext></math>
<iframe src="http://evil"></iframe><form action="http://evil"><input value=x><button>Absenden</button></form>
<object data="x">Ersatz</object><meta http-equiv=refresh content="0;url=http://evil"><link rel=stylesheet href=http://evil>
<base href="http://evil/"><template><p>x</p></template><noscript><img src=http://evil/n></noscript>
<table><tr><td colspan=2>Zelle</td></tr><!-- comment --><p>Ende`

func TestInert(t *testing.T) {
	pixel := []byte("\x89PNG\r\n\x1a\nnot really")
	raw := head + multipart("related",
		part("Content-Type: text/html; charset=utf-8", hostile),
		part("Content-Type: image/png; name=bild.png\r\nContent-ID: <bild@x>\r\nContent-Transfer-Encoding: base64", wrapped(pixel)),
		part("Content-Type: image/png; name=frei.png\r\nContent-ID: <frei@x>\r\nContent-Transfer-Encoding: base64", wrapped(pixel)))
	m := must(t, raw)
	page := string(m.HTML)
	for _, want := range []string{"Sicht<b>bar", "Verweis", "Zelle", "Ende", "Absenden", "Ersatz", `src="data:image/png;base64,` + base64.StdEncoding.EncodeToString(pixel), `[Bild nicht enthalten: Logo]`, `colspan="2"`, `color:red`} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if strings.Contains(m.Text, "alert") || !strings.Contains(m.Text, "Sichtbar") {
		t.Errorf("text %q", m.Text)
	}
	if len(m.Attachments) != 1 || m.Attachments[0].Name != "frei.png" {
		t.Errorf("attachments %+v: the picture that is shown is none, the other is", m.Attachments)
	}
	if codes(m) != mail.RemoteContent {
		t.Errorf("findings %v", m.Findings)
	}
	inert(t, m.HTML)
}

// inert fails when a page holds anything that could act, load or leave its place.
func inert(t testing.TB, page []byte) {
	t.Helper()
	_, body, ok := bytes.Cut(page, []byte("<body>"))
	if !ok {
		t.Fatal("no body")
	}
	z := xhtml.NewTokenizer(bytes.NewReader(body))
	depth, inside := 0, false
	for {
		switch z.Next() {
		case xhtml.ErrorToken:
			if inside {
				t.Error("the message is not closed")
			}
			return
		case xhtml.StartTagToken, xhtml.SelfClosingTagToken:
			tok := z.Token()
			switch tok.Data {
			case "script", "style", "iframe", "object", "embed", "form", "input", "meta", "link", "base", "svg", "math", "template", "noscript":
				t.Errorf("element %v", tok)
			case "div":
				if inside {
					depth++
				}
			}
			for _, a := range tok.Attr {
				switch {
				case strings.HasPrefix(a.Key, "on"), a.Key == "href", a.Key == "background", a.Key == "srcset":
					t.Errorf("attribute %v", a)
				case a.Key == "src" && !strings.HasPrefix(a.Val, "data:image/"):
					t.Errorf("attribute %v", a)
				case a.Key == "style" && (strings.Contains(a.Val, "url") || strings.Contains(a.Val, "position")):
					t.Errorf("attribute %v", a)
				case a.Key == "class" && a.Val == "message":
					inside = true
				}
			}
		case xhtml.EndTagToken:
			if n, _ := z.TagName(); inside && string(n) == "div" {
				if depth--; depth < 0 {
					inside = false
				}
			}
		}
	}
}

// The page shows the HTML, search gets the plain text. Apple splits the HTML
// around attachments.
func TestAlternative(t *testing.T) {
	m := must(t, head+multipart("alternative",
		part("Content-Type: text/plain", "schlicht"),
		multipart("mixed",
			part("Content-Type: text/html", "<p>reich eins</p>"),
			part("Content-Type: application/pdf\r\nContent-Disposition: inline; filename=a.pdf", "%PDF"),
			part("Content-Type: text/html", "<p>reich zwei</p>")),
		part("Content-Type: text/calendar", "BEGIN:VCALENDAR")))
	page := string(m.HTML)
	if m.Text != "schlicht" || !strings.Contains(page, "reich eins") || !strings.Contains(page, "reich zwei") || strings.Contains(page, "schlicht") {
		t.Errorf("text %q\n%s", m.Text, page)
	}
	if len(m.Attachments) != 2 {
		t.Errorf("attachments %+v", m.Attachments)
	}
}

func TestFindings(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"latin-1 called utf-8", head + "Content-Type: text/plain; charset=utf-8\r\n\r\nStra\xdfe", mail.GuessedText},
		{"unknown character set", head + "Content-Type: text/plain; charset=klingon\r\n\r\nHallo", mail.GuessedText},
		{"no text", head + "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\n%PDF", mail.NoBody},
		{"encrypted", head + "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\nMIIB\r\n", mail.Encrypted + " " + mail.NoBody},
		{"broken base64", head + multipart("mixed", part("Content-Type: text/plain", "x"), part("Content-Type: application/pdf; name=a\r\nContent-Transfer-Encoding: base64", "QUJD!!!RA")), mail.Damaged},
		{"hidden rest", head + "Content-Type: text/html\r\n\r\n<p>a<svg>b", mail.Shortened},
	} {
		t.Run(c.name, func(t *testing.T) {
			if m := must(t, c.raw); codes(m) != c.want {
				t.Errorf("findings %v, want %s", m.Findings, c.want)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	deep := ""
	for i := range 200 {
		deep += fmt.Sprintf("Content-Type: multipart/mixed; boundary=\"b%d\"\r\n\r\n--b%d\r\n", i, i)
	}
	many := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 3000)
	for _, c := range []struct {
		name, raw, want string
		o               mail.Options
	}{
		{"empty", "", mail.Malformed, mail.Options{}},
		{"noise", "\x00\x01\x02 keine E-Mail", mail.Malformed, mail.Options{}},
		{"too deep", head + deep, mail.TooLarge, mail.Options{}},
		{"too many parts", head + many, mail.TooLarge, mail.Options{}},
		{"too long", head + "\r\nx", mail.TooLarge, mail.Options{Bytes: 100}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.raw, c.o)
			f, ok := errors.AsType[*mail.Fault](err)
			if !ok || f.Code != c.want || f.Finding().Code != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := filepath.Join(t.TempDir(), "m")
	if err := os.WriteFile(p, []byte(head+"\r\nx"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mail.Parse(ctx, p, mail.Options{Dir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(head + "\r\nText")
	f.Add(head + "Content-Type: text/html\r\n\r\n" + hostile)
	f.Add(head + multipart("mixed", part("Content-Type: text/plain; charset=utf-16", "x\x00"), part("Content-Type: image/png; name=a\r\nContent-ID: <a>\r\nContent-Transfer-Encoding: base64", "QUJD")))
	f.Add(head + multipart("alternative", part("Content-Type: text/plain", "x"), part("Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable", "<img src=3D\"cid:a\">=")))
	f.Fuzz(func(t *testing.T, raw string) {
		m, err := parse(t, raw, mail.Options{Bytes: 1 << 20, Body: 1 << 16})
		if err != nil {
			if _, ok := errors.AsType[*mail.Fault](err); !ok {
				t.Errorf("not a fault: %v", err)
			}
			return
		}
		inert(t, m.HTML)
		for _, a := range m.Attachments {
			attachment(t, a)
		}
	})
}
