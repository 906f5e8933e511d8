package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// kindReport is the kind of the objects that tell of submissions without a record.
const kindReport = "rejection"

// rejection is the body of such an object: what was wrong with a submission, and
// nothing of its content. It is kept for good, so that it holds no words that may
// come from the submission, such as names of files or the producer's identifier.
type rejection struct {
	Submission  preservation.SubmissionID `json:"submission_id"`
	Producer    string                    `json:"producer"`
	Record      preservation.RecordID     `json:"record_id,omitempty"`
	Version     int                       `json:"version,omitempty"` // of the record, if not the first
	Parent      preservation.SubmissionID `json:"parent_id,omitempty"`
	Package     bool                      `json:"package,omitempty"`
	SubmittedBy string                    `json:"submitted_by,omitempty"`
	Status      catalog.Status            `json:"status"`
	Received    time.Time                 `json:"received"`
	Problems    []preservation.Finding    `json:"problems"`
	Events      []preservation.Event      `json:"events"`
}

// StoreReport writes the report of a submission that ended without a record, so
// that it outlives the catalog.
func StoreReport(ctx context.Context, t *catalog.Tenant, s preservation.Store, id preservation.SubmissionID, lock preservation.Lock) error {
	sub, err := t.SubmissionRow(ctx, id)
	if err != nil {
		return err
	}
	steps, err := t.Steps(ctx, id)
	if err != nil {
		return err
	}
	for i := range steps {
		steps[i].Detail = ""
	}
	version := 0
	if sub.Version > 1 {
		version = sub.Version
	}
	body, err := json.Marshal(rejection{
		Submission: sub.ID, Producer: sub.Metadata.Producer, Record: sub.RecordID, Version: version, Parent: sub.Parent,
		Package: sub.Package, SubmittedBy: sub.SubmittedBy, Status: sub.Status, Received: sub.Received, Problems: Bare(sub.Problems), Events: steps,
	})
	if err != nil {
		return err
	}
	data, sum, err := preservation.ConfigObject{Kind: kindReport, Name: string(id), Version: 1, Actor: "system", At: sub.Updated.UnixMilli(), Body: body}.Encode()
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, preservation.ConfigKey(string(id)), bytes.NewReader(data),
		preservation.PutOptions{Size: int64(len(data)), SHA256: sum, Lock: lock, ContentType: "application/json"})
	if errors.Is(err, preservation.ErrExists) {
		return nil // an earlier attempt wrote it
	}
	return err
}

// restoreDocuments reads every configured version back into the catalog.
func (b *rebuild) restoreDocuments(ctx context.Context) error {
	for o, err := range b.objects(ctx, "cfg/") {
		if err != nil {
			return err
		}
		data, ok, err := b.small(ctx, o, preservation.MaxConfigObject)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		d, err := preservation.DecodeConfigObject(data)
		if err != nil {
			b.problem(o.Key, "unreadable-document", err.Error())
			continue
		}
		switch d.Kind {
		case kindReport:
			if err := b.restoreRejection(ctx, o.Key, d); err != nil {
				return err
			}
			continue
		case kindPackage:
			if err := b.restorePackageOf(ctx, o.Key, d); err != nil {
				return err
			}
			continue
		}
		err = b.tenant.Update(ctx, func(x *catalog.Tx) error {
			return x.RestoreDocument(catalog.Document{Kind: d.Kind, Name: d.Name, Version: d.Version, Key: o.Key, Body: d.Body, Actor: d.Actor, At: d.At})
		})
		if err != nil {
			return err
		}
		b.count(&b.Documents, 1)
	}
	return nil
}

func (b *rebuild) restoreRejection(ctx context.Context, key string, c preservation.ConfigObject) error {
	var r rejection
	if err := json.Unmarshal(c.Body, &r); err != nil || !r.Submission.Valid() {
		b.problem(key, "unreadable-document", "no report of a rejected submission")
		return nil
	}
	return b.tenant.RestoreRejected(ctx, catalog.Submission{
		ID: r.Submission, RecordID: r.Record, Version: r.Version, Parent: r.Parent, Package: r.Package, SubmittedBy: r.SubmittedBy, Problems: r.Problems,
		Metadata: preservation.Metadata{Producer: r.Producer},
		Received: r.Received, Updated: time.UnixMilli(c.At),
	}, r.Events...)
}
