package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// reopen is the first step of a later version: what is complete stays where it
// is, the rest is brought into the work folder to be rendered again. Everything
// that was made from an incomplete file or taken out of it is made anew. A version
// that somebody sent leaves everything as it is, but for the files that it replaces
// and what was made of these.
func reopen(ctx context.Context, w *work) error {
	e, err := w.living(ctx)
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
	var open, gone map[preservation.FileID]bool
	if r := w.sub.Revision; r == nil {
		open = incomplete(e.Files)
	} else {
		gone = map[preservation.FileID]bool{}
		for _, id := range r.Replaces {
			gone[id] = true
		}
	}
	from := map[preservation.FileID]preservation.FileID{}
	for _, f := range e.Files {
		from[f.ID] = f.DerivedFrom
	}
	for _, f := range e.Files {
		w.lastFile = max(w.lastFile, f.ID.Number())
		_, at, err := w.t.File(ctx, e.ID, f.ID)
		if err != nil {
			return err
		}
		_, version, ok := preservation.ParsePackageKey(at.Key)
		if !ok {
			return fmt.Errorf("%s: not the key of a package", at.Key)
		}
		f.HeldIn = version
		if _, within := descent(from, f.ID, gone); within || gone[f.ID] {
			continue
		}
		depth, within := descent(from, f.ID, open)
		if within {
			w.earlier = append(w.earlier, f)
			continue
		}
		kept := &file{File: f, held: !open[f.ID], reopened: open[f.ID], depth: depth}
		w.files = append(w.files, kept)
		if f.Representation == preservation.Original {
			w.sources++
		}
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

// descent follows a file to where it came from: how many files it is within,
// and whether one of them is open.
func descent(from map[preservation.FileID]preservation.FileID, f preservation.FileID, open map[preservation.FileID]bool) (depth int, within bool) {
	for f = from[f]; f != "" && depth < len(from); f = from[f] {
		within = within || open[f]
		depth++
	}
	return depth, within
}

// again recognises a file that an earlier version took out of the same file. It
// keeps its identifier, and its bytes stay where they are.
func (w *work) again(f *file) error {
	if len(w.earlier) == 0 {
		return nil
	}
	if err := f.sum(); err != nil {
		return err
	}
	for i, e := range w.earlier {
		if e.Representation == f.Representation && e.DerivedFrom == f.DerivedFrom && e.Digests == f.Digests && e.Name == f.Name {
			w.earlier = slices.Delete(w.earlier, i, i+1)
			f.File = e
			f.Verdict, f.Flavour = "", ""
			return nil
		}
	}
	return nil
}

// living returns the record that is to get a later version. One that is no more
// ends the submission; one whose destruction is under way may yet be called off.
func (w *work) living(ctx context.Context) (catalog.Entry, error) {
	e, err := w.t.Record(ctx, w.sub.RecordID)
	switch {
	case errors.Is(err, catalog.ErrNotFound), errors.Is(err, catalog.ErrDestroyed):
		return e, &verdict{catalog.Rejected, []preservation.Finding{{Code: "record-destroyed", Severity: preservation.Notice,
			Detail: "the record was destroyed meanwhile; no version is added to it"}}}
	case err == nil && e.Status != "live":
		return e, &catalog.Later{Until: w.p.Now().Add(time.Hour), Reason: "the destruction of the record is under way"}
	}
	return e, err
}
