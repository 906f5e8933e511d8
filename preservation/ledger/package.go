package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// kindPackage is the kind of the objects that tell of packages of records.
const kindPackage = "package"

// Package is the body of such an object: the receipt over all records of a
// package and what of its submission is nowhere else in the bucket. It stays when
// its records are destroyed and so says nothing about them but identifiers and
// digests; the producer's name for the package is in the receipts of its records.
type Package struct {
	JWS         string                    `json:"jws,omitempty"`
	Submission  preservation.SubmissionID `json:"submission_id"`
	Producer    string                    `json:"producer"`
	Fingerprint string                    `json:"fingerprint"`
	SubmittedBy string                    `json:"submitted_by"`
	Status      string                    `json:"status"`
	Received    time.Time                 `json:"received"`
	Problems    []preservation.Finding    `json:"problems,omitempty"`
	Event       preservation.Event        `json:"event"`
}

// Bare returns findings without what they say in words, which may be about the
// content: code, severity and clause stay.
func Bare(findings []preservation.Finding) []preservation.Finding {
	var out []preservation.Finding
	for _, f := range findings {
		out = append(out, preservation.Finding{Code: f.Code, Severity: f.Severity, Clause: f.Clause})
	}
	return out
}

// StorePackage writes the object. When an earlier attempt wrote it, that one is
// the truth and is returned.
func StorePackage(ctx context.Context, s preservation.Store, p Package, lock preservation.Lock) (Package, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return p, err
	}
	key := preservation.ConfigKey(string(p.Submission))
	data, sum, err := preservation.ConfigObject{Kind: kindPackage, Name: string(p.Submission), Version: 1, Actor: "system", At: p.Event.At.UnixMilli(), Body: body}.Encode()
	if err != nil {
		return p, err
	}
	_, err = s.Put(ctx, key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: sum, Lock: lock, ContentType: "application/json"})
	if !errors.Is(err, preservation.ErrExists) {
		return p, err
	}
	if data, _, err = read(ctx, s, key, preservation.MaxConfigObject); err != nil {
		return p, err
	}
	c, err := preservation.DecodeConfigObject(data)
	if err != nil {
		return p, err
	}
	var kept Package
	if err := json.Unmarshal(c.Body, &kept); err != nil || kept.Submission != p.Submission {
		return p, fmt.Errorf("%s: %w", key, preservation.ErrUnreadable)
	}
	return kept, nil
}

func (b *rebuild) restorePackageOf(ctx context.Context, key string, c preservation.ConfigObject) error {
	var p Package
	if err := json.Unmarshal(c.Body, &p); err != nil {
		b.problem(key, "unreadable-document", err.Error())
		return nil
	}
	return b.tenant.RestorePackage(ctx, catalog.Submission{
		ID: p.Submission, Metadata: preservation.Metadata{Producer: p.Producer}, Fingerprint: p.Fingerprint,
		Status: catalog.Status(p.Status), SubmittedBy: p.SubmittedBy, Problems: p.Problems, Receipt: p.JWS, Received: p.Received, Updated: p.Event.At, Package: true,
	}, p.Event)
}
