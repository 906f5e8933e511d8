package s3

import (
	"context"
	"errors"
	"fmt"

	"github.com/minio/minio-go/v7"

	"bestand/preservation"
)

// Purge implements preservation.Purger. All versions are checked for locks and
// holds before the first is removed, and each again by the store.
func (b *Bucket) Purge(ctx context.Context, key string) error {
	if err := b.purge(ctx, key); err != nil {
		return fmt.Errorf("purge %s: %w", key, err)
	}
	return nil
}

func (b *Bucket) purge(ctx context.Context, key string) error {
	for range 3 { // a second round finds what the newest version was hiding
		versions, err := b.versions(ctx, key)
		if err != nil {
			return err
		}
		if len(versions) == 0 {
			return b.gone(ctx, key)
		}
		for _, v := range versions {
			if err := b.purgeable(ctx, v); err != nil {
				return err
			}
		}
		for _, v := range versions {
			if err := b.removeVersion(ctx, v); err != nil {
				return err
			}
		}
	}
	left, err := b.versions(ctx, key)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("versions that are left or were added meanwhile: %d", len(left))
	}
	return b.gone(ctx, key)
}

// gone asks for the object itself: a listing may leave out what is there, and
// that nothing is left is what a proof of destruction says.
func (b *Bucket) gone(ctx context.Context, key string) error {
	o, err := b.client.stat(ctx, b.name, key, "")
	switch {
	case errors.Is(err, preservation.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return preservation.Down(preservation.PartStore, fmt.Errorf("the listing leaves out version %s, which is there", o.VersionID))
}

// versions lists the versions and markers of one key, the current one last:
// removing it first can hide the others from the next listing.
func (b *Bucket) versions(ctx context.Context, key string) ([]preservation.Object, error) {
	var old, current []preservation.Object
	for v, err := range b.Versions(ctx, key) {
		switch {
		case err != nil:
			return nil, err
		case v.Key != key: // a longer key with this one as its beginning
		case v.Latest:
			current = append(current, v)
		default:
			old = append(old, v)
		}
	}
	return append(old, current...), nil
}

// purgeable refuses a version whose lock or hold the store shows, so that a
// store that would remove it all the same is never asked.
func (b *Bucket) purgeable(ctx context.Context, v preservation.Object) error {
	if v.Marker {
		return nil
	}
	have, err := b.client.stat(ctx, b.name, v.Key, v.VersionID)
	switch {
	case errors.Is(err, preservation.ErrNotFound): // gone since the listing
		return nil
	case err != nil:
		return err
	case have.Hold:
		return fmt.Errorf("version %s: %w: legal hold", v.VersionID, preservation.ErrLocked)
	case have.Lock.Mode == preservation.Governance && b.client.config.BypassGovernance:
		return nil
	case have.Lock.Mode != preservation.Unlocked && have.Lock.Until.After(b.client.config.Now()):
		return fmt.Errorf("version %s: %w until %s", v.VersionID, preservation.ErrLocked, have.Lock.Until)
	}
	return nil
}

func (b *Bucket) removeVersion(ctx context.Context, v preservation.Object) error {
	if v.VersionID == "" { // would add a marker instead of removing
		return errors.New("version without an identifier")
	}
	ctx, cancel := context.WithTimeout(ctx, b.client.brief)
	defer cancel()
	err := b.client.api.RemoveObject(ctx, b.name, v.Key, minio.RemoveObjectOptions{
		VersionID:        v.VersionID,
		GovernanceBypass: b.client.config.BypassGovernance,
	})
	if err == nil {
		return nil
	}
	if v.Marker {
		return fault(err)
	}
	// Stores refuse in many ways, and a repeated request finds its work done:
	// the state decides, not the words.
	have, serr := b.client.stat(ctx, b.name, v.Key, v.VersionID)
	switch {
	case errors.Is(serr, preservation.ErrNotFound):
		return nil
	case serr == nil && (have.Hold || have.Lock.Mode != preservation.Unlocked && minio.ToErrorResponse(err).Code == "AccessDenied"):
		return fmt.Errorf("version %s: %w: %w", v.VersionID, preservation.ErrLocked, err)
	}
	return fmt.Errorf("version %s: %w", v.VersionID, fault(err))
}
