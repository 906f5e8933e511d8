package ledger

import (
	"context"
	"encoding/json"
	"fmt"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// TenantOf returns the tenant whose bucket this is, by the description that lies
// in it; catalog.ErrNotFound when there is none that can be read. The name of a
// bucket proves nothing: another installation may have given it.
func TenantOf(ctx context.Context, s preservation.Store) (preservation.TenantID, error) {
	b := &rebuild{store: s}
	for o, err := range b.objects(ctx, "cfg/") {
		if err != nil {
			return "", err
		}
		data, ok, err := b.small(ctx, o, preservation.MaxConfigObject)
		if err != nil {
			return "", err
		}
		if !ok {
			continue
		}
		d, err := preservation.DecodeConfigObject(data)
		if err != nil || d.Kind != catalog.KindTenant {
			continue
		}
		var info catalog.TenantInfo
		if err := json.Unmarshal(d.Body, &info); err == nil && info.ID.Valid() {
			return info.ID, nil
		}
	}
	return "", fmt.Errorf("description of a tenant: %w", catalog.ErrNotFound)
}
