package audit

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"path"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/evidence"
	"bestand/preservation/timestamp"
)

// Codes of findings, beside those of packages cades and evidence.
const (
	CodeEntries    = "audit-entries"    // passed: they follow each other
	CodeUnreadable = "audit-unreadable" // no segment, or one that was cut off
	CodeName       = "audit-name"       // holds other entries than its name says
	CodeGap        = "audit-gap"        // entries are missing
	CodeRepeated   = "audit-repeated"   // an entry stands there again, or out of order
	CodeChain      = "audit-chain"      // an entry does not follow its predecessor
	CodeOverlap    = "audit-overlap"    // notice: the same entries stand in two segments
	CodeChanged    = "audit-changed"    // an entry has another hash than it states
	CodeFault      = "audit-fault"      // its archive says what
	CodeUnproven   = "audit-unproven"   // neither seal nor evidence: anybody could have made it
	CodeUnsealed   = "audit-unsealed"   // evidence, and no seal
	CodeUnstamped  = "audit-unstamped"  // a seal, and no evidence
	CodeSealed     = "audit-sealed"     // passed: the seal stands
	CodeStamped    = "audit-stamped"    // passed: the evidence stands
)

// Clause asks for what a log is checked for: that entries are protected against
// deletion and change.
const Clause = "ISO/IEC 27002:2022, 8.15"

// Grace is how long an entry may wait for a seal: as long as a time-stamping
// authority may be away.
const Grace = 48 * time.Hour

// named is how many changed entries of a segment are named one by one.
const named = 20

// Segment is a part of a log with what proves it.
type Segment struct {
	Name     string // a key, or a path that ends like one
	Content  []byte
	Seal     []byte           // nil: there is none
	Evidence *evidence.Record // over content and seal; nil: there is none
	Fault    string           // what its archive found wrong with it; empty: nothing
	Beside   bool             // an entry of the log accepted that it is no part of it (Branch)
}

// Covers reports whether an evidence record is about some content, by itself or in a
// group. It does not say that the record proves anything.
func Covers(r *evidence.Record, content []byte) bool {
	first := r.Chains[0][0]
	token, err := timestamp.Parse(first.Token)
	if err != nil {
		return false
	}
	h := token.Hash
	if first.Digest.OID != nil {
		h = first.Digest.Hash
	}
	if h == 0 {
		return false
	}
	w := h.New()
	w.Write(content)
	sum := w.Sum(nil)
	if len(first.Tree) == 0 {
		return bytes.Equal(sum, token.Imprint)
	}
	return slices.ContainsFunc(first.Tree[0], func(d []byte) bool { return bytes.Equal(d, sum) })
}

// Check says what a log is held against.
type Check struct {
	Tenant preservation.TenantID // of segments that name none
	// Roots are the trust anchors of seals and time-stamps. Without any their chains
	// stay unjudged, which is a notice.
	Roots *x509.CertPool
	// At is the time of the check.
	At time.Time
	// Suitable is how long algorithms prove anything; nil means the table that is
	// built in.
	Suitable *evidence.Suitability
}

// Chain verifies the segments of a log in the order of their entries. Its zero value
// but for Check has seen none yet.
type Chain struct {
	Check
	Last  Entry                 // the last entry that was seen
	whose preservation.TenantID // of the segments so far
	first bool                  // a segment was seen
}

// Add verifies the next segment and returns a finding for every check, passed ones
// included; the segment stands when none is of Severity Failed. The segment may be
// anybody's.
func (c *Chain) Add(s Segment) []preservation.Finding {
	f := &findings{subject: s.Name}
	if s.Fault != "" {
		f.fail(CodeFault, "%s", s.Fault)
	}
	if s.Beside {
		f.add(preservation.Notice, CodeBranch, "no part of the log: a person accepted that this segment stays beside it, as %s says", CodeForkAccepted)
		return f.all
	}
	c.entries(f, s)
	proven := c.stamped(f, s)
	c.sealed(f, s, proven)
	return f.all
}

type findings struct {
	subject string
	all     []preservation.Finding
}

func (f *findings) add(sev preservation.Severity, code, format string, args ...any) {
	f.all = append(f.all, preservation.Finding{Code: code, Severity: sev, Subject: f.subject, Detail: fmt.Sprintf(format, args...), Clause: Clause})
}

func (f *findings) fail(code, format string, args ...any) {
	f.add(preservation.Failed, code, format, args...)
}

// failed reports whether one of some findings failed.
func failed(all []preservation.Finding) bool {
	for _, f := range all {
		if f.Severity == preservation.Failed {
			return true
		}
	}
	return false
}

// entries verifies the chain of hashes.
func (c *Chain) entries(f *findings, s Segment) {
	tenant, entries, err := Decode(s.Content)
	if err != nil {
		f.fail(CodeUnreadable, "%v", err)
	}
	if len(entries) == 0 {
		return
	}
	if tenant == "" {
		tenant = c.Tenant
	}
	if c.whose == "" {
		c.whose = tenant
	} else if tenant != c.whose {
		f.fail(CodeChain, "of tenant %q, the segments before are of %q", tenant, c.whose)
	}
	first, last := entries[0].Seq, entries[len(entries)-1].Seq
	if from, to, ok := ParseName(path.Base(s.Name)); !ok || from != first || to != last {
		f.fail(CodeName, "holds entries %d to %d, which its name does not say", first, last)
	}
	// Former releases could write the beginning of a segment twice, after a crash.
	overlaps := c.first && first <= c.Last.Seq && last > c.Last.Seq
	changed := 0
	for i, e := range entries {
		switch {
		case i > 0:
			follows(f, e, entries[i-1])
		case overlaps:
			f.add(preservation.Notice, CodeOverlap, "entries %d to %d stand in the segment before as well", first, c.Last.Seq)
		case c.first:
			follows(f, e, c.Last)
		case e.Seq > 1:
			f.add(preservation.Notice, CodeGap, "begins with entry %d: what was before is not judged", e.Seq)
		case e.Prev != "":
			f.fail(CodeChain, "entry %d is the first and names a predecessor", e.Seq)
		}
		if overlaps && e.Seq == c.Last.Seq && e.Hash != c.Last.Hash {
			f.fail(CodeChain, "entry %d is another one than in the segment before", e.Seq)
		}
		if e.Sum(tenant) != e.Hash {
			if changed++; changed <= named {
				f.fail(CodeChanged, "entry %d was changed after it was written, or is of another tenant than %q", e.Seq, tenant)
			}
		}
	}
	if changed > named {
		f.fail(CodeChanged, "%d entries in all", changed)
	}
	c.first = true
	if e := entries[len(entries)-1]; e.Seq > c.Last.Seq {
		c.Last = e
	}
	f.all = append(f.all, History(s.Name, entries)...)
	if !failed(f.all) {
		f.add(preservation.Passed, CodeEntries, "entries %d to %d follow each other, SHA-256", first, last)
	}
}

// follows checks that one entry comes right behind another.
func follows(f *findings, e, before Entry) {
	switch {
	case e.Seq <= before.Seq:
		f.fail(CodeRepeated, "entry %d stands behind entry %d", e.Seq, before.Seq)
	case e.Seq > before.Seq+1:
		f.fail(CodeGap, "entries %d to %d are missing", before.Seq+1, e.Seq-1)
	case e.Prev != before.Hash:
		f.fail(CodeChain, "entry %d does not follow entry %d: one of them was changed or exchanged", e.Seq, before.Seq)
	}
}

// stamped verifies the evidence and returns since when the segment exists by it,
// zero when that is not proven.
func (c *Chain) stamped(f *findings, s Segment) time.Time {
	if s.Evidence == nil {
		return time.Time{}
	}
	objects := []evidence.Object{object(s.Name, s.Content)}
	if s.Seal != nil {
		objects = append(objects, object(s.Name+SealSuffix, s.Seal))
	}
	found := s.Evidence.Verify(objects, evidence.Check{Trust: timestamp.Trust{Roots: c.Roots}, At: c.At, Group: true, Suitable: c.Suitable})
	f.all = append(f.all, under(s.Name, found)...)
	if failed(found) {
		return time.Time{}
	}
	token, err := timestamp.Parse(s.Evidence.Chains[0][0].Token)
	if err != nil { // Verify has read it
		return time.Time{}
	}
	f.add(preservation.Passed, CodeStamped, "unchanged since %s", token.Time.UTC().Format(time.RFC3339))
	if c.Roots == nil {
		return time.Time{}
	}
	return token.Time
}

// sealed verifies the seal, by the certificates of the time from which on evidence
// proves it.
func (c *Chain) sealed(f *findings, s Segment, proven time.Time) {
	if s.Seal == nil {
		switch {
		case s.Evidence != nil:
			f.add(preservation.Notice, CodeUnsealed, "has no seal")
		case c.At.Sub(c.Last.At) < Grace:
			f.add(preservation.Notice, CodeUnproven, "has no seal yet, nor evidence")
		default:
			f.fail(CodeUnproven, "has neither a seal nor evidence: anybody could have made it")
		}
		return
	}
	at := proven
	if at.IsZero() {
		at = c.At
	}
	found := cades.Verify(s.Seal, bytes.NewReader(s.Content), cades.Trust{Roots: c.Roots, At: at})
	f.all = append(f.all, under(s.Name+SealSuffix, found)...)
	if !failed(found) {
		f.add(preservation.Passed, CodeSealed, "the seal covers these bytes")
	}
	if s.Evidence == nil {
		f.add(preservation.Notice, CodeUnstamped, "no evidence record yet, or none was given")
	}
}

// under puts the name of a file before the subjects of findings.
func under(name string, found []preservation.Finding) []preservation.Finding {
	for i := range found {
		if found[i].Subject = name + ", " + found[i].Subject; found[i].Subject == name+", " {
			found[i].Subject = name
		}
	}
	return found
}

func object(name string, content []byte) evidence.Object {
	return evidence.Object{Name: name, Digest: func(h crypto.Hash) ([]byte, error) {
		w := h.New()
		w.Write(content)
		return w.Sum(nil), nil
	}}
}
