package aip_test

import (
	"bytes"
	"io"
	"testing"

	"bestand/preservation/aip"
)

// FuzzOpen: whatever the bytes, no panic; what opens stays within the bytes.
func FuzzOpen(f *testing.F) {
	p, _ := sample()
	good, m := pack(f, p)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(good[len(good)/2:])
	for _, path := range []string{aip.RecordPath, aip.PremisPath, aip.MetsPath} {
		e, _ := m.Entry(path)
		f.Add(aip.Zip(f, string(m.Record), []aip.Part{{Path: path, Content: good[e.Offset : e.Offset+e.Size]}}))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if findings := verify(t, b); len(findings) == 0 {
			t.Error("no finding at all")
		}
		r, err := aip.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		r.Events()
		got, err := r.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range got.Entries {
			if e.Offset < 0 || e.Size < 0 || e.Offset+e.Size > int64(len(b)) {
				t.Errorf("entry %+v of %d bytes", e, len(b))
			}
		}
		for _, file := range r.Record().Files {
			if s, err := r.File(file.ID); err == nil {
				io.Copy(io.Discard, s)
			}
		}
	})
}

// FuzzDocuments puts fuzzed documents into a well-formed package, which random
// bytes would hardly ever be.
func FuzzDocuments(f *testing.F) {
	p, _ := sample()
	good, m := pack(f, p)
	part := func(path string) []byte { e, _ := m.Entry(path); return good[e.Offset : e.Offset+e.Size] }
	f.Add(part(aip.RecordPath), part(aip.PremisPath), part(aip.MetsPath))
	f.Fuzz(func(t *testing.T, record, premis, mets []byte) {
		zip := aip.Zip(t, string(m.Record), []aip.Part{
			{Path: aip.RecordPath, Content: record}, {Path: aip.PremisPath, Content: premis}, {Path: aip.MetsPath, Content: mets}})
		verify(t, zip)
		if r, err := aip.Open(bytes.NewReader(zip), int64(len(zip))); err == nil {
			r.Events()
		}
	})
}
