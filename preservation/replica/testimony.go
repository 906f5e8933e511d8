package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// CodeMissing is the finding about an object that the second copy had and has no more.
const CodeMissing = "copy-missing"

// Codes of findings about a record of which the second copy tells something that the
// archive does not know, as after a restore from an older backup.
const (
	CodeTombstone = "copy-tombstone" // it was destroyed
	CodeHeld      = "copy-hold"      // it is under a legal hold, and no release is noted
)

// unknown reads the events of a record that a bucket has and the catalog does not know.
// One that cannot be read is an error: it may tell of the end of the record, or of a hold.
func unknown(ctx context.Context, t *catalog.Tenant, s preservation.Store, id preservation.RecordID) ([]preservation.EventObject, error) {
	known, err := t.Objects(ctx, id)
	if err != nil {
		return nil, err
	}
	var all []preservation.EventObject
	last := ""
	for o, err := range s.Versions(ctx, preservation.EventPrefix(id)) {
		if err != nil {
			return nil, err
		}
		if o.Marker || o.Key == last || slices.ContainsFunc(known, func(k catalog.RecordObject) bool { return k.Key == o.Key }) {
			continue
		}
		last = o.Key
		e, at, sum, err := ledger.ReadEvent(ctx, s, o.Key)
		switch {
		case errors.Is(err, preservation.ErrNotFound): // gone since
		case err != nil:
			return nil, err
		case at.SHA256 != "" && at.SHA256 != sum:
			return nil, fmt.Errorf("%s has SHA-256 %s, stored was %s: %w", o.Key, sum, at.SHA256, preservation.ErrCorrupt)
		case e.Record != id || o.Key != preservation.EventKey(id, e.Event.ID):
			return nil, fmt.Errorf("%s tells of record %s: %w", o.Key, e.Record, preservation.ErrUnreadable)
		default:
			all = append(all, e)
		}
	}
	return all, nil
}

// CameBack is the error, and the finding, about a record that lives, while the second
// copy holds the proof that it was destroyed.
type CameBack struct {
	Record    preservation.RecordID
	Proof     string // key
	Destroyed time.Time
}

func (c *CameBack) Error() string {
	return fmt.Sprintf("the second copy holds the proof %s that the record was destroyed on %s, and the archive has it again, as from an older backup: nothing of it is copied. "+
		"Restore once more with the flags of the second copy (--copy-endpoint), which leaves out what was destroyed, or have the record destroyed again", c.Proof, c.Destroyed.UTC().Format(time.RFC3339))
}

// Finding is what stands in the catalog about it.
func (c *CameBack) Finding() preservation.Finding {
	return preservation.Finding{Code: CodeTombstone, Severity: preservation.Failed, Subject: c.Proof, Detail: c.Error()}
}

// note keeps the finding, and tells the audit log of one that was not known.
func (c *CameBack) note(x *catalog.Tx) (added bool, err error) {
	if added, err = x.AddFinding(c.Record, c.Finding()); err != nil || !added {
		return false, err
	}
	return true, x.Audit(catalog.AuditEntry{Actor: "system", Action: "copy.refuse", Object: string(c.Record), Detail: map[string]string{"proof": c.Proof}})
}

// Returned looks for the proof in the second copy that a record which lives was
// destroyed; nil when there is none.
func Returned(ctx context.Context, t *catalog.Tenant, second preservation.Store, id preservation.RecordID) (*CameBack, error) {
	told, err := unknown(ctx, t, second, id)
	if err != nil {
		return nil, err
	}
	for _, e := range told {
		if e.Event.Type == preservation.EventDelete {
			return &CameBack{id, preservation.EventKey(id, e.Event.ID), e.Event.At}, nil
		}
	}
	return nil, nil
}

// Released reports whether the last that is told of legal holds on a record is that
// they were released: in the catalog, or in an event that one of the buckets has.
func Released(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, buckets ...preservation.Store) (bool, error) {
	events, err := t.Events(ctx, id)
	if err != nil {
		return false, err
	}
	for _, b := range buckets {
		told, err := unknown(ctx, t, b, id)
		if err != nil {
			return false, err
		}
		for _, e := range told {
			events = append(events, e.Event)
		}
	}
	var last preservation.Event
	for _, e := range events {
		if e.Type == preservation.EventHold && e.At.After(last.At) {
			last = e
		}
	}
	return last.Detail == preservation.HoldReleased, nil
}
