package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
)

// frozen is the finished package in the work folder.
type frozen struct {
	path     string
	size     int64
	sha256   string
	manifest aip.Manifest
}

// pack writes the AIP. What was done up to here stands in its PREMIS; what
// follows is in the receipt.
func pack(ctx context.Context, w *work) error {
	rec := preservation.Record{
		ID: w.sub.RecordID, Tenant: w.t.ID(), Version: w.sub.Version, Submission: w.sub.ID,
		Received: w.sub.Received, Metadata: w.sub.Metadata, Files: make([]preservation.File, 0, len(w.files)),
	}
	if r := w.sub.Revision; r != nil {
		rec.Revision = &r.Revision
	}
	paths := make(map[preservation.FileID]string, len(w.files))
	for _, f := range w.files {
		if f.HeldIn == 0 {
			f.Path = aip.DataPath(f.File)
		}
		rec.Files = append(rec.Files, f.File)
		paths[f.ID] = f.path
	}
	w.files = nil // the rest follows from the record, which may be large enough
	w.note(preservation.Event{Type: preservation.EventPackage, Outcome: preservation.Success, Agent: agent,
		Detail: fmt.Sprintf("%s with %d files", aip.Format, len(rec.Files))})
	out, err := os.Create(w.path("package.zip"))
	if err != nil {
		return err
	}
	defer out.Close()
	h := sha256.New()
	reception, err := w.t.Reception(ctx, w.sub.ID)
	if err != nil {
		return err
	}
	manifest, err := aip.Write(ctx, io.MultiWriter(out, h), aip.Package{
		Record: rec, Events: merge(reception, w.events), Creator: agent,
		Content: func(id preservation.FileID) (io.ReadCloser, error) { return os.Open(paths[id]) },
		Seal: func(ctx context.Context, mets []byte) ([]byte, error) {
			return w.p.Sealer.Detached(ctx, mets, w.settings)
		},
	})
	if err != nil {
		return err
	}
	w.pkg = frozen{path: out.Name(), size: manifest.Size, sha256: hex.EncodeToString(h.Sum(nil))}
	return out.Close()
}

// merge adds to the events of the catalog those that it does not have yet.
func merge(saved, all []preservation.Event) []preservation.Event {
	seen := map[string]bool{}
	for _, e := range saved {
		seen[e.ID] = true
	}
	for _, e := range all {
		if !seen[e.ID] {
			saved = append(saved, e)
		}
	}
	return saved
}

// freeze keeps the package in staging, so that a later attempt stores the very
// same bytes: seals and times would make another package of another attempt.
func freeze(ctx context.Context, w *work) error {
	if err := w.flush(ctx, true); err != nil {
		return err
	}
	f := catalog.Frozen{Key: frozenKey(w.t.ID(), w.sub.ID, w.pkg.sha256), Size: w.pkg.size, SHA256: w.pkg.sha256, Problems: w.problems.list}
	in, err := os.Open(w.pkg.path)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := w.p.Staging.Put(ctx, f.Key, in, preservation.PutOptions{Size: f.Size, SHA256: f.SHA256}); err != nil {
		return err
	}
	if err := w.t.Freeze(ctx, w.sub.ID, f); err != nil {
		return err // the attempt that was faster wins; the next one thaws its package
	}
	w.sub.Frozen = &f
	w.events, w.saved = nil, 0 // thawed with the package
	return nil
}

func frozenKey(t preservation.TenantID, id preservation.SubmissionID, sha256 string) string {
	return stagingPrefix(t, id) + "package-" + sha256[:16]
}

// thaw takes up the work of an earlier attempt from the package that it froze.
func thaw(ctx context.Context, w *work) error {
	if w.pkg.path == "" {
		if err := w.fetchFrozen(ctx); err != nil {
			return err
		}
	}
	in, err := os.Open(w.pkg.path)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := aip.Open(in, w.pkg.size)
	if err != nil {
		return err
	}
	w.record = r.Record()
	if w.pkg.manifest, err = r.Manifest(); err != nil {
		return err
	}
	if w.events, err = r.Events(); err != nil {
		return err
	}
	w.problems.list = w.sub.Frozen.Problems
	w.saved = len(w.events)
	return nil
}

func (w *work) fetchFrozen(ctx context.Context) error {
	f := w.sub.Frozen
	r, err := w.p.Staging.Open(ctx, f.Key, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	w.pkg = frozen{path: w.path("package.zip"), size: f.Size, sha256: f.SHA256}
	d, err := save(w.pkg.path, r)
	if err != nil {
		return err
	}
	if d.SHA256 != f.SHA256 {
		return fmt.Errorf("frozen package %s: %w", f.Key, preservation.ErrCorrupt)
	}
	return nil
}

// store puts the package into the tenant's bucket under its lock. A package that
// is there already is adopted when its bytes are the frozen ones. A later version
// is stored only while its record lives: nobody would look for it any more.
func store(ctx context.Context, w *work) error {
	if w.record.Version > 1 {
		if _, err := w.living(ctx); err != nil {
			return err
		}
	}
	s, err := w.p.Store(ctx, w.t)
	if err != nil {
		return err
	}
	if w.lock, err = w.p.Lock(ctx, w.t, w.record); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	in, err := os.Open(w.pkg.path)
	if err != nil {
		return err
	}
	defer in.Close()
	key := preservation.PackageKey(w.record.ID, w.record.Version)
	w.object, err = s.Put(ctx, key, in, preservation.PutOptions{Size: w.pkg.size, SHA256: w.pkg.sha256, Lock: w.lock, ContentType: aip.MediaType})
	if errors.Is(err, preservation.ErrExists) {
		w.object, err = adopt(ctx, s, key, w.pkg.sha256, w.lock)
	}
	if err != nil {
		return err
	}
	if w.object.Lock.Mode != "" {
		w.lock = w.object.Lock
	}
	return nil
}

// adopt takes an object that an earlier attempt stored for ours if its bytes
// are, and makes sure of its lock.
func adopt(ctx context.Context, s preservation.Store, key, sum string, lock preservation.Lock) (preservation.Object, error) {
	o, r, err := s.Get(ctx, key, "")
	if err != nil {
		return o, err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return o, err
	}
	switch got := hex.EncodeToString(h.Sum(nil)); {
	case got == sum:
	case o.SHA256 == sum:
		return o, fmt.Errorf("%s: the store took our bytes and now reads others (SHA-256 %s, ours %s): %w", key, got, sum, preservation.ErrCorrupt)
	default:
		return o, &catalog.Final{Err: fmt.Errorf("%s holds other bytes (SHA-256 %s, ours %s): %w", key, got, sum, preservation.ErrCorrupt)}
	}
	if err := s.Extend(ctx, key, o.VersionID, lock); err != nil {
		return o, err
	}
	return s.Stat(ctx, key, o.VersionID)
}

// commit makes the record known. From here on it is found.
func commit(ctx context.Context, w *work) error {
	pos := map[preservation.FileID]int64{}
	for _, e := range w.pkg.manifest.Entries {
		if e.File != "" {
			pos[e.File] = e.Offset
		}
	}
	return w.t.CommitRecord(ctx, catalog.Commit{
		Record: w.record, Events: w.events, Pos: pos, Lock: w.lock,
		Package: catalog.RecordObject{Key: w.object.Key, Kind: "package", Version: w.record.Version, VersionID: w.object.VersionID,
			Size: w.object.Size, SHA256: w.pkg.sha256, Stored: w.object.Modified},
	})
}
