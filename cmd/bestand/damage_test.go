package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/fixity"
)

// victim is a record that a test damages behind the back of the program.
type victim struct {
	in *installation
	id string
}

func (v victim) pkg() string {
	return v.in.object(preservation.PackageKey(preservation.RecordID(v.id), 1))
}

// events lists the files of its event objects, the receipt first.
func (v victim) events(t *testing.T) (files []string) {
	t.Helper()
	for _, key := range v.in.keys(t, preservation.EventPrefix(preservation.RecordID(v.id))) {
		files = append(files, v.in.object(key))
	}
	return files
}

// edit changes a file in place, as a disk or a person with root would, and leaves
// its extended attributes as they are.
func edit(t *testing.T, path string, fn func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, fn(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// relock changes the lock that a file carries.
func relock(t *testing.T, path string, fn func(map[string]any)) {
	t.Helper()
	const name = "user.object-retention"
	buf := make([]byte, 4096)
	n, err := unix.Getxattr(path, name, buf)
	if err != nil {
		t.Fatal(err)
	}
	lock := map[string]any{}
	if err := json.Unmarshal(buf[:n], &lock); err != nil {
		t.Fatal(err)
	}
	fn(lock)
	text, err := json.Marshal(lock)
	if err == nil {
		err = unix.Setxattr(path, name, text, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// damages are the ways in which what is stored can differ from what was stored,
// each with the code of the finding that must name it.
var damages = []struct {
	name   string
	code   string
	damage func(*testing.T, victim)
}{
	{"content flipped", fixity.CodeObjectDigest, func(t *testing.T, v victim) {
		edit(t, v.pkg(), func(b []byte) []byte { b[bytes.Index(b, []byte(".bin"))+400] ^= 1; return b })
	}},
	{"package cut off", aip.CodeNotPackage, func(t *testing.T, v victim) { edit(t, v.pkg(), func(b []byte) []byte { return b[:len(b)-1] }) }},
	{"package longer", fixity.CodeObjectSize, func(t *testing.T, v victim) { edit(t, v.pkg(), func(b []byte) []byte { return append(b, 0) }) }},
	{"package emptied", fixity.CodeObjectSize, func(t *testing.T, v victim) { edit(t, v.pkg(), func(b []byte) []byte { return nil }) }},
	{"package removed", fixity.CodeObjectGone, func(t *testing.T, v victim) { remove(t, v.pkg()) }},
	{"lock removed", fixity.CodeLockGone, func(t *testing.T, v victim) {
		if err := unix.Removexattr(v.pkg(), "user.object-retention"); err != nil {
			t.Fatal(err)
		}
	}},
	{"lock shortened", fixity.CodeLockShort, func(t *testing.T, v victim) {
		relock(t, v.pkg(), func(l map[string]any) { l["RetainUntilDate"] = time.Now().Add(time.Hour).UTC().Format(time.RFC3339) })
	}},
	{"lock weakened", fixity.CodeLockShort, func(t *testing.T, v victim) { relock(t, v.pkg(), func(l map[string]any) { l["Mode"] = "GOVERNANCE" }) }},
	{"receipt removed", fixity.CodeObjectGone, func(t *testing.T, v victim) { remove(t, v.events(t)[0]) }},
	{"receipt altered", fixity.CodeReceipt, func(t *testing.T, v victim) {
		edit(t, v.events(t)[0], func(b []byte) []byte { // within the signed payload
			i := bytes.Index(b, []byte(`"jws":"`)) + 7
			i += bytes.IndexByte(b[i:], '.') + 100
			b[i] = map[bool]byte{true: 'B', false: 'A'}[b[i] == 'A']
			return b
		})
	}},
	{"event removed", fixity.CodeObjectGone, func(t *testing.T, v victim) { remove(t, v.events(t)[1]) }},
	{"event of another record", fixity.CodeEvent, func(t *testing.T, v victim) {
		edit(t, v.events(t)[1], func(b []byte) []byte {
			return bytes.Replace(b, []byte(v.id), []byte(preservation.NewID(time.Now())), 1)
		})
	}},

	{"title in the list", fixity.CodeCatalogMeta, v(`UPDATE record SET title = 'Abrissgenehmigung'`)},
	{"metadata", fixity.CodeCatalogMeta, v(`UPDATE record SET metadata = replace(metadata, 'Eingang', 'Ausgang'), title = replace(title, 'Eingang', 'Ausgang')`)},
	{"class", fixity.CodeCatalogMeta, v(`UPDATE record SET class = '21.40'`)},
	{"format in the list", fixity.CodeCatalogMeta, of(`INSERT INTO record_format SELECT tenant, id, 'fmt/1' FROM record WHERE id = $1`)},
	{"closure in the list", fixity.CodeCatalogMeta, v(`UPDATE record SET closed = '1990-01-01'`)},
	{"time of reception", fixity.CodeCatalogMeta, v(`UPDATE record SET received_ms = received_ms - 1`)},
	{"retention end", fixity.CodeCatalogState, v(`UPDATE record SET retention_end = '1999-12-31', retention_due = '2000-01-01'`)},
	{"retention state", fixity.CodeCatalogState, v(`UPDATE record SET retention_state = 'due'`)},
	{"status", fixity.CodeCatalogState, v(`UPDATE record SET status = 'releasing'`)},
	{"version", fixity.CodeCatalogGone, v(`UPDATE record SET version = 2`)},
	{"lock in the catalog", fixity.CodeLockShort, v(`UPDATE record SET lock_until_ms = lock_until_ms + 86400000`)},
	{"record row removed", fixity.CodeCatalogGone, func(t *testing.T, v victim) {
		for _, q := range []string{`DELETE FROM trigger_event WHERE record_id = $1`, `DELETE FROM file WHERE record_id = $1`, `DELETE FROM record_format WHERE record_id = $1`, `DELETE FROM record WHERE id = $1`} {
			v.in.change(t, q, v.id)
		}
	}},
	{"file renamed", fixity.CodeCatalogFile, of(`UPDATE file SET name = CAST('anders.bin' AS BLOB) WHERE record_id = $1`)},
	{"digest of a file", fixity.CodeCatalogFile, of(`UPDATE file SET sha512 = sha256 || sha256 WHERE record_id = $1`)},
	{"verdict on a file", fixity.CodeCatalogFile, of(`UPDATE file SET verdict = 'valid', flavour = '2b' WHERE record_id = $1`)},
	{"place of a file", fixity.CodeCatalogFile, of(`UPDATE file SET pos = pos + 1 WHERE record_id = $1`)},
	{"file row removed", fixity.CodeCatalogFile, of(`DELETE FROM file WHERE record_id = $1`)},
	{"digest of the package", fixity.CodeCatalogState, of(`UPDATE record_object SET sha256 = '00' WHERE kind = 'package' AND record_id = $1`)},
	{"version of the package", fixity.CodeObjectGone, of(`UPDATE record_object SET version_id = '01JZZZZZZZZZZZZZZZZZZZZZZZ' WHERE kind = 'package' AND record_id = $1`)},
	{"package row removed", fixity.CodeCatalogGone, of(`DELETE FROM record_object WHERE kind = 'package' AND record_id = $1`)},
	{"receipt row removed", fixity.CodeReceipt, of(`DELETE FROM record_object WHERE kind = 'event' AND key LIKE '%' || (SELECT submission FROM record WHERE id = $1) || '%'`)},
	{"receipt in the catalog", fixity.CodeReceipt, of(`UPDATE submission SET receipt = receipt || 'x' WHERE record_id = $1`)},
	{"submission taken back", fixity.CodeCatalogState, of(`UPDATE submission SET status = 'rejected' WHERE record_id = $1`)},
	{"submission row removed", fixity.CodeCatalogGone, of(`DELETE FROM submission WHERE record_id = $1`)},
	{"history changed", fixity.CodeCatalogEvent, of(`UPDATE event SET outcome = 'failure' WHERE type = 'virus check' AND record_id = $1`)},
	{"history shortened", fixity.CodeCatalogEvent, of(`DELETE FROM event WHERE type = 'format identification' AND record_id = $1`)},
	{"trigger changed", fixity.CodeCatalogEvent, of(`UPDATE trigger_event SET date = '1990-01-01' WHERE record_id = $1`)},
	{"trigger removed", fixity.CodeCatalogEvent, of(`DELETE FROM trigger_event WHERE record_id = $1`)},
	{"trigger invented", fixity.CodeCatalogEvent, of(`INSERT INTO trigger_event SELECT 'zz', tenant, record_id, type, name, '1980-01-01', actor, key || 'x', at_ms FROM trigger_event WHERE record_id = $1`)},
}

// v changes the row of a record.
func v(set string) func(*testing.T, victim) { return of(set + ` WHERE id = $1`) }

// of runs a statement whose one argument is the record.
func of(statement string) func(*testing.T, victim) {
	return func(t *testing.T, v victim) {
		t.Helper()
		v.in.change(t, statement, v.id)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// age makes every object of the first tenant look as if it had been stored
// yesterday: what is new may be unknown to the catalog for a moment.
func (in *installation) age(t *testing.T) {
	t.Helper()
	yesterday := time.Now().Add(-24 * time.Hour)
	err := filepath.WalkDir(in.object(""), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		return os.Chtimes(path, yesterday, yesterday)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// verification is what a verification says.
type verification struct {
	Passed   bool
	Findings []preservation.Finding
}

func (c *caller) verify(id string) (v verification) {
	c.Helper()
	c.post("/v1/records/"+id+"/verification", nil).want(c.T, 200).decode(c.T, &v)
	return v
}

func (v verification) failed() (codes []string) {
	for _, f := range v.Findings {
		if f.Severity == preservation.Failed {
			codes = append(codes, f.Code)
		}
	}
	return codes
}

// TestVerifyUnnoted: a sound record is sound also when the catalog cannot note that somebody
// looked.
func TestVerifyUnnoted(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	c := in.admin(t)
	s := c.await(c.send(about("unnoted", "63.10", "Eingang", "closed", "2020-03-02"), file("daten.bin", blob("unnoted"))).accepted(t))
	looked := func() int64 { return in.count(t, `SELECT checked_ms FROM record WHERE id = ?`, s.RecordID) }
	before := looked()
	in.change(t, `CREATE TRIGGER full BEFORE UPDATE OF checked_ms ON record BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`)
	c.verified(s.RecordID)
	in.change(t, `DROP TRIGGER full`)
	if looked() != before {
		t.Error("it could be noted")
	}
	c.verified(s.RecordID)
	if looked() <= before {
		t.Error("it was not noted")
	}
}

// TestDamage damages records in every way that is known, and wants each to be
// found by the verification of that record, by name, to be logged and audited as
// a failure, and never as a success.
func TestDamage(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	c := in.admin(t)
	subs := make([]string, len(damages)+2)
	for i := range subs {
		id := fmt.Sprint("damage-", i)
		subs[i] = c.send(about(id, "63.10", "Eingang "+id, "closed", "2020-03-02"), file("daten.bin", blob(id))).accepted(t)
	}
	victims := make([]victim, len(subs))
	for i, sub := range subs {
		s := c.await(sub)
		victims[i] = victim{in, s.RecordID}
		c.post("/v1/records/"+s.RecordID+"/triggers", map[string]any{"type": "closure", "date": "2021-04-01"}).want(t, 201)
	}
	eventually(t, "all are evaluated", func() bool { return in.count(t, `SELECT COUNT(*) FROM record WHERE stale = 1`) == 0 })
	in.age(t)
	for _, v := range victims {
		c.verified(v.id)
	}
	c.post("/v1/schedules/"+fixity.JobScrub+"/pause", nil).want(t, 200) // it would set locks again at once
	for i, d := range damages {
		v := victims[i]
		d.damage(t, v)
		got := c.verify(v.id)
		if got.Passed || !slices.Contains(got.failed(), d.code) {
			t.Errorf("%s: passed %v with %v, want %s", d.name, got.Passed, got.failed(), d.code)
		}
		for _, f := range got.Findings {
			if f.Severity == preservation.Failed && (f.Detail == "" || f.Subject == "" && f.Code != aip.CodeNotPackage && !strings.Contains(f.Code, "signature")) {
				t.Errorf("%s: %+v names nothing", d.name, f)
			}
			if f.Code == fixity.CodeIntact {
				t.Errorf("%s: said to be intact", d.name)
			}
		}
		var log struct {
			Items []struct {
				Action string
				Detail map[string]string
			}
		}
		c.get("/v1/audit?limit=200&object="+v.id).want(t, 200).decode(t, &log)
		last := log.Items[len(log.Items)-1]
		if last.Action != "record.verify" || last.Detail["outcome"] != "failed" || !strings.Contains(last.Detail["codes"], d.code) {
			t.Errorf("%s: the audit log says %+v", d.name, last)
		}
		if in.log.count(v.id+`","codes"`) != 1 {
			t.Errorf("%s: not in the log", d.name)
		}
	}
	// The packages of two records change places, with everything that they carry.
	a, b := victims[len(damages)].pkg(), victims[len(damages)+1].pkg()
	for _, move := range [][2]string{{a, a + ".x"}, {b, a}, {a + ".x", b}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range victims[len(damages):] {
		if got := c.verify(v.id); got.Passed || !slices.Contains(got.failed(), fixity.CodeObjectGone) && !slices.Contains(got.failed(), fixity.CodeObjectDigest) {
			t.Errorf("packages swapped: %+v", got)
		}
	}
	in.stop(t)
	out, _, code := program(t, "check", "--data", in.dir)
	if code != 1 {
		t.Errorf("check ends with %d", code)
	}
	for i, d := range damages {
		found := false
		for line := range strings.Lines(out) {
			found = found || strings.Contains(line, d.code) && strings.Contains(line, victims[i].id)
		}
		if !found {
			t.Errorf("%s: check does not find %s of %s", d.name, d.code, victims[i].id)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// count asks the catalog for a number behind the program's back.
func (in *installation) count(t *testing.T, query string, args ...any) (n int64) {
	t.Helper()
	in.query(t, query, args, &n)
	return n
}

// TestDamageBesides damages what belongs to no record: configuration, audit log,
// strangers in the bucket, the search index.
func TestDamageBesides(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	c := in.admin(t)
	_, r := c.archive(about("1", "63.10", "Suchwort"), file("a.bin", blob("1")))
	eventually(t, "it is found", func() bool { return len(c.find("Suchwort")) == 1 })
	in.enqueue(t, "store-audit")
	in.stop(t)
	in.age(t)
	check := func(name string, code int, want ...string) {
		t.Helper()
		out, complaint, got := program(t, "check", "--data", in.dir)
		if got != code {
			t.Errorf("%s: check ends with %d, want %d:\n%s%s", name, got, code, out, complaint)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s: check does not say %q:\n%s", name, w, out)
			}
		}
	}
	check("intact", 0, "1 record and", "0 findings")

	// The index is disposable: what is damaged is built anew, and finds the same.
	damaged := 0
	err := filepath.WalkDir(filepath.Join(in.dir, "index"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || filepath.Ext(path) != ".zap" {
			return err
		}
		damaged++
		edit(t, path, func(b []byte) []byte { b[len(b)/2] ^= 0xff; return b })
		return nil
	})
	if err != nil || damaged == 0 {
		t.Fatalf("%d segments of the index: %v", damaged, err)
	}
	in.serve(t)
	c = in.admin(t)
	eventually(t, "the index was built anew", func() bool {
		found, err := c.request("GET", "/v1/records?limit=200&q=Suchwort", nil)
		return err == nil && found.StatusCode == 200 && strings.Contains(string(found.body), r.ID)
	})
	in.stop(t)
	in.age(t)

	// Each is damaged, and everything is looked at once.
	rule := in.text(t, `SELECT key FROM document WHERE kind = 'rule' ORDER BY name LIMIT 1`)
	gone := in.text(t, `SELECT key FROM document WHERE kind = 'rule' ORDER BY name LIMIT 1 OFFSET 1`)
	row := in.text(t, `SELECT key FROM document WHERE kind = 'rule' ORDER BY name LIMIT 1 OFFSET 2`)
	lost := in.text(t, `SELECT key FROM document WHERE kind = 'rule' ORDER BY name LIMIT 1 OFFSET 3`)
	edit(t, in.object(rule), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	remove(t, in.object(gone))
	in.change(t, `UPDATE document SET body = replace(body, '10', '11') || ' ' WHERE key = $1`, row)
	in.change(t, `DELETE FROM document WHERE key = $1`, lost)
	if err := unix.Removexattr(in.object(lost), "user.object-retention"); err != nil {
		t.Fatal(err)
	}
	segment := in.object(in.text(t, `SELECT key FROM audit_segment ORDER BY key LIMIT 1`))
	edit(t, segment, func(b []byte) []byte { return bytes.Replace(b, []byte("tenant.create"), []byte("tenant.remove"), 1) })
	in.change(t, `UPDATE audit SET actor = 'niemand' WHERE seq = 2`)
	stranger := preservation.EventKey(preservation.RecordID(preservation.NewID(time.Now().Add(-time.Hour))), "x")
	for _, key := range []string{"fremd/datei", stranger} {
		if err := os.MkdirAll(filepath.Dir(in.object(key)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in.object(key), []byte("fremd"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	in.age(t)
	rel := strings.TrimPrefix(segment, in.object("")+"/")
	check("damaged", 1, fixity.CodeObjectDigest+": "+rule, fixity.CodeObjectGone+": "+gone, fixity.CodeCatalogState+": "+row,
		fixity.CodeCatalogGone+": "+lost, fixity.CodeLockGone+": "+lost, fixity.CodeObjectDigest+": "+rel, "audit-changed: "+rel, "audit-changed: audit entry 2",
		fixity.CodeUnknown+": fremd/datei", filepath.Base(filepath.Dir(stranger)))

}

// TestDamageBits flips bits of a package and of its receipt, wherever they lie,
// one at a time: a sample of what TestFaultDamage does more often.
func TestDamageBits(t *testing.T) {
	t.Parallel()
	flipBits(t, 24, uint64(time.Now().UnixNano()))
}

// TestFaultDamage flips 400 bits, one at a time, in every part of a package.
func TestFaultDamage(t *testing.T) {
	if os.Getenv("BESTAND_FAULT") != "1" {
		t.Skip("a campaign: make fault")
	}
	flipBits(t, 400, uint64(time.Now().UnixNano()))
}

// region is a range of a package that is damaged on purpose.
type region struct {
	name     string
	from, to int64
}

// partsOf names every range of a package: each file with the header before it,
// the directory of the ZIP, its end.
func partsOf(t *testing.T, path string) (parts []region) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := aip.Open(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	at := int64(0)
	for _, e := range m.Entries {
		parts = append(parts, region{"header of " + e.Path, at, e.Offset}, region{e.Path, e.Offset, e.Offset + e.Size})
		at = e.Offset + e.Size
	}
	return append(parts, region{"central directory", at, st.Size() - 22}, region{"end of the ZIP", st.Size() - 22, st.Size()})
}

func flipBits(t *testing.T, n int, seed uint64) {
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 3))
	in := install(t).serve(t)
	c := in.admin(t)
	_, r := c.archive(about("bits", "63.10", "Eingang", "closed", "2020-03-02"), file("daten.bin", blob("bits")), file("leer.bin", "x"))
	in.age(t)
	c.verified(r.ID)
	v := victim{in, r.ID}
	parts := partsOf(t, v.pkg())
	type row struct{ flips, found int }
	table := map[string]*row{}
	for i := range n {
		p := parts[i%len(parts)]
		path := v.pkg()
		if i%10 == 9 {
			path = v.events(t)[0]
			st, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			p = region{"receipt", 0, st.Size()}
		}
		if p.from == p.to {
			continue
		}
		at, bit := p.from+random.Int64N(p.to-p.from), byte(1)<<random.IntN(8)
		flip := func() { edit(t, path, func(b []byte) []byte { b[at] ^= bit; return b }) }
		flip()
		got := c.verify(r.ID)
		flip()
		x := table[p.name]
		if x == nil {
			x = &row{}
			table[p.name] = x
		}
		x.flips++
		if got.Passed || len(got.failed()) == 0 {
			t.Errorf("bit %08b of byte %d (%s) is not found: %+v", bit, at, p.name, got)
			continue
		}
		x.found++
	}
	c.verified(r.ID)
	names := []string{}
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Logf("%-70s %4d flips, %4d found", name, table[name].flips, table[name].found)
	}
}
