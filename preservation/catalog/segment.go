package catalog

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"bestand/preservation"
	"bestand/preservation/audit"
)

// AuditStored returns up to which entry the audit log stands in the bucket.
func (t *Tenant) AuditStored(ctx context.Context) (seq int64, err error) {
	err = t.db.reader.QueryRowContext(ctx, `SELECT stored FROM audit_head WHERE tenant = $1`, string(t.id)).Scan(&seq)
	return seq, found(err, "tenant", string(t.id))
}

// AuditFork is the error of RestoreAudit for entries that came from the bucket, while the
// catalog, which is older, has noted others of its own there.
type AuditFork struct {
	Seq   int64 // the first entry that does not go with the catalog
	Known bool  // a segment of the bucket is known that holds the other one
}

func (f *AuditFork) Error() string {
	return fmt.Sprintf("entry %d does not go with the entries that the catalog has", f.Seq)
}

// AcceptedBranch returns the branch beside the log (audit.AcceptFork) that an object of the
// bucket is, by its key and digest; ok is false where no person has accepted it. The digest
// is asked for only where there may be one.
func (v View) AcceptedBranch(ctx context.Context, key string, digest func() (string, error)) (b audit.Branch, ok bool, err error) {
	entries, err := v.Audited(ctx, audit.ActionAcceptFork, key)
	if err != nil || len(entries) == 0 {
		return b, false, err
	}
	sum, err := digest()
	if err != nil {
		return b, false, err
	}
	for _, e := range entries {
		if b, ok = e.Branch(); ok && b.SHA256 == sum {
			return b, true, nil
		}
	}
	return audit.Branch{}, false, nil
}

// RestoreAudit brings back the entries of a segment that was read from the bucket. Those
// that are there already stay as they are; the log goes on behind the last. Entries that
// a catalog older than the bucket has noted in their place are set aside, for ResumeAudit,
// if the segment may displace any; otherwise, and where another segment holds them or does
// not follow, an AuditFork is returned.
func (x *Tx) RestoreAudit(entries []AuditEntry, displace bool) error {
	known, err := x.View().AuditKnown(x.tx.ctx)
	if err != nil {
		return fmt.Errorf("restore audit: %w", err)
	}
	var fresh int64 // the first of those that came in and that none was there behind
	for n, e := range entries {
		added := int64(0)
		if n > 0 { // it follows the one before
			added, err = x.addAudit(e)
		}
		if err == nil && added == 0 {
			if err = x.makeRoom(e, known, displace); err == nil {
				added, err = x.addAudit(e)
			}
		}
		if added == 0 {
			fresh = 0
		} else if fresh == 0 {
			fresh = e.Seq
		}
		if err == nil {
			_, err = x.tx.exec(`UPDATE audit_head SET seq = $2, hash = $3, stored = $2 WHERE tenant = $1 AND seq < $2`, string(x.tenant), e.Seq, e.Hash)
		}
		if err != nil {
			return fmt.Errorf("restore audit: %w", err)
		}
	}
	if fresh == 0 {
		return nil
	}
	last, next := entries[len(entries)-1], ""
	if err := x.tx.queryRow(`SELECT COALESCE(MAX(prev), '') FROM audit WHERE tenant = $1 AND seq = $2`, string(x.tenant), last.Seq+1).Scan(&next); err != nil {
		return fmt.Errorf("restore audit: %w", err)
	}
	// They fill a gap, and are others than were there. What no segment is known of may be displaced.
	if next != "" && next != last.Hash && (!displace || known > last.Seq) {
		return fmt.Errorf("restore audit: %w", &AuditFork{Seq: fresh, Known: known > last.Seq})
	}
	return nil
}

func (x *Tx) addAudit(e AuditEntry) (int64, error) {
	detail := ""
	if len(e.Detail) > 0 {
		detail = toJSON(e.Detail)
	}
	return x.tx.exec(`INSERT INTO audit (tenant, seq, at_ms, actor, action, object, detail, prev, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (tenant, seq) DO NOTHING`,
		string(x.tenant), e.Seq, ms(e.At), e.Actor, e.Action, e.Object, detail, e.Prev, e.Hash)
}

// makeRoom sets aside what the catalog has noted in place of an entry, if it has: from
// there on, or all that no segment is known of where it has gone another way before.
func (x *Tx) makeRoom(e AuditEntry, known int64, displace bool) error {
	var before, have string
	err := x.tx.queryRow(`SELECT COALESCE(MAX(CASE WHEN seq = $2 THEN hash END), ''), COALESCE(MAX(CASE WHEN seq = $3 THEN hash END), '')
		FROM audit WHERE tenant = $1 AND seq BETWEEN $2 AND $3`, string(x.tenant), e.Seq-1, e.Seq).Scan(&before, &have)
	follows := before == e.Prev
	if err != nil || have == e.Hash || have == "" && follows {
		return err
	}
	if have == "" && before == "" {
		var own int
		err := x.tx.queryRow(`SELECT COUNT(*) FROM audit WHERE tenant = $1 AND seq > $2 AND seq < $3`, string(x.tenant), known, e.Seq).Scan(&own)
		if err != nil || own == 0 {
			return err // it stands behind a gap
		}
	}
	if known >= e.Seq || !displace {
		return &AuditFork{Seq: e.Seq, Known: known >= e.Seq}
	}
	if follows {
		return x.setAside(e.Seq)
	}
	return x.setAside(known + 1)
}

// setAside takes the entries from a number on out of the log. Their numbers are negative
// until they come back. What an attempt that was cut off has set aside comes back before.
func (x *Tx) setAside(from int64) error {
	if err := x.ResumeAudit(); err != nil {
		return err
	}
	if _, err := x.tx.exec(`UPDATE audit SET seq = -seq WHERE tenant = $1 AND seq >= $2`, string(x.tenant), from); err != nil {
		return err
	}
	_, err := x.tx.exec(`UPDATE audit_head SET seq = $2, hash = COALESCE((SELECT hash FROM audit WHERE tenant = $1 AND seq = $2), '') WHERE tenant = $1`,
		string(x.tenant), from-1)
	return err
}

// ResumeAudit appends what RestoreAudit has set aside behind the newest entry of the
// bucket: each with the number and the time that it had, and before them one that says so.
// It does so once: whoever opens a catalog may call it.
func (t *Tenant) ResumeAudit(ctx context.Context) error {
	return t.Update(ctx, (*Tx).ResumeAudit)
}

// ResumeAudit is Tenant.ResumeAudit in the same transaction.
func (x *Tx) ResumeAudit() error { return x.tx.resumeAudit(x.tenant) }

func (x *tx) resumeAudit(tenant preservation.TenantID) error {
	// What came back with a segment of the bucket that was read later is in the log.
	if _, err := x.exec(`DELETE FROM audit WHERE tenant = $1 AND seq < 0 AND EXISTS
		(SELECT 1 FROM audit l WHERE l.tenant = audit.tenant AND l.seq = -audit.seq AND l.hash = audit.hash)`, string(tenant)); err != nil {
		return err
	}
	rows, err := x.query(`SELECT seq, at_ms, actor, action, object, detail, prev, hash FROM audit WHERE tenant = $1 AND seq < 0 ORDER BY seq DESC`, string(tenant))
	aside, err := collect(rows, err, scanAudit)
	if err != nil || len(aside) == 0 {
		return err
	}
	if _, err := x.exec(`DELETE FROM audit WHERE tenant = $1 AND seq < 0`, string(tenant)); err != nil {
		return err
	}
	if err := x.audit(tenant, audit.Resumed(tenant, -aside[0].Seq, -aside[len(aside)-1].Seq)); err != nil {
		return err
	}
	for _, e := range aside {
		if err := x.audit(tenant, e.Again(-e.Seq)); err != nil {
			return err
		}
	}
	return nil
}

// RestoreTenant adds a tenant whose bucket was found, with an empty audit log
// that RestoreAudit fills. One that exists stays as it is.
func (db *DB) RestoreTenant(ctx context.Context, info TenantInfo) error {
	return db.write(ctx, func(x *tx) error {
		if _, err := x.exec(`INSERT INTO tenant (id, name, settings, created_ms) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING`,
			string(info.ID), info.Name, toJSON(info.Settings), ms(db.now())); err != nil {
			return err
		}
		_, err := x.exec(`INSERT INTO audit_head (tenant, seq, hash) VALUES ($1, 0, '') ON CONFLICT (tenant) DO NOTHING`, string(info.ID))
		return err
	})
}

// KindTenant is the kind of the document, of the same name, that holds the
// tenant's own description (TenantInfo).
const KindTenant = "tenant"

// DescribeTenant stores the tenant's description as the next version of its
// document, so that the bucket tells it, and puts it into force.
func (t *Tenant) DescribeTenant(ctx context.Context, info TenantInfo, actor string) error {
	info.ID = t.id
	return t.Update(ctx, func(x *Tx) error {
		if err := x.tx.lockTenants(); err != nil {
			return err
		}
		return x.describe(info, actor, nil)
	})
}

// AmendTenant changes the description that is in force, as DescribeTenant does, and
// returns what came of it. What changes nothing stores nothing. ErrConflict when another
// tenant goes by the name that this one is given. change may run more than once.
func (t *Tenant) AmendTenant(ctx context.Context, actor string, change func(*TenantInfo)) (info TenantInfo, err error) {
	err = t.Update(ctx, func(x *Tx) error {
		if err := x.tx.lockTenants(); err != nil {
			return err
		}
		was, err := scanTenant(x.tx.queryRow(`SELECT id, name, settings, created_ms FROM tenant WHERE id = $1`, string(t.id)))
		if err != nil {
			return found(err, "tenant", string(t.id))
		}
		info = was
		if change(&info); info == was {
			return nil
		}
		detail := map[string]string{}
		if info.Name != was.Name {
			if err := x.tx.alone(info); err != nil {
				return err
			}
			detail["name"] = info.Name
		}
		for name, of := range map[string]func(Settings) string{
			"setup":         func(s Settings) string { return s.Setup },
			"seal":          func(s Settings) string { return s.Seal },
			"no_rendition":  func(s Settings) string { return s.NoRendition },
			"receipt_after": func(s Settings) string { return s.ReceiptAfter },
			"zone":          func(s Settings) string { return s.Zone },
		} {
			if now := of(info.Settings); now != of(was.Settings) {
				detail[name] = cmp.Or(now, "default")
			}
		}
		return x.describe(info, actor, detail)
	})
	return info, err
}

// describe stores a description and puts it into force; detail goes to the audit log. It
// needs lockTenants.
func (x *Tx) describe(info TenantInfo, actor string, detail map[string]string) error {
	body, err := json.Marshal(info)
	if err != nil {
		return err
	}
	version := 1
	if d, err := x.View().Document(x.tx.ctx, KindTenant, KindTenant, 0); err == nil {
		version = d.Version + 1
	}
	now := x.tx.db.now()
	key := preservation.ConfigKey(preservation.NewID(now))
	if err := x.AddDocument(Document{Kind: KindTenant, Name: KindTenant, Version: version, Key: key, Body: body, Actor: actor, At: ms(now)}); err != nil {
		return err
	}
	if err := x.applyTenant(info); err != nil {
		return err
	}
	return x.Audit(AuditEntry{Actor: actor, Action: "tenant.describe", Object: string(x.tenant), Detail: detail})
}

// RestoreDescription puts the newest description that the bucket holds into force.
func (t *Tenant) RestoreDescription(ctx context.Context) error {
	return t.Update(ctx, func(x *Tx) error {
		d, err := x.View().Document(x.tx.ctx, KindTenant, KindTenant, 0)
		if err != nil {
			return err
		}
		var info TenantInfo
		if err := json.Unmarshal(d.Body, &info); err != nil {
			return fmt.Errorf("description of tenant %s: %w", t.id, err)
		}
		return x.applyTenant(info)
	})
}

func (x *Tx) applyTenant(info TenantInfo) error {
	_, err := x.tx.exec(`UPDATE tenant SET name = $2, settings = $3, created_ms = CASE WHEN CAST($4 AS BIGINT) > 0 THEN CAST($4 AS BIGINT) ELSE created_ms END WHERE id = $1`,
		string(x.tenant), info.Name, toJSON(info.Settings), ms(info.Created))
	return err
}
