package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// CreateSubmission takes a record in. Whatever goes wrong before the commit
// leaves nothing behind.
func (s *server) CreateSubmission(ctx context.Context, request CreateSubmissionRequestObject) (CreateSubmissionResponseObject, error) {
	var sub catalog.Submission
	var created bool
	var err error
	if request.MultipartBody != nil {
		sub, created, err = s.takeForm(ctx, form{request.MultipartBody})
	} else {
		sub, created, err = s.takeUploads(ctx, *request.JSONBody)
	}
	if err != nil {
		return nil, err
	}
	answer := acceptance(sub)
	location := answer.Links["self"]
	if !created {
		return CreateSubmission200JSONResponse{TakenJSONResponse{answer, TakenResponseHeaders{location}}}, nil
	}
	return CreateSubmission202JSONResponse{answer, CreateSubmission202ResponseHeaders{location}}, nil
}

// takeForm stages the files while they arrive.
func (s *server) takeForm(ctx context.Context, f form) (sub catalog.Submission, created bool, err error) {
	part, err := f.first()
	if err != nil {
		return sub, false, err
	}
	if part.params["name"] == "package" {
		return s.takePackage(ctx, f, part)
	}
	var m SubmissionMetadata
	if err := f.decode(part, s.metadataSchema, &m); err != nil {
		return sub, false, err
	}
	if fields := s.bodyFaults(&m); len(fields) > 0 {
		return sub, false, s.allFaults(ctx, m, fields)
	}
	if err := noUploads(m.Files); err != nil {
		return sub, false, err
	}
	d, err := s.config.Intake.Begin(ctx, s.tenant(ctx), principal(ctx).Actor, announce(m))
	if err != nil {
		return sub, false, err
	}
	defer d.Abort(ctx)
	if err := takeFiles(ctx, f, d, m.Files); err != nil {
		return sub, false, err
	}
	return s.accept(ctx, d, m)
}

// allFaults adds to what is wrong with the shape of metadata what else is wrong with them,
// so that whoever mends a form does so once.
func (s *server) allFaults(ctx context.Context, m SubmissionMetadata, fields []FieldError) error {
	wrong := map[string]bool{}
	for _, f := range fields {
		wrong[f.Field] = true
	}
	if wrong["class"] {
		m.Class = ""
	}
	if wrong["parent"] {
		m.Parent = ""
	}
	problems, err := s.config.Intake.Check(ctx, s.tenant(ctx), announce(m))
	if err != nil {
		return err
	}
	for _, p := range problems {
		if !wrong[p.Field] {
			fields = append(fields, fieldError(p.Field, p.Code, p.Detail))
		}
	}
	return invalid.in(fields...)
}

// takeFiles takes the parts of a form that are files, to its end.
func takeFiles(ctx context.Context, f form, d *ingest.Delivery, announced []AnnouncedFile) error {
	for i := 0; ; i++ {
		name, r, err := f.file()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if i < len(announced) && browserName.Replace(announced[i].Name) == name {
			name = announced[i].Name
		}
		if _, err := d.File(ctx, name, r); err != nil {
			return err
		}
	}
}

// browserName writes a name as browsers do in the filename of a part (WHATWG
// HTML, multipart form data). What they send cannot be told from a name that
// holds these signs itself, so only an announced name undoes it.
var browserName = strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A")

// takePackage stages one file that holds records with their own metadata.
func (s *server) takePackage(ctx context.Context, f form, part field) (sub catalog.Submission, created bool, err error) {
	if err := part.plain(); err != nil {
		return sub, false, err
	}
	name, err := part.fileName()
	if err != nil {
		return sub, false, err
	}
	if err := s.config.Intake.Timely(ctx); err != nil {
		return sub, false, err
	}
	d := s.config.Intake.BeginPackage(s.tenant(ctx), principal(ctx).Actor)
	defer d.Abort(ctx)
	if _, err := d.File(ctx, name, part); err != nil {
		return sub, false, err
	}
	if err := f.end(); err != nil {
		return sub, false, err
	}
	return d.Commit(ctx)
}

// takeUploads stages files that came through /v1/uploads before. The uploads
// stay until they expire, so that the same request can be repeated.
func (s *server) takeUploads(ctx context.Context, m SubmissionMetadata) (sub catalog.Submission, created bool, err error) {
	if len(m.Files) == 0 {
		return sub, false, invalid.in(fieldError("files", "required", "is missing: name the uploads"))
	}
	if err := onlyUploads(m.Files); err != nil {
		return sub, false, err
	}
	d, err := s.config.Intake.Begin(ctx, s.tenant(ctx), principal(ctx).Actor, announce(m))
	if err != nil {
		return sub, false, err
	}
	defer d.Abort(ctx)
	if err := s.takeFromUploads(ctx, d, m.Files); err != nil {
		return sub, false, err
	}
	return s.accept(ctx, d, m)
}

// noUploads refuses files of a form that say to be elsewhere.
func noUploads(files []AnnouncedFile) error {
	for i, file := range files {
		if file.Upload != "" {
			return invalid.in(fieldError(fmt.Sprintf("files[%d].upload", i), "misplaced", "uploads are named in a JSON body, not in a form"))
		}
	}
	return nil
}

// onlyUploads refuses files without a form that do not say where they are.
func onlyUploads(files []AnnouncedFile) error {
	for i, file := range files {
		if file.Upload == "" {
			return invalid.in(fieldError(fmt.Sprintf("files[%d].upload", i), "required", "is missing"))
		}
	}
	return nil
}

func (s *server) takeFromUploads(ctx context.Context, d *ingest.Delivery, files []AnnouncedFile) error {
	for i, file := range files {
		if err := s.takeUpload(ctx, d, i, file); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) takeUpload(ctx context.Context, d *ingest.Delivery, i int, file AnnouncedFile) error {
	upload, err := s.uploads.open(principal(ctx), file.Upload)
	if err != nil {
		var f *fault
		if errors.As(err, &f) {
			return invalid.in(fieldError(fmt.Sprintf("files[%d].upload", i), f.code, f.detail))
		}
		return err
	}
	defer upload.Close()
	staged, err := d.File(ctx, file.Name, upload)
	if err != nil {
		return err
	}
	return upload.compare(staged.Digests)
}

// accept commits a delivery. A submission that the caller may not see is no
// answer to it, even if it is the same once more.
func (s *server) accept(ctx context.Context, d *ingest.Delivery, m SubmissionMetadata) (sub catalog.Submission, created bool, err error) {
	sub, created, err = d.Commit(ctx)
	if err == nil && !created && sightOf(ctx, sub) == nothing {
		err = &catalog.SourceConflict{Existing: sub}
	}
	return sub, created, differs(ctx, err, m)
}

// differs adds to the error about a source that is in use what differs from the
// submission that uses it, and what to do.
func differs(ctx context.Context, err error, m SubmissionMetadata) error {
	var taken *catalog.SourceConflict
	if !errors.As(err, &taken) {
		return err
	}
	if sightOf(ctx, taken.Existing) == nothing {
		return sourceTaken.because("another actor sent producer_record_id %q of producer %q; an archivist, or a token of that actor, can tell what became of it", m.ProducerRecordID, m.Producer)
	}
	what := "the metadata are the same, the files are not"
	if now, then := values(announce(m).Metadata), values(taken.Existing.Metadata); !maps.Equal(now, then) {
		var fields []string
		for name := range now {
			if now[name] != then[name] {
				fields = append(fields, name)
			}
		}
		for name := range then {
			if _, ok := now[name]; !ok {
				fields = append(fields, name)
			}
		}
		slices.Sort(fields)
		what = "the metadata differ in " + strings.Join(fields, ", ")
	}
	return fmt.Errorf("%w; %s. Send exactly the same again to learn what became of it, or another record under another producer_record_id", err, what)
}

// values are the fields of metadata as JSON, those that are not empty.
func values(m preservation.Metadata) map[string]string {
	text, _ := json.Marshal(m) // strings, dates and lists of them
	raw := map[string]json.RawMessage{}
	json.Unmarshal(text, &raw)
	all := map[string]string{}
	for name, v := range raw {
		all[name] = string(v)
	}
	return all
}

// impossible finds what cannot be true of a record.
func (s *server) impossible(m *SubmissionMetadata) (fields []FieldError) {
	for _, p := range ingest.Impossible(announce(*m).Metadata, preservation.DateOf(s.now().In(s.zone))) {
		fields = append(fields, fieldError(p.Field, p.Code, p.Detail))
	}
	return fields
}

// announce turns the metadata of the interface into those of the archive.
func announce(m SubmissionMetadata) ingest.Request {
	r := ingest.Request{Metadata: preservation.Metadata{
		Producer: m.Producer, ProducerRecordID: m.ProducerRecordID, Kind: m.Kind, Class: m.Class, Title: m.Title,
		Reference: m.Reference, Creator: m.Creator, Opened: m.Opened, Closed: m.Closed, Confidentiality: m.Confidentiality,
		PersonalData: m.PersonalData, Keywords: m.Keywords, Extra: m.Extra, Parent: m.Parent,
	}}
	for _, p := range m.Subjects {
		r.Metadata.Subjects = append(r.Metadata.Subjects, preservation.Subject{Name: p.Name, Born: p.Born, Died: p.Died, ID: p.ID})
	}
	r.Files = announced(m.Files)
	return r
}

func announced(files []AnnouncedFile) (all []ingest.Announced) {
	for _, f := range files {
		all = append(all, ingest.Announced{Name: f.Name, Title: f.Title, Document: f.Document,
			SHA256: strings.ToLower(f.Sha256), SHA512: strings.ToLower(f.Sha512)})
	}
	return all
}

// acceptance is the short answer to whoever hands over, retries or releases.
func acceptance(sub catalog.Submission) Accepted {
	return Accepted{ID: sub.ID, Status: string(sub.Status), RecordID: archivedRecord(sub), Links: submissionLinks(sub)}
}
