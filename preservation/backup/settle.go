package backup

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// endings looks through the listed entries for records that were destroyed or came while
// they were listed, and reads those once more of which the run has a part.
func (p *pass) endings(ctx context.Context, all iter.Seq2[Entry, error]) (*ends, error) {
	d := &ends{stones: map[preservation.RecordID]catalog.Tombstone{}, settled: map[preservation.RecordID][]Entry{}}
	lacks, err := p.begun(all, d)
	if err != nil {
		return nil, err
	}
	if len(lacks) > 0 {
		for e, err := range all {
			if err != nil {
				return nil, err
			}
			if id, _, ok := preservation.ParsePackageKey(e.Key); ok {
				lacks[id] = slices.DeleteFunc(lacks[id], func(key string) bool { return key == e.Key })
			}
		}
		maps.DeleteFunc(lacks, func(_ preservation.RecordID, keys []string) bool { return len(keys) == 0 })
	}
	for key, receipted := range p.young {
		id, _, _ := preservation.ParsePackageKey(key)
		if _, gone := d.stones[id]; !gone && !receipted {
			lacks[id] = append(lacks[id], key)
		}
	}
	if err := p.settle(ctx, all, lacks, d); err != nil {
		return nil, err
	}
	p.report.ended(d.stones)
	return d, p.lost(ctx)
}

// begun collects the tombstones of records that were destroyed lately, and the packages
// that those had whose destruction has begun.
func (p *pass) begun(all iter.Seq2[Entry, error], d *ends) (map[preservation.RecordID][]string, error) {
	open := map[preservation.RecordID][]string{}
	for e, err := range all {
		if err != nil {
			return nil, err
		}
		id, ok := recordOf(e.Key)
		switch {
		case !ok:
		case e.Tombstone != nil:
			delete(open, id)
			if e.Modified.After(p.since) {
				d.stones[id] = *e.Tombstone
			}
		case len(e.Purging) > 0:
			open[id] = append(open[id], e.Purging...)
		}
	}
	return open, nil
}

// settle reads records once more, each as a whole, until it is in one piece: what a
// service beside is doing to it is waited for.
func (p *pass) settle(ctx context.Context, all iter.Seq2[Entry, error], lacks map[preservation.RecordID][]string, d *ends) error {
	if len(lacks) == 0 || p.store == nil {
		return nil
	}
	have := map[preservation.RecordID][]Entry{}
	for e, err := range all {
		if err != nil {
			return err
		}
		if id, ok := recordOf(e.Key); ok && lacks[id] != nil {
			have[id] = append(have[id], e)
		}
	}
	deadline := p.Now().Add(p.Patience)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for id := range lacks {
		g.Go(func() error {
			entries, err := p.patiently(ctx, id, have[id], deadline)
			if err != nil {
				return fmt.Errorf("back up record %s: %w", id, err)
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			d.settled[id] = entries
			return nil
		})
	}
	return g.Wait()
}

// patiently reads a record until it is in one piece, or the time is over.
func (p *pass) patiently(ctx context.Context, id preservation.RecordID, have []Entry, deadline time.Time) ([]Entry, error) {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		try := &pass{Mirror: p.Mirror, tenant: p.tenant, store: p.store, report: &Report{}, since: p.since, refused: map[string]bool{}}
		entries, err := try.whole(ctx, id, have)
		if err != nil {
			return nil, err
		}
		half := try.half(entries)
		if half == nil || !p.Now().Before(deadline) {
			if half != nil {
				try.report.add(*half)
			}
			p.report.instead(id, try.report)
			return entries, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}

// whole makes the entries of a record: packages first, so that they are there for which
// receipts vouch, unless the intent to destroy them is there as well.
func (p *pass) whole(ctx context.Context, id preservation.RecordID, have []Entry) (entries []Entry, err error) {
	var stone *catalog.Tombstone
	for _, prefix := range []string{preservation.PackagePrefix(id), preservation.EventPrefix(id)} {
		for s, err := range states(p.live(ctx, prefix), only(inOrder(have), func(key string) bool { return strings.HasPrefix(key, prefix) })) {
			if err != nil {
				return nil, err
			}
			some, err := p.key(ctx, s)
			if err != nil {
				return nil, err
			}
			for _, e := range some {
				if e.Tombstone != nil {
					stone = e.Tombstone
				}
			}
			entries = append(entries, some...)
		}
	}
	if stone == nil {
		return entries, nil
	}
	n := len(entries)
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return !p.Stays(*stone, e.Key) })
	p.report.Removed += n - len(entries)
	return entries, nil
}

// half says why a record is not in one piece; nil: it is. It is while it has a tombstone,
// or else every package that a receipt or an intent names, and a receipt of each young one.
func (p *pass) half(entries []Entry) *preservation.Finding {
	packages, vouched := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		if e.Tombstone != nil {
			return nil
		}
		if _, _, ok := preservation.ParsePackageKey(e.Key); ok {
			packages[e.Key] = true
		}
		vouched[e.Vouches] = true
	}
	for _, e := range entries {
		for _, key := range e.Purging {
			if !packages[key] {
				return &preservation.Finding{Code: CodeEnding, Severity: preservation.Failed, Subject: key, Detail: "the destruction of its record has begun and has not ended, and neither the bucket nor the backup has this package any more: a restore cannot bring the record back"}
			}
		}
	}
	for _, e := range entries {
		if e.Vouches != "" && !packages[e.Vouches] || packages[e.Key] && e.Modified.After(p.since) && !vouched[e.Key] {
			return &preservation.Finding{Code: CodeArriving, Severity: preservation.Notice, Subject: e.Key, Detail: "package and receipt are not both there yet: the next run has them"}
		}
	}
	if len(p.vanished) > 0 {
		return &preservation.Finding{Code: CodeEnding, Severity: preservation.Notice, Subject: p.vanished[0], Detail: "it went while it was being copied"}
	}
	return nil
}

// lost tells of what went while it was copied and was not destroyed.
func (p *pass) lost(ctx context.Context) error {
	for _, key := range p.vanished {
		state, _, err := p.fate(ctx, p.store, key)
		if err != nil {
			return fmt.Errorf("back up %s: %w", key, err)
		}
		if state == living && !strings.HasPrefix(key, documents) {
			p.report.fail(CodeLost, key, "it went from its bucket before it was copied, and was not destroyed")
		}
	}
	return nil
}

func inOrder(all []Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}
