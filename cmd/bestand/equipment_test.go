package main

import (
	"os"
	"path/filepath"
	"testing"

	"bestand/api"
	"bestand/preservation"
)

// TestEquipment tries out what a new installation seals, stamps and stores with, and
// wants what its administrator set up to come back from the bucket alone.
func TestEquipment(t *testing.T) {
	in := install(t).serve(t)
	c := in.admin(t)
	var e api.Equipment
	c.get("/v1/equipment").want(t, 200).decode(t, &e)
	if e.Seal.Source != "embedded" || e.Seal.Until.IsZero() || e.Stamps.Source != "embedded" || e.Stamps.Until.IsZero() || e.Store.Source != "embedded" || e.Store.Bucket != "bestand-musterstadt" || e.Store.LockMode != "COMPLIANCE" || e.Store.Copy != "" {
		t.Errorf("%+v", e)
	}
	for part, want := range map[string][]string{
		"seal":  {"signature-match", "stamp-trial", "seal-not-qualified", "stamp-not-qualified"},
		"store": {"store-versioning-and-lock", "store-lock", "store-hold", "store-bucket", "store-embedded", "copy-none"},
	} {
		for range 2 {
			var tried api.Trial
			c.post("/v1/equipment/"+part+"/trial", nil).want(t, 200).decode(t, &tried)
			left := map[string]bool{}
			for _, code := range want {
				left[code] = true
			}
			for _, f := range tried.Findings {
				if delete(left, f.Code); f.Severity == preservation.Failed {
					t.Errorf("%s: %+v", part, f)
				}
			}
			if len(left) > 0 || tried.At.IsZero() {
				t.Errorf("%s: nothing of %v in %+v", part, left, tried)
			}
		}
	}

	c.post("/v1/tenant/rename", map[string]string{"name": "Große Kreisstadt Musterstadt"}).want(t, 200)
	c.post("/v1/tenant/setup", map[string]string{"step": "seal"}).want(t, 200)
	in.settled(t, c)
	in.stop(t)
	for _, name := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm", "index", tokenFile} {
		if err := os.RemoveAll(filepath.Join(in.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if out, complaint, code := program(t, "rebuild", "--data", in.dir); code != 0 {
		t.Fatalf("rebuild: exit code %d\n%s%s", code, out, complaint)
	}
	in.serve(t)
	var tenant api.OwnTenant
	in.admin(t).get("/v1/tenant").want(t, 200).decode(t, &tenant)
	if tenant.Name != "Große Kreisstadt Musterstadt" || tenant.Setup != "seal" {
		t.Errorf("after a rebuild: %+v", tenant)
	}
}
