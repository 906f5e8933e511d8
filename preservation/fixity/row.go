package fixity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// rows reads what the catalog says of the record besides its files and objects.
func (r *check) rows(ctx context.Context) error {
	id := r.entry.ID
	events, err := r.tenant.Events(ctx, id)
	if err != nil {
		return err
	}
	r.events = map[string]preservation.Event{}
	for _, e := range events {
		r.events[e.ID] = e
	}
	triggers, err := r.tenant.View().Triggers(ctx, id)
	if err != nil {
		return err
	}
	r.triggers = triggers[id]
	if r.added, err = r.tenant.View().Annotations(ctx, id, ""); err != nil {
		return err
	}
	columns, err := r.tenant.Contradictions(ctx, id)
	for _, c := range columns {
		r.fail(string(id), CodeCatalogMeta, "column %s of its row does not say what its metadata and files do", c)
	}
	return err
}

// newest compares the rows of the catalog with the newest package.
func (r *check) newest(ctx context.Context, p *aip.Reader) error {
	rec := p.Record()
	id := string(rec.ID)
	r.packagedClass = rec.Class
	rec.Class = r.entry.Class // what happened to it later may have changed it, see complete
	if catalog.Fingerprint(rec.Metadata, nil) != catalog.Fingerprint(r.entry.Metadata, nil) {
		r.fail(id, CodeCatalogMeta, "the metadata in the catalog are not those of the package")
	}
	if rec.Submission != r.entry.Submission || !rec.Received.Equal(r.entry.Received) {
		r.fail(id, CodeCatalogMeta, "the catalog names another submission or another time of reception than the package")
	}
	now, err := r.tenant.Head(ctx, r.entry.ID)
	if errors.Is(err, catalog.ErrNotFound) || err == nil && now.Version != r.entry.Version {
		return nil // meanwhile, which Record looks at
	}
	if err != nil {
		return err
	}
	return r.files(ctx, rec, p.Offsets())
}

// files compares the rows of files with those of the newest package, row by row: there
// may be very many.
func (r *check) files(ctx context.Context, rec preservation.Record, begins map[preservation.FileID]int64) error {
	packaged := make(map[preservation.FileID]int, len(rec.Files))
	for i, f := range rec.Files {
		packaged[f.ID] = i
	}
	listed, rows := make([]bool, len(rec.Files)), 0
	err := r.tenant.EachFile(ctx, rec.ID, func(row preservation.File, at catalog.Location) {
		rows++
		if i, ok := packaged[row.ID]; ok {
			listed[i] = true
			r.file(rec.Files[i], row, at, begins)
		}
	})
	if err != nil {
		return err
	}
	for i, f := range rec.Files {
		if !listed[i] {
			r.fail(string(f.ID), CodeCatalogFile, "the catalog has no row for it")
		}
	}
	if rows > len(rec.Files) {
		r.fail(string(rec.ID), CodeCatalogFile, "the catalog has %d files, the package %d", rows, len(rec.Files))
	}
	return nil
}

// file compares one file as the package has it with its row.
func (r *check) file(f, row preservation.File, at catalog.Location, begins map[preservation.FileID]int64) {
	r.place(f, at, begins)
	f.HeldIn = 0 // the row names the package instead
	switch {
	case row.Name != f.Name:
		r.fail(string(f.ID), CodeCatalogFile, "the catalog has another name for it")
	case row.Digests != f.Digests || row.Size != f.Size:
		r.fail(string(f.ID), CodeCatalogFile, "the catalog has another size or digest for it")
	case row != f:
		r.fail(string(f.ID), CodeCatalogFile, "the catalog describes it otherwise than the package: title, document, format, place or verdict")
	}
}

// place compares where the catalog reads the bytes of a file with where they are.
func (r *check) place(f preservation.File, at catalog.Location, begins map[preservation.FileID]int64) {
	if at.Key == "" {
		if f.HeldIn == 0 {
			r.fail(string(f.ID), CodeCatalogFile, "the catalog does not know where its bytes are")
		}
		return
	}
	version := f.HeldIn
	if version == 0 {
		version = r.entry.Version
	}
	if at.Key != preservation.PackageKey(r.entry.ID, version) {
		r.fail(string(f.ID), CodeCatalogFile, "the catalog reads it from %s", at.Key)
	}
	if off, here := begins[f.ID]; here && off != at.Pos { // of a file that an earlier version holds, its row was filled with that version
		r.fail(string(f.ID), CodeCatalogFile, "the catalog reads it from byte %d of the package, it begins at %d", at.Pos, off)
	}
}

// same compares an event that the bucket tells with its row.
func (r *check) same(e preservation.Event) {
	row, ok := r.events[e.ID]
	switch {
	case !ok:
		r.fail(e.ID, CodeCatalogEvent, "the catalog has no row of this event (%s)", e.Type)
	case row.Type != e.Type || row.Outcome != e.Outcome || row.Code != e.Code || row.Detail != e.Detail || row.At.UnixMilli() != e.At.UnixMilli() || row.Agent != e.Agent || !slices.Equal(row.Files, e.Files):
		r.fail(e.ID, CodeCatalogEvent, "the catalog tells this event (%s) otherwise than the bucket", e.Type)
	}
}

// event checks an event object, and holds the catalog against what it tells.
func (r *check) event(ctx context.Context, content io.ReaderAt, size int64, o catalog.RecordObject) error {
	if size > preservation.MaxEventObject {
		r.fail(o.Key, CodeEvent, "%d bytes are too many for an event", size)
		return nil
	}
	data := make([]byte, size)
	if _, err := content.ReadAt(data, 0); err != nil && err != io.EOF {
		return err
	}
	e, _, err := preservation.DecodeEventObject(data)
	if err != nil {
		r.fail(o.Key, CodeEvent, "%v", err)
		return nil
	}
	if e.Record != r.entry.ID || o.Key != preservation.EventKey(e.Record, e.Event.ID) {
		r.fail(o.Key, CodeEvent, "it tells event %s of record %s", e.Event.ID, e.Record)
		return nil
	}
	r.same(e.Event)
	if r.Trigger != nil {
		if g, ok := r.Trigger(e); ok && !slices.ContainsFunc(r.triggers, func(have catalog.Trigger) bool { return sameTrigger(have, g) }) {
			r.fail(e.Event.ID, CodeCatalogEvent, "the catalog does not have this trigger of the retention as it was reported")
		}
	}
	if r.Annotation != nil {
		if a, ok := r.Annotation(e); ok && !slices.ContainsFunc(r.added, func(have catalog.Annotation) bool { return sameAnnotation(have, a) }) {
			r.fail(e.Event.ID, CodeCatalogEvent, "the catalog does not have what was added to the record (%s) as the bucket tells it", a.Kind)
		}
	}
	switch e.Event.Type {
	case preservation.EventStore:
		return r.receipt(ctx, o.Key, e)
	case preservation.EventReplicate:
		r.later(o.Key, e)
	}
	return nil
}

func sameTrigger(a, b catalog.Trigger) bool {
	same := a.At.UnixMilli() == b.At.UnixMilli()
	a.At, b.At = time.Time{}, time.Time{}
	return same && a == b
}

func sameAnnotation(a, b catalog.Annotation) bool {
	return a.ID == b.ID && a.Record == b.Record && a.Kind == b.Kind && a.Actor == b.Actor && a.Key == b.Key &&
		a.At.UnixMilli() == b.At.UnixMilli() && bytes.Equal(a.Body, b.Body)
}

// signed is what is compared of a receipt.
type signed struct {
	Tenant     preservation.TenantID     `json:"tenant"`
	Submission preservation.SubmissionID `json:"submission_id"`
	Records    []struct {
		ID      preservation.RecordID `json:"record_id"`
		Version int                   `json:"version"`
		Package struct {
			Key    string `json:"key"`
			SHA256 string `json:"sha256"`
		} `json:"package"`
	} `json:"records"`
}

// vouched checks that a receipt names a package that there is, by its signature too.
func (r *check) vouched(key string, body ledger.Receipt) (good bool) {
	pkg, ok := r.packages[body.Version]
	switch {
	case !ok:
		r.fail(key, CodeReceipt, "it receipts version %d, of which the catalog has no package", body.Version)
	case pkg.Key != body.Package || pkg.SHA256 != body.PackageSHA256 && pkg.SHA256 != "":
		r.fail(key, CodeReceipt, "SHA-256 of version %d is %s, receipted was %s", body.Version, pkg.SHA256, body.PackageSHA256)
	default:
		good = true
	}
	if r.Receipt == nil {
		return good
	}
	payload, err := r.Receipt(body.JWS)
	var s signed
	if err == nil {
		err = json.Unmarshal(payload, &s)
	}
	switch {
	case err != nil:
		r.fail(key, CodeReceipt, "its signature does not hold: %v", err)
	case s.Tenant != r.entry.Tenant || s.Submission != body.Submission || len(s.Records) != 1 || s.Records[0].ID != r.entry.ID ||
		s.Records[0].Version != body.Version || s.Records[0].Package.SHA256 != body.PackageSHA256 || s.Records[0].Package.Key != body.Package:
		r.fail(key, CodeReceipt, "what was signed is another package")
	}
	return good
}

// later checks the receipt that was signed when the second copy was there.
func (r *check) later(key string, e preservation.EventObject) {
	var body ledger.Receipt
	if err := json.Unmarshal(e.Body, &body); err != nil || body.JWS == "" || !body.Submission.Valid() {
		r.fail(key, CodeReceipt, "no receipt is in it")
		return
	}
	r.vouched(key, body)
}

// receipt checks what was receipted: the signature, the package that it names,
// and that the producer's submission gives out this very receipt.
func (r *check) receipt(ctx context.Context, key string, e preservation.EventObject) error {
	var body ledger.Receipt
	if err := json.Unmarshal(e.Body, &body); err != nil || body.JWS == "" || !body.Submission.Valid() {
		r.fail(key, CodeReceipt, "no receipt is in it")
		return nil
	}
	if r.vouched(key, body) {
		r.receipts[body.Version] = true
	}
	sub, err := r.tenant.SubmissionRow(ctx, body.Submission)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		r.fail(string(body.Submission), CodeCatalogGone, "the catalog has no row of the submission that %s receipts: run bestand rebuild", key)
	case err != nil:
		return err
	case sub.Status != catalog.Archived || sub.RecordID != r.entry.ID || sub.Version != body.Version:
		r.fail(string(sub.ID), CodeCatalogState, "the catalog says that this submission is %s and became version %d of record %s", sub.Status, sub.Version, sub.RecordID)
	case sub.Receipt != body.JWS:
		r.fail(string(sub.ID), CodeReceipt, "the catalog gives out another receipt than the one in %s", key)
	}
	return nil
}

// complete looks for the rows that every record has.
func (r *check) complete(ctx context.Context) error {
	id := r.entry.ID
	for v := 1; v <= r.entry.Version; v++ {
		pkg, ok := r.packages[v]
		switch {
		case !ok:
			r.fail(preservation.PackageKey(id, v), CodeCatalogGone, "the catalog has no row of the package of version %d: run bestand rebuild", v)
			continue
		case pkg.Key != preservation.PackageKey(id, v):
			r.fail(pkg.Key, CodeCatalogState, "the catalog takes this for the package of version %d", v)
		}
		if r.receipts[v] {
			continue
		}
		if v == r.entry.Version {
			sub, err := r.tenant.SubmissionRow(ctx, r.entry.Submission)
			if err == nil && (sub.Status == catalog.Received || sub.Status == catalog.Processing) {
				r.notice(string(sub.ID), CodeReceipt, "its receipt is still to come")
				continue
			}
			if err != nil && !errors.Is(err, catalog.ErrNotFound) {
				return err
			}
		}
		r.fail(pkg.Key, CodeReceipt, "no receipt vouches for version %d", v)
	}
	for _, g := range r.triggers {
		if _, known := r.known[g.Key]; !known {
			r.fail(g.ID, CodeCatalogEvent, "the catalog has a trigger of the retention that no object in the bucket tells")
		}
	}
	class := r.packagedClass
	for _, a := range r.added {
		if _, known := r.known[a.Key]; !known {
			r.fail(a.ID, CodeCatalogEvent, "the catalog has something added to the record (%s) that no object in the bucket tells", a.Kind)
		}
		var body struct{ Class string }
		if a.Kind == catalog.Reclassification && json.Unmarshal(a.Body, &body) == nil {
			class = body.Class
		}
	}
	if class != "" && class != r.entry.Class {
		r.fail(string(id), CodeCatalogMeta, "the catalog has class %s, package and reclassifications say %s", r.entry.Class, class)
	}
	for v, pkg := range r.packages {
		if v < 1 || v > r.entry.Version {
			r.fail(pkg.Key, CodeCatalogState, "the catalog has a package of version %d, and says that the newest is %d", v, r.entry.Version)
		}
	}
	return nil
}

// retention compares status and evaluation in the catalog with what follows from
// the rest of it.
func (r *check) retention(ctx context.Context) error {
	id := r.entry.ID
	switch _, err := r.tenant.View().Disposal(ctx, id); {
	case err != nil && !errors.Is(err, catalog.ErrNotFound):
		return err
	case err != nil && r.entry.Status == releasing:
		r.fail(string(id), CodeCatalogState, "the catalog says that its destruction has begun, and knows of no decision to destroy it")
	case err == nil && r.entry.Status == live:
		r.fail(string(id), CodeCatalogState, "the catalog knows of a destruction that has begun, and says that the record lives")
	}
	if r.Retention == nil {
		return nil
	}
	for range 3 {
		e, err := r.tenant.Head(ctx, id)
		if err != nil {
			return err
		}
		want, err := r.Retention(ctx, r.tenant, id, e.Retention.Evaluated)
		if errors.Is(err, preservation.ErrCorrupt) {
			r.fail(string(id), CodeCatalogState, "where it stands cannot be said: %v", err)
			return nil
		}
		if err != nil {
			return err
		}
		have := e.Retention
		if have.State == want.State && have.Rule == want.Rule && have.Trigger == want.Trigger && have.Start == want.Start && have.End == want.End && have.Due == want.Due &&
			have.Disposition == want.Disposition && have.Next == want.Next {
			return nil
		}
		// One that waits to be evaluated may well differ.
		stale, err := r.tenant.View().CountRetentions(ctx, catalog.RetentionFilter{IDs: []preservation.RecordID{id}, Stale: true})
		if err != nil || stale > 0 {
			return err
		}
		now, err := r.tenant.Head(ctx, id)
		if err != nil {
			return err
		}
		if now.Retention.Evaluated.Equal(have.Evaluated) {
			r.fail(string(id), CodeCatalogState, "the catalog says retention %s, end %q, due from %q; by its rules it is %s, %q, %q",
				have.State, have.End, have.Due, want.State, want.End, want.Due)
			return nil
		}
	}
	return nil
}
