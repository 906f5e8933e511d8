package dip_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"bestand/preservation/dip"
)

// TestStatements wants counter-statements in every form, and nothing of them where
// there is none.
func TestStatements(t *testing.T) {
	s := record(t, "file", "a.txt")
	bare := s
	bare.Statements = nil
	for name, c := range map[string]struct {
		write func(context.Context, io.Writer, dip.Source) error
		file  string // in the ZIP
	}{
		"bagit": {dip.BagIt, dip.BagItFolder(s.Package.Record().ID) + "/aip/counter-statements.json"},
		"ocfl":  {dip.OCFL, dip.OCFLFolder(s.Package.Record().ID) + "/v2/content/aip/counter-statements.json"},
		"asic":  {dip.ASiC, "META-INF/counter-statements.json"},
	} {
		w := export(t, name+".zip", c.write, s)
		var told []dip.Statement
		if err := json.Unmarshal(w.read(t, c.file), &told); err != nil || len(told) != 1 || told[0] != said[0] {
			t.Errorf("%s: %+v %v", name, told, err)
		}
		for _, f := range export(t, "bare.zip", c.write, bare).File {
			if strings.Contains(f.Name, "counter-statements") {
				t.Errorf("%s: %s without a statement", name, f.Name)
			}
		}
	}
	message := string(export(t, "x.zip", dip.Xdomea, s).read(t, dip.XdomeaName(s)+".xml"))
	if !strings.Contains(message, "<xdomea:Name>Counter-statement 1</xdomea:Name><xdomea:Wert>So war es nicht &amp; nie.<") {
		t.Error("xdomea does not tell the counter-statement")
	}
	var b bytes.Buffer
	if err := dip.XAIP(t.Context(), &b, s); err != nil {
		t.Fatal(err)
	}
	if x := b.String(); !strings.Contains(x, `metaDataID="statements"`) || !strings.Contains(x, "<xaip:unprotectedObjectPointer>statements<") || strings.Contains(x, "<xaip:protectedObjectPointer>statements<") {
		t.Error("the XAIP does not tell the counter-statement, or as if it were proven")
	}
}
