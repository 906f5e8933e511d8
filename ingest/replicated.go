package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// Values of catalog.Settings.ReceiptAfter: when the sender may delete its copy.
const (
	afterStored     = "stored"
	afterReplicated = "replicated" // when the second copy was read back
)

// after is what a tenant waits for: the second copy, where there is one, unless it
// says otherwise.
func (p *Pipeline) after(s catalog.Settings) string {
	switch {
	case s.ReceiptAfter != "":
		return s.ReceiptAfter
	case p.SecondCopy != "":
		return afterReplicated
	}
	return afterStored
}

// LaterReceiptKey is where the later receipt of a submission stands, if there is one.
func LaterReceiptKey(record preservation.RecordID, id preservation.SubmissionID) string {
	return preservation.EventKey(record, laterEvent(id))
}

// laterEvent names the event whose body the later receipt is, so that there is one.
func laterEvent(id preservation.SubmissionID) string { return string(id) + "-copies" }

// Replicated is told that the second copy has an object of a record, read back with
// its digest. With the packages up to a version and its receipt there, a later one says so,
// where the first one had to say that the source may not be deleted yet. The first
// stays as it is.
func (p *Pipeline) Replicated(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, o catalog.RecordObject) error {
	subs, err := t.SubmissionsOf(ctx, id)
	if err != nil {
		return err
	}
	objects, err := t.Objects(ctx, id)
	if err != nil {
		return err
	}
	copied := func(key string) bool {
		return slices.ContainsFunc(objects, func(o catalog.RecordObject) bool { return o.Key == key && !o.Copied.IsZero() })
	}
	for _, sub := range subs {
		if sub.Version < o.Version || sub.Status != catalog.Archived || sub.Receipt == "" {
			continue
		}
		// Files may lie in the package of an earlier version.
		whole := copied(preservation.EventKey(id, string(sub.ID)))
		for v := 1; v <= sub.Version; v++ {
			whole = whole && copied(preservation.PackageKey(id, v))
		}
		key := LaterReceiptKey(id, sub.ID)
		known := slices.ContainsFunc(objects, func(o catalog.RecordObject) bool { return o.Key == key })
		if known || !whole {
			continue
		}
		if err := p.receiptAgain(ctx, t, id, sub, objects); err != nil {
			return fmt.Errorf("later receipt of %s: %w", sub.ID, err)
		}
	}
	return nil
}

// readBack reports whether the objects of a record are what the catalog says of them, as
// the last check found. They are read if there was none since the catalog was made anew.
func (p *Pipeline) readBack(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, objects []catalog.RecordObject) (bool, error) {
	last, err := t.View().Checked(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return false, nil // destroyed since
	}
	if err != nil || !last.At.IsZero() {
		return len(last.Findings) == 0, err
	}
	s, err := p.Store(ctx, t)
	if err != nil {
		return false, err
	}
	for _, o := range objects {
		have, err := s.Stat(ctx, o.Key, o.VersionID)
		if errors.Is(err, preservation.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if sum, err := preservation.StoredSHA256(ctx, s, have); err != nil || sum != o.SHA256 {
			return false, err
		}
	}
	return true, nil
}

// receiptAgain signs the later receipt and keeps it as the event that the record was
// copied. Of a record of which the checks found something wrong it says nothing: they do.
func (p *Pipeline) receiptAgain(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, sub catalog.Submission, objects []catalog.RecordObject) error {
	info, err := t.Info(ctx)
	if err != nil {
		return err
	}
	r, err := p.Sealer.ReadReceipt(sub.Receipt)
	if err != nil {
		return err
	}
	if r.SourceDeletion == "allowed" || unusable(r.Problems) || p.after(info.Settings) != afterReplicated {
		return nil
	}
	if sound, err := p.readBack(ctx, t, id, objects); err != nil || !sound {
		return err
	}
	record, err := t.View().Retention(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil // destroyed since
	}
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(sub.Receipt))
	now := p.Now().UTC().Truncate(time.Millisecond)
	r.Time, r.Copies, r.SourceDeletion, r.Follows = now, 2, "allowed", hex.EncodeToString(sum[:])
	r.Lock.Mode, r.Lock.Until = record.LockMode, record.LockUntil.UTC()
	payload, err := json.Marshal(r)
	if err != nil {
		return err
	}
	jws, err := p.Sealer.JWS(payload)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	body, err := json.Marshal(ledger.Receipt{JWS: jws, Submission: sub.ID, Version: sub.Version, Received: sub.Received,
		Package: r.Records[0].Package.Key, PackageSHA256: r.Records[0].Package.SHA256})
	if err != nil {
		return err
	}
	return p.AddEvent(ctx, t, id, preservation.EventObject{Record: id, Body: body, Event: preservation.Event{
		ID: laterEvent(sub.ID), Type: preservation.EventReplicate, At: now, Outcome: preservation.Success, Agent: agent,
		Detail: "package and receipt of version " + fmt.Sprint(sub.Version) + " stored at " + p.SecondCopy + ", read back with the same SHA-256"}})
}

// NewestReceipt is the receipt that says most: the later one, if there is one, else
// the first.
func (p *Pipeline) NewestReceipt(ctx context.Context, t *catalog.Tenant, sub catalog.Submission) (string, error) {
	if sub.Package {
		return p.newestOfPackage(ctx, t, sub)
	}
	if sub.RecordID == "" {
		return sub.Receipt, nil
	}
	key := LaterReceiptKey(sub.RecordID, sub.ID)
	if _, err := t.Object(ctx, sub.RecordID, key); errors.Is(err, catalog.ErrNotFound) {
		return sub.Receipt, nil
	} else if err != nil {
		return "", err
	}
	s, err := p.Store(ctx, t)
	if err != nil {
		return "", err
	}
	e, _, _, err := ledger.ReadEvent(ctx, s, key)
	if err != nil {
		return "", err
	}
	return storedReceipt(e)
}

// newestOfPackage signs a later receipt of a package when each of its records has
// one. It is not kept: all that it says stands in those, which are.
func (p *Pipeline) newestOfPackage(ctx context.Context, t *catalog.Tenant, sub catalog.Submission) (string, error) {
	if sub.Status != catalog.Archived || sub.Receipt == "" {
		return sub.Receipt, nil
	}
	first, err := p.Sealer.ReadReceipt(sub.Receipt)
	if err != nil || first.SourceDeletion == "allowed" {
		return sub.Receipt, err
	}
	parts, err := t.Parts(ctx, sub.ID)
	if err != nil {
		return "", err
	}
	for _, c := range parts { // the catalog knows, and nothing is read in vain
		if _, err := t.Object(ctx, c.RecordID, LaterReceiptKey(c.RecordID, c.ID)); errors.Is(err, catalog.ErrNotFound) {
			return sub.Receipt, nil
		} else if err != nil {
			return "", err
		}
	}
	r, _, err := p.composePackage(ctx, t, sub, parts)
	if err != nil || r.SourceDeletion != "allowed" {
		return sub.Receipt, err
	}
	sum := sha256.Sum256([]byte(sub.Receipt))
	r.Follows = hex.EncodeToString(sum[:])
	payload, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	return p.Sealer.JWS(payload)
}
