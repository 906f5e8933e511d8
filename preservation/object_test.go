package preservation

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

// FuzzDecodeEventObject: what lies below evt/ may have been put there by
// anybody who can write to the bucket. What is read is what would be written.
func FuzzDecodeEventObject(f *testing.F) {
	e := EventObject{Record: "01jq2m9cfp2y8r0v6k3c5t7n4e", Body: []byte(`{"submission":"x"}`),
		Event: Event{ID: "e1", Type: EventValidate, At: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Outcome: Success, Files: []FileID{"f0001"}, Detail: "ä\u2028"}}
	data, _, err := e.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":"bestand-event/1","event":{"at":"9999-12-31T23:59:59+23:59"},"body":null}`))
	f.Add([]byte(`{"format":"bestand-event/2"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, sum, err := DecodeEventObject(data)
		if err != nil {
			if !errors.Is(err, ErrUnreadable) {
				t.Errorf("nobody knows what to do about %v", err)
			}
			return
		}
		if len(sum) != 64 {
			t.Errorf("digest %q", sum)
		}
		again, _, err := e.Encode()
		if err != nil {
			t.Fatalf("was read and cannot be written: %v", err)
		}
		if same, _, err := DecodeEventObject(again); err != nil || !reflect.DeepEqual(compact(same), compact(e)) {
			t.Errorf("%+v, again %+v %v", e, same, err)
		}
	})
}

// compact leaves away what two forms of the same JSON may differ in.
func compact(e EventObject) EventObject {
	e.Body = nil
	e.Event.At = e.Event.At.UTC()
	if len(e.Event.Files) == 0 {
		e.Event.Files = nil
	}
	return e
}

func FuzzDecodeConfigObject(f *testing.F) {
	data, _, err := ConfigObject{Kind: "class", Name: "63.10", Version: 3, At: 1, Actor: "anna", Body: []byte(`{"years":30}`)}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":"bestand-config/1","version":-9223372036854775808,"body":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeConfigObject(data)
		if err != nil {
			if !errors.Is(err, ErrUnreadable) {
				t.Errorf("nobody knows what to do about %v", err)
			}
			return
		}
		again, _, err := c.Encode()
		if err != nil {
			t.Fatalf("was read and cannot be written: %v", err)
		}
		same, err := DecodeConfigObject(again)
		if c.Body, same.Body = nil, nil; err != nil || !reflect.DeepEqual(same, c) {
			t.Errorf("%+v, again %+v %v", c, same, err)
		}
	})
}
