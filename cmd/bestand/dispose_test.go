package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/retention"
)

// Classes of the sample file plan.
const (
	parentContacts = "21.40" // two years from the closure, then destruction (V)
	leave          = "02.20" // five years from the closure, then appraisal (B)
)

// office is the people who decide about destruction.
type office struct {
	archivist, officer, head *caller
}

func newOffice(c *caller) office {
	return office{c.as("archivarin", "archivist", "approver"), c.as("registratur", "records_officer", "reader"), c.as("leitung", "approver", "reader")}
}

// permit proposes a standing permit, and has a second person approve it.
func (o office) permit(t *testing.T, approve bool, classes ...string) string {
	t.Helper()
	var p retention.Permit
	o.archivist.post("/v1/permits", map[string]any{"classes": classes, "authority": "Stadtarchiv Musterstadt", "granted": "2020-01-15",
		"legal_basis": "SächsArchivG § 5", "valid_from": "2020-02-01"}).want(t, 201).decode(t, &p)
	if approve {
		o.head.post("/v1/permits/"+p.ID+"/approval", nil).want(t, 200)
	}
	return p.ID
}

// due lists the records whose retention has ended.
func (c *caller) due() (ids []string) {
	c.Helper()
	var page struct{ Items []struct{ ID string } }
	c.get("/v1/disposals?limit=200").want(c.T, 200).decode(c.T, &page)
	for _, r := range page.Items {
		ids = append(ids, r.ID)
	}
	return ids
}

// TestDestruction lets the service destroy what a standing permit covers, and
// nothing else, and then restores everything from the bucket.
func TestDestruction(t *testing.T) {
	converters(t)
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance)).serve(t)
	admin := in.admin(t)
	o := newOffice(admin)
	archive := func(id, class, closed string) (status, holding) {
		t.Helper()
		return admin.archive(about(id, class, "Titelwort"+id, "closed", closed), file(id+".txt", "Im Text steht Inhaltswort"+id+".\n"), file(id+".bin", blob("Bytewort"+id)))
	}
	goneSub, gone := archive("zuvernichten", parentContacts, "2010-07-31")
	_, held := archive("gesperrt", parentContacts, "2010-07-31")
	_, young := archive("jung", parentContacts, time.Now().AddDate(-1, 0, 0).Format(time.DateOnly))
	_, worthy := archive("zubewerten", leave, "2001-02-28")
	if gone.Retention.State != retention.Due || gone.Retention.End.String() != "2012-12-31" || gone.Retention.Disposition != retention.Destroy {
		t.Fatalf("retention %+v", gone.Retention)
	}
	eventually(t, "the index finds them", func() bool {
		return len(admin.find("Titelwortzuvernichten")) == 1 && len(admin.find("Inhaltswortzuvernichten")) == 1
	})
	eventually(t, "three records are due", func() bool { return len(admin.due()) == 3 })

	permit := o.permit(t, false, parentContacts)
	in.enqueue(t, retention.JobDispose) // not approved yet
	admin.get("/v1/records/"+gone.ID).want(t, 200)
	o.archivist.post("/v1/permits/"+permit+"/approval", nil).refused(t, 403, "same-person", "")
	admin.as("archivarin", "approver").post("/v1/permits/"+permit+"/approval", nil).refused(t, 403, "same-person", "") // another token, the same person
	o.officer.post("/v1/permits/"+permit+"/approval", nil).refused(t, 403, "forbidden", "")
	o.officer.post("/v1/holds", map[string]any{"scope": map[string]any{"records": []string{held.ID}}, "authority": "Amtsgericht", "reason": "Verfahren 3 C 12/24",
		"review": time.Now().AddDate(1, 0, 0).Format(time.DateOnly)}).want(t, 201)
	o.head.post("/v1/permits/"+permit+"/approval", nil).want(t, 200)
	in.enqueue(t, retention.JobDispose)

	for _, path := range []string{"", "/files/" + string(gone.Files[0].ID), "/events", "/package"} {
		p := admin.get("/v1/records/"+gone.ID+path).refused(t, 410, "destroyed", "")
		if p.Tombstone.RecordID != gone.ID || p.Tombstone.Permit != permit || p.Tombstone.Class != parentContacts || time.Since(p.Tombstone.Destroyed) > time.Hour {
			t.Errorf("tombstone at %q: %+v", path, p.Tombstone)
		}
	}
	admin.get("/v1/submissions/"+goneSub.ID+"/receipt").want(t, 410)
	for _, word := range []string{"Titelwort", "Inhaltswort", "Bytewort"} {
		if found := admin.find(word + "zuvernichten"); len(found) > 0 {
			t.Errorf("search for %s still finds %v", word, found)
		}
	}
	for name, r := range map[string]holding{"held": held, "young": young, "worthy": worthy} {
		admin.verified(r.ID)
		if found := admin.find("Titelwort" + map[string]string{"held": "gesperrt", "young": "jung", "worthy": "zubewerten"}[name]); !slices.Equal(found, []string{r.ID}) {
			t.Errorf("%s: search finds %v", name, found)
		}
	}
	if due := admin.due(); !slices.Equal(due, []string{worthy.ID}) {
		t.Errorf("due is %v, want what is to be appraised only", due)
	}
	if s := admin.record(held.ID).Retention.State; s != retention.Held {
		t.Errorf("the held record is %s", s)
	}
	t.Run("bytes", func(t *testing.T) { in.noTrace(t, "zuvernichten") })
	again, _ := archive("zuvernichten-2", parentContacts, time.Now().Format(time.DateOnly)) // the archive goes on
	admin.send(about("zuvernichten", parentContacts, "Neu"), file("a.bin", blob("neu"))).accepted(t)
	if again.RecordID == gone.ID {
		t.Error("an identifier came back")
	}
	t.Run("rebuild", func(t *testing.T) { in.rebuilt(t, o, gone.ID, goneSub.ID, held.ID) })
}

// noTrace wants the words of a destroyed record to be nowhere below the data
// folder: not in the store, nor in pages of the catalog or files of the index.
func (in *installation) noTrace(t *testing.T, word string) {
	in.enqueue(t, retention.JobDispose) // also empties the write-ahead log
	err := filepath.WalkDir(in.dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		lower := bytes.ToLower(content)
		for _, prefix := range []string{"titelwort", "inhaltswort", "bytewort"} {
			if bytes.Contains(lower, []byte(prefix+word)) {
				t.Errorf("%s%s is still in %s", prefix, word, strings.TrimPrefix(path, in.dir))
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestDestructionWaits begins to destroy a record whose COMPLIANCE lock has not
// ended. Nothing goes before that, and when the permit is revoked all is as it was.
func TestDestructionWaits(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	o := newOffice(admin)
	_, r := admin.archive(about("warten", parentContacts, "Titelwort", "closed", "2010-07-31"), file("a.bin", blob("warten")))
	eventually(t, "it is due", func() bool { return len(admin.due()) == 1 })
	permit := o.permit(t, true, parentContacts)
	in.enqueue(t, retention.JobDispose)
	if p := admin.get("/v1/records/"+r.ID).refused(t, 410, "destroyed", ""); p.Tombstone.RecordID != r.ID || !p.Tombstone.Destroyed.IsZero() {
		t.Errorf("%+v is said to be destroyed and is locked", p.Tombstone)
	}
	in.enqueue(t, retention.JobLocks)
	in.stop(t)
	func() {
		a := in.opened(t)
		defer a.close()
		bucket, err := a.bucket(t.Context(), firstTenant)
		if err != nil {
			t.Fatal(err)
		}
		for o, err := range bucket.Versions(t.Context(), preservation.PackagePrefix(preservation.RecordID(r.ID))) {
			if err != nil || o.Marker || o.Size != r.Package.Size {
				t.Errorf("%+v %v", o, err)
			}
			o, err = bucket.Stat(t.Context(), o.Key, o.VersionID)
			if err != nil || o.Lock.Mode != preservation.Compliance || time.Until(o.Lock.Until) > 15*24*time.Hour {
				t.Errorf("lock %+v %v", o.Lock, err)
			}
		}
	}()
	in.serve(t)
	admin = in.admin(t)
	o.head.url = in.url
	o.head.post("/v1/permits/"+permit+"/revoke", nil).want(t, 200)
	in.enqueue(t, retention.JobDispose)
	if back := admin.record(r.ID); back.Retention.State != retention.Due {
		t.Errorf("retention %+v", back.Retention)
	}
	admin.verified(r.ID)
	eventually(t, "the index has it again", func() bool { return len(admin.find("Titelwort")) == 1 })
	in.proof = map[string]bool{} // what was intended and called off stays told
	for _, key := range in.keys(t, preservation.EventPrefix(preservation.RecordID(r.ID))) {
		if content, err := os.ReadFile(in.object(key)); err == nil && bytes.Contains(content, []byte(preservation.EventIntent)) {
			in.proof[key] = true
		}
	}
	if len(in.proof) != 2 {
		t.Errorf("intent and outcome are %v", in.proof)
	}
	if records := in.audit(t); len(records) != 1 {
		t.Errorf("%d records", len(records))
	}
}
