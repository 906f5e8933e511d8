package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bestand/ingest/format"
	"bestand/ingest/verapdf"
	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/pades"
)

// validate looks at the signatures that incoming documents carry. What it finds
// is reported and kept; a broken signature is the record's, not ours to refuse.
func validate(ctx context.Context, w *work) error {
	for _, f := range w.files {
		if err := w.validate(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.ID, err)
		}
	}
	return nil
}

func (w *work) validate(ctx context.Context, f *file) error {
	switch {
	case f.held || f.closed:
		return nil
	case f.ident.Family == format.PDF:
		return w.validatePDF(ctx, f)
	case isCMS(f.Name):
		return w.validateCMS(ctx, f)
	case isASiC(f.Name):
		return w.validateASiC(ctx, f)
	case isXML(f):
		return w.validateXML(ctx, f)
	}
	return nil
}

// validatePDF checks the signatures inside a PDF.
func (w *work) validatePDF(ctx context.Context, f *file) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	signed, err := pades.Signed(ctx, in, f.Size)
	if err != nil || !signed {
		return err
	}
	w.validated(f, pades.Verify(ctx, in, f.Size, w.strangers()))
	return nil
}

// strangers is how the signatures of others are judged.
func (w *work) strangers() cades.Trust {
	return cades.Trust{Roots: w.p.Sealer.Trust, At: w.p.Now(), Optional: true}
}

// validated keeps every finding about a signature, with the other files that it is
// about.
func (w *work) validated(f *file, found []preservation.Finding, about ...preservation.FileID) {
	for _, x := range gravest(found) {
		detail := x.Detail
		if x.Subject != "" {
			detail = x.Subject + ": " + detail
		}
		e := preservation.Event{Type: preservation.EventValidate, Outcome: preservation.Success, Agent: agent, Detail: "signature: " + detail}
		if x.Severity != preservation.Passed {
			e.Outcome, e.Code = preservation.Warning, x.Code
		}
		w.notes([]preservation.Event{e}, f, about...)
	}
}

// maxValidated bounds the findings about the signatures of one file: each is an event
// of the record for ever.
const maxValidated = 500

// gravest keeps of too many findings the gravest, in their order, and tells the number
// of the others.
func gravest(found []preservation.Finding) []preservation.Finding {
	if len(found) <= maxValidated {
		return found
	}
	keep := make([]bool, len(found))
	room := maxValidated - 1
	for _, s := range []preservation.Severity{preservation.Failed, preservation.Notice, preservation.Passed} {
		for i, x := range found {
			if x.Severity == s && room > 0 {
				keep[i] = true
				room--
			}
		}
	}
	more := preservation.Finding{Code: CodeMore, Severity: preservation.Notice}
	var kept []preservation.Finding
	failed := 0
	for i, x := range found {
		switch {
		case keep[i]:
			kept = append(kept, x)
		case x.Severity == preservation.Failed:
			failed++
			more.Severity = preservation.Failed
		}
	}
	more.Detail = fmt.Sprintf("%d more findings, %d of them grave: check it with another verifier", len(found)-len(kept), failed)
	return append(kept, more)
}

// seal puts an invisible PAdES signature on the PDF renditions made here. The
// rendition must still be valid PDF/A afterwards, else the unsealed one is kept:
// the package's own seal covers it all the same.
func seal(ctx context.Context, w *work) error {
	for _, f := range w.files {
		if !f.made || f.ident.Family != format.PDF {
			continue
		}
		if err := w.seal(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f.ID, err)
		}
	}
	return nil
}

func (w *work) seal(ctx context.Context, f *file) error {
	sealed := f.path + ".sealed.pdf"
	report, err := w.p.Sealer.PDF(ctx, f.path, sealed, w.settings)
	if errors.Is(err, pades.ErrTooLarge) {
		w.finding(f, preservation.Event{Type: preservation.EventSeal, Outcome: preservation.Warning, Code: "too-large-to-seal", Agent: agent,
			Detail: "no seal of its own for its size; the seal of the package covers it"})
		return nil
	}
	if errors.Is(err, pades.ErrUnsupported) {
		w.finding(f, preservation.Event{Type: preservation.EventSeal, Outcome: preservation.Warning, Code: "not-sealable", Agent: agent,
			Detail: "no seal of its own: " + err.Error() + "; the seal of the package covers it"})
		return nil
	}
	if err != nil {
		return err
	}
	if f.Verdict == preservation.VerdictValid {
		v, err := w.p.PDFA.Validate(ctx, sealed, verapdf.Flavour(f.Flavour))
		if err != nil {
			return err
		}
		if !v.Valid {
			w.finding(f, preservation.Event{Type: preservation.EventSeal, Outcome: preservation.Warning, Code: "seal-breaks-pdfa", Agent: agent,
				Detail: fmt.Sprintf("no seal of its own: with it the file would not be valid PDF/A %s (%v); the seal of the package covers it", f.Flavour, v.Failed)})
			return os.Remove(sealed)
		}
	}
	f.path = sealed
	e := preservation.Event{Type: preservation.EventSeal, Outcome: preservation.Success, Agent: agent, Files: []preservation.FileID{f.ID},
		Detail: "PAdES " + string(report.Level) + ", by " + w.p.Sealer.Subject()}
	if report.Lower != "" { // nothing that the producer could change: no finding of the submission
		e.Outcome, e.Code = preservation.Warning, "seal-level"
		e.Detail += "; no higher level: " + report.Lower
	}
	w.note(e)
	return nil
}
