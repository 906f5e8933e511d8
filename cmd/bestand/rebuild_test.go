package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// rebuilt fills an installation with everything that a person can change, loses
// its catalog and its index, restores both from the bucket and wants to see the
// same as before.
func (in *installation) rebuilt(t *testing.T, o office, gone, goneSubmission, held string) {
	admin := in.admin(t)
	in.decide(t, o)
	if _, complaint, code := program(t, "ingest", "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile), "--producer", "samples",
		"--receipts", t.TempDir(), "--wait", filepath.Join(samples, "bauakte"), filepath.Join(samples, "schriftwechsel")); code != 0 {
		t.Fatalf("ingest: %s", complaint)
	}
	var made struct{ Token string }
	admin.post("/v1/tenants", map[string]any{"id": "nebenan", "name": "Gemeinde Nebenan", "admin": "nachbar"}).want(t, 201).decode(t, &made)
	neighbour := &caller{T: t, url: in.url, token: made.Token}
	neighbour.archive(about("n", "63.10", "Nachbarschaft"), file("a.bin", blob("nebenan")))

	admin.post("/v1/evidence/batches", nil).want(t, 200)
	neighbour.post("/v1/evidence/batches", nil).want(t, 200)
	in.settled(t, admin, neighbour)
	// Reading is noted too, so the log is taken last and compared up to here.
	before, beside := admin.everything(gone, goneSubmission), neighbour.everything("", "")
	log, logBeside := admin.log(), neighbour.log()
	in.enqueue(t, "store-audit")
	in.enqueueFor(t, "nebenan", "store-audit")
	in.stop(t)
	in.lose(t, "catalog.db*", "index", tokenFile, "work", "uploads")
	args := append([]string{"rebuild", "--data", in.dir}, in.flags...)
	for range 2 { // the second time it has nothing to do
		out, complaint, code := program(t, args...)
		if code != 0 {
			t.Fatalf("rebuild: exit code %d\n%s%s", code, out, complaint)
		}
		for _, tenant := range []string{"musterstadt: ", "nebenan: "} {
			if !strings.Contains(out, tenant) {
				t.Errorf("rebuild says nothing of %s:\n%s", tenant, out)
			}
		}
	}
	in.serve(t)
	admin = in.admin(t)
	neighbour = in.issue(t, "nebenan", "nachbar", "admin", "reader", "auditor")
	in.settled(t, admin, neighbour)
	same(t, "musterstadt", before, admin.everything(gone, goneSubmission))
	same(t, "nebenan", beside, neighbour.everything("", ""))
	same(t, "audit log", log, first(admin.log(), len(log)))
	same(t, "audit log of nebenan", logBeside, first(neighbour.log(), len(logBeside)))
	admin.verified(held)
	out, _, code := program(t, "rebuild", "--data", in.dir)
	if code == 0 {
		t.Errorf("rebuild beside a running service: %s", out)
	}
	// What rests on the restored state goes on.
	in.enqueue(t, retention.JobDispose)
	admin.get("/v1/records/"+gone).refused(t, 410, "destroyed", "")
	admin.verified(held)
	var again status
	admin.send(about("gesperrt", parentContacts, "Titelwortgesperrt", "closed", "2010-07-31"), file("gesperrt.txt", "Im Text steht Inhaltswortgesperrt.\n"),
		file("gesperrt.bin", blob("Bytewortgesperrt"))).want(t, 200).decode(t, &again) // idempotency survives
	if again.RecordID != held {
		t.Errorf("sent again: %+v", again)
	}
	in.proof = map[string]bool{}
	for _, key := range in.keys(t, "evt/"+gone+"/") {
		in.proof[key] = true
	}
	if len(in.proof) != 2 {
		t.Errorf("%v stays of the destroyed record, want intent and tombstone", in.proof)
	}
	in.audit(t)
}

// TestRebuildOlderCatalog rebuilds over a catalog that is older than its bucket, as one
// from a dump: the hold that it does not know counts at once.
func TestRebuildOlderCatalog(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	_, r := admin.archive(about("alt", parentContacts, "Titel", "closed", "2010-07-31"), file("a.bin", blob("alt")))
	in.settled(t, admin)
	in.stop(t)
	path := filepath.Join(in.dir, "catalog.db")
	dump, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	in.serve(t)
	newOffice(in.admin(t)).hold(t, r.ID)
	in.settled(t, in.admin(t))
	in.stop(t)
	if err := os.WriteFile(path, dump, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if out, complaint, code := program(t, "rebuild", "--data", in.dir); code != 0 {
			t.Fatal(code, out, complaint)
		}
		if n := in.count(t, `SELECT COUNT(*) FROM record WHERE id = $1 AND retention_state = 'held'`, r.ID); n != 1 {
			t.Error("the record is not held")
		}
	}
}

// TestServeResumesAudit starts the service on a catalog whose rebuild was cut off after it
// had set an entry of the audit log aside: that is back before anything else is noted.
func TestServeResumesAudit(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	in.stop(t)
	in.change(t, `UPDATE audit SET seq = -seq WHERE seq = (SELECT seq FROM audit_head)`)
	in.change(t, `UPDATE audit_head SET seq = seq - 1, hash = (SELECT hash FROM audit WHERE audit.seq = audit_head.seq - 1)`)
	in.serve(t)
	in.stop(t)
	if n := in.count(t, `SELECT COUNT(*) FROM audit WHERE seq < 0`); n != 0 {
		t.Errorf("%d entries are aside", n)
	}
	if n := in.count(t, `SELECT COUNT(*) FROM audit a JOIN audit r ON a.seq = r.seq + 1 WHERE r.action = 'audit.resume' AND a.detail LIKE '%noted_as%'`); n != 1 {
		t.Errorf("%d entries are appended again", n)
	}
}

// TestRebuildCompletes kills the service after it has purged a record and before the
// tombstone is written, and loses the catalog: the next rebuild says how to end that, and
// the one that is told to does, unless a document cannot be read, and empties staging too.
func TestRebuildCompletes(t *testing.T) {
	t.Parallel()
	in := install(t, "--lock-mode", string(preservation.Governance)).serve(t)
	admin := in.admin(t)
	sub, r := admin.archive(about("halb", parentContacts, "Titel", "closed", "2010-07-31"), file("a.bin", blob("Bytewort")))
	newOffice(admin).permit(t, true, parentContacts)
	in.settled(t, admin)
	in.stop(t)
	db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(in.dir, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Tenant(firstTenant).Enqueue(t.Context(), catalog.Job{Kind: retention.JobDispose, Key: "test"}), db.Close()); err != nil {
		t.Fatal(err)
	}
	in.env = []string{killVariable + "=purged"}
	in.start(t)
	if code := in.wait(t, 2*time.Minute); code != -1 {
		t.Fatalf("exit code %d, want death by signal", code)
	}
	in.env = nil
	for _, name := range []string{"catalog.db", "catalog.db-wal", "catalog.db-shm"} {
		if err := os.Remove(filepath.Join(in.dir, name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	document := in.object(preservation.ConfigKey(preservation.NewID(time.Now())))
	staged := filepath.Join(in.dir, "objects", "objects", "bestand-staging", string(firstTenant), sub.ID, "a.bin")
	if err := errors.Join(os.MkdirAll(filepath.Dir(staged), 0o700), os.WriteFile(staged, []byte("Bytewort"), 0o600), os.WriteFile(document, []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if out, complaint, code := program(t, slices.Concat([]string{"rebuild", "--data", in.dir}, in.flags, []string{"--complete", r.ID})...); code != 1 || !strings.Contains(out, "not-completed") || !strings.Contains(out, filepath.Base(document)+" may hold it") {
		t.Fatalf("a document cannot be read: exit code %d\n%s%s", code, out, complaint)
	}
	if err := os.Remove(document); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 1, "bestand rebuild --complete " + r.ID},
		{[]string{"--complete", "01hzzzzzzzzzzzzzzzzzzzzzzz"}, 1, "nothing in the buckets tells of it"},
		{[]string{"--complete", r.ID}, 0, "its destruction is completed"},
		{nil, 0, "1 tombstones"},
	} {
		if out, complaint, code := program(t, slices.Concat([]string{"rebuild", "--data", in.dir}, in.flags, step.args)...); code != step.code || !strings.Contains(out, step.want) {
			t.Fatalf("%s: exit code %d\n%s%s", step.args, code, out, complaint)
		}
	}
	if left := in.staged(t); len(left) != 0 {
		t.Errorf("in staging is %q", left)
	}
	in.serve(t)
	in.issue(t, "musterstadt", "anna", "reader").get("/v1/records/"+r.ID).refused(t, 410, "destroyed", "")
	if keys := in.keys(t, preservation.EventPrefix(preservation.RecordID(r.ID))); len(keys) != 2 {
		t.Errorf("of its events stay %q", keys)
	}
}

// decide changes the file plan, a rule, a hold, a permit and a trigger.
func (in *installation) decide(t *testing.T, o office) {
	t.Helper()
	admin := in.admin(t)
	var scheme map[string]any
	admin.get("/v1/classification").want(t, 200).decode(t, &scheme)
	delete(scheme, "version")
	scheme["classes"] = append(scheme["classes"].([]any), map[string]any{"code": "21.90", "title": "Nur zum Versuch", "parent": "21", "rule": "versuch"})
	admin.post("/v1/rules", map[string]any{"id": "versuch", "title": "Versuch", "trigger": "experiment-end", "duration": map[string]any{"months": 3}, "base": "day",
		"disposition": "B", "legal_basis": "Dienstanweisung", "confidence": "low", "valid_from": "2020-01-01"}).want(t, 201)
	admin.post("/v1/classification", scheme).want(t, 201)
	_, r := admin.archive(about("versuch", "21.90", "Versuchsreihe", "reference", "21.90-2024/7", "keywords", []string{"Schlagwort"}, "extra", map[string]string{"Feld": "Wert"},
		"subjects", []any{map[string]any{"name": "Muster, Erika", "born": "1961-05-04"}}), file("a.bin", blob("versuch")))
	admin.archive(about("teil", "21.90", "Teil der Reihe", "parent", r.ID), file("b.bin", blob("teil")))
	o.officer.post("/v1/records/"+r.ID+"/triggers", map[string]any{"type": "experiment-end", "date": "2024-05-31"}).want(t, 201)
	_, moved := admin.archive(about("umsortiert", "21.90", "Falsch abgelegt"), file("c.bin", blob("umsortiert")))
	o.officer.post("/v1/records/"+moved.ID+"/reclassification", map[string]any{"class": "63.10", "reason": "gehört zum Bau"}).want(t, 201)
	_, twice := admin.archive(about("ergänzt", "21.90", "Wird ergänzt"), file("d.bin", blob("ergänzt")), file("e.txt", "Im Text steht Inhaltswortersetzt.\n"))
	admin.amend(twice.ID, map[string]any{"producer_record_id": "ergänzt/2", "kind": "addition", "reason": "Nachtrag"}, file("f.bin", blob("nachgereicht")))
	_, twice = admin.amend(twice.ID, map[string]any{"producer_record_id": "ergänzt/3", "kind": "correction", "reason": "falsches Blatt", "replaces": []string{"f0002"},
		"changes": map[string]any{"title": "Wurde ergänzt", "subjects": []any{map[string]any{"name": "Muster, Erika"}}}}, file("g.txt", "Im Text steht Inhaltswortersatz.\n"))
	if twice.Version != 3 || twice.Title != "Wurde ergänzt" {
		t.Errorf("%+v", twice)
	}
	o.archivist.post("/v1/records/"+moved.ID+"/access-grants", map[string]any{"kind": "shortening", "until": "2030-01-01", "reason": "Forschung", "legal_basis": "SächsArchivG §10"}).want(t, 201)
	o.officer.post("/v1/records/"+moved.ID+"/restriction", map[string]any{"reason": "Richtigkeit bestritten", "legal_basis": "DSGVO Art. 18"}).want(t, 201)
	var hold struct{ ID string }
	o.officer.post("/v1/holds", map[string]any{"scope": map[string]any{"classes": []string{"63"}}, "authority": "Rechnungsprüfung", "reason": "Prüfung 2024",
		"review": "2099-01-01"}).want(t, 201).decode(t, &hold)
	o.officer.post("/v1/holds/"+hold.ID+"/review", map[string]any{"review": "2098-01-01", "note": "Prüfung dauert an"}).want(t, 200)
	o.officer.post("/v1/holds/"+hold.ID+"/release", map[string]any{"reason": "abgeschlossen"}).want(t, 200)
	o.permit(t, false, leave)
	revoked := o.permit(t, true, leave)
	o.head.post("/v1/permits/"+revoked+"/revoke", nil).want(t, 200)
	if end := admin.record(r.ID).Retention.End.String(); end != "2024-08-31" {
		t.Errorf("retention of the experiment ends %s", end)
	}
}

// settled waits until jobs and index have nothing left to do.
func (in *installation) settled(t *testing.T, callers ...*caller) {
	t.Helper()
	in.stagingEmpty(t)
	in.enqueue(t, retention.JobConfigure)
	in.enqueue(t, retention.JobEvaluate)
	quiet := 0
	eventually(t, "nothing is queued and the index is up to date", func() bool {
		text := string(callers[0].get("/metrics").want(t, 200).body)
		if positive(text, "bestand_index_lag_changes{") || positive(text, "bestand_jobs{") {
			quiet = 0
		} else {
			quiet++
		}
		return quiet > 3
	})
}

// positive reports whether a metric of the name is above zero.
func positive(metrics, name string) bool {
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, name) && !strings.HasSuffix(strings.TrimSpace(line), " 0") {
			return true
		}
	}
	return false
}

// everything is all that a person can see, by the path where it is seen. Of a
// destroyed record the tombstone is seen, but not the submission that it came by.
func (c *caller) everything(gone, submission string) map[string]any {
	c.Helper()
	all := map[string]any{}
	see := func(path string) (page struct {
		Items []struct{ ID string }
		Next  string
	}) {
		c.Helper()
		r := c.get(path)
		var v any
		if err := json.Unmarshal(r.body, &v); err != nil {
			v = string(r.body)
		} else {
			r.decode(c.T, &page)
		}
		if m, ok := v.(map[string]any); ok {
			delete(m, "instance") // of the request
			if items, ok := m["items"].([]any); ok {
				m["items"] = slices.DeleteFunc(items, func(i any) bool {
					e, ok := i.(map[string]any)
					return ok && (e["id"] == submission || e["type"] == string(preservation.EventHold))
				})
			}
		}
		all[path] = []any{r.StatusCode, r.Header.Get("Content-Type"), r.Header.Get("ETag"), v}
		return page
	}
	list := func(path string, limit int) (ids []string) {
		c.Helper()
		next := ""
		for {
			page := see(fmt.Sprintf("%s&limit=%d%s", path, limit, next))
			for _, i := range page.Items {
				ids = append(ids, i.ID)
			}
			if page.Next == "" {
				return ids
			}
			next = "&after=" + url.QueryEscape(page.Next)
		}
	}
	records := list("/v1/records?sort=archived", 3)
	if len(records) == 0 {
		c.Error("no records")
	}
	if gone != "" {
		records = append(records, gone)
	}
	for _, id := range records {
		see("/v1/records/" + id)
		see("/v1/records/" + id + "/events")
		see("/v1/records/" + id + "/package")
		see("/v1/records/" + id + "/evidence")
		var h holding
		if r := c.get("/v1/records/" + id); r.StatusCode == 200 {
			r.decode(c.T, &h)
		}
		for _, f := range h.Files {
			see(fmt.Sprintf("/v1/records/%s/files/%s", id, f.ID))
		}
	}
	for _, id := range list("/v1/submissions?status=archived", 200) {
		if id == submission {
			continue
		}
		see("/v1/submissions/" + id)
		see("/v1/submissions/" + id + "/receipt")
	}
	for _, path := range []string{"/v1/classification", "/v1/rules", "/v1/holds", "/v1/permits", "/v1/disposals", "/v1/disposals?view=destroyed"} {
		see(path)
	}
	for _, id := range list("/v1/disposals?view=runs", 50) {
		see("/v1/disposals/" + id)
	}
	for _, q := range []string{"Genehmigung", "Bauantraege", "Titelwort*", "Inhaltswortgesperrt", "Inhaltswortersetzt", "Inhaltswortersatz", "Versuchsreihe", "Nachbarschaft", "Schlagwort", "Inhaltswortzuvernichten"} {
		list("/v1/records?sort=closed&q="+url.QueryEscape(q), 50)
	}
	for _, filter := range []string{"class=21", "producer=samples", "state=held", "state=due", "format=fmt/477", "reference=21.90-2024/7"} {
		list("/v1/records?"+filter, 50)
	}
	return all
}

// log is the audit log.
func (c *caller) log() (entries []any) {
	c.Helper()
	after := ""
	for {
		var page struct {
			Items []any
			Next  string
		}
		c.get("/v1/audit?limit=200"+after).want(c.T, 200).decode(c.T, &page)
		entries = append(entries, page.Items...)
		if page.Next == "" {
			return entries
		}
		after = "&after=" + page.Next
	}
}

func first(entries []any, n int) []any { return entries[:min(n, len(entries))] }

// same compares what was seen and names every place where it differs. When a record was
// last read back only the catalog knows, and one that was rebuilt claims no more than that
// it was archived.
func same(t *testing.T, what string, before, after any) {
	t.Helper()
	said := 0
	var walk func(path string, a, b any)
	walk = func(path string, a, b any) {
		if reflect.DeepEqual(a, b) || said > 25 || strings.HasSuffix(path, ".fixity.checked") {
			return
		}
		if x, ok := a.(map[string]any); ok {
			if y, ok := b.(map[string]any); ok {
				keys := map[string]bool{}
				for k := range x {
					keys[k] = true
				}
				for k := range y {
					keys[k] = true
				}
				for k := range keys {
					walk(path+"."+k, x[k], y[k])
				}
				return
			}
		}
		if x, ok := a.([]any); ok {
			if y, ok := b.([]any); ok && len(x) == len(y) {
				for i := range x {
					walk(fmt.Sprintf("%s[%d]", path, i), x[i], y[i])
				}
				return
			}
		}
		said++
		t.Errorf("%s%s was\n  %.600v\nis\n  %.600v", what, path, text(a), text(b))
	}
	walk("", before, after)
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
