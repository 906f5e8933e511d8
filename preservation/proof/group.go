package proof

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// readGroup returns the digests of all files in a package: under SHA-256 and
// SHA-512 those of the record's files as the sealed package has them and the
// others from their bytes, under any other algorithm all from their bytes.
func readGroup(ctx context.Context, store preservation.Store, o catalog.RecordObject, h crypto.Hash) ([][]byte, error) {
	m, err := manifest(ctx, store, o)
	if err != nil {
		return nil, err
	}
	if h == crypto.SHA256 || h == crypto.SHA512 {
		return m.Group(h)
	}
	groups, err := readBytes(ctx, store, o, m, []crypto.Hash{h})
	return groups[h], err
}

// manifest returns the files of a package in the order of their bytes.
func manifest(ctx context.Context, store preservation.Store, o catalog.RecordObject) (m aip.Manifest, err error) {
	p, err := aip.Open(ledger.Remote(ctx, store, preservation.Object{Key: o.Key, VersionID: o.VersionID, Size: o.Size}), o.Size)
	if err == nil {
		m, err = p.Manifest()
	}
	slices.SortFunc(m.Entries, func(a, b aip.Entry) int { return cmp.Compare(a.Offset, b.Offset) })
	return m, err
}

// readAll reads a package and returns its files with their digests under several
// algorithms.
func readAll(ctx context.Context, store preservation.Store, o catalog.RecordObject, algorithms []crypto.Hash) (m aip.Manifest, groups map[crypto.Hash][][]byte, err error) {
	if m, err = manifest(ctx, store, o); err == nil {
		groups, err = readBytes(ctx, store, o, m, algorithms)
	}
	return m, groups, err
}

// algorithms are those of some places, and others, each once.
func algorithms(places []place, all ...crypto.Hash) []crypto.Hash {
	for _, p := range places {
		all = append(all, p.hash)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// readBytes reads a package once from its beginning to its end and returns the
// digests of its files under each algorithm.
func readBytes(ctx context.Context, store preservation.Store, o catalog.RecordObject, m aip.Manifest, algorithms []crypto.Hash) (map[crypto.Hash][][]byte, error) {
	body, err := store.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	sums := make([]hash.Hash, len(algorithms))
	writers := make([]io.Writer, len(algorithms))
	for i, h := range algorithms {
		sums[i] = h.New()
		writers[i] = sums[i]
	}
	w := io.MultiWriter(writers...)
	groups := map[crypto.Hash][][]byte{}
	at := int64(0)
	for _, e := range m.Entries {
		if _, err := io.CopyN(io.Discard, body, e.Offset-at); err != nil {
			return nil, short(o, err)
		}
		for _, s := range sums {
			s.Reset()
		}
		if _, err := io.CopyN(w, body, e.Size); err != nil {
			return nil, short(o, err)
		}
		for i, h := range algorithms {
			groups[h] = append(groups[h], sums[i].Sum(nil))
		}
		at = e.Offset + e.Size
	}
	return groups, nil
}

func short(o catalog.RecordObject, err error) error {
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("it ends early: %w", preservation.ErrCorrupt)
	}
	return fmt.Errorf("%s: %w", o.Key, err)
}
