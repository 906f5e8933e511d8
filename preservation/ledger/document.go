package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// maxDocument is the most bytes that a configuration object may have.
const maxDocument = 64 << 20

// kindReport is the kind of the objects that tell of submissions without a record.
const kindReport = "rejection"

// StoreReport writes the report of a submission that ended without a record, so
// that it outlives the catalog.
func StoreReport(ctx context.Context, t *catalog.Tenant, s preservation.Store, id preservation.SubmissionID, lock preservation.Lock) error {
	sub, err := t.Submission(ctx, id)
	if err != nil {
		return err
	}
	steps, err := t.Steps(ctx, id)
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{
		"submission_id": sub.ID, "producer": sub.Metadata.Producer, "producer_record_id": sub.Metadata.ProducerRecordID,
		"status": sub.Status, "received": sub.Received, "problems": sub.Problems, "events": steps,
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
	for o, err := range b.store.Versions(ctx, "cfg/") {
		if err != nil {
			return err
		}
		if o.Marker {
			continue
		}
		data, _, err := read(ctx, b.store, o.Key, maxDocument)
		if err != nil {
			return fmt.Errorf("%s: %w", o.Key, err)
		}
		d, err := preservation.DecodeConfigObject(data)
		if err != nil {
			b.problem(o.Key, "unreadable-document", err.Error())
			continue
		}
		switch d.Kind {
		case kindReport:
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
		b.count(&b.Documents)
	}
	return nil
}
