package audit

import (
	"bytes"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	at := time.Date(2027, 1, 1, 0, 30, 0, 0, time.FixedZone("CET", 3600))
	if key := Key(at, 12, 5011); key != "audit/2026/000000000012-000000005011.jsonl" {
		t.Error(key)
	}
	for name, ok := range map[string]bool{
		"000000000012-000000005011.jsonl": true, "12-13.jsonl": false, "000000000000-000000000003.jsonl": false,
		"000000000004-000000000003.jsonl": false, "000000000001-000000000003.jsonl.p7s": false, "": false,
	} {
		if _, _, got := ParseName(name); got != ok {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// FuzzDecode reads the segments of anybody. What it takes for whole it would write in
// the same way, but for the form of JSON.
func FuzzDecode(f *testing.F) {
	e := Entry{Seq: 1, At: time.UnixMilli(1), Actor: "anna", Action: "record.read", Object: "x", Detail: map[string]string{"a": "b"}}
	e.Hash = e.Sum("musterstadt")
	whole, err := Encode("musterstadt", []Entry{e, {Seq: 2}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"seq":1}{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tenant, entries, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(tenant, entries)
		if err != nil {
			return // a time beyond what JSON takes
		}
		back, more, err := Decode(again)
		if err != nil || back != tenant || len(more) != len(entries) {
			t.Fatalf("%v: %q", err, again)
		}
		for i := range more {
			if more[i].Sum(tenant) != entries[i].Sum(tenant) {
				t.Errorf("entry %d is another one", i)
			}
		}
		(&Chain{}).Add(Segment{Name: "x", Content: data, Seal: bytes.Clone(data)})
	})
}
