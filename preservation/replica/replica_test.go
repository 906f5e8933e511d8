package replica

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
)

// site is a bucket and its second copy, each in a store of its own.
type site struct {
	*Copier
	tenant  *catalog.Tenant
	one     *Store
	first   *s3.Bucket
	second  *s3.Bucket
	files   string           // folder with the files of the second
	between *storetest.Fault // before the second
	log     bytes.Buffer
}

func newSite(t testing.TB) *site {
	t.Helper()
	db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.RestoreTenant(t.Context(), catalog.TenantInfo{ID: "musterstadt", Name: "Musterstadt"}); err != nil {
		t.Fatal(err)
	}
	second := storetest.OwnSite(t)
	s := &site{tenant: db.Tenant("musterstadt"), first: storetest.Bucket(t), second: second.Bucket, files: second.Dir}
	s.one, s.between = &Store{Store: s.first, Tenant: s.tenant}, &storetest.Fault{Store: s.second}
	s.Copier = &Copier{Place: "zweit", Now: time.Now, Stays: func(g catalog.Tombstone, key string) bool { return key == g.Key }, Log: slog.New(slog.NewTextHandler(&s.log, nil)),
		Store: func(context.Context, *catalog.Tenant) (preservation.Store, error) { return s.one, nil },
		Copy:  func(context.Context, *catalog.Tenant) (preservation.Store, error) { return s.between, nil }}
	return s
}

func (s *site) put(t testing.TB, to preservation.Store, key, content string, locked time.Duration) preservation.Object {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	o, err := to.Put(t.Context(), key, strings.NewReader(content), preservation.PutOptions{Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
		ContentType: "text/plain", Lock: preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(locked)}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (s *site) run(t testing.TB) error { return s.Run(t.Context(), s.tenant, catalog.Job{}) }

// lose takes an object away behind the second copy's back.
func (s *site) lose(t testing.TB, key string) {
	t.Helper()
	if err := os.Remove(filepath.Join(s.files, filepath.FromSlash(key))); err != nil {
		t.Fatal(err)
	}
}

// lag is how many objects are due.
func (s *site) lag(t testing.TB) int64 {
	t.Helper()
	l, err := s.tenant.View().CopyLag(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l.Objects
}

func (s *site) copied(t *testing.T, key, content string) preservation.Object {
	t.Helper()
	o, r, err := s.second.Get(t.Context(), key, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != content {
		t.Errorf("%s: %q %v", key, b, err)
	}
	return o
}

func TestFollow(t *testing.T) {
	s := newSite(t)
	s.put(t, s.first, "cfg/before.json", "from before there was a copy", time.Hour)
	o := s.put(t, s.one, "cfg/a.json", "noted", time.Hour)
	if err := s.run(t); err != nil || s.lag(t) != 0 {
		t.Fatal(err, s.lag(t))
	}
	s.copied(t, "cfg/before.json", "from before there was a copy")
	if c := s.copied(t, "cfg/a.json", "noted"); c.ContentType != "text/plain" || c.Lock.Until.Before(o.Lock.Until) {
		t.Errorf("%+v, was %+v", c, o)
	}
	until := time.Now().Add(3 * time.Hour).Truncate(time.Second)
	if err := errors.Join(s.one.Extend(t.Context(), o.Key, o.VersionID, preservation.Lock{Mode: preservation.Compliance, Until: until}),
		s.one.SetHold(t.Context(), o.Key, o.VersionID, true), s.run(t)); err != nil {
		t.Fatal(err)
	}
	if c := s.copied(t, "cfg/a.json", "noted"); !c.Hold || c.Lock.Until.Before(until) {
		t.Errorf("%+v", c)
	}
}

// TestHold: a legal hold reaches the second copy, and leaves it when its release is told,
// not when the bucket merely shows none.
func TestHold(t *testing.T) {
	s := newSite(t)
	id := preservation.RecordID(preservation.NewID(time.Now()))
	o := s.put(t, s.one, preservation.PackageKey(id, 1), "a package", time.Hour)
	tell := func(detail string, to preservation.Store) {
		t.Helper()
		e := preservation.EventObject{Record: id, Event: preservation.Event{ID: preservation.NewID(time.Now()), Type: preservation.EventHold, At: time.Now(), Detail: detail}}
		data, _, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s.put(t, to, preservation.EventKey(id, e.Event.ID), string(data), time.Hour)
	}
	held := func(want bool) {
		t.Helper()
		if err := s.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.NeedCopy(o.Key) }); err != nil {
			t.Fatal(err)
		}
		if err := s.run(t); err != nil {
			t.Fatal(err)
		}
		if c := s.copied(t, o.Key, "a package"); c.Hold != want {
			t.Errorf("hold of the copy is %t", c.Hold)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.one.SetHold(t.Context(), o.Key, o.VersionID, true))
	tell(preservation.HoldSet, s.one)
	held(true)
	must(s.one.SetHold(t.Context(), o.Key, o.VersionID, false)) // as a restore from an older backup leaves it
	held(true)
	if n := s.lag(t); n != 1 || !strings.Contains(s.log.String(), "no release of it is noted") {
		t.Errorf("%d behind\n%s", n, &s.log)
	}
	tell(preservation.HoldReleased, s.one)
	held(false)
	if n := s.lag(t); n != 0 {
		t.Errorf("%d behind", n)
	}
}

// TestOneObject: one object that its store refuses is put off, although it is the only one
// that is due, and is no second copy that is away.
func TestOneObject(t *testing.T) {
	s := newSite(t)
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	s.put(t, s.one, "cfg/a.json", "x", time.Hour)
	s.between.Add(storetest.Plan{Op: storetest.OpPut, Err: preservation.Down(preservation.PartStore, io.ErrUnexpectedEOF)})
	before := s.between.Calls(storetest.OpPut)
	for range 3 {
		if err := s.run(t); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.between.Calls(storetest.OpPut) - before; n != 1 || s.lag(t) != 1 {
		t.Errorf("%d attempts, %d behind", n, s.lag(t))
	}
}

// TestPlaces: where second copies are stands in the catalog as documents, and one that
// was left for another counts until somebody says that it is gone.
func TestPlaces(t *testing.T) {
	s := newSite(t)
	stored := 0
	s.Configure = func(ctx context.Context, t *catalog.Tenant) error {
		docs, err := t.View().UnstoredDocuments(ctx, 10)
		stored = len(docs)
		return err
	}
	places := func(want ...string) {
		t.Helper()
		if have, err := Places(t.Context(), s.tenant.View()); err != nil || !slices.Equal(have, want) {
			t.Errorf("%v %v, want %v", have, err, want)
		}
	}
	places()
	for range 2 {
		if err := s.run(t); err != nil {
			t.Fatal(err)
		}
		places("zweit")
	}
	if stored != 1 {
		t.Errorf("%d documents were to be stored", stored)
	}
	s.Place = "dritt"
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	places("dritt", "zweit")
	if err := s.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.SetCursor(surveyName, "") }); err != nil { // as after a rebuild
		t.Fatal(err)
	}
	places("dritt", "zweit")
	if err := GiveUp(t.Context(), s.tenant, "dritt", "anna", time.Now()); err != nil {
		t.Fatal(err)
	}
	places("dritt")
	if err := errors.Join(s.run(t), GiveUp(t.Context(), s.tenant, "", "anna", time.Now())); err != nil {
		t.Fatal(err)
	}
	places()
	if err := s.run(t); err != nil { // it was not gone after all
		t.Fatal(err)
	}
	places("dritt")
}

// TestFollowAfterOutage: nothing is lost while the second copy is away, and one
// object that does not go holds nothing up.
func TestFollowAfterOutage(t *testing.T) {
	s := newSite(t)
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	for _, op := range []storetest.Op{storetest.OpStat, storetest.OpVersions} {
		s.between.Add(storetest.Plan{Op: op, Err: preservation.Down(preservation.PartStore, io.ErrUnexpectedEOF)})
	}
	for i := range 20 {
		s.put(t, s.one, fmt.Sprintf("cfg/%02d.json", i), fmt.Sprint(i), time.Hour)
	}
	if err := s.run(t); !errors.Is(err, preservation.ErrUnavailable) || s.lag(t) != 20 {
		t.Errorf("%d behind: %v", s.lag(t), err)
	}
	s.between.Heal()
	s.between.Add(storetest.Plan{Op: storetest.OpPut, Nth: s.between.Calls(storetest.OpPut) + 3})
	if err := s.run(t); err != nil || s.lag(t) != 1 || strings.Count(s.log.String(), "not copied") != 1 {
		t.Errorf("%d behind: %v\n%s", s.lag(t), err, &s.log)
	}
}

// TestCutOff: what was written and not noted as copied is read back by the next run.
func TestCutOff(t *testing.T) {
	s := newSite(t)
	s.put(t, s.one, "cfg/a.json", "written once", time.Hour)
	cut := errors.New("killed")
	s.fault = func(string) error { return cut }
	if err := s.run(t); err != nil || s.lag(t) != 1 {
		t.Fatalf("%d behind: %v", s.lag(t), err)
	}
	s.fault = nil
	s.Now = func() time.Time { return time.Now().Add(time.Minute) }
	if err := s.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.NeedCopy("cfg/a.json") }); err != nil {
		t.Fatal(err)
	}
	if err := s.run(t); err != nil || s.lag(t) != 0 {
		t.Fatalf("%d behind: %v", s.lag(t), err)
	}
	versions := 0
	for _, err := range s.second.Versions(t.Context(), "") {
		if versions++; err != nil {
			t.Fatal(err)
		}
	}
	if s.copied(t, "cfg/a.json", "written once"); versions != 1 {
		t.Errorf("%d versions", versions)
	}
}

// TestNeverWrongBytes: what is damaged is not copied, and what the second copy has
// otherwise is neither taken for a copy nor written over.
func TestNeverWrongBytes(t *testing.T) {
	s := newSite(t)
	damaged := &storetest.Fault{Store: s.first}
	damaged.Add(storetest.Plan{Op: storetest.OpOpen, Corrupt: true})
	s.put(t, s.one, "cfg/a.json", "right", time.Hour)
	s.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return damaged, nil }
	if err := s.run(t); err != nil || s.lag(t) != 1 {
		t.Errorf("%d behind: %v", s.lag(t), err)
	}
	if _, err := s.second.Stat(t.Context(), "cfg/a.json", ""); !errors.Is(err, preservation.ErrNotFound) {
		t.Errorf("copied: %v", err)
	}
	s.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return s.first, nil }
	s.put(t, s.second, "cfg/b.json", "wrong", time.Hour)
	s.put(t, s.one, "cfg/b.json", "right", time.Hour)
	if err := s.run(t); err != nil || s.lag(t) != 2 || !strings.Contains(s.log.String(), "other bytes") {
		t.Errorf("%d behind: %v\n%s", s.lag(t), err, &s.log)
	}
	s.copied(t, "cfg/b.json", "wrong")
}

// TestVault: what is destroyed is destroyed in both places or in none.
func TestVault(t *testing.T) {
	s := newSite(t)
	s.put(t, s.one, "evt/x/a.json", "both", time.Second)
	s.put(t, s.second, "evt/x/only.json", "only in the copy", time.Second)
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2100 * time.Millisecond) // locks end
	v := &Vault{Store: *s.one, Primary: s.first, Copy: s.between}
	s.between.Add(storetest.Plan{Op: storetest.OpPurge, Err: preservation.Down(preservation.PartStore, io.ErrUnexpectedEOF)})
	if err := v.Purge(t.Context(), "evt/x/a.json"); !errors.Is(err, preservation.ErrUnavailable) {
		t.Errorf("the copy is away: %v", err)
	}
	if _, err := s.first.Stat(t.Context(), "evt/x/a.json", ""); err != nil {
		t.Errorf("destroyed before the copy was: %v", err)
	}
	s.between.Heal()
	left := func() (n int) {
		for _, err := range v.Versions(t.Context(), "evt/x/") {
			if n++; err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	if n := left(); n != 3 {
		t.Errorf("%d versions in both places", n)
	}
	for o, err := range v.Versions(t.Context(), "evt/x/") { // each is described where it is
		if err == nil {
			o, err = v.Stat(t.Context(), o.Key, o.VersionID)
		}
		if err != nil || o.Lock.Mode != preservation.Compliance {
			t.Errorf("%+v %v", o, err)
		}
	}
	for _, key := range []string{"evt/x/a.json", "evt/x/only.json"} {
		if err := v.Purge(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if n := left(); n != 0 {
		t.Errorf("%d versions are left", n)
	}
}

// TestVaultProof: the proof of a destruction is in both places when it is written.
func TestVaultProof(t *testing.T) {
	s := newSite(t)
	v := &Vault{Store: *s.one, Primary: s.first, Copy: s.between}
	write := func(content string) error {
		sum := sha256.Sum256([]byte(content))
		_, err := v.Put(t.Context(), "evt/x/a.json", strings.NewReader(content), preservation.PutOptions{Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
			ContentType: "application/json", Lock: preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(time.Hour)}})
		return err
	}
	s.between.Add(storetest.Plan{Op: storetest.OpPut, Err: preservation.Down(preservation.PartStore, io.ErrUnexpectedEOF)})
	if err := write("first"); !errors.Is(err, preservation.ErrUnavailable) {
		t.Errorf("the copy is away: %v", err)
	}
	s.between.Heal()
	for range 2 {
		if err := write("later"); !errors.Is(err, preservation.ErrExists) {
			t.Error(err)
		}
		if o := s.copied(t, "evt/x/a.json", "first"); o.Lock.Mode != preservation.Compliance {
			t.Errorf("%+v", o)
		}
	}
	s.put(t, s.second, "evt/x/b.json", "other bytes", time.Hour)
	s.put(t, s.first, "evt/x/b.json", "bytes", time.Hour)
	if err := v.follow(t.Context(), "evt/x/b.json", preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(time.Hour)}); !errors.Is(err, preservation.ErrCorrupt) {
		t.Errorf("other bytes in the copy: %v", err)
	}
}

// TestNothingOfDestroyed: of a record that was destroyed nothing is copied but the proof.
func TestNothingOfDestroyed(t *testing.T) {
	s := newSite(t)
	id := preservation.RecordID(preservation.NewID(time.Now()))
	stone := catalog.Tombstone{Record: id, Class: "1", Actor: "system", Destroyed: time.Now(), Key: preservation.EventKey(id, preservation.NewID(time.Now()))}
	if err := s.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.Destroy(stone) }); err != nil {
		t.Fatal(err)
	}
	back := preservation.PackageKey(id, 1)
	s.put(t, s.one, stone.Key, "proof", time.Hour)
	s.put(t, s.one, back, "came back", time.Hour)
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	s.copied(t, stone.Key, "proof")
	if o, err := s.second.Stat(t.Context(), back, ""); !errors.Is(err, preservation.ErrNotFound) {
		t.Errorf("copied: %+v, %v", o, err)
	}
	s.put(t, s.second, back, "came back", time.Hour)
	if err := s.one.note(t.Context(), back); err != nil {
		t.Fatal(err)
	}
	if err := s.run(t); err != nil || s.lag(t) != 1 || !strings.Contains(s.log.String(), errDestroyed.Error()) {
		t.Errorf("%d behind: %v\n%s", s.lag(t), err, &s.log)
	}
}

// TestLostPackage: what the second copy loses of a record that lives is told, and brought
// again; not what leaves it with its record.
func TestLostPackage(t *testing.T) {
	s := newSite(t)
	begin := time.Now()
	ids := []preservation.RecordID{preservation.RecordID(preservation.NewID(begin)), preservation.RecordID(preservation.NewID(begin))}
	for _, id := range ids {
		r := preservation.Record{ID: id, Tenant: s.tenant.ID(), Version: 1, Submission: preservation.SubmissionID(preservation.NewID(begin)), Received: begin,
			Metadata: preservation.Metadata{Producer: "dms", ProducerRecordID: string(id), Class: "63.10", Title: "Bauantrag"}}
		o := s.put(t, s.one, preservation.PackageKey(id, 1), "a package", 60*24*time.Hour)
		if err := errors.Join(s.tenant.CreateSubmission(t.Context(), catalog.Submission{ID: r.Submission, RecordID: id, Metadata: r.Metadata, Received: begin}),
			s.tenant.BeginProcessing(t.Context(), r.Submission),
			s.tenant.CommitRecord(t.Context(), catalog.Commit{Record: r, Lock: o.Lock,
				Package: catalog.RecordObject{Key: o.Key, Kind: "package", Version: 1, VersionID: o.VersionID, Size: o.Size, SHA256: o.SHA256, Stored: o.Modified}})); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.run(t); err != nil || s.lag(t) != 0 {
		t.Fatal(err, s.lag(t))
	}
	if err := s.tenant.Update(t.Context(), func(x *catalog.Tx) error {
		return errors.Join(setSurvey(x, Survey{Place: s.Place, Ended: begin.Add(2 * overlap)}), x.BeginDisposal(catalog.Disposal{Record: ids[1], ID: preservation.NewID(begin), Key: "cfg/permit.json", Phase: "intended"}))
	}); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		s.lose(t, preservation.PackageKey(id, 1))
	}
	s.Now = func() time.Time { return begin.AddDate(0, 0, 10) }
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	found, err := s.tenant.View().Findings(t.Context(), "")
	if err != nil || len(found) != 1 || found[0].Code != CodeMissing || found[0].Subject != preservation.PackageKey(ids[0], 1) {
		t.Errorf("%+v, %v", found, err)
	}
	s.copied(t, preservation.PackageKey(ids[0], 1), "a package")
}

func TestRecordOf(t *testing.T) {
	id := preservation.RecordID(preservation.NewID(time.Now()))
	for key, want := range map[string]preservation.RecordID{
		preservation.PackageKey(id, 3): id, preservation.EventKey(id, "x"): id, preservation.ConfigKey("x"): "", "evt/x": "", "aip/00/x/v1.zip": "",
	} {
		if got, ok := RecordOf(key); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %s %t", key, got, ok)
		}
	}
}

// BenchmarkCopy brings small objects over, as many as ingest makes in seconds.
func BenchmarkCopy(b *testing.B) {
	s := newSite(b)
	if err := s.run(b); err != nil {
		b.Fatal(err)
	}
	content := strings.Repeat("x", 20<<10)
	for i := range b.N {
		s.put(b, s.one, fmt.Sprintf("cfg/%08d", i), content, time.Hour)
	}
	for b.ResetTimer(); s.lag(b) > 0; {
		if err := s.run(b); err != nil {
			b.Fatal(err)
		}
	}
}
