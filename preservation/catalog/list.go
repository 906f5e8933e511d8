package catalog

import (
	"context"
	"fmt"
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
}

// where writes the filter as SQL conditions and their arguments, the tenant first.
func (f RecordFilter) where(tenant preservation.TenantID) conditions {
	q := conditions{cond: "tenant = $1", args: []any{string(tenant)}}
	if f.Class != "" {
		// Main groups are subdivided by further digits and then by points: 6, 63, 63.10.
		if below := f.Class + "."; strings.Contains(f.Class, ".") {
			q.and("(class = %s OR (class >= %s AND class < %s))", f.Class, below, f.Class+"/")
		} else {
			q.and("class >= %s AND class < %s", f.Class, f.Class+"\U0010ffff")
		}
	}
	if f.Producer != "" {
		q.and("producer = %s", f.Producer)
	}
	if f.Reference != "" {
		q.and("reference_key = %s", ReferenceKey(f.Reference))
	}
	if !f.From.IsZero() {
		q.and("closed >= %s", f.From.String())
	}
	if !f.To.IsZero() {
		q.and("closed <> '' AND closed <= %s", f.To.String())
	}
	if f.State != "" {
		q.and("retention_state = %s", f.State)
	}
	if f.Format != "" {
		q.and("formats LIKE %s ESCAPE '!'", "% "+escapeLike.Replace(strings.ToLower(f.Format))+" %")
	}
	if f.Kind != "" {
		q.and("kind = %s", f.Kind)
	}
	if f.Parent != "" {
		q.and("parent = %s AND parent <> ''", string(f.Parent))
	}
	if f.Status != "" {
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
	q := f.where(t.id)
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
	rows, err := t.db.reader.QueryContext(ctx, fmt.Sprintf(`SELECT %s FROM record WHERE %s ORDER BY %s %s, id %s LIMIT %s`,
		entryColumns, q.cond, order.column, order.direction, order.direction, q.mark(limit+1)), q.args...)
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

// CountRecords counts the records that match a filter.
func (t *Tenant) CountRecords(ctx context.Context, f RecordFilter) (n int64, err error) {
	// Nearly all are live: counting all in an index and taking off the others
	// spares a look at every row.
	live := f.Status == "live"
	if live {
		f.Status = ""
	}
	q := f.where(t.id)
	query := `SELECT COUNT(*) FROM record WHERE ` + q.cond
	if live {
		query = `SELECT (` + query + `) - (` + query + ` AND status <> 'live')`
	}
	err = t.db.reader.QueryRowContext(ctx, query, q.args...).Scan(&n)
	return n, err
}
