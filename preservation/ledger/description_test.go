package ledger_test

import (
	"errors"
	"testing"

	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

func TestTenantOf(t *testing.T) {
	a := newArchive(t)
	a.configure("rule", "r1", 1, `{}`)
	a.put("cfg/broken.json", []byte("{"))
	if id, err := ledger.TenantOf(t.Context(), a.bucket); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("of a bucket that does not say: %q, %v", id, err)
	}
	a.configure(catalog.KindTenant, catalog.KindTenant, 1, `{"id":"kreis-foo","name":"Kreis"}`)
	if id, err := ledger.TenantOf(t.Context(), a.bucket); err != nil || id != "kreis-foo" {
		t.Errorf("%q, %v", id, err)
	}
}
