package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestTenantRefused: a tenant that is refused for its name leaves no bucket. Of several that
// want one name at once one gets it, and what is left of the others is theirs, under
// another name, and no problem of a rebuild.
func TestTenantRefused(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	buckets := func() (names []string) {
		t.Helper()
		all, err := os.ReadDir(filepath.Join(in.dir, "objects", "objects"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			if strings.HasPrefix(e.Name(), "bestand-") {
				names = append(names, e.Name())
			}
		}
		return names
	}
	before := buckets()
	if len(before) < 2 {
		t.Fatalf("%v", before)
	}
	for _, body := range []map[string]any{
		{"id": "neustadt", "name": string(firstTenant), "admin": "nina"},
		{"id": "neustadt", "name": strings.ToUpper(string(firstTenant)), "admin": "nina"},
		{"id": string(firstTenant), "name": "Neustadt", "admin": "nina"},
	} {
		admin.post("/v1/tenants", body).refused(t, 409, "conflict", "")
	}
	if after := buckets(); len(after) != len(before) {
		t.Errorf("%v, were %v", after, before)
	}

	ids := []string{"eins", "zwei", "drei", "vier"}
	codes := make([]int, len(ids))
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() {
			codes[i] = admin.post("/v1/tenants", map[string]any{"id": id, "name": "Neustadt", "admin": "nina"}).StatusCode
		})
	}
	all.Wait()
	made := 0
	for i, id := range ids {
		switch codes[i] {
		case 201:
			made++
		case 409:
			admin.post("/v1/tenants", map[string]any{"id": id, "name": "Gemeinde " + id, "admin": "nina"}).want(t, 201)
		default:
			t.Errorf("%s: %d", id, codes[i])
		}
	}
	if after := buckets(); made != 1 || len(after) != len(before)+len(ids) {
		t.Errorf("%d made, %v", made, after)
	}

	in.stop(t)
	a := in.opened(t)
	if _, err := a.bucket(t.Context(), "verlierer"); err != nil { // as one leaves that is killed
		t.Fatal(err)
	}
	if err := a.close(); err != nil {
		t.Fatal(err)
	}
	if out, said, code := program(t, "rebuild", "--data", in.dir); code != 0 || !strings.Contains(out, "bestand-verlierer: empty") {
		t.Errorf("rebuild: exit code %d\n%s%s", code, out, said)
	}
}
