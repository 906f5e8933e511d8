package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
)

// stored is an event object with its place in the bucket.
type stored struct {
	preservation.EventObject
	at catalog.RecordObject

	// Of a receipt.
	receipt  Receipt
	readable bool   // receipt is one
	promised string // digest of the package that it vouches for
	invalid  error  // why it proves nothing
}

// past is what happened to one record.
type past struct {
	record preservation.RecordID
	all    []stored
}

// bytesPerRow is how much of receipts counts as one row of a batch: usual ones are
// limited by their rows, and those of records with very many files by the memory
// that they need.
const bytesPerRow = 2 << 10

func weightOf(p past) (n int) {
	for _, e := range p.all {
		n += max(4, int(e.at.Size/bytesPerRow))
	}
	return n
}

// receipted reports whether nothing has happened but that the record was stored and
// copied, by receipts that prove it.
func (p past) receipted() bool {
	odd := func(e stored) bool {
		return !e.receipted() || !e.readable || e.invalid != nil || e.receipt.ParentSource != ""
	}
	first := func(e stored) bool { return e.Event.Type == preservation.EventStore }
	return !slices.ContainsFunc(p.all, odd) && slices.ContainsFunc(p.all, first)
}

// receipted reports whether the event is a receipt, the first or the later one.
func (e stored) receipted() bool {
	return e.Event.Type == preservation.EventStore || e.Event.Type == preservation.EventReplicate
}

// restoreEvents brings back what happened to one record after it was packaged.
func (b *rebuild) restoreEvents(ctx context.Context, objects []preservation.Object) error {
	var p past
	for _, o := range objects {
		e, ok, err := b.readEvent(ctx, o)
		if err != nil {
			return err
		}
		if ok {
			p.record, p.all = e.Record, append(p.all, e)
		}
	}
	switch {
	case len(p.all) == 0:
		return nil
	case p.receipted():
		return b.receipts.add(ctx, p)
	}
	return b.restorePast(ctx, p)
}

// readEvent reads an event, and the receipt that it may hold. ok is false when it
// is a problem.
func (b *rebuild) readEvent(ctx context.Context, o preservation.Object) (_ stored, ok bool, err error) {
	data, ok, err := b.small(ctx, o, preservation.MaxEventObject)
	if err != nil || !ok {
		return stored{}, false, err
	}
	e, sum, err := preservation.DecodeEventObject(data)
	if err != nil {
		b.problem(o.Key, "unreadable-event", err.Error())
		return stored{}, false, nil
	}
	if o.Key != preservation.EventKey(e.Record, e.Event.ID) {
		b.problem(o.Key, "foreign-event", "tells of record "+string(e.Record))
		return stored{}, false, nil
	}
	s := stored{EventObject: e, at: catalog.RecordObject{Key: o.Key, Kind: "event", VersionID: o.VersionID, Size: o.Size, SHA256: sum, Stored: o.Modified}}
	if s.receipted() {
		err := json.Unmarshal(e.Body, &s.receipt)
		if s.readable = err == nil && s.receipt.Submission.Valid(); s.readable {
			s.promised, s.invalid = b.promised(s.receipt)
			s.Body = nil // it is held until its batch is full
		}
	}
	return s, true, nil
}

// commitReceipts brings the submissions of many records back together. Those of
// which more is to be said than that are left to restorePast.
func (b *rebuild) commitReceipts(ctx context.Context, pasts []past) error {
	var others []past
	err := halved(ctx, pasts, func(ctx context.Context, part []past) error {
		more, err := b.restoreReceipted(ctx, part)
		others = append(others, more...)
		return err
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, b.opts.Parallel))
	for _, p := range others {
		g.Go(func() error { return b.restorePast(ctx, p) })
	}
	return g.Wait()
}

// restoreReceipted brings submissions back in one transaction, and returns those of
// which more is to be said.
func (b *rebuild) restoreReceipted(ctx context.Context, pasts []past) (others []past, err error) {
	ids := make([]preservation.RecordID, len(pasts))
	for i, p := range pasts {
		ids[i] = p.record
	}
	standings, err := b.tenant.Standings(ctx, ids)
	if err != nil {
		return nil, err
	}
	var all []catalog.Restoration
	for _, p := range pasts {
		s, ok := standings[p.record]
		more := !ok || slices.ContainsFunc(p.all, func(e stored) bool {
			sum, known := s.Packages[e.receipt.Package]
			sum = cmp.Or(sum, p.all[0].promised) // of one that was not read they must promise the same
			return e.receipt.Version != s.Version || !known || e.promised == "" || e.promised != sum
		})
		if more {
			others = append(others, p)
			continue
		}
		var of []catalog.Restoration
		for _, e := range p.all {
			if e.Event.Type == preservation.EventStore {
				r := restorationOf(p.record, s.Metadata, e)
				if s.Packages[e.receipt.Package] == "" {
					r.Package, r.PackageSHA256 = e.receipt.Package, e.promised
				}
				of = append(of, r)
			}
		}
		for _, e := range p.all {
			if e.Event.Type == preservation.EventReplicate {
				e.at.Version = e.receipt.Version
				of[0].Later = append(of[0].Later, catalog.StoredEvent{Object: e.at, Event: e.Event})
			}
		}
		all = append(all, of...)
	}
	switch err := b.tenant.RestoreSubmissions(ctx, all...); {
	case errors.Is(err, catalog.ErrConflict):
		return pasts, nil
	case err != nil:
		return nil, err
	}
	b.count(&b.Events, len(all))
	return others, nil
}

func restorationOf(id preservation.RecordID, m preservation.Metadata, e stored) catalog.Restoration {
	r := e.receipt
	e.at.Version = r.Version
	return catalog.Restoration{Object: e.at, Events: []preservation.Event{e.Event}, Submission: catalog.Submission{
		ID: r.Submission, Metadata: m, Fingerprint: r.Fingerprint, RecordID: id, Version: r.Version, Parent: r.Parent, Revision: r.Revision,
		SubmittedBy: r.SubmittedBy, Problems: r.Problems, Receipt: r.JWS, Received: r.Received, Updated: e.Event.At,
	}}
}

// restorePast brings back anything that can have happened to a record.
func (b *rebuild) restorePast(ctx context.Context, p past) error {
	rec, err := b.tenant.Record(ctx, p.record)
	known := err == nil
	if err != nil && !errors.Is(err, catalog.ErrNotFound) && !errors.Is(err, catalog.ErrDestroyed) {
		return err
	}
	if destroyed, err := b.restoreTombstone(ctx, p, known); destroyed || err != nil {
		return err
	}
	if !known {
		b.problem(preservation.EventPrefix(p.record), "package-missing", "there are events of this record, and neither a readable package nor a tombstone"+p.begun())
		return nil
	}
	for _, e := range p.all {
		e.at.Version = rec.Version
		var err error
		if e.Event.Type == preservation.EventStore {
			err = b.restoreSubmission(ctx, rec, e, p.begun())
		} else {
			err = b.restoreOther(ctx, e)
		}
		if err != nil {
			return err
		}
		b.count(&b.Events, 1)
	}
	return nil
}

// restoreTombstone brings back the end of a record, if it has come to one.
func (b *rebuild) restoreTombstone(ctx context.Context, p past, known bool) (bool, error) {
	var events []preservation.EventObject
	for _, e := range p.all {
		events = append(events, e.EventObject)
	}
	if b.opts.Remains == nil || !slices.ContainsFunc(events, ending) {
		return false, nil
	}
	stone, ok := b.opts.Remains(events)
	if !ok {
		return false, nil
	}
	var packages []string
	for o, err := range b.store.Versions(ctx, preservation.PackagePrefix(p.record)) {
		if err != nil {
			return false, err
		}
		if !o.Marker {
			packages = append(packages, o.Key)
		}
	}
	packages = slices.Compact(packages)
	b.count(&b.Tombstones, 1)
	b.withdraw(p.record)
	if known {
		for _, key := range packages { // of one that was known as destroyed before, restorePackage has said so
			b.problem(key, "destroyed-record", survivor)
		}
	}
	return true, b.tenant.Update(ctx, func(x *catalog.Tx) error { return x.Destroy(stone) })
}

// begun says what to do about missing packages of a record whose destruction was announced;
// nothing of any other.
func (p past) begun() string {
	if !slices.ContainsFunc(p.all, func(e stored) bool { return ending(e.EventObject) }) {
		return ""
	}
	return "; its destruction was announced, and nothing says that it took place: nothing of it is purged. If the second copy or a backup has its packages, put them back; if it was destroyed, bestand rebuild --complete " + string(p.record) + " ends that"
}

// ending reports whether an event is about the end of a record.
func ending(e preservation.EventObject) bool {
	return e.Event.Type == preservation.EventIntent || e.Event.Type == preservation.EventDelete
}

// restoreSubmission brings back the submission of a receipt, and holds the
// package against what was receipted. hint is said of one that is missing.
func (b *rebuild) restoreSubmission(ctx context.Context, rec catalog.Entry, e stored, hint string) error {
	if !e.readable {
		b.problem(e.at.Key, "unreadable-event", "no receipt")
		return nil
	}
	body := e.receipt
	objects, err := b.tenant.Objects(ctx, rec.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(objects, func(o catalog.RecordObject) bool { return o.Key == body.Package })
	promised := e.promised
	if e.invalid != nil {
		b.problem(e.at.Key, "receipt-invalid", e.invalid.Error())
	}
	switch {
	case i < 0:
		b.problem(body.Package, "package-missing", "it was receipted in "+e.at.Key+hint)
	case objects[i].SHA256 == "" && promised != "":
		if err := b.tenant.SetDigest(ctx, rec.ID, objects[i].Key, promised); err != nil {
			return err
		}
	case objects[i].SHA256 != promised || promised == "":
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
	r := restorationOf(rec.ID, m, e)
	err = b.tenant.RestoreSubmission(ctx, r.Submission, r.Object, r.Events...)
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

// restoreOther brings back an event, and the trigger or annotation if it is one.
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
		if b.opts.Annotation != nil {
			if a, ok := b.opts.Annotation(e.EventObject); ok {
				if err := x.AddAnnotation(a); err != nil {
					return err
				}
			}
		}
		return x.AddObject(e.Record, e.at)
	})
}
