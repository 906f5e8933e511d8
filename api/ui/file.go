package ui

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/text/encoding/htmlindex"

	"bestand/api"
	"bestand/ingest/invoice"
	"bestand/preservation"
)

// fileView is a file to look at, beside what was made of it or what it was made from.
type fileView struct {
	Record api.Record
	File   api.File
	From   string // the document that this one was taken out of
	Panes  []pane
	// Findings are what the archive found wrong with the original.
	Findings []preservation.Event
}

// pane is one file and how it can be looked at.
type pane struct {
	File  api.File
	Taken bool   // out of another document: neither an original nor a rendition
	How   string // pdf, image, text, or none
	Text  string
	Cut   bool // there is more text than is shown

	Source   bool           // the text is for programs
	Said     []labelled     // what it says for people
	Lines    []invoice.Line // of an invoice
	Attached []api.File     // to a message, or in an invoice, taken out of it
}

// Readable reports whether the source need not be looked at to read the document.
func (p fileView) Readable(o pane) bool { return len(o.Said) > 0 || p.HasRendition() }

// HasRendition reports whether a rendition is shown beside the original.
func (p fileView) HasRendition() bool {
	return slices.ContainsFunc(p.Panes, func(o pane) bool { return o.File.Representation == preservation.Preservation && !o.Taken })
}

// textShown is how many bytes of a text are shown on a page.
const textShown = 64 << 10

// sourceRead is how many bytes of a source are read to tell what it says.
const sourceRead = 1 << 20

func filePage(v *visit) error {
	id, file := v.r.PathValue("id"), preservation.FileID(v.r.PathValue("file"))
	var p fileView
	if err := v.get(joinPath("/v1/records/", id), &p.Record); err != nil {
		return err
	}
	for _, f := range p.Record.Files {
		if f.ID == file {
			p.File = f
		}
	}
	if p.File.ID == "" {
		return errNotFound
	}
	events, err := v.events(id)
	if err != nil {
		return err
	}
	all := pairs(p.Record.Files, events)
	for _, pair := range all {
		shown := append([]api.File{pair.Original}, pair.Renditions...)
		if !slices.ContainsFunc(shown, func(f api.File) bool { return f.ID == p.File.ID }) {
			continue
		}
		p.From, p.Findings = pair.From, findingsOf(events, pair.Original.ID, pair.Renditions)
		for _, f := range shown {
			one, err := v.pane(id, f)
			if err != nil {
				return err
			}
			one.Taken = pair.From != "" && f.ID == pair.Original.ID
			if one.Source {
				one.Attached = takenOut(all, f)
			}
			p.Panes = append(p.Panes, one)
		}
	}
	readableFirst(p.Panes)
	return v.show("file", p.File.Name, p, crumb{v.lang.t("search.title"), "/suche"}, crumb{p.Record.Title, joinPath("/akte/", id)})
}

func (v *visit) pane(id string, f api.File) (pane, error) {
	media, params, _ := strings.Cut(f.Format.MIME, ";")
	p := pane{File: f, How: "none"}
	switch {
	case media == "application/pdf":
		p.How = "pdf"
	case media == "image/png", media == "image/jpeg", media == "image/gif", media == "image/webp":
		p.How = "image"
	case strings.HasPrefix(media, "text/"), media == "application/xml", media == "message/rfc822", strings.HasSuffix(media, "+xml"), media == "application/json":
		p.How = "text"
	}
	if p.How != "text" || f.Size == 0 {
		return p, nil
	}
	r, err := http.NewRequestWithContext(v.r.Context(), http.MethodGet, joinPath("/v1/records/", id, "/files/", f.ID), http.NoBody)
	if err != nil {
		return p, err
	}
	p.Cut, p.Source = f.Size > textShown, isSource(media)
	most := int64(textShown)
	if p.Source {
		most = sourceRead
	}
	if f.Size > most {
		r.Header.Set("Range", fmt.Sprintf("bytes=0-%d", most-1))
	}
	a := answer{header: http.Header{}}
	v.ui.API.ServeAs(&a, r, v.who)
	if err := a.refusal(); err != nil {
		return p, err
	}
	text := a.body.Bytes()
	if p.Source {
		p.explain(v.r.Context(), v.lang, media, text, f.Size <= most)
	}
	p.Text = legible(text[:min(len(text), textShown)], params)
	return p, nil
}

// legible is text as people read it, in whatever character set it stands.
func legible(b []byte, params string) string {
	if _, charset, ok := strings.Cut(params, "charset="); ok {
		if enc, err := htmlindex.Get(strings.Trim(charset, `" `)); err == nil {
			if out, err := io.ReadAll(enc.NewDecoder().Reader(bytes.NewReader(b))); err == nil {
				b = out
			}
		}
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || reverses(r) {
			return '\uFFFD' // what would change how the rest is read
		}
		return r
	}, strings.ToValidUTF8(strings.ReplaceAll(string(b), "\r\n", "\n"), "\uFFFD"))
}

// fileContent is the file itself, to be shown within a page or to be kept.
func fileContent(v *visit) error {
	path := joinPath("/v1/records/", v.r.PathValue("id"), "/files/", v.r.PathValue("file"))
	if v.r.URL.Query().Has("anzeigen") {
		path += "?disposition=inline"
	}
	return v.stream(path)
}
