package proof

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
)

// Segments of the audit log are leaves of the same stamps as records: the data group
// of a segment and its seal, under the segment's key and version 0.

// idle is after how long segments that no record goes with get a stamp of their own:
// what stamping itself writes to the log must not have the next batch stamped.
const idle = 24 * time.Hour

// Segment puts together the evidence record of a segment of the audit log over its
// content and its seal: ErrPending when no stamp covers it yet.
func (n *Notary) Segment(ctx context.Context, t *catalog.Tenant, key string) (*evidence.Record, error) {
	store, err := n.Store(ctx, t)
	if err != nil {
		return nil, err
	}
	return newAssembly(t).record(ctx, key, 0, time.Time{}, func(h crypto.Hash) ([][]byte, error) { return segmentGroup(ctx, store, key, h) })
}

// addSegments adds to a stamp the sealed segments that none holds. Where there is no
// stamp, one that can be read and has waited for long opens a new one, and those behind
// it go with it.
func (n *Notary) addSegments(ctx context.Context, t *catalog.Tenant, store preservation.Store, s *catalog.Stamp, h crypto.Hash, most int) error {
	var leaves []catalog.StampLeaf
	for after := ""; len(leaves) < most; {
		waiting, err := t.View().WaitingAudit(ctx, true, after, most-len(leaves))
		if err != nil {
			return err
		}
		if len(waiting) == 0 {
			break
		}
		for _, w := range waiting {
			after = w.Key
			if s.ID == "" && len(leaves) == 0 && n.Now().Sub(w.Stored) < idle {
				continue
			}
			group, err := segmentGroup(ctx, store, w.Key, h)
			if err != nil && (!urgent(ctx, err) || preservation.OfOne(ctx, store, audit.Prefix, err)) {
				n.Log.ErrorContext(ctx, "segment of the audit log cannot be stamped", "key", w.Key, "err", err)
				continue
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", w.Key, err)
			}
			leaves = append(leaves, catalog.StampLeaf{Subject: w.Key, Digest: evidence.GroupDigest(h, group)})
		}
	}
	return n.add(ctx, t, s, h, leaves)
}

// segmentGroup returns the digests of a segment and of its seal.
func segmentGroup(ctx context.Context, store preservation.Store, key string, h crypto.Hash) (group [][]byte, err error) {
	for _, k := range []string{key, key + audit.SealSuffix} {
		body, err := store.Open(ctx, k, "", 0, -1)
		if err != nil {
			return nil, err
		}
		w := h.New()
		_, err = io.Copy(w, body)
		if err := errors.Join(err, body.Close()); err != nil {
			return nil, err
		}
		group = append(group, w.Sum(nil))
	}
	return group, nil
}
