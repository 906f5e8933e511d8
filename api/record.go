package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// GetRecord returns a record with its files and where it stands.
func (s *server) GetRecord(ctx context.Context, request GetRecordRequestObject) (GetRecordResponseObject, error) {
	e, err := s.record(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	packed, err := s.storedPackage(ctx, e.ID, 0)
	if err != nil {
		return nil, err
	}
	if err := s.audit(ctx, "record.read", string(e.ID), nil); err != nil {
		return nil, err
	}
	v := record(e)
	v.Package = StoredPackage{Size: packed.Size, Sha256: packed.SHA256}
	where, err := s.config.Officer.Evaluate(ctx, s.tenant(ctx), e.ID)
	if err != nil {
		return nil, err
	}
	v.Retention = evaluation(where)
	info, err := s.tenant(ctx).Info(ctx)
	if err != nil {
		return nil, err
	}
	v.Owner, v.Custodian = info.Name, cmp.Or(where.Custodian, info.Name)
	if v.Reclassified, err = s.config.Officer.Reclassifications(ctx, s.tenant(ctx), e.ID); err != nil {
		return nil, err
	}
	if err := s.addAccess(ctx, &v, e); err != nil {
		return nil, err
	}
	v.Evidence.Stamped, v.Evidence.Digest, err = s.tenant(ctx).View().Stamped(ctx, e.ID, e.Version)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return nil, err
	}
	checked, err := s.tenant(ctx).View().Checked(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	v.Fixity = fixityOf(checked)
	if v.Fixity.Copies, v.Fixity.CopyChecked, err = s.tenant(ctx).View().Copies(ctx, e.ID); err != nil {
		return nil, err
	}
	return GetRecord200JSONResponse(v), nil
}

// evaluation tells what is not known as null, never by silence.
func evaluation(e retention.Evaluation) Retention {
	return Retention{
		State: e.State, Beneath: e.Beneath, Class: e.Class, Rule: known(e.Rule), Disposition: e.Disposition,
		Trigger: known(e.Trigger), TriggeredOn: e.TriggeredOn, Start: e.Start, End: known(e.End), DueFrom: e.DueFrom, Ceiling: e.Ceiling, Transfer: e.Transfer, Kept: e.Kept,
		Holds: list(e.Holds), Reasons: e.Reasons,
	}
}

func fixityOf(c catalog.Check) Fixity {
	f := Fixity{Status: "intact", Checked: c.At, Findings: list(c.Findings)}
	switch {
	case len(c.Findings) > 0:
		f.Status = "damaged"
	case c.At.IsZero():
		f.Status = "unread"
	}
	return f
}

// known is nil, which is null in JSON, for a zero value.
func known[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// record finds a record of the tenant that the caller may read, or says what is left
// of it.
func (s *server) record(ctx context.Context, id preservation.RecordID) (catalog.Entry, error) {
	e, err := s.tenant(ctx).Record(ctx, id)
	return e, s.visible(ctx, e, id, err)
}

// visible is the error of a record, with or without its files, that the catalog has
// answered with: of one that is destroyed, or that the caller may not read.
func (s *server) visible(ctx context.Context, e catalog.Entry, id preservation.RecordID, err error) error {
	if err == nil && e.Status != live {
		err = &destroyed{Tombstone{RecordID: id, Class: e.Class}}
	}
	if err == nil {
		err = s.open(ctx, e)
	}
	return s.orDestroyed(ctx, id, err)
}

// missing adds the tombstone to the error of a record that is not there because it
// was destroyed.
func (s *server) missing(ctx context.Context, id preservation.RecordID, err error) error {
	if !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	stone, lost := s.tenant(ctx).Tombstone(ctx, id)
	if lost != nil {
		return err
	}
	return &destroyed{tombstone(stone)}
}

// orDestroyed adds the tombstone to the error of a destroyed record.
func (s *server) orDestroyed(ctx context.Context, id preservation.RecordID, err error) error {
	if !errors.Is(err, catalog.ErrDestroyed) {
		return err
	}
	stone, err := s.tenant(ctx).Tombstone(ctx, id)
	if err != nil {
		return err
	}
	return &destroyed{tombstone(stone)}
}

func tombstone(t catalog.Tombstone) Tombstone {
	return Tombstone{RecordID: t.Record, Class: t.Class, Destroyed: t.Destroyed, Rule: t.Rule, LegalBasis: t.LegalBasis, Closed: t.Closed, RetentionEnd: t.End, Permit: t.Permit, Run: t.Run}
}

// storedPackage finds the package of a version, the newest for version 0.
func (s *server) storedPackage(ctx context.Context, id preservation.RecordID, version int) (found catalog.RecordObject, err error) {
	objects, err := s.tenant(ctx).Objects(ctx, id)
	if err != nil {
		return found, err
	}
	for _, o := range objects {
		if o.Kind == "package" && (o.Version == version || version == 0 && o.Version > found.Version) {
			found = o
		}
	}
	if found.Key == "" {
		return found, fmt.Errorf("package %d of record %s: %w", version, id, catalog.ErrNotFound)
	}
	return found, nil
}

func record(e catalog.Entry) Record {
	v := Record{
		ID: e.ID, Version: e.Version, Submission: e.Submission, Producer: e.Producer, ProducerRecordID: e.ProducerRecordID,
		Kind: e.Kind, Class: e.Class, Title: e.Title, Reference: e.Reference, Creator: e.Creator, Opened: e.Opened, Closed: e.Closed,
		Confidentiality: e.Confidentiality, PersonalData: e.PersonalData, Keywords: e.Keywords, Extra: e.Extra, Parent: known(e.Parent),
		Received: e.Received, Archived: e.Archived, Evidence: Evidence{Status: e.Evidence}, Lock: Lock{Mode: e.Lock.Mode, Until: e.Lock.Until},
		Files: make([]File, len(e.Files)), Links: recordLinks(e.ID),
	}
	if e.Evidence == "stamped" {
		v.Links["evidence"] = v.Links["self"] + "/evidence"
	}
	for _, p := range e.Subjects {
		v.Subjects = append(v.Subjects, Subject{Name: p.Name, Born: p.Born, Died: p.Died, ID: p.ID})
	}
	for i, f := range e.Files {
		v.Files[i] = file(e.ID, f)
	}
	return v
}

func file(id preservation.RecordID, f preservation.File) File {
	v := File{
		ID: f.ID, Representation: f.Representation, Name: f.Name, Title: f.Title, Document: f.Document, Size: f.Size,
		Sha256: f.SHA256, Sha512: f.SHA512, Format: f.Format, DerivedFrom: f.DerivedFrom, Verdict: f.Verdict, Flavour: f.Flavour,
		Links: Links{"self": fmt.Sprintf("/v1/records/%s/files/%s", id, f.ID)},
	}
	if !utf8.ValidString(f.Name) {
		v.NameBase64 = base64.StdEncoding.EncodeToString([]byte(f.Name))
	}
	return v
}

func recordLinks(id preservation.RecordID) Links {
	self := "/v1/records/" + string(id)
	return Links{"self": self, "events": self + "/events", "package": self + "/package", "verification": self + "/verification"}
}
