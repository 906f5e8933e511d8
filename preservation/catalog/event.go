package catalog

import (
	"context"

	"bestand/preservation"
)

const eventColumns = `id, type, at_ms, outcome, code, detail, agent_type, agent_name, agent_version, files`

// addEvents stores events of a submission, a record, or both. An event that is
// already there stays as it is, but for what it turns out to belong to: the
// steps of a submission become the events of its record.
func (x *tx) addEvents(tenant preservation.TenantID, sub preservation.SubmissionID, rec preservation.RecordID, events []preservation.Event) error {
	if sub != "" {
		x.works(tenant)
	}
	for _, e := range events {
		files := ""
		if len(e.Files) > 0 {
			files = toJSON(e.Files)
		}
		_, err := x.exec(`INSERT INTO event (tenant, submission, record_id, `+eventColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
			ON CONFLICT (id) DO UPDATE SET
				submission = CASE WHEN event.submission = '' THEN excluded.submission ELSE event.submission END,
				record_id = CASE WHEN event.record_id = '' THEN excluded.record_id ELSE event.record_id END
			WHERE event.tenant = excluded.tenant AND (event.submission = '' OR event.record_id = '')`,
			string(tenant), string(sub), string(rec), e.ID, string(e.Type), ms(e.At), string(e.Outcome), e.Code, e.Detail,
			string(e.Agent.Type), e.Agent.Name, e.Agent.Version, files)
		if err != nil {
			return err
		}
	}
	return nil
}

// Events returns the events of a record in the order in which they happened.
func (t *Tenant) Events(ctx context.Context, id preservation.RecordID) ([]preservation.Event, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+eventColumns+` FROM event WHERE tenant = $1 AND record_id = $2 AND record_id <> '' ORDER BY at_ms, id`, string(t.id), string(id))
	return collect(rows, err, scanEvent)
}

// Reception returns the events of a submission that are not of its processing: that
// it was received, and what was decided in quarantine.
func (t *Tenant) Reception(ctx context.Context, id preservation.SubmissionID) ([]preservation.Event, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+eventColumns+` FROM event
		WHERE tenant = $1 AND submission = $2 AND submission <> '' AND type IN ($3, $4, $5) ORDER BY at_ms, id`,
		string(t.id), string(id), string(preservation.EventReceive), string(preservation.EventQuarantine), string(preservation.EventRelease))
	return collect(rows, err, scanEvent)
}

// Progress returns the events of a submission, with the files that each concerns where
// these are few: there may be very many.
func (t *Tenant) Progress(ctx context.Context, id preservation.SubmissionID) ([]preservation.Event, error) {
	const columns = `id, type, at_ms, outcome, code, detail, agent_type, agent_name, agent_version, CASE WHEN length(files) <= 200 THEN files ELSE '' END`
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+columns+` FROM event WHERE tenant = $1 AND submission = $2 AND submission <> '' ORDER BY at_ms, id`, string(t.id), string(id))
	return collect(rows, err, scanEvent)
}

// Steps returns the events of a submission in the order in which they happened.
func (t *Tenant) Steps(ctx context.Context, id preservation.SubmissionID) ([]preservation.Event, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+eventColumns+` FROM event WHERE tenant = $1 AND submission = $2 AND submission <> '' ORDER BY at_ms, id`, string(t.id), string(id))
	return collect(rows, err, scanEvent)
}

// Infected returns the files of a record in which the scanner found malware. Such
// a record was archived by the decision of a person.
func (t *Tenant) Infected(ctx context.Context, id preservation.RecordID) ([]preservation.FileID, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+eventColumns+` FROM event WHERE tenant = $1 AND record_id = $2 AND record_id <> '' AND type = $3 AND outcome = $4`,
		string(t.id), string(id), string(preservation.EventScan), string(preservation.Failure))
	events, err := collect(rows, err, scanEvent)
	var out []preservation.FileID
	for _, e := range events {
		out = append(out, e.Files...)
	}
	return out, err
}

// AddEvents stores events of a record that happened after it was archived.
func (t *Tenant) AddEvents(ctx context.Context, id preservation.RecordID, events ...preservation.Event) error {
	return t.db.write(ctx, func(x *tx) error { return x.addEvents(t.id, "", id, events) })
}

func scanEvent(row scanner) (e preservation.Event, err error) {
	var at int64
	var files string
	if err := row.Scan(&e.ID, &e.Type, &at, &e.Outcome, &e.Code, &e.Detail, &e.Agent.Type, &e.Agent.Name, &e.Agent.Version, &files); err != nil {
		return e, err
	}
	e.At = fromMS(at)
	e.Files, err = fromJSON[[]preservation.FileID](files)
	return e, err
}
