package proof

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"path"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
)

// Codes of findings about the audit log, beside those of package audit.
const (
	CodeAuditMissing = "audit-missing" // the catalog knows it, the bucket does not have it
	CodeAuditUnknown = "audit-unknown" // the other way round
	CodeAuditDiffers = "audit-differs" // bucket and catalog have something else
	CodeAuditWaiting = "audit-waiting" // notice: entries that no segment has yet
)

// Segments yields what the bucket holds of the audit log, with seals and evidence
// records, in the order of their entries. Of a segment that was damaged and written
// again it yields the newest version.
func (n *Notary) Segments(ctx context.Context, t *catalog.Tenant) iter.Seq2[audit.Segment, error] {
	return func(yield func(audit.Segment, error) bool) {
		var all []segmentVersion
		store, err := n.Store(ctx, t)
		if err == nil {
			all, err = segmentVersions(ctx, store)
		}
		if err != nil {
			yield(audit.Segment{}, err)
			return
		}
		for _, v := range all {
			s, err := n.segment(ctx, t, store, v)
			if v.surplus {
				s.Fault = "the key has more than one version, or a delete marker: something wrote here that must not"
			}
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// segmentVersion is a version of a segment in the bucket, or a delete marker.
type segmentVersion struct {
	key, id string // the latter empty for a marker
	first   int64  // entry by its name; behind all others where it tells none
	surplus bool
}

// segmentVersions lists the segments in the order of their entries, which is not that
// of the keys where a clock went back over a new year.
func segmentVersions(ctx context.Context, store preservation.Store) (all []segmentVersion, err error) {
	var last preservation.Object
	for o, err := range store.Versions(ctx, audit.Prefix) {
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(o.Key, audit.SealSuffix) && !o.Marker {
			continue
		}
		again := o.Key == last.Key
		if again && !o.Marker {
			old, err := preservation.Superseded(ctx, store, o, last)
			if err != nil {
				return nil, err
			}
			if old {
				continue
			}
		}
		last = o
		v := segmentVersion{key: o.Key, id: o.VersionID, surplus: again || o.Marker}
		if o.Marker {
			v.id = ""
		}
		if v.first, _, _ = audit.ParseName(path.Base(o.Key)); v.first == 0 {
			v.first = math.MaxInt64
		}
		all = append(all, v)
	}
	slices.SortStableFunc(all, func(a, b segmentVersion) int { return cmp.Compare(a.first, b.first) })
	return all, nil
}

func (n *Notary) segment(ctx context.Context, t *catalog.Tenant, store preservation.Store, v segmentVersion) (s audit.Segment, err error) {
	s.Name = v.key
	if v.id == "" {
		return s, nil
	}
	// What is wrong with one object keeps nobody from the others.
	fault := func(what string, err error) error {
		if !errors.Is(err, preservation.ErrNotFound) && !errors.Is(err, preservation.ErrCorrupt) && !preservation.OfOne(ctx, store, audit.Prefix, err) {
			return err
		}
		if s.Fault == "" {
			s.Fault = fmt.Sprintf("%s: %v", what, err)
		}
		return nil
	}
	if s.Content, err = whole(ctx, store, v.key, v.id); err != nil {
		s.Content = nil
		return s, fault("it cannot be read", err)
	}
	s.Seal, err = whole(ctx, store, v.key+audit.SealSuffix, "")
	if err != nil && !errors.Is(err, preservation.ErrNotFound) {
		if s.Seal, err = nil, fault("its seal cannot be read", err); err != nil {
			return s, err
		}
	}
	s.Evidence, err = n.Segment(ctx, t, v.key)
	switch {
	case errors.Is(err, ErrPending):
	case err != nil:
		return s, fault("its evidence cannot be made", err)
	}
	return s, nil
}

// whole reads a segment or a seal.
func whole(ctx context.Context, store preservation.Store, key, version string) ([]byte, error) {
	_, body, err := store.Get(ctx, key, version)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, audit.MaxSegment+1))
	if err == nil && len(data) > audit.MaxSegment {
		err = fmt.Errorf("%s: %w: more than %d bytes", key, preservation.ErrCorrupt, audit.MaxSegment)
	}
	return data, err
}

// VerifyAudit verifies the whole audit log of a tenant: the chain of hashes in the
// catalog and in the bucket, that both have the same, seals and evidence. It reports
// the findings of each segment under its key, and those about the catalog under
// "catalog". An error says that store or catalog could not be asked.
func (n *Notary) VerifyAudit(ctx context.Context, t *catalog.Tenant, roots *x509.CertPool, report func(name string, findings []preservation.Finding) error) error {
	rows := map[string]catalog.AuditSegment{}
	for after := ""; ; {
		page, err := t.View().AuditSegments(ctx, after, 1000)
		if err != nil {
			return err
		}
		for _, r := range page {
			rows[r.Key], after = r, r.Key
		}
		if len(page) < 1000 {
			break
		}
	}
	chain := audit.Chain{Check: audit.Check{Tenant: t.ID(), Roots: roots, At: n.Now(), Suitable: n.Suitable}}
	for s, err := range n.Segments(ctx, t) {
		if err != nil {
			return err
		}
		var more []preservation.Finding
		if s.Beside, err = n.beside(ctx, t, s, rows); err == nil && !s.Beside {
			more, err = n.compare(ctx, t, s, rows)
		}
		if err != nil {
			return err
		}
		found := chain.Add(s)
		delete(rows, s.Name)
		if err := report(s.Name, append(found, more...)); err != nil {
			return err
		}
	}
	found, err := t.VerifyAudit(ctx)
	if err != nil {
		return err
	}
	for key := range rows {
		found = append(found, auditFinding(preservation.Failed, CodeAuditMissing, key, "the catalog says that it stands in the bucket"))
	}
	rest, err := t.AuditLog(ctx, chain.Last.Seq, "", audit.MaxEntries)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		found = append(found, audit.History("", rest)...)
		found = append(found, auditFinding(preservation.Notice, CodeAuditWaiting, "", fmt.Sprintf("the entries from %d on are in the catalog alone; within minutes they go to the bucket", rest[0].Seq)))
	}
	return report("catalog", found)
}

// beside reports whether a segment that the catalog does not know is a branch that a person
// accepted.
func (n *Notary) beside(ctx context.Context, t *catalog.Tenant, s audit.Segment, rows map[string]catalog.AuditSegment) (bool, error) {
	if _, known := rows[s.Name]; known || s.Content == nil {
		return false, nil
	}
	_, ok, err := t.View().AcceptedBranch(ctx, s.Name, func() (string, error) { return digestOf(s.Content), nil })
	return ok, err
}

// compare holds a segment of the bucket against the catalog.
func (n *Notary) compare(ctx context.Context, t *catalog.Tenant, s audit.Segment, rows map[string]catalog.AuditSegment) (found []preservation.Finding, err error) {
	differs := func(format string, args ...any) {
		found = append(found, auditFinding(preservation.Failed, CodeAuditDiffers, s.Name, fmt.Sprintf(format, args...)))
	}
	row, known := rows[s.Name]
	switch {
	case !known:
		// Of a former release, or written and not noted yet: the chain says whether it belongs here.
		found = append(found, auditFinding(preservation.Notice, CodeAuditUnknown, s.Name, "the catalog does not know this segment"))
	case s.Content == nil: // the chain says why
	case digestOf(s.Content) != row.SHA256:
		differs("SHA-256 is %s, the catalog has noted %s", digestOf(s.Content), row.SHA256)
	}
	if known && row.Seal != "" && digestOf(s.Seal) != row.Seal {
		differs("the seal is another one than the catalog has noted, or is missing")
	}
	_, entries, _ := audit.Decode(s.Content) // what is wrong with it, the chain says
	if len(entries) == 0 {
		return found, nil
	}
	log, err := t.AuditLog(ctx, entries[0].Seq-1, "", len(entries))
	if err != nil {
		return found, err
	}
	for i, e := range entries {
		if i >= len(log) || log[i].Seq != e.Seq || log[i].Hash != e.Hash {
			differs("entry %d and those behind it are others in the catalog, or are missing there: bestand rebuild takes up what the archive has sealed; what that calls audit-fork a person looks at, and bestand audit accept-fork leaves it beside the log", e.Seq)
			break
		}
	}
	return found, nil
}

func digestOf(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

func auditFinding(sev preservation.Severity, code, subject, detail string) preservation.Finding {
	return preservation.Finding{Code: code, Severity: sev, Subject: subject, Detail: detail, Clause: audit.Clause}
}
