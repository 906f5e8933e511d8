package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bestand/ingest/convert"
	"bestand/ingest/sandbox"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// able reports whether what a file waits for is here now.
func (p *Pipeline) able(ctx context.Context, f preservation.Format) bool {
	if p.PDFA.Works(ctx) != nil {
		return false
	}
	for _, name := range convert.Needs(f) {
		if !p.works(ctx, name) {
			return false
		}
	}
	return true
}

// works reports whether a program is there and in order, as far as is known.
func (p *Pipeline) works(ctx context.Context, name string) bool {
	_, err := sandbox.LookPath(name)
	return err == nil && p.Convert.Works(ctx, name) == nil
}

// tools names what is there of everything that a file may wait for.
func (p *Pipeline) tools(ctx context.Context) string {
	var have []string
	if p.PDFA.Works(ctx) == nil {
		have = append(have, "veraPDF")
	}
	for _, name := range convert.Programs() {
		if p.works(ctx, name) {
			have = append(have, name)
		}
	}
	return strings.Join(have, " ")
}

// Complete is the handler of the job "complete": records that were archived
// while a converter or the validator was missing get a new version with what
// was missing, once it is there. A record that cannot be completed does not keep
// the others from it.
func (p *Pipeline) Complete(ctx context.Context, t *catalog.Tenant, _ catalog.Job) error {
	var after preservation.RecordID
	var errs []error
	for {
		ids, err := t.Incomplete(ctx, after, 100)
		if err != nil || len(ids) == 0 {
			return errors.Join(append(errs, err)...)
		}
		for _, id := range ids {
			after = id
			if err := p.complete(ctx, t, id); err != nil {
				errs = append(errs, fmt.Errorf("complete record %s: %w", id, err))
			}
		}
		if ctx.Err() != nil {
			return errors.Join(errs...)
		}
	}
}

func (p *Pipeline) complete(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) error {
	e, err := t.Record(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) || errors.Is(err, catalog.ErrDestroyed) {
		return nil
	}
	if err != nil || e.Status != "live" || p.vain(ctx, id) {
		return err
	}
	open := incomplete(e.Files)
	for source := range open {
		if f, ok := e.File(source); !ok || !p.able(ctx, f.Format) {
			return nil
		}
	}
	now := p.Now()
	return t.CreateSubmission(ctx, catalog.Submission{
		ID: preservation.SubmissionID(preservation.NewID(now)), RecordID: id, Version: e.Version + 1,
		Metadata: e.Metadata, SubmittedBy: "system", Received: now,
	}, preservation.Event{ID: preservation.NewID(now), Type: preservation.EventReceive, At: now, Outcome: preservation.Success, Agent: agent,
		Detail: fmt.Sprintf("%d files of version %d can be completed now", len(open), e.Version)})
}

// vain reports whether completing a record was tried in vain with the tools that
// are here now. It is forgotten at the end of the process: what was installed
// since may be something that is not looked for, such as a Perl module.
func (p *Pipeline) vain(ctx context.Context, id preservation.RecordID) bool {
	tools := p.tools(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tried[id] == tools
}

// progress ends the making of a later version that would complete nothing: each
// is an object that is locked for years.
func (w *work) progress(ctx context.Context) error {
	if w.sub.Version <= 1 || w.sub.Revision != nil {
		return nil
	}
	var files []preservation.File
	for _, f := range w.files {
		files = append(files, f.File)
	}
	still := incomplete(files)
	for _, f := range w.files {
		if f.reopened && !still[f.ID] {
			return nil
		}
	}
	tools := w.p.tools(ctx)
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	if w.p.tried == nil {
		w.p.tried = map[preservation.RecordID]string{}
	}
	w.p.tried[w.sub.RecordID] = tools
	return &verdict{catalog.Rejected, []preservation.Finding{{Code: "nothing-completed", Severity: preservation.Notice,
		Detail: "no file could be completed; the record stays as it is"}}}
}

// incomplete names the files whose rendition is pending or was not validated.
func incomplete(files []preservation.File) map[preservation.FileID]bool {
	out := map[preservation.FileID]bool{}
	for _, f := range files {
		switch {
		case f.Verdict == preservation.VerdictPending:
			out[f.ID] = true
		case f.Verdict == preservation.VerdictNotValidated && f.DerivedFrom != "":
			out[f.DerivedFrom] = true
		case f.Verdict == preservation.VerdictNotValidated:
			out[f.ID] = true
		}
	}
	return out
}
