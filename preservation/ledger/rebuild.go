package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"bestand/preservation"
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
	// Parallel is how many records are read at a time; 1 when zero. It should be
	// many: those that wait for the catalog share its commits.
	Parallel int
	// Anew is for a catalog that is Anew: its log says so as soon as it is back, and where
	// that of the bucket ended, even if the rebuild is cut off then.
	Anew bool
	// ContentsLater takes records from what describes their packages, if the seal proves
	// it, and the digests of packages from their receipts: what lies in them is left to
	// the next check. It is for packages of some size, and for those with a receipt; all
	// others are read whole. It takes Seal.
	ContentsLater bool
	// Receipt verifies the signature of a receipt and returns what it says;
	// without it receipts are believed.
	Receipt func(jws string) ([]byte, error)
	// Seal checks the seal of a package over its METS, and that of an audit segment.
	// Without it seals of packages are not checked, and no segment displaces entries.
	Seal func(content io.Reader, seal []byte) []preservation.Finding
	// Packaged, if set, is shown what of each package is in memory, with the
	// places of its files: before it is known whether the catalog takes the record,
	// since memory does not last until then.
	Packaged func(r preservation.Record, at io.ReaderAt, places map[preservation.FileID]int64)
	// Withdrawn, if set, is told of each record that the catalog refused or that
	// turned out to be destroyed, whether it was shown to Packaged or not.
	Withdrawn func(preservation.RecordID)
	// Annotation takes what a person added to a record out of an event object, if it is that.
	Annotation func(preservation.EventObject) (catalog.Annotation, bool)
	// Trigger takes a retention trigger out of an event object, if it is one. None of
	// these sees the bodies of receipts.
	Trigger func(preservation.EventObject) (catalog.Trigger, bool)
	// Remains tells from the events of a record whether it was destroyed, and what stays
	// of it.
	Remains func(events []preservation.EventObject) (catalog.Tombstone, bool)
}

type rebuild struct {
	tenant *catalog.Tenant
	store  preservation.Store
	opts   Options
	memory *semaphore.Weighted

	records  *batch[[]catalog.Commit] // versions of one record each
	receipts *batch[past]
	besides  besides

	mu sync.Mutex
	Report
}

func (b *rebuild) problem(subject, code, detail string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Problems = append(b.Problems, preservation.Finding{Code: code, Severity: preservation.Failed, Subject: subject, Detail: detail})
}

func (b *rebuild) count(n *int, more int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*n += more
}

func (b *rebuild) withdraw(id preservation.RecordID) {
	if b.opts.Withdrawn != nil {
		b.opts.Withdrawn(id)
	}
}

// Rebuild restores everything of a tenant that its bucket holds into the
// catalog, in which the tenant must exist. It reads every byte of every package
// once, unless Options.ContentsLater: one with the SHA-256 of its signed receipt is what
// was stored. Any other is taken apart to say what is wrong with it (aip.Verify). Running it again, or
// over a catalog that knows some of it, adds what is missing and changes nothing
// else.
//
// An object that is damaged, not ours or not to be read is a problem in the
// report and does not stop the rest; an error means that store or catalog
// failed. What a damaged package still says of its record is restored.
func Rebuild(ctx context.Context, t *catalog.Tenant, s preservation.Store, o Options) (Report, error) {
	b := &rebuild{tenant: t, store: s, opts: o, memory: semaphore.NewWeighted(inMemory)}
	b.records = newBatch(rowsOf, b.commitRecords)
	b.receipts = newBatch(weightOf, b.commitReceipts)
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
	if err := b.each(ctx, "aip/", b.restoreRecord, b.records.flush); err != nil {
		return b.Report, fmt.Errorf("restore packages: %w", err)
	}
	if err := b.each(ctx, "evt/", b.restoreEvents, b.receipts.flush); err != nil {
		return b.Report, fmt.Errorf("restore events: %w", err)
	}
	if err := b.digestRest(ctx); err != nil {
		return b.Report, fmt.Errorf("read packages without a good receipt: %w", err)
	}
	if err := b.examineRest(ctx); err != nil {
		return b.Report, fmt.Errorf("examine packages without a receipt: %w", err)
	}
	return b.Report, nil
}

// each calls fn with the objects of every record below a prefix, for different
// records in parallel, and then end.
func (b *rebuild) each(all context.Context, prefix string, fn func(context.Context, []preservation.Object) error, end func(context.Context) error) error {
	g, ctx := errgroup.WithContext(all)
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
	for o, err := range b.objects(ctx, prefix) {
		if err != nil {
			return errors.Join(g.Wait(), err)
		}
		if len(run) > 0 && folder(run[0].Key) != folder(o.Key) {
			flush()
		}
		run = append(run, o)
	}
	flush()
	if err := g.Wait(); err != nil {
		return err
	}
	return end(all)
}

func folder(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }
