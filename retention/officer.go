package retention

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Officer keeps the retention plans of all tenants (Schriftgutverwaltung): file
// plan, rules, holds, permits and triggers, and what follows from them for each
// record: its evaluation, its lock, its legal hold in the store. An Officer
// never deletes; see Disposer. It is safe for concurrent use.
type Officer struct {
	// Store opens the bucket of a tenant.
	Store func(ctx context.Context, t *catalog.Tenant) (preservation.Store, error)
	// Locks is the installation's policy; mode and zone come from the tenant's settings.
	Locks LockPolicy
	Now   func() time.Time
	Log   *slog.Logger

	plans plans
}

// System is the actor of what the archive does by itself.
const System = "system"

// agent names this program in events.
var agent = preservation.Agent{Type: preservation.Software, Name: "bestand/retention"}

// policy is the lock policy of a tenant, with its zone.
func (o *Officer) policy(ctx context.Context, t *catalog.Tenant) (LockPolicy, error) {
	info, err := t.Info(ctx)
	if err != nil {
		return LockPolicy{}, fmt.Errorf("lock policy: %w", err)
	}
	p := o.Locks
	p.Mode = cmp.Or(info.Settings.LockMode, p.Mode, preservation.Compliance)
	if p.Zone, err = time.LoadLocation(cmp.Or(info.Settings.Zone, "Europe/Berlin")); err != nil {
		return p, fmt.Errorf("time zone of tenant %s: %w", t.ID(), err)
	}
	return p, nil
}

// edit is one change of a plan, under the plan's lock.
type edit struct {
	*catalog.Tx
	v     catalog.View
	plan  *plan
	actor string
	now   time.Time
	docs  []catalog.Document // added, and still to be stored in the bucket
	again bool               // what somebody wants is in force already: it has to stand in the bucket, too
}

// change runs fn under the plan's lock. Like all transactions it may run twice.
// It returns when the documents that fn added stand in the bucket, too, and all that
// are still to come there when fn found something to be in force already: when the
// store does not take them they are in force and the job "configure" goes on
// trying, but an error says that they could be lost with the catalog.
// fn reads with the context it is given: a caller that leaves must not interrupt
// a connection that others write on.
func (o *Officer) change(ctx context.Context, t *catalog.Tenant, actor string, fn func(context.Context, *edit) error) error {
	inner := context.WithoutCancel(ctx)
	var docs []catalog.Document
	var again bool
	err := t.Update(ctx, func(x *catalog.Tx) error {
		docs, again = nil, false
		if err := x.Lock(lockName); err != nil {
			return err
		}
		p, err := o.plans.at(inner, x.View(), t.ID())
		if err != nil {
			return err
		}
		e := &edit{Tx: x, v: x.View(), plan: p, actor: actor, now: o.Now()}
		err = fn(inner, e)
		docs, again = e.docs, e.again
		return err
	})
	switch {
	case err != nil:
		return err
	case again:
		err = o.Configure(ctx, t, catalog.Job{})
	case len(docs) > 0:
		err = o.store(ctx, t, docs...)
	}
	if err != nil {
		return fmt.Errorf("in force, but not in the bucket yet: %w", err)
	}
	return nil
}

// add stores the next version of a document, after the one that is there.
func (e *edit) add(ctx context.Context, kind, name string, body any, action string) error {
	next := 1
	switch d, err := e.v.Document(ctx, kind, name, 0); {
	case err == nil:
		next = d.Version + 1
	case !errors.Is(err, catalog.ErrNotFound):
		return err
	}
	d, err := document(kind, name, next, body, e.actor, e.now)
	if err != nil {
		return err
	}
	e.docs = append(e.docs, d)
	return e.enact(d, action)
}

// document is a version of a document that a person wrote now.
func document(kind, name string, version int, body any, actor string, now time.Time) (catalog.Document, error) {
	raw, err := json.Marshal(body)
	return catalog.Document{
		Kind: kind, Name: name, Version: version, Key: preservation.ConfigKey(preservation.NewID(now)), Body: raw, Actor: actor, At: now.UnixMilli(),
	}, err
}

// enact puts a document into force.
func (e *edit) enact(d catalog.Document, action string) error {
	if err := e.AddDocument(d); err != nil {
		return err
	}
	if err := e.SetCursor(stampName, preservation.NewID(e.now)); err != nil {
		return err
	}
	if err := e.Enqueue(catalog.Job{Kind: JobDispose, Key: keyReconsider}); err != nil {
		return err // a destruction that waits for a lock may have to be called off
	}
	return e.Audit(catalog.AuditEntry{Actor: e.actor, Action: action, Object: d.Name, Detail: map[string]string{"version": fmt.Sprint(d.Version)}})
}

// put stores a small object that may be there already from an attempt before.
// It returns the bytes that stand in the store, which are then those of that
// attempt.
func put(ctx context.Context, s preservation.Store, key string, e preservation.EventObject, lock preservation.Lock) (preservation.EventObject, catalog.RecordObject, error) {
	return putHeld(ctx, s, key, e, lock, false)
}

// putHeld does so with a legal hold, or without.
func putHeld(ctx context.Context, s preservation.Store, key string, e preservation.EventObject, lock preservation.Lock, held bool) (preservation.EventObject, catalog.RecordObject, error) {
	data, sum, err := e.Encode()
	if err != nil {
		return e, catalog.RecordObject{}, err
	}
	o, err := s.Put(ctx, key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: sum, Lock: lock, Hold: held, ContentType: "application/json"})
	if !errors.Is(err, preservation.ErrExists) {
		return e, eventRow(o, sum), err
	}
	e, row, err := readEvent(ctx, s, key)
	if err == nil && held {
		err = s.SetHold(ctx, row.Key, row.VersionID, true)
	}
	return e, row, err
}

// readEvent reads an event object.
func readEvent(ctx context.Context, s preservation.Store, key string) (e preservation.EventObject, row catalog.RecordObject, err error) {
	o, err := s.Stat(ctx, key, "")
	if err != nil {
		return e, row, err
	}
	data, err := read(ctx, s, o, preservation.MaxEventObject)
	if err != nil {
		return e, row, err
	}
	e, sum, err := preservation.DecodeEventObject(data)
	if err != nil {
		return e, row, fmt.Errorf("%s: %w", key, err)
	}
	return e, eventRow(o, sum), nil
}

// illegible reports whether an object is gone, or its bytes are none that readEvent takes:
// another try changes nothing.
func illegible(err error) bool {
	return errors.Is(err, preservation.ErrUnreadable) || errors.Is(err, preservation.ErrCorrupt) || errors.Is(err, preservation.ErrNotFound)
}

// read returns a small object whole.
func read(ctx context.Context, s preservation.Store, o preservation.Object, most int64) ([]byte, error) {
	if o.Size > most {
		return nil, fmt.Errorf("%s: %w: %d bytes where at most %d were written", o.Key, preservation.ErrCorrupt, o.Size, most)
	}
	r, err := s.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", o.Key, err)
	}
	return data, nil
}

func eventRow(o preservation.Object, sum string) catalog.RecordObject {
	return catalog.RecordObject{Key: o.Key, Kind: "event", VersionID: o.VersionID, Size: o.Size, SHA256: sum, Stored: o.Modified}
}
