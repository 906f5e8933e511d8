package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// KindRun is the kind of the documents that make up a disposal run (Aussonderung):
// each version is an Entry, and all of them in order make the Run and its items.
// Their name is the run's ID.
const KindRun = "disposal-run"

// RunStatus is how far a disposal run has come.
type RunStatus string

const (
	RunDraft     RunStatus = "draft"     // records are to be assessed
	RunDecided   RunStatus = "decided"   // every record is assessed
	RunOffered   RunStatus = "offered"   // and was offered to the archive
	RunApproved  RunStatus = "approved"  // a second person approved the list, which is frozen
	RunExecuting RunStatus = "executing" // carried out once the grace period is over
	RunStopped   RunStatus = "stopped"   // by a person or by itself; it can go on or be cancelled
	RunCompleted RunStatus = "completed"
	RunCancelled RunStatus = "cancelled"
)

// Keep is the decision to keep a record longer; the others are the dispositions.
const Keep = "K"

// NoAnswer notes that the archive did not decide within its time.
const NoAnswer = "none"

// Run is a disposal by people: records that are due are assessed, offered to the
// competent archive, approved by a second person, and then destroyed or handed over.
type Run struct {
	ID         string    `json:"id"`
	Revision   int       `json:"revision"` // rises with everything that is done to it
	Title      string    `json:"title,omitempty"`
	Selection  Selection `json:"selection,omitzero"`
	Collecting bool      `json:"collecting,omitempty"` // records are still being listed
	Collected  string    `json:"collected,omitempty"`  // the last of them
	Status     RunStatus `json:"status"`
	Proposer   string    `json:"proposer"`
	Proposed   time.Time `json:"proposed"`
	Deciders   []string  `json:"deciders,omitempty"`

	Offer     Offer     `json:"offer,omitzero"`
	Approval  Approval  `json:"approval,omitzero"`
	Execution Execution `json:"execution,omitzero"`
	Stop      Stop      `json:"stop,omitzero"` // while it is stopped

	// Handovers are the acknowledged transfers by what items say of them.
	Handovers map[string]Handover `json:"handovers,omitempty"`

	History []Step `json:"history,omitempty"`

	Ended       time.Time             `json:"ended,omitzero"`
	Certificate preservation.RecordID `json:"certificate,omitempty"` // the record that holds it
}

// Selection names the records that are due and belong into a run. Given classes
// and a day both have to fit.
type Selection struct {
	Records []preservation.RecordID `json:"records,omitempty" validate:"omitempty,max=100000,unique,dive,record"`
	Classes []string                `json:"classes,omitempty" validate:"omitempty,max=10000,unique,dive,required,max=64,code"` // with all below them
	DueBy   preservation.Date       `json:"due_by,omitzero"`
	Limit   int                     `json:"limit,omitempty" validate:"min=0"` // at most so many of them; 0: all
}

// Offer is the offer to the competent archive (Anbietung, SächsArchivG §5(1)).
type Offer struct {
	Authority string            `json:"authority" validate:"required,max=500"`
	Offered   preservation.Date `json:"offered" validate:"required"`
	Reference string            `json:"reference,omitempty" validate:"max=500"`
	// Deadline is the last day of the six months in which the archive decides. After
	// it the duty to keep lapses (§5(6)); a person notes that and goes on.
	Deadline preservation.Date `json:"deadline"`
	By       string            `json:"by"`
}

// Approval is that of a second person, for the list as it stood.
type Approval struct {
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Digest  string    `json:"digest"`  // SHA-256 of the list, in hex
	Records int64     `json:"records"` // on it
	Destroy int64     `json:"destroy"` // of them
	// HandOver is how many of them go to the archive. Their own copies may be destroyed
	// once it has acknowledged them.
	HandOver int64  `json:"hand_over,omitempty"`
	Note     string `json:"note,omitempty"`
}

// Execution is the order to carry a run out.
type Execution struct {
	By        string    `json:"by"`
	At        time.Time `json:"at"`
	NotBefore time.Time `json:"not_before"`      // the grace period is over
	Allow     int64     `json:"allow,omitempty"` // records that may be destroyed though they are unusually many
	Begun     time.Time `json:"begun,omitzero"`  // when the first record was begun
}

// Stop says who stopped a run and why.
type Stop struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Asks   int64     `json:"asks,omitempty"` // it stopped itself before destroying so many records: say that they are right
}

// Step is something that somebody did to a run; several decisions in a row are one.
type Step struct {
	Revision int       `json:"revision"`
	At       time.Time `json:"at"` // of the last one
	By       string    `json:"by"`
	Act      string    `json:"act"`
	Times    int       `json:"times,omitempty"` // if more than one
	Status   RunStatus `json:"status"`          // afterwards
	Note     string    `json:"note,omitempty"`
}

// Acts of an Entry.
const (
	actCreated     = "created"
	actListed      = "listed"
	actDecided     = "decided"
	actOffered     = "offered"
	actAnswered    = "answered"
	actApproved    = "approved"
	actWithdrawn   = "withdrawn"
	actStarted     = "started"
	actBegun       = "begun"
	actStopped     = "stopped"
	actHandedOver  = "handed-over"
	actLeft        = "left"
	actTakenOver   = "taken-over"
	actCompleted   = "completed"
	actCancelled   = "cancelled"
	actCertificate = "certified"
)

// Entry is something that was done to a run. Exactly what its act needs is set.
type Entry struct {
	Act       string                  `json:"act"`
	Status    RunStatus               `json:"status"` // afterwards
	Run       *Run                    `json:"run,omitempty"`
	Items     []catalog.RunItem       `json:"items,omitempty"`
	Through   string                  `json:"through,omitempty"` // of listed: go on behind this record
	More      bool                    `json:"more,omitempty"`    // of listed: others follow
	Scope     Scope                   `json:"scope,omitzero"`
	Decision  string                  `json:"decision,omitempty"`
	Until     preservation.Date       `json:"until,omitzero"`
	Note      string                  `json:"note,omitempty"`
	Keeps     bool                    `json:"keeps,omitempty"` // of decided and answered: without a note that of before stays
	Offer     *Offer                  `json:"offer,omitempty"`
	Approval  *Approval               `json:"approval,omitempty"`
	Execution *Execution              `json:"execution,omitempty"`
	Stop      *Stop                   `json:"stop,omitempty"`
	Handover  *Handover               `json:"handover,omitempty"`
	Rest      bool                    `json:"rest,omitempty"`    // of handed-over: what was before stays as it was
	Records   []preservation.RecordID `json:"records,omitempty"` // of taken-over
	Record    preservation.RecordID   `json:"record,omitempty"`  // of certified
}

// Open reports whether the run may still do something to its records.
func (r *Run) Open() bool { return r.Status != RunCompleted && r.Status != RunCancelled }

// involved reports whether somebody took part in choosing what happens.
func (r *Run) involved(person string) bool {
	return strings.EqualFold(r.Proposer, person) || slices.ContainsFunc(r.Deciders, func(d string) bool { return strings.EqualFold(d, person) })
}

// appraising reports whether decisions can be made.
func (r *Run) appraising() bool {
	return r.Status == RunDraft || r.Status == RunDecided || r.Status == RunOffered
}

// Run returns a disposal run.
func (o *Officer) Run(ctx context.Context, t *catalog.Tenant, id string) (Run, error) {
	return readRun(ctx, t.View(), id)
}

// Runs lists disposal runs, the newest first, behind one of them.
func (o *Officer) Runs(ctx context.Context, t *catalog.Tenant, after string, limit int) ([]Run, error) {
	rows, err := t.View().Runs(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	all := make([]Run, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal(row.Body, &all[i]); err != nil {
			return nil, fmt.Errorf("disposal run %s: %w", row.ID, err)
		}
	}
	return all, nil
}

func readRun(ctx context.Context, v catalog.View, id string) (r Run, err error) {
	row, err := v.Run(ctx, id)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(row.Body, &r)
}

// act does something to a run in one transaction, as Officer.change does.
func (o *Officer) act(ctx context.Context, t *catalog.Tenant, id, actor string, fn func(context.Context, *edit, *Run) error) (Run, error) {
	var r Run
	err := o.change(ctx, t, actor, func(ctx context.Context, e *edit) (err error) {
		if r, err = readRun(ctx, e.v, id); err != nil {
			return err
		}
		return fn(ctx, e, &r)
	})
	if err != nil {
		err = fmt.Errorf("disposal run %s: %w", id, err)
	}
	return r, err
}

// enter makes an entry the next version of a run.
func (e *edit) enter(ctx context.Context, r *Run, n Entry) error {
	r.Revision++
	if err := r.apply(e.Tx, &n, e.actor); err != nil {
		return err
	}
	if r.appraising() {
		status, err := r.appraised(ctx, e.v)
		if err != nil {
			return err
		}
		r.Status = status
	}
	n.Status = r.Status
	d, err := document(KindRun, r.ID, r.Revision, n, e.actor, e.now)
	if err != nil {
		return err
	}
	r.note(&n, d)
	e.docs = append(e.docs, d)
	if err := errors.Join(e.AddDocument(d), e.setRun(r)); err != nil || n.Act == actListed {
		return err
	}
	return e.Audit(catalog.AuditEntry{Actor: e.actor, Action: "disposal." + n.Act, Object: r.ID, Detail: n.audited(r.Revision)})
}

// auditedClasses is how many classes of a decision the audit log names.
const auditedClasses = 20

// audited is what the audit log says of an entry: of a decision also about what, where that
// is not all, and its note, of which the list knows the newest only.
func (n *Entry) audited(revision int) map[string]string {
	detail := map[string]string{"revision": strconv.Itoa(revision)}
	if n.Act != actDecided && n.Act != actAnswered {
		return detail
	}
	detail["decision"] = n.Decision
	if n.Note != "" {
		detail["note"] = n.Note
	}
	if n := len(n.Scope.Records); n > 1 {
		detail["records"] = strconv.Itoa(n)
	}
	if len(n.Scope.Records) == 1 {
		detail["record"] = string(n.Scope.Records[0])
	}
	if classes := n.Scope.Classes; len(classes) > auditedClasses {
		detail["class"] = strings.Join(classes[:auditedClasses], ", ") + " …"
	} else if len(classes) > 0 {
		detail["class"] = strings.Join(classes, ", ")
	}
	return detail
}

func (e *edit) setRun(r *Run) error {
	row, err := r.row()
	if err != nil {
		return err
	}
	return e.SetRun(row)
}

func (r *Run) row() (catalog.RunRow, error) {
	body, err := json.Marshal(r)
	return catalog.RunRow{ID: r.ID, Status: string(r.Status), Body: body}, err
}

// appraised is the status of a run that is not approved.
func (r *Run) appraised(ctx context.Context, v catalog.View) (RunStatus, error) {
	if r.Offer.Authority != "" {
		return RunOffered, nil
	}
	counts, err := v.CountItems(ctx, r.ID)
	if err != nil {
		return r.Status, err
	}
	if n := Count(counts); r.Collecting || n.Undecided > 0 || n.Open == 0 {
		return RunDraft, nil
	}
	return RunDecided, nil
}

// listing is where the items of a run are.
type listing interface {
	AddItem(catalog.RunItem) error
	SetItems(catalog.ItemFilter, catalog.ItemChange) (int64, error)
}

// unlisted is the listing of whoever looks at a run without its items.
type unlisted struct{}

func (unlisted) AddItem(catalog.RunItem) error                                  { return nil }
func (unlisted) SetItems(catalog.ItemFilter, catalog.ItemChange) (int64, error) { return 0, nil }

// apply does to the run and its items what an entry says. It is the same when the
// entry is made and when a rebuild reads it again.
func (r *Run) apply(x listing, n *Entry, actor string) error {
	open := catalog.ItemFilter{Run: r.ID, States: []string{catalog.ItemOpen}}
	switch n.Act {
	case actCreated:
		revision := r.Revision
		*r = *n.Run
		r.Revision = revision
	case actListed:
		r.Collecting, r.Collected = n.More, n.Through
		for _, i := range n.Items {
			i.Run, i.Sampled = r.ID, sampledBy(i.Sampled)
			if err := x.AddItem(i); err != nil {
				return err
			}
		}
	case actDecided:
		r.decides(actor)
		return r.set(x, n.Scope, open, n.noted(actor, catalog.ItemChange{Decision: n.Decision, Until: &n.Until, DecidedBy: actor}))
	case actOffered:
		r.decides(actor)
		r.Offer = *n.Offer
	case actAnswered:
		r.decides(actor)
		c := catalog.ItemChange{Answer: n.Decision}
		if n.Decision != NoAnswer {
			c.Decision, c.DecidedBy = n.Decision, actor
		} else if !n.Keeps { // it changed nothing else
			return r.set(x, n.Scope, Offerable(r.ID), c)
		}
		return r.set(x, n.Scope, Offerable(r.ID), n.noted(actor, c))
	case actApproved:
		r.Approval, r.Status = *n.Approval, RunApproved
	case actWithdrawn:
		r.Approval, r.Execution, r.Stop, r.Status = Approval{}, Execution{}, Stop{}, RunDraft
	case actStarted:
		r.Execution, r.Stop, r.Status = *n.Execution, Stop{}, RunExecuting
	case actBegun:
		r.Execution = *n.Execution
	case actStopped:
		r.Stop, r.Status = *n.Stop, RunStopped
	case actHandedOver:
		if r.Handovers == nil {
			r.Handovers = make(map[string]Handover)
		}
		r.Handovers[n.Handover.text()] = *n.Handover
		open.Decisions, open.Waiting = []string{string(Archive)}, n.Rest
		return r.set(x, n.Scope, open, catalog.ItemChange{Transfer: n.Handover.text(), OwnCopy: n.Handover.OwnCopy})
	case actLeft:
		for _, i := range n.Items {
			open.IDs = []preservation.RecordID{i.Record}
			if _, err := x.SetItems(open, catalog.ItemChange{State: catalog.ItemLeft, Reason: i.Reason}); err != nil {
				return err
			}
		}
	case actTakenOver:
		open.IDs = n.Records
		_, err := x.SetItems(open, catalog.ItemChange{State: catalog.ItemTransferred})
		return err
	case actCompleted:
		r.Status, r.Ended = RunCompleted, n.Run.Ended
	case actCancelled:
		r.Status, r.Ended = RunCancelled, n.Run.Ended
		_, err := x.SetItems(open, catalog.ItemChange{State: catalog.ItemLeft, Until: new(preservation.Date), Reason: "the run was cancelled: " + n.Note})
		return err
	case actCertificate:
		r.Certificate = n.Record
	}
	return nil
}

// noted adds the note of an entry to a change of items. Where it is what was noted before
// that stays, with who did. An entry that does not say Keeps was made when one without a
// note took away that of before, which the list was approved with.
func (n *Entry) noted(actor string, c catalog.ItemChange) catalog.ItemChange {
	if n.Note != "" || !n.Keeps {
		c.Note, c.NotedBy = &n.Note, actor
	}
	return c
}

// entryOf is what a version of a run's document says.
func entryOf(d catalog.Document) (n Entry, err error) {
	if err := json.Unmarshal(d.Body, &n); err != nil {
		return n, fmt.Errorf("disposal run %s, revision %d: %w", d.Name, d.Version, err)
	}
	return n, nil
}

// replay does what a version of the run's document says.
func (r *Run) replay(x listing, n *Entry, d catalog.Document) error {
	if err := r.apply(x, n, d.Actor); err != nil {
		return err
	}
	r.Revision, r.Status = d.Version, n.Status
	r.note(n, d)
	return nil
}

// note adds an entry to the history, but for what is told by the items.
func (r *Run) note(n *Entry, d catalog.Document) {
	s := Step{Revision: d.Version, At: time.UnixMilli(d.At).UTC(), By: d.Actor, Act: n.Act, Status: n.Status, Note: n.Note}
	switch n.Act {
	case actListed, actLeft, actTakenOver:
		return
	case actDecided, actAnswered, actHandedOver:
		s.Note = ""
		if end := len(r.History) - 1; end >= 0 && r.History[end].Act == n.Act && r.History[end].By == d.Actor {
			s.Times = max(r.History[end].Times, 1) + 1
			r.History[end] = s
			return
		}
	}
	r.History = append(r.History, s)
}

// decides notes that somebody took part in the decisions.
func (r *Run) decides(actor string) {
	if !slices.ContainsFunc(r.Deciders, func(d string) bool { return strings.EqualFold(d, actor) }) {
		r.Deciders = append(r.Deciders, actor)
	}
}

// set changes the items of a scope, whose classes are named one by one.
func (r *Run) set(x listing, s Scope, f catalog.ItemFilter, c catalog.ItemChange) error {
	if s.All {
		_, err := x.SetItems(f, c)
		return err
	}
	for ids := range slices.Chunk(s.Records, batch) {
		g := f
		g.IDs = ids
		if _, err := x.SetItems(g, c); err != nil {
			return err
		}
	}
	for codes := range slices.Chunk(s.Classes, maxCodes) {
		g := f
		g.Classes = codes
		if _, err := x.SetItems(g, c); err != nil {
			return err
		}
	}
	return nil
}

// RunCounts is how many records of a run are how far.
type RunCounts struct {
	Open        int64 `json:"open"`
	Undecided   int64 `json:"undecided"`            // of the open ones: not assessed, or B
	Destroy     int64 `json:"destroy"`              // of the open ones: V
	Archive     int64 `json:"archive"`              // of the open ones: A
	Keep        int64 `json:"keep"`                 // of the open ones: kept longer
	Unanswered  int64 `json:"unanswered"`           // of the open ones: V, to be offered, and not answered
	HandOver    int64 `json:"hand_over"`            // of the open ones: A, not handed over yet
	OwnCopies   int64 `json:"own_copies,omitempty"` // of the open ones: A, handed over, and the own copy is to be destroyed
	Destroyed   int64 `json:"destroyed"`
	TakenOver   int64 `json:"taken_over"`  // of the destroyed ones: after an archive took them over
	Transferred int64 `json:"transferred"` // and a copy stays here
	Left        int64 `json:"left"`
	Refused     int64 `json:"refused"`
}

// ToDestroy is how many records the run destroys as things stand. Those that wait for
// the archive may come on top.
func (n *RunCounts) ToDestroy() int64 { return n.Destroy + n.OwnCopies }

// unanswered reports whether the archive has still to decide.
func unanswered(answer string) bool { return answer == "" || answer == string(Assess) }

// Count sums up the items of a run.
func Count(counts []catalog.ItemCount) (n RunCounts) {
	for _, c := range counts {
		switch c.State {
		case catalog.ItemDestroyed:
			n.Destroyed += c.Items
			if c.Decision == string(Archive) {
				n.TakenOver += c.Items
			}
		case catalog.ItemTransferred:
			n.Transferred += c.Items
		case catalog.ItemLeft:
			n.Left += c.Items
		case catalog.ItemRefused:
			n.Refused += c.Items
		}
		if c.State != catalog.ItemOpen {
			continue
		}
		n.Open += c.Items
		switch c.Decision {
		case string(Destroy):
			n.Destroy += c.Items
			if c.Offer && unanswered(c.Answer) {
				n.Unanswered += c.Items
			}
		case string(Archive):
			n.Archive += c.Items
			switch c.OwnCopy {
			case "":
				n.HandOver += c.Items
			case copyDestroy:
				n.OwnCopies += c.Items
			}
		case Keep:
			n.Keep += c.Items
		default:
			n.Undecided += c.Items
		}
	}
	return n
}
