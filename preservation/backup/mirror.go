package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// Codes of findings.
const (
	CodeLost     = "object-lost"     // gone from its bucket, and no tombstone says why: the backup keeps its copy
	CodeEnding   = "record-ending"   // gone from its bucket by a destruction that has not ended. Notice: the backup has a copy; failed: it has none
	CodeArriving = "record-arriving" // notice: a package that has no receipt yet, or the other way round
	CodeDamaged  = "object-damaged"  // the bucket has other bytes than it took, or the backup has
	CodeSurplus  = "surplus-version"
	CodeKey      = "key-unusable" // no object of an archive has such a key; not copied
)

// Mirror brings a run to the state of the buckets.
type Mirror struct {
	Run    *Run
	Before *Run // the run that counts; nil: there is none
	// Remains tells from the events of a record whether it was destroyed, and what stays
	// of it.
	Remains func(events []preservation.EventObject) (catalog.Tombstone, bool)
	// Begun tells from them whether its destruction has begun, and neither ended nor was
	// called off, and names the packages that the record had then.
	Begun func(events []preservation.EventObject) (packages []string, ok bool)
	// Stays reports whether an object is part of the proof of a destruction.
	Stays func(stone catalog.Tombstone, key string) bool
	// Forgotten reports whether a document that is gone from its bucket was deleted there
	// because its time had come, and has to leave the backup too. Nil: none ever is.
	Forgotten func(context.Context, preservation.TenantID, preservation.ConfigObject) (bool, error)
	// Reread also reads the copies that are there, and replaces those that are damaged.
	Reread bool
	// Patience is how long a run waits for the end of what a service beside it has begun.
	// 0: there is no service.
	Patience time.Duration
	Now      func() time.Time
}

// Report says what was done with the objects of one tenant.
type Report struct {
	Objects int
	Copied  int
	Bytes   int64 // copied
	Removed int   // entries of destroyed records
	Deleted int   // entries of documents whose time had come
	Failed  []preservation.Finding
	Notices []preservation.Finding // nothing is wrong, but a person may want to know

	mu sync.Mutex
}

func (r *Report) add(f preservation.Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Severity == preservation.Failed {
		r.Failed = append(r.Failed, f)
	} else {
		r.Notices = append(r.Notices, f)
	}
}

func (r *Report) fail(code, key, format string, args ...any) {
	r.add(preservation.Finding{Code: code, Severity: preservation.Failed, Subject: key, Detail: fmt.Sprintf(format, args...)})
}

func (r *Report) notice(code, key, detail string) {
	r.add(preservation.Finding{Code: code, Severity: preservation.Notice, Subject: key, Detail: detail})
}

// instead has what another report says of a record take the place of what this one says.
func (r *Report) instead(id preservation.RecordID, o *Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := func(f preservation.Finding) bool {
		about, ok := recordOf(f.Subject)
		return ok && about == id
	}
	r.Failed = append(slices.DeleteFunc(r.Failed, of), o.Failed...)
	r.Notices = append(slices.DeleteFunc(r.Notices, of), o.Notices...)
	r.Copied, r.Bytes, r.Removed = r.Copied+o.Copied, r.Bytes+o.Bytes, r.Removed+o.Removed
}

// ended takes back what was said of records as ending that were destroyed by now.
func (r *Report) ended(stones map[preservation.RecordID]catalog.Tombstone) {
	r.Notices = slices.DeleteFunc(r.Notices, func(f preservation.Finding) bool {
		id, _ := recordOf(f.Subject)
		_, gone := stones[id]
		return gone && f.Code == CodeEnding
	})
}

// key makes the entries of one key.
func (p *pass) key(ctx context.Context, s state) (entries []Entry, err error) {
	m, t, store, r := p.Mirror, p.tenant, p.store, p.report
	for i, o := range s.live {
		switch {
		case o.Marker:
			r.fail(CodeSurplus, o.Key, "a delete marker: something wrote here that must not")
			continue
		case !usable(o.Key):
			r.fail(CodeKey, o.Key, "no object of an archive has such a key; it is not copied")
			p.refuse(o)
			continue
		}
		if i > 0 { // the newest comes first
			mended, err := preservation.Superseded(ctx, store, o, s.live[0])
			if err != nil {
				return nil, fmt.Errorf("back up %s: %w", o.Key, err)
			}
			if mended {
				continue
			}
		}
		e, err := m.version(ctx, t, store, o, s.had, r)
		if errors.Is(err, preservation.ErrNotFound) { // gone since the listing
			p.miss(o)
			continue
		}
		if errors.Is(err, preservation.ErrCorrupt) {
			r.fail(CodeDamaged, o.Key, "%v", err)
			p.refuse(o)
			continue // an entry of the run before is kept below
		}
		if err != nil {
			return nil, fmt.Errorf("back up %s: %w", o.Key, err)
		}
		entries = append(entries, e)
	}
	if len(entries) > 1 {
		r.fail(CodeSurplus, entries[0].Key, "%d versions: something wrote here that must not; a restore brings the oldest back", len(entries))
	}
	for _, e := range s.had {
		if slices.ContainsFunc(entries, func(n Entry) bool { return n.VersionID == e.VersionID || n.SHA256 == e.SHA256 }) {
			continue
		}
		keep, err := m.carry(ctx, t, store, &e, r)
		if err != nil {
			return nil, fmt.Errorf("back up %s: %w", e.Key, err)
		}
		if keep {
			entries = append(entries, e)
		}
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Modified.Compare(b.Modified) })
	return entries, nil
}

// carry decides about an entry of the run before that its bucket does not have any
// more, or not as it was. Nothing but a tombstone, or the end of the time of a document,
// takes it out of the backup, and nothing the tombstone itself and the intent. What stays is read: it may be the last copy there is.
func (m *Mirror) carry(ctx context.Context, t preservation.TenantID, store preservation.Store, e *Entry, r *Report) (keep bool, err error) {
	state, stone, err := m.fate(ctx, store, e.Key)
	if err != nil {
		return false, err
	}
	if e.Tombstone != nil && m.Stays(*e.Tombstone, e.Key) || state == destroyed && m.Stays(stone, e.Key) {
		state = living // what proves a destruction is no part of what is destroyed
	}
	if forgotten, err := m.forgotten(ctx, t, e); err != nil || forgotten {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.Deleted++
		return false, err
	}
	if state == destroyed {
		r.mu.Lock()
		r.Removed++
		r.mu.Unlock()
		return false, nil
	}
	sound := m.Run.intact(t, *e, true)
	if e.Lost = state == living; e.Lost {
		of := "the backup keeps its copy, which was read and is sound"
		if !sound {
			of = "and the copy in the backup is damaged or missing"
		}
		r.fail(CodeLost, e.Key, "it is gone from its bucket, or damaged there, and was not destroyed; %s", of)
		return true, nil
	}
	r.notice(CodeEnding, e.Key, "the destruction of its record has begun and has not ended; the backup keeps its copy until then")
	if !sound {
		r.fail(CodeDamaged, e.Key, "the copy in the backup is damaged or missing, and its bucket does not have it any more")
	}
	return true, nil
}

// forgotten reports whether an entry is that of a document whose time had come. One of
// which the copy cannot be read is none.
func (m *Mirror) forgotten(ctx context.Context, t preservation.TenantID, e *Entry) (bool, error) {
	if m.Forgotten == nil || !strings.HasPrefix(e.Key, documents) {
		return false, nil
	}
	d, err := m.Run.document(t, *e)
	if damaged(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return m.Forgotten(ctx, t, d)
}

// version makes the entry of a version: that of the run before with its lock of now, or
// a new one with a copy.
func (m *Mirror) version(ctx context.Context, t preservation.TenantID, store preservation.Store, o preservation.Object, had []Entry, r *Report) (Entry, error) {
	i := slices.IndexFunc(had, func(e Entry) bool { return e.VersionID == o.VersionID && e.Size == o.Size })
	if i >= 0 && m.Run.intact(t, had[i], m.Reread) {
		now, err := store.Stat(ctx, o.Key, o.VersionID)
		e := had[i]
		e.LockMode, e.LockUntil, e.Hold, e.Lost = now.Lock.Mode, now.Lock.Until, now.Hold, false
		return e, err
	}
	now, body, err := store.Get(ctx, o.Key, o.VersionID)
	if err != nil {
		return Entry{}, err
	}
	defer body.Close()
	e := Entry{Key: o.Key, VersionID: o.VersionID, Size: now.Size, SHA256: now.SHA256, ContentType: now.ContentType, Modified: o.Modified,
		LockMode: now.Lock.Mode, LockUntil: now.Lock.Until, Hold: now.Hold}
	var head bytes.Buffer // of an event, to be looked at
	if strings.HasPrefix(e.Key, "evt/") {
		head.Grow(int(min(e.Size, preservation.MaxEventObject)))
	}
	if e.SHA256 != "" && m.Run.intact(t, e, true) { // of a run that was cut off
		if head.Cap() > 0 {
			_, err = io.Copy(&head, io.LimitReader(body, preservation.MaxEventObject))
		}
	} else if err = m.copy(t, &e, body, &head); err == nil {
		r.mu.Lock()
		r.Copied, r.Bytes = r.Copied+1, r.Bytes+e.Size
		r.mu.Unlock()
	}
	if err == nil && head.Len() > 0 {
		m.look(head.Bytes(), &e)
	}
	return e, err
}

// look notes what an event says of the beginning and the end of its record. What is wrong
// with an event, a check of the archive says.
func (m *Mirror) look(data []byte, e *Entry) {
	o, _, err := preservation.DecodeEventObject(data)
	if err != nil {
		return
	}
	switch o.Event.Type {
	case preservation.EventStore:
		e.Vouches = vouched(o)
	case preservation.EventRetention:
		e.trigger = true
	case preservation.EventIntent, preservation.EventDelete:
		e.Intent = o.Event.Type == preservation.EventIntent
		e.Purging, _ = m.Begun([]preservation.EventObject{o})
		if stone, ok := m.Remains([]preservation.EventObject{o}); ok {
			e.Tombstone = &stone
		}
	}
}

// vouched names the package that a receipt vouches for; none: the event is no receipt.
func vouched(o preservation.EventObject) string {
	var r ledger.Receipt
	if o.Event.Type != preservation.EventStore || json.Unmarshal(o.Body, &r) != nil {
		return ""
	}
	return r.Package
}

// copy writes the bytes of an object and fills in their digest. They count when the
// run is committed.
func (m *Mirror) copy(t preservation.TenantID, e *Entry, body io.Reader, head *bytes.Buffer) (err error) {
	folder := filepath.Join(m.Run.folder.dir, "objects", string(t), filepath.Dir(filepath.FromSlash(e.Key)))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return Full(err)
	}
	f, err := os.CreateTemp(folder, ".copy-*")
	if err != nil {
		return Full(err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	h := sha256.New()
	w := io.MultiWriter(f, h)
	if head.Cap() > 0 && e.Size <= preservation.MaxEventObject {
		w = io.MultiWriter(f, h, head)
	}
	n, err := io.Copy(w, body)
	if err != nil {
		return Full(err)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if n != e.Size || e.SHA256 != "" && sum != e.SHA256 {
		return fmt.Errorf("%w: %d bytes with SHA-256 %s, the store took %d with %s", preservation.ErrCorrupt, n, sum, e.Size, e.SHA256)
	}
	e.SHA256 = sum
	if err := f.Close(); err != nil {
		return Full(err)
	}
	return Full(os.Rename(f.Name(), filepath.Join(m.Run.folder.dir, "objects", e.place(t))))
}

// fate is what has become of the record of an object.
type fate int

const (
	living    fate = iota // also of an object that belongs to no record
	ending                // its destruction has begun, and neither ended nor was called off
	destroyed             // a tombstone says so
)

// fate tells by the events in the bucket, with the tombstone of what is destroyed. A
// bucket that is gone says nothing.
func (m *Mirror) fate(ctx context.Context, store preservation.Store, key string) (_ fate, stone catalog.Tombstone, err error) {
	id, ok := recordOf(key)
	if !ok || store == nil {
		return living, stone, nil
	}
	events, err := eventsIn(ctx, store, id)
	if err != nil {
		return living, stone, err
	}
	if stone, ok := m.Remains(events); ok {
		return destroyed, stone, nil
	}
	if _, ok := m.Begun(events); ok {
		return ending, stone, nil
	}
	return living, stone, nil
}

// eventsIn reads the events of a record, those that can be read.
func eventsIn(ctx context.Context, store preservation.Store, id preservation.RecordID) (events []preservation.EventObject, err error) {
	for o, err := range store.Versions(ctx, preservation.EventPrefix(id)) {
		if err != nil {
			return nil, err
		}
		if o.Marker || o.Size > preservation.MaxEventObject {
			continue
		}
		data, err := read(ctx, store, o)
		if errors.Is(err, preservation.ErrNotFound) { // gone since the listing
			continue
		}
		if err != nil {
			return nil, err
		}
		if e, _, err := preservation.DecodeEventObject(data); err == nil && e.Record == id {
			events = append(events, e)
		}
	}
	return events, nil
}

func read(ctx context.Context, store preservation.Store, o preservation.Object) ([]byte, error) {
	body, err := store.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, preservation.MaxEventObject))
}
