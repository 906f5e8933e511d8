package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bestand/ingest/bound"
	"bestand/ingest/sandbox"
	"bestand/ingest/verapdf"
	"bestand/preservation"
)

// renderPDF touches a PDF as little as it can: not at all, then in its metadata, then wholly.
func (j *job) renderPDF(ctx context.Context) error {
	verdict, text, verr, terr := j.readBoth(ctx, j.src.Path)
	j.text = text.String()
	if verr == nil && terr == nil && verdict.Valid && text.pages > 0 { // the way of most: nothing else is asked about it
		j.own, j.verdict, j.flavour, j.pages = true, preservation.VerdictValid, string(verdict.Flavour), text.pages
		j.note(preservation.EventValidate, preservation.Success, "", "Claims PDF/A-"+string(verdict.Claimed)+" and is valid: it is its own rendition.", j.veraPDF(ctx))
		return nil
	}
	facts, err := j.inspect(ctx, j.src.Path)
	if err != nil {
		return err
	}
	if terr != nil {
		return terr
	}
	j.pages = facts.pages
	source := numbers{pages: facts.pages, letters: text.letters, pdf: j.src.Path}
	switch {
	case errors.Is(verr, verapdf.ErrMissing):
		// What to do with a PDF depends on the verdict. A later job has it.
		j.verdict = preservation.VerdictNotValidated
		j.note(preservation.EventValidate, preservation.Warning, CodeNotValidated, "veraPDF is not installed: whether the PDF needs a rendition is not known.", j.cfg.Agent)
		return nil
	case verr != nil:
		return verr
	case verdict.Valid:
		j.own, j.verdict, j.flavour = true, preservation.VerdictValid, string(verdict.Flavour)
		j.note(preservation.EventValidate, preservation.Success, "", "Claims PDF/A-"+string(verdict.Claimed)+" and is valid: it is its own rendition.", j.veraPDF(ctx))
		return nil
	case verdict.Claimed != "":
		j.note(preservation.EventValidate, preservation.Warning, CodeFalseClaim, "Claims PDF/A-"+string(verdict.Claimed)+" and is not: "+rules(verdict)+".", j.veraPDF(ctx))
	}
	signed, err := j.cfg.Signed(j.src.Path)
	if err != nil {
		return err
	}
	if signed {
		return &Refusal{CodeSigned, "The PDF is signed and stays as it is: a conversion would break its signatures."}
	}
	described, err := j.pagesHold(ctx)
	if err != nil {
		return err
	}
	if facts.restricted {
		j.note(preservation.EventConvert, preservation.Warning, CodeRestricted, "Encrypted without a password; restrictions on its use are not carried over.", j.cfg.Agent)
	}
	if source.raster, err = j.raster(ctx, j.src.Path); err != nil {
		return err
	}
	attached, err := j.detach(ctx)
	if err != nil {
		return err
	}
	if attached == 0 && !facts.restricted && described != nil {
		before := len(j.events)
		pdf, err := j.withMetadata(ctx, j.src.Path, *described)
		if err == nil {
			err = j.check(ctx, pdf, defaultFlavour, source, tolerances["pdf"])
		}
		var no *Refusal
		if !errors.As(err, &no) || strings.HasPrefix(no.Code, codeLimit) {
			return err
		}
		j.events = j.events[:before] // metadata alone do not do: what was tried and dropped is not part of the record
	}
	facts.attached = attached
	return j.rewritten(ctx, j.src.Path, facts, source, tolerances["pdf"])
}

// readBoth validates a PDF while its text is read. There is a text always, empty
// when it could not be read.
func (j *job) readBoth(ctx context.Context, pdf string) (verdict verapdf.Verdict, text *counter, verr, terr error) {
	late := j.aside(ctx, func() {
		read := bound.Beside(func() (err error) {
			text, err = j.pdfText(ctx, pdf)
			return err
		})
		verdict, verr = j.validate(ctx, pdf, verapdf.Auto)
		terr = read()
	})
	if late != nil {
		verr, terr = late, late
	}
	if text == nil {
		text = &counter{}
	}
	return verdict, text, verr, terr
}

// pagesHold refuses a PDF whose pages do not hold what it shows: a viewer builds
// them anew from a form in XFA (ISO 32000-1, 12.7.8), and what stands there is at
// best a request to use another viewer. It returns nil for a PDF that qpdf cannot read.
func (j *job) pagesHold(ctx context.Context) (*described, error) {
	d, err := j.describe(ctx, j.src.Path)
	var no *Refusal
	if errors.As(err, &no) {
		if strings.HasPrefix(no.Code, codeLimit) {
			return nil, no
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if d.dynamic {
		return nil, &Refusal{CodeDynamicForm, "The PDF is a form (XFA) that only certain programs build when they open it; its pages do not hold the content. " +
			"Ask the producer for a printed copy."}
	}
	return &d, nil
}

// rewritten accepts what can be made of a PDF by writing it anew. Annotations stay
// what they are if that can be; where it makes the result invalid or look different
// they are drawn as part of the page. Where that is not enough, poppler draws the
// page; and where fonts of the source keep the result from being valid, letters are
// drawn too: the page looks as it did, and the text for search was read from the source.
func (j *job) rewritten(ctx context.Context, pdf string, facts pdfFacts, source numbers, t tolerance) error {
	before := len(j.events)
	var why *Refusal // of the most usual way that was tried
	var tried []preservation.Event
	for _, m := range manners {
		if facts.attached > 0 && !m.drawn { // annotations hold embedded files, which PDF/A-2 forbids
			continue
		}
		out, err := j.rewrite(ctx, pdf, facts, m)
		if err == nil {
			err = j.check(ctx, out, defaultFlavour, source, t)
		}
		if err == nil && m.viewer {
			err = j.secondReader(ctx, pdf, out, t)
		}
		var no *Refusal
		if !errors.As(err, &no) || strings.HasPrefix(no.Code, codeLimit) {
			return err
		}
		j.events = j.events[:before] // what was tried and dropped is not part of the record
		if why == nil || !m.viewer && !m.shapes {
			why = no
		}
		if m.viewer || m.shapes {
			tried = append(tried, preservation.Event{Type: preservation.EventCheck, Outcome: preservation.Warning, Code: no.Code, Detail: m.said + ": " + no.Detail, Agent: j.cfg.Agent})
		}
	}
	j.events = append(j.events, tried...)
	return why
}

// secondReader has Ghostscript say whether what poppler drew looks like the source,
// because poppler would only find that it agrees with itself.
func (j *job) secondReader(ctx context.Context, pdf, out string, t tolerance) error {
	source, err := j.otherRaster(ctx, pdf)
	if err != nil {
		return err
	}
	rendition, err := j.otherRaster(ctx, out)
	if err != nil {
		return err
	}
	var hard []string
	if len(source) != len(rendition) {
		hard = append(hard, "Page counts differ.")
	}
	if hard = append(hard, t.compare(source, rendition)...); len(hard) > 0 {
		j.pdf = ""
		return &Refusal{CodeImplausible, "Two readers do not agree on what the PDF shows. " + strings.Join(hard, " ")}
	}
	return nil
}

// manner is a way of writing a PDF anew.
type manner struct {
	drawn  bool   // annotations become part of the page
	viewer bool   // poppler draws the page first
	shapes bool   // letters are drawn too: no font of the source has to be valid
	said   string // for people
}

var manners = []manner{
	{},
	{drawn: true},
	{drawn: true, viewer: true, said: "Drawn by poppler"},
	{drawn: true, shapes: true, said: "With letters as shapes"},
}

const (
	iccFolder  = "/usr/share/color/icc/ghostscript"
	iccProfile = iccFolder + "/srgb.icc"
)

// PDFA_def, as Ghostscript's documentation asks for: the output intent.
const definitions = `%!
[/_objdef {icc} /type /stream /OBJ pdfmark
[{icc} << /N 3 >> /PUT pdfmark
[{icc} (` + iccProfile + `) (r) file /PUT pdfmark
[/_objdef {intent} /type /dict /OBJ pdfmark
[{intent} << /Type /OutputIntent /S /GTS_PDFA1 /DestOutputProfile {icc} /OutputConditionIdentifier (sRGB) >> /PUT pdfmark
[{Catalog} << /OutputIntents [ {intent} ] >> /PUT pdfmark
`

var rewriteLimits = sandbox.Limits{
	Memory: 1536 << 20, CPU: 3 * time.Minute, FileSize: 1 << 30, Output: 1 << 20,
}

// rewrite writes the PDF anew with Ghostscript. Elements that PDF/A forbids are
// dropped (compatibility policy 1).
func (j *job) rewrite(ctx context.Context, pdf string, facts pdfFacts, m manner) (string, error) {
	from := pdf
	if m.viewer {
		drawn, err := j.cairo(ctx, pdf)
		if err != nil {
			return "", err
		}
		from = drawn
		j.note(preservation.EventConvert, preservation.Success, "", "Pages drawn by poppler, as PDF.", j.poppler(ctx))
	}
	dir, err := j.folder()
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "definitions.ps"), []byte(definitions), 0o600); err != nil {
		return "", err
	}
	res, err := j.tool(ctx, sandbox.Command{
		Name: "gs", Dir: dir, Read: []string{from}, Limits: rewriteLimits,
		Args: []string{
			"-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "--permit-file-read=" + iccFolder + "/",
			"-sDEVICE=pdfwrite", "-dPDFA=2", "-dPDFACompatibilityPolicy=1", "-sColorConversionStrategy=RGB",
			"-dAutoRotatePages=/None", "-dEmbedAllFonts=true", "-dSubsetFonts=true",
			fmt.Sprintf("-dPreserveAnnots=%t", !m.drawn), "-dPrinted=false", fmt.Sprintf("-dNoOutputFonts=%t", m.shapes),
			"-dDownsampleColorImages=false", "-dDownsampleGrayImages=false", "-dDownsampleMonoImages=false",
			"-sOutputFile=rendition.pdf", "definitions.ps", from,
		},
	})
	if err != nil {
		return "", err
	}
	out, err := produced(dir, "rendition.pdf")
	if err != nil {
		return "", err
	}
	if out == "" || res.ExitCode != 0 {
		return "", &Refusal{CodeUnconvertible, fmt.Sprintf("Ghostscript could not write the PDF anew (exit code %d).", res.ExitCode)}
	}
	agent := j.ghostscript(ctx)
	j.note(preservation.EventConvert, preservation.Success, "", "Written anew as PDF/A-2b, colours as sRGB.", agent)
	j.lossy(facts, m, agent)
	if strings.Contains(res.Stderr, "**** Error") {
		j.note(preservation.EventConvert, preservation.Warning, CodeRepaired, "Ghostscript reported defects of the source and went on.", agent)
	}
	return out, nil
}

// lossy notes what a manner cannot keep.
func (j *job) lossy(facts pdfFacts, m manner, agent preservation.Agent) {
	var lost []string
	if facts.tagged {
		lost = append(lost, "structure tags")
	}
	if facts.form {
		lost = append(lost, "form fields")
	}
	if facts.attached > 0 {
		lost = append(lost, "embedded files (kept as files of their own)")
	}
	if m.drawn {
		lost = append(lost, "annotations as such (drawn instead)")
	}
	if m.shapes {
		lost = append(lost, "text as such (its fonts are not valid; drawn letter by letter)")
	}
	if len(lost) > 0 {
		j.note(preservation.EventConvert, preservation.Warning, CodeLossy, "Not in the rendition: "+strings.Join(lost, ", ")+".", agent)
	}
}

// cairo has poppler draw the pages of a PDF into another one: text stays text, and
// all annotations become part of the page.
func (j *job) cairo(ctx context.Context, pdf string) (string, error) {
	dir, err := j.folder()
	if err != nil {
		return "", err
	}
	res, err := j.tool(ctx, sandbox.Command{
		Name: "pdftocairo", Dir: dir, Read: []string{pdf}, Limits: rewriteLimits, Args: []string{"-pdf", pdf, "drawn.pdf"},
	})
	if err != nil {
		return "", err
	}
	out, err := produced(dir, "drawn.pdf")
	if err != nil {
		return "", err
	}
	if out == "" || res.ExitCode != 0 {
		return "", &Refusal{CodeUnconvertible, fmt.Sprintf("poppler could not draw the pages of the PDF (exit code %d).", res.ExitCode)}
	}
	return out, nil
}

// hasByteRange looks for the entry that every signature dictionary has
// (ISO 32000-1, 12.8.1), which is never inside of a compressed object because
// its bytes are counted.
func hasByteRange(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	mark := []byte("/ByteRange")
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := f.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if bytes.Contains(buf, mark) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		keep := min(len(buf), len(mark)-1)
		buf = append(buf[:0], buf[len(buf)-keep:]...)
	}
}
