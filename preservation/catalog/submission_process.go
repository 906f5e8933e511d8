package catalog

import (
	"context"
	"fmt"

	"bestand/preservation"
)

// JobProcess is the kind of the job that processes a submission.
const JobProcess = "process"

// BeginProcessing marks a submission as being worked on. ErrConflict when it
// needs no processing.
func (t *Tenant) BeginProcessing(ctx context.Context, id preservation.SubmissionID) error {
	return t.attempt(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE submission SET status = 'processing', updated_ms = $3 WHERE tenant = $1 AND id = $2 AND status IN ('received', 'processing')`,
			string(t.id), string(id), ms(t.db.now()))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("process submission %s: %w", id, ErrConflict)
		}
		return nil
	})
}

// AddSteps records what a step did. ErrConflict when the caller works on a job that
// is another attempt's by now.
func (t *Tenant) AddSteps(ctx context.Context, id preservation.SubmissionID, events ...preservation.Event) error {
	return t.attempt(ctx, func(x *tx) error { return x.addEvents(t.id, id, "", events) })
}

// ResetSteps forgets the steps of an attempt that starts anew, but for those of
// the reception.
func (t *Tenant) ResetSteps(ctx context.Context, id preservation.SubmissionID) error {
	return t.attempt(ctx, func(x *tx) error {
		_, err := x.exec(`DELETE FROM event WHERE tenant = $1 AND submission = $2 AND submission <> '' AND record_id = '' AND type NOT IN ($3, $4, $5)`,
			string(t.id), string(id), string(preservation.EventReceive), string(preservation.EventQuarantine), string(preservation.EventRelease))
		return err
	})
}

// Freeze records the package that waits in staging. ErrConflict when another
// one was frozen before, which is the one to use, or when the submission is not
// being processed.
func (t *Tenant) Freeze(ctx context.Context, id preservation.SubmissionID, f Frozen) error {
	return t.attempt(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE submission SET frozen = $3, updated_ms = $4 WHERE tenant = $1 AND id = $2 AND frozen = '' AND status = 'processing'`,
			string(t.id), string(id), toJSON(f), ms(t.db.now()))
		if err == nil && n == 0 {
			return fmt.Errorf("freeze submission %s: %w", id, ErrConflict)
		}
		return err
	})
}

// Settle ends the processing of a submission without a record: rejected, or
// quarantined until a person decides. Its problems and the events stay.
// ErrConflict when it has ended or its package is frozen: then another attempt
// has come further than the caller.
func (t *Tenant) Settle(ctx context.Context, id preservation.SubmissionID, status Status, problems []preservation.Finding, events ...preservation.Event) error {
	if status != Rejected && status != Quarantined {
		return fmt.Errorf("settle submission as %q: not an end", status)
	}
	return t.attempt(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE submission SET status = $3, problems = $4, updated_ms = $5 WHERE tenant = $1 AND id = $2 AND status IN ('received', 'processing') AND frozen = ''`,
			string(t.id), string(id), string(status), toJSON(problems), ms(t.db.now()))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("settle submission %s: %w", id, ErrConflict)
		}
		if err := x.addEvents(t.id, id, "", events); err != nil {
			return err
		}
		if status == Rejected {
			if err := x.enqueue(t.id, Job{Kind: "report", Key: string(id)}); err != nil {
				return err
			}
		}
		if err := x.wakeParent(t.id, id); err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: "system", Action: "submission." + string(status), Object: string(id)})
	})
}

// giveUp hands a submission whose processing failed for good to a person.
func (x *tx) giveUp(tenant preservation.TenantID, id preservation.SubmissionID, cause error) error {
	problems := []preservation.Finding{{Code: "processing-failed", Severity: preservation.Failed,
		Detail: "the archive could not process it and keeps what it received; an operator has to look: " + short(cause)}}
	n, err := x.exec(`UPDATE submission SET status = 'quarantined', problems = $3, updated_ms = $4 WHERE tenant = $1 AND id = $2 AND status IN ('received', 'processing')`,
		string(tenant), string(id), toJSON(problems), ms(x.db.now()))
	if err != nil || n == 0 {
		return err
	}
	return x.wakeParent(tenant, id)
}

// wakeParent has the package looked at that a submission came out of, because
// that has ended or waits for a person.
func (x *tx) wakeParent(tenant preservation.TenantID, id preservation.SubmissionID) error {
	var parent string
	if err := x.queryRow(`SELECT parent FROM submission WHERE tenant = $1 AND id = $2`, string(tenant), string(id)).Scan(&parent); err != nil || parent == "" {
		return err
	}
	return x.enqueue(tenant, Job{Kind: JobProcess, Key: parent})
}

// Requeue sends a submission through the pipeline again: a quarantined one
// (release or retry) or one whose job gave up. The problems that a release was
// decided on stay until the next end. ErrConflict in any other state.
func (t *Tenant) Requeue(ctx context.Context, id preservation.SubmissionID, release bool, actor, reason string, events ...preservation.Event) error {
	return t.db.write(ctx, func(x *tx) error {
		var status Status
		err := x.queryRow(`SELECT status FROM submission WHERE tenant = $1 AND id = $2`, string(t.id), string(id)).Scan(&status)
		if err != nil {
			return found(err, "submission", string(id))
		}
		if status == Archived || status == Partial || status == Rejected {
			return fmt.Errorf("submission %s is %s: %w", id, status, ErrConflict)
		}
		dead, err := x.exec(`DELETE FROM job WHERE tenant = $1 AND kind = 'process' AND key = $2 AND state = 'dead'`, string(t.id), string(id))
		if err != nil {
			return err
		}
		if status != Quarantined && (release || dead == 0) {
			return fmt.Errorf("submission %s is %s: %w", id, status, ErrConflict)
		}
		n, err := x.exec(`UPDATE submission SET status = 'received', released = CASE WHEN $3 = 1 THEN 1 ELSE released END, updated_ms = $4,
			problems = CASE WHEN $3 = 1 OR status <> 'quarantined' THEN problems ELSE '[]' END WHERE tenant = $1 AND id = $2 AND status = $5`,
			string(t.id), string(id), bit(release), ms(t.db.now()), string(status))
		if err != nil {
			return err
		}
		if n == 0 { // PostgreSQL lets two look at once
			return fmt.Errorf("somebody else decided on submission %s: %w", id, ErrConflict)
		}
		if err := x.addEvents(t.id, id, "", events); err != nil {
			return err
		}
		if err := x.enqueue(t.id, Job{Kind: JobProcess, Key: string(id)}); err != nil {
			return err
		}
		action := "submission.retry"
		if release {
			action = "submission.release"
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: action, Object: string(id), Detail: map[string]string{"reason": reason}})
	})
}

// FinishSubmission records the receipt, which makes the submission archived.
// problems are the findings that the record was archived with, stored is the
// storage event. One that is archived already stays as it is; ErrConflict when
// it ended otherwise.
func (t *Tenant) FinishSubmission(ctx context.Context, id preservation.SubmissionID, receipt string, obj RecordObject, problems []preservation.Finding, stored preservation.Event) error {
	return t.db.write(ctx, func(x *tx) error {
		var rec preservation.RecordID
		var status Status
		err := x.queryRow(`SELECT record_id, status FROM submission WHERE tenant = $1 AND id = $2`, string(t.id), string(id)).Scan(&rec, &status)
		if err != nil {
			return found(err, "submission", string(id))
		}
		if status == Archived {
			return nil
		}
		n, err := x.exec(`UPDATE submission SET status = 'archived', receipt = $3, problems = $4, frozen = '', updated_ms = $5
			WHERE tenant = $1 AND id = $2 AND status IN ('received', 'processing')`, string(t.id), string(id), receipt, toJSON(problems), ms(stored.At))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("finish submission %s: %w", id, ErrConflict)
		}
		if err := x.addEvents(t.id, id, rec, []preservation.Event{stored}); err != nil {
			return err
		}
		if err := x.addObject(t.id, rec, obj); err != nil {
			return err
		}
		if err := x.enqueue(t.id, Job{Kind: "unstage", Key: string(id)}); err != nil {
			return err
		}
		if err := x.wakeParent(t.id, id); err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: "system", Action: "submission.archived", Object: string(id), Detail: map[string]string{"record": string(rec)}})
	})
}
