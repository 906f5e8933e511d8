package catalog

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"bestand/preservation"
)

// RecordFilter selects records. Empty fields select everything.
type RecordFilter struct {
	Class     string // the class or any below it: "63" selects "63.10"
	Producer  string
	Reference string            // compared by ReferenceKey
	From, To  preservation.Date // of closure, both included
	State     string            // of retention
	Format    string            // PUID
	Kind      string
	Parent    preservation.RecordID
	Status    string
	Without   []preservation.RecordID // that are left out

	// Expected is about how many records match, where it is known. What is
	// frequent is found sooner along the order of the list than by the filter.
	Expected int64

	frequentFormat bool // of Format alone
}

// frequent is from how many records on a list goes along its order: of a million
// records every 500th is then one.
const frequent = 2000

// where writes the filter as SQL conditions and their arguments, the tenant first.
func (f RecordFilter) where(tenant preservation.TenantID, d dialect) conditions {
	q := conditions{cond: "tenant = $1", args: []any{string(tenant)}}
	class, closed, producer, state, kind := "class", "closed", "producer", "retention_state", "kind"
	if d == sqlite && f.Expected > frequent { // a plus keeps SQLite from the index of the column
		class, closed, producer, state, kind = "+class", "+closed", "+producer", "+retention_state", "+kind"
	}
	if f.Class != "" {
		// Main groups are subdivided by further digits and then by points: 6, 63, 63.10.
		if below := f.Class + "."; strings.Contains(f.Class, ".") {
			q.and("("+class+" = %s OR ("+class+" >= %s AND "+class+" < %s))", f.Class, below, f.Class+"/")
		} else {
			q.and(class+" >= %s AND "+class+" < %s", f.Class, f.Class+"\U0010ffff")
		}
	}
	if f.Producer != "" {
		q.and(producer+" = %s", f.Producer)
	}
	if f.Reference != "" {
		q.and("reference_key = %s", ReferenceKey(f.Reference))
	}
	if !f.From.IsZero() {
		q.and(closed+" >= %s", f.From.String())
	}
	if !f.To.IsZero() {
		q.and(closed+" <> '' AND "+closed+" <= %s", f.To.String())
	}
	switch {
	case f.State == "due" && f.Expected <= frequent:
		q.cond += " AND retention_state = 'due'" // not as a value: an index has them in the order of the list
	case f.State != "":
		q.and(state+" = %s", f.State)
	}
	switch format := strings.ToLower(f.Format); {
	case format == "":
	case f.Expected > frequent, f.frequentFormat:
		q.and("formats LIKE %s ESCAPE '!'", "% "+escapeLike.Replace(format)+" %")
	default:
		q.and("id IN (SELECT record_id FROM record_format WHERE tenant = $1 AND format = %s)", format)
	}
	if f.Kind != "" {
		q.and(kind+" = %s", f.Kind)
	}
	if f.Parent != "" {
		q.and("parent = %s AND parent <> ''", string(f.Parent))
	}
	if len(f.Without) > 0 {
		q.cond += " AND id NOT IN (" + each(&q, d, f.Without) + ")"
	}
	switch f.Status {
	case "":
	case "live":
		// Nearly all are: the few others are known, and no row has to be looked at.
		q.cond += " AND id NOT IN (SELECT id FROM record WHERE tenant = $1 AND status <> 'live')"
	default:
		q.and("status = %s", f.Status)
	}
	return q
}

var escapeLike = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// recordOrder is an order that a list can have.
type recordOrder struct{ name, column, direction, behind string }

var recordSorts = map[string]recordOrder{
	"":           {"-archived", "archived_ms", "DESC", "<"},
	"-archived":  {"-archived", "archived_ms", "DESC", "<"},
	"archived":   {"archived", "archived_ms", "ASC", ">"},
	"-closed":    {"-closed", "closed", "DESC", "<"},
	"closed":     {"closed", "closed", "ASC", ">"},
	"reference":  {"reference", "reference_key", "ASC", ">"},
	"-reference": {"-reference", "reference_key", "DESC", "<"},
}

// Records lists the records that match a filter in one of the orders archived,
// closed and reference, descending with a leading "-". The cursor is empty at
// the start and again behind the last page. Files are not filled in.
func (t *Tenant) Records(ctx context.Context, f RecordFilter, sort, after string, limit int) ([]Entry, string, error) {
	order, ok := recordSorts[sort]
	if !ok {
		return nil, "", fmt.Errorf("sort %q: want archived, closed or reference, with - in front for descending: %w", sort, ErrSort)
	}
	limit = max(limit, 1)
	if f.Format != "" && f.Expected == 0 {
		var err error
		if f, err = t.expect(ctx, f); err != nil {
			return nil, "", err
		}
	}
	q := f.where(t.id, t.db.dialect)
	if after != "" {
		c, err := decodeCursor(after, order.name)
		if err != nil {
			return nil, "", err
		}
		var value any = c.Text
		if order.column == "archived_ms" {
			value = c.Number
		}
		q.and("("+order.column+", id) "+order.behind+" (%s, %s)", value, c.ID)
	}
	by := fmt.Sprintf("ORDER BY %s %s, id %s", order.column, order.direction, order.direction)
	page := fmt.Sprintf("SELECT id FROM record WHERE %s %s LIMIT %s", q.cond, by, q.mark(limit+1)) // mostly from an index alone
	rows, err := t.db.reader.QueryContext(ctx, fmt.Sprintf("SELECT %s FROM record WHERE id IN (SELECT id FROM (%s) page) %s", entryColumns, page, by), q.args...)
	list, err := collect(rows, err, t.scanEntry)
	if err != nil || len(list) <= limit {
		return list, "", err
	}
	list = list[:limit]
	last := list[limit-1]
	c := cursor{Order: order.name, ID: string(last.ID)}
	switch order.column {
	case "archived_ms":
		c.Number = ms(last.Archived)
	case "closed":
		c.Text = last.Closed.String()
	default:
		c.Text = ReferenceKey(last.Reference)
	}
	return list, c.encode(), nil
}

// expect says of a filter with a format what is frequent in it, which decides where
// the records are looked for: few with the format by it, few with the rest by that,
// and else along the order of the list.
func (t *Tenant) expect(ctx context.Context, f RecordFilter) (RecordFilter, error) {
	format := conditions{cond: "tenant = $1", args: []any{string(t.id)}}
	format.and("format = %s", strings.ToLower(f.Format))
	var err error
	if f.frequentFormat, err = t.areFrequent(ctx, "record_format", format); err != nil || !f.frequentFormat {
		return f, err
	}
	rest := f
	rest.Format = ""
	many, err := t.areFrequent(ctx, "record", rest.where(t.id, t.db.dialect))
	if many {
		f.Expected = frequent + 1
	}
	return f, err
}

// areFrequent looks at no more rows that match than it needs to say so.
func (t *Tenant) areFrequent(ctx context.Context, table string, q conditions) (bool, error) {
	query := `SELECT COUNT(*) FROM (SELECT 1 FROM ` + table + ` WHERE ` + q.cond + ` LIMIT ` + q.mark(frequent+1) + `) few`
	var n int64
	err := t.db.reader.QueryRowContext(ctx, query, q.args...).Scan(&n)
	return n > frequent, err
}

// CountRecords counts the records that match a filter. By state alone it looks at none
// but those that are left out.
func (t *Tenant) CountRecords(ctx context.Context, f RecordFilter) (n int64, err error) {
	f.Expected = 0
	if f.State != "" && reflect.DeepEqual(f, RecordFilter{State: f.State, Status: "live", Without: f.Without}) {
		q := conditions{args: []any{string(t.id), f.State}}
		err = t.db.reader.QueryRowContext(ctx, `SELECT (SELECT CAST(COALESCE(SUM(records), 0) AS BIGINT) FROM retention_count WHERE tenant = $1 AND state = $2)
			- (SELECT COUNT(*) FROM record WHERE tenant = $1 AND (retention_state || '') = $2 AND id IN
			  (SELECT id FROM record WHERE tenant = $1 AND status <> 'live' UNION `+each(&q, t.db.dialect, f.Without)+`))`, q.args...).Scan(&n)
		return n, err
	}
	q := f.where(t.id, t.db.dialect)
	err = t.db.reader.QueryRowContext(ctx, `SELECT COUNT(*) FROM record WHERE `+q.cond, q.args...).Scan(&n)
	return n, err
}
