package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
)

// stored is an event object with its place in the bucket.
type stored struct {
	preservation.EventObject
	at catalog.RecordObject
}

// restoreEvents brings back what happened to one record after it was packaged.
func (b *rebuild) restoreEvents(ctx context.Context, objects []preservation.Object) error {
	var all []stored
	var events []preservation.EventObject
	for _, o := range objects {
		data, ok, err := b.small(ctx, o, preservation.MaxEventObject)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		e, sum, err := preservation.DecodeEventObject(data)
		if err != nil {
			b.problem(o.Key, "unreadable-event", err.Error())
			continue
		}
		if o.Key != preservation.EventKey(e.Record, e.Event.ID) {
			b.problem(o.Key, "foreign-event", "tells of record "+string(e.Record))
			continue
		}
		all = append(all, stored{e, catalog.RecordObject{Key: o.Key, Kind: "event", VersionID: o.VersionID, Size: o.Size, SHA256: sum, Stored: o.Modified}})
		events = append(events, e)
	}
	if len(all) == 0 {
		return nil
	}
	id := all[0].Record
	rec, err := b.tenant.Record(ctx, id)
	known := err == nil
	if err != nil && !errors.Is(err, catalog.ErrNotFound) && !errors.Is(err, catalog.ErrDestroyed) {
		return err
	}
	if destroyed, err := b.restoreTombstone(ctx, id, events, known); destroyed || err != nil {
		return err
	}
	if !known {
		b.problem(preservation.EventPrefix(id), "package-missing", "there are events of this record, and neither a readable package nor a tombstone")
		return nil
	}
	for _, e := range all {
		e.at.Version = rec.Version
		var err error
		if e.Event.Type == preservation.EventStore {
			err = b.restoreSubmission(ctx, rec, e)
		} else {
			err = b.restoreOther(ctx, e)
		}
		if err != nil {
			return err
		}
		b.count(&b.Events)
	}
	return nil
}

// restoreTombstone brings back the end of a record, if it has come to one.
func (b *rebuild) restoreTombstone(ctx context.Context, id preservation.RecordID, events []preservation.EventObject, known bool) (bool, error) {
	if b.opts.Remains == nil || !slices.ContainsFunc(events, ending) {
		return false, nil
	}
	var packages []string
	for o, err := range b.store.Versions(ctx, preservation.PackagePrefix(id)) {
		if err != nil {
			return false, err
		}
		if !o.Marker {
			packages = append(packages, o.Key)
		}
	}
	packages = slices.Compact(packages)
	stone, ok := b.opts.Remains(events, len(packages), b.tenant.DB().Now())
	if !ok {
		return false, nil
	}
	b.count(&b.Tombstones)
	if known {
		for _, key := range packages { // of one that was known as destroyed before, restorePackage has said so
			b.problem(key, "destroyed-record", survivor)
		}
	}
	return true, b.tenant.Update(ctx, func(x *catalog.Tx) error { return x.Destroy(stone) })
}

// ending reports whether an event is about the end of a record.
func ending(e preservation.EventObject) bool {
	return e.Event.Type == preservation.EventIntent || e.Event.Type == preservation.EventDelete
}

// restoreSubmission brings back the submission of a receipt, and holds the
// package against what was receipted.
func (b *rebuild) restoreSubmission(ctx context.Context, rec catalog.Entry, e stored) error {
	var body Receipt
	if err := json.Unmarshal(e.Body, &body); err != nil || !body.Submission.Valid() {
		b.problem(e.at.Key, "unreadable-event", "no receipt")
		return nil
	}
	objects, err := b.tenant.Objects(ctx, rec.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(objects, func(o catalog.RecordObject) bool { return o.Key == body.Package })
	promised, err := b.promised(body)
	if err != nil {
		b.problem(e.at.Key, "receipt-invalid", err.Error())
	}
	switch {
	case i < 0:
		b.problem(body.Package, "package-missing", "it was receipted in "+e.at.Key)
	case objects[i].SHA256 != promised:
		if promised != "" {
			b.problem(body.Package, "package-differs", fmt.Sprintf("SHA-256 is %s, receipted was %s in %s", objects[i].SHA256, promised, e.at.Key))
		}
		if err := b.examineStored(ctx, objects[i]); err != nil {
			return err
		}
	}
	m := rec.Metadata
	if i >= 0 && body.Version != rec.Version {
		m = b.metadataOf(ctx, objects[i], m)
	}
	e.at.Version = body.Version
	err = b.tenant.RestoreSubmission(ctx, catalog.Submission{
		ID: body.Submission, Metadata: m, Fingerprint: body.Fingerprint, RecordID: rec.ID, Version: body.Version, Parent: body.Parent,
		SubmittedBy: body.SubmittedBy, Problems: body.Problems, Receipt: body.JWS, Received: body.Received, Updated: e.Event.At,
	}, e.at, e.Event)
	if err == nil && body.ParentSource != "" {
		err = b.tenant.RestorePackageSource(ctx, body.Parent, body.ParentSource)
	}
	if errors.Is(err, catalog.ErrConflict) {
		b.problem(e.at.Key, "not-restored", err.Error())
		return nil
	}
	return err
}

// promised returns the digest of the package that a receipt vouches for, empty
// with an error when the receipt proves nothing.
func (b *rebuild) promised(r Receipt) (string, error) {
	if b.opts.Receipt == nil {
		return r.PackageSHA256, nil
	}
	payload, err := b.opts.Receipt(r.JWS)
	if err != nil {
		return "", err
	}
	var signed struct {
		Records []struct {
			Package struct{ Key, SHA256 string }
		}
	}
	if err := json.Unmarshal(payload, &signed); err != nil {
		return "", err
	}
	for _, rec := range signed.Records {
		if rec.Package.Key == r.Package && r.Package != "" {
			return rec.Package.SHA256, nil
		}
	}
	return "", fmt.Errorf("the signed receipt does not name %s", r.Package)
}

// metadataOf is what an earlier version was submitted with, or else what the
// newest was: restorePackage has said what is wrong with the package.
func (b *rebuild) metadataOf(ctx context.Context, o catalog.RecordObject, newest preservation.Metadata) preservation.Metadata {
	p, err := aip.Open(&blocks{at: Remote(ctx, b.store, preservation.Object{Key: o.Key, VersionID: o.VersionID, Size: o.Size})}, o.Size)
	if err != nil {
		return newest
	}
	return p.Record().Metadata
}

// restoreOther brings back an event, and the trigger if it is one.
func (b *rebuild) restoreOther(ctx context.Context, e stored) error {
	return b.tenant.Update(ctx, func(x *catalog.Tx) error {
		if err := x.AddEvents(e.Record, e.Event); err != nil {
			return err
		}
		if b.opts.Trigger != nil {
			if g, ok := b.opts.Trigger(e.EventObject); ok {
				if err := x.AddTrigger(g); err != nil {
					return err
				}
			}
		}
		return x.AddObject(e.Record, e.at)
	})
}
