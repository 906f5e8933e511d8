package hostile

import (
	"encoding/base64"
	"fmt"
	"strings"
)

const letterHead = "From: a@example.org\r\nTo: b@example.org\r\nSubject: " + Marker + "\r\nDate: Mon, 02 Mar 2026 10:00:00 +0100\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"

func mails(t Trap) []File {
	within := func(depth int) []byte {
		body := letterHead + "Content-Type: text/plain\r\n\r\n" + Marker + "\r\n"
		for range depth {
			body = letterHead + "Content-Type: message/rfc822\r\n\r\n" + body
		}
		return []byte(body)
	}
	parcels := func(depth int) []byte { // mails as attachments
		body := letterHead + "Content-Type: text/plain\r\n\r\n" + Marker + "\r\n"
		for i := range depth {
			b := fmt.Sprintf("b%d", i)
			body = letterHead + "Content-Type: multipart/mixed; boundary=" + b + "\r\n\r\n--" + b + "\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename=a.eml\r\n\r\n" + body + "\r\n--" + b + "--\r\n"
		}
		return []byte(body)
	}
	parts := func(n int) []byte {
		return []byte(letterHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nContent-Type: text/plain\r\n\r\nx\r\n", n) + "--b--\r\n")
	}
	html := func(body string) []byte {
		return []byte(letterHead + "Content-Type: text/html; charset=utf-8\r\n\r\n" + body)
	}
	return []File{
		{Name: "within-1000.eml", Content: func() []byte { return within(1000) }},
		{Name: "parcels-60.eml", Content: func() []byte { return parcels(60) }},
		{Name: "parcels-1000.eml", Content: func() []byte { return parcels(1000) }},
		{Name: "parts-100000.eml", Content: func() []byte { return parts(100_000) }},
		{Name: "parts-900.eml", Heavy: true, Content: func() []byte { return parts(900) }},
		{Name: "boundary-empty.eml", Content: text(letterHead + "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\n" + Marker + "\r\n----\r\n")},
		{Name: "header-10mib.eml", Content: func() []byte {
			return []byte(letterHead + "X-Long: " + strings.Repeat("a", 10<<20) + "\r\nContent-Type: text/plain\r\n\r\n" + Marker)
		}},
		{Name: "headers-500000.eml", Content: func() []byte {
			return []byte(letterHead + strings.Repeat("Received: from x by y\r\n", 500_000) + "Content-Type: text/plain\r\n\r\n" + Marker)
		}},
		{Name: "references-folded.eml", Content: func() []byte {
			return []byte(letterHead + "References: " + strings.Repeat("<a@b>\r\n ", 300_000) + "\r\nContent-Type: text/plain\r\n\r\n" + Marker)
		}},
		{Name: "attachment-90mib.eml", Heavy: true, Content: func() []byte {
			data := base64.StdEncoding.EncodeToString(Noise(7, 1<<20))
			var b strings.Builder
			b.WriteString(letterHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + Marker + "\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n")
			for range 66 {
				b.WriteString(strings.TrimRight(data, "=") + "AA\r\n")
			}
			return []byte(b.String() + "\r\n--b--\r\n")
		}},
		{Name: "text-100mib.eml", Heavy: true, Content: func() []byte {
			return []byte(letterHead + "Content-Type: text/plain\r\n\r\n" + strings.Repeat("Lindenstrasse\r\n", 100<<20/15))
		}},
		{Name: "page.eml", Content: func() []byte { return html(webPage(t)) }, Shows: true},
		{Name: "refresh.eml", Content: func() []byte {
			return html(`<meta http-equiv="refresh" content="0;url=file://` + t.Secret + `"><p>` + Marker)
		}, Shows: true},
		{Name: "cid-tricks.eml", Content: text(letterHead + "Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>" + Marker +
			`<img src="cid:a"><img src="cid:../../etc/passwd"><img src="cid:b&quot; onerror=&quot;fetch('` + t.URL + `/cid')"><img src="data:text/html,<script>fetch('` + t.URL + `/data')</script>"><img src="` + t.URL + `/remote.png"><img src="file://` + t.Secret + `">` +
			"\r\n--b\r\nContent-Type: image/svg+xml\r\nContent-ID: <a>\r\n\r\n" + svgBody("", t) + "\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <../../etc/passwd>\r\n\r\nno picture\r\n--b--\r\n"), Shows: true},
		{Name: "external-body.eml", Content: text(letterHead + "Content-Type: message/external-body; access-type=URL; URL=\"" + t.URL + "/external\"\r\n\r\nContent-Type: text/plain\r\n\r\n" + Marker)},
		{Name: "local-file.eml", Content: text(letterHead + "Content-Type: message/external-body; access-type=local-file; name=\"" + t.Secret + "\"\r\n\r\nContent-Type: text/plain\r\n\r\n" + Marker)},
		{Name: "partial.eml", Content: text(letterHead + "Content-Type: message/partial; id=\"x\"; number=1; total=2\r\n\r\n" + Marker)},
		{Name: "charset-unknown.eml", Content: text(letterHead + "Content-Type: text/plain; charset=\"../../etc/passwd\"\r\n\r\n" + Marker), Shows: true},
	}
}
