package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/retention"
)

// saved is an installation with a folder of backups.
type saved struct {
	*installation
	folder     string
	passphrase string // file
}

func saving(t *testing.T, in *installation) saved {
	t.Helper()
	s := saved{in, filepath.Join(t.TempDir(), "sicherung"), filepath.Join(t.TempDir(), "passphrase")}
	if err := os.WriteFile(s.passphrase, []byte("vier zufällige Wörter reichen\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// args are those of a command on a data folder and the backup.
func (s saved) args(command, data string, more ...string) []string {
	return append(append([]string{command, "--data", data, "--passphrase-file", s.passphrase}, append(s.flags, more...)...), s.folder)
}

// backup wants a run to end well and returns what it said.
func (s saved) backup(t *testing.T, more ...string) string {
	t.Helper()
	out, complaint, code := program(t, s.args("backup", s.dir, more...)...)
	if code != 0 {
		t.Fatalf("backup: exit code %d\n%s%s", code, out, complaint)
	}
	return out
}

// restore wants a restore into a new folder to end well, and everything to agree.
func (s saved) restore(t *testing.T, more ...string) *installation {
	t.Helper()
	to := install(t, s.flags...)
	out, complaint, code := program(t, s.args("restore", to.dir, more...)...)
	if code != 0 {
		t.Fatalf("restore: exit code %d\n%s%s", code, out, complaint)
	}
	to.checked(t)
	return to
}

// checked wants everything in an installation to agree.
func (in *installation) checked(t *testing.T) {
	t.Helper()
	if out, complaint, code := program(t, append([]string{"check", "--data", in.dir}, in.flags...)...); code != 0 {
		t.Errorf("check: exit code %d\n%s%s", code, out, complaint)
	}
	if out, complaint, code := program(t, append([]string{"audit", "verify", "--data", in.dir}, in.flags...)...); code != 0 {
		t.Errorf("audit verify: exit code %d\n%s%s", code, out, complaint)
	}
}

// tells wants the audit log to say something of a restore.
func (in *installation) tells(t *testing.T, text string) {
	t.Helper()
	if out, complaint, code := program(t, append([]string{"audit", "verify", "--data", in.dir}, in.flags...)...); code != 0 || !strings.Contains(out, audit.CodeRestored) || !strings.Contains(out, text) {
		t.Errorf("audit verify: exit code %d\n%s%s", code, out, complaint)
	}
}

// protection is what the bucket says of every object, but for its version.
func (in *installation) protection(t *testing.T) map[string]preservation.Object {
	t.Helper()
	a := in.opened(t)
	defer a.close()
	bucket, err := a.bucket(t.Context(), firstTenant)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]preservation.Object{}
	for o, err := range bucket.Versions(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if o, err = bucket.Stat(t.Context(), o.Key, o.VersionID); err != nil {
			t.Fatal(err)
		}
		o.VersionID, o.Modified = "", time.Time{}
		all[o.Key] = o
	}
	return all
}

// holds reports whether a text stands in a file below a folder.
func holds(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestBackup backs an archive up, goes on and destroys a record, and restores into
// empty folders: everything is the same, and nothing destroyed comes back.
func TestBackup(t *testing.T) {
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance)).serve(t)
	s := saving(t, in)
	admin := in.admin(t)
	o := newOffice(admin)
	archive := func(id string, closed string) (status, holding) {
		t.Helper()
		return admin.archive(about(id, parentContacts, "Titelwort"+id, "closed", closed), file("a.bin", blob("Bytewort"+id)))
	}
	keptSub, kept := archive("bleibt", "2010-07-31")
	_, gone := archive("geht", "2010-07-31")
	o.officer.post("/v1/holds", map[string]any{"scope": map[string]any{"records": []string{kept.ID}}, "authority": "Amtsgericht", "reason": "Verfahren",
		"review": time.Now().AddDate(1, 0, 0).Format(time.DateOnly)}).want(t, 201)
	admin.post("/v1/evidence/batches", nil).want(t, 200)
	in.settled(t, admin)
	receipt := admin.get("/v1/submissions/"+keptSub.ID+"/receipt").want(t, 200).body
	proof := admin.get("/v1/records/"+kept.ID+"/evidence").want(t, 200).body
	in.stop(t)
	s.backup(t)
	if said := s.backup(t); !strings.Contains(said, " 1 of them new") && !strings.Contains(said, " 0 of them new") { // the audit log goes on
		t.Error("a second run:", said)
	}
	if found := holds(t, s.folder, "Bytewortgeht"); len(found) != 1 {
		t.Fatal("copies of the record:", found)
	}
	for _, secret := range []string{"PRIVATE KEY", "bst_"} {
		if found := holds(t, s.folder, secret); len(found) > 0 {
			t.Errorf("%q stands openly in %v", secret, found)
		}
	}
	old := filepath.Join(t.TempDir(), "frühere")
	if out, err := exec.Command("cp", "-r", s.folder, old).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}

	in.serve(t)
	admin = in.admin(t)
	o = newOffice(admin)
	o.permit(t, true, parentContacts)
	in.enqueue(t, retention.JobDispose)
	admin.get("/v1/records/"+gone.ID).refused(t, 410, "destroyed", "")
	admin.get("/v1/records/"+kept.ID).want(t, 200)
	_, later := admin.archive(about("später", "63.10", "Titel"), file("a.bin", blob("Bytewortspäter")))
	in.enqueue(t, "store-audit")
	in.stop(t)
	if said := s.backup(t, "--reread"); !strings.Contains(said, "2 of destroyed records left out") { // package and receipt
		t.Error(said)
	}
	for _, word := range []string{"Bytewortgeht", "Titelwortgeht"} {
		if found := holds(t, s.folder, word); len(found) > 0 {
			t.Errorf("the backup still has the destroyed record: %q in %v", word, found)
		}
	}
	want := in.protection(t)
	if err := os.RemoveAll(in.dir); err != nil {
		t.Fatal(err)
	}

	look := func(t *testing.T, to *installation, lost bool) {
		t.Helper()
		to.serve(t)
		admin := to.admin(t)
		if b := admin.get("/v1/submissions/"+keptSub.ID+"/receipt").want(t, 200).body; !bytes.Equal(b, receipt) {
			t.Error("the receipt is another one")
		}
		if b := admin.get("/v1/records/"+kept.ID+"/evidence").want(t, 200).body; !bytes.Equal(b, proof) {
			t.Error("the evidence record is another one")
		}
		admin.verified(kept.ID)
		if p := admin.get("/v1/records/"+gone.ID).refused(t, 410, "destroyed", ""); p.Tombstone.RecordID != gone.ID {
			t.Errorf("%+v", p.Tombstone)
		}
		if found := holds(t, to.dir, "Bytewortgeht"); len(found) > 0 {
			t.Errorf("the destroyed record is in %v", found)
		}
		if !lost {
			admin.verified(later.ID)
		}
		if s := admin.record(kept.ID).Retention.State; s != retention.Held {
			t.Errorf("the held record is %s", s)
		}
		admin.archive(about("danach", "63.10", "Titel"), file("a.bin", blob("danach"))) // the archive goes on
		to.enqueue(t, retention.JobDispose)
		admin.get("/v1/records/"+kept.ID).want(t, 200)
		to.stop(t)
		to.checked(t)
	}
	t.Run("restored", func(t *testing.T) {
		to := s.restore(t)
		have := to.protection(t)
		for key, w := range want {
			if h := have[key]; h != w {
				t.Errorf("%s is %+v, was %+v", key, h, w)
			}
		}
		for key := range have {
			if _, ok := want[key]; !ok {
				t.Errorf("%s was not there", key)
			}
		}
		look(t, to, false)
		// The new buckets are backed up into the same folder: nothing is copied twice.
		s := saved{to, s.folder, s.passphrase}
		if said := s.backup(t); strings.Contains(said, "object-lost") || !strings.Contains(said, " objects, ") {
			t.Error(said)
		}
	})
	t.Run("an older copy", func(t *testing.T) {
		newer, s := s.folder, saved{in, old, s.passphrase}
		if _, complaint, code := program(t, saved{in, filepath.Join(t.TempDir(), "x"), s.passphrase}.args("restore", t.TempDir())...); code == 0 || !strings.Contains(complaint, "no finished backup") {
			t.Error(code, complaint)
		}
		to := s.restore(t, "--newer", newer)
		look(t, to, true)
		to.tells(t, "are later and are left in sealed segments alone")
	})
}

// TestRestoreRefuses: everything that a restore must not go on with, and what it says.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	s := saving(t, in)
	in.admin(t).archive(about("1", "63.10", "Titel"), file("a.bin", blob("Inhalt")))
	in.stop(t)
	s.backup(t)
	refused := func(t *testing.T, to, want string, more ...string) {
		t.Helper()
		out, complaint, code := program(t, s.args("restore", to, more...)...)
		if code != 1 || !strings.Contains(complaint, want) {
			t.Errorf("exit code %d, want %q:\n%s%s", code, want, out, complaint)
		}
	}
	t.Run("passphrase", func(t *testing.T) {
		other := s
		other.passphrase = filepath.Join(t.TempDir(), "falsch")
		if err := os.WriteFile(other.passphrase, []byte("falsch"), 0o600); err != nil {
			t.Fatal(err)
		}
		to := t.TempDir()
		if _, complaint, code := program(t, other.args("restore", to)...); code != 1 || !strings.Contains(complaint, "wrong passphrase") {
			t.Error(code, complaint)
		}
		if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
			t.Error(left, err)
		}
	})
	t.Run("folder in use", func(t *testing.T) { refused(t, in.dir, "is not empty") })
	t.Run("another installation", func(t *testing.T) {
		other := install(t).serve(t)
		other.stop(t)
		if _, complaint, code := program(t, s.args("backup", other.dir)...); code != 1 || !strings.Contains(complaint, "not that of this installation") {
			t.Error(code, complaint)
		}
		if _, complaint, code := program(t, "backup", "--data", other.dir, "--passphrase-file", s.passphrase, other.dir); code != 1 || !strings.Contains(complaint, "something else") {
			t.Error(code, complaint)
		}
	})
	t.Run("changed manifest", func(t *testing.T) {
		paths, err := filepath.Glob(filepath.Join(s.folder, "runs", "*", "musterstadt.jsonl"))
		if err != nil || len(paths) != 1 {
			t.Fatal(paths, err)
		}
		defer altered(t, paths[0])()
		refused(t, t.TempDir(), "musterstadt.jsonl")
	})
	t.Run("changed head", func(t *testing.T) {
		paths, err := filepath.Glob(filepath.Join(s.folder, "runs", "*", "backup.json"))
		if err != nil || len(paths) != 1 {
			t.Fatal(paths, err)
		}
		before, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		defer os.WriteFile(paths[0], before, 0o600)
		if err := os.WriteFile(paths[0], bytes.Replace(before, []byte(`"made": "20`), []byte(`"made": "19`), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, t.TempDir(), "was changed")
	})
	t.Run("damaged copy", func(t *testing.T) {
		found := holds(t, s.folder, blob("Inhalt"))
		if len(found) != 1 {
			t.Fatal(found)
		}
		mend := altered(t, found[0])
		to := install(t)
		refused(t, to.dir, "1 objects of the backup are damaged")
		if out, _, _ := program(t, s.args("restore", to.dir)...); !strings.Contains(out, "object-damaged: aip/") || !strings.Contains(out, found[0]) {
			t.Error("it is not named:", out)
		}
		if _, complaint, code := program(t, "serve", "--data", to.dir, "--listen", "127.0.0.1:0"); code != 1 || !strings.Contains(complaint, "run bestand restore again") {
			t.Error("a service starts on the half:", code, complaint)
		}
		mend()
		if out, complaint, code := program(t, s.args("restore", to.dir)...); code != 0 {
			t.Fatal(code, out, complaint)
		}
		to.checked(t)

		altered(t, found[0])
		to = install(t)
		if out, complaint, code := program(t, s.args("restore", to.dir, "--accept-damage")...); code != 1 || !strings.Contains(out, "restored to the state of") || !strings.Contains(complaint, "1 objects are not back") {
			t.Error(code, out, complaint)
		}
		to.serve(t).stop(t)
		if out, _, code := program(t, s.args("backup", in.dir)...); code != 0 { // sizes agree: nobody has read it
			t.Error(out)
		}
		if out := s.backup(t, "--reread"); !strings.Contains(out, "1 of them new") {
			t.Error("the damaged copy is not replaced:", out)
		}
		s.restore(t)
	})
	t.Run("object lost", func(t *testing.T) { // the bucket loses what nobody destroyed
		lost := holds(t, filepath.Join(in.dir, "objects"), blob("Inhalt"))
		for _, path := range lost {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		out, _, code := program(t, s.args("backup", in.dir)...)
		if code != 1 || !strings.Contains(out, "object-lost: aip/") {
			t.Error(code, out)
		}
		s.restore(t)
	})
}

// altered turns a bit in the middle of a file and returns what turns it back.
func altered(t *testing.T, path string) func() {
	t.Helper()
	flip := func() {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flip()
	return flip
}

// TestBackupKilled kills runs and restores at growing times until one ends by itself:
// what it made is whole, and nothing is left of the others.
func TestBackupKilled(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	s := saving(t, in)
	admin := in.admin(t)
	for n := range 40 {
		admin.archive(about(fmt.Sprint(n), "63.10", "Titel"), file("a.bin", blob(fmt.Sprint("Inhalt", n))))
	}
	admin.post("/v1/evidence/batches", nil).want(t, 200)
	in.settled(t, admin)
	in.stop(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	until := func(args []string) (killed int) {
		t.Helper()
		for after := 200 * time.Millisecond; ; after += after / 2 {
			cmd := exec.Command(self, args...)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			timer := time.AfterFunc(after, func() { cmd.Process.Kill() })
			err := cmd.Wait()
			var exit *exec.ExitError
			if timer.Stop() || err == nil {
				// A restore may have come to its end just before it was killed.
				if err != nil && (killed == 0 || !strings.Contains(said.String(), "a restore goes into an empty one")) {
					t.Fatalf("after %d kills: %v\n%s", killed, err, said.String())
				}
				return killed
			}
			if killed++; !errors.As(err, &exit) || killed > 100 {
				t.Fatal(err)
			}
		}
	}
	t.Log("backup killed", until(s.args("backup", in.dir)), "times")
	if runs, err := os.ReadDir(filepath.Join(s.folder, "runs")); err != nil || len(runs) != 1 {
		t.Error(runs, err)
	}
	if left, err := filepath.Glob(filepath.Join(s.folder, "objects", "*", "*", "*", "*", ".copy-*")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
	to := install(t)
	t.Log("restore killed", until(s.args("restore", to.dir)), "times")
	to.checked(t)
	if err := os.RemoveAll(in.dir); err != nil {
		t.Fatal(err)
	}
	to.serve(t)
	to.stop(t)
	to.checked(t)
}

// TestBackupFull backs up onto a disk that is too small, then makes room.
func TestBackupFull(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	s := saving(t, in)
	d := mounted(t, t.TempDir(), "12")
	s.folder = filepath.Join(d.path, "sicherung")
	in.admin(t).archive(about("1", "63.10", "Titel"), file("a.bin", strings.Repeat("\x01\x9bInhalt", 400_000)))
	in.stop(t)
	for _, left := range []int64{64, 2 << 10} { // KiB: less than the catalog, and less than the package
		d.fill(left)
		for range 2 {
			_, complaint, code := program(t, s.args("backup", in.dir)...)
			if code != 1 || !strings.Contains(complaint, "make some and run it again") {
				t.Errorf("exit code %d: %s", code, complaint)
			}
		}
		d.clear()
	}
	s.backup(t)
	s.restore(t)
}

// TestRestoreElsewhere backs an archive on a service of its own up, and restores it into
// other buckets of it, with another catalog: that is made anew, as one on PostgreSQL is.
func TestRestoreElsewhere(t *testing.T) {
	t.Parallel()
	in, _ := outside(t)
	s := saving(t, in)
	admin := in.admin(t)
	sub, r := admin.archive(about("1", "63.10", "Titel"), file("a.bin", blob("Inhalt")))
	admin.post("/v1/evidence/batches", nil).want(t, 200)
	in.settled(t, admin)
	in.enqueue(t, "store-audit")
	receipt := admin.get("/v1/submissions/"+sub.ID+"/receipt").want(t, 200).body
	proof := admin.get("/v1/records/"+r.ID+"/evidence").want(t, 200).body
	in.stop(t)
	s.backup(t)
	want := in.protection(t)
	to := install(t, in.flags...)
	if _, complaint, code := program(t, s.args("restore", to.dir)...); code != 1 || !strings.Contains(complaint, "bucket bestand-musterstadt is not empty") {
		t.Errorf("into buckets that live: %d %s", code, complaint)
	}
	s.flags = append(in.flags[:len(in.flags):len(in.flags)], "--s3-bucket-prefix", "anderswo", "--catalog", "sqlite:"+filepath.Join(t.TempDir(), "catalog.db"))
	restored := s.restore(t)
	have := restored.protection(t)
	for key, w := range want {
		if h := have[key]; h != w {
			t.Errorf("%s is %+v, was %+v", key, h, w)
		}
	}
	restored.serve(t)
	token, _, code := program(t, append([]string{"token", "create", "--data", restored.dir, "--actor", "anna", "--roles", "reader,auditor,admin"}, restored.flags...)...)
	if code != 0 {
		t.Fatal(token)
	}
	anna := &caller{T: t, url: restored.url, token: strings.TrimSpace(token)}
	if b := anna.get("/v1/submissions/"+sub.ID+"/receipt").want(t, 200).body; !bytes.Equal(b, receipt) {
		t.Error("the receipt is another one")
	}
	if b := anna.get("/v1/records/"+r.ID+"/evidence").want(t, 200).body; !bytes.Equal(b, proof) {
		t.Error("the evidence record is another one")
	}
	anna.verified(r.ID)
}
