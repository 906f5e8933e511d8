package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Added says who added something to a record, and when. It is embedded in the
// bodies of annotations.
type Added struct {
	ID       string    `json:"id"`
	Recorded time.Time `json:"recorded"`
	Actor    string    `json:"actor"`
}

// annotations are the kinds of annotations by the events that tell of them.
var annotations = map[preservation.EventType]string{
	preservation.EventReclassify: catalog.Reclassification,
	preservation.EventAccess:     kindGrant,
	preservation.EventRestrict:   kindRestriction,
	preservation.EventStatement:  kindStatement,
}

// AnnotationOf returns what a person added to a record by an event object, for the
// rebuild.
func AnnotationOf(e preservation.EventObject) (catalog.Annotation, bool) {
	kind := annotations[e.Event.Type]
	var by Added
	if kind == "" || json.Unmarshal(e.Body, &by) != nil || by.ID != e.Event.ID {
		return catalog.Annotation{}, false
	}
	return catalog.Annotation{ID: by.ID, Record: e.Record, Kind: kind, Body: e.Body, Actor: by.Actor, At: by.Recorded,
		Key: preservation.EventKey(e.Record, by.ID)}, true
}

// added is who adds something to a record now. Of one kind each comes after the one
// before, also within a millisecond and when the clock was set back: the last counts.
func (o *Officer) added(ctx context.Context, v catalog.View, id preservation.RecordID, kind, actor string) (Added, error) {
	now := o.Now().UTC().Truncate(time.Millisecond)
	before, err := v.Annotations(ctx, id, kind)
	if n := len(before); n > 0 && !now.After(before[n-1].At) {
		now = before[n-1].At.UTC().Add(time.Millisecond)
	}
	return Added{ID: preservation.NewID(now), Recorded: now, Actor: actor}, err
}

// addition is what is added to a record: the body of its event object, which
// embeds Added, and the words about it that hold nothing personal.
type addition struct {
	by     Added
	event  preservation.EventType
	detail string
	body   any
	audit  catalog.AuditEntry
}

// annotate stores an addition to a record in the bucket and then in the catalog.
// catalog.ErrConflict once the record is being destroyed.
func (o *Officer) annotate(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, a addition) error {
	r, err := living(ctx, t.View(), id)
	if err != nil {
		return err
	}
	body, err := json.Marshal(a.body)
	if err != nil {
		return err
	}
	e := preservation.EventObject{Record: id, Body: body, Event: preservation.Event{
		ID: a.by.ID, Type: a.event, At: a.by.Recorded, Outcome: preservation.Success, Detail: a.detail, Agent: agent}}
	_, row, err := o.keep(ctx, t, r, e)
	if err != nil {
		return err
	}
	note, ok := AnnotationOf(e)
	if !ok {
		return fmt.Errorf("%s is no annotation", a.event)
	}
	return o.change(ctx, t, a.by.Actor, func(ctx context.Context, x *edit) error {
		if _, err := living(ctx, x.v, id); err != nil {
			return err
		}
		return errors.Join(x.AddAnnotation(note), x.AddObject(id, row), x.AddEvents(id, e.Event), x.Audit(a.audit))
	})
}

// living returns a record that is not being destroyed.
func living(ctx context.Context, v catalog.View, id preservation.RecordID) (catalog.Retention, error) {
	r, err := v.Retention(ctx, id)
	if err == nil && r.Status != "live" {
		err = fmt.Errorf("record %s is being destroyed: %w", id, catalog.ErrConflict)
	}
	return r, err
}
