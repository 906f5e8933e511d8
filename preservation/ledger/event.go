package ledger

import (
	"context"
	"fmt"
	"io"
	"time"

	"bestand/preservation"
)

// Receipt is the body of a storage event: the receipt that the producer got and
// what of its submission is nowhere else in the bucket.
type Receipt struct {
	JWS           string                    `json:"jws"`
	Submission    preservation.SubmissionID `json:"submission_id"`
	Parent        preservation.SubmissionID `json:"parent_id,omitempty"` // the package that it came out of
	Version       int                       `json:"version"`
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

// read returns a small object whole.
func read(ctx context.Context, s preservation.Store, key string, most int64) ([]byte, preservation.Object, error) {
	o, err := s.Stat(ctx, key, "")
	if err != nil {
		return nil, o, err
	}
	if o.Size > most {
		return nil, o, fmt.Errorf("%s has %d bytes, at most %d were expected", key, o.Size, most)
	}
	body, err := s.Open(ctx, key, o.VersionID, 0, -1)
	if err != nil {
		return nil, o, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, most))
	return data, o, err
}
