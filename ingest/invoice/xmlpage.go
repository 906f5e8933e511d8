package invoice

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"strings"

	"golang.org/x/net/html/charset"

	"bestand/ingest/bound"
	"bestand/preservation"
)

// Shortened says that a page does not show all of a document.
const Shortened = "xml-shortened"

const maxPage = 8 << 20 // bytes of a page

// XMLPage returns a readable page of any XML document: its elements, one a
// line and indented, escaped, nothing active. A document type definition is
// left out; a document that is not well-formed is a *Fault.
func XMLPage(ctx context.Context, r io.Reader, title string) ([]byte, []preservation.Finding, error) {
	var b bytes.Buffer
	b.WriteString(strings.Replace(pageHead, "{{title .}}", html.EscapeString(title), 1))
	fmt.Fprintf(&b, "<h1>%s</h1>\n<p class=\"note\">Lesefassung einer XML-Datei. Maßgeblich ist die XML-Datei.</p>\n<pre>", html.EscapeString(title))
	findings, err := writeXML(ctx, &b, r)
	if err != nil {
		return nil, nil, fmt.Errorf("show XML: %w", err)
	}
	b.WriteString("</pre>\n</body></html>\n")
	return b.Bytes(), findings, nil
}

func writeXML(ctx context.Context, b *bytes.Buffer, src io.Reader) (findings []preservation.Finding, err error) {
	in := &bound.Tokens{R: ctxReader{ctx, src}, Most: maxToken}
	d := xml.NewDecoder(in)
	d.CharsetReader = charset.NewReaderLabel
	depth, elements := 0, 0
	leaf := false // the start tag just written may be closed on the same line
	full := false
	line := func(format string, args ...any) {
		if full {
			return
		}
		if b.Len() > maxPage {
			full = true
			b.WriteString("\n… (gekürzt)")
			findings = append(findings, preservation.Finding{Code: Shortened, Severity: preservation.Notice,
				Detail: fmt.Sprintf("the page shows the first %d bytes", maxPage)})
			return
		}
		fmt.Fprintf(b, format, args...)
	}
	indent := func() string { return "\n" + strings.Repeat("  ", min(depth, 20)) }
	for {
		t, err := d.RawToken()
		in.Next()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, bound.ErrTooMuch):
			return nil, longToken()
		case errors.Is(err, io.EOF):
			if depth != 0 || elements == 0 {
				return nil, &Fault{Malformed, "elements without end, or none at all"}
			}
			return findings, nil
		case err != nil:
			return nil, malformed(err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if elements++; depth > maxDepth*10 {
				return nil, &Fault{TooLarge, fmt.Sprintf("more than %d levels", maxDepth*10)}
			}
			line("%s&lt;%s", indent(), escaped(qualified(t.Name)))
			for _, a := range t.Attr {
				line(" %s=&quot;%s&quot;", escaped(qualified(a.Name)), escaped(a.Value))
			}
			line("&gt;")
			depth++
			leaf = true
		case xml.EndElement:
			if depth--; depth < 0 {
				return nil, &Fault{Malformed, "an end without its element"}
			}
			if !leaf {
				line("%s", indent())
			}
			line("&lt;/%s&gt;", escaped(qualified(t.Name)))
			leaf = false
		case xml.CharData:
			if s := strings.TrimSpace(string(t)); s != "" {
				if leaf {
					line("%s", escaped(s))
				} else {
					line("%s%s", indent(), escaped(s))
				}
			}
		case xml.Comment:
			line("%s&lt;!--%s--&gt;", indent(), escaped(string(t)))
			leaf = false
		case xml.ProcInst:
			line("%s&lt;?%s %s?&gt;", indent(), escaped(t.Target), escaped(string(t.Inst)))
		case xml.Directive:
			findings = append(findings, preservation.Finding{Code: HasDTD, Severity: preservation.Notice,
				Detail: "the document has a document type definition, which was not read"})
		}
	}
}

func qualified(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

func escaped(s string) string { return html.EscapeString(s) }
