package replica

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Store is a bucket of which a second copy is kept: whatever changes in it is noted.
// A note is durable when the call returns. One that is lost with a call that failed
// comes with the next attempt, which finds the object there.
type Store struct {
	preservation.Store
	Tenant *catalog.Tenant
}

func (s *Store) note(ctx context.Context, key string) error {
	return s.Tenant.Update(ctx, func(x *catalog.Tx) error { return x.NeedCopy(key) })
}

// Put implements preservation.Store.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	obj, err := s.Store.Put(ctx, key, r, o)
	if err != nil && !errors.Is(err, preservation.ErrExists) {
		return obj, err
	}
	if nerr := s.note(ctx, key); nerr != nil {
		return preservation.Object{}, nerr
	}
	return obj, err
}

// Extend implements preservation.Store.
func (s *Store) Extend(ctx context.Context, key, version string, l preservation.Lock) error {
	if err := s.Store.Extend(ctx, key, version, l); err != nil {
		return err
	}
	return s.note(ctx, key)
}

// SetHold implements preservation.Store.
func (s *Store) SetHold(ctx context.Context, key, version string, on bool) error {
	if err := s.Store.SetHold(ctx, key, version, on); err != nil {
		return err
	}
	return s.note(ctx, key)
}

// Bucket is what both copies are.
type Bucket interface {
	preservation.Store
	preservation.Purger
}

// Vault is a bucket and its second copy, from which objects are destroyed. It reads as
// the Store does.
type Vault struct {
	Store
	Primary Bucket
	Copy    Bucket
}

// Put writes the event objects that prove a destruction, in both places before it
// returns: the bytes that they tell of are not destroyed in one place alone. What the
// bucket has already is brought to the copy, and is preservation.ErrExists.
func (v *Vault) Put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	obj, err := v.Store.Put(ctx, key, r, o)
	if err != nil && !errors.Is(err, preservation.ErrExists) {
		return obj, err
	}
	if cerr := v.follow(ctx, key, o.Lock); cerr != nil {
		return preservation.Object{}, fmt.Errorf("second copy of %s: %w", key, cerr)
	}
	return obj, err
}

// follow brings a small object to the copy, which has it already after an attempt before.
func (v *Vault) follow(ctx context.Context, key string, lock preservation.Lock) error {
	have, body, err := v.Primary.Get(ctx, key, "")
	if err != nil {
		return err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, preservation.MaxEventObject))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	_, err = v.Copy.Put(ctx, key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: digest, Lock: lock, ContentType: have.ContentType})
	if !errors.Is(err, preservation.ErrExists) {
		return err
	}
	there, err := v.Copy.Stat(ctx, key, "")
	if err != nil {
		return err
	}
	return same(ctx, v.Copy, there, digest)
}

// Versions lists what either of the two has, so that what only the copy has is
// destroyed too.
func (v *Vault) Versions(ctx context.Context, prefix string) iter.Seq2[preservation.Object, error] {
	return func(yield func(preservation.Object, error) bool) {
		for _, b := range []Bucket{v.Primary, v.Copy} {
			for o, err := range b.Versions(ctx, prefix) {
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
}

// Stat describes a version that Versions listed, in whichever of the two has it; the
// newest one is that of the bucket.
func (v *Vault) Stat(ctx context.Context, key, version string) (preservation.Object, error) {
	o, err := v.Primary.Stat(ctx, key, version)
	if version != "" && errors.Is(err, preservation.ErrNotFound) {
		return v.Copy.Stat(ctx, key, version)
	}
	return o, err
}

// Purge implements preservation.Purger. The copy goes first: while it cannot be
// reached, or is locked, the object stays.
func (v *Vault) Purge(ctx context.Context, key string) error {
	if err := v.Copy.Purge(ctx, key); err != nil {
		return fmt.Errorf("second copy: %w", err)
	}
	return v.Primary.Purge(ctx, key)
}
