package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"bestand/ingest/bound"
	"bestand/ingest/convert"
	"bestand/ingest/format"
	"bestand/ingest/invoice"
	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// render makes the preservation representation: for every original its
// rendition, for every file within a file the same again. While the rendition of one
// is checked the next one is made; what became of them is noted in their order.
func render(ctx context.Context, w *work) error {
	const ahead = 2 // with the one that is waited for
	ctx, stop := context.WithCancel(ctx)
	begun := map[*file]*rendering{}
	defer func() {
		stop()
		for _, r := range begun {
			_ = r.wait() // nobody asks what became of it any more
		}
	}()
	for i := 0; i < len(w.files); i++ { // grows while it runs
		f := w.files[i]
		if !f.wants() {
			continue
		}
		for k, n := i, 0; k < len(w.files) && n < ahead; k++ {
			next := w.files[k]
			if !next.wants() {
				continue
			}
			if n++; begun[next] == nil {
				r, err := w.begin(ctx, next)
				if err != nil {
					return err
				}
				begun[next] = r
			}
		}
		r := begun[f]
		err := r.wait()
		delete(begun, f)
		if err = w.rendered(ctx, f, r, err); err != nil {
			return fmt.Errorf("%s: %w", f.ID, err)
		}
		if err := w.flush(ctx, false); err != nil {
			return err
		}
	}
	return w.contained()
}

// wants reports whether a file is to be rendered.
func (f *file) wants() bool {
	return !f.made && !f.held && !f.closed && f.Representation != preservation.Text
}

// rendering is what becomes of one file.
type rendering struct {
	dir  string
	used *sandbox.Usage
	wait func() error // returns at the end; then the rest is set
	took time.Duration
	convert.Result
}

func (w *work) begin(ctx context.Context, f *file) (*rendering, error) {
	dir, err := os.MkdirTemp(w.dir, string(f.ID)+"-")
	if err != nil {
		return nil, err
	}
	src := convert.Source{Path: f.path, Name: f.Name, Title: f.Title, Format: f.Format, Encrypted: f.ident.Encrypted, Charset: f.ident.Charset}
	measured, used := sandbox.Measured(ctx)
	r := &rendering{dir: dir, used: used}
	r.wait = bound.Beside(func() (err error) {
		began := time.Now()
		r.Result, err = w.session.Render(measured, src, dir)
		r.took = time.Since(began)
		return err
	})
	return r, nil
}

// rendered notes what became of a file.
func (w *work) rendered(ctx context.Context, f *file, done *rendering, err error) error {
	r := done.Result
	if errors.Is(err, convert.ErrMissing) {
		f.Verdict = preservation.VerdictPending
		w.finding(f, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Warning, Code: "pending", Agent: agent,
			Detail: "no rendition yet: " + err.Error()})
		return nil
	}
	if errors.Is(err, sandbox.ErrKilled) && ctx.Err() == nil { // no verdict on the file: the job "complete" tries again
		f.Verdict = preservation.VerdictPending
		w.finding(f, preservation.Event{Type: preservation.EventConvert, Outcome: preservation.Warning, Code: "converter-killed", Agent: agent,
			Detail: "no rendition yet, it is tried again later: " + err.Error()})
		return nil
	}
	if err != nil {
		return err
	}
	runs, cpu, peak := done.used.Total()
	w.log.DebugContext(ctx, "file rendered", "file", string(f.ID), "verdict", r.Verdict, "elapsed", done.took, "tools", runs, "cpu", cpu, "peak", peak)
	f.Verdict, f.Flavour = r.Verdict, r.Flavour
	w.notes(r.Events, f)
	for _, o := range r.Outputs {
		if err := w.output(ctx, f, o); err != nil {
			return err
		}
	}
	if r.Own && f.ident.Family == format.PDF && embeds(f.Flavour) {
		if err := w.hybrid(ctx, f, done.dir); err != nil {
			return err
		}
	}
	if r.Text != "" {
		return w.text(f, r.Text)
	}
	return nil
}

// embeds reports whether a PDF/A of that flavour may hold files of any format: the
// parts before the third forbid it (ISO 19005-2, 6.8).
func embeds(flavour string) bool {
	return strings.HasPrefix(flavour, "3") || strings.HasPrefix(flavour, "4")
}

// hybrid takes the XML out of an invoice that is a PDF at the same time.
func (w *work) hybrid(ctx context.Context, f *file, dir string) error {
	x, err := w.p.Invoice(ctx, dir, f.path)
	if errors.Is(err, invoice.ErrNone) || errors.Is(err, sandbox.ErrMissing) {
		return nil
	}
	var fault *invoice.Fault
	if errors.As(err, &fault) {
		w.finding(f, preservation.Event{Type: preservation.EventExtract, Outcome: preservation.Warning, Code: fault.Code, Detail: fault.Detail, Agent: agent})
		return nil
	}
	if err != nil {
		return fmt.Errorf("embedded invoice: %w", err)
	}
	path := w.path(string(f.ID) + "-invoice.xml")
	if err := os.WriteFile(path, x.XML, 0o600); err != nil {
		return err
	}
	return w.output(ctx, f, convert.Output{Path: path, Name: x.Name, Kind: convert.Extracted, Events: []preservation.Event{{
		Type: preservation.EventExtract, Outcome: preservation.Success, Detail: "electronic invoice inside of the PDF, byte for byte", Agent: agent}}})
}

// output takes a file over that was made from another. One that was taken out of
// another goes through what every received file goes through.
func (w *work) output(ctx context.Context, from *file, o convert.Output) error {
	if o.Kind == convert.Extracted && from.depth >= maxDepth {
		w.finding(from, preservation.Event{Type: preservation.EventExtract, Outcome: preservation.Warning, Code: "too-deep", Agent: agent,
			Detail: "nested too deeply: the files within stay inside this one"})
		return nil
	}
	if o.Kind == convert.Extracted && w.sources >= MaxFiles {
		w.finding(from, preservation.Event{Type: preservation.EventExtract, Outcome: preservation.Failure, Code: "too-many-files", Agent: agent,
			Detail: fmt.Sprintf("more than %d files in one record; the rest stays inside this one", MaxFiles)})
		return nil
	}
	st, err := os.Stat(o.Path)
	if err != nil {
		return err
	}
	f := &file{
		File: preservation.File{Representation: preservation.Preservation, Name: o.Name, Title: from.Title, Document: from.Document,
			Size: st.Size(), DerivedFrom: from.ID, Verdict: o.Verdict, Flavour: o.Flavour},
		path: o.Path, made: o.Kind == convert.Rendition,
	}
	if !f.made {
		if err := w.again(f); err != nil {
			return err
		}
	}
	w.add(f)
	w.notes(o.Events, from, f.ID)
	if f.made {
		from.Verdict, from.Flavour = "", "" // the rendition carries it
		return w.identify(ctx, f)
	}
	f.depth = from.depth + 1
	if err := w.scan(ctx, f); err != nil {
		return err
	}
	if err := w.identify(ctx, f); err != nil {
		return err
	}
	return w.validate(ctx, f)
}
