package fixity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
)

// Report is what a look at a whole holding found.
type Report struct {
	Records int
	Objects int                    // in the bucket
	Failed  []preservation.Finding // none: everything agrees
}

// add takes what failed of the findings about a record, and names it in each.
func (r *Report) add(record preservation.RecordID, findings ...preservation.Finding) {
	for _, f := range findings {
		if f.Severity != preservation.Failed {
			continue
		}
		if record != "" && !strings.Contains(f.Subject, string(record)) {
			f.Subject = strings.TrimSuffix("record "+string(record)+", "+f.Subject, ", ")
		}
		r.Failed = append(r.Failed, f)
	}
}

func (r *Report) fail(subject, code, format string, args ...any) {
	r.add("", preservation.Finding{Code: code, Severity: preservation.Failed, Subject: subject, Detail: fmt.Sprintf(format, args...)})
}

// Holding verifies every record of a tenant, and everything else in its bucket:
// objects that the catalog does not know, configuration documents against their
// rows, the segments of the audit log against the log, their locks. It reads
// every byte, one record at a time, and may run for long; an error says that store
// or catalog could not be asked, and how far it came is in the report.
func (c *Checker) Holding(ctx context.Context, t *catalog.Tenant, s preservation.Store) (Report, error) {
	h := &holding{Checker: c, tenant: t, store: s}
	if err := h.records(ctx); err != nil {
		return h.Report, err
	}
	return h.Report, h.rest(ctx, Place{}, nil)
}

// Place is how far a look at a bucket has come.
type Place struct {
	Key     string `json:"key"`     // the last that was looked at; empty at the beginning
	Entries int64  `json:"entries"` // of the audit log up to there
}

// placeEvery is after how many objects Rest tells where it is.
const placeEvery = 500

// Rest verifies everything in a tenant's bucket that Record does not, from a place
// on. It tells now and then where it is, with what failed since it last told: a
// look that was broken off goes on there, and an error of tell ends it.
func (c *Checker) Rest(ctx context.Context, t *catalog.Tenant, s preservation.Store, from Place, tell func(Place, Report) error) error {
	h := &holding{Checker: c, tenant: t, store: s}
	if err := h.rest(ctx, from, tell); err != nil {
		return err
	}
	return tell(h.place, h.Report)
}

// holding is one look at everything that a tenant has.
type holding struct {
	*Checker
	Report
	tenant    *catalog.Tenant
	store     preservation.Store
	documents map[string]catalog.Document // by key
	expected  []string                    // keys that must be there and were not met yet, in their order
	place     Place
}

// rest looks at everything that belongs to no record of the catalog.
func (h *holding) rest(ctx context.Context, from Place, tell func(Place, Report) error) error {
	docs, stored, err := h.tenant.View().AllDocuments(ctx)
	if err != nil {
		return err
	}
	h.place, h.documents, h.expected = from, map[string]catalog.Document{}, nil
	for _, d := range docs {
		if h.documents[d.Key] = d; stored[d.Key] {
			h.expected = append(h.expected, d.Key)
		}
	}
	if h.Stamps != nil {
		stamps, err := h.Stamps(ctx, h.tenant)
		if err != nil {
			return err
		}
		h.expected = append(h.expected, stamps...)
	}
	slices.Sort(h.expected)
	for len(h.expected) > 0 && h.expected[0] <= from.Key {
		h.expected = h.expected[1:]
	}
	if err := h.bucket(ctx, tell); err != nil {
		return err
	}
	if err := h.missing(ctx, ""); err != nil {
		return err
	}
	return h.audit(ctx)
}

// expect wants a key that stands behind the present place.
func (h *holding) expect(key string) {
	i, there := slices.BinarySearch(h.expected, key)
	if !there {
		h.expected = slices.Insert(h.expected, i, key)
	}
}

// missing looks at what was expected before a key and was not met; before all
// others for the empty one.
func (h *holding) missing(ctx context.Context, before string) error {
	for ; len(h.expected) > 0 && (before == "" || h.expected[0] < before); h.expected = h.expected[1:] {
		key := h.expected[0]
		switch _, err := h.store.Stat(ctx, key, ""); {
		case err == nil: // the listing left it out
			continue
		case !errors.Is(err, preservation.ErrNotFound):
			return err
		}
		if d, ok := h.documents[key]; ok {
			h.fail(key, CodeObjectGone, "the catalog has version %d of %s %s, and says that it stands in the bucket", d.Version, d.Kind, d.Name)
		} else if strings.HasSuffix(key, audit.SealSuffix) {
			h.fail(key, CodeObjectGone, "the catalog says that the segment was sealed")
		} else {
			h.fail(key, CodeObjectGone, "without it what it stamped cannot be proved any more")
		}
	}
	return nil
}

// records verifies each record that the catalog knows.
func (h *holding) records(ctx context.Context) error {
	const page = 200
	var after preservation.RecordID
	for {
		rows, err := h.tenant.View().Retentions(ctx, catalog.RetentionFilter{}, after, page)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			after = r.Record
			findings, err := h.Record(ctx, h.tenant, h.store, r.Record)
			if errors.Is(err, catalog.ErrNotFound) || errors.Is(err, catalog.ErrDestroyed) {
				continue // destroyed since
			}
			if err != nil {
				return fmt.Errorf("verify record %s: %w", r.Record, err)
			}
			h.Records++
			h.add(r.Record, findings...)
		}
	}
}

// bucket looks at every object that belongs to no record of the catalog.
func (h *holding) bucket(ctx context.Context, tell func(Place, Report) error) error {
	begin := h.place.Key
	var last preservation.Object
	var folder string
	for o, err := range h.store.Versions(ctx, "") {
		if err != nil {
			return err
		}
		if begin != "" && o.Key <= begin {
			continue
		}
		if err := h.missing(ctx, o.Key); err != nil {
			return err
		}
		if tell != nil && h.Objects >= placeEvery && o.Key != h.place.Key {
			if err := tell(h.place, h.Report); err != nil {
				return err
			}
			h.Report = Report{}
		}
		h.Objects++
		h.place.Key = o.Key
		top, _, _ := strings.Cut(o.Key, "/")
		switch top {
		case "aip", "evt":
			if dir := path.Dir(o.Key); dir != folder {
				folder = dir
				if err := h.foreign(ctx, o.Key); err != nil {
					return err
				}
			}
			continue
		case "cfg", "audit", "er":
		default:
			h.fail(o.Key, CodeUnknown, "no object of an archive has such a key")
			continue
		}
		if !o.Marker && len(h.expected) > 0 && h.expected[0] == o.Key {
			h.expected = h.expected[1:]
		}
		if o.Key == last.Key && !o.Marker {
			kept, err := preservation.Superseded(ctx, h.store, o, last)
			if err != nil {
				return err
			}
			if kept {
				continue
			}
		}
		if o.Key == last.Key || o.Marker {
			h.fail(o.Key, CodeSurplus, "more than one version, or a delete marker: something wrote here that must not")
			last = o
			continue
		}
		last = o
		if err := h.single(ctx, o, top); err != nil {
			return fmt.Errorf("%s: %w", o.Key, err)
		}
	}
	return nil
}

// foreign looks at the folder of a record that the catalog may not know.
func (h *holding) foreign(ctx context.Context, key string) error {
	id := preservation.RecordID(path.Base(path.Dir(key)))
	if !id.Valid() || !strings.HasPrefix(key, preservation.PackagePrefix(id)) && !strings.HasPrefix(key, preservation.EventPrefix(id)) {
		h.fail(key, CodeUnknown, "no object of a record has such a key")
		return nil
	}
	_, err := h.tenant.Record(ctx, id)
	switch {
	case err == nil:
		return nil // its own verification says what is wrong
	case errors.Is(err, catalog.ErrDestroyed):
		return h.remains(ctx, id, path.Dir(key)+"/")
	case !errors.Is(err, catalog.ErrNotFound):
		return err
	}
	findings, err := h.Record(ctx, h.tenant, h.store, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil // not old enough to be known
	}
	h.add(id, findings...)
	return err
}

// remains allows of a destroyed record nothing but the proof of its destruction.
func (h *holding) remains(ctx context.Context, id preservation.RecordID, prefix string) error {
	stone, err := h.tenant.Tombstone(ctx, id)
	if err != nil {
		return err
	}
	left := false
	for o, err := range h.store.Versions(ctx, prefix) {
		if err != nil {
			return err
		}
		if o.Key != stone.Key && o.Key != stone.Intent && stone.Intent != "" && h.Now().Sub(o.Modified) > settled {
			left = true
			h.fail(o.Key, CodeUnknown, "the record was destroyed, and this is still there or came back")
		}
	}
	if !left || h.Left == nil {
		return nil
	}
	return h.Left(ctx, h.tenant, id)
}

// largest is the most bytes of objects that are taken into memory whole.
var largest = map[string]int64{"cfg": preservation.MaxConfigObject, "audit": audit.MaxSegment}

// single checks an object below cfg/, audit/ or er/.
func (h *holding) single(ctx context.Context, o preservation.Object, top string) error {
	o, err := h.store.Stat(ctx, o.Key, o.VersionID)
	if errors.Is(err, preservation.ErrNotFound) {
		h.fail(o.Key, CodeObjectGone, "it is listed and cannot be read")
		return nil
	}
	if err != nil {
		return err
	}
	if o.Lock.Mode == preservation.Unlocked || !o.Lock.Until.After(h.Now()) {
		h.fail(o.Key, CodeLockGone, "no lock is in force")
	}
	if most := largest[top]; most > 0 && o.Size > most {
		h.fail(o.Key, CodeObjectSize, "%d bytes, and none of its kind was ever stored with more than %d", o.Size, most)
		return nil
	}
	r := &check{Checker: h.Checker, store: h.store}
	content, sum, err := r.read(ctx, o)
	if err != nil {
		return err
	}
	defer content.Close()
	if o.SHA256 != "" && sum != o.SHA256 {
		h.fail(o.Key, CodeObjectDigest, "SHA-256 is %s, the store took %s", sum, o.SHA256)
	}
	if top == "er" {
		return h.stamp(ctx, o, io.NewSectionReader(content, 0, o.Size))
	}
	data := make([]byte, o.Size)
	if n, err := content.ReadAt(data, 0); err != nil && err != io.EOF {
		return err
	} else if int64(n) < o.Size {
		h.fail(o.Key, CodeObjectSize, "%d bytes where the store says %d", n, o.Size)
	}
	if top == "audit" {
		return h.segment(ctx, o.Key, data)
	}
	h.document(o, data)
	return nil
}

// stamp compares an object of evidence with the catalog.
func (h *holding) stamp(ctx context.Context, o preservation.Object, content io.Reader) error {
	if h.Stamp == nil {
		return nil
	}
	known, findings, err := h.Stamp(ctx, h.tenant, o.Key, content)
	if !known && err == nil && h.Now().Sub(o.Modified) > settled {
		h.fail(o.Key, CodeCatalogGone, "the catalog knows no such stamp: run bestand rebuild")
	}
	h.add("", findings...)
	return err
}

// document compares a version of a configuration document with its row.
func (h *holding) document(o preservation.Object, data []byte) {
	c, err := preservation.DecodeConfigObject(data)
	if err != nil {
		h.fail(o.Key, CodeEvent, "%v", err)
		return
	}
	d, ok := h.documents[o.Key]
	if !ok {
		// Reports of submissions lie under their name and have no row here.
		if o.Key != preservation.ConfigKey(c.Name) && h.Now().Sub(o.Modified) > settled {
			h.fail(o.Key, CodeCatalogGone, "the catalog has no row of version %d of %s %s: run bestand rebuild", c.Version, c.Kind, c.Name)
		}
		return
	}
	if d.Kind != c.Kind || d.Name != c.Name || d.Version != c.Version || d.Actor != c.Actor || d.At != c.At || !sameJSON(d.Body, c.Body) {
		h.fail(o.Key, CodeCatalogState, "the catalog has something else as version %d of %s %s", d.Version, d.Kind, d.Name)
	}
}

func sameJSON(a, b []byte) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// segment compares a segment of the audit log with the log.
func (h *holding) segment(ctx context.Context, key string, data []byte) error {
	if of, ok := strings.CutSuffix(key, audit.SealSuffix); ok {
		return h.seal(ctx, of, data)
	}
	if beside, err := h.beside(ctx, key, data); err != nil || beside {
		return err
	}
	_, entries, err := audit.Decode(data)
	if err != nil {
		h.fail(key, CodeEvent, "no segment of an audit log: %v", err)
		return nil
	}
	if len(entries) == 0 {
		h.fail(key, CodeEvent, "a segment without entries")
		return nil
	}
	log, err := h.tenant.AuditLog(ctx, entries[0].Seq-1, "", len(entries))
	if err != nil {
		return err
	}
	for i, e := range entries {
		if e.Sum(h.tenant.ID()) != e.Hash || i > 0 && e.Prev != entries[i-1].Hash {
			h.fail(key, "audit-changed", "entry %d was changed after it was written", e.Seq)
		} else if i >= len(log) || log[i].Seq != e.Seq || log[i].Hash != e.Hash {
			h.fail(key, "audit-chain", "entry %d is another one in the catalog, or is missing there", e.Seq)
		}
	}
	h.place.Entries += int64(len(entries))
	row, err := h.tenant.View().AuditSegment(ctx, key)
	switch {
	case errors.Is(err, catalog.ErrNotFound): // written again by a former release, after a crash
		return nil
	case err != nil:
		return err
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != row.SHA256 {
		h.fail(key, CodeObjectDigest, "the catalog says that its SHA-256 is %s", row.SHA256)
	}
	if row.Seal != "" {
		h.expect(key + audit.SealSuffix)
	}
	return nil
}

// beside reports whether a segment is a branch beside the log that a person accepted.
func (h *holding) beside(ctx context.Context, key string, data []byte) (bool, error) {
	_, ok, err := h.tenant.View().AcceptedBranch(ctx, key, func() (string, error) {
		sum := sha256.Sum256(data)
		return hex.EncodeToString(sum[:]), nil
	})
	return ok, err
}

// seal verifies the seal of a segment of the audit log, which stands right before it.
func (h *holding) seal(ctx context.Context, segment string, p7s []byte) error {
	_, body, err := h.store.Get(ctx, segment, "")
	if errors.Is(err, preservation.ErrNotFound) {
		h.fail(segment, CodeObjectGone, "there is its seal, and no segment")
		return nil
	}
	if err != nil {
		return err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, audit.MaxSegment))
	if err != nil {
		return err
	}
	if beside, err := h.beside(ctx, segment, data); err != nil || beside {
		return err
	}
	for _, f := range h.Seal(bytes.NewReader(data), p7s) {
		f.Subject = segment + audit.SealSuffix
		h.add("", f)
	}
	return nil
}

// audit verifies the chain of the log, and that the bucket has all of it that the
// catalog believes to be there.
func (h *holding) audit(ctx context.Context) error {
	findings, err := h.tenant.VerifyAudit(ctx)
	if err != nil {
		return err
	}
	h.add("", findings...)
	stored, err := h.tenant.AuditStored(ctx)
	if err != nil {
		return err
	}
	if h.place.Entries < stored {
		h.fail("audit/", CodeObjectGone, "the bucket has %d entries of the audit log, the catalog says that the first %d are there", h.place.Entries, stored)
	}
	return nil
}
