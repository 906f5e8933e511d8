package catalog

import "testing"

func TestOpenSmoke(t *testing.T) {
	db, err := Open(t.Context(), Config{URL: "sqlite:" + t.TempDir() + "/c.db"})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.CreateTenant(t.Context(), TenantInfo{ID: "musterstadt", Name: "M"}, "x"); err != nil {
		t.Fatal(err)
	}
	tn := db.Tenant("musterstadt")
	if err := tn.Enqueue(t.Context(), Job{Kind: "a", Key: "b"}); err != nil {
		t.Fatal(err)
	}
	j, err := db.Claim(t.Context(), "o", []string{"a"}, 1, 1e9)
	if err != nil || len(j) != 1 || j[0].Attempt != 1 {
		t.Fatal(j, err)
	}
	if err := db.Finish(t.Context(), j[0]); err != nil {
		t.Fatal(err)
	}
	f, err := tn.VerifyAudit(t.Context())
	if err != nil || len(f) != 0 {
		t.Fatal(f, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
