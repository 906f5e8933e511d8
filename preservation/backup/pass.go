package backup

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

const (
	parallel = 8
	together = 128 // keys whose entries are written in one go
	// lately is how old a package may be of which the receipt is waited for. It is much
	// longer than a receipt takes, and than clocks differ.
	lately = time.Hour
)

// Folders of a bucket.
const (
	packages  = "aip/"
	events    = "evt/" // of records
	documents = "cfg/" // of configuration
)

// pass brings the copies of one bucket to its state.
type pass struct {
	*Mirror
	tenant preservation.TenantID
	store  preservation.Store // nil: the bucket is gone
	report *Report
	since  time.Time // what is later than that is young

	mu       sync.Mutex
	vanished []string        // keys that were listed and were gone when they were to be read
	refused  map[string]bool // versions that were told of and are not copied

	young   map[string]bool // young packages, and whether a receipt vouches for them
	vouched map[string]bool // packages for which young receipts vouch

	triggers map[preservation.RecordID][]string // keys of those that came last, by record
}

// Bucket copies what is new in a tenant's bucket and writes its manifest. A nil store
// stands for a bucket that is not there any more: everything of it is kept. The package
// comment says in which order it reads, and why.
func (m *Mirror) Bucket(ctx context.Context, t preservation.TenantID, store preservation.Store) (*Report, error) {
	p := &pass{Mirror: m, tenant: t, store: store, report: &Report{}, since: m.Now().Add(-lately),
		refused: map[string]bool{}, young: map[string]bool{}, vouched: map[string]bool{},
		triggers: map[preservation.RecordID][]string{}}
	head, err := p.run(ctx)
	if err != nil {
		return p.report, err
	}
	p.report.Objects = head.Objects
	m.Run.Tenants = append(m.Run.Tenants, head)
	return p.report, nil
}

func (p *pass) run(ctx context.Context) (TenantHead, error) {
	// What was listed lies in files until the manifest is made of it.
	rest, packaged, happened := p.file("rest"), p.file("packages"), p.file("events")
	documented, settled, reported := p.file("documents"), p.file("settled"), p.file("reported")
	keep := func(Entry) bool { return true }
	others := func(key string) bool { return !strings.HasPrefix(key, packages) }
	below := func(prefix string) func(string) bool {
		return func(key string) bool { return strings.HasPrefix(key, prefix) }
	}
	for _, list := range []struct {
		to, prefix string
		had        iter.Seq2[Entry, error]
		of         func(key string) bool
		entries    func(context.Context, state) ([]Entry, error)
		keep       func(Entry) bool
	}{
		{rest, "", p.before(), others, p.key, p.heard},
		{packaged, packages, p.before(), below(packages), p.key, p.arrived},
		{happened, events, p.Run.list(rest), below(events), p.again, p.belongs},
	} {
		if err := p.walk(ctx, states(p.live(ctx, list.prefix), list.had), list.of, list.to, list.entries, list.keep); err != nil {
			return TenantHead{}, err
		}
	}
	end, err := p.endings(ctx, merged(p.Run.list(packaged), p.Run.list(happened)))
	if err != nil {
		return TenantHead{}, err
	}
	if err := p.walk(ctx, states(p.live(ctx, documents), p.Run.list(rest)), below(documents), documented, p.again, keep); err != nil {
		return TenantHead{}, err
	}
	if _, err := p.write(settled, merged(p.remaining(merged(p.Run.list(packaged), p.Run.list(happened)), end), end.entries())); err != nil {
		return TenantHead{}, err
	}
	if err := p.walk(ctx, states(p.live(ctx, events), only(p.Run.list(settled), below(events))), below(events), reported, p.again, p.reported); err != nil {
		return TenantHead{}, err
	}
	arrived := only(p.Run.list(settled), below(packages))
	if err := p.known(arrived); err != nil {
		return TenantHead{}, err
	}
	fixed := only(p.Run.list(rest), func(key string) bool { return !strings.HasPrefix(key, events) && !strings.HasPrefix(key, documents) })
	told := only(p.Run.list(reported), func(key string) bool { return !p.strange(key) })
	head, err := p.write(manifestName(p.tenant), merged(fixed, p.Run.list(documented), arrived, told))
	for _, name := range []string{rest, packaged, happened, documented, settled, reported} {
		err = errors.Join(err, os.Remove(p.Run.Path(name)))
	}
	return head, err
}

func (p *pass) file(name string) string { return manifestName(p.tenant) + "." + name }

// live lists the bucket.
func (p *pass) live(ctx context.Context, prefix string) iter.Seq2[preservation.Object, error] {
	if p.store == nil {
		return func(func(preservation.Object, error) bool) {}
	}
	return p.store.Versions(ctx, prefix)
}

// before yields the entries of the run before.
func (p *pass) before() iter.Seq2[Entry, error] {
	if p.Before == nil || !p.Before.has(p.tenant) {
		return func(func(Entry, error) bool) {}
	}
	return p.Before.Entries(p.tenant)
}

// only yields the entries of some keys.
func only(all iter.Seq2[Entry, error], of func(key string) bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range all {
			if (err != nil || of(e.Key)) && (!yield(e, err) || err != nil) {
				return
			}
		}
	}
}

// state is what there is of a key: versions in the bucket and entries that are known.
type state struct {
	key  string
	live []preservation.Object
	had  []Entry
}

// states yields what there is of each key, in the order of keys.
func states(live iter.Seq2[preservation.Object, error], had iter.Seq2[Entry, error]) iter.Seq2[state, error] {
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
			s := state{key: o.Key}
			if !more || before && e.Key < s.key {
				s.key = e.Key
			}
			if s.key <= last && last != "" {
				yield(state{}, fmt.Errorf("the store does not list its keys in order: %q behind %q", s.key, last))
				return
			}
			last = s.key
			for ; more && err == nil && o.Key == s.key; o, err, more = nextLive() {
				s.live = append(s.live, o)
			}
			for ; before && fault == nil && e.Key == s.key; e, fault, before = nextHad() {
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

// walk writes the entries that fn makes of some keys to a file of the run, those that are
// to be kept, of which it asks in the order of keys.
func (p *pass) walk(ctx context.Context, all iter.Seq2[state, error], of func(key string) bool, name string, fn func(context.Context, state) ([]Entry, error), keep func(Entry) bool) error {
	_, err := p.write(name, func(yield func(Entry, error) bool) {
		var batch []state
		flush := func() bool {
			done := make([][]Entry, len(batch))
			g, ctx := errgroup.WithContext(ctx)
			g.SetLimit(parallel)
			for i, s := range batch {
				g.Go(func() (err error) {
					done[i], err = fn(ctx, s)
					return err
				})
			}
			if err := g.Wait(); err != nil {
				yield(Entry{}, err)
				return false
			}
			batch = batch[:0]
			for _, e := range slices.Concat(done...) {
				if keep(e) && !yield(e, nil) {
					return false
				}
			}
			return true
		}
		for s, err := range all {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if !of(s.key) {
				continue
			}
			if batch = append(batch, s); len(batch) == together && !flush() {
				return
			}
		}
		flush()
	})
	return err
}

// write writes entries to a file of the run.
func (p *pass) write(name string, entries iter.Seq2[Entry, error]) (TenantHead, error) {
	to, err := p.Run.newList(p.tenant, name)
	if err != nil {
		return TenantHead{}, err
	}
	for e, err := range entries {
		if err == nil {
			err = to.add(e)
		}
		if err != nil {
			to.file.Close()
			return TenantHead{}, err
		}
	}
	err = to.close()
	return to.head, err
}

// again makes the entries of a key that was listed before: those stand, and what is not
// known yet is copied.
func (p *pass) again(ctx context.Context, s state) ([]Entry, error) {
	unknown := func(o preservation.Object) bool {
		return !o.Marker && !p.refused[o.Key+" "+o.VersionID] && !slices.ContainsFunc(s.had, func(e Entry) bool { return e.VersionID == o.VersionID })
	}
	if !slices.ContainsFunc(s.live, unknown) {
		return s.had, nil
	}
	entries, err := p.key(ctx, s)
	for i := range entries {
		entries[i].late = len(s.had) == 0
	}
	return entries, err
}

// heard notes the packages for which young receipts vouch.
func (p *pass) heard(e Entry) bool {
	if e.Vouches != "" && e.Modified.After(p.since) {
		p.vouched[e.Vouches] = true
	}
	return true
}

// arrived notes the young packages.
func (p *pass) arrived(e Entry) bool {
	if e.Modified.After(p.since) {
		p.young[e.Key] = p.vouched[e.Key]
	}
	return true
}

// belongs keeps of the events that came behind the first listing of them what tells of
// destructions, and the receipts of packages that are in the run. The others may need
// something that is not.
func (p *pass) belongs(e Entry) bool {
	if !e.late || e.Intent || e.Tombstone != nil {
		return true
	}
	_, ok := p.young[e.Vouches]
	if ok {
		p.young[e.Vouches] = true
	}
	return ok
}

// reported keeps of the events that came last those that tell of triggers: the documents
// may say already that these were reported.
func (p *pass) reported(e Entry) bool {
	if !e.late {
		return true
	}
	if id, ok := recordOf(e.Key); ok && e.trigger {
		p.triggers[id] = append(p.triggers[id], e.Key)
	}
	return e.trigger
}

// known forgets the triggers of records of which the run has a package. Those that are
// left are of records that it does not have.
func (p *pass) known(arrived iter.Seq2[Entry, error]) error {
	if len(p.triggers) == 0 {
		return nil
	}
	for e, err := range arrived {
		if err != nil {
			return err
		}
		if id, ok := recordOf(e.Key); ok {
			delete(p.triggers, id)
		}
	}
	return nil
}

// strange reports whether a key is that of a trigger of a record that the run does not have.
func (p *pass) strange(key string) bool {
	id, ok := recordOf(key)
	return ok && slices.Contains(p.triggers[id], key)
}

// miss notes a version that was gone when it was to be read.
func (p *pass) miss(o preservation.Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vanished = append(p.vanished, o.Key)
}

// refuse notes a version that was told of.
func (p *pass) refuse(o preservation.Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused[o.Key+" "+o.VersionID] = true
}

// merged yields the entries of several lists, of which no two have the same key, in the
// order of keys.
func merged(lists ...iter.Seq2[Entry, error]) iter.Seq2[Entry, error] {
	if len(lists) == 1 {
		return lists[0]
	}
	one, rest := lists[0], merged(lists[1:]...)
	return func(yield func(Entry, error) bool) {
		nextOne, stop := iter.Pull2(one)
		defer stop()
		nextRest, stopRest := iter.Pull2(rest)
		defer stopRest()
		a, aerr, moreA := nextOne()
		b, berr, moreB := nextRest()
		for moreA || moreB {
			if err := errors.Join(aerr, berr); err != nil {
				yield(Entry{}, err)
				return
			}
			if !moreB || moreA && a.Key <= b.Key {
				if !yield(a, nil) {
					return
				}
				a, aerr, moreA = nextOne()
				continue
			}
			if !yield(b, nil) {
				return
			}
			b, berr, moreB = nextRest()
		}
	}
}

// ends is what became of records while they were read.
type ends struct {
	stones  map[preservation.RecordID]catalog.Tombstone // of those that were destroyed lately
	settled map[preservation.RecordID][]Entry           // all there is of those that were read once more
}

// entries yields those of the records that were read once more.
func (d *ends) entries() iter.Seq2[Entry, error] {
	var all []Entry
	for _, of := range d.settled {
		all = append(all, of...)
	}
	slices.SortStableFunc(all, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return inOrder(all)
}

// remaining leaves out of what was listed what was destroyed, and the records that were
// read once more.
func (p *pass) remaining(all iter.Seq2[Entry, error], d *ends) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for e, err := range all {
			if id, ok := recordOf(e.Key); ok && err == nil {
				if _, known := d.settled[id]; known {
					continue
				}
				if stone, gone := d.stones[id]; gone && !p.Stays(stone, e.Key) {
					p.report.Removed++
					continue
				}
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}
