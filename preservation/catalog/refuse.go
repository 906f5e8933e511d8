package catalog

import (
	"context"
	"fmt"

	"bestand/preservation"
)

// CodeRefused is the code of the problem that a refused submission ends with.
const CodeRefused = "refused"

// Refuse ends a quarantined submission for good: a person decided against it. Its
// problems stay, with the reason as the first of them; the job "report" keeps
// them in the bucket and frees staging afterwards. ErrConflict in any other
// state, when its package is finished already, since the store may hold it and only
// another try can tell, and when records that came out of it were submitted.
func (t *Tenant) Refuse(ctx context.Context, id preservation.SubmissionID, actor, reason string, refused preservation.Event) error {
	return t.db.write(ctx, func(x *tx) error {
		sub, err := scanSubmission(x.queryRow(`SELECT `+submissionColumns+` FROM submission WHERE tenant = $1 AND id = $2`, string(t.id), string(id)))
		switch {
		case err != nil:
			return found(err, "submission", string(id))
		case sub.Status != Quarantined:
			return fmt.Errorf("submission %s is %s and not in quarantine: %w", id, sub.Status, ErrConflict)
		case sub.Frozen != nil:
			return fmt.Errorf("the package of submission %s is finished and may be in the store already: try it again instead: %w", id, ErrConflict)
		}
		var parts int64
		if err := x.queryRow(`SELECT COUNT(*) FROM submission WHERE tenant = $1 AND parent = $2 AND parent <> ''`, string(t.id), string(id)).Scan(&parts); err != nil {
			return err
		}
		if parts > 0 {
			return fmt.Errorf("%d records of package %s were submitted already: refuse those, and try the package again: %w", parts, id, ErrConflict)
		}
		problems := append([]preservation.Finding{{Code: CodeRefused, Severity: preservation.Failed, Detail: reason}}, sub.Problems...)
		n, err := x.exec(`UPDATE submission SET status = 'rejected', problems = $3, updated_ms = $4 WHERE tenant = $1 AND id = $2 AND status = 'quarantined' AND frozen = ''`,
			string(t.id), string(id), toJSON(problems), ms(t.db.now()))
		if err != nil {
			return err
		}
		if n == 0 { // PostgreSQL lets two look at once
			return fmt.Errorf("somebody else decided on submission %s: %w", id, ErrConflict)
		}
		// One that gave up would otherwise stand among those that a person has to look at.
		if _, err := x.exec(`DELETE FROM job WHERE tenant = $1 AND kind = $2 AND key = $3 AND state = 'dead'`, string(t.id), JobProcess, string(id)); err != nil {
			return err
		}
		if err := x.addEvents(t.id, id, "", []preservation.Event{refused}); err != nil {
			return err
		}
		if err := x.enqueue(t.id, Job{Kind: "report", Key: string(id)}); err != nil {
			return err
		}
		if err := x.wakeParent(t.id, id); err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: "submission.refuse", Object: string(id), Detail: map[string]string{"reason": reason}})
	})
}
