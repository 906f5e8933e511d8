package retention

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// The catalog decides what is destroyed, and a row of it can be changed by hand
// or by a disk. What the decision rests on stands in the bucket a second time,
// under lock: rules, holds and permits below cfg/, the dates of a record in its
// package. Before anything is destroyed both have to say the same.

// checkPlan refuses to act on a plan that is not the one in the bucket.
func (d *Disposer) checkPlan(ctx context.Context, t *catalog.Tenant) error {
	v, err := d.Vault(ctx, t)
	if err != nil {
		return err
	}
	if err := d.settled(ctx, t); err != nil {
		return err
	}
	for _, kind := range []string{KindScheme, KindRule, KindHold, KindPermit} {
		docs, err := t.View().Documents(ctx, kind)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			same, err := d.attested(ctx, t, v, doc)
			if err != nil {
				return fmt.Errorf("compare %s %s with the bucket: %w", kind, doc.Name, err)
			}
			if !same {
				return &Stopped{Reason: fmt.Sprintf("%s %s, version %d, is not in the catalog as it stands in the bucket (%s): stop the service and run bestand check",
					kind, doc.Name, doc.Version, doc.Key)}
			}
		}
	}
	return nil
}

// settled wants every document in the bucket: one that somebody wrote just now is
// on its way there, by its writer or by the job "configure".
func (d *Disposer) settled(ctx context.Context, t *catalog.Tenant) error {
	waiting, err := t.View().UnstoredDocuments(ctx, 1)
	if err == nil && len(waiting) > 0 {
		return &catalog.Later{Until: d.Officer.Now().Add(time.Minute), Reason: "the newest rules, holds and permits are not in the bucket yet"}
	}
	return err
}

// attested reports whether a document stands in the bucket as in the catalog. One
// that came while others were compared is no difference.
func (d *Disposer) attested(ctx context.Context, t *catalog.Tenant, s preservation.Store, doc catalog.Document) (bool, error) {
	same, err := attested(ctx, s, doc)
	if err != nil || same {
		return same, err
	}
	if err := d.settled(ctx, t); err != nil {
		return false, err
	}
	return attested(ctx, s, doc)
}

// attested reports whether a document stands in the bucket as in the catalog.
func attested(ctx context.Context, s preservation.Store, doc catalog.Document) (bool, error) {
	o, err := s.Stat(ctx, doc.Key, "")
	if errors.Is(err, preservation.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	data, err := read(ctx, s, o, max(o.Size, 1))
	if err != nil {
		return false, err
	}
	c, err := preservation.DecodeConfigObject(data)
	if err != nil {
		return false, nil
	}
	var have, want bytes.Buffer
	if json.Compact(&have, doc.Body) != nil || json.Compact(&want, c.Body) != nil {
		return false, nil
	}
	return c.Kind == doc.Kind && c.Name == doc.Name && c.Version == doc.Version && bytes.Equal(have.Bytes(), want.Bytes()), nil
}

// checkFacts refuses to destroy a record whose row says something else than its
// package and its event objects about what decides on its end.
func (d *Disposer) checkFacts(ctx context.Context, t *catalog.Tenant, v Vault, id preservation.RecordID) error {
	if d.Packaged == nil {
		return nil
	}
	row, err := t.View().Retention(ctx, id)
	if err != nil {
		return err
	}
	rec, err := d.Packaged(ctx, v, id, row.Version)
	if err != nil {
		return fmt.Errorf("compare record %s with its package: %w", id, err)
	}
	if rec.Class, err = classIn(ctx, v, id, rec.Class); err != nil {
		return fmt.Errorf("compare record %s with the bucket: %w", id, err)
	}
	if rec.ID != id || rec.Version != row.Version || rec.Class != row.Class || rec.Parent != row.Parent || rec.Opened != row.Opened || rec.Closed != row.Closed || !slices.Equal(rec.Subjects, row.Subjects) {
		return fmt.Errorf("record %s: %w: the catalog has another class, date or file of it than its package; it is kept: verify it", id, preservation.ErrCorrupt)
	}
	return nil
}
