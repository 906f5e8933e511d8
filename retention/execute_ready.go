package retention

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"bestand/preservation/catalog"
)

// ready refuses (Stopped) to begin by a clock, a plan or a list that is not what it
// has to be, and with a number of records that is unusual.
func (x *execution) ready(ctx context.Context, r Run) error {
	if err := x.checkClock(ctx, x.t); err != nil {
		return err
	}
	if err := x.Officer.Configure(ctx, x.t, catalog.Job{}); err != nil { // the order itself may not be in the bucket yet
		return err
	}
	if err := x.checkPlan(ctx, x.t); err != nil {
		return err
	}
	if err := x.checkRun(ctx, x.t, &r); err != nil {
		return err
	}
	if r.Status != RunExecuting {
		return errNotExecuting
	}
	if !r.Execution.Begun.IsZero() {
		return nil
	}
	n, err := x.checkNumber(ctx, &r)
	if err != nil {
		return err
	}
	return x.act(ctx, func(ctx context.Context, e *edit, r *Run) error {
		if !r.Execution.Begun.IsZero() { // by another replica, this moment
			return nil
		}
		begun := r.Execution
		begun.Begun = e.now.UTC().Truncate(time.Millisecond)
		return e.enter(ctx, r, Entry{Act: actBegun, Execution: &begun, Note: fmt.Sprintf("%d records to be destroyed", n)})
	})
}

// checkRun refuses to act on a run that is not what stands in the bucket, and on a list
// that is not the one that was approved. It reads the run again when that went on.
func (d *Disposer) checkRun(ctx context.Context, t *catalog.Tenant, r *Run) error {
	v, err := d.Vault(ctx, t)
	if err != nil {
		return err
	}
	var told Run
	for {
		docs, err := t.View().Versions(ctx, KindRun, r.ID, told.Revision, 20)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			same, err := d.attested(ctx, t, v, doc)
			if err != nil {
				return fmt.Errorf("compare disposal run %s with the bucket: %w", r.ID, err)
			}
			if !same {
				return &Stopped{Reason: fmt.Sprintf("its revision %d is not in the catalog as it stands in the bucket (%s): stop the service and run bestand check", doc.Version, doc.Key)}
			}
			n, err := entryOf(doc)
			if err != nil {
				return err
			}
			if err := told.replay(unlisted{}, &n, doc); err != nil {
				return err
			}
		}
		if len(docs) > 0 {
			continue
		}
		if told.Revision <= r.Revision {
			break
		}
		now, err := readRun(ctx, t.View(), r.ID)
		if err != nil {
			return err
		}
		if now.Revision <= r.Revision {
			break
		}
		*r = now // another replica or a person did something since it was read
	}
	have, err := json.Marshal(r)
	if err != nil {
		return err
	}
	want, err := json.Marshal(told)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return &Stopped{Reason: "the catalog says something else of it than its revisions do: stop the service and run bestand check"}
	}
	digest, _, err := listDigest(ctx, t.View(), r.ID)
	if err != nil {
		return err
	}
	if digest != r.Approval.Digest {
		return &Stopped{Void: true, Reason: "the list is not the one that was approved"}
	}
	return nil
}

// checkNumber refuses to destroy unusually many records, unless a person said that
// they are right.
func (x *execution) checkNumber(ctx context.Context, r *Run) (int, error) {
	counts, err := x.t.View().CountItems(ctx, r.ID)
	if err != nil {
		return 0, err
	}
	sum := Count(counts)
	n := int(sum.ToDestroy())
	if int64(n) <= r.Execution.Allow {
		return n, nil
	}
	s, err := x.unusual(ctx, x.t, n)
	if err == nil && s == nil {
		s, err = x.leap(ctx, n)
	}
	if err == nil && s != nil {
		err = s
	}
	return n, err
}

// leap says why a run is much larger than the last ones, or nothing.
func (x *execution) leap(ctx context.Context, n int) (*Stopped, error) {
	jump, floor := x.Jump, x.Floor
	if jump == 0 {
		jump = 10
	}
	if floor == 0 {
		floor = 100
	}
	runs, err := x.Officer.Runs(ctx, x.t, "", 20)
	if err != nil || n <= floor {
		return nil, err
	}
	largest, known := int64(0), 0
	for _, r := range runs {
		if r.Status == RunCompleted {
			largest, known = max(largest, r.Approval.Destroy), known+1
		}
	}
	if known < 3 || float64(n) <= jump*float64(largest) {
		return nil, nil
	}
	holding, err := x.t.View().CountRetentions(ctx, catalog.RetentionFilter{})
	return &Stopped{Reason: fmt.Sprintf("%d records in one run are more than %g times as many as in the last %d runs, of which the largest had %d", n, jump, known, largest),
		Records: n, Holding: holding}, err
}
