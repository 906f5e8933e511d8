package ledger

import (
	"context"
	"fmt"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Receipt is the body of a storage event: the receipt that the producer got and
// what of its submission is nowhere else in the bucket.
type Receipt struct {
	JWS           string                    `json:"jws"`
	Submission    preservation.SubmissionID `json:"submission_id"`
	Parent        preservation.SubmissionID `json:"parent_id,omitempty"` // the package that it came out of
	ParentSource  string                    `json:"parent_producer_record_id,omitempty"`
	Version       int                       `json:"version"`
	Revision      *catalog.Revision         `json:"revision,omitempty"`
	Fingerprint   string                    `json:"fingerprint"`
	SubmittedBy   string                    `json:"submitted_by"`
	Received      time.Time                 `json:"received"`
	Problems      []preservation.Finding    `json:"problems,omitempty"`
	Package       string                    `json:"package"` // key
	PackageSHA256 string                    `json:"package_sha256"`
}

// ReadEvent reads an event object, with the digest of its bytes.
func ReadEvent(ctx context.Context, s preservation.Store, key string) (e preservation.EventObject, o preservation.Object, sum string, err error) {
	data, o, err := read(ctx, s, key, preservation.MaxEventObject)
	if err != nil {
		return e, o, "", err
	}
	if e, sum, err = preservation.DecodeEventObject(data); err != nil {
		return e, o, "", fmt.Errorf("%s: %w", key, err)
	}
	return e, o, sum, nil
}
