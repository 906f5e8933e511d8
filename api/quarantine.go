package api

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// RefuseSubmission ends a submission that waits in quarantine.
func (s *server) RefuseSubmission(ctx context.Context, request RefuseSubmissionRequestObject) (RefuseSubmissionResponseObject, error) {
	t, who, now := s.tenant(ctx), principal(ctx), s.now()
	err := t.Refuse(ctx, request.ID, who.Actor, request.Body.Reason, preservation.Event{ID: preservation.NewID(now), Type: preservation.EventRefuse, At: now,
		Outcome: preservation.Failure, Code: catalog.CodeRefused, Detail: request.Body.Reason, Agent: preservation.Agent{Type: preservation.Person, Name: who.Actor}})
	if err != nil {
		return nil, err
	}
	sub, err := t.SubmissionRow(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	events, err := t.Progress(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	return RefuseSubmission200JSONResponse(submission(sub, events, sightOf(ctx, sub))), nil
}

// GetSubmissionFile returns a file that waits in quarantine, for whoever has to
// decide about it. Nobody is told what type it has: nothing may open it by itself.
func (s *server) GetSubmissionFile(ctx context.Context, request GetSubmissionFileRequestObject) (GetSubmissionFileResponseObject, error) {
	sub, err := s.submission(ctx, request.ID)
	if err == nil {
		sub, err = s.tenant(ctx).Submission(ctx, sub.ID)
	}
	if err != nil {
		return nil, err
	}
	n := request.FileID.Number()
	if r := sub.Revision; r != nil {
		n -= r.After
	}
	switch {
	case sub.Status != catalog.Quarantined:
		return nil, conflict.because("submission %s is %s and not in quarantine", sub.ID, sub.Status)
	case n < 1 || n > len(sub.Files):
		return nil, fmt.Errorf("file %s of submission %s: %w", request.FileID, sub.ID, catalog.ErrNotFound)
	}
	f, p := sub.Files[n-1], request.Params
	if err := s.audit(ctx, "submission.file.read", string(sub.ID), map[string]string{"file": string(request.FileID)}); err != nil {
		return nil, err
	}
	return &content{
		open: func(off, length int64) (io.ReadCloser, error) {
			return s.config.Intake.Staging.Open(ctx, f.Key, off, length)
		},
		size: f.Size, sha256: f.SHA256, media: "application/octet-stream", name: strings.ToValidUTF8(f.Name, "_"), head: headOnly(ctx),
		ifNoneMatch: p.IfNoneMatch, ifRange: p.IfRange, rangeSpec: p.Range,
	}, nil
}

// contained refuses what carries malware to those who have not the right to it:
// one file, or for no identifier the whole record.
func (s *server) contained(ctx context.Context, e catalog.Entry, id preservation.FileID) error {
	if principal(ctx).Has(auth.Archivist, auth.Admin) {
		return nil
	}
	infected, err := s.tenant(ctx).Infected(ctx, e.ID)
	if err != nil || len(infected) == 0 {
		return err
	}
	if id == "" || slices.ContainsFunc(infected, func(bad preservation.FileID) bool { return within(e, bad, id) }) {
		return malware.because("it was archived by the decision of a person; needs one of: %s, %s", auth.Archivist, auth.Admin)
	}
	return nil
}

// within reports whether a file is another one or was taken out of it, over any
// number of files in between.
func within(e catalog.Entry, id, outer preservation.FileID) bool {
	for range len(e.Files) + 1 {
		if id == outer {
			return true
		}
		f, ok := e.File(id)
		if !ok || f.DerivedFrom == "" {
			return false
		}
		id = f.DerivedFrom
	}
	return false
}
