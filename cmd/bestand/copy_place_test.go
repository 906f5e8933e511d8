package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/fixity"
	"bestand/preservation/replica"
	"bestand/retention"
)

// findings are the subjects of what was found, of the records and of none.
func (in *installation) findings(t *testing.T, code string) []string {
	t.Helper()
	return strings.Fields(in.text(t, `SELECT COALESCE(GROUP_CONCAT(subject, ' '), '') FROM finding WHERE code = $1`, code))
}

// damaged turns a bit of the object of the second copy that has a word below a prefix,
// and returns its key and what mends it.
func (in twofold) damaged(t *testing.T, prefix, word string) (key string, mend func()) {
	t.Helper()
	for path, content := range stored(t, in.dir2) {
		if strings.HasPrefix(path, prefix) && strings.Contains(content, word) {
			return path, altered(t, filepath.Join(in.dir2, path))
		}
	}
	t.Fatalf("no object below %s has %q", prefix, word)
	return "", nil
}

// TestRestoreBesideCopy restores a backup from before a destruction, a hold and a new
// record, while the second copy has lived on: what was destroyed does not come back, the
// hold is there again, and what else only the copy has is told.
func TestRestoreBesideCopy(t *testing.T) {
	t.Parallel()
	in := withCopy(t, "--lock-mode", string(preservation.Governance))
	in.serve(t)
	s := saving(t, in.installation)
	admin := in.admin(t)
	archive := func(id, word string) holding {
		t.Helper()
		_, r := admin.archive(about(id, parentContacts, "Titel", "closed", "2010-07-31"), file("a.bin", blob(word)))
		return r
	}
	kept, gone := archive("bleibt", "Bytewortbleibt"), archive("geht", "Bytewortgeht")
	moved := archive("umgezogen", "Bytewortumgezogen")
	for range 2 {
		in.enqueue(t, replica.JobCopy)
	}
	in.stop(t)
	s.backup(t)

	in.serve(t)
	admin = in.admin(t)
	o := newOffice(admin)
	hold := o.hold(t, kept.ID)
	amendAndMove(admin, moved.ID)
	o.permit(t, true, parentContacts)
	eventually(t, "destruction", func() bool {
		in.enqueue(t, retention.JobDispose)
		return in.count(t, `SELECT COUNT(*) FROM tombstone WHERE record_id = $1`, gone.ID) == 1
	})
	admin.get("/v1/records/"+gone.ID).want(t, 410)
	later := archive("später", "Bytewortspäter")
	eventually(t, "everything is copied", func() bool {
		in.enqueue(t, replica.JobCopy)
		return in.count(t, `SELECT COUNT(*) FROM copy_due`) == 0
	})
	key := preservation.PackageKey(preservation.RecordID(kept.ID), 1)
	if !in.stat(t, key).Hold {
		t.Fatal("no hold on the copy")
	}
	in.stop(t)
	if err := os.RemoveAll(filepath.Join(in.dir, "objects")); err != nil {
		t.Fatal(err)
	}
	to := install(t, in.flags...)
	flags, plain := in.flags, []string{"--lock-mode", string(preservation.Governance)}
	in.flags = plain
	elsewhere := filepath.Join(t.TempDir(), "catalog.db") // one that is not in the backup, as on a server
	for folder, more := range map[string][]string{to.dir: nil, t.TempDir(): {"--catalog", "sqlite:" + elsewhere}} {
		if _, complaint, code := program(t, s.args("restore", folder, more...)...); code != 1 || !strings.Contains(complaint, "--copy-endpoint") {
			t.Fatalf("without the second copy: %d %s", code, complaint)
		}
	}
	in.flags = flags
	for prefix, word := range map[string]string{"cfg/": "Amtsgericht", "evt/": "every version purged"} {
		path, mend := in.damaged(t, prefix, word)
		to := install(t, in.flags...)
		out, complaint, code := program(t, s.args("restore", to.dir)...)
		if code != 1 || !strings.Contains(out, "object-damaged: "+path) || !strings.Contains(complaint, "--accept-damage") {
			t.Errorf("with a damaged %s: %d\n%s%s", path, code, out, complaint)
		}
		if prefix == "evt/" {
			in.flags = plain
			if _, complaint, code := program(t, s.args("restore", to.dir)...); code != 1 || !strings.Contains(complaint, "begun with the second copy") {
				t.Errorf("finished without the second copy: %d %s", code, complaint)
			}
			in.flags = flags
			out, complaint, code = program(t, s.args("restore", to.dir, "--accept-damage")...)
			if code != 1 || !strings.Contains(out, "restored to the state of") {
				t.Fatalf("%d\n%s%s", code, out, complaint)
			}
			to.serve(t)
			to.endLeases(t)
			to.enqueue(t, replica.JobCopy)
			if found := holds(t, in.dir2, "Bytewortgeht"); len(found) > 0 {
				t.Errorf("beside a tombstone that cannot be read the record is in the second copy again: %v", found)
			}
			to.stop(t)
		}
		mend()
	}
	out, complaint, code := program(t, s.args("restore", to.dir)...)
	if code != 0 || !strings.Contains(out, "1 tombstones") {
		t.Fatalf("restore: %d\n%s%s", code, out, complaint)
	}
	to.serve(t)
	admin = to.admin(t)
	if p := admin.get("/v1/records/"+gone.ID).refused(t, 410, "destroyed", ""); p.Tombstone.RecordID != gone.ID {
		t.Errorf("%+v", p.Tombstone)
	}
	admin.verified(kept.ID)
	admin.wantMoved(moved.ID)
	if found := holds(t, to.dir, "Bytewortgeht"); len(found) > 0 {
		t.Errorf("the destroyed record is in %v", found)
	}
	for range 2 {
		to.enqueue(t, replica.JobCopy)
	}
	if found := holds(t, in.dir2, "Bytewortgeht"); len(found) > 0 {
		t.Errorf("the destroyed record is in the second copy again: %v", found)
	}
	if !in.stat(t, key).Hold {
		t.Error("the hold was taken off the copy")
	}
	yesterday := time.Now().AddDate(0, 0, -1)
	for path := range stored(t, in.dir2) {
		if err := os.Chtimes(filepath.Join(in.dir2, path), yesterday, yesterday); err != nil {
			t.Fatal(err)
		}
	}
	to.change(t, `UPDATE record SET checked_ms = checked_ms - 90 * 86400001`)
	to.enqueue(t, fixity.JobScrub)
	if have := to.findings(t, fixity.CodeCopyOnly); !slices.Contains(have, preservation.PackagePrefix(preservation.RecordID(later.ID))) {
		t.Errorf("only in the copy: %q", have)
	}
	for _, code := range []string{replica.CodeTombstone, replica.CodeHeld} {
		if have := to.findings(t, code); len(have) > 0 {
			t.Errorf("%s: %q", code, have)
		}
	}

	// Released, the hold ends in both places.
	if s := admin.record(kept.ID).Retention.State; s != retention.Held {
		t.Errorf("the held record is %s", s)
	}
	o = newOffice(admin)
	eventually(t, "the hold stands in the bucket", func() bool {
		return to.count(t, `SELECT COUNT(*) FROM event WHERE record_id = $1 AND type = $2`, kept.ID, string(preservation.EventHold)) == 1
	})
	o.release(t, hold)
	eventually(t, "the hold has left the copy", func() bool {
		to.change(t, `UPDATE copy_due SET try_ms = 0`)
		to.enqueue(t, replica.JobCopy)
		return !in.stat(t, key).Hold
	})
}

// TestMovedCopy: with the second copy at another place nothing is destroyed before a
// person has said that the first one is gone, also with a catalog that was made anew.
func TestMovedCopy(t *testing.T) {
	t.Parallel()
	in := withCopy(t, "--lock-mode", string(preservation.Governance))
	in.serve(t)
	admin := in.admin(t)
	o := newOffice(admin)
	_, r := admin.archive(about("1", parentContacts, "Beratung", "closed", "2010-07-31"), file("a.bin", blob("Antrag")))
	in.enqueue(t, replica.JobCopy)
	o.permit(t, true, parentContacts)
	eventually(t, "it is due", func() bool { return len(admin.due()) == 1 })
	in.stop(t)
	moved := append(slices.Clone(in.flags), "--copy-bucket-prefix", "dritt")
	rebuilt := false
	for _, flags := range [][]string{moved, moved, append(slices.Clone(moved), "--copy-gone")} {
		in.flags = flags
		in.serve(t)
		in.endLeases(t)
		admin = in.admin(t)
		in.enqueue(t, replica.JobCopy)
		in.enqueue(t, retention.JobDispose)
		status := admin.get("/v1/records/" + r.ID).StatusCode
		if want := map[bool]int{true: 410, false: 200}[slices.Contains(flags, "--copy-gone")]; status != want {
			t.Errorf("with %q: %d", flags, status)
		}
		in.stop(t)
		if rebuilt {
			continue
		}
		rebuilt = true
		if in.log.count("there is a second copy at") == 0 {
			t.Error("nobody was told what to do")
		}
		for _, name := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm"} {
			if err := os.Remove(filepath.Join(in.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
		if out, said, code := program(t, append([]string{"rebuild", "--data", in.dir}, in.flags...)...); code != 0 {
			t.Fatalf("rebuild: %d\n%s%s", code, out, said)
		}
	}
}

// TestIntentDestroysNothing loses the package of a record whose destruction waits, and the
// catalog: the rebuild says so, and the second copy keeps its bytes.
func TestIntentDestroysNothing(t *testing.T) {
	t.Parallel()
	in := withCopy(t) // its locks let nothing go
	in.serve(t)
	admin := in.admin(t)
	_, r := admin.archive(about("1", parentContacts, "Titel", "closed", "2010-07-31"), file("a.bin", blob("Bytewort")))
	eventually(t, "everything is copied", func() bool {
		in.enqueue(t, replica.JobCopy)
		return len(holds(t, in.dir2, blob("Bytewort"))) == 1
	})
	newOffice(admin).permit(t, true, parentContacts)
	in.try(t, retention.JobDispose)
	eventually(t, "the destruction waits for the lock", func() bool { return in.count(t, `SELECT COUNT(*) FROM disposal WHERE attempts > 0`) == 1 })
	in.stop(t)
	if err := os.Remove(in.object(preservation.PackageKey(preservation.RecordID(r.ID), 1))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm"} {
		if err := os.Remove(filepath.Join(in.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	out, complaint, code := program(t, append([]string{"rebuild", "--data", in.dir}, in.flags...)...)
	if code != 1 || !strings.Contains(out, "package-missing "+preservation.EventPrefix(preservation.RecordID(r.ID))) || !strings.Contains(out, " 0 tombstones") {
		t.Errorf("exit code %d\n%s%s", code, out, complaint)
	}
	if out, complaint, code := program(t, append([]string{"rebuild", "--complete", r.ID, "--data", in.dir}, in.flags...)...); code != 1 || !strings.Contains(out, "not-completed") {
		t.Errorf("the lock of the second copy still runs: exit code %d\n%s%s", code, out, complaint)
	}
	in.serve(t)
	in.endLeases(t)
	in.enqueue(t, retention.JobDispose)
	if n := in.count(t, `SELECT COUNT(*) FROM tombstone`); n != 0 || len(holds(t, in.dir2, blob("Bytewort"))) != 1 {
		t.Errorf("%d tombstones, and the second copy has %v", n, holds(t, in.dir2, blob("Bytewort")))
	}
}
