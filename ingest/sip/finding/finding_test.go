package finding_test

import (
	"fmt"
	"strings"
	"testing"

	"bestand/ingest/sip/finding"
	"bestand/preservation"
)

func TestList(t *testing.T) {
	var l finding.List
	if l.Failed() || len(l.All()) != 0 {
		t.Error("the zero list fails")
	}
	for i := range finding.Max + 10 {
		l.Note("note", "", fmt.Sprint(i), "x")
	}
	if l.Failed() || len(l.All()) != finding.Max+1 || l.All()[finding.Max].Severity != preservation.Notice {
		t.Errorf("%d findings", len(l.All()))
	}
	l.Fail("fail", "RFC 1", "a\x00\xff\u202e", "%s", strings.Repeat("ä", 2000))
	all := l.All()
	f := all[finding.Max]
	if !l.Failed() || f.Code != "fail" || f.Subject != `a\x00\xff\u202e` || len(f.Detail) > 1010 {
		t.Errorf("a failure behind many notices: %+v", f)
	}
	for range finding.Max {
		l.Fail("fail", "", "", "x")
	}
	if all = l.All(); len(all) != 2*finding.Max+1 || all[2*finding.Max].Severity != preservation.Failed || !strings.Contains(all[2*finding.Max].Detail, "11 more") {
		t.Errorf("%d findings, last %+v", len(all), all[len(all)-1])
	}
}
