package ingest

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"sync"
	"time"
	"unicode/utf8"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Staging keeps bytes durably until a record is stored. Objects have no lock.
type Staging interface {
	Put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error)
	Open(ctx context.Context, key string, off, length int64) (io.ReadCloser, error)
	Stat(ctx context.Context, key string) (preservation.Object, error)
	List(ctx context.Context, prefix string) iter.Seq2[preservation.Object, error]
	Unfinished(ctx context.Context, prefix string) iter.Seq2[preservation.Object, error]
	RemoveAll(ctx context.Context, prefix string, known ...string) error
}

// Intake accepts deliveries.
type Intake struct {
	Staging Staging
	// Known reports whether the tenant's classification has a class that new records may come into.
	Known func(ctx context.Context, t *catalog.Tenant, class string) (bool, error)
	// Now is the clock of identifiers and events.
	Now func() time.Time
	// Clock says why the clock is in doubt (preservation.ErrClock): nothing is taken
	// in then, since receipts say for good when it came. Nil: it never is.
	Clock func(ctx context.Context) error
	// MaxFiles and MaxBytes limit one delivery; zero means the limit of a record,
	// which is ingest.MaxFiles, and no limit of bytes.
	MaxFiles int
	MaxBytes int64
	Log      *slog.Logger

	mu   sync.Mutex
	open map[preservation.SubmissionID]time.Time // deliveries under way, which the sweep must spare, and since when
	last time.Time                               // when one of them ended
}

// Request is what a producer says of a delivery before its bytes.
type Request struct {
	Metadata preservation.Metadata
	// Files announces the files in the order in which they come. Empty means:
	// whatever comes, under the names it comes with.
	Files []Announced
}

// Announced is what the producer says of one file.
type Announced struct {
	Name     string
	Title    string
	Document string
	SHA256   string // lower-case hex, optional
	SHA512   string // lower-case hex, optional
}

// Delivery is one submission while its bytes arrive. It is used by one
// goroutine; Abort must be called in the end and does nothing after Commit.
type Delivery struct {
	in      *Intake
	tenant  *catalog.Tenant
	actor   string
	req     Request
	sub     catalog.Submission
	bytes   int64
	discard bool // the source is known already: compare only
	done    bool
}

// Begin checks the metadata and opens a delivery. An *Invalid says what the
// producer must change.
func (in *Intake) Begin(ctx context.Context, t *catalog.Tenant, actor string, req Request) (*Delivery, error) {
	if err := in.Timely(ctx); err != nil {
		return nil, err
	}
	problems, err := in.Check(ctx, t, req)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, &Invalid{Problems: problems}
	}
	d := &Delivery{in: in, tenant: t, actor: actor, req: req}
	_, err = t.SubmissionBySource(ctx, req.Metadata.Producer, req.Metadata.ProducerRecordID)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return nil, err
	}
	d.discard = err == nil
	now := in.Now()
	d.sub = catalog.Submission{
		ID:          preservation.SubmissionID(preservation.NewID(now)),
		RecordID:    preservation.RecordID(preservation.NewID(now)),
		Version:     1,
		Metadata:    req.Metadata,
		SubmittedBy: actor,
	}
	return d, nil
}

// Timely says why nothing is taken in now for the sake of the clock; nil: it is.
func (in *Intake) Timely(ctx context.Context) error {
	if in.Clock == nil {
		return nil
	}
	return in.Clock(ctx)
}

// BeginPackage opens a delivery of one file that is a package of records
// (xdomea, E-ARK SIP, BagIt). Its producer is the actor, its identifier the
// digest of the file.
func (in *Intake) BeginPackage(t *catalog.Tenant, actor string) *Delivery {
	return &Delivery{in: in, tenant: t, actor: actor, sub: catalog.Submission{
		ID: preservation.SubmissionID(preservation.NewID(in.Now())), Version: 1, SubmittedBy: actor, Package: true,
	}}
}

// Check finds what can be found before the bytes come.
func (in *Intake) Check(ctx context.Context, t *catalog.Tenant, req Request) ([]Problem, error) {
	var out []Problem
	m := req.Metadata
	known, err := in.Known(ctx, t, m.Class)
	if err != nil {
		return nil, fmt.Errorf("look up class: %w", err)
	}
	if !known {
		out = append(out, Problem{Field: "class", Code: "unknown-class", Detail: fmt.Sprintf("class %q is not in the classification, or closed; GET /v1/classification lists the classes", m.Class)})
	}
	if !m.Opened.IsZero() && !m.Closed.IsZero() && m.Closed.Before(m.Opened) {
		out = append(out, Problem{Field: "closed", Code: "before-opened", Detail: fmt.Sprintf("closed (%s) is before opened (%s)", m.Closed, m.Opened)})
	}
	out = append(out, Impossible(m, preservation.DateOf(in.Now().UTC()))...)
	if m.Parent != "" {
		_, err := t.Record(ctx, m.Parent)
		switch {
		case errors.Is(err, catalog.ErrNotFound), errors.Is(err, catalog.ErrDestroyed):
			out = append(out, Problem{Field: "parent", Code: "unknown-record", Detail: fmt.Sprintf("there is no record %q", m.Parent)})
		case err != nil:
			return nil, err
		}
	}
	if n := in.maxFiles(); len(req.Files) > n {
		out = append(out, Problem{Field: "files", Code: "too-many", Detail: fmt.Sprintf("%d files, at most %d in one submission", len(req.Files), n)})
	}
	return out, nil
}

// Impossible finds days that cannot be true of a record on a day: what lies ahead has not
// happened, and would keep the record that much longer. However long ago something was is
// no fault.
func Impossible(m preservation.Metadata, today preservation.Date) (out []Problem) {
	tomorrow := today.AddDays(1) // a day of grace, for senders whose clock is ahead
	ahead := func(field string, d preservation.Date, do string) {
		if tomorrow.Before(d) {
			out = append(out, Problem{Field: field, Code: "future", Detail: fmt.Sprintf("is %s, which lies ahead%s", d, do)})
		}
	}
	ahead("opened", m.Opened, ": send the day on which the file was opened, or leave this out")
	ahead("closed", m.Closed, ": send the record once it is closed, or leave this out and report the closure later")
	for i, p := range m.Subjects {
		at := fmt.Sprintf("subjects[%d].", i)
		ahead(at+"born", p.Born, "")
		ahead(at+"died", p.Died, "")
		if !p.Died.IsZero() && p.Died.Before(p.Born) {
			out = append(out, Problem{Field: at + "died", Code: "before-born", Detail: "lies before born"})
		}
	}
	return out
}

func (in *Intake) maxFiles() int {
	if in.MaxFiles > 0 {
		return min(in.MaxFiles, MaxFiles)
	}
	return MaxFiles
}

// File takes the next file in. The name is what came with the bytes, raw. When
// File returns without error the bytes are durable in staging.
func (d *Delivery) File(ctx context.Context, name string, r io.Reader) (catalog.StagedFile, error) {
	d.in.receive(d.sub.ID)
	n := len(d.sub.Files)
	f := catalog.StagedFile{Name: name, Key: fmt.Sprintf("%s%06d", stagingPrefix(d.tenant.ID(), d.sub.ID), n+1)}
	if len(d.req.Files) > 0 {
		if n >= len(d.req.Files) {
			return f, invalid(fmt.Sprintf("files[%d]", n), "not-announced", "file %q is not in metadata.files, which lists %d", name, len(d.req.Files))
		}
		a := d.req.Files[n]
		if a.Name != "" && name != "" && a.Name != name && a.Name != inJSON(name) {
			return f, invalid(fmt.Sprintf("files[%d].name", n), "name-mismatch", "announced %q, received %q; parts must come in the order of metadata.files", a.Name, name)
		}
		if name == "" {
			f.Name = a.Name
		}
		f.Title, f.Document = a.Title, a.Document
	}
	if f.Name == "" {
		return f, invalid(fmt.Sprintf("files[%d].name", n), "required", "the file has no name")
	}
	if len(f.Name) > MaxName {
		return f, invalid(fmt.Sprintf("files[%d].name", n), "too-long", "the name has %d bytes; at most %d are kept", len(f.Name), MaxName)
	}
	if most := d.in.maxFiles(); n >= most {
		return f, invalid("files", "too-many", "more than %d files in one submission", most)
	}
	if d.in.MaxBytes > 0 {
		r = &limited{r: r, left: d.in.MaxBytes - d.bytes, max: d.in.MaxBytes}
	}
	h := newHasher(r)
	var err error
	if d.discard {
		_, err = io.Copy(io.Discard, h)
	} else {
		_, err = d.in.Staging.Put(ctx, f.Key, h, preservation.PutOptions{Size: -1, Digest: func() []byte { return h.h256.Sum(nil) }})
	}
	if err != nil {
		return f, fmt.Errorf("stage file %d: %w", n+1, err)
	}
	f.Size, f.Digests = h.n, h.sums()
	d.bytes += f.Size
	if len(d.req.Files) > 0 {
		if err := compare(n, d.req.Files[n], f); err != nil {
			return f, err
		}
	}
	d.sub.Files = append(d.sub.Files, f)
	return f, nil
}

// inJSON is a name as JSON can hold it: with U+FFFD for each byte that is not
// UTF-8. Only the part of a form has the name itself, which is kept.
func inJSON(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	return string([]rune(name))
}

// compare holds the digests that the producer announced against those of the
// bytes that came.
func compare(n int, a Announced, f catalog.StagedFile) error {
	if a.SHA256 != "" && a.SHA256 != f.SHA256 {
		return invalid(fmt.Sprintf("files[%d].sha256", n), "digest-mismatch", "file %q arrived with SHA-256 %s, announced was %s; send it again", f.Name, f.SHA256, a.SHA256)
	}
	if a.SHA512 != "" && a.SHA512 != f.SHA512 {
		return invalid(fmt.Sprintf("files[%d].sha512", n), "digest-mismatch", "file %q arrived with SHA-512 %s, announced was %s; send it again", f.Name, f.SHA512, a.SHA512)
	}
	return nil
}

// Commit accepts the delivery. created is false when the same delivery was
// accepted before: that one is returned. Another delivery under the same
// producer and producer_record_id is a *catalog.SourceConflict.
func (d *Delivery) Commit(ctx context.Context) (sub catalog.Submission, created bool, err error) {
	if n := len(d.sub.Files); n < len(d.req.Files) {
		return sub, false, invalid(fmt.Sprintf("files[%d]", n), "missing", "announced file %q did not arrive", d.req.Files[n].Name)
	}
	if r := d.sub.Revision; len(d.sub.Files) == 0 && (r == nil || len(r.Changes) == 0 || len(r.Replaces) > 0) {
		return sub, false, invalid("files", "required", "at least one file is needed")
	}
	if d.sub.Package {
		d.sub.Metadata = preservation.Metadata{Producer: d.actor, ProducerRecordID: "package:" + d.sub.Files[0].SHA256}
	}
	if r := d.sub.Revision; r != nil {
		d.sub.Fingerprint = r.Fingerprint(d.sub.RecordID, d.sub.Files)
	} else {
		d.sub.Fingerprint = catalog.Fingerprint(d.sub.Metadata, d.sub.Files)
	}
	if d.discard {
		have, err := d.tenant.SubmissionBySource(ctx, d.sub.Metadata.Producer, d.sub.Source())
		if errors.Is(err, catalog.ErrNotFound) {
			return sub, false, fmt.Errorf("the earlier submission ended meanwhile, send again: %w", catalog.ErrConflict)
		}
		if err != nil {
			return sub, false, err
		}
		return d.repeated(have)
	}
	if err := d.staged(ctx); err != nil {
		return sub, false, err
	}
	now := d.in.Now()
	d.sub.Received = now
	// A client that hangs up now must not leave open whether it was accepted.
	err = d.tenant.CreateSubmission(context.WithoutCancel(ctx), d.sub, preservation.Event{
		ID: preservation.NewID(now), Type: preservation.EventReceive, At: now, Outcome: preservation.Success,
		Detail: fmt.Sprintf("%d files, %d bytes received and durably staged", len(d.sub.Files), d.bytes),
		Agent:  agent,
	})
	var conflict *catalog.SourceConflict
	if errors.As(err, &conflict) { // a twin was faster
		return d.repeated(conflict.Existing)
	}
	if err != nil {
		return sub, false, fmt.Errorf("accept submission: %w", err)
	}
	d.done = true
	d.in.received(d.sub.ID) // now its row keeps the sweep away
	sub = d.sub
	sub.Status = catalog.Received
	return sub, true, nil
}

func (d *Delivery) repeated(have catalog.Submission) (catalog.Submission, bool, error) {
	if have.Fingerprint != d.sub.Fingerprint {
		return catalog.Submission{}, false, &catalog.SourceConflict{Existing: have}
	}
	return have, false, nil
}

// staged makes sure that staging holds every file whole. A delivery may take
// days, and until it is accepted nothing but its process knows of it; and there are
// stores that lose what they have just acknowledged.
func (d *Delivery) staged(ctx context.Context) error {
	const few = 4 // up to here it is faster to ask for each
	have := map[string]int64{}
	if len(d.sub.Files) > few {
		for o, err := range d.in.Staging.List(ctx, stagingPrefix(d.tenant.ID(), d.sub.ID)) {
			if err != nil {
				return fmt.Errorf("look at staged files: %w", err)
			}
			have[o.Key] = o.Size
		}
	}
	for i, f := range d.sub.Files {
		size, ok := have[f.Key]
		if !ok { // or not by the listing, which a store may not keep up to date
			o, err := d.in.Staging.Stat(ctx, f.Key)
			if err != nil && !errors.Is(err, preservation.ErrNotFound) {
				return fmt.Errorf("look at staged files: %w", err)
			}
			size, ok = o.Size, err == nil
		}
		if !ok || size != f.Size {
			return preservation.Down(preservation.PartStore, fmt.Errorf("file %d of the delivery is no longer in staging, send all of it again: %w", i+1, catalog.ErrConflict))
		}
	}
	return nil
}

// Abort removes what was staged of a delivery that was not committed. Where that
// is not certain, as when the connection to the catalog broke during the commit,
// it is left to the sweep.
func (d *Delivery) Abort(ctx context.Context) {
	defer d.in.received(d.sub.ID)
	if d.done || d.discard {
		return
	}
	d.done = true
	ctx = context.WithoutCancel(ctx)
	prefix := stagingPrefix(d.tenant.ID(), d.sub.ID)
	used, err := d.tenant.StagingInUse(ctx, d.sub.ID)
	if err == nil && !used {
		err = d.in.Staging.RemoveAll(ctx, prefix)
	}
	if err != nil {
		d.in.Log.WarnContext(ctx, "remove aborted delivery; the sweep will", "prefix", prefix, "err", err)
	}
}

// receive notes that a delivery is under way, received that it no longer is.
func (in *Intake) receive(id preservation.SubmissionID) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.open == nil {
		in.open = map[preservation.SubmissionID]time.Time{}
	}
	if _, again := in.open[id]; !again {
		in.open[id] = time.Now()
	}
}

func (in *Intake) received(id preservation.SubmissionID) {
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.open, id)
	in.last = time.Now()
}

// receiving reports whether a delivery is under way in this process.
func (in *Intake) receiving(id preservation.SubmissionID) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	_, ok := in.open[id]
	return ok
}

const (
	// brief is how long a delivery may take that others wait for.
	brief = 2 * time.Second
	// pause is how soon the next delivery follows of those who have many.
	pause = 50 * time.Millisecond
)

// rush reports whether somebody waits for a delivery to be accepted, or is about
// to send the next one. One that takes long, by its size or its line, is not
// waited for.
func (in *Intake) rush() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	now := time.Now()
	for _, since := range in.open {
		if now.Sub(since) < brief {
			return true
		}
	}
	return now.Sub(in.last) < pause
}

func stagingPrefix(t preservation.TenantID, id preservation.SubmissionID) string {
	return fmt.Sprintf("%s/%s/", t, id)
}

// hasher computes both digests of what is read through it, in one pass.
type hasher struct {
	r        io.Reader
	n        int64
	h256     interface{ Sum([]byte) []byte }
	h512     interface{ Sum([]byte) []byte }
	combined io.Writer
}

func newHasher(r io.Reader) *hasher {
	a, b := sha256.New(), sha512.New()
	return &hasher{r: r, h256: a, h512: b, combined: io.MultiWriter(a, b)}
}

func (h *hasher) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.combined.Write(p[:n])
	h.n += int64(n)
	return n, err
}

func (h *hasher) sums() preservation.Digests {
	return preservation.Digests{SHA256: hex.EncodeToString(h.h256.Sum(nil)), SHA512: hex.EncodeToString(h.h512.Sum(nil))}
}

// limited refuses the byte behind the limit instead of cutting silently.
type limited struct {
	r         io.Reader
	left, max int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, invalid("files", "too-large", "more than %d bytes in one submission", l.max)
	}
	return n, err
}
