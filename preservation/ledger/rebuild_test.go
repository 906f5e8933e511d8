package ledger_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// seen is everything of a tenant that a user can see, by what it is.
func seen(t *testing.T, tn *catalog.Tenant) map[string]any {
	t.Helper()
	ctx := t.Context()
	all := map[string]any{}
	keep := func(name string, v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(name, err)
		}
		all[name] = v
	}
	records, _, err := tn.Records(ctx, catalog.RecordFilter{}, "archived", "", 1000)
	keep("records", len(records), err)
	for _, r := range records {
		e, err := tn.Record(ctx, r.ID)
		e.Changed = time.Time{} // in this catalog
		keep("record "+string(r.ID), e, err)
		for _, f := range e.Files {
			_, at, err := tn.File(ctx, r.ID, f.ID)
			keep("place of "+string(r.ID)+"/"+string(f.ID), at, err)
		}
		events, err := tn.Events(ctx, r.ID)
		keep("events of "+string(r.ID), events, err)
		objects, err := tn.Objects(ctx, r.ID)
		keep("objects of "+string(r.ID), objects, err)
		triggers, err := tn.View().Triggers(ctx, r.ID)
		keep("triggers of "+string(r.ID), triggers, err)
		added, err := tn.View().Annotations(ctx, r.ID, "")
		keep("annotations of "+string(r.ID), added, err)
	}
	submissions, err := tn.Submissions(ctx, catalog.SubmissionFilter{}, "", 1000)
	keep("submissions", len(submissions), err)
	for _, s := range submissions {
		if s.Status == catalog.Archived && s.Receipt == "" {
			all["submissions"] = all["submissions"].(int) - 1 // what is left of a destroyed one is not in the bucket
			continue
		}
		if s.Status == catalog.Rejected { // its report tells of it, its metadata are gone
			s.Metadata = preservation.Metadata{Producer: s.Metadata.Producer}
			s.Fingerprint = ""
		}
		if s.Status == catalog.Rejected || s.Package {
			s.Problems = append([]preservation.Finding{}, ledger.Bare(s.Problems)...)
		}
		steps, err := tn.Steps(ctx, s.ID)
		for i := range steps {
			if s.Status == catalog.Rejected {
				steps[i].Detail = ""
			}
		}
		keep("steps of "+string(s.ID), steps, err)
		keep("submission "+string(s.ID), s, nil)
	}
	stones, err := tn.View().Tombstones(ctx, time.Time{}, 100)
	keep("tombstones", stones, err)
	for _, kind := range []string{"rule", "hold"} {
		d, err := tn.View().Documents(ctx, kind)
		keep(kind, d, err)
	}
	log, err := tn.AuditLog(ctx, 0, "", 10000)
	keep("audit", log, err)
	findings, err := tn.VerifyAudit(ctx)
	keep("audit findings", len(findings), err)
	return all
}

// differences names what two states have different.
func differences(t *testing.T, want, got map[string]any) {
	t.Helper()
	for k := range want {
		if !reflect.DeepEqual(want[k], got[k]) {
			t.Errorf("%s\n was %+v\n is  %+v", k, want[k], got[k])
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s was not there: %+v", k, got[k])
		}
	}
}

// filled is an archive with everything in it.
func filled(t *testing.T) *archive {
	a := newArchive(t)
	ctx := t.Context()
	for i := range 3 {
		r := record(fmt.Sprint("63/", i))
		f, b := file(1, fmt.Sprintf("Inhalt %d", i))
		r.Files = []preservation.File{f}
		a.keep(r, map[preservation.FileID][]byte{f.ID: b})
	}
	// A record with a second version, which holds only what is new.
	r := record("63/versions")
	f1, b1 := file(1, "bleibt")
	f2, b2 := file(2, "entfällt")
	f2.Name = "alt\xff.txt"
	r.Files = []preservation.File{f1, f2}
	r = a.keep(r, map[preservation.FileID][]byte{f1.ID: b1, f2.ID: b2})
	r.Version, r.Submission, r.Title = 2, preservation.SubmissionID(preservation.NewID(now())), "Bauantrag, ergänzt"
	held := r.Files[0]
	held.HeldIn = 1
	f3, b3 := file(3, "kommt dazu")
	r.Files = []preservation.File{held, f3}
	r = a.keep(r, map[preservation.FileID][]byte{f3.ID: b3})
	// What happened to it since.
	closed, granted := event(preservation.EventRetention), event(preservation.EventAccess)
	g := catalog.Trigger{ID: closed.ID, Record: r.ID, Type: "closure", Date: r.Closed, At: closed.At, Actor: "anna", Key: preservation.EventKey(r.ID, closed.ID)}
	was, since := a.happen(r.ID, closed, g), a.happen(r.ID, granted, nil)
	was.Version, since.Version = 2, 2
	a.must(a.Update(ctx, func(x *catalog.Tx) error {
		return errors.Join(x.AddTrigger(g), x.AddEvents(r.ID, closed, granted), x.AddObject(r.ID, was), x.AddObject(r.ID, since))
	}))
	// It got another class, twice.
	for _, class := range []string{"01.10", "05.10"} {
		e := event(preservation.EventReclassify)
		body := json.RawMessage(`{"class":"` + class + `"}`)
		at := a.happen(r.ID, e, body)
		at.Version = 2
		a.must(a.Update(ctx, func(x *catalog.Tx) error {
			return errors.Join(x.AddAnnotation(annotation(r.ID, e, body)), x.AddEvents(r.ID, e), x.AddObject(r.ID, at))
		}))
	}
	if e, err := a.Record(ctx, r.ID); err != nil || e.Class != "05.10" {
		t.Errorf("class %s, %v", e.Class, err)
	}
	a.configure("rule", "r1", 1, `{"years":10}`)
	a.configure("rule", "r1", 2, `{"years":8}`)
	a.configure("hold", "h1", 1, `{"reason":"Klage"}`)
	// A package of two records.
	a.parent = catalog.Submission{ID: preservation.SubmissionID(preservation.NewID(now())), Package: true, SubmittedBy: "dms-bauamt", Received: now(), Fingerprint: "p",
		Metadata: preservation.Metadata{Producer: "dms", ProducerRecordID: "Muster, Erika"}}
	a.must(a.CreateSubmission(ctx, a.parent))
	a.must(a.BeginProcessing(ctx, a.parent.ID))
	for i := range 2 {
		r := record(fmt.Sprint("sip/", i))
		f, b := file(1, "aus dem Paket")
		r.Files = []preservation.File{f}
		a.keep(r, map[preservation.FileID][]byte{f.ID: b})
	}
	problems := []preservation.Finding{{Code: "source-taken", Severity: preservation.Failed, Detail: "Muster, Erika"}}
	ended := event(preservation.EventStore)
	a.must(a.Unpacked(ctx, a.parent.ID, problems, ended))
	for range 2 {
		_, err := ledger.StorePackage(ctx, a.bucket, ledger.Package{JWS: "jws", Submission: a.parent.ID, Producer: "dms", Fingerprint: "p", SubmittedBy: "dms-bauamt",
			Status: string(catalog.Partial), Received: a.parent.Received, Problems: ledger.Bare(problems), Event: ended}, a.lock)
		a.must(err)
	}
	a.must(a.FinishPackage(ctx, a.parent.ID, catalog.Partial, "jws", ended))
	a.parent = catalog.Submission{}
	// A destroyed record, and one whose last object only was not written yet.
	a.tombstone(preservation.RecordID(preservation.NewID(now())))
	// A rejected submission.
	bad := catalog.Submission{ID: preservation.SubmissionID(preservation.NewID(now())), RecordID: preservation.RecordID(preservation.NewID(now())),
		Metadata: preservation.Metadata{Producer: "dms", ProducerRecordID: "63/bad", Title: "Muster, Erika"}, SubmittedBy: "dms-bauamt", Received: now()}
	a.must(a.CreateSubmission(ctx, bad, event(preservation.EventReceive)))
	a.must(a.Settle(ctx, bad.ID, catalog.Rejected, []preservation.Finding{{Code: "encrypted", Severity: preservation.Failed, Detail: "x"}}, event(preservation.EventValidate)))
	for range 2 {
		a.must(ledger.StoreReport(ctx, a.Tenant, a.bucket, bad.ID, a.lock))
	}
	a.must(ledger.StoreAudit(ctx, a.Tenant, a.bucket, a.lock))
	return a
}

func TestRebuildRestoresEverything(t *testing.T) {
	a := filled(t)
	want := seen(t, a.Tenant)
	into := newCatalog(t)
	var first ledger.Report
	for n := range 3 { // again, and over what is there, changes nothing
		report := a.rebuild(into)
		if len(report.Problems) > 0 {
			t.Errorf("problems: %+v", report.Problems)
		}
		if n == 0 {
			if first = report; report.Packages != 7 || report.Events != 11 || report.Documents != 3 || report.Tombstones != 1 {
				t.Errorf("%+v", report)
			}
		} else if !reflect.DeepEqual(first, report) {
			t.Errorf("the first time %+v, then %+v", first, report)
		}
		differences(t, want, seen(t, into))
		changes, _, err := into.Changes(t.Context(), "", 100)
		a.must(err)
		if len(changes) != 7 { // six records and a tombstone
			t.Errorf("%d changes", len(changes))
		}
	}
	if report := a.rebuild(a.Tenant); len(report.Problems) > 0 {
		t.Errorf("over the living catalog: %+v", report.Problems)
	}
	differences(t, want, seen(t, a.Tenant))
	if jobs, err := into.JobOf(t.Context(), "evaluate", "stale"); err != nil {
		t.Errorf("retention is not evaluated: %v %v", jobs, err)
	}
}

// What is below cfg/ is kept when the records are destroyed: nothing there may
// tell about them.
func TestConfigurationHoldsNothingPersonal(t *testing.T) {
	a := filled(t)
	for o, err := range a.bucket.Versions(t.Context(), "cfg/") {
		a.must(err)
		r, err := a.bucket.Open(t.Context(), o.Key, o.VersionID, 0, -1)
		a.must(err)
		data, err := io.ReadAll(r)
		a.must(errors.Join(err, r.Close()))
		if s := string(data); strings.Contains(s, "Muster") || strings.Contains(s, "63/bad") {
			t.Errorf("%s holds %s", o.Key, s)
		}
	}
}

// An intent alone destroys nothing: a package that is not there may be lost.
func TestRebuildBelievesNoIntent(t *testing.T) {
	a := newArchive(t)
	lost, kept := record("lost"), record("kept")
	for _, r := range []preservation.Record{lost, kept} {
		f, b := file(1, "x")
		r.Files = []preservation.File{f}
		zip, _ := a.pack(&r, map[preservation.FileID][]byte{f.ID: b})
		if r.ID == kept.ID {
			a.put(preservation.PackageKey(r.ID, 1), zip)
		}
		a.happen(r.ID, event(preservation.EventIntent), map[string]string{"x": "y"})
	}
	into := newCatalog(t)
	report := a.rebuild(into)
	if report.Tombstones != 0 || len(report.Problems) != 1 || report.Problems[0].Code != "package-missing" || report.Problems[0].Subject != preservation.EventPrefix(lost.ID) {
		t.Errorf("%+v", report)
	}
	if _, err := into.Record(t.Context(), lost.ID); !errors.Is(err, catalog.ErrNotFound) {
		t.Error(err)
	}
	if e, err := into.Record(t.Context(), kept.ID); err != nil || e.Status != "live" {
		t.Error(e, err)
	}
}

func TestReceiptBody(t *testing.T) {
	r := ledger.Receipt{JWS: "a.b.c", Submission: "s", Version: 1, Package: "k", PackageSHA256: "d"}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"jws":"a.b.c","submission_id":"s","version":1,"fingerprint":"","submitted_by":"","received":"0001-01-01T00:00:00Z","package":"k","package_sha256":"d"}`
	if string(b) != want {
		t.Errorf("the stored form changed:\n%s\n%s", b, want)
	}
}
