package ingest

import (
	"context"
	"errors"
	"fmt"

	"bestand/ingest/format"
	"bestand/ingest/sandbox"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// needs are the programs without which a family of formats stays pending.
var needs = map[format.Family][]string{
	format.Office: {"soffice", "pdftotext", "pdftoppm"},
	format.Text:   {"soffice", "pdftotext", "pdftoppm"},
	format.PDF:    {"qpdf", "gs", "pdftotext", "pdftoppm"},
	format.HTML:   {"chromium-headless-shell", "pdftotext"},
	format.Mail:   {"chromium-headless-shell", "pdftotext"},
	format.MSG:    {"chromium-headless-shell", "pdftotext", "perl"},
	format.XML:    {"chromium-headless-shell", "pdftotext", "xmllint"},
	format.Image:  {"pdftotext"},
}

// able reports whether what a file waits for is here now.
func (p *Pipeline) able(f preservation.Format) bool {
	if p.PDFA.Installed() != nil {
		return false
	}
	for _, name := range needs[format.FamilyOf(f)] {
		if _, err := sandbox.LookPath(name); err != nil {
			return false
		}
	}
	return true
}

// Complete is the handler of the job "complete": records that were archived
// while a converter or the validator was missing get a new version with what
// was missing, once it is there.
func (p *Pipeline) Complete(ctx context.Context, t *catalog.Tenant, _ catalog.Job) error {
	var after preservation.RecordID
	for {
		ids, err := t.Incomplete(ctx, after, 100)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			after = id
			if err := p.complete(ctx, t, id); err != nil {
				return fmt.Errorf("complete record %s: %w", id, err)
			}
		}
	}
}

func (p *Pipeline) complete(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) error {
	e, err := t.Record(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) || errors.Is(err, catalog.ErrDestroyed) {
		return nil
	}
	if err != nil || e.Status != "live" {
		return err
	}
	open := incomplete(e.Files)
	for source := range open {
		if f, ok := e.File(source); !ok || !p.able(f.Format) {
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

// reopen is the first step of a later version: what is complete stays where it
// is, the rest is brought into the work folder to be rendered again.
func reopen(ctx context.Context, w *work) error {
	e, err := w.t.Record(ctx, w.sub.RecordID)
	if err != nil {
		return err
	}
	if e.Version >= w.sub.Version {
		return &catalog.Final{Err: fmt.Errorf("record %s has version %d already: %w", e.ID, e.Version, catalog.ErrConflict)}
	}
	s, err := w.p.Store(ctx, w.t)
	if err != nil {
		return err
	}
	open := incomplete(e.Files)
	made := func(f preservation.File) bool { // from an incomplete file: made anew
		return open[f.DerivedFrom] && (f.Representation == preservation.Text || f.Verdict != "")
	}
	for _, f := range e.Files {
		w.lastFile = max(w.lastFile, f.ID.Number())
		if made(f) {
			continue
		}
		_, at, err := w.t.File(ctx, e.ID, f.ID)
		if err != nil {
			return err
		}
		_, version, ok := preservation.ParsePackageKey(at.Key)
		if !ok {
			return fmt.Errorf("%s: not the key of a package", at.Key)
		}
		f.HeldIn = version
		kept := &file{File: f, held: !open[f.ID]}
		w.files = append(w.files, kept)
		if kept.held {
			continue
		}
		kept.Verdict, kept.Flavour = "", ""
		kept.path = w.path(string(f.ID))
		r, err := s.Open(ctx, at.Key, at.VersionID, at.Pos, at.Size)
		if err != nil {
			return err
		}
		d, err := save(kept.path, r)
		r.Close()
		if err != nil {
			return err
		}
		if d != f.Digests {
			return fmt.Errorf("file %s of the stored package: %w", f.ID, preservation.ErrCorrupt)
		}
	}
	return nil
}
