package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"bestand/api"
	"bestand/preservation"
	"bestand/preservation/fixity"
)

// TestRebuildContentsLater brings an installation back without reading what lies in the
// packages: everything is there as before, nowhere is it said to be verified, and the
// first check reads it and finds the byte that was flipped meanwhile.
func TestRebuildContentsLater(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	big := strings.Repeat(blob("viel"), 3000)
	_, good := admin.archive(about("g", "63.10", "Bauantrag"), file("a.bin", big), file("a.txt", "Im Text steht Inhaltswortspaeter.\n"))
	_, bad := admin.archive(about("b", "63.10", "Nachtrag"), file("b.bin", big+"anders"))
	_, small := admin.archive(about("k", "63.10", "Kleines"), file("k.bin", blob("klein")))
	admin.post("/v1/evidence/batches", nil).want(t, 200)
	in.settled(t, admin)
	look := func(id string) (s struct{ Fixity api.Fixity }) {
		t.Helper()
		admin.get("/v1/records/"+id).want(t, 200).decode(t, &s)
		return s
	}
	seen := func() map[string]any {
		t.Helper()
		all := admin.everything("", "")
		for path, v := range all {
			if strings.HasPrefix(path, "/v1/records/"+bad.ID+"/") { // what will be flipped
				delete(all, path)
			}
			if m, ok := v.([]any)[3].(map[string]any); ok {
				delete(m, "fixity")
			}
		}
		return all
	}
	before := seen()
	in.enqueue(t, "store-audit")
	in.stop(t)
	in.lose(t, "catalog.db*", "index", tokenFile)
	packed := victim{in, bad.ID}.pkg()
	was, err := os.Stat(packed)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, packed, func(b []byte) []byte { b[bytes.Index(b, []byte("viel|"))] ^= 1; return b })
	if err := os.Chtimes(packed, was.ModTime(), was.ModTime()); err != nil { // silently
		t.Fatal(err)
	}
	out, complaint, code := program(t, "rebuild", "--data", in.dir, "--contents-later")
	if code != 0 || !strings.Contains(out, "musterstadt: contents of 2 records not read: the next fixity runs begin with them, bestand schedule run scrub begins at once\n") {
		t.Fatalf("exit code %d\n%s%s", code, out, complaint)
	}
	in.serve(t)
	admin = in.admin(t)
	in.settled(t, admin)
	same(t, "musterstadt", before, seen())
	var hits api.RecordPage
	if admin.get("/v1/records?q=Inhaltswortspaeter").want(t, 200).decode(t, &hits); hits.Total != 1 {
		t.Errorf("%d records are found by their text", hits.Total)
	}
	for _, id := range []string{good.ID, bad.ID} {
		if f := look(id).Fixity; f.Status != "unread" || !f.Checked.IsZero() || f.Copies != 0 || len(f.Findings) > 0 {
			t.Errorf("not read: %+v", f)
		}
	}
	if f := look(small.ID).Fixity; f.Status != "intact" || f.Checked.IsZero() || f.Copies != 1 {
		t.Errorf("read: %+v", f)
	}
	var all api.Holding
	admin.get("/v1/fixity").want(t, 200).decode(t, &all)
	if all.Unread != 2 || all.Oldest.IsZero() {
		t.Errorf("%+v", all)
	}
	if metrics := string(admin.get("/metrics").want(t, 200).body); !strings.Contains(metrics, "bestand_fixity_unread_records{tenant=\"musterstadt\"} 2\n") {
		t.Error("the metrics do not tell of 2 unread records")
	}
	pages, _ := in.people(t)
	pages.get("/akte/"+good.ID).want(200, "noch nicht gelesen", "Seit dem Neuaufbau des Katalogs nicht zurückgelesen")
	pages.get("/bestandserhaltung").want(200, "2 Akten wurden seit dem Neuaufbau des Katalogs nicht zurückgelesen")
	for _, claim := range []string{"geprüfte Kopie", "Keine Abweichung gefunden"} {
		if strings.Contains(pages.get("/akte/"+good.ID).page+pages.get("/bestandserhaltung").page, claim) {
			t.Errorf("the pages say %q", claim)
		}
	}
	if log := text(admin.log()); !strings.Contains(log, `"contents":"later"`) {
		t.Error("the audit log does not say how it was rebuilt")
	}
	in.enqueue(t, fixity.JobScrub)
	if f := look(good.ID).Fixity; f.Status != "intact" || f.Checked.IsZero() || f.Copies != 1 {
		t.Errorf("read since: %+v", f)
	}
	if f := look(bad.ID).Fixity; f.Status != "damaged" || !slices.ContainsFunc(f.Findings, func(f preservation.Finding) bool { return f.Code == fixity.CodeObjectDigest }) {
		t.Errorf("damaged: %+v", f)
	}
	if in.log.count("fixity: what is stored is not what was stored") == 0 {
		t.Error("no alarm")
	}
}
