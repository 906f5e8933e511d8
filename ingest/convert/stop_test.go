package convert

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"bestand/preservation"
)

// A stop that comes while a file waits to be checked is an error of the caller's
// context, whatever the file.
func TestStopBeforeCheck(t *testing.T) {
	t.Parallel()
	b := open(t, func(c *Config) { c.Working, c.Workers = semaphore.NewWeighted(1), 1 })
	if err := b.checking.Acquire(t.Context(), b.cfg.Workers+1); err != nil {
		t.Fatal(err)
	}
	for mime, content := range map[string][]byte{"application/pdf": drawing(square, ""), "text/html": []byte("<p>Bescheid")} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := b.Render(ctx, Source{Path: b.file(t, content), Name: "x", Format: preservation.Format{MIME: mime}}, b.folder(t))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", mime, err)
		}
	}
}
