package fixity_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
	"bestand/preservation/ledger"
	"bestand/preservation/replica"
	"bestand/preservation/s3"
)

// put stores an object in a bucket, without anybody noting it.
func put(t *testing.T, b *s3.Bucket, key string, data []byte, locked time.Duration) preservation.Object {
	t.Helper()
	sum := sha256.Sum256(data)
	o, err := b.Put(t.Context(), key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]),
		Lock: preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(locked)}})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// event stores an event object of the record in a bucket, and returns its key.
func (d doubled) event(t *testing.T, b *s3.Bucket, kind preservation.EventType, detail string) string {
	t.Helper()
	now := time.Now()
	e := preservation.EventObject{Record: d.id, Event: preservation.Event{ID: preservation.NewID(now), Type: kind, At: now, Detail: detail}}
	data, _, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	key := preservation.EventKey(d.id, e.Event.ID)
	put(t, b, key, data, time.Hour)
	return key
}

// codes lists what was found about a record, or about none.
func (d doubled) codes(t *testing.T, id preservation.RecordID) (all []string) {
	t.Helper()
	found, err := d.tenant.View().Findings(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		all = append(all, f.Code+" "+f.Subject)
	}
	return all
}

// old lets everything in the second copy be from yesterday.
func (d doubled) old(t *testing.T) {
	t.Helper()
	yesterday := time.Now().AddDate(0, 0, -1)
	err := filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			err = os.Chtimes(path, yesterday, yesterday)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCopyAskedOnce: a second copy that does not answer is asked once in a run, and the bucket
// is checked all the same.
func TestCopyAskedOnce(t *testing.T) {
	d := double(t)
	remove(t, filepath.Join(d.dir, d.receipt))
	var log bytes.Buffer
	s := d.scrub(t, &log)
	copies, asked := s.Copies, 0
	s.Copies = func(context.Context, *catalog.Tenant) (fixity.Pair, error) {
		asked++
		return fixity.Pair{}, preservation.Down(preservation.PartStore, errors.New("hangs"))
	}
	edit(t, d.file, flipBit)
	if err := s.Everything(t.Context(), d.tenant); err != nil {
		t.Fatal(err)
	}
	if have := d.codes(t, d.id); asked != 1 || len(have) == 0 {
		t.Errorf("asked %d times, found %q\n%s", asked, have, &log)
	}
	s.Copies = copies
	if err := s.Everything(t.Context(), d.tenant); err != nil {
		t.Fatal(err)
	}
	if have := d.codes(t, d.id); len(have) > 0 {
		t.Errorf("both are mended, and %q\n%s", have, &log)
	}
}

// TestCopyOnly: what only the second copy has is told, of the record that lives and of
// one that nobody knows, and left as it is.
func TestCopyOnly(t *testing.T) {
	d := double(t)
	stranger := preservation.RecordID(preservation.NewID(time.Now()))
	put(t, d.copy, preservation.PackageKey(stranger, 1), []byte("x"), 3*time.Hour)
	put(t, d.copy, preservation.ConfigKey("lost"), []byte("x"), 3*time.Hour)
	put(t, d.copy, "was/das", []byte("x"), 3*time.Hour)
	event := d.event(t, d.copy, preservation.EventAccess, "")
	var log bytes.Buffer
	d.old(t)
	s := d.scrub(t, &log)
	want := []string{
		fixity.CodeCopyOnly + " " + preservation.PackagePrefix(stranger),
		fixity.CodeCopyOnly + " " + preservation.ConfigKey("lost"),
		fixity.CodeCopyOnly + " was/das",
	}
	for range 2 {
		run(t, s, d.archived)
		if have := d.codes(t, ""); !slices.Equal(have, want) {
			t.Errorf("found %q, want %q\n%s", have, want, &log)
		}
		if have := d.codes(t, d.id); len(have) != 1 || have[0] != fixity.CodeCopyOnly+" "+event {
			t.Errorf("found of the record %q", have)
		}
	}
	if n := d.audited(t, "fixity.finding"); n != 4 {
		t.Errorf("%d findings in the audit log", n)
	}
	s.Copies = nil
	run(t, s, d.archived)
	if have := append(d.codes(t, ""), d.codes(t, d.id)...); len(have) > 0 {
		t.Errorf("of a second copy that was given up: %q", have)
	}
}

// TestCopyRemains: what is left in the second copy of a destroyed record is told, to
// whoever destroys as well; the proof is not.
func TestCopyRemains(t *testing.T) {
	d := double(t)
	intent, proof := d.event(t, d.copy, preservation.EventIntent, ""), d.event(t, d.copy, preservation.EventDelete, "")
	remove(t, d.file)
	remove(t, d.object(d.receipt))
	stone := catalog.Tombstone{Record: d.id, Destroyed: time.Now(), Intent: intent, Key: proof}
	if err := d.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.Destroy(stone) }); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	d.old(t)
	s := d.scrub(t, &log)
	var left []preservation.RecordID
	s.Checker.Left = func(_ context.Context, _ *catalog.Tenant, id preservation.RecordID) error {
		left = append(left, id)
		return nil
	}
	run(t, s, d.archived)
	want := []string{fixity.CodeCopyRemains + " " + preservation.PackageKey(d.id, 1), fixity.CodeCopyRemains + " " + d.receipt}
	if have := d.codes(t, ""); !slices.Equal(have, want) || !slices.Contains(left, d.id) {
		t.Errorf("found %q, want %q; told of %v\n%s", have, want, left, &log)
	}
}

// TestCameBack: of a record that lives, and of which the second copy says that it was
// destroyed, nothing is copied, and a person is told what to do.
func TestCameBack(t *testing.T) {
	d := double(t)
	proof := d.event(t, d.copy, preservation.EventDelete, "")
	dir := d.dir + "/"
	remove(t, dir+preservation.PackageKey(d.id, 1))
	remove(t, dir+d.receipt)
	c := d.copier()
	for range 2 {
		for _, key := range []string{preservation.PackageKey(d.id, 1), d.receipt} {
			if err := d.tenant.Update(t.Context(), func(x *catalog.Tx) error { return x.NeedCopy(key) }); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Run(t.Context(), d.tenant, catalog.Job{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{preservation.PackageKey(d.id, 1), d.receipt} {
		if _, err := d.copy.Stat(t.Context(), key, ""); !errors.Is(err, preservation.ErrNotFound) {
			t.Errorf("%s was copied: %v", key, err)
		}
	}
	if have := d.codes(t, d.id); len(have) != 1 || have[0] != replica.CodeTombstone+" "+proof || d.audited(t, "copy.refuse") != 1 {
		t.Errorf("found %q, %d audit entries", have, d.audited(t, "copy.refuse"))
	}
	var log bytes.Buffer
	d.old(t)
	s := d.scrub(t, &log)
	for range 2 {
		run(t, s, d.archived)
		if have := d.codes(t, d.id); !slices.Contains(have, replica.CodeTombstone+" "+proof) {
			t.Errorf("the scrub found %q\n%s", have, &log)
		}
	}
	if _, err := d.copy.Stat(t.Context(), preservation.PackageKey(d.id, 1), ""); !errors.Is(err, preservation.ErrNotFound) {
		t.Errorf("the scrub wrote it again: %v", err)
	}
}

// TestCopyHeld: a legal hold that only the second copy shows is told, until its release is.
func TestCopyHeld(t *testing.T) {
	d := double(t)
	d.event(t, d.copy, preservation.EventHold, preservation.HoldSet)
	if err := d.copy.SetHold(t.Context(), preservation.PackageKey(d.id, 1), "", true); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := d.scrub(t, &log)
	run(t, s, d.archived)
	if have := d.codes(t, d.id); len(have) != 1 || have[0] != replica.CodeHeld+" "+string(d.id) {
		t.Errorf("found %q\n%s", have, &log)
	}
	time.Sleep(2 * time.Millisecond)
	d.event(t, d.bucket, preservation.EventHold, preservation.HoldReleased)
	run(t, s, d.archived)
	if have := d.codes(t, d.id); len(have) > 0 {
		t.Errorf("found %q after the release", have)
	}
}

// TestCopyRelock: a lock of the second copy that is shorter than it should be is set
// again, of a record also while other objects wait to be copied.
func TestCopyRelock(t *testing.T) {
	d := double(t)
	key := preservation.StampKey(time.Now(), "x", "leaves.txt")
	o := put(t, d.bucket, key, []byte("x"), 3*time.Hour)
	put(t, d.copy, key, []byte("x"), time.Hour)
	d.change(t, "UPDATE record SET lock_until_ms = lock_until_ms + 3600000")
	d.change(t, "INSERT INTO copy_due (tenant, key, since_ms) VALUES ('musterstadt', 'cfg/other.json', 1)")
	var log bytes.Buffer
	s := d.scrub(t, &log)
	run(t, s, d.archived)
	if have, err := d.copy.Stat(t.Context(), key, ""); err != nil || have.Lock != o.Lock {
		t.Errorf("lock %+v, want %+v: %v", have.Lock, o.Lock, err)
	}
	if n := d.audited(t, "fixity.relock"); n != 3 { // package in both places, stamp
		t.Errorf("%d locks set again\n%s", n, &log)
	}
	log.Reset()
	run(t, s, d.archived)
	if log.Len() > 0 {
		t.Error(log.String())
	}
}

// refusing does not give the bytes of one version.
type refusing struct {
	*s3.Bucket
	version string
}

func (r refusing) Open(ctx context.Context, key, version string, off, length int64) (io.ReadCloser, error) {
	if version == r.version {
		return nil, preservation.Down(preservation.PartStore, errors.New("input/output error"))
	}
	return r.Bucket.Open(ctx, key, version, off, length)
}

// TestCopyUnreadable: an object that the store of the second copy does not give, while it
// gives others, is damaged and is written again.
func TestCopyUnreadable(t *testing.T) {
	for _, what := range []string{"record", "configuration"} {
		t.Run(what, func(t *testing.T) {
			d := double(t)
			for _, b := range []*s3.Bucket{d.bucket, d.copy} {
				put(t, b, "cfg/a.json", []byte("{}"), time.Hour)
				put(t, b, "er/2026/x/leaves.txt", []byte("x"), time.Hour)
			}
			key, repairs := preservation.PackageKey(d.id, 1), "fixity.repair"
			if what != "record" {
				key = "er/2026/x/leaves.txt"
			}
			o, err := d.copy.Stat(t.Context(), key, "")
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s := d.scrub(t, &log)
			s.Checker.Stamps = nil
			s.Copies = func(context.Context, *catalog.Tenant) (fixity.Pair, error) {
				return fixity.Pair{Primary: d.bucket, Copy: refusing{d.copy, o.VersionID}}, nil
			}
			run(t, s, d.archived)
			if n := d.audited(t, repairs); n != 1 {
				t.Fatalf("%d repairs\n%s", n, &log)
			}
			if now, err := d.copy.Stat(t.Context(), key, ""); err != nil || now.VersionID == o.VersionID || now.SHA256 != o.SHA256 {
				t.Errorf("%+v, was %+v: %v", now, o, err)
			}
			log.Reset()
			run(t, s, d.archived)
			if n := d.audited(t, repairs); n != 1 || strings.Contains(log.String(), "ERROR msg=\"fixity: what is stored is not what was stored\" tenant=musterstadt record="+string(d.id)+" code=copy") {
				t.Errorf("%d repairs\n%s", n, &log)
			}
		})
	}
}

// awayNow is a second copy that went away after it was opened.
type awayNow struct{ *s3.Bucket }

func (a awayNow) Stat(context.Context, string, string) (preservation.Object, error) {
	return preservation.Object{}, preservation.Down(preservation.PartStore, errors.New("away"))
}

func (a awayNow) Open(context.Context, string, string, int64, int64) (io.ReadCloser, error) {
	return nil, preservation.Down(preservation.PartStore, errors.New("away"))
}

// TestRoundEndsWithoutCopy: while the second copy is away the bucket is looked at to the
// end, once, and the look at the second copy goes on when it is back.
func TestRoundEndsWithoutCopy(t *testing.T) {
	d := double(t)
	put(t, d.bucket, "cfg/a.json", []byte("{}"), time.Hour)
	put(t, d.copy, "cfg/a.json", []byte("{}"), time.Hour)
	var log bytes.Buffer
	s := d.scrub(t, &log)
	open := s.Copies
	s.Copies = func(context.Context, *catalog.Tenant) (fixity.Pair, error) {
		return fixity.Pair{Primary: d.bucket, Copy: awayNow{d.copy}}, nil
	}
	s.Period = 2 * time.Hour
	d.change(t, "UPDATE record SET checked_ms = 1")
	for range 2 {
		if err := s.Run(t.Context(), d.tenant, catalog.Job{}); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := fixity.LastRound(t.Context(), d.tenant); err != nil || r.Ended.IsZero() {
		t.Errorf("%+v %v\n%s", r, err, &log)
	}
	read := s.Limit.Objects()
	if err := s.Run(t.Context(), d.tenant, catalog.Job{}); err != nil || s.Limit.Objects() != read {
		t.Errorf("%d objects were read again: %v", s.Limit.Objects()-read, err)
	}
	s.Copies = open
	if err := s.Run(t.Context(), d.tenant, catalog.Job{}); err != nil || s.Limit.Objects() == read {
		t.Errorf("the second copy is not looked at: %v", err)
	}
}

// TestCopySegment: a segment of the audit log that is damaged in the second copy is found by
// the look at that, and written again.
func TestCopySegment(t *testing.T) {
	d := double(t)
	lock := preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(time.Hour)}
	if err := errors.Join(d.tenant.Audit(t.Context(), catalog.AuditEntry{Actor: "anna", Action: "record.read", Object: "x"}),
		ledger.StoreAudit(t.Context(), d.tenant, &replica.Store{Store: d.bucket, Tenant: d.tenant}, lock)); err != nil {
		t.Fatal(err)
	}
	d.follow(t)
	segment, err := d.tenant.View().NewestAuditSegment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(d.dir, filepath.FromSlash(segment.Key)), func(b []byte) []byte { return bytes.Replace(b, []byte("anna"), []byte("anne"), 1) })
	var log bytes.Buffer
	run(t, d.scrub(t, &log), d.archived)
	o, err := d.copy.Stat(t.Context(), segment.Key, "")
	if err != nil {
		t.Fatal(err)
	}
	if sum, err := preservation.StoredSHA256(t.Context(), d.copy, o); err != nil || sum != segment.SHA256 {
		t.Errorf("SHA-256 of the second copy is %s, of the segment %s: %v", sum, segment.SHA256, err)
	}
	if entries, err := d.tenant.View().Audited(t.Context(), "fixity.repair", segment.Key); err != nil || len(entries) != 1 || entries[0].Detail["code"] != fixity.CodeCopyMended {
		t.Errorf("%+v, %v\n%s", entries, err, &log)
	}
}

// TestCopyHiddenStays: an object that a delete marker hides in the second copy and that
// cannot be written again is told, and the look goes on.
func TestCopyHiddenStays(t *testing.T) {
	d := double(t)
	docs := d.documents(t, "hidden")
	if err := d.copyAside.RemoveObject(t.Context(), d.copy.Name(), docs["hidden"], minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, d.copy, "was/das", []byte("x"), 3*time.Hour)
	var log bytes.Buffer
	s := d.scrub(t, &log)
	s.Copies = func(context.Context, *catalog.Tenant) (fixity.Pair, error) {
		return fixity.Pair{Primary: d.bucket, Copy: unwritable{d.copy}}, nil
	}
	run(t, s, d.archived)
	want := []string{fixity.CodeCopyGone + " " + docs["hidden"], fixity.CodeCopySurplus + " " + docs["hidden"], fixity.CodeCopyOnly + " was/das"}
	if have := d.codes(t, ""); !slices.Equal(have, want) {
		t.Errorf("found %q, want %q\n%s", have, want, &log)
	}
}

// unwritable is a bucket in which nothing can be written again.
type unwritable struct{ *s3.Bucket }

func (unwritable) Replace(context.Context, string, io.Reader, preservation.PutOptions) (preservation.Object, error) {
	return preservation.Object{}, errors.New("full")
}
