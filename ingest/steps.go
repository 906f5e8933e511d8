package ingest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"bestand/ingest/scan"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// MaxFiles is how many files one record may have, those taken out of others
// included. Renditions and texts do not count.
const MaxFiles = 50_000

// MaxName is how many bytes the name of a file may have, folders included: what
// Linux takes for a path.
const MaxName = 4096

const maxDepth = 4 // files within files within files

// fetch brings the staged files into the work folder and holds them against the
// digests of the reception.
func fetch(ctx context.Context, w *work) error {
	if w.sub.Version > 1 {
		if err := reopen(ctx, w); err != nil || w.sub.Revision == nil {
			return err
		}
	}
	ids := make([]preservation.FileID, 0, len(w.sub.Files))
	for i, s := range w.sub.Files {
		f := w.add(&file{File: preservation.File{
			Representation: preservation.Original, Name: s.Name, Title: s.Title, Document: s.Document, Size: s.Size, Digests: s.Digests,
		}})
		f.path = w.path(string(f.ID))
		r, err := w.p.Staging.Open(ctx, s.Key, 0, -1)
		if err != nil {
			return fmt.Errorf("file %d: %w", i+1, err)
		}
		d, err := save(f.path, r)
		r.Close()
		if err != nil {
			return fmt.Errorf("file %d: %w", i+1, err)
		}
		if d != s.Digests {
			return fmt.Errorf("file %d in staging: %w", i+1, preservation.ErrCorrupt)
		}
		ids = append(ids, f.ID)
	}
	w.sub.Files = nil // of 50,000 files they are 30 MB, and w.files has what is needed
	if len(ids) == 0 {
		return nil // a correction of metadata only
	}
	w.note(preservation.Event{Type: preservation.EventFixity, Outcome: preservation.Success, Agent: agent, Files: ids,
		Detail: "SHA-256 and SHA-512 are those of the reception"})
	return nil
}

// save writes a reader to a new file and returns the digests of what it wrote.
func save(path string, r io.Reader) (preservation.Digests, error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return preservation.Digests{}, err
	}
	defer out.Close()
	h := newHasher(r)
	if _, err := io.Copy(out, h); err != nil {
		return preservation.Digests{}, err
	}
	return h.sums(), out.Close()
}

// scanFiles asks the malware scanner about every file. What it finds goes to
// quarantine unless a person released the submission knowing it.
func scanFiles(ctx context.Context, w *work) error {
	if err := w.scan(ctx, w.files...); err != nil {
		return err
	}
	return w.contained()
}

func (w *work) scan(ctx context.Context, files ...*file) error {
	var clean []preservation.FileID
	skipped := map[string][]preservation.FileID{} // by reason
	var by preservation.Agent
	for _, f := range files {
		if f.held {
			continue
		}
		r, err := w.p.Scanner.ScanFile(ctx, f.path)
		if err != nil {
			return err
		}
		by = r.Agent
		switch r.Outcome {
		case scan.Infected:
			w.note(preservation.Event{Type: preservation.EventScan, Outcome: preservation.Failure, Code: scan.CodeInfected, Agent: r.Agent,
				Files: []preservation.FileID{f.ID}, Detail: r.Signature})
			if err := w.infected(f, r.Signature); err != nil {
				return err
			}
		case scan.NotScanned:
			reason := strings.TrimSpace(r.Reason + " " + r.Signature)
			skipped[reason] = append(skipped[reason], f.ID)
			if r.Reason != scan.NotConfigured { // else it is true of every file there
				w.problem(f, preservation.Finding{Code: scan.CodeNotScanned, Severity: preservation.Notice,
					Detail: "not scanned to the end, it may carry malware: " + reason})
			}
		default:
			clean = append(clean, f.ID)
		}
	}
	if len(clean) > 0 {
		e := preservation.Event{Type: preservation.EventScan, Outcome: preservation.Success, Agent: by, Files: clean, Detail: "no known malware"}
		tells, err := w.p.Scanner.TellsLimits(ctx)
		if err != nil {
			return err
		}
		if !tells {
			e.Detail += "; this scanner does not say when its limits end a look (AlertExceedsMax)"
		}
		w.note(e)
	}
	for _, reason := range slices.Sorted(maps.Keys(skipped)) {
		w.note(preservation.Event{Type: preservation.EventScan, Outcome: preservation.Warning, Code: scan.CodeNotScanned, Agent: by, Files: skipped[reason],
			Detail: "not scanned: " + reason})
	}
	return nil
}

// infected notes malware in a file. Nothing opens the file unless a person has
// released the submission having seen this finding: the same malware in the same
// bytes.
func (w *work) infected(f *file, signature string) error {
	if err := f.sum(); err != nil {
		return err
	}
	x := preservation.Finding{Code: scan.CodeInfected, Severity: preservation.Failed, Subject: f.subject(),
		Detail: fmt.Sprintf("carries %s; SHA-256 %s", signature, f.SHA256)}
	if w.sub.Released && slices.ContainsFunc(w.sub.Problems, func(seen preservation.Finding) bool {
		return seen.Code == x.Code && seen.Detail == x.Detail
	}) {
		w.problems.list = append(w.problems.list, x) // named one by one, so that each was seen
		return nil
	}
	f.closed = true
	w.malware = append(w.malware, x)
	return nil
}

// contained sends the submission to quarantine when malware was found in it.
func (w *work) contained() error {
	if len(w.malware) > 0 {
		return &verdict{catalog.Quarantined, append(w.malware, w.problems.list...)}
	}
	return nil
}

// identify finds out what every file is, whatever its name says.
func identify(ctx context.Context, w *work) error {
	return w.identify(ctx, w.files...)
}

func (w *work) identify(ctx context.Context, files ...*file) error {
	var ids []preservation.FileID
	for _, f := range files {
		if f.held {
			continue
		}
		r, err := w.p.Format.Identify(ctx, f.path, f.Name)
		if err != nil {
			return err
		}
		f.ident, f.Format = r, r.Format
		ids = append(ids, f.ID)
		for _, x := range r.Findings {
			w.note(preservation.Event{Type: preservation.EventIdentify, Outcome: preservation.Warning, Code: x.Code, Detail: x.Detail,
				Agent: w.p.Format.Agent(), Files: []preservation.FileID{f.ID}})
			w.problem(f, x)
		}
	}
	if len(ids) > 0 {
		w.note(preservation.Event{Type: preservation.EventIdentify, Outcome: preservation.Success, Agent: w.p.Format.Agent(), Files: ids,
			Detail: w.p.Format.Registry()})
	}
	return nil
}

// text keeps the text of a file for search, so that an index can be rebuilt
// without reading documents.
func (w *work) text(from *file, s string) error {
	s = strings.ToValidUTF8(s, "\uFFFD")
	f := w.add(&file{File: preservation.File{Representation: preservation.Text, Name: string(from.ID) + ".txt", Document: from.Document,
		Size: int64(len(s)), DerivedFrom: from.ID, Format: preservation.Format{PUID: "x-fmt/111", Name: "Plain Text File", MIME: "text/plain; charset=utf-8"}}})
	f.path = w.path(string(f.ID) + ".txt")
	return os.WriteFile(f.path, []byte(s), 0o600)
}

// notes records events that another package reports.
func (w *work) notes(events []preservation.Event, about *file, made ...preservation.FileID) {
	ids := append([]preservation.FileID{about.ID}, made...)
	for _, e := range events {
		if e.Agent.Type == preservation.Software && e.Agent.Version == "" && strings.HasPrefix(e.Agent.Name, agent.Name) {
			e.Agent.Version = agent.Version // a part of this program
		}
		e.Files = ids
		w.note(e)
		if e.Outcome != preservation.Success {
			severity := preservation.Notice
			if e.Outcome == preservation.Failure {
				severity = preservation.Failed
			}
			w.problem(about, preservation.Finding{Code: e.Code, Severity: severity, Detail: e.Detail})
		}
	}
}

// finding records an event about one file that a person should see.
func (w *work) finding(f *file, e preservation.Event) { w.notes([]preservation.Event{e}, f) }

// judge decides about originals without a rendition, as the tenant chose.
func judge(ctx context.Context, w *work) error {
	if err := w.progress(ctx); err != nil {
		return err
	}
	var without findings
	for _, f := range w.files {
		if !f.held && (f.Verdict == preservation.VerdictNoRendition || f.Verdict == preservation.VerdictInvalid) {
			without.add(preservation.Finding{Code: "no-rendition", Severity: preservation.Failed, Subject: f.subject(),
				Detail: "has no valid rendition; its events say why"})
		}
	}
	if len(without.list) > 0 && w.settings.NoRendition == "quarantine" && !w.sub.Released {
		return &verdict{catalog.Quarantined, append(without.list, w.problems.list...)}
	}
	return nil
}

// digest computes the digests of everything that was made here.
func digest(_ context.Context, w *work) error {
	var ids []preservation.FileID
	for _, f := range w.files {
		if f.DerivedFrom != "" && f.HeldIn == 0 {
			if err := f.sum(); err != nil {
				return err
			}
			ids = append(ids, f.ID)
		}
	}
	if len(ids) > 0 {
		w.note(preservation.Event{Type: preservation.EventDigest, Outcome: preservation.Success, Agent: agent, Files: ids, Detail: "SHA-256 and SHA-512"})
	}
	return nil
}

// sum computes the digests of a file that has none yet.
func (f *file) sum() error {
	if f.SHA256 != "" {
		return nil
	}
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	h := newHasher(in)
	if _, err := io.Copy(io.Discard, h); err != nil {
		return err
	}
	f.Size, f.Digests = h.n, h.sums()
	return nil
}
