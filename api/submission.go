package api

import (
	"context"
	"slices"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// maxPassed is how many submissions of others one request passes over.
const maxPassed = 2000

// ListSubmissions lists submissions without their steps. Who sees its own only
// gets a shorter page, and a cursor, when others had many in between.
func (s *server) ListSubmissions(ctx context.Context, request ListSubmissionsRequestObject) (ListSubmissionsResponseObject, error) {
	p := request.Params
	limit := pageSize(p.Limit)
	if err := afterID(p.After); err != nil {
		return nil, err
	}
	answer := ListSubmissions200JSONResponse{Items: []Submission{}, Next: p.After}
	step := limit
	for passed := 0; len(answer.Items) < limit && passed < maxPassed; {
		subs, err := s.tenant(ctx).Submissions(ctx, catalog.Status(p.Status), p.Producer, preservation.SubmissionID(answer.Next), step+1)
		if err != nil {
			return nil, err
		}
		more := len(subs) > step
		for _, sub := range subs[:min(len(subs), step)] {
			if len(answer.Items) == limit {
				more = true
				break
			}
			answer.Next = string(sub.ID)
			if how := sightOf(ctx, sub); how != nothing {
				answer.Items = append(answer.Items, submission(sub, nil, how))
			} else {
				passed++
			}
		}
		if !more {
			answer.Next = ""
			break
		}
		step = maxPage
	}
	return answer, nil
}

// GetSubmission returns a submission with what was done so far.
func (s *server) GetSubmission(ctx context.Context, request GetSubmissionRequestObject) (GetSubmissionResponseObject, error) {
	t := s.tenant(ctx)
	sub, err := s.submission(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	events, err := t.Steps(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	v := submission(sub, events, sightOf(ctx, sub))
	if sub.Package {
		if err := s.addParts(ctx, &v); err != nil {
			return nil, err
		}
	}
	return GetSubmission200JSONResponse(v), nil
}

// addParts tells what became of the records of a package.
func (s *server) addParts(ctx context.Context, v *Submission) error {
	parts, err := s.tenant(ctx).Parts(ctx, v.ID)
	if err != nil {
		return err
	}
	for _, c := range parts {
		part := submission(c, nil, sightOf(ctx, c))
		v.Records = append(v.Records, SubmittedRecord{RecordID: part.RecordID, SubmissionID: c.ID, Status: part.Status, Problems: part.Problems})
	}
	if len(parts) == 1 {
		v.RecordID = v.Records[0].RecordID
	}
	return nil
}

// RetrySubmission sends a submission through the pipeline again.
func (s *server) RetrySubmission(ctx context.Context, request RetrySubmissionRequestObject) (RetrySubmissionResponseObject, error) {
	sub, err := s.requeue(ctx, request.ID, false, "")
	if err != nil {
		return nil, err
	}
	answer := acceptance(sub)
	return RetrySubmission202JSONResponse{TakenJSONResponse{answer, TakenResponseHeaders{answer.Links["self"]}}}, nil
}

// ReleaseSubmission takes a submission out of quarantine.
func (s *server) ReleaseSubmission(ctx context.Context, request ReleaseSubmissionRequestObject) (ReleaseSubmissionResponseObject, error) {
	sub, err := s.requeue(ctx, request.ID, true, request.Body.Reason)
	if err != nil {
		return nil, err
	}
	answer := acceptance(sub)
	return ReleaseSubmission202JSONResponse{TakenJSONResponse{answer, TakenResponseHeaders{answer.Links["self"]}}}, nil
}

func (s *server) requeue(ctx context.Context, id preservation.SubmissionID, release bool, reason string) (sub catalog.Submission, err error) {
	t, who := s.tenant(ctx), principal(ctx)
	var events []preservation.Event
	if release {
		now := s.now()
		events = append(events, preservation.Event{ID: preservation.NewID(now), Type: preservation.EventRelease, At: now, Outcome: preservation.Success,
			Detail: reason, Agent: preservation.Agent{Type: preservation.Person, Name: who.Actor}})
	}
	if err := t.Requeue(ctx, id, release, who.Actor, reason, events...); err != nil {
		return sub, err
	}
	return t.Submission(ctx, id)
}

// sight is how much of a submission somebody sees.
type sight int

const (
	nothing sight = iota
	outline       // what keeps the archive running: codes and times, no names that the sender chose
	whole
)

// sightOf follows from the roles: a submitter sees what its own actor handed
// over, the operator the outline of all.
func sightOf(ctx context.Context, sub catalog.Submission) sight {
	who := principal(ctx)
	switch {
	case who.Has(auth.Archivist, auth.RecordsOfficer, auth.Auditor, auth.Admin):
		return whole
	case who.Has(auth.Submitter) && sub.SubmittedBy == who.Actor:
		return whole
	case who.Has(auth.Operator):
		return outline
	}
	return nothing
}

// submission finds a submission that the caller may see. Those of others do not
// exist for it.
func (s *server) submission(ctx context.Context, id preservation.SubmissionID) (catalog.Submission, error) {
	sub, err := s.tenant(ctx).Submission(ctx, id)
	if err == nil && sightOf(ctx, sub) == nothing {
		err = catalog.ErrNotFound
	}
	return sub, err
}

// submission is what the interface tells of one.
func submission(sub catalog.Submission, events []preservation.Event, how sight) Submission {
	v := Submission{
		ID: sub.ID, Status: string(sub.Status), Producer: sub.Metadata.Producer, ProducerRecordID: sub.Metadata.ProducerRecordID,
		SubmittedBy: sub.SubmittedBy, Received: sub.Received, Updated: sub.Updated, RecordID: archivedRecord(sub), Links: submissionLinks(sub),
		Steps: make([]Step, len(events)), Problems: list(sub.Problems), Records: []SubmittedRecord{},
	}
	for i, e := range events {
		v.Steps[i] = Step{Event: string(e.Type), Outcome: e.Outcome, At: e.At, Code: e.Code, Detail: e.Detail}
	}
	if how != whole {
		v.ProducerRecordID = ""
		for i := range v.Steps {
			v.Steps[i].Detail = ""
		}
		v.Problems = slices.Clone(v.Problems)
		for i := range v.Problems {
			v.Problems[i].Subject, v.Problems[i].Detail = "", ""
		}
	}
	if v.RecordID != "" {
		v.Records = []SubmittedRecord{{RecordID: v.RecordID, Status: v.Status, Problems: v.Problems}}
	}
	return v
}

// archivedRecord names the record that came of a submission. The identifier is
// allocated earlier and told no earlier, so that nobody relies on a record
// that may yet be refused.
func archivedRecord(sub catalog.Submission) preservation.RecordID {
	if sub.Status == catalog.Archived {
		return sub.RecordID
	}
	return ""
}

func submissionLinks(sub catalog.Submission) Links {
	self := "/v1/submissions/" + string(sub.ID)
	links := Links{"self": self}
	if sub.Status == catalog.Archived || sub.Status == catalog.Partial {
		links["receipt"] = self + "/receipt"
	}
	if id := archivedRecord(sub); id != "" {
		links["record"] = "/v1/records/" + string(id)
	}
	return links
}
