package catalog

import "testing"

// FuzzCursor: cursors come back from clients. One that is taken stands for itself.
func FuzzCursor(f *testing.F) {
	f.Add(cursor{Order: "archived", Number: 7, Text: "ä", ID: "x"}.encode())
	f.Add("e30")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := decodeCursor(s, "archived")
		if err != nil {
			return
		}
		if again, err := decodeCursor(c.encode(), "archived"); err != nil || again != c {
			t.Errorf("%q: %+v, again %+v %v", s, c, again, err)
		}
	})
}
