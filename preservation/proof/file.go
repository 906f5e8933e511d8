package proof

import (
	"context"
	"crypto"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
	"bestand/preservation/ledger"
)

// File puts together the evidence record of one file of a record by itself, which
// tells of the others no more than their digests. A file that an earlier version
// holds is proven with that one. catalog.ErrNotFound when the version has no such file.
func (n *Notary) File(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int, file preservation.FileID) (*evidence.Record, error) {
	store, o, err := n.Package(ctx, t, id, version)
	if err != nil {
		return nil, err
	}
	p, err := aip.Open(ledger.Remote(ctx, store, o), o.Size)
	if err != nil {
		return nil, err
	}
	rec := p.Record()
	f, ok := rec.File(file)
	if !ok {
		return nil, fmt.Errorf("file %s of record %s, version %d: %w", file, id, version, catalog.ErrNotFound)
	}
	if f.HeldIn != 0 {
		return n.File(ctx, t, id, f.HeldIn, file)
	}
	r, err := n.Record(ctx, t, id, version)
	if err != nil {
		return nil, err
	}
	digest, err := fileDigest(p, f.Path, f.Digests, r.Digest())
	if err != nil {
		return nil, err
	}
	one, err := r.For(digest)
	if errors.Is(err, evidence.ErrNotCovered) {
		err = fmt.Errorf("file %s: %w: %w", file, preservation.ErrCorrupt, err)
	}
	return one, err
}

// Package finds the package of a version in the store.
func (n *Notary) Package(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (preservation.Store, preservation.Object, error) {
	store, err := n.Store(ctx, t)
	if err != nil {
		return nil, preservation.Object{}, err
	}
	o, err := packaged(ctx, t, id, version)
	if err != nil {
		return nil, preservation.Object{}, err
	}
	return store, preservation.Object{Key: o.Key, VersionID: o.VersionID, Size: o.Size}, nil
}

// fileDigest is the digest of a file in a package: known, or of its bytes.
func fileDigest(p *aip.Reader, path string, known preservation.Digests, h crypto.Hash) ([]byte, error) {
	switch h {
	case crypto.SHA256:
		return hex.DecodeString(known.SHA256)
	case crypto.SHA512:
		return hex.DecodeString(known.SHA512)
	}
	content, err := p.Entry(path)
	if err != nil {
		return nil, err
	}
	w := h.New()
	if _, err := io.Copy(w, content); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return w.Sum(nil), nil
}
