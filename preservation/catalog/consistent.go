package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"bestand/preservation"
)

// Contradictions returns the columns of a record's row that say something else
// than the metadata and files from which they were filled: somebody changed them
// by hand, or a disk did. None means that the row agrees with itself.
func (t *Tenant) Contradictions(ctx context.Context, id preservation.RecordID) ([]string, error) {
	e, err := t.Head(ctx, id)
	if err != nil {
		return nil, err
	}
	var producer, source, kind, class, title, reference, key, creator, opened, closed, confidentiality, parent, found string
	var personal int64
	err = t.db.reader.QueryRowContext(ctx, `SELECT producer, producer_record_id, kind, class, title, reference, reference_key, creator, opened, closed,
		confidentiality, parent, personal_data, formats FROM record WHERE tenant = $1 AND id = $2`, string(t.id), string(id)).
		Scan(&producer, &source, &kind, &class, &title, &reference, &key, &creator, &opened, &closed, &confidentiality, &parent, &personal, &found)
	if err != nil {
		return nil, err
	}
	rows, err := t.db.reader.QueryContext(ctx, `SELECT format FROM record_format WHERE tenant = $1 AND record_id = $2`, string(t.id), string(id))
	listed, err := collect(rows, err, func(row scanner) (s string, err error) { return s, row.Scan(&s) })
	if err != nil {
		return nil, err
	}
	rows, err = t.db.reader.QueryContext(ctx, `SELECT DISTINCT format FROM file WHERE tenant = $1 AND record_id = $2`, string(t.id), string(id))
	files, err := collect(rows, err, func(row scanner) (f preservation.File, err error) {
		var format string
		if err = row.Scan(&format); err == nil {
			f.Format, err = fromJSON[preservation.Format](format)
		}
		return f, err
	})
	if err != nil {
		return nil, err
	}
	m := e.Metadata
	var out []string
	for _, c := range []struct{ column, have, want string }{
		{"producer", producer, m.Producer},
		{"producer_record_id", source, m.ProducerRecordID},
		{"kind", kind, m.Kind},
		{"class", class, m.Class},
		{"title", title, m.Title},
		{"reference", reference, m.Reference},
		{"reference_key", key, ReferenceKey(m.Reference)},
		{"creator", creator, m.Creator},
		{"opened", opened, m.Opened.String()},
		{"closed", closed, m.Closed.String()},
		{"confidentiality", confidentiality, m.Confidentiality},
		{"parent", parent, string(m.Parent)},
		{"formats", sorted(found), sorted(formats(files))},
		{"record_format", sorted(strings.Join(listed, " ")), sorted(formats(files))},
	} {
		if c.have != storable(c.want) && c.have != c.want {
			out = append(out, c.column)
		}
	}
	if personal != bit(m.PersonalData) {
		out = append(out, "personal_data")
	}
	return out, nil
}

func sorted(words string) string {
	list := strings.Fields(words)
	slices.Sort(list)
	return strings.Join(list, " ")
}

// AllDocuments returns every version of every document, in the order of their
// keys, and whether each stands in the bucket.
func (v View) AllDocuments(ctx context.Context) (docs []Document, stored map[string]bool, err error) {
	rows, err := v.q.QueryContext(ctx, `SELECT `+documentColumns+`, stored FROM document WHERE tenant = $1`, string(v.tenant))
	stored = map[string]bool{}
	docs, err = collect(rows, err, func(row scanner) (d Document, err error) {
		var body string
		var there int64
		err = row.Scan(&d.Kind, &d.Name, &d.Version, &d.Key, &body, &d.Actor, &d.At, &there)
		d.Body, stored[d.Key] = []byte(body), there == 1
		return d, err
	})
	slices.SortFunc(docs, func(a, b Document) int { return cmp.Compare(a.Key, b.Key) })
	return docs, stored, err
}
