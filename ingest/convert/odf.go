package convert

import (
	"encoding/xml"
	"io"
	"strings"
)

// Elements of OpenDocument (ISO/IEC 26300-1) whose text does not show.
var odfUnseen = map[string]bool{
	"tracked-changes":    true, // text:, what was deleted
	"annotation":         true, // office:, comments
	"notes":              true, // presentation:, the speaker's
	"desc":               true, // svg:, alternative text
	"script":             true,
	"forms":              true,
	"content-validation": true,
}

// Elements of drawings that show something without text (draw:, dr3d:).
var odfShapes = map[string]bool{
	"rect": true, "line": true, "polyline": true, "polygon": true, "path": true, "circle": true, "ellipse": true, "connector": true,
	"custom-shape": true, "image": true, "object": true, "object-ole": true, "plugin": true, "measure": true, "regular-polygon": true, "scene": true,
}

// odfNumbers reads text, tables and slides.
func odfNumbers(p *parts) (numbers, error) {
	var n numbers
	err := p.each("META-INF/manifest.xml", func(_ string, r io.Reader) (err error) {
		encrypted := false
		_ = walk(r, func(t xml.Token, _ int) {
			e, ok := t.(xml.StartElement)
			encrypted = encrypted || ok && e.Name.Local == "encryption-data"
		})
		if encrypted {
			return &Refusal{CodeEncrypted, "The document is encrypted."}
		}
		return nil // what is wrong with a manifest is LibreOffice's to judge
	})
	if err != nil {
		return n, err
	}
	partial := false // only part of it is printed
	slides := 0
	err = p.each("content.xml", func(_ string, r io.Reader) error {
		var skip, body skipping
		return walk(r, func(t xml.Token, depth int) {
			switch t := t.(type) {
			case xml.StartElement:
				name := t.Name.Local
				body.start(depth, name == "body")
				v := attribute(t, "visibility")
				skip.start(depth, odfUnseen[name] || name == "title" && strings.Contains(t.Name.Space, "svg") ||
					name == "table-row" && (v == "collapse" || v == "filter"))
				partial = partial || attribute(t, "print-ranges") != "" ||
					name == "table-properties" && attribute(t, "display") == "false" ||
					name == "table-column" && v == "collapse" ||
					name == "drawing-page-properties" && v == "hidden" ||
					attribute(t, "print") == "false" || attribute(t, "display") == "none"
				if name == "page" && body.on {
					slides++
				}
				n.shows = n.shows || body.on && !skip.on && odfShapes[name]
			case xml.EndElement:
				skip.end(depth)
				body.end(depth)
			case xml.CharData:
				if body.on && !skip.on {
					n.letters += letters(string(t))
					n.shows = n.shows || strings.TrimSpace(string(t)) != ""
				}
			}
		})
	})
	if err != nil {
		return n, err
	}
	err = p.each("styles.xml", func(_ string, r io.Reader) error {
		var master skipping
		return walk(r, func(t xml.Token, depth int) {
			switch t := t.(type) {
			case xml.StartElement:
				master.start(depth, t.Name.Local == "master-styles")
			case xml.EndElement:
				master.end(depth)
			case xml.CharData:
				if master.on {
					n.running += letters(string(t))
				}
			}
		})
	})
	if err != nil {
		return n, err
	}
	err = p.each("meta.xml", func(_ string, r io.Reader) error {
		return walk(r, func(t xml.Token, _ int) {
			if e, ok := t.(xml.StartElement); ok && e.Name.Local == "document-statistic" {
				n.pages = number(attribute(e, "page-count"))
			}
		})
	})
	switch {
	case partial:
		n.letters, n.pages = -1, 0
	case slides > 0:
		n.pages = slides
	}
	return n, err
}
