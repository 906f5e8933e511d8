package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// KindSubjectRequest is the kind of the documents that are requests of persons
// concerned. The first version is the request, the second has the decision.
const KindSubjectRequest = "subject-request"

// Kinds of a SubjectRequest.
const (
	AskAccess    = "access"            // GDPR Art. 15
	AskRectify   = "rectification"     // Art. 16: what is granted is carried out as a new version of the record
	AskErasure   = "erasure"           // Art. 17
	AskRestrict  = "restriction"       // Art. 18
	AskStatement = "counter-statement" // SächsArchivG §6
)

// Outcomes of a decision.
const (
	Granted = "granted"
	Refused = "refused"
)

// answerMonths is how long there is to tell a person what was done about a request. It can
// be longer for requests that are complex, of which the person is told (GDPR Art. 12(3)).
const answerMonths = 1

// SubjectRequest is what a person concerned asks for, and what became of it. It is
// personal data itself: its text is in no log and no address, and it is deleted.
type SubjectRequest struct {
	ID        string                  `json:"id"`
	Kind      string                  `json:"kind" validate:"required,oneof=access erasure restriction counter-statement rectification"`
	Subject   preservation.Subject    `json:"subject"`
	Received  preservation.Date       `json:"received" validate:"required"`
	AnswerBy  preservation.Date       `json:"answer_by,omitzero"` // last day to tell the person what was done (GDPR Art. 12(3))
	Reference string                  `json:"reference,omitempty" validate:"max=500"`
	Records   []preservation.RecordID `json:"records,omitempty" validate:"omitempty,max=1000,unique,dive,record"` // that the person named
	Text      string                  `json:"text,omitempty" validate:"max=20000"`                                // the counter-statement, or what is wrong
	By        string                  `json:"by"`
	At        time.Time               `json:"at"`
	Decision  *SubjectDecision        `json:"decision,omitempty"`
	Left      int                     `json:"left,omitempty"` // records of a granted erasure that are still here and in no run; in lists
}

// SubjectDecision is what was decided about a SubjectRequest, for the records that are meant.
type SubjectDecision struct {
	Outcome    string                  `json:"outcome" validate:"required,oneof=granted refused"`
	Reason     string                  `json:"reason" validate:"required,max=2000"`
	LegalBasis string                  `json:"legal_basis" validate:"required,max=1000"`
	Records    []preservation.RecordID `json:"records,omitempty" validate:"omitempty,max=1000,unique,dive,record"`
	By         string                  `json:"by"`
	At         time.Time               `json:"at"`
	// Run is the disposal run that a granted erasure led to: it destroys when the archive
	// was asked where it has to be and a second person approved.
	Run string `json:"run,omitempty"`
	// DeleteFrom is the day from which the request itself is deleted, and Basis why.
	DeleteFrom preservation.Date `json:"delete_from"`
	Basis      string            `json:"delete_basis"`
}

// requestKeeping is how long a decided request is kept, as shipped data.
type requestKeeping struct {
	Years      int               `json:"years"`
	Base       Base              `json:"base"`
	LegalBasis string            `json:"legal_basis"`
	Checked    preservation.Date `json:"checked,omitzero"`
	Confidence string            `json:"confidence"`
	Note       string            `json:"note,omitempty"`
}

func shippedKeeping() (k requestKeeping, err error) {
	text, err := data.ReadFile("data/request.json")
	if err != nil {
		return k, err
	}
	return k, json.Unmarshal(text, &k)
}

// AddSubjectRequest records a request. Errors of type Invalid name the field.
func (o *Officer) AddSubjectRequest(ctx context.Context, t *catalog.Tenant, q SubjectRequest, actor string) (SubjectRequest, error) {
	today, err := o.Today(ctx, t)
	if err != nil {
		return q, err
	}
	now := o.Now()
	q.ID, q.By, q.At, q.Decision, q.Left = preservation.NewID(now), actor, now.UTC().Truncate(time.Millisecond), nil, 0
	_, q.AnswerBy = span(q.Received, Duration{Months: answerMonths}, Day, 0)
	bad := Invalid(fields("", q))
	if today.Before(q.Received) {
		bad = append(bad, fault("received", "future", "lies ahead"))
	}
	if today.Before(q.Subject.Born) {
		bad = append(bad, fault("subject.born", "future", "lies ahead"))
	}
	if strings.TrimSpace(q.Subject.Name) == "" && q.Subject.ID == "" {
		bad = append(bad, fault("subject.name", "required", "is missing, and so is an id"))
	}
	if q.Kind == AskStatement && strings.TrimSpace(q.Text) == "" {
		bad = append(bad, fault("text", "required", "is missing: the counter-statement"))
	}
	if bad = append(bad, missing(ctx, t.View(), "records", q.Records)...); len(bad) > 0 {
		return q, bad
	}
	return q, o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		return e.file(q, 1, "subject-request.add", map[string]string{"kind": q.Kind})
	})
}

// missing names the records that are not there, whoever has them.
func missing(ctx context.Context, v catalog.View, field string, ids []preservation.RecordID) (bad Invalid) {
	for i, id := range ids {
		if _, err := v.Retention(ctx, id); errors.Is(err, catalog.ErrNotFound) {
			bad = append(bad, fault(fmt.Sprintf("%s[%d]", field, i), "unknown-record", fmt.Sprintf("there is no record %s", id)))
		}
	}
	return bad
}

// file stores a version of a request.
func (e *edit) file(q SubjectRequest, version int, action string, detail map[string]string) error {
	d, err := document(KindSubjectRequest, q.ID, version, q, e.actor, e.now)
	if err != nil {
		return err
	}
	e.docs = append(e.docs, d)
	return errors.Join(e.AddDocument(d), e.Audit(catalog.AuditEntry{Actor: e.actor, Action: action, Object: q.ID, Detail: detail}))
}

// SubjectRequests lists the requests, newest first, with what their erasures left.
func SubjectRequests(ctx context.Context, v catalog.View) ([]SubjectRequest, error) {
	all, err := documents[SubjectRequest](ctx, v, KindSubjectRequest)
	if err != nil {
		return nil, err
	}
	for i := range all {
		erasures, err := Erasures(ctx, v, all[i])
		if err != nil {
			return nil, err
		}
		all[i].Left = len(unerased(erasures))
	}
	slices.SortFunc(all, func(a, b SubjectRequest) int { return strings.Compare(b.ID, a.ID) })
	return all, nil
}

// PendingRequests counts the requests that wait for a person, of which it tells nothing:
// for a decision, or for what the disposal run of an erasure left.
func PendingRequests(ctx context.Context, v catalog.View) (n int64, err error) {
	all, err := SubjectRequests(ctx, v)
	for _, q := range all {
		if q.Decision == nil || q.Left > 0 {
			n++
		}
	}
	return n, err
}

// SubjectRequest returns one request, or catalog.ErrNotFound.
func (o *Officer) SubjectRequest(ctx context.Context, t *catalog.Tenant, id string) (q SubjectRequest, err error) {
	d, err := t.View().Document(ctx, KindSubjectRequest, id, 0)
	if err != nil {
		return q, err
	}
	return q, json.Unmarshal(d.Body, &q)
}

// DecideSubjectRequest records a decision and carries it out: a restriction and a
// counter-statement at once, an erasure as a disposal run that others have to bring to
// its end. Erasure is refused (Invalid, naming each record) where a hold, a duty to keep
// or the archive stands against it. ErrEnded when the request was decided.
func (o *Officer) DecideSubjectRequest(ctx context.Context, t *catalog.Tenant, id string, d SubjectDecision, actor string) (SubjectRequest, error) {
	q, err := o.SubjectRequest(ctx, t, id)
	if err != nil {
		return q, err
	}
	if q.Decision != nil {
		return q, fmt.Errorf("subject request %s was decided on %s: %w", id, preservation.DateOf(q.Decision.At), ErrEnded)
	}
	keeping, err := shippedKeeping()
	if err != nil {
		return q, err
	}
	today, err := o.Today(ctx, t)
	if err != nil {
		return q, err
	}
	bad := Invalid(fields("", d))
	if d.Outcome == Granted && len(d.Records) == 0 && q.Kind != AskAccess {
		bad = append(bad, fault("records", "required", "say which records are meant"))
	}
	bad = append(bad, missing(ctx, t.View(), "records", d.Records)...)
	if q.Kind == AskErasure && d.Outcome == Granted && len(bad) == 0 {
		if bad, err = o.erasable(ctx, t, d.Records); err != nil {
			return q, err
		}
	}
	if len(bad) > 0 {
		return q, bad
	}
	_, last := span(today, Duration{Years: keeping.Years}, keeping.Base, 0)
	d.By, d.At, d.Run = actor, o.Now().UTC().Truncate(time.Millisecond), ""
	d.DeleteFrom, d.Basis = last.AddDays(1), keeping.LegalBasis
	if d.Outcome == Granted {
		if err := o.carryOut(ctx, t, &q, &d, actor); err != nil {
			return q, err
		}
	}
	q.Decision = &d
	return q, o.change(ctx, t, actor, func(ctx context.Context, e *edit) error {
		return e.file(q, 2, "subject-request.decide", map[string]string{"outcome": d.Outcome, "run": d.Run})
	})
}

// carryOut does what a granted request asks for. What was done before a fault is not
// done a second time: a restriction or statement of this request is not repeated.
func (o *Officer) carryOut(ctx context.Context, t *catalog.Tenant, q *SubjectRequest, d *SubjectDecision, actor string) error {
	switch q.Kind {
	case AskErasure:
		run, err := o.proposeErasure(ctx, t, q.ID, d.Records, d.LegalBasis, actor)
		d.Run = run
		return err
	case AskRestrict:
		for _, id := range d.Records {
			now, err := o.Restricted(ctx, t, id)
			if err != nil {
				return err
			}
			if now[id].Request == q.ID {
				continue
			}
			if _, err := o.Restrict(ctx, t, id, Restriction{Request: q.ID, Reason: d.Reason, LegalBasis: d.LegalBasis}, actor); err != nil {
				return err
			}
		}
	case AskStatement:
		for _, id := range d.Records {
			have, err := o.Statements(ctx, t, id)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(have, func(s Statement) bool { return s.Request == q.ID }) {
				continue
			}
			if _, err := o.AddStatement(ctx, t, id, Statement{Request: q.ID, Text: q.Text}, actor); err != nil {
				return err
			}
		}
	}
	return nil
}
