package fixity

import (
	"context"
	"errors"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
)

// digest notes the digests of packages that could not be read when the catalog was made
// anew, so that nothing was known of their bytes. A package that its seal proves is right,
// in the bucket or in the second copy, from which the bucket's is then repaired. It
// reports whether it noted any.
func (l *look) digest(ctx context.Context, id preservation.RecordID, found []preservation.Finding) (noted bool, err error) {
	if len(failedOf(found)) == 0 {
		return false, nil // of one without a digest there is a finding, whether it can be read or not
	}
	objects, err := l.t.Objects(ctx, id)
	if err != nil {
		return false, err
	}
	for _, o := range objects {
		if o.SHA256 != "" || o.Kind != "package" {
			continue
		}
		sum, err := l.proved(ctx, l.store, id, o, o.VersionID)
		if err == nil && sum == "" && l.Copies != nil && !l.away {
			var pair Pair
			if pair, err = l.Copies(ctx, l.t); err == nil {
				sum, err = l.proved(ctx, l.Limit.On(pair.Copy), id, o, "")
			}
			if err != nil && ctx.Err() == nil {
				l.leave(ctx, err)
				err = nil
			}
		}
		if err != nil {
			return noted, err
		}
		if sum == "" {
			continue
		}
		if err := l.t.SetDigest(ctx, id, o.Key, sum); err != nil {
			return noted, err
		}
		noted = true
	}
	return noted, nil
}

// proved returns the SHA-256 of a package that is right by its seal and by the digest
// that the store took; empty when it is not, or the store does not give it.
func (l *look) proved(ctx context.Context, s preservation.Store, id preservation.RecordID, o catalog.RecordObject, version string) (string, error) {
	have, err := s.Stat(ctx, o.Key, version)
	if errors.Is(err, preservation.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	r := &check{Checker: l.Checker, tenant: l.t, store: s}
	content, sum, err := r.read(ctx, have)
	var out *preservation.Outage
	switch {
	case err != nil && (ctx.Err() != nil || errors.As(err, &out) && out.Part != preservation.PartStore):
		return "", err
	case err != nil: // Stat had an answer: it is damaged
		return "", nil
	}
	defer content.Close()
	if have.SHA256 != "" && sum != have.SHA256 || len(failedOf(aip.Verify(ctx, content, have.Size, aip.Options{VerifySeal: r.Seal}))) > 0 {
		return "", ctx.Err()
	}
	p, err := aip.Open(content, have.Size)
	if err != nil {
		return "", nil
	}
	if rec := p.Record(); rec.ID != id || rec.Tenant != l.t.ID() || rec.Version != o.Version {
		return "", nil
	}
	return sum, nil
}
