package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

const (
	auditPrefix = "audit/"
	segmentMax  = 5000     // entries of a segment
	segmentSize = 64 << 20 // bytes
)

// StoreAudit writes the entries of the audit log that are not in the bucket yet
// as segments: audit/<yyyy>/<first>-<last>.jsonl, one entry a line. The chain of
// hashes goes on from one segment to the next.
func StoreAudit(ctx context.Context, t *catalog.Tenant, s preservation.Store, lock preservation.Lock) error {
	for {
		at, err := t.AuditStored(ctx)
		if err != nil {
			return err
		}
		entries, err := t.AuditLog(ctx, at, "", segmentMax)
		if err != nil || len(entries) == 0 {
			return err
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		for _, e := range entries {
			if err := enc.Encode(e); err != nil {
				return err
			}
		}
		first, last := entries[0], entries[len(entries)-1]
		key := fmt.Sprintf("%s%04d/%012d-%012d.jsonl", auditPrefix, first.At.Year(), first.Seq, last.Seq)
		h := sha256.Sum256(b.Bytes())
		_, err = s.Put(ctx, key, bytes.NewReader(b.Bytes()), preservation.PutOptions{
			Size: int64(b.Len()), SHA256: hex.EncodeToString(h[:]), Lock: lock, ContentType: "application/jsonl"})
		if errors.Is(err, preservation.ErrExists) {
			err = sameObject(ctx, s, key, b.Bytes())
		}
		if err != nil {
			return fmt.Errorf("store audit segment: %w", err)
		}
		if err := t.Update(ctx, func(x *catalog.Tx) error { return x.SetAuditStored(last.Seq) }); err != nil {
			return err
		}
	}
}

// sameObject accepts what an earlier attempt wrote if it is the same.
func sameObject(ctx context.Context, s preservation.Store, key string, data []byte) error {
	have, _, err := read(ctx, s, key, segmentSize)
	if err == nil && !bytes.Equal(have, data) {
		err = fmt.Errorf("%s holds other bytes: %w", key, preservation.ErrCorrupt)
	}
	return err
}

// restoreAudit reads the segments back, oldest first.
func (b *rebuild) restoreAudit(ctx context.Context) error {
	for o, err := range b.objects(ctx, auditPrefix) {
		if err != nil {
			return err
		}
		data, ok, err := b.small(ctx, o, segmentSize)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		var entries []catalog.AuditEntry
		dec := json.NewDecoder(bytes.NewReader(data))
		for {
			var e catalog.AuditEntry
			if err = dec.Decode(&e); err != nil {
				break
			}
			entries = append(entries, e)
		}
		if err != io.EOF {
			b.problem(o.Key, "unreadable-audit", err.Error())
			continue
		}
		if err := b.tenant.Update(ctx, func(x *catalog.Tx) error { return x.RestoreAudit(entries) }); err != nil {
			return err
		}
	}
	return nil
}
