package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"bestand/preservation"
)

// States of a RunItem.
const (
	ItemOpen        = "open"        // to be decided or carried out
	ItemDestroyed   = "destroyed"   // there is a tombstone
	ItemTransferred = "transferred" // taken over by an archive, and a copy stays here
	ItemLeft        = "left"        // kept: see the reason
	ItemRefused     = "refused"     // never taken into the run: see the reason
)

// RunItem is a record in a disposal run and what was decided about it. Package
// retention gives the fields their meaning.
type RunItem struct {
	Run       string                `json:"-"`
	Record    preservation.RecordID `json:"record"`
	State     string                `json:"state"`
	Depth     int                   `json:"depth,omitempty"`    // within its file
	Version   int                   `json:"version,omitempty"`  // when it was listed
	Class     string                `json:"class,omitempty"`    // likewise
	Rule      string                `json:"rule,omitempty"`     // likewise, with its version
	Opened    preservation.Date     `json:"opened,omitzero"`    // likewise
	Closed    preservation.Date     `json:"closed,omitzero"`    // likewise
	Ended     preservation.Date     `json:"end,omitzero"`       // last day of retention, likewise
	Proposed  string                `json:"proposed,omitempty"` // disposition by the rule: A, B or V
	Sampled   string                `json:"sampled,omitempty"`  // why the rule's sample chose it for the archive
	Offer     bool                  `json:"offer,omitempty"`    // it has to be offered before it is destroyed
	Decision  string                `json:"decision,omitempty"` // A, B, V or K
	Until     preservation.Date     `json:"until,omitzero"`     // of K
	Note      string                `json:"note,omitempty"`
	NotedBy   string                `json:"noted_by,omitempty"` // who wrote Note
	DecidedBy string                `json:"decided_by,omitempty"`
	Answer    string                `json:"answer,omitempty"`   // of the archive: A, V or none
	Transfer  string                `json:"transfer,omitempty"` // the acknowledgement of the receiver
	OwnCopy   string                `json:"own_copy,omitempty"` // after the transfer: destroy or keep
	Reason    string                `json:"reason,omitempty"`
}

const itemColumns = `run, record_id, state, depth, version, class, rule, opened, closed, ended, proposed, sampled, offer, decision, until, note, noted_by, decided_by, answer, transfer, own_copy, reason`

func scanItem(row scanner) (i RunItem, err error) {
	var opened, closed, ended, until string
	var offer int64
	err = row.Scan(&i.Run, &i.Record, &i.State, &i.Depth, &i.Version, &i.Class, &i.Rule, &opened, &closed, &ended, &i.Proposed, &i.Sampled, &offer,
		&i.Decision, &until, &i.Note, &i.NotedBy, &i.DecidedBy, &i.Answer, &i.Transfer, &i.OwnCopy, &i.Reason)
	i.Offer = offer == 1
	return i, errors.Join(err, i.Opened.UnmarshalText([]byte(opened)), i.Closed.UnmarshalText([]byte(closed)), i.Ended.UnmarshalText([]byte(ended)), i.Until.UnmarshalText([]byte(until)))
}

// ItemFilter selects items of a run. Empty fields select everything.
type ItemFilter struct {
	Run       string
	IDs       []preservation.RecordID
	Classes   []string
	States    []string
	Decisions []string
	OwnCopy   string
	Depth     *int
	Offer     bool // those only that have to be offered
	Waiting   bool // those only about whose own copy nothing was noted
}

func (f ItemFilter) where(tenant preservation.TenantID) conditions {
	q := conditions{cond: "tenant = $1", args: []any{string(tenant)}}
	if f.Run != "" {
		q.and("run = %s", f.Run)
	}
	if len(f.IDs) > 0 {
		in(&q, "record_id", f.IDs)
	}
	if len(f.Classes) > 0 {
		in(&q, "class", f.Classes)
	}
	if len(f.States) > 0 {
		in(&q, "state", f.States)
	}
	if len(f.Decisions) > 0 {
		in(&q, "decision", f.Decisions)
	}
	if f.OwnCopy != "" {
		q.and("own_copy = %s", f.OwnCopy)
	}
	if f.Depth != nil {
		q.and("depth = %s", *f.Depth)
	}
	if f.Offer {
		q.cond += " AND offer = 1"
	}
	if f.Waiting {
		q.cond += " AND own_copy = ''"
	}
	return q
}

// RunItems lists items in the order of records, after one of them.
func (v View) RunItems(ctx context.Context, f ItemFilter, after preservation.RecordID, limit int) ([]RunItem, error) {
	q := f.where(v.tenant)
	q.and("record_id > %s", string(after))
	rows, err := v.q.QueryContext(ctx, `SELECT `+itemColumns+` FROM run_item WHERE `+q.cond+` ORDER BY record_id LIMIT `+q.mark(limit), q.args...)
	return collect(rows, err, scanItem)
}

// LastLeft returns the item of the newest run that left a record, or ErrNotFound.
func (v View) LastLeft(ctx context.Context, id preservation.RecordID) (RunItem, error) {
	i, err := scanItem(v.q.QueryRowContext(ctx, `SELECT `+itemColumns+` FROM run_item WHERE tenant = $1 AND record_id = $2 AND state = 'left'
		ORDER BY run DESC LIMIT 1`, string(v.tenant), string(id)))
	if errors.Is(err, sql.ErrNoRows) {
		return i, fmt.Errorf("record %s in a run that left it: %w", id, ErrNotFound)
	}
	return i, err
}

// OpenItems returns the items of open runs that are about some records.
func (v View) OpenItems(ctx context.Context, ids ...preservation.RecordID) (map[preservation.RecordID]RunItem, error) {
	out := map[preservation.RecordID]RunItem{}
	if len(ids) == 0 {
		return out, nil
	}
	list, err := v.RunItems(ctx, ItemFilter{IDs: ids, States: []string{ItemOpen}}, "", len(ids))
	for _, i := range list {
		out[i.Record] = i
	}
	return out, err
}

// Kept is a decision to keep a record longer, and the run in which it was made.
type Kept struct {
	Until preservation.Date `json:"until"` // last day
	Run   string            `json:"run"`
}

// KeptLonger returns of some records, for those that a run was carried out for which keeps
// them longer, the decision that does so the longest.
func (v View) KeptLonger(ctx context.Context, ids ...preservation.RecordID) (map[preservation.RecordID]Kept, error) {
	out := map[preservation.RecordID]Kept{}
	if len(ids) == 0 {
		return out, nil
	}
	q := conditions{cond: "tenant = $1 AND until <> '' AND state = 'left'", args: []any{string(v.tenant)}}
	in(&q, "record_id", ids)
	rows, err := v.q.QueryContext(ctx, `SELECT record_id, until, run FROM run_item WHERE `+q.cond+` ORDER BY until, run`, q.args...)
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var id preservation.RecordID
		var until string
		var k Kept
		err := row.Scan(&id, &until, &k.Run)
		err = errors.Join(err, k.Until.UnmarshalText([]byte(until)))
		out[id] = k
		return struct{}{}, err
	})
	return out, err
}

// Kept returns of some records, for those that a decision keeps longer, the last day until
// which one does.
func (v View) Kept(ctx context.Context, ids ...preservation.RecordID) (map[preservation.RecordID]preservation.Date, error) {
	out := map[preservation.RecordID]preservation.Date{}
	if len(ids) == 0 {
		return out, nil
	}
	q := conditions{cond: "tenant = $1 AND until <> '' AND state IN ('open', 'left')", args: []any{string(v.tenant)}}
	in(&q, "record_id", ids)
	rows, err := v.q.QueryContext(ctx, `SELECT record_id, MAX(until) FROM run_item WHERE `+q.cond+` GROUP BY record_id`, q.args...)
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var id preservation.RecordID
		var until string
		var day preservation.Date
		err := row.Scan(&id, &until)
		err = errors.Join(err, day.UnmarshalText([]byte(until)))
		out[id] = day
		return struct{}{}, err
	})
	return out, err
}

// ItemCount is how many items of a run are alike.
type ItemCount struct {
	State, Decision string
	Offer           bool
	Answer, OwnCopy string
	Items           int64
}

// CountItems counts the items of a run by what was decided and done.
func (v View) CountItems(ctx context.Context, run string) ([]ItemCount, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT state, decision, offer, answer, own_copy, COUNT(*) FROM run_item WHERE tenant = $1 AND run = $2
		GROUP BY state, decision, offer, answer, own_copy ORDER BY state, decision, offer, answer, own_copy`, string(v.tenant), run)
	return collect(rows, err, func(row scanner) (c ItemCount, err error) {
		var offer int64
		err = row.Scan(&c.State, &c.Decision, &offer, &c.Answer, &c.OwnCopy, &c.Items)
		c.Offer = offer == 1
		return c, err
	})
}

// ItemDepth is how deep within their files the open items of a run lie.
func (v View) ItemDepth(ctx context.Context, run string) (n int, err error) {
	err = v.q.QueryRowContext(ctx, `SELECT COALESCE(MAX(depth), 0) FROM run_item WHERE tenant = $1 AND run = $2 AND state = 'open'`, string(v.tenant), run).Scan(&n)
	return n, err
}

// ItemPlace says at which place a record stands among those of a run with a decision, in
// the order of records and counted from 1, and how many those are.
func (v View) ItemPlace(ctx context.Context, run, decision string, id preservation.RecordID) (place, total int, err error) {
	err = v.q.QueryRowContext(ctx, `SELECT COALESCE(SUM(CASE WHEN record_id <= $4 THEN 1 ELSE 0 END), 0), COUNT(*) FROM run_item
		WHERE tenant = $1 AND run = $2 AND decision = $3 AND state <> 'refused'`, string(v.tenant), run, decision, string(id)).Scan(&place, &total)
	return place, total, err
}

// RunDisposals counts the destructions under way for a run in some phases.
func (v View) RunDisposals(ctx context.Context, run string, phases ...string) (n int, err error) {
	q := conditions{cond: "tenant = $1", args: []any{string(v.tenant)}}
	q.and("run = %s AND run <> ''", run)
	in(&q, "phase", phases)
	err = v.q.QueryRowContext(ctx, `SELECT COUNT(*) FROM disposal WHERE `+q.cond, q.args...).Scan(&n)
	return n, err
}

// AddItem lists a record in a run. ErrConflict when it is in an open one. The same
// item of the same run again changes nothing.
func (x *Tx) AddItem(i RunItem) error {
	_, err := x.tx.exec(`INSERT INTO run_item (tenant, `+itemColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
		ON CONFLICT (tenant, run, record_id) DO NOTHING`, string(x.tenant), i.Run, string(i.Record), i.State, i.Depth, i.Version, i.Class, i.Rule, i.Opened.String(), i.Closed.String(), i.Ended.String(),
		i.Proposed, i.Sampled, bit(i.Offer), i.Decision, i.Until.String(), i.Note, i.NotedBy, i.DecidedBy, i.Answer, i.Transfer, i.OwnCopy, i.Reason)
	if unique(err) {
		return fmt.Errorf("record %s is in another disposal run: %w", i.Record, ErrConflict)
	}
	return err
}

// ItemChange is what is set in items; empty fields stay as they are.
type ItemChange struct {
	State     string
	Decision  string
	Until     *preservation.Date
	Note      *string
	NotedBy   string // who wrote Note; where that changes nothing the author stays
	DecidedBy string
	Answer    string
	Transfer  string
	OwnCopy   string
	Reason    string
}

// SetItems changes the items that match and returns how many those were.
func (x *Tx) SetItems(f ItemFilter, c ItemChange) (int64, error) {
	q := f.where(x.tenant)
	set := ""
	assign := func(column, value string) {
		if set != "" {
			set += ", "
		}
		set += column + " = " + q.mark(value)
	}
	for _, s := range []struct{ column, value string }{{"state", c.State}, {"decision", c.Decision}, {"decided_by", c.DecidedBy}, {"answer", c.Answer},
		{"transfer", c.Transfer}, {"own_copy", c.OwnCopy}, {"reason", c.Reason}} {
		if s.value != "" {
			assign(s.column, s.value)
		}
	}
	if c.Until != nil {
		assign("until", c.Until.String())
	}
	if c.Note != nil {
		by := c.NotedBy
		if *c.Note == "" {
			by = ""
		}
		assign("note", *c.Note)
		set += ", noted_by = CASE WHEN note = " + q.mark(*c.Note) + " THEN noted_by ELSE " + q.mark(by) + " END"
	}
	if set == "" {
		return 0, nil
	}
	return x.tx.exec(`UPDATE run_item SET `+set+` WHERE `+q.cond, q.args...)
}

// RunRow is a disposal run as package retention last stored it.
type RunRow struct {
	ID     string
	Status string
	Body   json.RawMessage
}

func scanRun(row scanner) (r RunRow, err error) {
	var body string
	err = row.Scan(&r.ID, &r.Status, &body)
	r.Body = json.RawMessage(body)
	return r, err
}

// Run returns a disposal run, or ErrNotFound.
func (v View) Run(ctx context.Context, id string) (RunRow, error) {
	r, err := scanRun(v.q.QueryRowContext(ctx, `SELECT id, status, body FROM run WHERE tenant = $1 AND id = $2`, string(v.tenant), id))
	return r, found(err, "disposal run", id)
}

// Runs lists disposal runs, the newest first, behind one of them.
func (v View) Runs(ctx context.Context, after string, limit int) ([]RunRow, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT id, status, body FROM run WHERE tenant = $1 AND (id < $2 OR $2 = '') ORDER BY id DESC LIMIT $3`, string(v.tenant), after, limit)
	return collect(rows, err, scanRun)
}

// RunsIn lists the disposal runs of a status.
func (v View) RunsIn(ctx context.Context, status string) ([]RunRow, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT id, status, body FROM run WHERE tenant = $1 AND status = $2 ORDER BY id`, string(v.tenant), status)
	return collect(rows, err, scanRun)
}

// SetRun stores a disposal run.
func (x *Tx) SetRun(r RunRow) error {
	_, err := x.tx.exec(`INSERT INTO run (tenant, id, status, body) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant, id) DO UPDATE SET status = excluded.status, body = excluded.body`, string(x.tenant), r.ID, r.Status, string(r.Body))
	return err
}

// Versions lists the versions of a document behind one of them, in their order.
func (v View) Versions(ctx context.Context, kind, name string, after, limit int) ([]Document, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT `+documentColumns+` FROM document WHERE tenant = $1 AND kind = $2 AND name = $3 AND version > $4 ORDER BY version LIMIT $5`,
		string(v.tenant), kind, name, after, limit)
	return collect(rows, err, scanDocument)
}

// VersionsInTime lists the versions of all documents of a kind in the order in which
// they were written, behind one of them; the zero Document begins.
func (v View) VersionsInTime(ctx context.Context, kind string, after Document, limit int) ([]Document, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT `+documentColumns+` FROM document WHERE tenant = $1 AND kind = $2 AND (at_ms, name, version) > ($3, $4, $5)
		ORDER BY at_ms, name, version LIMIT $6`, string(v.tenant), kind, after.At, after.Name, after.Version, limit)
	return collect(rows, err, scanDocument)
}
