package main

import (
	"testing"
)

// TestService tries one running service from outside, as producers, archivists
// and readers do, many at a time.
func TestService(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	t.Run("outside", func(t *testing.T) {
		for _, part := range []struct {
			name string
			try  func(*testing.T, *installation)
		}{
			{"samples", trySamples},
			{"broken files", tryBrokenFiles},
			{"refusals", tryRefusals},
			{"names", tryNames},
			{"repetition", tryRepetition},
			{"rights", tryRights},
			{"cut off", tryCutOff},
		} {
			t.Run(part.name, func(t *testing.T) {
				t.Parallel()
				part.try(t, in)
			})
		}
	})
	in.audit(t)
}
