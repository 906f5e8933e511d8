package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/retention"
)

// disposalRun is what the interface tells of one.
type disposalRun struct {
	ID       string
	Status   string
	Revision int
	Counts   retention.RunCounts
	Approval retention.Approval
	Stop     retention.Stop
	Items    []struct{ Record, State, Decision, Reason string }
}

func (c *caller) disposalRun(id string) (r disposalRun) {
	c.Helper()
	c.get("/v1/disposals/"+id+"?limit=200").want(c.T, 200).decode(c.T, &r)
	return r
}

// TestDisposalRun has people dispose of records: one is destroyed, one claimed by the
// archive, one held between approval and execution, one kept longer. Then everything
// is restored from the bucket.
func TestDisposalRun(t *testing.T) {
	converters(t)
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance), "--backup-days", "30").serve(t)
	admin := in.admin(t)
	o := newOffice(admin)
	archive := func(id string) string {
		t.Helper()
		_, r := admin.archive(about(id, leave, "Titelwort"+id, "closed", "2001-02-28"), file(id+".txt", "Im Text steht Inhaltswort"+id+".\n"), file(id+".bin", blob("Bytewort"+id)))
		return r.ID
	}
	gone, claimed, held, kept := archive("zuvernichten"), archive("uebernommen"), archive("gesperrt"), archive("behalten")
	eventually(t, "four records are due", func() bool { return len(admin.due()) == 4 })
	eventually(t, "the index finds them", func() bool { return len(admin.find("Titelwortzuvernichten")) == 1 })

	var run disposalRun
	o.officer.post("/v1/disposals", map[string]any{"title": "2026/1", "classes": []string{"02"}}).want(t, 201).decode(t, &run)
	path := "/v1/disposals/" + run.ID
	if run.Status != "draft" || run.Counts.Open != 4 {
		t.Errorf("%+v", run)
	}
	one := func(id string) map[string]any { return map[string]any{"records": []string{id}} }
	decide := func(decisions ...any) reply {
		return o.officer.post(path+"/decisions", map[string]any{"decisions": decisions})
	}
	o.head.post(path+"/approval", nil).refused(t, 409, "conflict", "")
	token, list := filepath.Join(t.TempDir(), "token"), filepath.Join(t.TempDir(), "list.csv")
	if err := os.WriteFile(token, []byte(o.officer.token), 0o600); err != nil {
		t.Fatal(err)
	}
	disposal := func(act string, args ...string) string {
		t.Helper()
		out, complaint, code := program(t, append([]string{"disposal", act, "--server", in.url, "--token-file", token}, args...)...)
		if code != 0 {
			t.Fatalf("disposal %s: %s", act, complaint)
		}
		return out
	}
	disposal("decide", "--decision", "V", "--note", "ohne Wert", run.ID)
	disposal("show", "--csv", list, run.ID)
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(";Aktenzeichen;Titel;Eröffnet;Geschlossen;")) || !bytes.Contains(text, []byte(admin.record(kept).Title)) {
		t.Errorf("the list does not say what its records are called:\n%s", text)
	}
	text = bytes.Replace(text, []byte(kept+";V;;ohne Wert"), []byte(kept+";K;31.12.2099;Klage angekündigt"), 1)
	if err := os.WriteFile(list, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := disposal("decide", "--csv", list, run.ID); !strings.Contains(out, "to be destroyed 3, to be archived 0, kept longer 1") {
		t.Errorf("decided by a file:\n%s", out)
	}
	if out := disposal("list"); !strings.Contains(out, run.ID) {
		t.Errorf("the list:\n%s", out)
	}
	decide(map[string]any{"scope": one(kept), "decision": "K", "until": "2099-12-31"}).refused(t, 422, "invalid", "")
	o.officer.post(path+"/offer", map[string]any{"authority": "Kreisarchiv", "offered": today(t), "reference": "12/26"}).want(t, 200)
	o.archivist.post(path+"/answers", map[string]any{"answers": []any{map[string]any{"scope": one(claimed), "answer": "A"},
		map[string]any{"scope": map[string]any{"records": []string{gone, held}}, "answer": "V", "note": "ohne Archivwert"}}}).want(t, 200)
	o.archivist.post(path+"/approval", nil).refused(t, 403, "same-person", "") // noted the answer
	o.officer.post(path+"/approval", nil).refused(t, 403, "forbidden", "")
	o.head.post(path+"/approval", map[string]any{"revision": 1}).refused(t, 409, "conflict", "")
	run = admin.disposalRun(run.ID)
	o.head.post(path+"/approval", map[string]any{"revision": run.Revision}).want(t, 200)
	o.officer.post("/v1/holds", map[string]any{"scope": one(held), "authority": "Amtsgericht", "reason": "Verfahren 3 C 12/24", "review": "2099-01-01"}).want(t, 201)
	o.officer.post(path+"/execution", nil).want(t, 202) // with the grace period of the installation
	in.enqueue(t, retention.JobDispose)
	admin.get("/v1/records/"+gone).want(t, 200)
	o.head.post(path+"/stop", map[string]any{"reason": "zu spät gesehen"}).want(t, 200)
	o.officer.post(path+"/execution", map[string]any{"grace_days": 0}).want(t, 202)
	eventually(t, "the run did what it can", func() bool {
		n := admin.disposalRun(run.ID).Counts
		return n.Destroyed == 1 && n.Left == 2
	})
	if p := admin.get("/v1/records/"+gone).refused(t, 410, "destroyed", ""); p.Tombstone.Run != run.ID || p.Tombstone.Permit != "" {
		t.Errorf("%+v", p.Tombstone)
	}
	for _, id := range []string{claimed, held, kept} {
		admin.verified(id)
	}
	transfer := map[string]any{"scope": one(claimed), "receiver": "Kreisarchiv", "reference": "Ü 3/26", "acknowledged": today(t), "own_copy": "keep"}
	o.officer.post(path+"/transfers", transfer).refused(t, 409, "conflict", "")
	container := strings.TrimSpace(disposal("export", "--out", t.TempDir(), run.ID))
	if !strings.HasSuffix(container, "_0503_1.zip") {
		t.Errorf("exported %q", container)
	}
	newVerifier(t, in).run("unzip", "-tq", container)
	disposal("transfer", "--record", claimed, "--receiver", "Kreisarchiv", "--reference", "Ü 3/26", "--on", today(t), "--own-copy", "keep", run.ID)
	eventually(t, "the run has ended", func() bool { return admin.disposalRun(run.ID).Status == "completed" })
	for _, i := range admin.disposalRun(run.ID).Items {
		want := map[string][2]string{gone: {"destroyed", ""}, claimed: {"transferred", ""}, held: {"left", "it is held"}, kept: {"left", "Klage angekündigt"}}[i.Record]
		if i.State != want[0] || !strings.Contains(i.Reason, want[1]) {
			t.Errorf("%+v, want %v", i, want)
		}
	}
	if s := admin.record(claimed).Retention.State; s != retention.Permanent {
		t.Errorf("the copy for the archive is %s", s)
	}
	in.certified(t, o, run.ID, gone, kept)
	t.Run("bytes", func(t *testing.T) { in.noTrace(t, "zuvernichten") })
	before := admin.get(path+"?limit=200").want(t, 200).body
	in.settled(t, admin)
	in.stop(t)
	in.lose(t, "catalog.db*", "index", tokenFile)
	if out, complaint, code := program(t, append([]string{"rebuild", "--data", in.dir}, in.flags...)...); code != 0 {
		t.Fatalf("rebuild: exit code %d\n%s%s", code, out, complaint)
	}
	in.serve(t)
	admin = in.admin(t)
	if after := admin.get(path+"?limit=200").want(t, 200).body; !bytes.Equal(after, before) {
		t.Errorf("the run was\n%s\nand is\n%s", before, after)
	}
	if s := admin.record(claimed).Retention.State; s != retention.Permanent {
		t.Errorf("the copy for the archive is %s", s)
	}
	var custody struct{ Owner, Custodian string }
	if admin.get("/v1/records/"+claimed).want(t, 200).decode(t, &custody); custody.Owner == "" || custody.Custodian != "Kreisarchiv" {
		t.Errorf("%+v", custody)
	}
	in.proof = map[string]bool{}
	for _, key := range in.keys(t, preservation.EventPrefix(preservation.RecordID(gone))) {
		in.proof[key] = true
	}
	if len(in.proof) != 2 {
		t.Errorf("%v stays of the destroyed record, want intent and tombstone", in.proof)
	}
	in.audit(t)
}

// certified wants the certificate of a run as JSON, as sealed PDF/A, and as a record of
// its own that tells nothing of the content.
func (in *installation) certified(t *testing.T, o office, run, gone, kept string) {
	t.Helper()
	admin := in.admin(t)
	path := "/v1/disposals/" + run
	var certificate struct {
		retention.Certificate
		Records []retention.CertifiedRecord
	}
	o.head.get(path+"/certificate").want(t, 200).decode(t, &certificate)
	if certificate.Counts.Destroyed != 1 || certificate.Approval.By != "leitung" || certificate.Backups.Days != 30 || len(certificate.Records) != 4 {
		t.Errorf("%+v", certificate)
	}
	for _, r := range certificate.Records {
		if string(r.Record) == gone && (r.Outcome != "destroyed" || r.LegalBasis == "" || r.Destroyed.IsZero() || r.Closed.String() != "2001-02-28") ||
			string(r.Record) == kept && (r.Outcome != "left" || r.Reason == "" || r.LegalBasis == "" || r.Closed.String() != "2001-02-28") {
			t.Errorf("%+v", r)
		}
	}
	v := newVerifier(t, in)
	text := v.page("certificate.pdf", o.head.get(path+"/certificate?format=pdf").want(t, 200).body,
		"Nachweis einer Aussonderung", "leitung", "Kreisarchiv", "30 Tage", "vernichtet", "Frist beendet", "Verlauf", "Angehalten", "gesehen", "Kopie bleibt")
	if strings.Contains(text, "Titelwort") {
		t.Error("the certificate tells of the content")
	}
	var record string
	eventually(t, "the certificate is a record", func() bool {
		var r struct{ Certificate string }
		admin.get(path).want(t, 200).decode(t, &r)
		record = r.Certificate
		return record != ""
	})
	h := admin.record(record)
	if h.Retention.State != retention.Retained && h.Retention.State != retention.Closed || len(h.Files) < 2 {
		t.Errorf("%+v", h)
	}
	admin.verified(record)
}

// TestCertificateWaits: a run that ended while no class was for its certificate says so,
// until somebody makes one: then the certificate is archived and nothing waits any more.
func TestCertificateWaits(t *testing.T) {
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance)).serve(t)
	admin := in.admin(t)
	var plan struct {
		Title   string
		Classes []map[string]any
	}
	admin.get("/v1/classification").want(t, 200).decode(t, &plan)
	put := func(classes []map[string]any) {
		t.Helper()
		admin.post("/v1/classification", map[string]any{"title": plan.Title, "classes": classes}).want(t, 201)
	}
	put(slices.DeleteFunc(slices.Clone(plan.Classes), func(c map[string]any) bool { return c["rule"] == retention.CertificateRule }))
	path := "/v1/disposals/" + approvedRun(t, admin)
	admin.post(path+"/execution", map[string]any{"grace_days": 0}).want(t, 202)
	type state struct {
		Status, Certificate string
		Waits               string `json:"certificate_waits"`
	}
	now := func() (s state) {
		t.Helper()
		admin.get(path).want(t, 200).decode(t, &s)
		return s
	}
	eventually(t, "the run has ended", func() bool { return now().Status == string(retention.RunCompleted) })
	if s := now(); s.Certificate != "" || !strings.Contains(s.Waits, retention.CertificateRule) || !strings.Contains(s.Waits, "add one") {
		t.Errorf("%+v", s)
	}
	put(plan.Classes)
	eventually(t, "the certificate is handed over", func() bool {
		return in.count(t, `SELECT COUNT(*) FROM submission WHERE producer = $1`, certificateProducer) == 1
	})
	eventually(t, "the certificate is a record", func() bool { return now().Certificate != "" })
	if s := now(); s.Waits != "" || admin.record(s.Certificate).Retention.State == retention.Unresolved {
		t.Errorf("%+v", s)
	}
}

// TestDisposalUsage is refused before anything is sent.
func TestDisposalUsage(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"cancel RUN", "--reason"},
		{"stop RUN", "--reason"},
		{"transfer --record quatsch RUN", "not the identifier of a record"},
		{"decide --decision V --record quatsch RUN", "not the identifier of a record"},
		{"decide --csv list.csv --class 02 RUN", "--csv names its records itself"},
		{"certificate RUN nachweis.docx", "FILE.pdf"},
		{"certificate --pdf RUN nachweis.json", "FILE.pdf"},
		{"certificate RUN a.pdf b.pdf", "FILE.pdf"},
	} {
		act, rest, _ := strings.Cut(c.args, " ")
		args := append([]string{"disposal", act, "--server", "http://127.0.0.1:1", "--token-file", os.DevNull}, strings.Split(rest, " ")...)
		if _, complaint, code := program(t, args...); code != 2 || !strings.Contains(complaint, c.says) {
			t.Errorf("%s: exit code %d: %s", c.args, code, complaint)
		}
	}
}

// today is the day at which the tenants of the tests are.
func today(t testing.TB) string {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return time.Now().In(zone).Format(time.DateOnly)
}
