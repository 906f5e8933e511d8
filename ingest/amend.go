package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Amendment is what a sender says of a later version of a record before its bytes.
type Amendment struct {
	Record   catalog.Entry         // as it is now
	Metadata preservation.Metadata // as they are to be
	Revision catalog.Revision
	Files    []Announced // as in a Request
}

// BeginVersion opens a delivery of what is added to a record or corrects it. It
// becomes the next version of the record; the one before stays as it is. An
// *Invalid says what the sender must change.
func (in *Intake) BeginVersion(ctx context.Context, t *catalog.Tenant, actor string, a Amendment) (*Delivery, error) {
	if err := in.Timely(ctx); err != nil {
		return nil, err
	}
	now := in.Now()
	a.Revision.Actor = actor
	for _, f := range a.Record.Files {
		a.Revision.After = max(a.Revision.After, f.ID.Number())
	}
	d := &Delivery{in: in, tenant: t, actor: actor, req: Request{Metadata: a.Metadata, Files: a.Files}, sub: catalog.Submission{
		ID: preservation.SubmissionID(preservation.NewID(now)), RecordID: a.Record.ID, Version: a.Record.Version + 1,
		Metadata: a.Metadata, SubmittedBy: actor, Revision: &a.Revision,
	}}
	// The same once more is compared with what was sent, not with what became of the
	// record since.
	_, err := t.SubmissionBySource(ctx, a.Metadata.Producer, a.Revision.Source)
	if err == nil {
		d.discard = true
		return d, nil
	}
	if !errors.Is(err, catalog.ErrNotFound) {
		return nil, err
	}
	if problems := in.checkVersion(a); len(problems) > 0 {
		return nil, &Invalid{Problems: problems}
	}
	return d, nil
}

func (in *Intake) checkVersion(a Amendment) (out []Problem) {
	m, r := a.Metadata, a.Revision
	if !m.Opened.IsZero() && !m.Closed.IsZero() && m.Closed.Before(m.Opened) {
		out = append(out, Problem{Field: "changes.closed", Code: "before-opened", Detail: fmt.Sprintf("closed (%s) would be before opened (%s)", m.Closed, m.Opened)})
	}
	if len(r.Replaces) > 0 && r.Kind != preservation.Correction {
		out = append(out, Problem{Field: "replaces", Code: "misplaced", Detail: "an addition replaces nothing: send it as a correction"})
	}
	for i, id := range r.Replaces {
		field := fmt.Sprintf("replaces[%d]", i)
		f, ok := a.Record.File(id)
		switch {
		case !ok:
			out = append(out, Problem{Field: field, Code: "unknown-file", Detail: fmt.Sprintf("version %d of the record has no file %s", a.Record.Version, id)})
		case f.Representation != preservation.Original || f.DerivedFrom != "":
			out = append(out, Problem{Field: field, Code: "derived-file", Detail: fmt.Sprintf("%s was made of another file: replace that", id)})
		case slices.Contains(r.Replaces[:i], id):
			out = append(out, Problem{Field: field, Code: "unique", Detail: "must not name anything twice"})
		}
	}
	if n := in.maxFiles(); len(a.Files) > n {
		out = append(out, Problem{Field: "files", Code: "too-many", Detail: fmt.Sprintf("%d files, at most %d in one submission", len(a.Files), n)})
	}
	return out
}
