package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/fixity"
	"bestand/preservation/objectstore"
	"bestand/preservation/replica"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
	"bestand/retention"
)

// twofold is an installation with a second copy at a store of its own, reached through
// a proxy that can go wrong.
type twofold struct {
	*installation
	way    *storetest.Hostile
	dir2   string     // folder of the first tenant's bucket in the second store
	bucket *s3.Bucket // the second copy
}

func withCopy(t *testing.T, flags ...string) twofold {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	store, err := objectstore.Supervise(ctx, objectstore.Options{Dir: dir, Listen: "127.0.0.1:0", Reserve: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // before the folder is removed, after the service has ended
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := store.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	in := install(t)
	h := storetest.NewHostile(t, store.Endpoint())
	access, secret := store.Credentials()
	file := filepath.Join(in.dir, "copy-secret")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	in.flags = append([]string{"--copy-endpoint", h.Address, "--copy-access-key", access, "--copy-secret-file", file, "--copy-secure=false", "--copy-bucket-prefix", "zweit"}, flags...)
	name := "zweit-" + string(firstTenant)
	client, err := s3.Dial(s3.Config{Endpoint: "http://" + store.Endpoint(), AccessKey: access, SecretKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := client.Bucket(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	return twofold{in, h, filepath.Join(dir, "objects", name), bucket}
}

// stored reads what lies in the folder of a bucket.
func stored(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		key, _ := filepath.Rel(dir, path)
		b, err := os.ReadFile(path)
		all[key] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// equal wants both buckets to hold the same.
func (in twofold) equal(t *testing.T) {
	t.Helper()
	one, two := stored(t, in.object("")), stored(t, in.dir2)
	for key, b := range one {
		if two[key] != b {
			t.Errorf("%s: %d bytes, the second copy has %d", key, len(b), len(two[key]))
		}
	}
	for key := range two {
		if _, ok := one[key]; !ok {
			t.Errorf("%s: only in the second copy", key)
		}
	}
}

func (in twofold) stat(t *testing.T, key string) preservation.Object {
	t.Helper()
	o, err := in.bucket.Stat(t.Context(), key, "")
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// away lets the second endpoint refuse everything.
func (in twofold) away() {
	in.way.Plan("away", storetest.Wrong{For: func(*http.Request) bool { return true }, Do: storetest.Refuse(503, "ServiceUnavailable")})
}

// back ends away, and waits until the copy lacks nothing. What was tried meanwhile
// would have a pause.
func (in twofold) back(t *testing.T) {
	t.Helper()
	in.way.Heal("away")
	eventually(t, "everything is copied", func() bool {
		in.change(t, `UPDATE copy_due SET try_ms = 0`)
		in.enqueue(t, replica.JobCopy)
		due := 0
		in.query(t, `SELECT count(*) FROM copy_due`, nil, &due)
		return due == 0
	})
}

// receipt is what the receipt of a submission says now.
func (in twofold) receipt(c *caller, id string) (r ingest.Receipt) {
	c.Helper()
	v := &verifier{T: c.T, ca: filepath.Join(in.dir, "keys", "ca.pem")}
	if err := json.Unmarshal(v.signed(string(c.get("/v1/submissions/"+id+"/receipt").want(c.T, 200).body)), &r); err != nil {
		c.Fatal(err)
	}
	return r
}

// TestSecondCopy: everything is in both places, also after an outage, with its holds;
// a receipt says so; and what is destroyed is destroyed in both.
func TestSecondCopy(t *testing.T) {
	t.Parallel()
	in := withCopy(t, "--lock-mode", string(preservation.Governance))
	in.serve(t)
	admin := in.admin(t)
	o := newOffice(admin)
	sub, r := admin.archive(about("1", parentContacts, "Beratung", "closed", "2010-07-31"), file("a.bin", blob("Antrag")))
	first := in.receipt(admin, sub.ID)
	if first.Copies != 1 || first.SourceDeletion != "not_yet" {
		t.Errorf("first receipt: %+v", first)
	}
	bag := admin.do("POST", "/v1/submissions", packageForm(file("bag.zip", bagOf(t, "Zweitschrift"))), "Content-Type", "multipart/form-data; boundary="+boundary).accepted(t)
	if st := admin.await(bag); st.Status != "archived" {
		t.Fatalf("package %+v", st)
	}
	bagged := in.receipt(admin, bag)
	if bagged.SourceDeletion != "not_yet" {
		t.Errorf("first receipt of the package: %+v", bagged)
	}
	in.enqueue(t, replica.JobCopy)
	in.enqueue(t, replica.JobCopy) // the later receipt itself
	if later := in.receipt(admin, bag); later.Copies != 2 || later.SourceDeletion != "allowed" || later.Follows == "" || later.Records[0].Package != bagged.Records[0].Package || later.Records[0].Receipt.SHA256 == bagged.Records[0].Receipt.SHA256 {
		t.Errorf("later receipt of the package: %+v", later)
	}
	if later := in.receipt(admin, sub.ID); later.Copies != 2 || later.SourceDeletion != "allowed" || later.Follows == "" || later.Records[0].Package != first.Records[0].Package {
		t.Errorf("later receipt: %+v", later)
	}
	admin.verified(r.ID)
	in.enqueue(t, "store-audit")
	in.enqueue(t, replica.JobCopy)
	in.equal(t)
	key := preservation.PackageKey(preservation.RecordID(r.ID), 1)
	if there := in.stat(t, key); there.Lock.Mode != preservation.Governance || there.Lock.Until.Before(first.Lock.Until) {
		t.Errorf("lock of the copy: %+v, of the record %+v", there.Lock, first.Lock)
	}

	in.away()
	_, during := admin.archive(about("2", "63.10", "Bauantrag"), file("b.bin", blob("Während")))
	hold := o.hold(t, r.ID)
	if ready := admin.get("/readyz").want(t, 200); !strings.Contains(string(ready.body), "behind") {
		t.Errorf("readiness %s", ready.body)
	}
	if metrics := string(admin.get("/metrics").body); strings.Contains(metrics, `bestand_copy_lag_objects{tenant="musterstadt"} 0`) || !strings.Contains(metrics, "bestand_copy_lag_seconds{") {
		t.Error("the metrics show no lag")
	}
	in.back(t)
	in.stat(t, preservation.PackageKey(preservation.RecordID(during.ID), 1))
	if !in.stat(t, key).Hold {
		t.Error("the hold has not reached the copy")
	}
	o.release(t, hold)
	in.enqueue(t, replica.JobCopy)
	if in.stat(t, key).Hold {
		t.Error("the release has not reached the copy")
	}
	eventually(t, "it is due", func() bool { return len(admin.due()) == 1 })
	o.permit(t, true, parentContacts)

	in.away()
	in.enqueue(t, retention.JobDispose)
	admin.get("/v1/records/"+r.ID).want(t, 200)
	in.back(t)
	eventually(t, "destruction", func() bool {
		in.enqueue(t, retention.JobDispose)
		return admin.get("/v1/records/"+r.ID).StatusCode == 410
	})
	in.back(t)
	for path, content := range stored(t, in.dir2) {
		if strings.Contains(path, r.ID) && !strings.HasPrefix(path, "evt/") || strings.Contains(content, "Antrag|") {
			t.Errorf("%s is left in the copy", path)
		}
	}
	in.equal(t)

	// Without its endpoint nothing is destroyed, until a person says that it is gone.
	_, next := admin.archive(about("3", parentContacts, "Beratung", "closed", "2010-07-31"), file("a.bin", blob("Antrag")))
	eventually(t, "it is due", func() bool { return len(admin.due()) == 1 })
	for _, c := range []struct {
		flags  []string
		status int
	}{{nil, 200}, {[]string{"--copy-gone"}, 410}} {
		in.stop(t)
		in.flags = append([]string{"--lock-mode", string(preservation.Governance)}, c.flags...)
		in.serve(t)
		admin = in.admin(t)
		in.enqueue(t, retention.JobDispose)
		admin.get("/v1/records/"+next.ID).want(t, c.status)
	}
	if in.log.count("--copy-gone") == 0 {
		t.Error("nobody was told what to do")
	}
}

// hold forbids the destruction of a record, and waits until that stands in the store.
func (o office) hold(t *testing.T, id string) string {
	t.Helper()
	var h struct{ ID string }
	o.officer.post("/v1/holds", map[string]any{"scope": map[string]any{"records": []string{id}}, "authority": "Amtsgericht", "reason": "Verfahren 3 C 12/24",
		"review": time.Now().AddDate(1, 0, 0).Format(time.DateOnly)}).want(t, 201).decode(t, &h)
	eventually(t, "the hold stands", func() bool { return o.officer.record(id).Retention.State == retention.Held })
	return h.ID
}

func (o office) release(t *testing.T, hold string) {
	t.Helper()
	o.officer.post("/v1/holds/"+hold+"/release", map[string]any{"reason": "Verfahren beendet"}).want(t, 200)
}

// TestRepaired damages a package, a receipt and a second copy. The scrub brings each
// back from the other place; what is read is right again, and stands the check.
func TestRepaired(t *testing.T) {
	t.Parallel()
	in := withCopy(t)
	in.serve(t)
	admin := in.admin(t)
	content := blob("Bebauungsplan")
	sub, one := admin.archive(about("1", "63.10", "Bauantrag"), file("a.bin", content))
	_, two := admin.archive(about("2", "63.10", "Bauantrag"), file("a.bin", content+"2"))
	in.enqueue(t, replica.JobCopy)
	in.enqueue(t, replica.JobCopy)
	scrub := func() {
		in.change(t, `UPDATE record SET checked_ms = checked_ms - 90 * 86400001`)
		in.enqueue(t, fixity.JobScrub)
	}
	scrub()
	if n := in.log.count("fixity: ") - in.log.count("fixity: read back"); n != 0 {
		t.Fatalf("%d complaints about what is intact", n)
	}
	at := bytes.Index([]byte(stored(t, in.object(preservation.PackagePrefix(preservation.RecordID(one.ID))))["v0001.zip"]), []byte("Bebauungsplan"))
	edit(t, victim{in.installation, one.ID}.pkg(), func(b []byte) []byte { b[at] ^= 1; return b })
	remove(t, victim{in.installation, two.ID}.events(t)[0])
	remove(t, filepath.Join(in.dir2, preservation.PackageKey(preservation.RecordID(two.ID), 1)))
	scrub()
	for id, want := range map[string]string{one.ID: content, two.ID: content + "2"} {
		r := admin.record(id)
		if got := admin.get("/v1/records/"+id+"/files/"+string(r.Files[0].ID)).want(t, 200).body; string(got) != want {
			t.Errorf("record %s: %d bytes are read, want %d", id, len(got), len(want))
		}
		var f struct {
			Fixity struct {
				Status string
				Copies int
			}
		}
		in.enqueue(t, replica.JobCopy)
		if admin.get("/v1/records/"+id).want(t, 200).decode(t, &f); f.Fixity.Status != "intact" || f.Fixity.Copies != 2 {
			t.Errorf("record %s: %+v", id, f)
		}
		admin.verified(id)
	}
	if n := in.log.count("fixity: repaired"); n != 3 {
		t.Errorf("%d repairs in the log", n)
	}
	in.stop(t)
	check := append([]string{"check", "--data", in.dir}, in.flags...)
	if out, _, code := program(t, check...); code != 0 {
		t.Errorf("check:\n%s", out)
	}
	remove(t, victim{in.installation, one.ID}.events(t)[0])
	edit(t, victim{in.installation, two.ID}.pkg(), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	if out, _, code := program(t, check...); code != 1 {
		t.Errorf("check of what is damaged ends with %d:\n%s", code, out)
	}
	if out, said, code := program(t, append(check, "--repair")...); code != 0 {
		t.Errorf("repair ends with %d:\n%s%s", code, out, said)
	}

	// The bucket alone tells all of it.
	for _, name := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm"} {
		if err := os.Remove(filepath.Join(in.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if out, said, code := program(t, append([]string{"rebuild", "--data", in.dir}, in.flags...)...); code != 0 {
		t.Fatalf("rebuild ends with %d:\n%s%s", code, out, said)
	}
	if out, _, code := program(t, check...); code != 0 {
		t.Errorf("check after the rebuild:\n%s", out)
	}
	in.serve(t)
	admin = in.admin(t)
	if later := in.receipt(admin, sub.ID); later.Copies != 2 || later.SourceDeletion != "allowed" {
		t.Errorf("receipt after the rebuild: %+v", later)
	}
}

// TestKilledCopying kills the service when some objects are on their way to the
// second copy. The next start brings all of them, and each is what it was.
func TestKilledCopying(t *testing.T) {
	t.Parallel()
	in := withCopy(t)
	in.serve(t)
	admin := in.admin(t)
	var ids []string
	for i := range 4 {
		_, r := admin.archive(about(fmt.Sprint(i), "63.10", "Bauantrag"), file("a.bin", blob(fmt.Sprint(i))))
		ids = append(ids, r.ID)
	}
	in.stop(t)
	var once sync.Once
	written := make(chan struct{})
	in.way.Plan("late", storetest.Wrong{ // what was written is not answered any more
		For: func(r *http.Request) bool { return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/aip/") },
		Do: func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
			honest.ServeHTTP(w, r)
			once.Do(func() { close(written) })
			<-r.Context().Done()
		}})
	in.serve(t)
	in.change(t, `INSERT INTO job (id, tenant, kind, key, state, run_at_ms, created_ms) VALUES ('now', $1, 'copy', 'now', 'queued', 0, 0)`, string(firstTenant))
	select {
	case <-written:
	case <-time.After(90 * time.Second):
		t.Fatal("nothing was copied")
	}
	in.kill(t)
	in.way.Heal("late")
	in.serve(t)
	in.endLeases(t)
	for range 3 { // the later receipts, and they themselves
		in.enqueue(t, replica.JobCopy)
	}
	for _, id := range ids {
		in.stat(t, preservation.PackageKey(preservation.RecordID(id), 1))
	}
	in.stop(t)
	one, two := stored(t, in.object("aip")), stored(t, filepath.Join(in.dir2, "aip"))
	if len(one) != 4 || len(two) != 4 {
		t.Fatalf("%d and %d packages", len(one), len(two))
	}
	for key, b := range one {
		if !bytes.Equal([]byte(b), []byte(two[key])) {
			t.Errorf("%s differs", key)
		}
	}
}

// TestCopyRefused: a second copy that refuses the account is not said to be complete, as
// if it had been asked.
func TestCopyRefused(t *testing.T) {
	t.Parallel()
	in := withCopy(t)
	in.serve(t)
	admin := in.admin(t)
	in.back(t)
	if ready := string(admin.get("/readyz").want(t, 200).body); !strings.Contains(ready, `"copy":"complete"`) {
		t.Errorf("readiness %s", ready)
	}
	in.stop(t)
	if err := os.WriteFile(filepath.Join(in.dir, "copy-secret"), []byte("not the secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	in.serve(t)
	admin = in.admin(t)
	admin.post("/v1/schedules/"+replica.JobCopy+"/run", nil).want(t, 202)
	eventually(t, "it is said", func() bool {
		return strings.Contains(string(admin.get("/readyz").want(t, 200).body), `"copy":"was complete; it cannot be asked now`)
	})
}
