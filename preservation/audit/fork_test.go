package audit

import (
	"strings"
	"testing"
	"time"
)

// TestAcceptForkBounded: whatever a branch states, the entry about it is small, and one that
// somebody made states no other hashes than there can be.
func TestAcceptForkBounded(t *testing.T) {
	e := AcceptFork(Branch{Segment: "audit/x", SHA256: strings.Repeat("0", 64), First: 2, Last: 3, Why: strings.Repeat("ä\xff", 5000)}, "cli", "Paula Pr\xfcfer", "ä")
	e.Seq, e.At = 1, time.UnixMilli(1)
	e.Hash = e.Sum("musterstadt")
	data, err := Encode("musterstadt", []Entry{e})
	if err != nil || len(data) > 10*maxDetail {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	_, back, err := Decode(data)
	if err != nil || len(back) != 1 || back[0].Sum("musterstadt") != e.Hash {
		t.Errorf("%v: %+v", err, back)
	}
	if b, ok := e.Branch(); !ok || b.SHA256 == "" || b.Head != "" || !strings.Contains(b.String(), "their chain does not hold") {
		t.Errorf("%+v", b)
	}
	good := strings.Repeat("0123456789abcdef", 4)
	for head, want := range map[string]string{good: good, good + "0": "", strings.ToUpper(good): "", strings.Repeat("x", 64): "", "": ""} {
		e.Detail["branch_head"] = head
		if b, _ := e.Branch(); b.Head != want {
			t.Errorf("%q: %q", head, b.Head)
		}
	}
}
