package xdomea_test

import (
	"testing"

	"bestand/ingest/sip/finding"
	"bestand/ingest/sip/xdomea"
)

// FuzzRead lets a message say anything. A message that is taken has records,
// each object once, and names no file that is not there.
func FuzzRead(f *testing.F) {
	for _, text := range []string{testdata(f, "3.0.0.xml"), change(f, container3(f), "3.0.0", "3.1.0")[0].Content,
		change(f, container3(f), "f2.pdf", "../../f2.pdf")[0].Content} {
		f.Add(text, false)
	}
	f.Add(testdata(f, "4.0.0.xml"), true)
	f.Fuzz(func(t *testing.T, text string, four bool) {
		fs, name := container3(t).Set(name3+".xml", text), name3
		if four {
			fs, name = container4(t).Set(name4+".xml", text), name4
		}
		var found finding.List
		m, err := xdomea.Read(t.Context(), fs.Unpack(t), "", name+".zip", xdomea.Options{Receivers: []string{"Stadtarchiv Musterstadt"}}, &found)
		if err != nil {
			t.Fatal(err)
		}
		if found.Failed() {
			return
		}
		if m == nil || m.Entry == nil || len(m.Records()) == 0 {
			t.Fatalf("taken as %+v", m)
		}
		seen := map[*xdomea.Object]bool{}
		var walk func(o *xdomea.Object, depth int)
		walk = func(o *xdomea.Object, depth int) {
			if seen[o] || depth > 8 {
				t.Fatalf("%s %s is there twice or below itself", o.Kind, o.Position)
			}
			seen[o] = true
			for _, p := range o.Primary {
				if p.Entry == nil {
					t.Errorf("%s has no file %s", o.Position, p.Name)
				}
			}
			for _, c := range o.Children {
				walk(c, depth+1)
			}
		}
		for _, o := range m.Records() {
			walk(o, 0)
		}
	})
}
