package scan

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// exceeded is how a daemon with "AlertExceedsMax yes" says that it stopped before
// the end because one of its limits was reached.
const exceeded = "Heuristics.Limits.Exceeded"

// lookAgain is how long what was found out about a daemon holds.
const lookAgain = 10 * time.Minute

// candour remembers whether the daemon says when it stops early.
type candour struct {
	mu    sync.Mutex
	at    time.Time
	tells bool
}

// TellsLimits reports whether the daemon says when its limits end a look. By
// default clamd answers OK to what it did not read to the end (files above
// MaxFileSize, archives above MaxScanSize or deeper than MaxRecursion); with
// "AlertExceedsMax yes" it says so. There is no question for that in its
// protocol, so that it is given something deeper than any limit.
func (s *Scanner) TellsLimits(ctx context.Context) (bool, error) {
	s.candour.mu.Lock()
	defer s.candour.mu.Unlock()
	if !s.candour.at.IsZero() && time.Since(s.candour.at) < lookAgain {
		return s.candour.tells, nil
	}
	nest, err := nested(40)
	if err != nil {
		return false, err
	}
	answer, err := s.ask(ctx, "zINSTREAM\x00", bytes.NewReader(nest))
	if err != nil {
		return false, fmt.Errorf("try out the scanner's limits: %w", err)
	}
	s.candour.at, s.candour.tells = time.Now(), strings.Contains(answer, exceeded)
	return s.candour.tells, nil
}

// nested is a ZIP within a ZIP and so on.
func nested(depth int) ([]byte, error) {
	content := []byte("nothing")
	for range depth {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w, err := z.CreateHeader(&zip.FileHeader{Name: "a", Method: zip.Store})
		if err != nil {
			return nil, err
		}
		w.Write(content) // as Close says
		if err := z.Close(); err != nil {
			return nil, err
		}
		content = b.Bytes()
	}
	return content, nil
}
