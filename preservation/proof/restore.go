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
	"bestand/preservation/evidence"
	"bestand/preservation/timestamp"
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
	var parts stampParts
	flush := func() error {
		if parts.dir == "" {
			return nil
		}
		stamps++
		err := n.restoreStamp(ctx, t, store, parts)
		var bad *notStamp
		if errors.As(err, &bad) {
			problem(parts.dir, err)
			err = nil
		}
		if err != nil {
			err = fmt.Errorf("restore %s: %w", parts.dir, err)
		}
		return err
	}
	for o, err := range store.Versions(ctx, preservation.StampPrefix) {
		if err != nil {
			return stamps, problems, err
		}
		if o.Marker {
			continue // what it hides is there all the same; a check names it
		}
		if dir := path.Dir(o.Key); dir != parts.dir {
			if err := flush(); err != nil {
				return stamps, problems, err
			}
			parts = stampParts{dir: dir}
		}
		switch path.Base(o.Key) {
		case leavesName:
			parts.leaves = append(parts.leaves, o)
		case tokenName:
			parts.tokens = append(parts.tokens, o)
		default:
			problem(o.Key, errors.New("no part of a stamp"))
		}
	}
	if err := flush(); err != nil {
		return stamps, problems, err
	}
	// A renewal may stand before what it covers, where a clock went back.
	done, err := t.View().DoneStamps(ctx)
	for _, s := range done {
		if err == nil && s.Kind == catalog.StampTokens {
			err = t.Update(ctx, func(x *catalog.Tx) error { return x.Cover(s.ID) })
		}
	}
	return stamps, problems, errors.Join(err, n.markRest(ctx, t))
}

// stampParts are the objects of one stamp, each in all its versions.
type stampParts struct {
	dir            string
	leaves, tokens []preservation.Object
}

// restoreStamp brings one stamp back: of several versions the leaves and the token
// that belong together. Leaves that no token proves, although there is one, are no
// stamp: what they stand for is stamped anew.
func (n *Notary) restoreStamp(ctx context.Context, t *catalog.Tenant, store preservation.Store, parts stampParts) error {
	var wrong error = &notStamp{errors.New("its leaves are missing")}
	for _, leaves := range parts.leaves {
		h, tree, err := n.leavesTree(ctx, t, store, leaves)
		var token *timestamp.Token
		if err == nil && len(parts.tokens) > 0 {
			token, err = provingToken(ctx, store, parts.tokens, h, tree)
		}
		var bad *notStamp
		if errors.As(err, &bad) {
			wrong = err
			continue
		}
		if err != nil {
			return err
		}
		s, err := n.restoreLeaves(ctx, t, store, leaves)
		if err != nil || token == nil || s.State == catalog.StampDone {
			return err
		}
		return n.close(ctx, t, s, tree, token, false)
	}
	return wrong
}

// leavesTree reads an object with leaves and builds their tree.
func (n *Notary) leavesTree(ctx context.Context, t *catalog.Tenant, store preservation.Store, o preservation.Object) (h head, tree *evidence.Tree, err error) {
	var all []byte
	h, err = readLeaves(ctx, store, o, func(l catalog.StampLeaf) error {
		all = append(all, l.Digest...)
		return nil
	})
	if err == nil && h.Tenant != t.ID() {
		err = &notStamp{fmt.Errorf("of tenant %q", h.Tenant)}
	}
	if err != nil {
		return h, nil, err
	}
	hash, err := hashOf(h.Digest)
	if err == nil {
		tree, err = evidence.NewTree(hash, all)
	}
	return h, tree, err
}

// provingToken returns the earliest of several tokens that proves a tree.
func provingToken(ctx context.Context, store preservation.Store, tokens []preservation.Object, h head, tree *evidence.Tree) (first *timestamp.Token, err error) {
	hash, err := hashOf(h.Digest)
	if err != nil {
		return nil, err
	}
	var wrong error
	for _, o := range tokens {
		token, err := stored(ctx, store, o.Key, o.VersionID, hash, tree.Root())
		switch {
		case errors.Is(err, preservation.ErrCorrupt):
			wrong = &notStamp{err}
		case err != nil:
			return nil, err
		case first == nil || token.Time.Before(first.Time):
			first = token
		}
	}
	if first == nil {
		return nil, wrong
	}
	return first, nil
}

// notStamp says that an object is not what its name says.
type notStamp struct{ error }

func (e *notStamp) Unwrap() error { return e.error }

const maxLine = 4 << 10

// restoreLeaves brings the leaves of a stamp back, which were read as a whole before:
// a stamp of which a part is missing must leave no trace.
func (n *Notary) restoreLeaves(ctx context.Context, t *catalog.Tenant, store preservation.Store, o preservation.Object) (s catalog.Stamp, err error) {
	h, err := readLeaves(ctx, store, o, nil)
	if err != nil {
		return s, err
	}
	s = catalog.Stamp{ID: h.Stamp, Kind: h.Kind, Digest: h.Digest, Leaves: h.Leaves, Opened: h.Opened, Since: h.Since}
	if err := t.Update(ctx, func(x *catalog.Tx) error { return x.RestoreStamp(s) }); err != nil {
		return s, err
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
	if err == nil && len(part) > 0 {
		err = flush()
	}
	if err != nil {
		return s, err
	}
	return t.View().Stamp(ctx, s.ID)
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
	if reading == nil || errors.Is(reading, bufio.ErrTooLong) || errors.Is(reading, preservation.ErrCorrupt) || errors.Is(reading, preservation.ErrUnreadable) {
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
