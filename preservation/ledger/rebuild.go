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
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
)

// Report says what a rebuild found.
type Report struct {
	Packages   int
	Events     int
	Documents  int
	Tombstones int
	Problems   []preservation.Finding // what could not be read back; everything else was
}

// Options of a rebuild.
type Options struct {
	// Parallel is how many records are read at a time; 1 when zero.
	Parallel int
	// Trigger takes a retention trigger out of an event object, if it is one.
	Trigger func(preservation.EventObject) (catalog.Trigger, bool)
	// Remains tells from the events of a record and the number of its packages
	// whether it was destroyed, and what stays of it.
	Remains func(events []preservation.EventObject, packages int, now time.Time) (catalog.Tombstone, bool)
}

type rebuild struct {
	tenant *catalog.Tenant
	store  preservation.Store
	opts   Options

	mu sync.Mutex
	Report
}

func (b *rebuild) problem(subject, code, detail string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Problems = append(b.Problems, preservation.Finding{Code: code, Severity: preservation.Failed, Subject: subject, Detail: detail})
}

func (b *rebuild) count(n *int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*n++
}

// Rebuild restores everything of a tenant that its bucket holds into the
// catalog, in which the tenant must exist. It reads and hashes every byte, so
// it is a fixity check as well. Running it again, or over a catalog that knows
// some of it, adds what is missing and changes nothing else.
//
// An object that cannot be read back is a problem in the report and does not
// stop the rest; an error means that store or catalog failed.
func Rebuild(ctx context.Context, t *catalog.Tenant, s preservation.Store, o Options) (Report, error) {
	b := &rebuild{tenant: t, store: s, opts: o}
	if err := b.restoreAudit(ctx); err != nil {
		return b.Report, fmt.Errorf("restore audit log: %w", err)
	}
	if err := b.restoreDocuments(ctx); err != nil {
		return b.Report, fmt.Errorf("restore documents: %w", err)
	}
	if err := t.RestoreDescription(ctx); err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return b.Report, fmt.Errorf("restore the tenant's description: %w", err)
	}
	// Versions of one record follow each other in the order of keys and are
	// committed in that order; records have no order among each other.
	if err := b.each(ctx, "aip/", b.restoreRecord); err != nil {
		return b.Report, fmt.Errorf("restore packages: %w", err)
	}
	if err := b.each(ctx, "evt/", b.restoreEvents); err != nil {
		return b.Report, fmt.Errorf("restore events: %w", err)
	}
	return b.Report, nil
}

// each calls fn with the objects of every record below a prefix, for different
// records in parallel.
func (b *rebuild) each(ctx context.Context, prefix string, fn func(context.Context, []preservation.Object) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, b.opts.Parallel))
	var run []preservation.Object
	flush := func() {
		if objects := run; len(objects) > 0 {
			run = nil
			g.Go(func() error {
				if err := fn(ctx, objects); err != nil {
					return fmt.Errorf("%s: %w", folder(objects[0].Key), err)
				}
				return nil
			})
		}
	}
	for o, err := range b.store.Versions(ctx, prefix) {
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		if o.Marker {
			continue
		}
		if len(run) > 0 && folder(run[0].Key) != folder(o.Key) {
			flush()
		}
		run = append(run, o)
	}
	flush()
	return g.Wait()
}

func folder(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// wholeBelow is the size in bytes up to which a package is read at once.
const wholeBelow = 16 << 20

// restoreRecord brings back the versions of one record, oldest first.
func (b *rebuild) restoreRecord(ctx context.Context, packages []preservation.Object) error {
	for _, o := range packages {
		if err := b.restorePackage(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

func (b *rebuild) restorePackage(ctx context.Context, o preservation.Object) error {
	id, version, ok := preservation.ParsePackageKey(o.Key)
	if !ok {
		b.problem(o.Key, "unexpected-key", "no package has this key")
		return nil
	}
	o, err := b.store.Stat(ctx, o.Key, o.VersionID)
	if err != nil {
		return err
	}
	at, sum, err := contents(ctx, b.store, o)
	if err != nil {
		return err
	}
	p, err := aip.Open(at, o.Size)
	if errors.Is(err, aip.ErrInvalid) {
		b.problem(o.Key, "unreadable-package", err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	rec := p.Record()
	if rec.ID != id || rec.Version != version || rec.Tenant != b.tenant.ID() {
		b.problem(o.Key, "foreign-package", fmt.Sprintf("holds record %s version %d of tenant %s", rec.ID, rec.Version, rec.Tenant))
		return nil
	}
	events, err := p.Events()
	if err != nil {
		b.problem(o.Key, "unreadable-package", err.Error())
		return nil
	}
	manifest, err := p.Manifest()
	if err != nil {
		b.problem(o.Key, "unreadable-package", err.Error())
		return nil
	}
	pos := map[preservation.FileID]int64{}
	for _, e := range manifest.Entries {
		if e.File != "" {
			pos[e.File] = e.Offset
		}
	}
	err = b.tenant.CommitRecord(ctx, catalog.Commit{Record: rec, Events: events, Pos: pos, Lock: o.Lock,
		Package: catalog.RecordObject{Key: o.Key, Kind: "package", Version: version, VersionID: o.VersionID, Size: o.Size, SHA256: sum, Stored: o.Modified}})
	if errors.Is(err, catalog.ErrDestroyed) {
		b.problem(o.Key, "destroyed-record", "the record has a tombstone, but this package is still there")
		return nil
	}
	if err == nil {
		b.count(&b.Packages)
	}
	return err
}

// contents reads an object through, and gives access to its bytes with their SHA-256.
func contents(ctx context.Context, s preservation.Store, o preservation.Object) (io.ReaderAt, string, error) {
	body, err := s.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return nil, "", err
	}
	defer body.Close()
	h := sha256.New()
	if o.Size > wholeBelow {
		if _, err := io.Copy(h, body); err != nil {
			return nil, "", err
		}
		return &remote{ctx, s, o}, hex.EncodeToString(h.Sum(nil)), nil
	}
	var buf bytes.Buffer
	buf.Grow(int(o.Size))
	if _, err := io.Copy(io.MultiWriter(&buf, h), body); err != nil {
		return nil, "", err
	}
	return bytes.NewReader(buf.Bytes()), hex.EncodeToString(h.Sum(nil)), nil
}

// remote reads ranges of an object as they are asked for.
type remote struct {
	ctx context.Context
	s   preservation.Store
	o   preservation.Object
}

// Remote gives random access to the bytes of one object version, one request
// for each read.
func Remote(ctx context.Context, s preservation.Store, o preservation.Object) io.ReaderAt {
	return &remote{ctx, s, o}
}

func (r *remote) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.o.Size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.o.Size-off)
	body, err := r.s.Open(r.ctx, r.o.Key, r.o.VersionID, off, n)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	got, err := io.ReadFull(body, p[:n])
	if err == nil && n < int64(len(p)) {
		err = io.EOF
	}
	return got, err
}

// stored is an event object with its place in the bucket.
type stored struct {
	preservation.EventObject
	at catalog.RecordObject
}

// restoreEvents brings back what happened to one record after it was packaged.
func (b *rebuild) restoreEvents(ctx context.Context, objects []preservation.Object) error {
	var all []stored
	var events []preservation.EventObject
	for _, o := range objects {
		e, o, sum, err := ReadEvent(ctx, b.store, o.Key)
		if errors.Is(err, preservation.ErrUnreadable) {
			b.problem(o.Key, "unreadable-event", err.Error())
			continue
		}
		if err != nil {
			return err
		}
		if o.Key != preservation.EventKey(e.Record, e.Event.ID) {
			b.problem(o.Key, "foreign-event", "tells of record "+string(e.Record))
			continue
		}
		all = append(all, stored{e, catalog.RecordObject{Key: o.Key, Kind: "event", VersionID: o.VersionID, Size: o.Size, SHA256: sum, Stored: o.Modified}})
		events = append(events, e)
	}
	if len(all) == 0 {
		return nil
	}
	id := all[0].Record
	rec, err := b.tenant.Record(ctx, id)
	known := err == nil
	if err != nil && !errors.Is(err, catalog.ErrNotFound) && !errors.Is(err, catalog.ErrDestroyed) {
		return err
	}
	packages := 0
	if known {
		packages = rec.Version
	}
	if stone, ok := b.opts.Remains(events, packages, b.tenant.DB().Now()); ok {
		b.count(&b.Tombstones)
		return b.tenant.Update(ctx, func(x *catalog.Tx) error { return x.Destroy(stone) })
	}
	if !known {
		b.problem(preservation.EventPrefix(id), "package-missing", "there are events of this record, and neither a package nor a tombstone")
		return nil
	}
	for _, e := range all {
		e.at.Version = rec.Version
		var err error
		if e.Event.Type == preservation.EventStore {
			err = b.restoreSubmission(ctx, rec, e)
		} else {
			err = b.restoreOther(ctx, e)
		}
		if err != nil {
			return err
		}
		b.count(&b.Events)
	}
	return nil
}

func (b *rebuild) restoreSubmission(ctx context.Context, rec catalog.Entry, e stored) error {
	var body Receipt
	if err := json.Unmarshal(e.Body, &body); err != nil {
		b.problem(e.at.Key, "unreadable-event", "no receipt: "+err.Error())
		return nil
	}
	e.at.Version = body.Version
	return b.tenant.RestoreSubmission(ctx, catalog.Submission{
		ID: body.Submission, Metadata: rec.Metadata, Fingerprint: body.Fingerprint, RecordID: rec.ID, Version: body.Version, Parent: body.Parent,
		SubmittedBy: body.SubmittedBy, Problems: body.Problems, Receipt: body.JWS, Received: body.Received, Updated: e.Event.At,
	}, e.at, e.Event)
}

// restoreOther brings back an event, and the trigger if it is one.
func (b *rebuild) restoreOther(ctx context.Context, e stored) error {
	return b.tenant.Update(ctx, func(x *catalog.Tx) error {
		if err := x.AddEvents(e.Record, e.Event); err != nil {
			return err
		}
		if g, ok := b.opts.Trigger(e.EventObject); ok {
			if err := x.AddTrigger(g); err != nil {
				return err
			}
		}
		return x.AddObject(e.Record, e.at)
	})
}
