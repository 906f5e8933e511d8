// Package fixity reads back what is stored and compares it with everything that
// is known of it: the bytes of every object with the digest in the catalog, each
// package with itself and its seal, receipts with their signature and with what
// they receipt, the rows of the catalog with the package and the event objects
// from which they were made, the versions and locks of the keys with what an
// archive may have.
//
// A check never stops at its first finding and never takes an unreadable byte
// for a good one: it returns every finding, or an error when store or catalog
// could not be asked, which says nothing about the record.
//
// Checker.Record looks at one record, Checker.Holding at everything that a tenant
// has in its bucket and in the catalog. Scrub does the same in portions, for good,
// and keeps what it finds.
package fixity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
)

// Codes of findings, beside those of package aip.
const (
	CodeIntact       = "record-intact"        // passed: all that was checked agrees
	CodeObjectGone   = "object-missing"       // the catalog names it, the store has no such version
	CodeObjectDigest = "object-digest"        // its bytes are not those that were stored
	CodeObjectSize   = "object-size"          //
	CodeUnread       = "object-unreadable"    // the store has it and does not give its bytes
	CodeSurplus      = "surplus-version"      // a key has more than one version, or a delete marker
	CodeSuperseded   = "superseded-version"   // passed: it was damaged, and the same bytes were written again
	CodeUnknown      = "unknown-object"       // in the bucket, and the catalog does not know it
	CodeLockGone     = "lock-missing"         // nothing forbids its deletion
	CodeLockShort    = "lock-shortened"       // the lock ends earlier, or is weaker, than the catalog says
	CodeHoldGone     = "hold-missing"         // the record is held, and the store would let it go
	CodeHoldLeft     = "hold-left"            // the store shows a legal hold, and none stands on the record
	CodeUndigested   = "digest-missing"       // the catalog was made anew while it could not be read
	CodeReceipt      = "receipt-invalid"      // missing, or not what was signed for this package
	CodeEvent        = "event-unreadable"     // an event object that is none, or of another record
	CodeCatalogFile  = "catalog-file-differs" // a row of the catalog says something else than the package
	CodeCatalogMeta  = "catalog-metadata-differs"
	CodeCatalogEvent = "catalog-event-differs" // of an event or a trigger
	CodeCatalogState = "catalog-state-differs" // retention, status or submission: not what follows from the rest
	CodeCatalogGone  = "catalog-row-missing"   // the bucket has it, the catalog lost it: a rebuild brings it back
)

// Checker verifies records.
type Checker struct {
	// Seal checks the seal of a package over its METS.
	Seal func(mets io.Reader, seal []byte) []preservation.Finding
	// Receipt checks the signature of a receipt and returns what was signed. Nil:
	// signatures of receipts are not checked.
	Receipt func(jws string) ([]byte, error)
	// Annotation takes what a person added to a record out of an event object, if it is that.
	Annotation func(preservation.EventObject) (catalog.Annotation, bool)
	// Trigger takes a retention trigger out of an event object, if it is one.
	Trigger func(preservation.EventObject) (catalog.Trigger, bool)
	// Retention says where a record stood at an instant. Nil: not compared.
	Retention func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, at time.Time) (catalog.Evaluation, error)
	// Stamps lists the objects of evidence that must be there, and Stamp compares one
	// with the catalog, if that knows it. Nil: evidence is not compared.
	Stamps func(context.Context, *catalog.Tenant) (keys []string, err error)
	Stamp  func(ctx context.Context, t *catalog.Tenant, key string, content io.Reader) (known bool, findings []preservation.Finding, err error)
	// Left is told of a destroyed record of which something is still there, for whoever
	// destroys. Nil: nobody is.
	Left func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) error
	// Dir is for packages too large to be held in memory.
	Dir string
	Now func() time.Time
}

// settled is the age from which an object must be known to the catalog: what
// writes it notes it right afterwards.
const settled = time.Hour

// Record verifies everything that the store holds of a record. The error is
// catalog.ErrNotFound when neither catalog nor bucket know it, and
// catalog.ErrDestroyed when a tombstone took its place.
func (c *Checker) Record(ctx context.Context, t *catalog.Tenant, s preservation.Store, id preservation.RecordID) ([]preservation.Finding, error) {
	for try := 0; ; try++ {
		r, err := c.record(ctx, t, s, id)
		if err != nil {
			return nil, err
		}
		// A version that was committed meanwhile is no damage.
		now, err := t.Head(ctx, id)
		if errors.Is(err, catalog.ErrNotFound) {
			return r.findings, nil
		}
		if err != nil {
			return nil, err
		}
		if try == 2 || now.Version == r.entry.Version && now.Status == r.entry.Status && now.Class == r.entry.Class {
			return r.findings, nil
		}
	}
}

func (c *Checker) record(ctx context.Context, t *catalog.Tenant, s preservation.Store, id preservation.RecordID) (*check, error) {
	r := &check{Checker: c, tenant: t, store: s, known: map[string]catalog.RecordObject{}, packages: map[int]catalog.RecordObject{}, receipts: map[int]bool{}}
	var err error
	if r.entry, err = t.Head(ctx, id); err != nil {
		if errors.Is(err, catalog.ErrNotFound) {
			return r, r.lost(ctx, id, err)
		}
		return nil, err
	}
	known, err := t.Objects(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := r.rows(ctx); err != nil {
		return nil, err
	}
	for _, o := range known {
		r.known[o.Key] = o
		if o.Kind == "package" {
			r.packages[o.Version] = o
		}
	}
	for _, o := range known {
		if err := r.object(ctx, o); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Key, err)
		}
	}
	if err := r.complete(ctx); err != nil {
		return nil, err
	}
	for _, prefix := range []string{preservation.PackagePrefix(id), preservation.EventPrefix(id)} {
		if err := r.versions(ctx, prefix); err != nil {
			return nil, err
		}
	}
	if err := r.retention(ctx); err != nil {
		return nil, err
	}
	if err := r.unheld(ctx); err != nil {
		return nil, err
	}
	for _, f := range r.findings {
		if f.Severity == preservation.Failed {
			return r, nil
		}
	}
	r.findings = append(r.findings, preservation.Finding{Code: CodeIntact, Severity: preservation.Passed, Subject: string(id),
		Detail: fmt.Sprintf("%d objects read back and compared", len(known))})
	return r, nil
}

// check is one look at one record.
type check struct {
	*Checker
	tenant   *catalog.Tenant
	store    preservation.Store
	entry    catalog.Entry                   // without files, of which there may be very many
	known    map[string]catalog.RecordObject // by key
	packages map[int]catalog.RecordObject
	receipts map[int]bool // versions that a receipt vouches for
	events   map[string]preservation.Event
	triggers []catalog.Trigger
	added    []catalog.Annotation
	// packagedClass is the class in the newest package.
	packagedClass string
	onHold        []string // keys, while no hold stands on the record
	findings      []preservation.Finding
}

func (r *check) fail(subject, code, format string, args ...any) {
	r.findings = append(r.findings, preservation.Finding{Code: code, Severity: preservation.Failed, Subject: subject, Detail: fmt.Sprintf(format, args...)})
}

func (r *check) notice(subject, code, detail string) {
	r.findings = append(r.findings, preservation.Finding{Code: code, Severity: preservation.Notice, Subject: subject, Detail: detail})
}

// lost is said of a record that the catalog does not have and the bucket does.
func (r *check) lost(ctx context.Context, id preservation.RecordID, cause error) error {
	if !id.Valid() {
		return cause
	}
	n := 0
	for _, prefix := range []string{preservation.PackagePrefix(id), preservation.EventPrefix(id)} {
		for o, err := range r.store.Versions(ctx, prefix) {
			if err != nil {
				return err
			}
			if r.Now().Sub(o.Modified) > settled {
				n++
			}
		}
	}
	if n == 0 {
		return cause
	}
	r.fail(string(id), CodeCatalogGone, "the catalog has no row of this record, the bucket has %d objects of it: run bestand rebuild", n)
	return nil
}

// object checks one object that the catalog knows.
func (r *check) object(ctx context.Context, o catalog.RecordObject) error {
	have, err := r.store.Stat(ctx, o.Key, o.VersionID)
	if errors.Is(err, preservation.ErrNotFound) {
		r.fail(o.Key, CodeObjectGone, "version %s is not in the store", o.VersionID)
		return nil
	}
	if err != nil {
		return err
	}
	r.locked(have, o)
	if have.Size != o.Size {
		r.fail(o.Key, CodeObjectSize, "%d bytes, stored were %d", have.Size, o.Size)
	}
	content, sum, err := r.read(ctx, have)
	if errors.Is(err, preservation.ErrNotFound) {
		r.fail(o.Key, CodeObjectGone, "its bytes are not in the store")
		return nil
	}
	if err != nil {
		return err
	}
	defer content.Close()
	switch {
	case o.SHA256 == "":
		r.fail(o.Key, CodeUndigested, "the catalog has no digest of it, since it could not be read when the catalog was made anew; it is SHA-256 %s now", sum)
		if have.SHA256 != "" && sum != have.SHA256 {
			r.fail(o.Key, CodeObjectDigest, "SHA-256 is %s, the store took %s", sum, have.SHA256)
		}
	case sum != o.SHA256 && sum == have.SHA256:
		r.fail(o.Key, CodeCatalogState, "SHA-256 is %s as the store took it, the catalog says %s", sum, o.SHA256)
	case sum != o.SHA256:
		r.fail(o.Key, CodeObjectDigest, "SHA-256 is %s, stored was %s", sum, o.SHA256)
	case have.SHA256 != "" && sum != have.SHA256:
		r.fail(o.Key, CodeObjectDigest, "SHA-256 is %s, the store took %s", sum, have.SHA256)
	}
	if o.Kind == "package" {
		return r.pkg(ctx, content, have.Size, o)
	}
	return r.event(ctx, content, have.Size, o)
}

// locked compares an object's lock and hold with what the catalog says of the
// record. The lock of a record is the earliest of those on its packages.
func (r *check) locked(have preservation.Object, o catalog.RecordObject) {
	want := r.entry.Lock
	switch {
	case have.Lock.Mode == preservation.Unlocked || !have.Lock.Until.After(r.Now()):
		if r.entry.Status == live { // of one that is to be destroyed it is left to run out
			r.fail(o.Key, CodeLockGone, "no lock is in force; it was expected until %s", want.Until.UTC().Format(time.RFC3339))
		}
	case o.Kind == "package" && have.Lock.Until.Before(want.Until.Truncate(time.Second)):
		r.fail(o.Key, CodeLockShort, "locked until %s, the catalog says %s", have.Lock.Until.UTC().Format(time.RFC3339), want.Until.UTC().Format(time.RFC3339))
	case have.Lock.Mode == preservation.Governance && want.Mode == preservation.Compliance:
		r.fail(o.Key, CodeLockShort, "its lock is %s, the catalog says %s", have.Lock.Mode, want.Mode)
	}
	switch onHold := r.entry.Retention.State == held; {
	case onHold && !have.Hold && o.Kind == "package":
		r.fail(o.Key, CodeHoldGone, "the record is under a legal hold, and the store shows none")
	case !onHold && have.Hold && r.entry.Status == live:
		r.onHold = append(r.onHold, o.Key)
	}
}

// unheld tells of legal holds in the store on a record on which none stands: of one that
// was set, cut off before the catalog knew, and released, or of one that something else
// set. One that has come meanwhile is none of these.
func (r *check) unheld(ctx context.Context) error {
	if len(r.onHold) == 0 {
		return nil
	}
	stale, err := r.tenant.View().CountRetentions(ctx, catalog.RetentionFilter{IDs: []preservation.RecordID{r.entry.ID}, Stale: true})
	if err != nil || stale > 0 {
		return err
	}
	now, err := r.tenant.Head(ctx, r.entry.ID)
	if errors.Is(err, catalog.ErrNotFound) || err == nil && now.Retention.State == held {
		return nil
	}
	for _, key := range r.onHold {
		r.fail(key, CodeHoldLeft, "the store shows a legal hold, and no hold stands on the record")
	}
	return err
}

// States as the catalog keeps them.
const (
	live      = "live"
	releasing = "releasing"
	held      = "held"
)

// versions looks for what should not be there.
func (r *check) versions(ctx context.Context, prefix string) error {
	err := r.surplus(ctx, prefix, CodeSurplus, func(key string) (string, string, bool) {
		o, known := r.known[key]
		return o.VersionID, o.SHA256, known
	})
	if err != nil {
		return err
	}
	count := map[string]int{}
	for o, err := range r.store.Versions(ctx, prefix) {
		if err != nil {
			return err
		}
		if _, known := r.known[o.Key]; known {
			continue
		}
		if count[o.Key]++; count[o.Key] == 2 || o.Marker {
			r.fail(o.Key, CodeSurplus, "more than one version, or a delete marker: something wrote here that must not")
		}
		if count[o.Key] > 1 || o.Marker {
			continue
		}
		if r.Now().Sub(o.Modified) < settled {
			r.notice(o.Key, CodeUnknown, "the catalog does not know this object yet")
		} else if ours, err := r.intent(ctx, o); err != nil {
			return err
		} else if !ours {
			r.fail(o.Key, CodeUnknown, "the catalog does not know this object: run bestand rebuild, which takes it up or says what is wrong with it")
		}
	}
	return nil
}

// intent reports whether an object tells of a destruction of this record that was
// begun or called off: such objects are in the bucket only.
func (r *check) intent(ctx context.Context, o preservation.Object) (bool, error) {
	if o.Size > preservation.MaxEventObject {
		return false, nil
	}
	body, err := r.store.Open(ctx, o.Key, o.VersionID, 0, -1)
	if errors.Is(err, preservation.ErrNotFound) {
		return true, nil // gone since the listing
	}
	if err != nil {
		return false, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, preservation.MaxEventObject))
	if err != nil {
		return false, err
	}
	e, _, err := preservation.DecodeEventObject(data)
	return err == nil && e.Record == r.entry.ID && e.Event.Type == preservation.EventIntent && o.Key == preservation.EventKey(e.Record, e.Event.ID), nil
}

// pkg checks a package in itself and against the catalog.
func (r *check) pkg(ctx context.Context, content io.ReaderAt, size int64, o catalog.RecordObject) error {
	r.findings = append(r.findings, aip.Verify(ctx, content, size, aip.Options{VerifySeal: r.Seal})...)
	p, err := aip.Open(content, size)
	if err != nil {
		return nil // the findings say why
	}
	rec := p.Record()
	if rec.ID != r.entry.ID || rec.Tenant != r.entry.Tenant || rec.Version != o.Version {
		r.fail(o.Key, CodeCatalogMeta, "it holds version %d of record %s of tenant %s", rec.Version, rec.ID, rec.Tenant)
		return nil
	}
	if events, err := p.Events(); err == nil { // else the findings say why
		for _, e := range events {
			r.same(e)
		}
	}
	if o.Version == r.entry.Version {
		return r.newest(ctx, p)
	}
	return nil
}
