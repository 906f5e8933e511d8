package proof

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
	"bestand/preservation/timestamp"
)

// Prove reads every version of a record back and verifies its evidence record
// against the bytes (RFC 4998, 4.3 and 5.3). A version that no stamp covers yet is
// a notice.
func (n *Notary) Prove(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) (all []preservation.Finding, err error) {
	store, err := n.Store(ctx, t)
	if err != nil {
		return nil, err
	}
	objects, err := t.Objects(ctx, id)
	if err != nil {
		return nil, err
	}
	know := newAssembly(t)
	for _, o := range objects {
		if o.Kind != "package" {
			continue
		}
		found, err := n.prove(ctx, store, know, id, o)
		if err != nil {
			return nil, fmt.Errorf("evidence of %s: %w", o.Key, err)
		}
		all = append(all, found...)
	}
	return all, nil
}

func (n *Notary) prove(ctx context.Context, store preservation.Store, know *assembly, id preservation.RecordID, o catalog.RecordObject) ([]preservation.Finding, error) {
	said := func(code string, severity preservation.Severity, detail string) []preservation.Finding {
		return []preservation.Finding{{Code: code, Severity: severity, Subject: o.Key, Detail: detail, Clause: "RFC 4998, 4.3"}}
	}
	batches, renewals, err := know.places(ctx, string(id), o.Version)
	if errors.Is(err, ErrPending) {
		return said("evidence-pending", preservation.Notice, "no evidence batch has covered this version yet"), nil
	}
	if err != nil {
		return nil, err
	}
	m, groups, err := readAll(ctx, store, o, algorithms(append(batches, renewals...)))
	var r *evidence.Record
	if err == nil {
		r, err = know.record(ctx, string(id), o.Version, time.Time{}, func(h crypto.Hash) ([][]byte, error) { return groups[h], nil })
	}
	switch {
	case err != nil && urgent(ctx, err):
		return nil, err
	case err != nil:
		return said("evidence-unproven", preservation.Failed, err.Error()), nil
	}
	files := make([]evidence.Object, len(m.Entries))
	for i, e := range m.Entries {
		files[i] = evidence.Object{Name: e.Path, Digest: func(h crypto.Hash) ([]byte, error) { return groups[h][i], nil }}
	}
	found := r.Verify(files, evidence.Check{Trust: timestamp.Trust{Roots: n.Roots}, At: n.Now(), Group: true, Suitable: n.Suitable})
	// That each single file is covered goes without saying where all are.
	return slices.DeleteFunc(found, func(f preservation.Finding) bool { return f.Code == "covered" && f.Severity == preservation.Passed }), nil
}
