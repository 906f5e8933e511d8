package image

import (
	"fmt"

	"bestand/preservation"
)

// Codes of Faults and findings.
const (
	TooLarge    = "image-too-large"   // more pixels, pages or bytes than the limits allow: perhaps a decompression bomb
	Unsupported = "unsupported-image" // a variant of the format that this package does not know
	Damaged     = "damaged-image"     // the data contradict themselves or end too early
	Dropped     = "image-part-dropped"
	NotVerified = "image-not-verified" // passed through without a trial decoding
)

// A Fault says why an image has no rendition. The same bytes fail again.
type Fault struct {
	Code   string // TooLarge, Unsupported or Damaged
	Page   int    // counted from 1; 0 when the fault is of the whole file
	Detail string
}

func (f *Fault) Error() string {
	if f.Page > 0 {
		return fmt.Sprintf("%s, page %d: %s", f.Code, f.Page, f.Detail)
	}
	return f.Code + ": " + f.Detail
}

// Finding returns the fault in the words of the archive.
func (f *Fault) Finding() preservation.Finding {
	return preservation.Finding{Code: f.Code, Severity: preservation.Failed, Detail: f.Error()}
}

func fault(code, format string, args ...any) *Fault {
	return &Fault{Code: code, Detail: fmt.Sprintf(format, args...)}
}
