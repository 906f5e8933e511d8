package ui

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bestand/api"
	"bestand/api/auth"
	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
	"bestand/search"
)

// house is the pages with the interface and a catalog behind them, and no store.
type house struct {
	*testing.T
	ui     *UI
	tenant *catalog.Tenant
}

func newHouse(t *testing.T) *house {
	t.Helper()
	dir, log := t.TempDir(), slog.New(slog.DiscardHandler)
	db, err := catalog.Open(t.Context(), catalog.Config{URL: "sqlite:" + filepath.Join(dir, "catalog.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.CreateTenant(t.Context(), catalog.TenantInfo{ID: "musterstadt", Name: "Musterstadt"}, "test"); err != nil {
		t.Fatal(err)
	}
	index, err := search.Open(filepath.Join(dir, "search"), search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { index.Close() })
	server, err := api.New(api.Config{
		Catalog: db, Search: index, Intake: &ingest.Intake{Now: time.Now, MaxBytes: 1 << 20, Log: log}, Officer: &retention.Officer{Now: time.Now, Log: log},
		Equipment: func(context.Context, *catalog.Tenant) (api.Equipment, error) { return api.Equipment{}, nil },
		Uploads:   filepath.Join(dir, "uploads"), Metrics: prometheus.NewRegistry(), Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, tenant: db.Tenant("musterstadt")}
	if h.ui, err = New(Config{API: server, Catalog: db, Log: log}); err != nil {
		t.Fatal(err)
	}
	return h
}

// visit is one of somebody who has logged in and has some roles, with a form.
func (h *house) visit(at string, form url.Values, roles ...auth.Role) (*visit, *httptest.ResponseRecorder) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, at, nil).WithContext(h.Context())
	r.PostForm = form
	v := h.ui.visit(w, r)
	v.session.Hash, v.who = "anna", auth.Principal{Tenant: h.tenant.ID(), Actor: "anna", Roles: roles, Session: true}
	return v, w
}

// submit has somebody hand a file over, which comes to a status.
func (h *house) submit(by, source string, status catalog.Status) preservation.SubmissionID {
	h.Helper()
	id := h.received(by, source)
	if err := h.tenant.Settle(h.Context(), id, status, nil); err != nil {
		h.Fatal(err)
	}
	return id
}

// received has somebody hand a file over.
func (h *house) received(by, source string) preservation.SubmissionID {
	h.Helper()
	now := time.Now()
	m := preservation.Metadata{Producer: "dms", ProducerRecordID: source, Class: "63.10", Title: source}
	files := []catalog.StagedFile{{Name: "a.txt", Size: 1}}
	s := catalog.Submission{ID: preservation.SubmissionID(preservation.NewID(now)), Metadata: m, Fingerprint: catalog.Fingerprint(m, files), Files: files, SubmittedBy: by}
	e := preservation.Event{ID: preservation.NewID(now), Type: preservation.EventReceive, At: now, Outcome: preservation.Success, Agent: preservation.Agent{Type: preservation.Person, Name: by}}
	if err := h.tenant.CreateSubmission(h.Context(), s, e); err != nil {
		h.Fatal(err)
	}
	return s.ID
}

// archived has a record that somebody handed over, in the catalog alone.
func (h *house) archived(source string) preservation.RecordID {
	h.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	r := preservation.Record{ID: preservation.RecordID(preservation.NewID(now)), Tenant: h.tenant.ID(), Version: 1, Submission: h.received("dms", source), Received: now,
		Metadata: preservation.Metadata{Producer: "dms", ProducerRecordID: source, Class: "63.10", Title: source},
		Files:    []preservation.File{{ID: preservation.NewFileID(1), Name: "a.txt", Path: "content/a.txt", Representation: preservation.Original, Size: 1}}}
	e := preservation.Event{ID: preservation.NewID(now), Type: preservation.EventStore, At: now, Outcome: preservation.Success, Agent: preservation.Agent{Type: preservation.Software, Name: "test"}}
	key := preservation.PackageKey(r.ID, 1)
	if err := h.tenant.CommitRecord(h.Context(), catalog.Commit{Record: r, Events: []preservation.Event{e}, Pos: map[preservation.FileID]int64{r.Files[0].ID: 0}, Lock: preservation.Lock{Mode: preservation.Governance, Until: now.Add(time.Hour)},
		Package: catalog.RecordObject{Key: key, Kind: "package", Version: 1, VersionID: "1", Size: 1, SHA256: "00", Stored: now}}); err != nil {
		h.Fatal(err)
	}
	return r.ID
}

// TestLockBarred: an account under attack can be locked, and not only let in again.
func TestLockBarred(t *testing.T) {
	v, w := newHouse(t).visit("/verwaltung", nil, auth.Admin)
	soon := v.ui.Now().Add(time.Minute)
	all := []api.User{{ID: "frei"}, {ID: "bedroht", Barred: soon}, {ID: "zu", Locked: v.ui.Now()}, {ID: "beides", Locked: v.ui.Now(), Barred: soon}}
	if err := v.showStatus(http.StatusOK, "users", "", usersView{Items: all}); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"benutzer/frei/sperre", "benutzer/bedroht/sperre", "benutzer/bedroht/entsperrung", "benutzer/zu/entsperrung", "benutzer/beides/entsperrung"},
		[]string{"benutzer/frei/entsperrung", "benutzer/zu/sperre", "benutzer/beides/sperre"})
}

// TestSetupResumed: a set-up that was skipped and taken up after all goes on behind the
// last step that was taken; one that was done stays done.
func TestSetupResumed(t *testing.T) {
	h := newHouse(t)
	leads := func(do action, form url.Values, to string) {
		t.Helper()
		v, w := h.visit("/einrichtung", form, auth.Admin)
		if err := do(v); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get("Location"); got != to {
			t.Errorf("leads to %q, want %q: %.300s", got, to, w.Body)
		}
	}
	name := url.Values{"mandant": {"Stadt Musterstadt"}}
	leads(skipSetup, nil, "/")
	leads(setupPage, nil, "/einrichtung/name")
	leads(setTenantName, name, "/einrichtung/personen")
	leads(setupPage, nil, "/einrichtung/personen")
	leads(finishSetup, nil, "/")
	leads(setTenantName, name, "/einrichtung/personen")
	leads(setupPage, nil, "/einrichtung/name")
}

// TestKeptChanged: what was typed when the session was over is read as people write it, and
// leads back into its form, which does nothing until it is sent.
func TestKeptChanged(t *testing.T) {
	h := newHouse(t)
	typed := url.Values{"reason": {"Klage 12 K 3/26"}, "authority": {"Verwaltungsgericht"}, "classes": {"63.10"}, "records": {""}, "review": {"2099-01-31"}}
	var sent []keptField
	for name, values := range typed {
		sent = append(sent, keptField{name, values[0]})
	}
	v, w := h.visit("/anmelden", nil, auth.RecordsOfficer)
	if err := v.resume(loginView{Next: "/aussonderung/sperren", Kept: sent}); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"Musterstadt", `href="/aussonderung"`, ">31.01.2099</dd>", `name="review" value="2099-01-31"`, `name="records" value=""`, ">Begründung</dt>", `name="_zurueck"`}, []string{">Akten</dt>", ">2099"})
	typed.Set(backField, "1")
	v, w = h.visit("/aussonderung/sperren", typed, auth.RecordsOfficer)
	if err := setHold(v); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("status %d", w.Code)
	}
	says(t, w.Body.String(), []string{"Es wurde noch nichts abgesandt", "Klage 12 K 3/26", `value="2099-01-31"`, ">Begründung<"}, nil)
	var holds struct{ Items []api.Hold }
	if v, _ := h.visit("/", nil, auth.RecordsOfficer); v.get("/v1/holds", &holds) != nil || len(holds.Items) != 0 {
		t.Errorf("%+v", holds)
	}
}

// TestKeptBack: whoever goes back to a form that was kept is told what is so, and finds
// there what was typed; a form that has nothing to type is its page.
func TestKeptBack(t *testing.T) {
	h := newHouse(t)
	const hold = "01jq2m9cfp2y8r0v6k3c5t7n4e"
	if err := h.tenant.Update(t.Context(), func(x *catalog.Tx) error {
		return x.AddDocument(catalog.Document{Kind: retention.KindHold, Name: hold, Version: 1, Key: "hold", Actor: "olga",
			Body: []byte(`{"id":"` + hold + `","scope":{"all":true},"authority":"Gericht","reason":"Klage","review":"2099-01-31"}`)})
	}); err != nil {
		t.Fatal(err)
	}
	const nothing, released = "Es wurde noch nichts abgesandt", "inzwischen aufgehoben"
	for path, do := range map[string]action{"wiedervorlage": reviewHold, "aufhebung": releaseHold} {
		v, w := h.visit("/aussonderung/sperren/"+hold+"/"+path, url.Values{"reason": {"Vergleich vom März"}, "note": {"Vergleich vom März"}, "review": {"2099-02-01"}, backField: {"1"}}, auth.RecordsOfficer)
		v.r.SetPathValue("id", hold)
		if err := do(v); err != nil {
			t.Fatal(err)
		}
		if w.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d", path, w.Code)
		}
		says(t, w.Body.String(), []string{nothing, ">Vergleich vom März</textarea>"}, []string{released})
	}
	for at, c := range map[string]struct {
		do action
		to string
	}{
		"/aussonderung/genehmigungen/x/zustimmung":    {approvePermit, "/aussonderung/genehmigungen"},
		"/aussonderung/regeln/x/fassung/1/zustimmung": {approveRule, "/aussonderung/regeln"},
	} {
		v, w := h.visit(at, url.Values{"bestaetigt": {"1"}, backField: {"1"}}, auth.Approver)
		v.guard(func() error { return c.do(v) })
		if got := w.Header().Get("Location"); w.Code != http.StatusSeeOther || got != c.to {
			t.Errorf("%s: %d leads to %q, want %q", at, w.Code, got, c.to)
		}
	}
}

// TestMark: a page tells the script whose it is, so that nobody is shown what another
// person typed before.
func TestMark(t *testing.T) {
	h := newHouse(t)
	seen := map[string]string{}
	for _, u := range []catalog.User{{}, {ID: "1", Tenant: "musterstadt"}, {ID: "2", Tenant: "musterstadt"}, {ID: "1", Tenant: "neustadt"}} {
		v, w := h.visit("/", nil, auth.Reader)
		v.session.User = u
		v.fail(errNotFound)
		_, rest, found := strings.Cut(w.Body.String(), `data-user="`)
		mark, _, _ := strings.Cut(rest, `"`)
		if before, again := seen[mark]; !found || again || (mark == "") != (u.ID == "") {
			t.Errorf("%s of %s has the mark %q, as has %q", u.ID, u.Tenant, mark, before)
		}
		seen[mark] = u.ID
	}
}

// TestRunOfNothing: of a run in which nothing is due nobody is told to assess its records.
func TestRunOfNothing(t *testing.T) {
	for want, r := range map[string]api.DisposalRun{
		"run-empty":   {},
		"run-created": {Counts: retention.RunCounts{Open: 1}},
	} {
		if got := begun(r); got != want {
			t.Errorf("%+v: %s", r, got)
		}
	}
	if got := begun(api.DisposalRun{Collecting: true}); got != "run-created" {
		t.Errorf("a run that is still being listed: %s", got)
	}
}

// TestTold: what is too long says how long it may be.
func TestTold(t *testing.T) {
	h := newHouse(t)
	v, w := h.visit("/verwaltung/benutzer", url.Values{"name": {"otto"}, "label": {strings.Repeat("O", 201)}, "roles": {"reader"}}, auth.Admin)
	if err := createUser(v); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"Name: ist zu lang: höchstens 200 Zeichen", "<span class=\"kern-body\">ist zu lang: höchstens 200 Zeichen"}, nil)
}

// TestSessionsPage: an administrator ends sessions of a person, one or all.
func TestSessionsPage(t *testing.T) {
	h := newHouse(t)
	u, err := h.tenant.CreateUser(t.Context(), catalog.User{Name: "otto", Label: "Otto Ordner", Roles: []string{"reader"}}, "test")
	if err != nil {
		t.Fatal(err)
	}
	agents := []string{"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/140.0", "Lynx <b>"}
	for _, agent := range agents {
		if err := h.tenant.BeginSession(t.Context(), catalog.Session{Hash: auth.Hash(agent), Agent: agent, Ends: time.Now().Add(time.Hour), User: u}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := h.tenant.Sessions(t.Context(), u.ID, auth.SessionIdle)
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	ask := func(do action, session string, status int) string {
		t.Helper()
		v, w := h.visit("/verwaltung/benutzer/"+u.ID+"/sitzungen", nil, auth.Admin)
		v.r.SetPathValue("id", u.ID)
		v.r.SetPathValue("session", session)
		if err := do(v); err != nil {
			t.Fatal(err)
		}
		if w.Code != status {
			t.Errorf("status %d", w.Code)
		}
		return w.Body.String()
	}
	says(t, ask(sessionsPage, "", http.StatusOK), []string{"Sitzungen von Otto Ordner", "Firefox auf Linux", "Lynx &lt;b&gt;", "begonnen am", "/sitzungen/" + all[1].ID + "/ende", "Alle Sitzungen beenden"}, nil)
	ask(endSessionOf, all[0].ID, http.StatusSeeOther)
	says(t, ask(sessionsPage, "", http.StatusOK), []string{"/sitzungen/" + all[1].ID + "/ende"}, []string{all[0].ID})
	ask(endSessionsOf, "", http.StatusSeeOther)
	says(t, ask(sessionsPage, "", http.StatusOK), []string{"Nirgends angemeldet"}, []string{"/ende"})
}

// TestQuarantineUndecided: a decision about a quarantined file that the archive does not
// take is no success, and says why.
func TestQuarantineUndecided(t *testing.T) {
	h := newHouse(t)
	id := string(h.submit("dms", "1", catalog.Quarantined))
	decide := func(reason string, status int, these ...string) {
		t.Helper()
		v, w := h.visit("/uebernahme/"+id+"/ablehnung", url.Values{"reason": {reason}}, auth.Archivist)
		v.r.SetPathValue("id", id)
		if err := refuseSubmission(v); err != nil {
			t.Fatal(err)
		}
		if w.Code != status {
			t.Errorf("%q: status %d, want %d", reason, w.Code, status)
		}
		says(t, w.Body.String(), these, nil)
	}
	decide(" ", http.StatusUnprocessableEntity, "Begründung", `href="#f-reason"`)
	decide("Schadprogramm", http.StatusSeeOther)
	decide("Schadprogramm", http.StatusConflict, "Der Zustand erlaubt das nicht")
}

// TestWaiting: however many submissions wait, the first page tells their number, to each
// of those that it sees.
func TestWaiting(t *testing.T) {
	h := newHouse(t)
	for i := range 203 {
		h.submit([]string{"dms", "anna"}[min(i, 1)], fmt.Sprint(i), catalog.Quarantined)
	}
	for role, n := range map[auth.Role]string{auth.Auditor: "203", auth.Submitter: "202"} {
		v, w := h.visit("/", nil, role)
		if err := start(v); err != nil {
			t.Fatal(err)
		}
		says(t, w.Body.String(), []string{`<span class="task__count">` + n + `</span>`}, nil)
	}
}

// TestBlankSettings: what is left blank is asked for, and not chosen by the program.
func TestBlankSettings(t *testing.T) {
	h := newHouse(t)
	v, w := h.visit(settingsPath, url.Values{"seal": {"B-T"}, "no_rendition": {"default"}, "receipt_after": {"default"}, "zone": {" "}}, auth.Admin)
	if err := setSettings(v); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusUnprocessableEntity {
		t.Errorf("status %d", w.Code)
	}
	says(t, w.Body.String(), []string{`href="#f-zone"`, "Zeitzone: fehlt"}, []string{"Stufe der Siegel: fehlt"})
	info, err := h.tenant.Info(t.Context())
	if err != nil || info.Settings.Seal != "" {
		t.Errorf("%+v %v", info, err)
	}
}

// TestTakenOver: of a destroyed record that an archive has taken over before, those who
// may read the run are told which one.
func TestTakenOver(t *testing.T) {
	h := newHouse(t)
	stone := api.Tombstone{RecordID: "01jq2m9cfp2y8r0v6k3c5t7n4e", Run: "01jq2m9cfp2y8r0v6k3c5t7n4f", Destroyed: time.Now()}
	if err := h.tenant.Update(t.Context(), func(x *catalog.Tx) error {
		return x.AddItem(catalog.RunItem{Run: stone.Run, Record: stone.RecordID, State: catalog.ItemDestroyed, Decision: "A", Transfer: "Kreisarchiv, Ü 3/26, acknowledged on 2026-01-02"})
	}); err != nil {
		t.Fatal(err)
	}
	for role, told := range map[auth.Role]bool{auth.RecordsOfficer: true, auth.Reader: false} {
		v, w := h.visit("/akte/"+string(stone.RecordID), nil, role)
		v.fail(&refusal{status: http.StatusGone, code: "destroyed", problem: api.Problem{Tombstone: stone}})
		if page := w.Body.String(); strings.Contains(page, "Vorher übernommen von") != told || strings.Contains(page, "Kreisarchiv, Ü 3/26, bestätigt am 02.01.2026") != told {
			t.Errorf("%s: %s", role, page)
		}
	}
}

// TestNames: people are shown by their names with the login names that are on record; a
// program, and somebody of another tenant, by that alone.
func TestNames(t *testing.T) {
	h := newHouse(t)
	if err := h.ui.Catalog.CreateTenant(t.Context(), catalog.TenantInfo{ID: "neustadt", Name: "Neustadt"}, "test"); err != nil {
		t.Fatal(err)
	}
	for tenant, u := range map[*catalog.Tenant]catalog.User{h.tenant: {Name: "otto", Label: "Otto <b>Ordner</b>"}, h.ui.Catalog.Tenant("neustadt"): {Name: "nora", Label: "Nora Neu"}} {
		u.Roles = []string{"reader"}
		if _, err := tenant.CreateUser(t.Context(), u, "test"); err != nil {
			t.Fatal(err)
		}
	}
	for actor, want := range map[string]string{"otto": "Otto <b>Ordner</b> (otto)", "nora": "nora", "dms": "dms", "system": "Bestand (system)", "cli": "Kommandozeile (cli)", "": ""} {
		v, _ := h.visit("/", nil, auth.Reader)
		if got := v.nameOf(actor); got != want {
			t.Errorf("%s is called %q, want %q", actor, got, want)
		}
	}
	v, w := h.visit("/aussonderung/sperren/x", nil, auth.Reader)
	if err := v.show("hold", "Klage", holdView{Hold: api.Hold{Reason: "Klage", SetBy: "otto", Set: time.Now()}}); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"Otto &lt;b&gt;Ordner&lt;/b&gt; (otto)"}, nil)
}

// TestAuditNames: the page of the audit log says who an account belongs to.
func TestAuditNames(t *testing.T) {
	h := newHouse(t)
	u, err := h.tenant.CreateUser(t.Context(), catalog.User{Name: "otto", Label: "Otto Ordner", Roles: []string{"reader"}}, "system")
	if err != nil {
		t.Fatal(err)
	}
	v, w := h.visit("/verwaltung/protokoll?object="+u.ID, nil, auth.Auditor)
	if err := auditPage(v); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{`<span class="block">Otto Ordner</span> <code>` + u.ID + `</code>`, ">Bestand (system)</td>"}, nil)
}
