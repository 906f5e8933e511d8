package mail

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"

	xhtml "golang.org/x/net/html"
)

// render returns the body of the page and its text for search.
func (b *body) render(segments []segment) (template.HTML, string) {
	var out bytes.Buffer
	var text []string
	for _, s := range segments {
		if s.html == "" {
			out.WriteString(`<pre class="text">` + xhtml.EscapeString(clean(s.plain)) + "</pre>\n")
			text = append(text, s.plain)
			continue
		}
		out.WriteString(`<div class="html">`)
		plain := b.inert(&out, s.html)
		out.WriteString("</div>\n")
		if s.text != nil {
			plain = *s.text
		}
		text = append(text, plain)
	}
	return template.HTML(out.String()), strings.TrimSpace(strings.Join(text, "\n\n"))
}

var pageTemplate = template.Must(template.New("mail").Funcs(template.FuncMap{"bytes": bytesText}).Parse(`<!DOCTYPE html>
<html lang="de"><head><meta charset="utf-8"><title>{{.Title}}</title>
<style>
body { font: 10pt/1.4 "Liberation Sans", Carlito, "DejaVu Sans", sans-serif; margin: 0; color: #000; background: #fff }
table.head { border-collapse: collapse; margin-bottom: 1em; width: 100% }
table.head th { text-align: left; vertical-align: top; padding: 1px 1em 1px 0; white-space: nowrap; font-weight: bold; width: 1% }
table.head td { overflow-wrap: anywhere }
ul.files { margin: 0; padding-left: 1.2em }
.message { border-top: 1px solid #000; padding-top: 1em; position: relative; contain: paint }
pre.text { font: 10pt/1.4 "Liberation Mono", "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 1em }
.html { overflow-wrap: anywhere; margin-bottom: 1em }
.html img { max-width: 100% }
.missing { color: #555; font-style: italic }
</style></head><body>
<table class="head">
{{range .Fields}}<tr><th scope="row">{{.Name}}</th><td>{{.Value}}</td></tr>
{{end}}{{if .Attachments}}<tr><th scope="row">Anlagen</th><td><ul class="files">{{range .Attachments}}<li>{{.Name}} ({{.MIME}}, {{bytes .Size}})</li>{{end}}</ul></td></tr>
{{end}}</table>
<div class="message">
{{.Body}}</div>
</body></html>
`))

type field struct{ Name, Value string }

// page writes the rendition. Values are escaped by the template; the body is
// what inert let through.
func page(m *Message, body template.HTML) []byte {
	date := m.DateField
	if !m.Date.IsZero() {
		date = m.Date.Format("02.01.2006 15:04:05 -07:00")
	}
	var fields []field
	for _, f := range []field{{"Von", m.From}, {"Antwort an", m.ReplyTo}, {"An", m.To}, {"Kopie", m.Cc}, {"Blindkopie", m.Bcc},
		{"Datum", date}, {"Betreff", m.Subject}, {"Nachrichten-ID", m.MessageID}} {
		if f.Value != "" {
			fields = append(fields, f)
		}
	}
	title := m.Subject
	if title == "" {
		title = "E-Mail"
	}
	var out bytes.Buffer
	if err := pageTemplate.Execute(&out, map[string]any{"Title": title, "Fields": fields, "Attachments": shown(m.Attachments), "Body": body}); err != nil {
		panic(err) // the template and its data are ours
	}
	return out.Bytes()
}

// shown makes names readable that are not.
func shown(as []Attachment) []Attachment {
	out := make([]Attachment, len(as))
	for i, a := range as {
		a.Name = decodeField(a.Name)
		out[i] = a
	}
	return out
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<20:
		return strings.Replace(fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)), ".", ",", 1)
	case n >= 1<<10:
		return strings.Replace(fmt.Sprintf("%.1f KiB", float64(n)/(1<<10)), ".", ",", 1)
	}
	return fmt.Sprintf("%d Byte", n)
}
