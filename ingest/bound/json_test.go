package bound

import (
	"errors"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want error
	}{
		{`[{"A":"` + strings.Repeat(`{[,\"`, 1<<20) + `"}]`, nil}, // text, however much it looks like values
		{"[" + strings.Repeat(`{},`, 2<<20) + "{}]", ErrTooMuch},
		{"[" + strings.Repeat(`0,`, 3<<20) + "0]", ErrTooMuch},
	} {
		var got []struct{ A string }
		if err := JSON([]byte(tt.in), &got); !errors.Is(err, tt.want) {
			t.Errorf("%.20s…: %v, want %v", tt.in, err, tt.want)
		}
	}
}
