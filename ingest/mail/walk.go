package mail

import (
	"context"
	"fmt"
	"mime"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jhillyerd/enmime/v2"

	"bestand/preservation"
)

// A walk goes through the parts of a message once and sorts them.
type walk struct {
	m        *Message
	o        Options
	parts    int
	segments []segment
	pictures map[string]*enmime.Part // by Content-ID, not yet known to be used
	others   []*enmime.Part          // attachments in the order of the message
}

// A segment is a piece of the body.
type segment struct {
	html  string // empty when there is only text
	plain string
	text  *string // for search, where an alternative says it better than the HTML
}

func (w *walk) part(ctx context.Context, p *enmime.Part, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.parts++; w.parts > w.o.Parts || depth > w.o.Depth {
		return &Fault{TooLarge, fmt.Sprintf("more than %d parts or %d levels", w.o.Parts, w.o.Depth)}
	}
	for _, e := range p.Errors {
		w.m.note(Malformed, preservation.Notice, "part %s: %s", p.PartID, e.Name)
	}
	kind := strings.ToLower(p.ContentType)
	switch {
	case kind == "multipart/encrypted", kind == "application/pkcs7-mime" && p.ContentTypeParams["smime-type"] != "signed-data", kind == "application/x-pkcs7-mime":
		w.m.note(Encrypted, preservation.Failed, "the message is encrypted (%s)", kind)
	case kind == "multipart/alternative" && p.FirstChild != nil:
		return w.alternative(ctx, p, depth)
	}
	if p.FirstChild != nil {
		for c := p.FirstChild; c != nil; c = c.NextSibling {
			if err := w.part(ctx, c, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	w.leaf(p, kind)
	return nil
}

// leaf sorts a part without parts: body, picture of the body, or attachment.
func (w *walk) leaf(p *enmime.Part, kind string) {
	attached := strings.EqualFold(p.Disposition, "attachment") || p.FileName != ""
	switch {
	case !attached && (kind == "text/html"):
		w.segments = append(w.segments, segment{html: w.text(p)})
	case !attached && (kind == "text/plain" || kind == ""):
		if s := w.text(p); strings.TrimSpace(s) != "" {
			w.segments = append(w.segments, segment{plain: s})
		}
	case strings.HasPrefix(kind, "multipart/") && len(p.Content) == 0:
	default:
		if p.ContentID != "" && inlineType(kind) != "" {
			if w.pictures == nil {
				w.pictures = map[string]*enmime.Part{}
			}
			if _, taken := w.pictures[p.ContentID]; !taken {
				w.pictures[p.ContentID] = p
			}
		}
		w.others = append(w.others, p)
	}
}

// alternative takes the richest version for the page, which is the last one
// with HTML, and the plain one for search (RFC 2046, 5.1.4). What is neither
// is an attachment.
func (w *walk) alternative(ctx context.Context, p *enmime.Part, depth int) error {
	before := w.segments
	var rich, plain []segment
	for c := p.FirstChild; c != nil; c = c.NextSibling {
		w.segments = nil
		if err := w.part(ctx, c, depth+1); err != nil {
			return err
		}
		switch isHTML := slices.ContainsFunc(w.segments, func(s segment) bool { return s.html != "" }); {
		case isHTML:
			rich = w.segments
		case len(w.segments) > 0 && plain == nil:
			plain = w.segments
		}
	}
	if rich == nil {
		rich = plain
	} else if plain != nil {
		var all []string
		for _, s := range plain {
			all = append(all, s.plain)
		}
		none, text := "", strings.Join(all, "\n\n")
		for i := range rich {
			rich[i].text = &none
		}
		rich[0].text = &text
	}
	w.segments = append(before, rich...)
	return nil
}

func (w *walk) text(p *enmime.Part) string {
	b, sound := transfer(p.Header.Get("Content-Transfer-Encoding"), p.Content)
	if !sound {
		w.m.note(Malformed, preservation.Notice, "part %s: its transfer coding is damaged", p.PartID)
	}
	if int64(len(b)) > w.o.Body {
		w.m.note(Shortened, preservation.Notice, "part %s has %d bytes of text, of which %d are shown", p.PartID, len(b), w.o.Body)
		b = b[:w.o.Body]
	}
	s, sound := text(b, p.Charset)
	if !sound {
		w.m.note(GuessedText, preservation.Notice, "part %s: its character set is missing or wrong", p.PartID)
	}
	return s
}

// finish builds the page, then writes every attachment that the page does not
// show as a picture.
func (w *walk) finish(ctx context.Context) error {
	m := w.m
	body := &body{pictures: w.pictures, shown: map[*enmime.Part]bool{}, urls: map[*enmime.Part]string{}}
	html, text := body.render(w.segments)
	m.Text = text
	if body.remote > 0 {
		m.note(RemoteContent, preservation.Notice, "%d pictures were on a server and are not part of the message", body.remote)
	}
	if body.cut {
		m.note(Shortened, preservation.Notice, "an element of the HTML body has no end and hides the rest of it")
	}
	if len(w.segments) == 0 {
		m.note(NoBody, preservation.Notice, "the message has no text")
	}
	for i, p := range w.others {
		if err := ctx.Err(); err != nil {
			return err
		}
		if body.shown[p] {
			continue
		}
		b, sound := transfer(p.Header.Get("Content-Transfer-Encoding"), p.Content)
		if !sound {
			m.note(Damaged, preservation.Notice, "attachment %d: its transfer coding is damaged", len(m.Attachments)+1)
		}
		a := Attachment{Name: p.FileName, MIME: p.ContentType, Size: int64(len(b)),
			Path: filepath.Join(w.o.Dir, fmt.Sprintf("attachment-%04d", i+1))}
		if a.Name == "" {
			a.Name = "part-" + p.PartID + suffix(p.ContentType)
		}
		if err := os.WriteFile(a.Path, b, 0o600); err != nil {
			return err
		}
		m.Attachments = append(m.Attachments, a)
	}
	m.HTML = page(m, html)
	return nil
}

// suffix gives nameless parts an extension.
func suffix(kind string) string {
	switch kind {
	case "message/rfc822":
		return ".eml"
	case "text/plain", "":
		return ".txt"
	case "text/html":
		return ".html"
	case "image/jpeg":
		return ".jpg"
	case "application/pkcs7-mime":
		return ".p7m"
	}
	if e, err := mime.ExtensionsByType(kind); err == nil && len(e) > 0 {
		return e[0]
	}
	return ".bin"
}
