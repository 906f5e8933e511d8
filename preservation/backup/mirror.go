package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Codes of findings.
const (
	CodeLost    = "object-lost"    // gone from its bucket, and no tombstone says why: the backup keeps its copy
	CodeEnding  = "record-ending"  // notice: gone from its bucket by a destruction that has not ended: the backup keeps its copy
	CodeDamaged = "object-damaged" // the bucket has other bytes than it took, or the backup has
	CodeSurplus = "surplus-version"
	CodeKey     = "key-unusable" // no object of an archive has such a key; not copied
)

// Mirror brings a run to the state of the buckets.
type Mirror struct {
	Run    *Run
	Before *Run // the run that counts; nil: there is none
	// Remains tells from the events of a record and the number of its packages in the
	// bucket whether it was destroyed, and what stays of it. With packages only a
	// tombstone says so; without any, a destruction that was begun does as well.
	Remains func(events []preservation.EventObject, packages int, now time.Time) (catalog.Tombstone, bool)
	// Reread also reads the copies that are there, and replaces those that are damaged.
	Reread bool
	Now    func() time.Time
}

// Report says what was done with the objects of one tenant.
type Report struct {
	Objects int
	Copied  int
	Bytes   int64 // copied
	Removed int   // entries of destroyed records
	Failed  []preservation.Finding
	Notices []preservation.Finding // nothing is wrong, but a person may want to know

	mu sync.Mutex
}

func (r *Report) fail(code, key, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Failed = append(r.Failed, preservation.Finding{Code: code, Severity: preservation.Failed, Subject: key, Detail: fmt.Sprintf(format, args...)})
}

func (r *Report) notice(code, key, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Notices = append(r.Notices, preservation.Finding{Code: code, Severity: preservation.Notice, Subject: key, Detail: detail})
}

const (
	parallel = 8
	together = 128 // keys whose entries are written in one go
)

// state is what there is of a key: versions in the bucket and entries of the run before.
type state struct {
	live []preservation.Object
	had  []Entry
}

// Bucket copies what is new in a tenant's bucket and writes its manifest. A nil store
// stands for a bucket that is not there any more: everything of it is kept.
func (m *Mirror) Bucket(ctx context.Context, t preservation.TenantID, store preservation.Store) (*Report, error) {
	r := &Report{}
	to, err := m.Run.newManifest(t)
	if err != nil {
		return r, err
	}
	var batch []state
	flush := func() error {
		done := make([][]Entry, len(batch))
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(parallel)
		for i, s := range batch {
			g.Go(func() (err error) {
				done[i], err = m.key(ctx, t, store, s, r)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for _, e := range slices.Concat(done...) {
			if err := to.add(e); err != nil {
				return err
			}
		}
		batch = batch[:0]
		return nil
	}
	for s, err := range m.states(ctx, t, store) {
		if err == nil {
			if batch = append(batch, s); len(batch) == together {
				err = flush()
			}
		}
		if err != nil {
			to.file.Close()
			return r, err
		}
	}
	if err := errors.Join(flush(), to.close()); err != nil {
		return r, err
	}
	r.Objects = to.head.Objects
	m.Run.Tenants = append(m.Run.Tenants, to.head)
	return r, nil
}

// states yields what there is of each key, in the order of keys.
func (m *Mirror) states(ctx context.Context, t preservation.TenantID, store preservation.Store) iter.Seq2[state, error] {
	live := func(func(preservation.Object, error) bool) {}
	if store != nil {
		live = store.Versions(ctx, "")
	}
	had := func(func(Entry, error) bool) {}
	if m.Before != nil && m.Before.has(t) {
		had = m.Before.Entries(t)
	}
	return func(yield func(state, error) bool) {
		nextLive, stop := iter.Pull2(live)
		defer stop()
		nextHad, stopHad := iter.Pull2(had)
		defer stopHad()
		o, err, more := nextLive()
		e, fault, before := nextHad()
		last := ""
		for more || before {
			if err := errors.Join(err, fault); err != nil {
				yield(state{}, err)
				return
			}
			var s state
			key := o.Key
			if !more || before && e.Key < key {
				key = e.Key
			}
			if key <= last && last != "" {
				yield(state{}, fmt.Errorf("the store does not list its keys in order: %q behind %q", key, last))
				return
			}
			last = key
			for ; more && err == nil && o.Key == key; o, err, more = nextLive() {
				s.live = append(s.live, o)
			}
			for ; before && fault == nil && e.Key == key; e, fault, before = nextHad() {
				s.had = append(s.had, e)
			}
			if !yield(s, nil) {
				return
			}
		}
		if err := errors.Join(err, fault); err != nil {
			yield(state{}, err)
		}
	}
}

// key makes the entries of one key.
func (m *Mirror) key(ctx context.Context, t preservation.TenantID, store preservation.Store, s state, r *Report) (entries []Entry, err error) {
	for i, o := range s.live {
		switch {
		case o.Marker:
			r.fail(CodeSurplus, o.Key, "a delete marker: something wrote here that must not")
			continue
		case !usable(o.Key):
			r.fail(CodeKey, o.Key, "no object of an archive has such a key; it is not copied")
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
			continue
		}
		if errors.Is(err, preservation.ErrCorrupt) {
			r.fail(CodeDamaged, o.Key, "%v", err)
			continue // an entry of the run before is kept below
		}
		if err != nil {
			return nil, fmt.Errorf("back up %s: %w", o.Key, err)
		}
		if e.Intent && e.Tombstone == nil { // the tombstone may have come behind the listing
			state, stone, err := m.fate(ctx, store, e.Key)
			if err != nil {
				return nil, fmt.Errorf("back up %s: %w", o.Key, err)
			}
			if state == destroyed {
				e.Tombstone = &stone
			}
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
// more, or not as it was. Nothing but a tombstone takes it out of the backup. What stays
// is read: it may be the last copy there is.
func (m *Mirror) carry(ctx context.Context, t preservation.TenantID, store preservation.Store, e *Entry, r *Report) (keep bool, err error) {
	state, _, err := m.fate(ctx, store, e.Key)
	if err != nil {
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

// look notes what an event says of the end of its record.
func (m *Mirror) look(data []byte, e *Entry) {
	o, _, err := preservation.DecodeEventObject(data)
	if err != nil || o.Event.Type != preservation.EventIntent && o.Event.Type != preservation.EventDelete {
		return // what is wrong with an event, a check of the archive says
	}
	e.Intent = o.Event.Type == preservation.EventIntent
	if stone, ok := m.Remains([]preservation.EventObject{o}, 1, m.Now()); ok {
		e.Tombstone = &stone
	}
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
	var events []preservation.EventObject
	for o, err := range store.Versions(ctx, preservation.EventPrefix(id)) {
		if err != nil {
			return living, stone, err
		}
		if o.Marker || o.Size > preservation.MaxEventObject {
			continue
		}
		data, err := read(ctx, store, o)
		if errors.Is(err, preservation.ErrNotFound) { // gone since the listing
			continue
		}
		if err != nil {
			return living, stone, err
		}
		if e, _, err := preservation.DecodeEventObject(data); err == nil && e.Record == id {
			events = append(events, e)
		}
	}
	if stone, ok := m.Remains(events, 1, m.Now()); ok {
		return destroyed, stone, nil
	}
	if _, ok := m.Remains(events, 0, m.Now()); ok {
		return ending, stone, nil
	}
	return living, stone, nil
}

func read(ctx context.Context, store preservation.Store, o preservation.Object) ([]byte, error) {
	body, err := store.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, preservation.MaxEventObject))
}
