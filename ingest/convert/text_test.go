package convert

import (
	"strings"
	"testing"

	"bestand/preservation"
)

// TestLongText: text that is too long for pages stays as it is, which is no fault of
// whoever sent it, and is found by its beginning.
func TestLongText(t *testing.T) {
	b := open(t, nil)
	for name, char := range map[string]string{"digits": "0", "letters of two bytes": "ü", "of four": "𝄞"} {
		t.Run(name, func(t *testing.T) {
			r := b.render(t, "text/plain", []byte("a\n"+strings.Repeat(char, maxPlain/len(char)+1)))
			if r.Verdict != preservation.VerdictNoRendition || len(r.Outputs) != 0 || len(r.Events) != 1 {
				t.Fatalf("%s %v", r.Verdict, r.Events)
			}
			if e := r.Events[0]; e.Code != CodeLong || e.Outcome != preservation.Warning {
				t.Errorf("%+v", e)
			}
			if !strings.HasPrefix(r.Text, "a\n"+char) || strings.ContainsRune(r.Text, '\uFFFD') {
				t.Errorf("text of %d bytes: %.20q … %.20q", len(r.Text), r.Text, r.Text[max(0, len(r.Text)-20):])
			}
		})
	}
}
