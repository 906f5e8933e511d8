package retention

import (
	"encoding/json"
	"errors"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TriggerOf returns the trigger that an event object reports, for the rebuild.
func TriggerOf(e preservation.EventObject) (catalog.Trigger, bool) {
	var g Trigger
	if e.Event.Type != preservation.EventRetention || json.Unmarshal(e.Body, &g) != nil || g.Type == "" || g.ID != e.Event.ID {
		return catalog.Trigger{}, false
	}
	return catalog.Trigger{
		ID: g.ID, Record: e.Record, Type: g.Type, Date: g.Date, At: g.Recorded, Actor: g.Actor, Key: preservation.EventKey(e.Record, g.ID),
	}, true
}

// Replanned has every record evaluated anew, by documents that have come into bucket and
// catalog otherwise than by an Officer.
func Replanned(x *catalog.Tx) error {
	_, err := x.MarkStale(catalog.RetentionFilter{})
	return errors.Join(err, x.SetCursor(stampName, ""))
}

// Remains returns the tombstone of a record as its event objects tell it, for
// the rebuild: of a destruction that ended, or of one whose packages are all
// gone and that only has to be written down. ok is false while the record
// lives, also when a destruction was begun or called off.
func Remains(events []preservation.EventObject, packages int, now time.Time) (stone catalog.Tombstone, ok bool) {
	ended := make(map[string]bool)
	for _, e := range events {
		ended[e.Event.ID] = true // an outcome has the ID of its disposal
		if e.Event.Type == preservation.EventDelete && json.Unmarshal(e.Body, &stone) == nil && stone.Record == e.Record {
			return stone, true
		}
	}
	for _, e := range events {
		var i Intent
		if packages > 0 || e.Event.Type != preservation.EventIntent || json.Unmarshal(e.Body, &i) != nil {
			continue
		}
		if i.Disposal != "" && !ended[i.Disposal] && i.Tombstone.Record == e.Record {
			i.Tombstone.Destroyed = now.UTC()
			return i.Tombstone, true
		}
	}
	return catalog.Tombstone{}, false
}
