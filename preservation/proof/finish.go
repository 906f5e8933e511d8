package proof

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/evidence"
	"bestand/preservation/timestamp"
)

const (
	level     = 10          // of the tree whose nodes the catalog keeps
	block     = 1 << level  // leaves below one of them
	apart     = time.Second // between the times of two tokens, at least
	maxToken  = 16 << 20    // bytes
	tokenType = "application/timestamp-token"
)

// finish brings a stamp to its end from wherever it stands and returns how many
// leaves it has.
func (n *Notary) finish(ctx context.Context, t *catalog.Tenant, id string) (int, error) {
	if err := t.Update(ctx, func(x *catalog.Tx) error { return x.FillStamp(id) }); err != nil {
		return 0, err
	}
	s, err := t.View().Stamp(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) { // it was empty
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	h, err := hashOf(s.Digest)
	if err != nil {
		return 0, err
	}
	tree, err := n.tree(ctx, t, s, h)
	if err != nil {
		return 0, err
	}
	store, err := n.Store(ctx, t)
	if err != nil {
		return 0, err
	}
	lock, err := n.Lock(ctx, t)
	if err != nil {
		return 0, err
	}
	if err := n.writeLeaves(ctx, t, store, s, lock); err != nil {
		return 0, fmt.Errorf("write leaves: %w", err)
	}
	token, err := n.token(ctx, t, store, s, h, tree.Root(), lock)
	if err != nil {
		return 0, err
	}
	return s.Leaves, n.close(ctx, t, s, tree, token, true)
}

// close notes what the bucket holds by now.
func (n *Notary) close(ctx context.Context, t *catalog.Tenant, s catalog.Stamp, tree *evidence.Tree, token *timestamp.Token, audited bool) error {
	h, err := hashOf(s.Digest)
	if err != nil {
		return err
	}
	s.Nodes, s.Token, s.Imprint = tree.Nodes(level), token.Raw, evidence.TokenDigest(h, token.Raw)
	s.Stamped, s.Expires, s.Rests = token.Time, token.Expires(), token.Algorithms()
	err = t.Update(ctx, func(x *catalog.Tx) error {
		if first, err := x.FinishStamp(s); err != nil || !first || !audited {
			return err
		}
		return x.Audit(catalog.AuditEntry{Actor: "system", Action: "evidence.stamped", Object: s.ID,
			Detail: map[string]string{"kind": string(s.Kind), "leaves": fmt.Sprint(s.Leaves), "time": s.Stamped.UTC().Format(time.RFC3339Nano)}})
	})
	if err != nil || s.Kind != catalog.StampRecords {
		return err
	}
	return n.mark(ctx, t, s)
}

// mark has the records of a stamp known as stamped, a part at a time.
func (n *Notary) mark(ctx context.Context, t *catalog.Tenant, s catalog.Stamp) error {
	for from := 0; from < s.Leaves; from += chunk {
		if err := t.Update(ctx, func(x *catalog.Tx) error { return x.SetStamped(s.ID, from, from+chunk) }); err != nil {
			return err
		}
	}
	return t.Update(ctx, func(x *catalog.Tx) error { return x.SetMarked(s.ID) })
}

// markRest does that for stamps at which an earlier attempt was cut off.
func (n *Notary) markRest(ctx context.Context, t *catalog.Tenant) error {
	rest, err := t.View().Unmarked(ctx)
	if err != nil {
		return err
	}
	for _, s := range rest {
		if err := n.mark(ctx, t, s); err != nil {
			return err
		}
	}
	return nil
}

// tree is the whole hash tree of a stamp.
func (n *Notary) tree(ctx context.Context, t *catalog.Tenant, s catalog.Stamp, h crypto.Hash) (*evidence.Tree, error) {
	all := make([]byte, 0, s.Leaves*h.Size())
	err := eachLeaf(ctx, t, s, func(l catalog.StampLeaf) error {
		if len(l.Digest) != h.Size() {
			return fmt.Errorf("leaf of %s has %d bytes: %w", l.Subject, len(l.Digest), preservation.ErrCorrupt)
		}
		all = append(all, l.Digest...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return evidence.NewTree(h, all)
}

func eachLeaf(ctx context.Context, t *catalog.Tenant, s catalog.Stamp, do func(catalog.StampLeaf) error) error {
	const page = 10_000
	for from := 0; from < s.Leaves; from += page {
		leaves, err := t.View().StampLeaves(ctx, s.ID, from, from+page)
		if err != nil {
			return err
		}
		for _, l := range leaves {
			if err := do(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// head is the first line of the object that holds the leaves of a stamp. Each
// further line is a leaf: its digest in hex, the record or stamp, and the version.
//
// Its promise: fields are only ever added, and Format rises when an old reader
// could misread it.
type head struct {
	Format string                `json:"format"` // headFormat
	Tenant preservation.TenantID `json:"tenant"`
	Stamp  string                `json:"stamp"`
	Kind   catalog.StampKind     `json:"kind"`
	Digest string                `json:"digest"`
	Leaves int                   `json:"leaves"`
	Opened time.Time             `json:"opened"`
	Since  time.Time             `json:"since,omitzero"`
}

const headFormat = "bestand-stamp/1"

func writeTo(ctx context.Context, w io.Writer, t *catalog.Tenant, s catalog.Stamp) error {
	b := bufio.NewWriter(w)
	if err := json.NewEncoder(b).Encode(head{headFormat, t.ID(), s.ID, s.Kind, s.Digest, s.Leaves, s.Opened.UTC(), s.Since.UTC()}); err != nil {
		return err
	}
	err := eachLeaf(ctx, t, s, func(l catalog.StampLeaf) error {
		_, err := fmt.Fprintf(b, "%x %s %d\n", l.Digest, l.Subject, l.Version)
		return err
	})
	return errors.Join(err, b.Flush())
}

// writeLeaves writes the object with the leaves. The same stamp gives the same
// bytes, so what an earlier attempt wrote is what would be written now.
func (n *Notary) writeLeaves(ctx context.Context, t *catalog.Tenant, store preservation.Store, s catalog.Stamp, lock preservation.Lock) error {
	var size counter
	sum := sha256.New()
	if err := writeTo(ctx, io.MultiWriter(sum, &size), t, s); err != nil {
		return err
	}
	sha := hex.EncodeToString(sum.Sum(nil))
	r, w := io.Pipe()
	defer r.Close()
	go func() { w.CloseWithError(writeTo(ctx, w, t, s)) }() // ends with r
	key := preservation.StampKey(s.Opened, s.ID, leavesName)
	_, err := store.Put(ctx, key, r, preservation.PutOptions{Size: int64(size), SHA256: sha, Lock: lock, ContentType: "text/plain"})
	if !errors.Is(err, preservation.ErrExists) {
		return err
	}
	for o, err := range store.Versions(ctx, key) {
		if err != nil {
			return err
		}
		if o.Key != key || o.Marker {
			continue
		}
		sum.Reset()
		if err := copyTo(ctx, sum, store, o); err != nil {
			return err
		}
		if hex.EncodeToString(sum.Sum(nil)) == sha {
			return nil
		}
	}
	return fmt.Errorf("%s holds other leaves: %w", key, preservation.ErrCorrupt)
}

func copyTo(ctx context.Context, w io.Writer, store preservation.Store, o preservation.Object) error {
	body, err := store.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, body)
	return errors.Join(err, body.Close())
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// token returns the token of a stamp: the one in the bucket if an earlier attempt
// wrote it, else a new one.
func (n *Notary) token(ctx context.Context, t *catalog.Tenant, store preservation.Store, s catalog.Stamp, h crypto.Hash, root []byte, lock preservation.Lock) (*timestamp.Token, error) {
	key := preservation.StampKey(s.Opened, s.ID, tokenName)
	token, err := existing(ctx, store, key, h, root)
	if !errors.Is(err, preservation.ErrNotFound) {
		return token, err
	}
	last, err := t.View().LastStamped(ctx)
	if err != nil {
		return nil, err
	}
	token, err = n.newer(ctx, last, h, root)
	if err != nil {
		return nil, err
	}
	raw := token.Raw
	sum := sha256.Sum256(raw)
	_, err = store.Put(ctx, key, bytes.NewReader(raw), preservation.PutOptions{Size: int64(len(raw)), SHA256: hex.EncodeToString(sum[:]), Lock: lock, ContentType: tokenType})
	if errors.Is(err, preservation.ErrExists) { // somebody was faster: that one counts
		return existing(ctx, store, key, h, root)
	}
	return token, err
}

// existing returns the token that the bucket has under a key, of several versions
// the earliest that proves the root.
func existing(ctx context.Context, store preservation.Store, key string, h crypto.Hash, root []byte) (first *timestamp.Token, err error) {
	wrong := preservation.ErrNotFound
	for o, err := range store.Versions(ctx, key) {
		if err != nil {
			return nil, err
		}
		if o.Key != key || o.Marker {
			continue
		}
		token, err := stored(ctx, store, key, o.VersionID, h, root)
		switch {
		case errors.Is(err, preservation.ErrCorrupt):
			wrong = err
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

// newer returns a token that is later than the last one. An authority that states
// whole seconds, or whose clock is behind, may give one that is not: it is asked again
// after as long as the token was early.
func (n *Notary) newer(ctx context.Context, last time.Time, h crypto.Hash, root []byte) (token *timestamp.Token, err error) {
	wait := last.Add(apart).Sub(n.Now())
	for range 3 {
		if wait > timestamp.Tolerance {
			break
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if token, err = n.fresh(ctx, h, root); err != nil || token.Time.After(last) {
			return token, err
		}
		wait = last.Add(apart).Sub(token.Time)
	}
	if token == nil {
		return nil, fmt.Errorf("the last token says %s: %w", last.UTC().Format(time.RFC3339), preservation.ErrClock)
	}
	return nil, preservation.Down(preservation.PartTSA, fmt.Errorf("the token says %s, and one of %s is there already: %w",
		token.Time.UTC().Format(time.RFC3339Nano), last.UTC().Format(time.RFC3339Nano), preservation.ErrClock))
}

// fresh asks for a token, gives it all that its validation will need, and checks it.
func (n *Notary) fresh(ctx context.Context, h crypto.Hash, root []byte) (*timestamp.Token, error) {
	raw, err := n.Stamper.Stamp(ctx, h, root)
	if err != nil {
		return nil, err
	}
	lists, err := n.Revocation(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("revocation lists of the time-stamping authority: %w", err)
	}
	if raw, err = timestamp.Freeze(raw, lists...); err != nil {
		return nil, err
	}
	token, err := judge(raw, h, root, n.Roots)
	if err != nil {
		return nil, preservation.Down(preservation.PartTSA, err)
	}
	for _, f := range token.CheckUntil(n.Now(), timestamp.Trust{Roots: n.Roots}, "time-stamp") {
		if f.Severity == preservation.Failed {
			return nil, preservation.Down(preservation.PartTSA, fmt.Errorf("%s: %s", f.Code, f.Detail))
		}
	}
	return token, nil
}

func stored(ctx context.Context, store preservation.Store, key, version string, h crypto.Hash, root []byte) (*timestamp.Token, error) {
	_, body, err := store.Get(ctx, key, version)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, maxToken))
	if err != nil {
		return nil, err
	}
	// Whom it comes from was judged when it was written.
	token, err := judge(raw, h, root, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", key, preservation.ErrCorrupt, err)
	}
	return token, nil
}

func judge(raw []byte, h crypto.Hash, root []byte, roots *x509.CertPool) (*timestamp.Token, error) {
	token, err := timestamp.Parse(raw)
	if err != nil {
		return nil, err
	}
	for _, f := range token.Check(h, root, timestamp.Trust{Roots: roots}, "time-stamp") {
		if f.Severity == preservation.Failed {
			return nil, fmt.Errorf("%s: %s", f.Code, f.Detail)
		}
	}
	return token, nil
}
