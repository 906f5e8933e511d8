package main

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/search"
)

// feed shows the search index what the catalog and the bucket know of the
// records that changed. It is the one place where the two meet.
type feed struct {
	a    *archive
	read *fulltexts // texts that were read just now; nil: none

	mu     sync.Mutex
	unread map[preservation.RecordID]int // failed attempts at a record's text
}

const (
	feedRecords = 100       // most records of one step
	recordText  = 256 << 10 // bytes of text of a record, whatever the step
	feedTries   = 5         // at a record's text, before it is indexed without
)

func (f *feed) Changes(ctx context.Context, id preservation.TenantID, after string, limit int) ([]search.Document, []preservation.RecordID, string, error) {
	t := f.a.catalog.Tenant(id)
	changes, next, err := t.Changes(ctx, after, min(limit, feedRecords))
	if errors.Is(err, catalog.ErrCursor) {
		return nil, nil, after, search.ErrReset
	}
	if err != nil || len(changes) == 0 {
		return nil, nil, next, err
	}
	var ids []preservation.RecordID
	seen := map[preservation.RecordID]bool{}
	for _, c := range changes {
		if !seen[c.Record] {
			seen[c.Record] = true
			ids = append(ids, c.Record)
		}
	}
	entries, err := t.EntriesByID(ctx, ids)
	if err != nil {
		return nil, nil, after, err
	}
	plan, err := f.a.officer.Schedule(ctx, t)
	if err != nil {
		return nil, nil, after, err
	}
	var docs []search.Document
	live := map[preservation.RecordID]bool{}
	for _, e := range entries {
		if e.Status != "live" {
			continue
		}
		live[e.ID] = true
		d := search.Document{Record: e.Record, State: e.Retention.State, Hold: e.Retention.State == "held", Evidence: e.Evidence}
		for code := e.Class; code != ""; {
			d.ClassPath = append([]string{code}, d.ClassPath...)
			c, ok := plan.Class(code)
			if !ok || len(d.ClassPath) > 16 {
				break
			}
			code = c.Parent
		}
		docs = append(docs, d)
	}
	var removed []preservation.RecordID
	for _, id := range ids {
		if !live[id] {
			removed = append(removed, id)
		}
	}
	return docs, removed, next, f.texts(ctx, t, docs)
}

// texts fills in the full text from the packages.
func (f *feed) texts(ctx context.Context, t *catalog.Tenant, docs []search.Document) error {
	store, err := f.a.store(ctx, t)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := range docs {
		g.Go(func() error {
			text, ok := f.read.take(docs[i].Record.ID)
			var err error
			if !ok {
				text, err = recordTextOf(ctx, t, store, docs[i].Record, recordText)
			}
			docs[i].Text = text
			return f.readable(ctx, docs[i].ID, err)
		})
	}
	return g.Wait()
}

// readable gives a record whose text cannot be read some tries, and then lets the
// index go on without: one bad block must not stop it for all.
func (f *feed) readable(ctx context.Context, id preservation.RecordID, err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil || ctx.Err() != nil {
		delete(f.unread, id)
		return err
	}
	if f.unread == nil {
		f.unread = map[preservation.RecordID]int{}
	}
	if f.unread[id]++; f.unread[id] < feedTries {
		return err
	}
	delete(f.unread, id)
	f.a.log.ErrorContext(ctx, "text cannot be read: the record is indexed without; verify it", "record", string(id), "err", err)
	return nil
}

func recordTextOf(ctx context.Context, t *catalog.Tenant, s preservation.Store, r preservation.Record, most int64) (string, error) {
	var text []byte
	for _, file := range r.Files {
		left := most - int64(len(text))
		if file.Representation != preservation.Text || left <= 0 {
			continue
		}
		_, at, err := t.File(ctx, r.ID, file.ID)
		if errors.Is(err, catalog.ErrNotFound) || errors.Is(err, catalog.ErrDestroyed) {
			return "", nil // destroyed since; the next change says so
		}
		if err != nil {
			return "", err
		}
		body, err := s.Open(ctx, at.Key, at.VersionID, at.Pos, min(at.Size, left))
		if errors.Is(err, preservation.ErrNotFound) {
			continue // being purged, or lost: fixity reports it, the index goes on
		}
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(body)
		body.Close()
		if err != nil {
			return "", err
		}
		text = append(append(text, b...), '\n')
	}
	return string(text), nil
}

func (f *feed) Behind(ctx context.Context, id preservation.TenantID, after string) (int64, time.Time, error) {
	n, since, err := f.a.catalog.Tenant(id).Behind(ctx, after)
	if n == 0 || err != nil {
		return 0, time.Time{}, err
	}
	return n, time.UnixMilli(since), nil
}
