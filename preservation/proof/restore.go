package proof

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Restore brings the stamps back that a bucket holds, after the records: a rebuild
// calls it. What cannot be read is a problem and does not stop the rest. Stamps
// that lack a token get one with the next batch; running it again changes nothing.
func (n *Notary) Restore(ctx context.Context, t *catalog.Tenant) (stamps int, problems []preservation.Finding, err error) {
	store, err := n.Store(ctx, t)
	if err != nil {
		return 0, nil, err
	}
	problem := func(key string, err error) {
		problems = append(problems, preservation.Finding{Code: "unreadable-stamp", Severity: preservation.Failed, Subject: key, Detail: err.Error(), Clause: "RFC 4998, 4"})
	}
	for o, err := range store.Versions(ctx, preservation.StampPrefix) {
		if err != nil {
			return stamps, problems, err
		}
		var bad *notStamp
		switch path.Base(o.Key) {
		case leavesName:
			err = n.restoreLeaves(ctx, t, store, o)
			stamps++
		case tokenName:
			err = n.restoreToken(ctx, t, store, o)
		default:
			err = &notStamp{errors.New("no part of a stamp")}
		}
		if errors.As(err, &bad) {
			problem(o.Key, err)
		} else if err != nil {
			return stamps, problems, fmt.Errorf("restore %s: %w", o.Key, err)
		}
	}
	// A renewal may stand before what it covers, where a clock went back.
	done, err := t.View().DoneStamps(ctx)
	for _, s := range done {
		if err == nil && s.Kind == catalog.StampTokens {
			err = t.Update(ctx, func(x *catalog.Tx) error { return x.Cover(s.ID) })
		}
	}
	digests := map[string]bool{}
	for _, s := range done {
		digests[s.Digest] = true
	}
	for d := range digests {
		if err == nil {
			err = t.Update(ctx, func(x *catalog.Tx) error { _, err := x.Retire(d); return err })
		}
	}
	return stamps, problems, errors.Join(err, n.markRest(ctx, t))
}

// notStamp says that an object is not what its name says.
type notStamp struct{ error }

func (e *notStamp) Unwrap() error { return e.error }

const maxLine = 4 << 10

// restoreLeaves reads an object twice: a stamp of which a part is missing must
// leave no trace.
func (n *Notary) restoreLeaves(ctx context.Context, t *catalog.Tenant, store preservation.Store, o preservation.Object) error {
	h, err := readLeaves(ctx, store, o, nil)
	if err != nil {
		return err
	}
	if h.Tenant != t.ID() {
		return &notStamp{fmt.Errorf("of tenant %q", h.Tenant)}
	}
	s := catalog.Stamp{ID: h.Stamp, Kind: h.Kind, Digest: h.Digest, Leaves: h.Leaves, Opened: h.Opened, Since: h.Since}
	if err := t.Update(ctx, func(x *catalog.Tx) error { return x.RestoreStamp(s) }); err != nil {
		return err
	}
	var part []catalog.StampLeaf
	at := 0
	flush := func() error {
		err := t.Update(ctx, func(x *catalog.Tx) error { return x.RestoreLeaves(s, at, part) })
		at, part = at+len(part), part[:0]
		return err
	}
	_, err = readLeaves(ctx, store, o, func(l catalog.StampLeaf) error {
		if part = append(part, l); len(part) < chunk {
			return nil
		}
		return flush()
	})
	if err != nil || len(part) == 0 {
		return err
	}
	return flush()
}

// readLeaves hands over the leaves of an object one by one and returns its head.
func readLeaves(ctx context.Context, store preservation.Store, o preservation.Object, do func(catalog.StampLeaf) error) (h head, err error) {
	body, err := store.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return h, err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxLine)
	if !lines.Scan() {
		return h, broken(lines.Err(), io.ErrUnexpectedEOF)
	}
	if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
		return h, &notStamp{err}
	}
	hash, err := hashOf(h.Digest)
	switch {
	case h.Format != headFormat:
		return h, &notStamp{fmt.Errorf("format %q, this program reads %q", h.Format, headFormat)}
	case err != nil:
		return h, &notStamp{err}
	case h.Kind != catalog.StampRecords && h.Kind != catalog.StampTokens && h.Kind != catalog.StampRenewed:
		return h, &notStamp{fmt.Errorf("of kind %q", h.Kind)}
	case h.Leaves < 1 || int64(h.Leaves) > o.Size/int64(2*hash.Size()):
		return h, &notStamp{fmt.Errorf("%d leaves in %d bytes", h.Leaves, o.Size)}
	case preservation.StampKey(h.Opened, h.Stamp, path.Base(o.Key)) != o.Key:
		return h, &notStamp{fmt.Errorf("stamp %q under this name", h.Stamp)}
	}
	n := 0
	for ; lines.Scan(); n++ {
		l, err := parseLeaf(lines.Bytes(), hash.Size())
		if err != nil {
			return h, &notStamp{fmt.Errorf("line %d: %w", n+2, err)}
		}
		if do != nil {
			if err := do(l); err != nil {
				return h, err
			}
		}
	}
	if lines.Err() != nil {
		return h, broken(lines.Err(), nil)
	}
	if n != h.Leaves {
		return h, &notStamp{fmt.Errorf("%d leaves instead of %d", n, h.Leaves)}
	}
	return h, nil
}

// broken tells a file that is not of the form from one that cannot be read.
func broken(reading, form error) error {
	if reading == nil || errors.Is(reading, bufio.ErrTooLong) {
		return &notStamp{errors.Join(reading, form)}
	}
	return reading
}

func parseLeaf(line []byte, size int) (l catalog.StampLeaf, err error) {
	f := bytes.Fields(line)
	if len(f) != 3 {
		return l, errors.New("want digest, subject and version")
	}
	l.Subject = string(f[1])
	if l.Digest, err = hex.DecodeString(string(f[0])); err == nil && len(l.Digest) != size {
		err = fmt.Errorf("a digest of %d bytes", len(l.Digest))
	}
	if err == nil {
		l.Version, err = strconv.Atoi(string(f[2]))
	}
	return l, err
}

// restoreToken finishes a stamp with the token of the bucket, which follows its
// leaves in the order of keys.
func (n *Notary) restoreToken(ctx context.Context, t *catalog.Tenant, store preservation.Store, o preservation.Object) error {
	id := path.Base(path.Dir(o.Key))
	s, err := t.View().Stamp(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return &notStamp{errors.New("its leaves are missing")}
	}
	if err != nil || s.State == catalog.StampDone {
		return err
	}
	h, err := hashOf(s.Digest)
	if err != nil {
		return err
	}
	tree, err := n.tree(ctx, t, s, h)
	if err != nil {
		return err
	}
	token, err := stored(ctx, store, o.Key, o.VersionID, h, tree.Root())
	if errors.Is(err, preservation.ErrCorrupt) {
		return &notStamp{err}
	}
	if err != nil {
		return err
	}
	return n.close(ctx, t, s, tree, token, false)
}
