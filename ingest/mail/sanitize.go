package mail

import (
	"bytes"
	"encoding/base64"
	"html"
	"io"
	"regexp"
	"strings"

	"github.com/jhillyerd/enmime/v2"
	xhtml "golang.org/x/net/html"
)

// A body collects what the page shows of the message.
type body struct {
	pictures map[string]*enmime.Part
	shown    map[*enmime.Part]bool // pictures that the page carries
	inlined  int                   // their bytes
	remote   int                   // pictures that are missing
	cut      bool                  // an element without end swallowed the rest
	urls     map[*enmime.Part]string
}

const (
	maxInlined = 32 << 20
	maxOpen    = 500 // elements open at a time
)

// Elements that only format.
var formatting = set("a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del details dfn dir div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd label li main mark nav ol p pre q rp rt ruby s samp section small span strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var wbr")

var void = set("br col hr img wbr")

// Elements whose content is not for readers, or not for paper.
var silent = set("script style title iframe noembed noframes noscript svg math template")

var attributes = set("align alt bgcolor border cellpadding cellspacing char color cols colspan compact dir face height hspace lang noshade nowrap rowspan rules size span start type valign value vspace width")

var properties = regexp.MustCompile(`^(?:color|background-color|font(?:-(?:family|size|style|variant|weight|stretch))?|text-(?:align|decoration|decoration-line|indent|transform)|line-height|letter-spacing|word-(?:spacing|break|wrap)|overflow-wrap|white-space|vertical-align|(?:border|padding|margin)(?:-(?:top|right|bottom|left|color|style|width|collapse|spacing|radius))*|(?:min-|max-)?width|(?:min-)?height|list-style-type|direction|unicode-bidi|caption-side|empty-cells|table-layout|float|clear|page-break-(?:before|after|inside))$`)

func set(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// inert writes the formatting of an HTML body and drops everything else. All
// elements are closed again, so that the rest of the page is beyond its reach.
func (b *body) inert(out *bytes.Buffer, source string) (text string) {
	z := xhtml.NewTokenizer(strings.NewReader(source))
	z.SetMaxBuf(4 << 20)
	var plain strings.Builder
	var open []string
	skip, depth := "", 0 // the silent element that is open, and how often
	for {
		kind := z.Next()
		if kind == xhtml.ErrorToken { // the end, or an absurd token
			break
		}
		t := z.Token()
		name := t.Data
		if skip != "" {
			switch {
			case kind == xhtml.StartTagToken && name == skip:
				depth++
			case kind == xhtml.EndTagToken && name == skip:
				if depth--; depth == 0 {
					skip = ""
				}
			}
			continue
		}
		switch kind {
		case xhtml.TextToken:
			out.WriteString(html.EscapeString(clean(name)))
			plain.WriteString(name)
		case xhtml.StartTagToken, xhtml.SelfClosingTagToken:
			switch {
			case silent[name]:
				if kind == xhtml.StartTagToken {
					skip, depth = name, 1
				}
			case name == "img":
				b.image(out, t)
			case formatting[name] && len(open) < maxOpen:
				if block(name) {
					plain.WriteByte('\n')
				}
				out.WriteByte('<')
				out.WriteString(name)
				writeAttributes(out, t.Attr)
				out.WriteByte('>')
				if !void[name] {
					open = append(open, name)
				}
			}
		case xhtml.EndTagToken:
			for i := len(open) - 1; i >= 0; i-- {
				if open[i] != name {
					continue
				}
				for len(open) > i {
					out.WriteString("</" + open[len(open)-1] + ">")
					open = open[:len(open)-1]
				}
				if block(name) {
					plain.WriteByte('\n')
				}
				break
			}
		}
	}
	for len(open) > 0 {
		out.WriteString("</" + open[len(open)-1] + ">")
		open = open[:len(open)-1]
	}
	b.cut = b.cut || skip != "" || z.Err() != io.EOF
	return plain.String()
}

func block(name string) bool {
	switch name {
	case "br", "p", "div", "tr", "li", "h1", "h2", "h3", "h4", "h5", "h6", "table", "blockquote", "pre", "hr", "dt", "dd":
		return true
	}
	return false
}

// clean drops the characters that HTML forbids.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7F {
			return -1
		}
		return r
	}, s)
}

func writeAttributes(out *bytes.Buffer, attr []xhtml.Attribute) {
	for _, a := range attr {
		v := a.Val
		switch {
		case len(v) > 10_000:
			continue
		case a.Key == "style":
			if v = style(v); v == "" {
				continue
			}
		case !attributes[a.Key]:
			continue
		}
		out.WriteString(` ` + a.Key + `="` + html.EscapeString(clean(v)) + `"`)
	}
}

// style keeps declarations that cannot load, leave their place or hide others.
func style(s string) string {
	var kept []string
	for d := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(d, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !ok || !properties.MatchString(name) || strings.ContainsAny(value, "\\@<>{}") || strings.Contains(value, "/*") {
			continue
		}
		low := strings.ToLower(value)
		if strings.Contains(low, "url") || strings.Contains(low, "expression") || strings.Contains(low, "image") || strings.Contains(low, "var(") ||
			name == "font-size" && strings.HasPrefix(low, "0") || strings.HasPrefix(name, "margin") && strings.Contains(low, "-") || strings.HasPrefix(name, "text-indent") && strings.Contains(low, "-") {
			continue
		}
		kept = append(kept, name+":"+value)
	}
	return strings.Join(kept, ";")
}

// image writes a picture that the message carries, or a note in its place.
func (b *body) image(out *bytes.Buffer, t xhtml.Token) {
	src, alt := "", ""
	for _, a := range t.Attr {
		switch a.Key {
		case "src":
			src = strings.TrimSpace(a.Val)
		case "alt":
			alt = a.Val
		}
	}
	low := strings.ToLower(src[:min(len(src), 30)])
	switch {
	case strings.HasPrefix(low, "cid:"):
		src = b.inline(b.picture(src[4:]))
	case strings.HasPrefix(low, "data:"):
		head, data, ok := strings.Cut(src, ",")
		kind, isBase64 := strings.CutSuffix(strings.ToLower(head[5:]), ";base64")
		if raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(data), "")); !ok || !isBase64 || err != nil || inlineType(kind) == "" || b.inlined+len(raw) > maxInlined {
			src = ""
		} else {
			b.inlined += len(raw)
			src = "data:" + inlineType(kind) + ";base64," + base64.StdEncoding.EncodeToString(raw)
		}
	default:
		if src != "" {
			b.remote++
		}
		src = ""
	}
	if src == "" {
		out.WriteString(`<span class="missing">[Bild nicht enthalten`)
		if alt = strings.TrimSpace(clean(alt)); alt != "" {
			out.WriteString(": " + html.EscapeString(strings.ToValidUTF8(alt[:min(len(alt), 500)], "")))
		}
		out.WriteString(`]</span>`)
		return
	}
	out.WriteString(`<img src="` + src + `"`)
	writeAttributes(out, t.Attr)
	out.WriteString(">")
}

// inline returns the data: URL of a picture, nothing when that would be too much.
func (b *body) inline(p *enmime.Part) string {
	if p == nil || b.inlined+len(p.Content) > 2*maxInlined {
		return ""
	}
	url, ok := b.urls[p]
	if !ok {
		content, _ := transfer(p.Header.Get("Content-Transfer-Encoding"), p.Content)
		url = "data:" + inlineType(p.ContentType) + ";base64," + base64.StdEncoding.EncodeToString(content)
		b.urls[p] = url
	}
	if b.inlined += len(url); b.inlined > 2*maxInlined {
		return ""
	}
	b.shown[p] = true
	return url
}

// picture finds a part by the cid: URL of its Content-ID (RFC 2392).
func (b *body) picture(id string) *enmime.Part {
	if p := b.pictures[id]; p != nil {
		return p
	}
	return b.pictures[unescape(id)]
}

func unescape(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) < 16 && unhex(s[i+2]) < 16 {
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

// inlineType returns the MIME type of pictures that a page may carry, else nothing.
func inlineType(kind string) string {
	switch kind = strings.ToLower(strings.TrimSpace(kind)); kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp":
		return kind
	case "image/jpg", "image/pjpeg":
		return "image/jpeg"
	}
	return ""
}
