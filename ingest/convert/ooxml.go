package convert

import (
	"encoding/xml"
	"io"
	"path"
	"strings"
)

// docxNumbers follows ECMA-376 part 1, 17.3: text stands in w:t; deleted text
// in w:delText and field codes in w:instrText do not show.
func docxNumbers(p *parts) (numbers, error) {
	var n numbers
	count := func(to *int) func(string, io.Reader) error {
		return func(_ string, r io.Reader) error {
			var skip skipping
			hidden, text := false, false
			return walk(r, func(t xml.Token, depth int) {
				switch t := t.(type) {
				case xml.StartElement:
					skip.start(depth, t.Name.Local == "Fallback") // mc:AlternateContent holds its text twice
					switch t.Name.Local {
					case "r":
						hidden = false
					case "vanish":
						hidden = attribute(t, "val") != "0" && attribute(t, "val") != "false"
					}
					text = t.Name.Local == "t"
				case xml.EndElement:
					skip.end(depth)
					text = false
				case xml.CharData:
					if text && !hidden && !skip.on {
						*to += letters(string(t))
						n.shows = n.shows || strings.TrimSpace(string(t)) != ""
					}
				}
			})
		}
	}
	for _, part := range []struct {
		pattern string
		to      *int
	}{
		{"word/document*.xml", &n.letters}, {"word/footnotes.xml", &n.letters}, {"word/endnotes.xml", &n.letters},
		{"word/header*.xml", &n.running}, {"word/footer*.xml", &n.running},
	} {
		if err := p.each(part.pattern, count(part.to)); err != nil {
			return n, err
		}
	}
	err := p.each("docProps/app.xml", func(_ string, r io.Reader) error {
		pages := false
		return walk(r, func(t xml.Token, _ int) {
			switch t := t.(type) {
			case xml.StartElement:
				pages = t.Name.Local == "Pages"
			case xml.EndElement:
				pages = false
			case xml.CharData:
				if pages {
					n.pages = number(string(t))
				}
			}
		})
	})
	return n, err
}

// pptxNumbers counts the slides that are shown (ECMA-376 part 1, 19.3.1.38) and their text.
func pptxNumbers(p *parts) (numbers, error) {
	var n numbers
	err := p.each("ppt/slides/slide*.xml", func(_ string, r io.Reader) error {
		var skip skipping
		shown, text := true, false
		inside := 0
		err := walk(r, func(t xml.Token, depth int) {
			switch t := t.(type) {
			case xml.StartElement:
				if t.Name.Local == "sld" && depth == 0 {
					show := attribute(t, "show")
					shown = show != "0" && show != "false"
				}
				skip.start(depth, t.Name.Local == "Fallback")
				text = t.Name.Local == "t"
			case xml.EndElement:
				skip.end(depth)
				text = false
			case xml.CharData:
				if text && !skip.on {
					inside += letters(string(t))
					n.shows = n.shows || shown && strings.TrimSpace(string(t)) != ""
				}
			}
		})
		if shown {
			n.pages, n.letters = n.pages+1, n.letters+inside
		} else {
			n.hidden++
		}
		return err
	})
	return n, err
}

// xlsxNumbers counts the letters of the cells that are printed: numbers and
// dates look different in every program (ECMA-376 part 1, 18.3 and 18.4).
func xlsxNumbers(p *parts) (numbers, error) {
	var n numbers
	var shared []int
	err := p.each("xl/sharedStrings.xml", func(_ string, r io.Reader) error {
		var skip skipping
		return walk(r, func(t xml.Token, depth int) {
			switch t := t.(type) {
			case xml.StartElement:
				skip.start(depth, t.Name.Local == "rPh") // how to read it aloud
				if t.Name.Local == "si" && len(shared) < maxStrings {
					shared = append(shared, 0)
				}
			case xml.EndElement:
				skip.end(depth)
			case xml.CharData:
				if !skip.on && len(shared) > 0 {
					shared[len(shared)-1] += letters(string(t))
				}
			}
		})
	})
	if err == nil && len(shared) == maxStrings {
		err = errBounds
	}
	if err != nil {
		return n, err
	}
	hidden, area, err := hiddenSheets(p)
	if err != nil {
		return n, err
	}
	err = p.each("xl/worksheets/*.xml", func(name string, r io.Reader) error {
		if hidden[path.Base(name)] {
			return nil
		}
		return sheetLetters(r, shared, &n)
	})
	if area {
		n.letters = -1 // a print area: only part of it is on paper
	}
	return n, err
}

// hiddenSheets names the parts of sheets that are not printed, and says whether there is a print area.
func hiddenSheets(p *parts) (hidden map[string]bool, area bool, err error) {
	ids := map[string]bool{}
	err = p.each("xl/workbook.xml", func(_ string, r io.Reader) error {
		return walk(r, func(t xml.Token, _ int) {
			if e, ok := t.(xml.StartElement); ok {
				if e.Name.Local == "sheet" && strings.Contains(strings.ToLower(attribute(e, "state")), "hidden") {
					ids[attribute(e, "id")] = true
				}
				area = area || e.Name.Local == "definedName" && attribute(e, "name") == "_xlnm.Print_Area"
			}
		})
	})
	if err != nil {
		return nil, false, err
	}
	hidden = map[string]bool{}
	err = p.each("xl/_rels/workbook.xml.rels", func(_ string, r io.Reader) error {
		return walk(r, func(t xml.Token, _ int) {
			if e, ok := t.(xml.StartElement); ok && ids[attribute(e, "Id")] {
				hidden[path.Base(attribute(e, "Target"))] = true
			}
		})
	})
	return hidden, area, err
}

func sheetLetters(r io.Reader, shared []int, n *numbers) error {
	hiddenColumns := map[string]bool{}
	var kind string
	var row, column, value bool // hidden row, hidden column, inside a value
	return walk(r, func(t xml.Token, _ int) {
		switch t := t.(type) {
		case xml.StartElement:
			switch t.Name.Local {
			case "col":
				if h := attribute(t, "hidden"); h == "1" || h == "true" {
					for c := number(attribute(t, "min")); c > 0 && c <= min(number(attribute(t, "max")), 16384); c++ {
						hiddenColumns[columnName(c)] = true
					}
				}
			case "row":
				h := attribute(t, "hidden")
				row = h == "1" || h == "true"
			case "c":
				kind = attribute(t, "t")
				column = hiddenColumns[strings.TrimRight(attribute(t, "r"), "0123456789")]
			}
			value = t.Name.Local == "v" || t.Name.Local == "t" && kind == "inlineStr"
		case xml.EndElement:
			value = false
		case xml.CharData:
			switch {
			case !value || row || column:
			case kind == "s":
				if i := number(string(t)); i < len(shared) {
					n.letters += shared[i]
				}
			case kind == "str" || kind == "inlineStr":
				n.letters += letters(string(t))
			default: // a number, which shows without letters
				n.shows = true
			}
		}
	})
}

// columnName writes 1 as A and 27 as AA.
func columnName(n int) string {
	var b []byte
	for ; n > 0; n = (n - 1) / 26 {
		b = append([]byte{byte('A' + (n-1)%26)}, b...)
	}
	return string(b)
}
