package retention

import (
	"context"
	_ "embed"
	"errors"
	"html/template"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// AccessStatement tells a person what the archive holds about them (GDPR Art. 15).
type AccessStatement struct {
	Format    string               `json:"format"` // StatementFormat
	Request   string               `json:"request"`
	Subject   preservation.Subject `json:"subject"`
	Received  preservation.Date    `json:"received"`
	Reference string               `json:"reference,omitempty"`
	At        time.Time            `json:"at"`
	Records   []StatedRecord       `json:"records"`
}

// StatementFormat names the form of an access statement.
const StatementFormat = "bestand-access-statement/1"

// StatedRecord is a record in an access statement.
type StatedRecord struct {
	Record     preservation.RecordID  `json:"record_id"`
	Title      string                 `json:"title"`
	Reference  string                 `json:"reference,omitempty"`
	Class      string                 `json:"class"`
	Purpose    string                 `json:"purpose"` // what the class is about
	Producer   string                 `json:"producer"`
	Received   time.Time              `json:"received"`
	Held       []preservation.Subject `json:"held"` // what the metadata say of the person
	Files      int                    `json:"files"`
	State      State                  `json:"state"`
	KeptUntil  preservation.Date      `json:"kept_until,omitzero"`
	LegalBasis string                 `json:"legal_basis,omitempty"`
	Restricted bool                   `json:"restricted,omitempty"`
	Statements []Statement            `json:"counter_statements,omitempty"`
	Readings   []Reading              `json:"readings"`
}

// Reading says by whom a record was read, the last time of a day.
type Reading struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	Times  int       `json:"times,omitempty"` // on that day, if more than once
}

// AccessStatement tells what is held in the records that a granted request for access
// is about. NotReady before that was granted. Records destroyed since are left out.
func (o *Officer) AccessStatement(ctx context.Context, t *catalog.Tenant, id string) (s AccessStatement, err error) {
	q, err := o.SubjectRequest(ctx, t, id)
	if err != nil {
		return s, err
	}
	if q.Kind != AskAccess || q.Decision == nil || q.Decision.Outcome != Granted {
		return s, &NotReady{"there is a statement once a request for access was granted"}
	}
	schedule, err := o.Schedule(ctx, t)
	if err != nil {
		return s, err
	}
	who := newPerson(q.Subject)
	s = AccessStatement{Format: StatementFormat, Request: q.ID, Subject: q.Subject, Received: q.Received, Reference: q.Reference,
		At: o.Now().UTC().Truncate(time.Second), Records: []StatedRecord{}}
	for _, id := range q.Decision.Records {
		e, err := t.Record(ctx, id)
		if errors.Is(err, catalog.ErrNotFound) || errors.Is(err, catalog.ErrDestroyed) {
			continue
		}
		if err != nil {
			return s, err
		}
		r := StatedRecord{Record: id, Title: e.Title, Reference: e.Reference, Class: e.Class, Producer: e.Producer, Received: e.Received.UTC(), Held: []preservation.Subject{}}
		if c, ok := schedule.Class(e.Class); ok {
			r.Purpose = c.Title
		}
		for _, p := range e.Subjects {
			if who.match(p) != "" { // others have rights of their own (Art. 15(4))
				r.Held = append(r.Held, p)
			}
		}
		for _, f := range e.Files {
			if f.Representation == preservation.Original {
				r.Files++
			}
		}
		now, err := o.Evaluate(ctx, t, id)
		if err != nil {
			return s, err
		}
		r.State, r.KeptUntil = now.State, now.End
		if rule, ok := schedule.Rule(now.Rule); ok {
			r.LegalBasis = rule.LegalBasis
		}
		if r.Statements, err = o.Statements(ctx, t, id); err != nil {
			return s, err
		}
		restricted, err := o.Restricted(ctx, t, id)
		if err != nil {
			return s, err
		}
		_, r.Restricted = restricted[id]
		if r.Readings, err = readings(ctx, t, id); err != nil {
			return s, err
		}
		s.Records = append(s.Records, r)
	}
	return s, nil
}

// readings takes out of the audit log who read a record.
func readings(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) ([]Reading, error) {
	all := []Reading{}
	var after int64
	for {
		entries, err := t.AuditLog(ctx, after, string(id), 1000)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			after = e.Seq
			if !strings.HasSuffix(e.Action, ".read") {
				continue
			}
			day := e.At.Truncate(24 * time.Hour)
			i := slices.IndexFunc(all, func(r Reading) bool {
				return r.Actor == e.Actor && r.Action == e.Action && r.At.Truncate(24*time.Hour).Equal(day)
			})
			if i < 0 {
				all = append(all, Reading{At: e.At, Actor: e.Actor, Action: e.Action})
				continue
			}
			all[i].At, all[i].Times = e.At, max(all[i].Times, 1)+1
		}
		if len(entries) < 1000 {
			return all, nil
		}
	}
}

//go:embed statement.html
var statementPage string

var statementTemplate = template.Must(template.New("statement").Funcs(template.FuncMap{
	"day":     func(d preservation.Date) string { return d.In(time.UTC).Format("02.01.2006") },
	"reading": func(action string) string { return inGerman(readingWords, action) },
	"state":   func(s State) string { return inGerman(stateWords, string(s)) },
}).Parse(statementPage))

// The words of the statement for people, which is German.
var (
	readingWords = map[string]string{
		"record.read": "Akte angesehen", "file.read": "Datei gelesen", "package.read": "Archivpaket gelesen",
		"submission.file.read": "Datei in Quarantäne gelesen", "disposal.offer.read": "Anbietung an das Archiv gelesen",
	}
	stateWords = map[string]string{
		string(Active): "das auslösende Ereignis steht aus", string(Closed): "abgeschlossen", string(Retained): "in der Aufbewahrung",
		string(Due): "Frist abgelaufen", string(Held): "durch eine Vernichtungssperre festgehalten", string(Unresolved): "Frist ungeklärt",
		string(Conflict): "Fristen widersprechen sich", string(Permanent): "dauerhaft aufzubewahren",
	}
)

// inGerman is the word for a code, or the code where there is none.
func inGerman(words map[string]string, code string) string {
	if w, ok := words[code]; ok {
		return w
	}
	return code
}

// Page is the statement for people, and what is to be printed with it.
func (s AccessStatement) Page() (*template.Template, map[string]any) {
	return statementTemplate, map[string]any{"Statement": s}
}
