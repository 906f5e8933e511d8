package proof

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Names of the objects of a stamp.
const (
	leavesName = "leaves.txt"
	tokenName  = "token.tst"
)

// Keys lists the objects that stand in the bucket, as the catalog says.
func (n *Notary) Keys(ctx context.Context, t *catalog.Tenant) (keys []string, err error) {
	done, err := t.View().DoneStamps(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range done {
		keys = append(keys, preservation.StampKey(s.Opened, s.ID, leavesName), preservation.StampKey(s.Opened, s.ID, tokenName))
	}
	return keys, nil
}

// CheckObject compares one object of a stamp with the catalog: its leaves, or its
// token, which must cover them. It reports whether the catalog knows the stamp.
func (n *Notary) CheckObject(ctx context.Context, t *catalog.Tenant, key string, content io.Reader) (known bool, findings []preservation.Finding, err error) {
	fail := func(code, detail string) {
		findings = append(findings, preservation.Finding{Code: code, Severity: preservation.Failed, Subject: key, Detail: detail, Clause: "RFC 4998, 4.2"})
	}
	s, err := t.View().Stamp(ctx, path.Base(path.Dir(key)))
	if errors.Is(err, catalog.ErrNotFound) {
		return false, nil, nil
	}
	if err != nil {
		return false, nil, err
	}
	switch key {
	case preservation.StampKey(s.Opened, s.ID, leavesName):
		want, have := sha256.New(), sha256.New()
		if err := writeTo(ctx, want, t, s); err != nil {
			return true, nil, err
		}
		if _, err := io.Copy(have, content); err != nil {
			return true, nil, err
		}
		if hex.EncodeToString(want.Sum(nil)) != hex.EncodeToString(have.Sum(nil)) {
			fail("stamp-differs", "the leaves are others than the catalog has: one of them was changed")
		}
	case preservation.StampKey(s.Opened, s.ID, tokenName):
		h, err := hashOf(s.Digest)
		if err != nil {
			return true, nil, err
		}
		tree, err := n.tree(ctx, t, s, h)
		if errors.Is(err, preservation.ErrCorrupt) {
			fail("stamp-differs", err.Error())
			break
		}
		if err != nil {
			return true, nil, err
		}
		raw, err := io.ReadAll(io.LimitReader(content, maxToken))
		if err != nil {
			return true, nil, err
		}
		token, err := judge(raw, h, tree.Root(), nil)
		switch {
		case err != nil:
			fail("stamp-token", fmt.Sprintf("the token does not prove the leaves that the catalog has: %v", err))
		case s.State == catalog.StampDone && string(s.Token) != string(token.Raw):
			fail("stamp-token", "the catalog has another token of this stamp")
		}
	default:
		return false, nil, nil
	}
	return true, findings, nil
}
