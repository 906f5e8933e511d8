package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// Types of annotations that show something of their own (ISO 32000-1, table
// 169): all but links and the windows of comments.
var shownAnnotations = [][]byte{
	[]byte("/Text"), []byte("/FreeText"), []byte("/Line"), []byte("/Square"), []byte("/Circle"), []byte("/Polygon"), []byte("/PolyLine"),
	[]byte("/Highlight"), []byte("/Underline"), []byte("/Squiggly"), []byte("/StrikeOut"), []byte("/Stamp"), []byte("/Caret"), []byte("/Ink"),
	[]byte("/FileAttachment"), []byte("/Sound"), []byte("/Movie"), []byte("/Widget"), []byte("/Screen"), []byte("/PrinterMark"),
	[]byte("/TrapNet"), []byte("/Watermark"), []byte("/3D"), []byte("/Redact"),
}

// annotations looks for annotations that got lost, where the rendition is not
// the very same. PDF/A forbids those that are not printed and those that have
// no appearance of their own, so that a tool may have dropped them.
//
// Where links are all that the source has, it is the frames that many programs
// show around them: those may go, and the pages are compared without.
func (j *job) annotations(ctx context.Context, pdf string, source, rendition numbers, t tolerance, hard []string, soft []doubt) ([]string, []doubt, error) {
	bare, err := j.raster(ctx, source.pdf, "-hide-annotations")
	if err != nil {
		return hard, soft, err
	}
	var lost []string
	for i, p := range source.raster {
		if i < len(bare) && i < len(rendition.raster) && p.lost(bare[i], rendition.raster[i]) {
			lost = append(lost, fmt.Sprintf("Annotations of page %d are not in the rendition.", i+1))
		}
	}
	if len(lost) == 0 {
		return hard, soft, nil
	}
	only, err := j.onlyLinks(ctx, source.pdf)
	if err != nil || !only {
		return append(hard, lost[:min(len(lost), 5)]...), soft, err
	}
	source.raster = bare
	if rendition.raster, err = j.raster(ctx, pdf, "-hide-annotations"); err != nil {
		return hard, soft, err
	}
	hard, soft = t.implausible(source, rendition)
	return hard, append(soft, doubt{CodeLossy, "Frames around links are not in the rendition."}), nil
}

// onlyLinks reports whether no annotation of the source shows anything but a
// link. A source that is too large to tell has others.
func (j *job) onlyLinks(ctx context.Context, pdf string) (bool, error) {
	var s subtypes
	res, err := j.read(ctx, "qpdf", &s, pdf, "--json=1", "--json-key=objects", pdf)
	var no *Refusal
	if errors.As(err, &no) {
		return false, nil
	}
	return err == nil && (res.ExitCode == 0 || res.ExitCode == 3) && s.line > 0 && !s.found, err // 3: with warnings
}

// subtypes watches qpdf's JSON pass by for annotations that show something.
type subtypes struct {
	part  []byte // of a line
	line  int
	found bool
}

var subtypeKey = []byte(`"/Subtype": "`)

func (s *subtypes) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			if len(s.part) < 1<<20 { // a subtype stands at the start of a short line
				s.part = append(s.part, rest...)
			}
			break
		}
		line := rest[:end]
		if len(s.part) > 0 {
			line = append(s.part, line...)
			s.part = nil
		}
		s.line++
		if _, value, ok := bytes.Cut(line, subtypeKey); ok {
			s.found = s.found || bytes.Contains(value, []byte(" R\"")) // stands elsewhere
			for _, a := range shownAnnotations {
				s.found = s.found || bytes.HasPrefix(value, append(a[:len(a):len(a)], '"'))
			}
		}
		rest = rest[end+1:]
	}
	return len(p), nil
}
