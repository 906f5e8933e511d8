package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"bestand/api/auth"
	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// CreateVersion takes in what is added to a record or corrects it.
func (s *server) CreateVersion(ctx context.Context, request CreateVersionRequestObject) (CreateVersionResponseObject, error) {
	e, err := s.amendable(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	var sub catalog.Submission
	var created bool
	if request.MultipartBody != nil {
		sub, created, err = s.takeVersionForm(ctx, e, form{request.MultipartBody})
	} else {
		sub, created, err = s.takeVersionUploads(ctx, e, *request.JSONBody)
	}
	if err != nil {
		return nil, err
	}
	answer := acceptance(sub)
	location := answer.Links["self"]
	if !created {
		return CreateVersion200JSONResponse{TakenJSONResponse{answer, TakenResponseHeaders{location}}}, nil
	}
	return CreateVersion202JSONResponse{answer, CreateVersion202ResponseHeaders{location}}, nil
}

// amendable finds a record to which the caller may add. For who is submitter only
// the records of others do not exist.
func (s *server) amendable(ctx context.Context, id preservation.RecordID) (catalog.Entry, error) {
	if !principal(ctx).Has(auth.Archivist, auth.Admin) {
		subs, err := s.tenant(ctx).SubmissionsOf(ctx, id)
		if err != nil {
			return catalog.Entry{}, err
		}
		if len(subs) == 0 || sightOf(ctx, subs[0]) == nothing {
			return catalog.Entry{}, notFound.because("")
		}
	}
	return s.record(ctx, id)
}

// takeVersionForm stages the files while they arrive.
func (s *server) takeVersionForm(ctx context.Context, e catalog.Entry, f form) (sub catalog.Submission, created bool, err error) {
	part, err := f.first()
	if err != nil {
		return sub, false, err
	}
	if part.params["name"] != "metadata" {
		return sub, false, invalid.in(fieldError("metadata", "required", "must be the first part"))
	}
	var m VersionMetadata
	if err := f.decode(part, s.versionSchema, &m); err != nil {
		return sub, false, err
	}
	if err := s.checkBody(&m); err != nil {
		return sub, false, err
	}
	if err := noUploads(m.Files); err != nil {
		return sub, false, err
	}
	d, err := s.beginVersion(ctx, e, m)
	if err != nil {
		return sub, false, err
	}
	defer d.Abort(ctx)
	if err := takeFiles(ctx, f, d, m.Files); err != nil {
		return sub, false, err
	}
	return s.acceptVersion(ctx, d)
}

// takeVersionUploads stages files that came through /v1/uploads before.
func (s *server) takeVersionUploads(ctx context.Context, e catalog.Entry, m VersionMetadata) (sub catalog.Submission, created bool, err error) {
	if err := onlyUploads(m.Files); err != nil {
		return sub, false, err
	}
	d, err := s.beginVersion(ctx, e, m)
	if err != nil {
		return sub, false, err
	}
	defer d.Abort(ctx)
	if err := s.takeFromUploads(ctx, d, m.Files); err != nil {
		return sub, false, err
	}
	return s.acceptVersion(ctx, d)
}

// beginVersion opens the delivery with the metadata as they are to be.
func (s *server) beginVersion(ctx context.Context, e catalog.Entry, m VersionMetadata) (*ingest.Delivery, error) {
	changed, err := s.merge(e.Metadata, m.Changes)
	if err != nil {
		return nil, err
	}
	a := ingest.Amendment{Record: e, Metadata: changed, Files: announced(m.Files), Revision: catalog.Revision{
		Revision: preservation.Revision{Kind: string(m.Kind), Reason: m.Reason, Replaces: m.Replaces}, Source: m.ProducerRecordID}}
	if len(m.Changes) > 0 {
		if a.Revision.Changes, err = json.Marshal(m.Changes); err != nil {
			return nil, err
		}
	}
	return s.config.Intake.BeginVersion(ctx, s.tenant(ctx), principal(ctx).Actor, a)
}

// merge applies changes to metadata (RFC 7396): what is not named stays, null takes
// out. The result has to be what a submission could have brought.
func (s *server) merge(m preservation.Metadata, changes VersionChanges) (out preservation.Metadata, err error) {
	was, err := json.Marshal(m)
	if err != nil {
		return out, err
	}
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(was, &all); err != nil {
		return out, err
	}
	for name, v := range changes {
		if bytes.Equal(v, []byte("null")) {
			delete(all, name)
		} else {
			all[name] = v
		}
	}
	merged, err := json.Marshal(all)
	if err != nil {
		return out, err
	}
	var full SubmissionMetadata
	if err := errors.Join(json.Unmarshal(merged, &full), json.Unmarshal(merged, &out)); err != nil {
		return out, err
	}
	var faults []FieldError
	for _, f := range append(s.check(&full), s.impossible(&full)...) {
		if _, named := changes[firstName(f.Field)]; named { // not what was accepted before by other limits
			f.Field = "changes." + f.Field
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return out, invalid.in(faults...)
	}
	return out, nil
}

// acceptVersion commits a delivery. A submission that the caller may not see is no
// answer to it.
func (s *server) acceptVersion(ctx context.Context, d *ingest.Delivery) (sub catalog.Submission, created bool, err error) {
	sub, created, err = d.Commit(ctx)
	var taken *catalog.SourceConflict
	switch {
	case err == nil && !created && sightOf(ctx, sub) == nothing:
		err = sourceTaken.because("another actor sent this producer_record_id")
	case errors.As(err, &taken) && sightOf(ctx, taken.Existing) == nothing:
		err = sourceTaken.because("another actor sent this producer_record_id")
	case errors.As(err, &taken):
		err = fmt.Errorf("%w; send exactly the same again to learn what became of it, or something else under another producer_record_id", err)
	}
	return sub, created, err
}

// firstName is the member that a path such as subjects[0].name lies in.
func firstName(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}
