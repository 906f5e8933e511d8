package ingest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"bestand/ingest/convert"
	"bestand/ingest/format"
	"bestand/ingest/invoice"
	"bestand/ingest/scan"
	"bestand/ingest/sip"
	"bestand/ingest/verapdf"
	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// Pipeline processes accepted submissions. Its fields are set once and not
// changed afterwards; Process may be called concurrently.
type Pipeline struct {
	Staging Staging
	// Intake takes the records of packages in.
	Intake   *Intake
	Packages *sip.Reader
	// Store gives the tenant's bucket.
	Store func(ctx context.Context, t *catalog.Tenant) (preservation.Store, error)
	// Lock says how a new record is to be locked, by its retention.
	Lock func(ctx context.Context, t *catalog.Tenant, r preservation.Record) (preservation.Lock, error)
	// ProofLock says how reports and receipts that belong to no record are to be locked.
	ProofLock func(ctx context.Context, t *catalog.Tenant) (preservation.Lock, error)

	Format  *format.Identifier
	Scanner *scan.Scanner
	Convert *convert.Converter
	PDFA    *verapdf.Validator
	// Invoice takes the XML out of a hybrid invoice (ZUGFeRD, Factur-X) that is
	// kept as it is; invoice.ErrNone when there is none. dir is scratch.
	Invoice func(ctx context.Context, dir, pdf string) (invoice.Embedded, error)
	Sealer  *Sealer

	// Working bounds how many submissions keep a processor busy at a time, however
	// many are on their way; nil: all of them.
	Working *semaphore.Weighted

	WorkDir string // local scratch; emptied at start-up
	Now     func() time.Time
	Log     *slog.Logger

	// EnforcedBy says in receipts what enforces the locks of the store.
	EnforcedBy string
	// SecondCopy names where second copies of the buckets are kept; empty: there are none.
	SecondCopy string
	// AddEvent keeps an event of an archived record in bucket and catalog.
	AddEvent func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, e preservation.EventObject) error
	// Boundary, when set, is called after every step with its name. An error ends
	// the attempt as a crash at this point would.
	Boundary func(step string) error

	mu    sync.Mutex
	tried map[preservation.RecordID]string // completed in vain, with these tools
	// stampless is the last time that no time-stamp, or no validation data, could be had.
	stampless struct {
		until time.Time
		err   error
	}
}

// Close ends the programs that were kept running. Nothing may be processed any more.
func (p *Pipeline) Close() error {
	return errors.Join(p.Convert.Close(), p.Sealer.Drafter.Close(), p.PDFA.Close())
}

// step is a piece of the process.
type step struct {
	name string
	run  func(context.Context, *work) error
	load bool // works or waits
}

// Some steps keep a processor busy, the others wait for the disk or the network.
const works, waits = true, false

// steps is the process up to the frozen package. Each step can be repeated from
// the start: its only traces are in the work folder, the events and staging.
var steps = []step{
	{"fetch", fetch, waits},       // staged bytes, held against the digests of the reception; of a later version the stored ones
	{"scan", scanFiles, waits},    // malware goes to quarantine
	{"identify", identify, works}, // PRONOM; contradictions are findings
	{"validate", validate, works}, // incoming signatures, XML
	{"convert", render, waits},    // renditions and extracted files, each with veraPDF's verdict and plausibility; the converter takes turns by itself
	{"check", judge, waits},       // what has no rendition is archived with the finding or quarantined, as the tenant chose; a later version has to complete something
	{"seal", seal, works},         // PAdES on the PDF renditions made here
	{"digest", digest, works},     // SHA-256 and SHA-512 of everything made here
	{"package", pack, waits},      // the AIP, its METS sealed
	{"freeze", freeze, waits},     // from here on these bytes and no others
}

// storing is the rest. Each step finds out by itself what an earlier attempt did.
var storing = []step{
	{"thaw", thaw, waits},       // the frozen package, if an earlier attempt made it
	{"store", store, waits},     // one PUT with its lock, read back
	{"commit", commit, waits},   // record, files and events in the catalog
	{"receipt", receipt, waits}, // signed, stored as the storage event; now it is archived
}

// A verdict ends the processing without a record.
type verdict struct {
	status   catalog.Status
	problems []preservation.Finding
}

func (v *verdict) Error() string {
	return fmt.Sprintf("%s: %s", v.status, v.problems[0].Detail)
}

// Process is the handler of the job "process", whose key is the submission. What
// lies with a part of the archive and not with the submission is a
// preservation.ErrUnavailable: the submission waits.
func (p *Pipeline) Process(ctx context.Context, t *catalog.Tenant, j catalog.Job) error {
	err := p.process(ctx, t, j)
	if err != nil && ctx.Err() == nil {
		err = p.outage(err)
	}
	return err
}

func (p *Pipeline) process(ctx context.Context, t *catalog.Tenant, j catalog.Job) error {
	id := preservation.SubmissionID(j.Key)
	switch err := t.BeginProcessing(ctx, id); {
	case errors.Is(err, catalog.ErrConflict):
		return nil // ended already
	case err != nil:
		return err
	}
	sub, err := t.Submission(ctx, id)
	if err != nil {
		return err
	}
	if sub.Package {
		if err := p.room(sub); err != nil {
			return err
		}
		return p.processPackage(ctx, t, sub)
	}
	info, err := t.Info(ctx)
	if err != nil {
		return err
	}
	if err := p.ready(sub, info.Settings); err != nil {
		return err
	}
	if err := p.afterYou(ctx); err != nil {
		return err
	}
	w := &work{p: p, t: t, sub: sub, settings: info.Settings, log: p.Log.With("tenant", string(t.ID()), "submission", string(id), "record", string(sub.RecordID))}
	if w.dir, err = os.MkdirTemp(p.WorkDir, string(id)+"-"); err != nil {
		return fmt.Errorf("work folder: %w", err)
	}
	defer os.RemoveAll(w.dir)
	w.session = p.Convert.Begin()
	defer w.session.Close()

	todo := storing
	if sub.Frozen != nil {
		w.sub.Files = nil // they are in the package
	} else {
		if err := t.ResetSteps(ctx, id); err != nil {
			return err
		}
		todo = append(steps[:len(steps):len(steps)], storing...)
	}
	for _, s := range todo {
		if err = p.take(ctx, w, s); err == nil {
			err = w.flush(ctx, false)
		}
		if err == nil && p.Boundary != nil {
			err = p.Boundary(s.name)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", s.name, err)
			break
		}
	}
	var v *verdict
	if errors.As(err, &v) {
		w.log.WarnContext(ctx, "submission ended without a record", "status", string(v.status), "code", v.problems[0].Code)
		return t.Settle(ctx, id, v.status, v.problems, w.unsaved()...)
	}
	if err != nil && ctx.Err() == nil { // else the next attempt has begun, or will anew
		err = errors.Join(err, w.flush(ctx, true)) // what was done stays visible beside the error of the job
	}
	if errors.Is(err, aip.ErrInvalid) || errors.Is(err, aip.ErrChanged) || errors.Is(err, catalog.ErrDestroyed) {
		return &catalog.Final{Err: err}
	}
	return err
}

// afterYou lets deliveries go first before it begins with one that was accepted,
// but not for long. To accept one takes a fraction of what it takes to archive
// it, so that this costs the archive next to nothing, and those who deliver wait.
func (p *Pipeline) afterYou(ctx context.Context) error {
	const look = 20 * time.Millisecond
	if p.Intake == nil {
		return nil
	}
	for end := time.Now().Add(brief); p.Intake.rush() && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(look):
		}
	}
	return nil
}

// take does one step, when a processor is free for it.
func (p *Pipeline) take(ctx context.Context, w *work, s step) error {
	if s.load && p.Working != nil {
		if err := p.Working.Acquire(ctx, 1); err != nil {
			return err
		}
		defer p.Working.Release(1)
	}
	return s.run(ctx, w)
}

// Unstage is the handler of the job "unstage": it removes what staging holds of
// a submission that has ended.
func (p *Pipeline) Unstage(ctx context.Context, t *catalog.Tenant, j catalog.Job) error {
	id := preservation.SubmissionID(j.Key)
	used, err := t.StagingInUse(ctx, id)
	if err != nil || used {
		return err
	}
	keys, err := stagedKeys(ctx, t, id)
	if err != nil {
		return err
	}
	return p.Staging.RemoveAll(ctx, stagingPrefix(t.ID(), id), keys...)
}

// stagedKeys are the keys in staging of what was delivered and of the package that
// was made of it, as far as the catalog knows: a listing may omit them.
func stagedKeys(ctx context.Context, t *catalog.Tenant, id preservation.SubmissionID) (keys []string, err error) {
	sub, err := t.Submission(ctx, id)
	if err != nil {
		return nil, present(err)
	}
	for _, f := range sub.Files {
		if strings.HasPrefix(f.Key, stagingPrefix(t.ID(), id)) {
			keys = append(keys, f.Key)
		}
	}
	objects, err := t.Objects(ctx, sub.RecordID)
	for _, o := range objects {
		if o.Kind == "package" && o.Version == sub.Version {
			keys = append(keys, frozenKey(t.ID(), id, o.SHA256))
		}
	}
	return keys, present(err)
}

// present takes what the catalog does not have, or no longer, for nothing.
func present(err error) error {
	if errors.Is(err, catalog.ErrNotFound) || errors.Is(err, catalog.ErrDestroyed) {
		return nil
	}
	return err
}

// Report is the handler of the job "report": it keeps in the bucket why a
// submission was rejected, and then frees staging. A later version that the archive
// wanted to make by itself is no producer's, and nothing has to be reported.
func (p *Pipeline) Report(ctx context.Context, t *catalog.Tenant, j catalog.Job) error {
	sub, err := t.SubmissionRow(ctx, preservation.SubmissionID(j.Key))
	if err != nil {
		return err
	}
	if sub.Version > 1 && sub.Revision == nil {
		return p.Unstage(ctx, t, j)
	}
	s, err := p.Store(ctx, t)
	if err != nil {
		return err
	}
	lock, err := p.ProofLock(ctx, t)
	if err != nil {
		return err
	}
	if err := ledger.StoreReport(ctx, t, s, preservation.SubmissionID(j.Key), lock); err != nil {
		return err
	}
	return t.Enqueue(ctx, catalog.Job{Kind: "unstage", Key: j.Key})
}

// Sweep is the handler of the job "sweep": it removes from staging what an
// interrupted delivery left behind and nobody will ask for. A delivery is as old
// as its newest file; one that is still coming in here is spared however old.
func (p *Pipeline) Sweep(ctx context.Context, t *catalog.Tenant, _ catalog.Job) error {
	newest := map[preservation.SubmissionID]time.Time{}
	for _, list := range []func(context.Context, string) iter.Seq2[preservation.Object, error]{p.Staging.List, p.Staging.Unfinished} {
		for o, err := range list(ctx, string(t.ID())+"/") {
			if err != nil {
				return err
			}
			_, rest, _ := strings.Cut(o.Key, "/")
			name, _, _ := strings.Cut(rest, "/")
			if id := preservation.SubmissionID(name); id.Valid() && !o.Modified.Before(newest[id]) {
				newest[id] = o.Modified
			}
		}
	}
	old := p.Now().Add(-24 * time.Hour)
	for id, at := range newest {
		// Asked before the catalog is: a delivery has its row before it is off the list.
		if at.After(old) || p.Intake.receiving(id) {
			continue
		}
		if err := p.Unstage(ctx, t, catalog.Job{Key: string(id)}); err != nil {
			return err
		}
	}
	return nil
}

// work is one submission on its way.
type work struct {
	p        *Pipeline
	t        *catalog.Tenant
	sub      catalog.Submission
	settings catalog.Settings
	log      *slog.Logger
	dir      string
	session  *convert.Session

	files    []*file
	events   []preservation.Event
	earlier  []preservation.File // of a later version: what the one before had and is made anew
	sources  int                 // files that came or were taken out of others
	lastFile int                 // number of the last file's identifier
	saved    int                 // events that the catalog has
	savedAt  time.Time           // when
	lastID   string              // of an event
	alike    map[saying]int      // events about single files that the catalog has not got yet
	problems findings
	malware  []preservation.Finding // that nobody released

	record preservation.Record
	pkg    frozen
	object preservation.Object
	lock   preservation.Lock
}

// file is a file of the record with its place in the work folder.
type file struct {
	preservation.File
	path   string
	ident  format.Result
	depth  int      // how many files it was taken out of
	made   bool     // a rendition made here
	held   bool     // complete, in the package of an earlier version: nothing to be done
	closed bool     // carries malware that nobody released: not opened
	said   []string // codes of the findings about it
	// reopened: incomplete, in the package of an earlier version; rendered again.
	reopened bool
}

// add takes a file into the record. A new one gets its identifier.
func (w *work) add(f *file) *file {
	if f.ID == "" {
		w.lastFile++
		f.ID = preservation.NewFileID(w.lastFile)
	}
	if !f.made && f.Representation != preservation.Text {
		w.sources++
	}
	w.files = append(w.files, f)
	return f
}

func (w *work) path(name string) string { return filepath.Join(w.dir, name) }

// saying is what an event says of a file.
type saying struct {
	kind    preservation.EventType
	outcome preservation.Outcome
	code    string
	detail  string
	agent   preservation.Agent
}

// note records an event of now. What was just said of other files too becomes one
// event about all of them, of the time of the first.
func (w *work) note(e preservation.Event) {
	e.At = w.p.Now()
	if len(e.Files) == 1 {
		s := saying{e.Type, e.Outcome, e.Code, e.Detail, e.Agent}
		if i, ok := w.alike[s]; ok {
			w.events[i].Files = append(w.events[i].Files, e.Files[0])
			return
		}
		if w.alike == nil {
			w.alike = map[saying]int{}
		}
		w.alike[s] = len(w.events)
	}
	w.lastID = preservation.NextID(w.lastID, e.At) // events of one millisecond keep their order
	e.ID = w.lastID
	w.events = append(w.events, e)
}

func (w *work) unsaved() []preservation.Event { return w.events[w.saved:] }

// flush saves new events so that the status shows them, at most four times a
// second unless forced.
func (w *work) flush(ctx context.Context, force bool) error {
	now := time.Now()
	if len(w.unsaved()) == 0 || !force && now.Sub(w.savedAt) < 250*time.Millisecond {
		return nil
	}
	if err := w.t.AddSteps(ctx, w.sub.ID, w.unsaved()...); err != nil {
		return err
	}
	w.saved, w.savedAt = len(w.events), now
	clear(w.alike)
	return nil
}
