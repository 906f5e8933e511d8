package bound

import (
	"errors"
	"strings"
	"testing"
)

func TestBeside(t *testing.T) {
	failed := errors.New("failed")
	for _, tt := range []struct {
		name string
		f    func() error
		want string
	}{
		{"well", func() error { return nil }, ""},
		{"error", func() error { return failed }, "failed"},
		{"panic", func() error { var p *int; *p = 1; return nil }, "panic: runtime error: invalid memory address"},
	} {
		wait := Beside(tt.f)
		for range 2 {
			if err := wait(); (err != nil) != (tt.want != "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
	}
}
