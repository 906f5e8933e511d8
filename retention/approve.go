package retention

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// NotReady says what has to happen to a disposal run before it can be approved or go on.
type NotReady struct{ Reason string }

func (e *NotReady) Error() string { return e.Reason }

// Unwrap makes it an ErrConflict.
func (e *NotReady) Unwrap() error { return catalog.ErrConflict }

// ApproveRun freezes the list of a run as a second person: ErrSamePerson for whoever
// proposed it or decided anything. A revision other than 0 has to be the one that
// the approver looked at.
func (o *Officer) ApproveRun(ctx context.Context, t *catalog.Tenant, id string, revision int, note, actor string) (Run, error) {
	today, err := o.Today(ctx, t)
	if err != nil {
		return Run{}, err
	}
	return o.act(ctx, t, id, actor, func(ctx context.Context, e *edit, r *Run) error {
		if err := e.second(ctx, actor, append(r.Deciders, r.Proposer)...); err != nil {
			return err
		}
		switch {
		case !r.appraising():
			return fmt.Errorf("it is %s: %w", r.Status, catalog.ErrConflict)
		case revision != 0 && revision != r.Revision:
			return fmt.Errorf("revision %d is not the newest, which is %d: look at it again: %w", revision, r.Revision, catalog.ErrConflict)
		}
		counts, err := e.v.CountItems(ctx, r.ID)
		if err != nil {
			return err
		}
		n := Count(counts)
		if r.Offer.running(today) { // it was offered anew since, or the clock was ahead when that was noted
			n.Unanswered += silent(counts)
		}
		switch {
		case r.Collecting:
			return &NotReady{"its records are still being listed"}
		case n.Open == 0:
			return &NotReady{"it has no records"}
		case n.Undecided > 0:
			return &NotReady{fmt.Sprintf("%d of its records are not assessed", n.Undecided)}
		case n.Unanswered > 0 && r.Offer.Authority == "":
			return &NotReady{fmt.Sprintf("%d records that are to be destroyed have to be offered to the archive", n.Unanswered)}
		case n.Unanswered > 0:
			return &NotReady{fmt.Sprintf("the archive has not answered about %d records that are to be destroyed; it may until %s", n.Unanswered, r.Offer.Deadline)}
		}
		digest, records, err := listDigest(ctx, e.v, r.ID)
		if err != nil {
			return err
		}
		return e.enter(ctx, r, Entry{Act: actApproved, Approval: &Approval{By: actor, At: e.now.UTC().Truncate(time.Millisecond), Digest: digest, Records: records, Destroy: n.Destroy, HandOver: n.Archive, Note: note}, Note: note})
	})
}

// silent counts the records to be destroyed of which somebody noted that the archive did
// not answer.
func silent(counts []catalog.ItemCount) (n int64) {
	for _, c := range counts {
		if c.State == catalog.ItemOpen && c.Decision == string(Destroy) && c.Offer && c.Answer == NoAnswer {
			n += c.Items
		}
	}
	return n
}

// running reports whether the archive may still answer.
func (f *Offer) running(today preservation.Date) bool {
	return f.Authority != "" && !f.Deadline.Before(today)
}

// WithdrawRun takes an approval back, whoever gave it. What was destroyed under it
// stays destroyed; the rest can be decided anew.
func (o *Officer) WithdrawRun(ctx context.Context, t *catalog.Tenant, id, reason, actor string) (Run, error) {
	return o.act(ctx, t, id, actor, func(ctx context.Context, e *edit, r *Run) error {
		if r.Status != RunApproved && r.Status != RunStopped {
			return fmt.Errorf("it is %s: %w", r.Status, catalog.ErrConflict)
		}
		return e.withdraw(ctx, r, reason)
	})
}

func (e *edit) withdraw(ctx context.Context, r *Run, reason string) error {
	n, err := e.v.RunDisposals(ctx, r.ID, purging, blocked)
	if err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("of %d of its records bytes are gone: go on with it: %w", n, catalog.ErrConflict)
	}
	if err := e.enter(ctx, r, Entry{Act: actWithdrawn, Note: reason}); err != nil {
		return err
	}
	return e.Enqueue(catalog.Job{Kind: JobDispose, Key: keyReconsider})
}

// StartRun orders an approved run to be carried out after a grace period, or a stopped
// one to go on. allow is how many records a run that stopped itself for their number
// may destroy, as many as it asked about; of others it is refused, so that nobody allows
// what no run has asked yet. The history says who allowed it.
func (o *Officer) StartRun(ctx context.Context, t *catalog.Tenant, id string, grace time.Duration, allow int64, actor string) (Run, error) {
	return o.act(ctx, t, id, actor, func(ctx context.Context, e *edit, r *Run) error {
		if r.Status != RunApproved && r.Status != RunStopped {
			return fmt.Errorf("it is %s, and an approved one can be carried out: %w", r.Status, catalog.ErrConflict)
		}
		if r.Stop.Asks > allow {
			return &NotReady{fmt.Sprintf("%s: say allow: %d if that is right", r.Stop.Reason, r.Stop.Asks)}
		}
		note := ""
		switch {
		case r.Stop.Asks > 0 && allow > r.Stop.Asks:
			return &NotReady{fmt.Sprintf("it asks about %d records: say allow: %d if they are right", r.Stop.Asks, r.Stop.Asks)}
		case r.Stop.Asks > 0:
			note = fmt.Sprintf("%d records allowed although unusual", allow)
		case allow > 0:
			return &NotReady{"it has not stopped itself for the number of its records: leave allow out"}
		}
		now := e.now.UTC().Truncate(time.Millisecond)
		x := Execution{By: actor, At: now, NotBefore: now.Add(grace), Allow: allow, Begun: r.Execution.Begun}
		if err := e.enter(ctx, r, Entry{Act: actStarted, Execution: &x, Note: note}); err != nil {
			return err
		}
		return e.goOn(r)
	})
}

// StopRun stops a run that is being carried out. From its return on no further record
// is begun; those that only wait are called off.
func (o *Officer) StopRun(ctx context.Context, t *catalog.Tenant, id, reason, actor string) (Run, error) {
	return o.act(ctx, t, id, actor, func(ctx context.Context, e *edit, r *Run) error {
		if r.Status != RunExecuting {
			return fmt.Errorf("it is %s: %w", r.Status, catalog.ErrConflict)
		}
		return e.stopRun(ctx, r, Stop{Reason: reason})
	})
}

func (e *edit) stopRun(ctx context.Context, r *Run, s Stop) error {
	s.By, s.At = e.actor, e.now.UTC().Truncate(time.Millisecond)
	if err := errors.Join(e.enter(ctx, r, Entry{Act: actStopped, Stop: &s, Note: s.Reason}), e.DropJob(JobRun, r.ID)); err != nil {
		return err
	}
	return e.Enqueue(catalog.Job{Kind: JobDispose, Key: keyReconsider})
}

// listDigest is the digest of what was decided about the records of a run: SHA-256
// over one line of JSON for each, in the order of their identifiers. What happened
// to them since is not part of it, nor is what items did not say from the beginning: an
// approval outlives an update.
func listDigest(ctx context.Context, v catalog.View, run string) (digest string, records int64, err error) {
	sum := sha256.New()
	f := catalog.ItemFilter{Run: run, States: []string{catalog.ItemOpen, catalog.ItemDestroyed, catalog.ItemTransferred, catalog.ItemLeft}}
	var after preservation.RecordID
	for {
		items, err := v.RunItems(ctx, f, after, page)
		if err != nil {
			return "", 0, err
		}
		for _, i := range items {
			after = i.Record
			i.State, i.Transfer, i.OwnCopy, i.Reason = "", "", "", ""
			i.Opened, i.Closed, i.Sampled, i.NotedBy = preservation.Date{}, preservation.Date{}, "", ""
			line, err := json.Marshal(i)
			if err != nil {
				return "", 0, err
			}
			sum.Write(append(line, '\n'))
			records++
		}
		if len(items) < page {
			return hex.EncodeToString(sum.Sum(nil)), records, nil
		}
	}
}

// objection says why a run does not allow a record of it to be destroyed now, or
// nothing. The record was evaluated a moment ago; today is the day in the tenant's zone.
func (r *Run) objection(i *catalog.RunItem, row *catalog.Retention, e *Evaluation, now time.Time, today preservation.Date) string {
	switch {
	case r.Status != RunExecuting:
		return "the disposal run " + r.ID + " is " + string(r.Status)
	case r.Approval.By == "" || r.involved(r.Approval.By):
		return "no second person approved the disposal run " + r.ID
	case now.Before(r.Execution.NotBefore):
		return "the grace period of the disposal run " + r.ID + " ends at " + r.Execution.NotBefore.Format(time.RFC3339)
	case i.Decision == string(Archive) && i.OwnCopy == "":
		return "the archive has not acknowledged it"
	case i.Decision == string(Archive) && i.OwnCopy != copyDestroy:
		return "a copy of it is kept"
	case i.Decision == Keep:
		return "it is kept until " + i.Until.String()
	case i.Decision != string(Destroy) && i.Decision != string(Archive):
		return "it is not assessed"
	case i.Decision == string(Destroy) && i.Offer && unanswered(i.Answer):
		return "the archive was not asked"
	case i.Decision == string(Destroy) && i.Offer && i.Answer == NoAnswer && r.Offer.running(today): // the clock was ahead when that was noted
		return "the archive may answer until " + r.Offer.Deadline.String()
	case i.Version != row.Version:
		return "a new version was added since it was listed"
	case i.Class != row.Class:
		return "it is in another class than when it was listed"
	case i.Rule != e.Rule.String() || i.Ended != e.End:
		return "another rule or date applies than when it was listed"
	}
	return ""
}

// String is the rule and its version, as records name it.
func (r RuleRef) String() string { return fmt.Sprintf("%s@%d", r.ID, r.Version) }

// reason says in a tombstone why a record was destroyed in a run.
func (r *Run) reason(i *catalog.RunItem) string {
	parts := []string{"retention ended, decision " + i.Decision + " by " + i.DecidedBy}
	switch {
	case i.Transfer != "":
		parts = append(parts, "handed over to "+i.Transfer)
	case i.Answer == NoAnswer:
		parts = append(parts, "offered to "+r.Offer.Authority+" on "+r.Offer.Offered.String()+", which did not answer until "+r.Offer.Deadline.String())
	case i.Answer != "":
		parts = append(parts, "offered to "+r.Offer.Authority+" on "+r.Offer.Offered.String()+", answer "+i.Answer)
	}
	return strings.Join(append(parts, "approved by "+r.Approval.By), "; ")
}
