package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
)

// StoreAudit writes the entries of the audit log that are not in the bucket yet
// as segments (package audit). What an attempt that was cut off has written counts.
func StoreAudit(ctx context.Context, t *catalog.Tenant, s preservation.Store, lock preservation.Lock) error {
	for {
		at, err := t.View().AuditKnown(ctx)
		if err != nil {
			return err
		}
		entries, err := t.AuditLog(ctx, at, "", audit.MaxEntries)
		if err != nil || len(entries) == 0 {
			return err
		}
		segment, err := adopt(ctx, t, s, at, entries)
		if errors.Is(err, preservation.ErrNotFound) {
			segment, err = storeSegment(ctx, t, s, entries, lock)
		}
		if err != nil {
			return fmt.Errorf("store audit segment: %w", err)
		}
		if err := t.Update(ctx, func(x *catalog.Tx) error { return x.AddAuditSegment(segment) }); err != nil {
			return err
		}
	}
}

func storeSegment(ctx context.Context, t *catalog.Tenant, s preservation.Store, entries []audit.Entry, lock preservation.Lock) (catalog.AuditSegment, error) {
	first, last := entries[0], entries[len(entries)-1]
	data, err := audit.Encode(t.ID(), entries)
	if err != nil {
		return catalog.AuditSegment{}, err
	}
	segment := catalog.AuditSegment{Key: audit.Key(first.At, first.Seq, last.Seq), First: first.Seq, Last: last.Seq, SHA256: hex256(data)}
	o, err := s.Put(ctx, segment.Key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: segment.SHA256, Lock: lock, ContentType: "application/jsonl"})
	segment.Stored = o.Modified
	return segment, err
}

// adopt returns the segment of the bucket that begins with the first of some entries
// and holds them, the longest of several; ErrNotFound when there is none. Its key may
// have another year than the entries: those of a catalog that is older than the bucket
// were made later than what stands there.
func adopt(ctx context.Context, t *catalog.Tenant, s preservation.Store, known int64, entries []audit.Entry) (segment catalog.AuditSegment, err error) {
	from, to := entries[0].At, t.DB().Now()
	if known > 0 {
		before, err := t.AuditLog(ctx, known-1, "", 1)
		if err != nil {
			return segment, err
		}
		if len(before) > 0 && before[0].At.Before(from) {
			from = before[0].At
		}
	}
	if to.Before(entries[0].At) {
		to = entries[0].At
	}
	for year := from.UTC().Year() - 1; year <= to.UTC().Year()+1; year++ {
		for o, err := range s.Versions(ctx, audit.KeysFrom(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), entries[0].Seq)) {
			if err != nil {
				return segment, err
			}
			first, last, ok := audit.ParseName(path.Base(o.Key))
			if ok && !o.Marker && last > segment.Last {
				segment = catalog.AuditSegment{Key: o.Key, First: first, Last: last, Stored: o.Modified}
			}
		}
	}
	if segment.Key == "" {
		return segment, preservation.ErrNotFound
	}
	data, _, err := read(ctx, s, segment.Key, audit.MaxSegment)
	if err != nil {
		return segment, err
	}
	_, have, err := audit.Decode(data)
	if err != nil {
		return segment, fmt.Errorf("%s: %w: %w", segment.Key, preservation.ErrCorrupt, err)
	}
	same := func(a, b audit.Entry) bool { return a.Seq == b.Seq && a.Hash == b.Hash }
	if len(have) > len(entries) || !slices.EqualFunc(have, entries[:len(have)], same) {
		return segment, fmt.Errorf("%s holds other entries than the catalog has, which must be older than the bucket: stop the service and run bestand rebuild, which takes up what the bucket has and goes on behind it: %w", segment.Key, preservation.ErrCorrupt)
	}
	segment.SHA256 = hex256(data)
	return segment, nil
}

// SealAudit puts a detached seal beside each segment that has none yet. What is wrong
// with one is said and does not keep the others waiting; an outage does.
func SealAudit(ctx context.Context, t *catalog.Tenant, s preservation.Store, lock preservation.Lock, seal func(ctx context.Context, content []byte) ([]byte, error)) error {
	var wrong []error
	after, progress := "", true
	for progress {
		waiting, err := t.View().WaitingAudit(ctx, false, after, 100)
		if err != nil {
			return errors.Join(append(wrong, err)...)
		}
		progress = false // without any in a whole page, the fault is hardly that of the segments
		for _, w := range waiting {
			after = w.Key
			sum, err := sealSegment(ctx, s, w, lock, seal)
			if err == nil {
				err = t.Update(ctx, func(x *catalog.Tx) error { return x.SealAudit(w.Key, sum) })
			}
			if err == nil {
				progress = true
				continue
			}
			wrong = append(wrong, fmt.Errorf("seal %s: %w", w.Key, err))
			ends := errors.Is(err, preservation.ErrUnavailable) || errors.Is(err, preservation.ErrClock)
			if ctx.Err() != nil || ends && !preservation.OfOne(ctx, s, audit.Prefix, err) {
				return errors.Join(wrong...)
			}
		}
	}
	return errors.Join(wrong...)
}

// sealSegment seals one segment and returns the digest of the seal: that of an earlier
// attempt, if there is one.
func sealSegment(ctx context.Context, s preservation.Store, w catalog.AuditSegment, lock preservation.Lock, seal func(context.Context, []byte) ([]byte, error)) (string, error) {
	data, _, err := read(ctx, s, w.Key, audit.MaxSegment)
	if err != nil {
		return "", err
	}
	if hex256(data) != w.SHA256 {
		return "", fmt.Errorf("%w: its bytes are not those that were stored", preservation.ErrCorrupt)
	}
	key := w.Key + audit.SealSuffix
	have, _, err := read(ctx, s, key, maxSeal)
	if err == nil {
		return hex256(have), nil
	}
	if !errors.Is(err, preservation.ErrNotFound) {
		return "", err
	}
	p7s, err := seal(ctx, data)
	if err != nil {
		return "", err
	}
	_, err = s.Put(ctx, key, bytes.NewReader(p7s), preservation.PutOptions{Size: int64(len(p7s)), SHA256: hex256(p7s), Lock: lock, ContentType: "application/pkcs7-signature"})
	if errors.Is(err, preservation.ErrExists) { // another program was faster: that one counts
		if p7s, _, err = read(ctx, s, key, maxSeal); err != nil {
			return "", err
		}
	}
	return hex256(p7s), err
}

// maxSeal is the most bytes of a seal.
const maxSeal = 16 << 20

func hex256(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// restoreAudit reads the segments back, oldest first, and their seals. The log goes on
// behind the newest: what a catalog that is older than the bucket has noted instead is
// appended there.
func (b *rebuild) restoreAudit(ctx context.Context) error {
	for o, err := range b.objects(ctx, audit.Prefix) {
		if err != nil {
			return err
		}
		data, ok, err := b.small(ctx, o, audit.MaxSegment)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if segment, ok := strings.CutSuffix(o.Key, audit.SealSuffix); ok {
			if err := b.tenant.Update(ctx, func(x *catalog.Tx) error { return x.SealAudit(segment, hex256(data)) }); err != nil {
				return err
			}
			continue
		}
		_, entries, err := audit.Decode(data)
		if err != nil || len(entries) == 0 {
			b.problem(o.Key, "unreadable-audit", fmt.Sprintf("no segment of an audit log: %v", err))
			continue
		}
		segment := catalog.AuditSegment{Key: o.Key, First: entries[0].Seq, Last: entries[len(entries)-1].Seq, SHA256: hex256(data), Stored: o.Modified}
		err = b.tenant.Update(ctx, func(x *catalog.Tx) error {
			if err := x.RestoreAudit(entries); err != nil {
				return err
			}
			return x.AddAuditSegment(segment)
		})
		if err != nil {
			return err
		}
	}
	return b.tenant.ResumeAudit(ctx)
}
