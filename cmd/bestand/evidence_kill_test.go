package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestKilledBatch kills the service while it stamps: in the end every record is
// proved, and no stamp is there twice or by half.
func TestKilledBatch(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	var records []string
	for round := range 5 {
		admin := in.admin(t)
		for n := range 3 {
			_, r := admin.archive(about(fmt.Sprintf("%d-%d", round, n), "63.10", "Bauantrag"), file("gutachten.bin", blob(fmt.Sprint(round, n))))
			records = append(records, r.ID)
		}
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			req, err := http.NewRequest("POST", in.url+"/v1/evidence/batches", nil)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+admin.token)
			if resp, err := http.DefaultClient.Do(req); err == nil { // it is killed as a rule
				resp.Body.Close()
			}
		}()
		time.Sleep(time.Duration(3+12*round) * time.Millisecond)
		in.kill(t)
		<-asked
		in.serve(t)
	}
	admin := in.admin(t)
	admin.as("otto", "operator").post("/v1/evidence/batches", nil).want(t, 200)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, id := range records {
		er := write("akte.er", admin.get("/v1/records/"+id+"/evidence").want(t, 200).body)
		pkg := write("akte.zip", admin.get("/v1/records/"+id+"/package").want(t, 200).body)
		var out bytes.Buffer
		if err := run(t.Context(), []string{"verify", "--trust", filepath.Join(in.dir, "keys", "ca.pem"), er, pkg}, &out, &out); err != nil {
			t.Errorf("record %s: %v\n%s", id, err, &out)
		}
	}
	in.stop(t)
	var out bytes.Buffer
	if err := run(t.Context(), []string{"check", "--data", in.dir}, &out, &out); err != nil {
		t.Errorf("check: %v\n%s", err, &out)
	}
}
