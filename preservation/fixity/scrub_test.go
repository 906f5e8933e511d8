package fixity_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sys/unix"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
	"bestand/preservation/storetest"
	"bestand/retention"
)

// scrub looks at everything each time it is run, since its period is over at once.
func (a archived) scrub(t testing.TB, log io.Writer, store preservation.Store) *fixity.Scrub {
	open := func(context.Context, *catalog.Tenant) (preservation.Store, error) { return store, nil }
	officer := &retention.Officer{Store: open, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	return &fixity.Scrub{
		Checker: &fixity.Checker{Dir: t.TempDir(), Now: time.Now, Seal: func(io.Reader, []byte) []preservation.Finding { return nil }},
		Store:   open,
		Event: func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, e preservation.Event) error {
			return officer.AddEvent(ctx, t, id, preservation.EventObject{Record: id, Event: e})
		},
		Period: time.Millisecond, Limit: fixity.NewLimit(1 << 30), Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

func run(t *testing.T, s *fixity.Scrub, a archived) {
	t.Helper()
	time.Sleep(5 * time.Millisecond)
	if err := s.Run(t.Context(), a.tenant, catalog.Job{}); err != nil {
		t.Fatal(err)
	}
}

// told returns the fixity events of the record.
func (a archived) told(t *testing.T) (all []preservation.Event) {
	t.Helper()
	events, err := a.tenant.Events(t.Context(), a.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Type == preservation.EventFixity {
			all = append(all, e)
		}
	}
	return all
}

// audited counts the entries of an action.
func (a archived) audited(t *testing.T, action string) (n int) {
	t.Helper()
	all, err := a.tenant.AuditLog(t.Context(), 0, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Action == action {
			n++
		}
	}
	return n
}

func TestScrub(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   string
		damage func(*testing.T, archived)
		mend   func(*testing.T, archived) // nil: it stays
		itself bool                       // the scrub mends it
	}{
		{"a bit", fixity.CodeObjectDigest,
			func(t *testing.T, a archived) { edit(t, a.file, flipBit) }, func(t *testing.T, a archived) { edit(t, a.file, flipBit) }, false},
		{"the package is gone", fixity.CodeObjectGone, func(t *testing.T, a archived) { rename(t, a.file, a.file+".away") },
			func(t *testing.T, a archived) { rename(t, a.file+".away", a.file) }, false},
		{"the receipt is gone", fixity.CodeObjectGone, func(t *testing.T, a archived) { rename(t, a.object(a.receipt), a.file+".away") },
			func(t *testing.T, a archived) { rename(t, a.file+".away", a.object(a.receipt)) }, false},
		{"the lock is gone", fixity.CodeLockGone, func(t *testing.T, a archived) {
			if err := unix.Removexattr(a.file, "user.object-retention"); err != nil {
				t.Fatal(err)
			}
		}, nil, true},
		{"a lock was shortened", fixity.CodeLockShort, func(t *testing.T, a archived) {
			until := time.Now().Add(48 * time.Hour)
			if err := a.tenant.Update(t.Context(), func(x *catalog.Tx) error {
				return x.SetLock(a.id, preservation.Lock{Mode: preservation.Compliance, Until: until})
			}); err != nil {
				t.Fatal(err)
			}
		}, nil, true},
		{"a version on top", fixity.CodeSurplus, func(t *testing.T, a archived) { a.over(t, preservation.PackageKey(a.id, 1)) }, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := archive(t)
			var log bytes.Buffer
			s := a.scrub(t, &log, a.bucket)
			run(t, s, a)
			if n := a.audited(t, "fixity.round"); n != 1 || len(a.told(t)) != 0 || log.Len() > 0 {
				t.Fatalf("intact, and %d rounds, %v, %s", n, a.told(t), &log)
			}
			c.damage(t, a)
			for range 3 { // the alarm comes once
				run(t, s, a)
			}
			if c.itself {
				if told := a.told(t); len(told) < 2 || !strings.Contains(told[0].Detail, c.code) || told[len(told)-1].Code != fixity.CodeRelocked || a.audited(t, "fixity.relock") == 0 {
					t.Errorf("events %+v", told)
				}
				if f, err := a.tenant.View().Fixity(t.Context()); err != nil || f.Findings != 0 {
					t.Errorf("%+v %v", f, err)
				}
				return
			}
			check, err := a.tenant.View().Checked(t.Context(), a.id)
			if err != nil || len(check.Findings) == 0 || time.Since(check.At) > time.Minute {
				t.Fatalf("%+v %v", check, err)
			}
			if told := a.told(t); len(told) != 1 || told[0].Outcome != preservation.Failure || !strings.Contains(told[0].Detail, c.code) {
				t.Errorf("events %+v", told)
			}
			if n := a.audited(t, "fixity.finding"); n != len(check.Findings) || strings.Count(log.String(), "\n") != n || !strings.Contains(log.String(), c.code) {
				t.Errorf("%d entries of the audit log, %+v\n%s", n, check, &log)
			}
			if f, err := a.tenant.View().Fixity(t.Context()); err != nil || f.Damaged != 1 || f.Findings != int64(len(check.Findings)) {
				t.Errorf("%+v %v", f, err)
			}
			if c.mend == nil {
				return
			}
			c.mend(t, a)
			run(t, s, a)
			if told := a.told(t); len(told) != 2 || told[1].Outcome != preservation.Success {
				t.Errorf("events %+v", told)
			}
			if f, err := a.tenant.View().Fixity(t.Context()); err != nil || f.Findings != 0 {
				t.Errorf("%+v %v", f, err)
			}
		})
	}
}

// TestReport: what a verification on demand finds is noted as what the job finds is, and
// stays in turn to be repaired.
func TestReport(t *testing.T) {
	a := archive(t)
	var log bytes.Buffer
	s := a.scrub(t, &log, a.bucket)
	run(t, s, a)
	before, err := a.tenant.View().Checked(t.Context(), a.id)
	if err != nil {
		t.Fatal(err)
	}
	copied := preservation.Finding{Code: fixity.CodeCopyGone, Severity: preservation.Failed, Subject: "x"}
	if err := a.tenant.Update(t.Context(), func(x *catalog.Tx) error { _, err := x.SetFindings(a.id, []preservation.Finding{copied}); return err }); err != nil {
		t.Fatal(err)
	}
	report := func() catalog.Check {
		t.Helper()
		if err := s.Report(t.Context(), a.tenant, a.id); err != nil {
			t.Fatal(err)
		}
		check, err := a.tenant.View().Checked(t.Context(), a.id)
		if err != nil || !check.At.Equal(before.At) || !slices.ContainsFunc(check.Findings, func(f preservation.Finding) bool { return f.Code == copied.Code }) {
			t.Fatalf("%+v %v", check, err)
		}
		return check
	}
	if check := report(); len(check.Findings) != 1 || log.Len() > 0 || len(a.told(t)) > 0 {
		t.Errorf("intact, and %+v, %s", check, &log)
	}
	edit(t, a.file, flipBit)
	check := report()
	report() // it is told once
	if told := a.told(t); len(told) != 1 || told[0].Outcome != preservation.Failure || !strings.Contains(told[0].Detail, fixity.CodeObjectDigest) {
		t.Errorf("events %+v", told)
	}
	if n := a.audited(t, "fixity.finding"); n != len(check.Findings)-1 || n == 0 || strings.Count(log.String(), "\n") != n {
		t.Errorf("%d entries of the audit log, %+v\n%s", n, check, &log)
	}
	s.Period = 1000 * time.Hour // it is not its turn
	if err := s.Run(t.Context(), a.tenant, catalog.Job{}); err != nil {
		t.Fatal(err)
	}
	if check, err := a.tenant.View().Checked(t.Context(), a.id); err != nil || !check.At.After(before.At) {
		t.Errorf("not taken up: %+v %v", check, err)
	}
	if err := s.Report(t.Context(), a.tenant, preservation.RecordID(preservation.NewID(time.Now()))); !errors.Is(err, catalog.ErrNotFound) {
		t.Error(err)
	}
}

// TestAgreed: a verification on demand that finds everything unchanged counts as reading
// the record back, unless something is known to be wrong with it.
func TestAgreed(t *testing.T) {
	a := archive(t)
	s := a.scrub(t, io.Discard, a.bucket)
	at := func() time.Time {
		t.Helper()
		if err := s.Agreed(t.Context(), a.tenant, a.id); err != nil {
			t.Fatal(err)
		}
		check, err := a.tenant.View().Checked(t.Context(), a.id)
		if err != nil {
			t.Fatal(err)
		}
		return check.At
	}
	now := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	s.Checker.Now = func() time.Time { return now }
	if got := at(); !got.Equal(now) {
		t.Errorf("read back at %v, want %v", got, now)
	}
	wrong := preservation.Finding{Code: fixity.CodeCopyGone, Severity: preservation.Failed, Subject: "x"}
	if err := a.tenant.Update(t.Context(), func(x *catalog.Tx) error { _, err := x.SetFindings(a.id, []preservation.Finding{wrong}); return err }); err != nil {
		t.Fatal(err)
	}
	before := now
	now = now.Add(time.Hour)
	if got := at(); !got.Equal(before) {
		t.Errorf("with a finding: read back at %v, want %v", got, before)
	}
	if err := s.Agreed(t.Context(), a.tenant, preservation.RecordID(preservation.NewID(now))); !errors.Is(err, catalog.ErrNotFound) {
		t.Error(err)
	}
}

func flipBit(b []byte) []byte {
	b[bytes.Index(b, []byte("augenehmigung"))-1] ^= 1 // and back again
	return b
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// over writes another version of a key, as no part of the archive does.
func (a archived) over(t *testing.T, key string) {
	t.Helper()
	over(t, a.behind, a.bucket.Name(), key)
}

func over(t *testing.T, behind *minio.Client, bucket, key string) {
	t.Helper()
	body := []byte("darüber")
	if _, err := behind.PutObject(t.Context(), bucket, key, bytes.NewReader(body), int64(len(body)),
		minio.PutObjectOptions{DisableContentSha256: true, Checksum: minio.ChecksumSHA256}); err != nil {
		t.Fatal(err)
	}
}

// TestScrubRest: what belongs to no record is looked at too, and a look that was
// broken off goes on where it was.
// TestScrubClockBack: a clock that steps back during a run does not have what is damaged
// looked at without end.
func TestScrubClockBack(t *testing.T) {
	a := archive(t)
	edit(t, a.file, flipBit)
	var log bytes.Buffer
	s := a.scrub(t, &log, a.bucket)
	run(t, s, a)
	first := true
	s.Checker.Now = func() time.Time {
		if first {
			first = false
			return time.Now()
		}
		return time.Now().Add(-48 * time.Hour)
	}
	s.Period = 100 * 24 * time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Run(ctx, a.tenant, catalog.Job{}); err != nil {
		t.Error(err)
	}
}

func TestScrubRest(t *testing.T) {
	a := archive(t)
	doc := catalog.Document{Kind: "rule", Name: "bauakten", Version: 1, Key: preservation.ConfigKey("0001"), Body: []byte(`{}`), Actor: "anna", At: 1}
	data, sum, err := preservation.ConfigObject{Kind: doc.Kind, Name: doc.Name, Version: 1, At: 1, Actor: "anna", Body: doc.Body}.Encode()
	if err == nil {
		_, err = a.bucket.Put(t.Context(), doc.Key, bytes.NewReader(data), preservation.PutOptions{Size: int64(len(data)), SHA256: sum,
			Lock: preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(time.Hour)}})
	}
	if err == nil {
		err = a.tenant.Update(t.Context(), func(x *catalog.Tx) error { return errors.Join(x.AddDocument(doc), x.DocumentStored(doc.Key)) })
	}
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := a.scrub(t, &log, a.bucket)
	run(t, s, a)
	if log.Len() > 0 {
		t.Fatal(log.String())
	}
	findings := func() (codes string) {
		all, err := a.tenant.View().Findings(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			codes += f.Code + " "
		}
		return codes
	}
	file := a.object(doc.Key)
	rename(t, file, a.file+".away")
	run(t, s, a)
	if got := findings(); got != fixity.CodeObjectGone+" " {
		t.Errorf("removed: %q", got)
	}
	rename(t, a.file+".away", file)
	edit(t, file, func(b []byte) []byte { return bytes.Replace(b, []byte("bauakten"), []byte("bauaktem"), 1) })
	a.over(t, "fremd/objekt")
	broken := &storetest.Fault{Store: a.bucket}
	broken.Add(storetest.Plan{Op: storetest.OpOpen, Err: io.ErrUnexpectedEOF})
	if err := a.scrub(t, &log, broken).Run(t.Context(), a.tenant, catalog.Job{}); err == nil {
		t.Error("a store that cannot be read passed")
	}
	run(t, s, a)
	run(t, s, a)
	if got := findings(); !strings.Contains(got, fixity.CodeObjectDigest) || !strings.Contains(got, fixity.CodeUnknown) || strings.Contains(got, fixity.CodeObjectGone) {
		t.Errorf("altered: %q", got)
	}
	if n := strings.Count(log.String(), fixity.CodeUnknown); n != 1 {
		t.Errorf("%d alarms\n%s", n, &log)
	}
}

// TestScrubUnreadable: a store that gives everything but one object is not away.
func TestScrubUnreadable(t *testing.T) {
	a := archive(t)
	a.configured(t)
	var log bytes.Buffer
	broken := &storetest.Fault{Store: a.bucket}
	broken.Add(storetest.Plan{Op: storetest.OpOpen, Nth: 1, Err: io.ErrUnexpectedEOF})
	run(t, a.scrub(t, &log, broken), a)
	if check, err := a.tenant.View().Checked(t.Context(), a.id); err != nil || len(check.Findings) != 1 || check.Findings[0].Code != fixity.CodeUnread {
		t.Errorf("%+v %v", check, err)
	}
}

// TestLimit: what is read is read at the rate.
func TestLimit(t *testing.T) {
	a := archive(t)
	l := fixity.NewLimit(1 << 20)
	slow := l.On(a.bucket)
	begin := time.Now()
	for range 30 { // a third of a mebibyte beyond what is free at the start
		o, r, err := slow.Get(t.Context(), preservation.PackageKey(a.id, 1), "")
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		if r.Close(); err != nil || n != o.Size {
			t.Fatal(n, err)
		}
		if n*30 < 300<<10 {
			t.Skipf("package of %d bytes is too small", n)
		}
	}
	if took := time.Since(begin); took < 20*time.Millisecond || l.Objects() != 30 {
		t.Errorf("%d objects in %v", l.Objects(), took)
	}
}

// BenchmarkScrub looks at an archive of one small record.
func BenchmarkScrub(b *testing.B) {
	a := archive(b)
	s := a.scrub(b, io.Discard, a.bucket)
	for b.Loop() {
		if err := s.Everything(b.Context(), a.tenant); err != nil {
			b.Fatal(err)
		}
	}
}
