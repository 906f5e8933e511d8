package convert

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bestand/ingest/bound"
	"bestand/ingest/verapdf"
	"bestand/preservation"
)

const defaultFlavour = "2b"

// tolerance says by how much a rendition may differ from its source.
type tolerance struct {
	pages float64 // at most so many times as many or as few; 1: exactly; 0: any
	soft  bool    // a page count beyond it is a warning: the source's own count depends on fonts
	least float64 // letters shown for each letter of the source
	most  float64 // same; headers and footers may show on every page beside; 0: any
	slack int     // letters that do not matter
	diff  float64 // share of a page's marked area that may look different
}

// tolerances, one row for each format. The pages of a PDF are compared picture
// by picture; of all others, not every page may be blank if there is something
// to show.
var tolerances = map[string]tolerance{
	"pdf":          {pages: 1, least: 0.90, most: 1.15, slack: 30, diff: 0.10},
	"docx":         {pages: 2, soft: true, least: 0.85, most: 2.0, slack: 100},
	"odt":          {pages: 1.5, soft: true, least: 0.85, most: 2.0, slack: 100},
	"xlsx":         {least: 0.50, most: 3.0, slack: 200}, // a cell that is too narrow is cut on paper
	"ods":          {least: 0.50, most: 3.0, slack: 200},
	"pptx":         {pages: 1, least: 0.80, most: 3.0, slack: 100},
	"odp":          {pages: 1, least: 0.80, most: 3.0, slack: 100},
	"odg":          {pages: 1, least: 0.80, most: 3.0, slack: 100},
	"rtf":          {least: 0.70, most: 3.0, slack: 100},
	"other office": {},
	"text":         {least: 0.98, most: 1.02, slack: 10},
	"html":         {least: 0.50, most: 1.50, slack: 200},
	"rendering":    {pages: 1, least: 0.90, most: 0, slack: 30},
}

// A doubt is something that a person should look at.
type doubt struct{ code, detail string }

// implausible lists what speaks against a rendition; hard is what forbids it.
func (t tolerance) implausible(source, rendition numbers) (hard []string, soft []doubt) {
	if n, m := float64(source.pages), float64(rendition.pages); t.pages > 0 && n > 0 && (m > n*t.pages || m < n/t.pages) {
		finding := fmt.Sprintf("The rendition has %d pages, the source %d.", rendition.pages, source.pages)
		if !t.soft {
			hard = append(hard, finding)
		} else if abs(rendition.pages-source.pages) > 2 { // less is a matter of fonts
			soft = append(soft, doubt{CodePageCount, finding})
		}
	}
	seen := false // every page was compared with its source and looks like it
	if len(source.raster) > 0 {
		differ := t.compare(source.raster, rendition.raster)
		hard = append(hard, differ...)
		seen = len(differ) == 0 && len(source.raster) == source.pages
	}
	if source.letters >= 0 {
		want, have := float64(source.letters), float64(rendition.letters)
		most := want*t.most + float64(source.running*rendition.pages+t.slack)
		finding := fmt.Sprintf("The text of the rendition has %d letters, that of the source %d.", rendition.letters, source.letters)
		if have < want*t.least-float64(t.slack) || t.most > 0 && have > most {
			if seen || source.letters == 0 { // more than was counted is nothing lost: captions of charts, say
				soft = append(soft, doubt{CodeText, finding})
			} else {
				hard = append(hard, finding)
			}
		} else if have < want*0.9-float64(t.slack) {
			soft = append(soft, doubt{CodeText, finding})
		}
	}
	blank := len(source.raster) == 0 && len(rendition.raster) > 0
	for _, p := range rendition.raster {
		blank = blank && p.blank()
	}
	// Whose numbers cannot be read counts as showing something. A scan may be of an empty page.
	if blank && (source.letters > 0 || source.shows) {
		hard = append(hard, "Every page of the rendition is blank.")
	}
	return hard, soft
}

// lostCells is what a short word leaves empty.
const lostCells = 2

// compare looks at the pages of a PDF and of what was made from it.
func (t tolerance) compare(source, rendition []page) (hard []string) {
	for i, p := range source {
		if i >= len(rendition) {
			break // the page count says so already
		}
		q := rendition[i]
		if q.blank() && !p.blank() {
			hard = append(hard, fmt.Sprintf("Page %d is blank in the rendition, in the source it is not.", i+1))
		} else if d := p.difference(q); t.diff > 0 && d > t.diff {
			hard = append(hard, fmt.Sprintf("Page %d looks different on %.0f %% of its area.", i+1, 100*d))
		} else if n := p.vanished(q); t.diff > 0 && n >= lostCells {
			hard = append(hard, fmt.Sprintf("Page %d is empty in the rendition at %d places where the source shows something.", i+1, n))
		}
		if len(hard) == 5 {
			break
		}
	}
	return hard
}

// accept takes a PDF as the rendition if it is valid and plausible. One that is
// merely not valid gets a second chance: it is written anew, and the result compared
// with it picture by picture.
func (j *job) accept(ctx context.Context, pdf, flavour string, source numbers, t tolerance) error {
	err := j.check(ctx, pdf, flavour, source, t)
	var no *Refusal
	if !errors.As(err, &no) || no.Code != CodeInvalid {
		return err
	}
	facts, err := j.inspect(ctx, pdf)
	if err != nil {
		return err
	}
	text, err := j.pdfText(ctx, pdf)
	if err != nil {
		return err
	}
	made := numbers{pages: facts.pages, letters: text.letters, pdf: pdf}
	if made.raster, err = j.raster(ctx, pdf); err != nil {
		return err
	}
	hard, soft := t.implausible(source, made)
	if len(hard) > 0 {
		return &Refusal{CodeImplausible, strings.Join(hard, " ")}
	}
	j.note(preservation.EventValidate, preservation.Warning, no.Code, no.Detail, j.veraPDF(ctx))
	for _, s := range soft {
		j.note(preservation.EventCheck, preservation.Warning, s.code, s.detail, j.cfg.Agent)
	}
	j.note(preservation.EventCheck, preservation.Success, "", compared(source, made), j.cfg.Agent)
	if j.text == "" {
		j.text = text.String()
	}
	return j.rewritten(ctx, pdf, facts, made, tolerances["pdf"])
}

// check validates a PDF and compares its numbers with the source's.
func (j *job) check(ctx context.Context, pdf, flavour string, source numbers, t tolerance) error {
	facts, err := j.inspect(ctx, pdf)
	var unreadable *Refusal
	if errors.As(err, &unreadable) {
		return &Refusal{CodeUnconvertible, "The tool's result cannot be read."}
	}
	if err != nil {
		return err
	}
	// Both take their time; what the comparison says counts only after the verdict.
	rendition := numbers{pages: facts.pages}
	var verdict verapdf.Verdict
	var text *counter
	var unread error
	late := j.aside(ctx, func() {
		validated := bound.Beside(func() (err error) {
			verdict, err = j.validate(ctx, pdf, verapdf.Flavour(flavour))
			return err
		})
		if text, unread = j.pdfText(ctx, pdf); unread == nil {
			rendition.letters = text.letters
			rendition.raster, unread = j.raster(ctx, pdf)
		}
		err = validated()
	})
	if late != nil {
		return late
	}
	switch {
	case errors.Is(err, verapdf.ErrMissing):
		j.note(preservation.EventValidate, preservation.Warning, CodeNotValidated, "Not validated: "+err.Error()+".", j.cfg.Agent)
		j.verdict, j.flavour = preservation.VerdictNotValidated, ""
	case err != nil:
		return err
	case !verdict.Valid:
		return &Refusal{CodeInvalid, "Not valid PDF/A-" + flavour + ": " + rules(verdict) + "."}
	default:
		j.note(preservation.EventValidate, preservation.Success, "", "Valid PDF/A-"+string(verdict.Flavour)+".", j.veraPDF(ctx))
		j.verdict, j.flavour = preservation.VerdictValid, string(verdict.Flavour)
	}

	if unread != nil {
		return unread
	}
	hard, soft := t.implausible(source, rendition)
	if !same(source.raster, rendition.raster) {
		if hard, soft, err = j.annotations(ctx, pdf, source, rendition, t, hard, soft); err != nil {
			return err
		}
	}
	if len(hard) > 0 {
		return &Refusal{CodeImplausible, strings.Join(hard, " ")}
	}
	for _, s := range soft {
		j.note(preservation.EventCheck, preservation.Warning, s.code, s.detail, j.cfg.Agent)
	}
	j.note(preservation.EventCheck, preservation.Success, "", compared(source, rendition), j.cfg.Agent)
	if j.text == "" {
		j.text = text.String()
	}
	j.pdf, j.pages = pdf, facts.pages
	return nil
}

// same reports whether no field of any page looks different.
func same(source, rendition []page) bool {
	for i := range min(len(source), len(rendition)) {
		if source[i].difference(rendition[i]) > 0 {
			return false
		}
	}
	return true
}

// compared puts the numbers down for people who doubt them later.
func compared(source, rendition numbers) string {
	of := func(n int) string {
		if n < 0 {
			return "an unknown number"
		}
		return fmt.Sprint(n)
	}
	pages := "an unknown number"
	if source.pages > 0 {
		pages = fmt.Sprint(source.pages)
	}
	s := fmt.Sprintf("Compared with the source: %d pages of %s, %d letters of %s", rendition.pages, pages, rendition.letters, of(source.letters))
	if n := min(len(source.raster), len(rendition.raster)); n > 0 {
		s += fmt.Sprintf(", %d pages as pictures", n)
	}
	return s + "."
}

// validate asks veraPDF. What it cannot read is not valid; what it cannot
// finish is a Refusal, because another tool would only take as long.
func (j *job) validate(ctx context.Context, pdf string, f verapdf.Flavour) (verapdf.Verdict, error) {
	if j.cfg.Validator == nil {
		return verapdf.Verdict{}, verapdf.ErrMissing
	}
	v, err := j.cfg.Validator.Validate(ctx, pdf, f)
	if errors.Is(err, verapdf.ErrLimit) {
		return v, &Refusal{CodeUnchecked, "veraPDF was stopped: the file took too long or too much memory."}
	}
	for _, final := range []error{verapdf.ErrEncrypted, verapdf.ErrUnreadable} {
		if errors.Is(err, final) {
			v.Valid, v.Failed = false, []verapdf.Rule{{Message: "veraPDF cannot read it (" + final.Error() + ")"}}
			return v, nil
		}
	}
	return v, err
}

// veraPDF names the validator; its version is known once it has validated.
func (j *job) veraPDF(ctx context.Context) preservation.Agent {
	a := preservation.Agent{Type: preservation.Software, Name: "veraPDF"}
	if j.cfg.Validator != nil {
		if v, err := j.cfg.Validator.Version(ctx); err == nil {
			a.Version = v
		}
	}
	return a
}

// rules lists the first of the rules that were broken.
func rules(v verapdf.Verdict) string {
	var s []string
	for _, r := range v.Failed {
		if len(s) == 8 {
			s = append(s, "…")
			break
		}
		if r.Clause == "" {
			s = append(s, r.Message)
			continue
		}
		s = append(s, fmt.Sprintf("%s (%d times)", r, r.Count))
	}
	return strings.Join(s, ", ")
}
