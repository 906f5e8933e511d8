package api

import (
	"context"
	"errors"
	"slices"
	"strings"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// ListSubmissions lists submissions without their steps.
func (s *server) ListSubmissions(ctx context.Context, request ListSubmissionsRequestObject) (ListSubmissionsResponseObject, error) {
	p, limit := request.Params, pageSize(request.Params.Limit)
	if err := afterID(p.After); err != nil {
		return nil, err
	}
	f := SubmissionsOf(principal(ctx))
	f.Status, f.Producer = catalog.Status(p.Status), p.Producer
	subs, err := s.tenant(ctx).Submissions(ctx, f, preservation.SubmissionID(p.After), limit+1)
	if err != nil {
		return nil, err
	}
	subs, next := page(subs, limit, func(sub catalog.Submission) string { return string(sub.ID) })
	answer := ListSubmissions200JSONResponse{Items: make([]Submission, len(subs)), Next: next}
	for i, sub := range subs {
		answer.Items[i] = submission(sub, nil, sightOf(ctx, sub))
	}
	return answer, s.addTitles(ctx, subs, answer.Items)
}

// addTitles says what the records are called that came of submissions, to those who see
// more than their outline. Of a record that the caller may not read, or whose processing
// is restricted, it says nothing, nor is there anything to say of one that was destroyed.
// As long as there is no record its sender's title stands, which submission has put there.
func (s *server) addTitles(ctx context.Context, subs []catalog.Submission, all []Submission) error {
	var ids []preservation.RecordID
	for i, v := range all {
		if v.RecordID != "" && sightOf(ctx, subs[i]) == whole {
			ids = append(ids, v.RecordID)
		}
	}
	titles, err := s.titles(ctx, ids)
	for i := range all {
		if all[i].RecordID != "" {
			all[i].Title = titles[all[i].RecordID]
		}
	}
	return err
}

// GetSubmission returns a submission with what was done so far.
func (s *server) GetSubmission(ctx context.Context, request GetSubmissionRequestObject) (GetSubmissionResponseObject, error) {
	t := s.tenant(ctx)
	sub, err := s.submission(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	events, err := t.Progress(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	one := []Submission{submission(sub, events, sightOf(ctx, sub))}
	if err := s.addTitles(ctx, []catalog.Submission{sub}, one); err != nil {
		return nil, err
	}
	v := one[0]
	if sightOf(ctx, sub) == whole && underway(sub) {
		if v.Files, err = t.StagedNames(ctx, request.ID, filesNamed); err != nil {
			return nil, err
		}
	}
	if v.Waiting, err = s.waiting(ctx, sub); err != nil {
		return nil, err
	}
	if sub.Package {
		if err := s.addParts(ctx, &v); err != nil {
			return nil, err
		}
	}
	return GetSubmission200JSONResponse(v), nil
}

// filesNamed is how many files of a submission are named, which has no record yet.
const filesNamed = 100

// waiting tells what the processing of a submission waits for: a part of the
// archive that is away, or the next attempt after a fault. The sender learns
// which part or step; what it said is for those who look after the archive.
func (s *server) waiting(ctx context.Context, sub catalog.Submission) (w Waiting, err error) {
	if sub.Status != catalog.Received && sub.Status != catalog.Processing {
		return w, nil
	}
	j, err := s.tenant(ctx).JobOf(ctx, catalog.JobProcess, string(sub.ID))
	if errors.Is(err, catalog.ErrNotFound) || err == nil && j.Error == "" {
		return w, nil
	}
	if err != nil {
		return w, err
	}
	w = Waiting{Reason: j.Error, Next: j.RunAt}
	if principal(ctx).Has(auth.Archivist, auth.RecordsOfficer, auth.Auditor, auth.Operator, auth.Admin) {
		return w, nil
	}
	var more bool
	if w.Reason, _, more = strings.Cut(j.Error, ": "); more && !strings.Contains(w.Reason, " ") {
		w.Reason = "the step " + w.Reason + " failed and is tried again"
	}
	return w, nil
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
	return t.SubmissionRow(ctx, id)
}

// sight is how much of a submission somebody sees.
type sight int

const (
	nothing sight = iota
	outline       // what keeps the archive running: codes and times, no names that the sender chose
	whole
)

// seesAll are the roles that see every submission, if only in outline.
var seesAll = []auth.Role{auth.Archivist, auth.RecordsOfficer, auth.Auditor, auth.Admin, auth.Operator}

// SubmissionsOf selects the submissions that somebody sees.
func SubmissionsOf(who auth.Principal) catalog.SubmissionFilter {
	if who.Has(seesAll...) {
		return catalog.SubmissionFilter{}
	}
	return catalog.SubmissionFilter{Actor: who.Actor}
}

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

// submission finds a submission, without its files, that the caller may see. Those
// of others do not exist for it.
func (s *server) submission(ctx context.Context, id preservation.SubmissionID) (catalog.Submission, error) {
	sub, err := s.tenant(ctx).SubmissionRow(ctx, id)
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
		v.Steps[i] = Step{Event: string(e.Type), Outcome: e.Outcome, At: e.At, Code: e.Code, Detail: e.Detail, Files: e.Files}
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
	if how == whole && underway(sub) {
		v.Title = sub.Metadata.Title
	}
	if v.RecordID != "" {
		v.Records = []SubmittedRecord{{RecordID: v.RecordID, Status: v.Status, Problems: v.Problems}}
	}
	return v
}

// underway reports whether there is no record that has what a submission brought, nor one
// of which it is to be a version: then it says itself what it brought.
func underway(sub catalog.Submission) bool {
	return sub.Status != catalog.Archived && sub.Status != catalog.Partial && sub.Revision == nil
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
