package sandbox

import (
	"sync"
	"testing"
)

// TestGroups runs programs of two sandboxes of one process at a time: neither
// takes the other's control groups for its own.
func TestGroups(t *testing.T) {
	var wg sync.WaitGroup
	for range 2 {
		s, err := New(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			dir := t.TempDir()
			wg.Go(func() {
				if res, err := s.Run(t.Context(), Command{Name: "sleep", Args: []string{"0.3"}, Dir: dir}); err != nil || !res.OK() {
					t.Errorf("%+v %v", res, err)
				}
			})
		}
	}
	wg.Wait()
}
