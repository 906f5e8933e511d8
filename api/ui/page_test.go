package ui

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bestand/api"
	"bestand/api/auth"
	"bestand/preservation"
	"bestand/retention"
)

// stranger is a visit of somebody who has not logged in, with the page that it gets.
func stranger(t *testing.T, path string) (*visit, *httptest.ResponseRecorder) {
	t.Helper()
	u, err := New(Config{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	return u.visit(w, httptest.NewRequest(http.MethodGet, path, nil)), w
}

// says fails unless a page says some things and others not.
func says(t *testing.T, page string, these, not []string) {
	t.Helper()
	for _, text := range these {
		if !strings.Contains(page, text) {
			t.Errorf("does not say %q:\n%s", text, page)
		}
	}
	for _, text := range not {
		if strings.Contains(page, text) {
			t.Errorf("says %q:\n%s", text, page)
		}
	}
}

// TestGoing: of a record whose destruction has only begun nobody is told that it was
// destroyed.
func TestGoing(t *testing.T) {
	stone := api.Tombstone{RecordID: "01jq2m9cfp2y8r0v6k3c5t7n4e", Class: "02.20"}
	show := func() string {
		v, w := stranger(t, "/akte/"+string(stone.RecordID))
		v.fail(&refusal{status: http.StatusGone, code: "destroyed", problem: api.Problem{Tombstone: stone}})
		if w.Code != http.StatusGone {
			t.Errorf("status %d", w.Code)
		}
		return w.Body.String()
	}
	const begun, destroyed, day = "Die Vernichtung dieser Akte hat begonnen", "rechtmäßig vernichtet", "<dt class=\"kern-description-list-item__key\">Vernichtet"
	says(t, show(), []string{begun, "noch aufgehalten werden", "02.20"}, []string{destroyed, "Sicherungen davon", day, "Rechtsgrundlage", "value\"></dd>", "steht im Nachweis"})
	stone.Destroyed, stone.LegalBasis, stone.Run = time.Date(2025, 5, 4, 10, 0, 0, 0, time.UTC), "SächsBG §117", "01jq2m9cfp2y8r0v6k3c5t7n4f"
	stone.Closed, stone.RetentionEnd = preservation.Date{Year: 2014, Month: 3, Day: 2}, preservation.Date{Year: 2024, Month: 12, Day: 31}
	says(t, show(), []string{destroyed, "in diesem Archiv in allen Fassungen gelöscht", "Sicherungen davon bleiben, bis sie ablaufen", day, "02.03.2014", "Aufbewahrungsfrist endete am", "31.12.2024", "04.05.2025, 12:00 Uhr", "SächsBG §117",
		"Vernichtet im Aussonderungslauf", stone.Run, "steht im Nachweis, sobald der Lauf beendet ist"}, []string{begun, "Vernichtet nach der Genehmigung", "Meldung des Programms", "wiederherstellen", "30 Jahre", "übernommen"})
	stone.Run, stone.Permit = "", "01jq2m9cfp2y8r0v6k3c5t7n4g"
	says(t, show(), []string{"Vernichtet nach der Genehmigung", stone.Permit, "steht in der Genehmigung"}, []string{"Aussonderungslauf"})
}

// TestStatement: the accessibility statement says what whoever runs the archive has to say,
// or that it is missing.
func TestStatement(t *testing.T) {
	show := func(own []byte) string {
		t.Helper()
		v, w := stranger(t, "/barrierefreiheit")
		v.ui.Accessibility = own
		if err := statementPage(v); err != nil {
			t.Fatal(err)
		}
		return w.Body.String()
	}
	const missing = "noch nicht angegeben"
	says(t, show(nil), []string{"Rückmeldung", missing}, nil)
	says(t, show([]byte("Schreiben Sie an **barrierefrei@stadt.example**.\n\nErstellt am 1. Februar 2026. <script>alert(1)</script>\n")),
		[]string{"<strong>barrierefrei@stadt.example</strong>", "Erstellt am 1. Februar 2026"}, []string{missing, "<script>alert"})
	h := newHouse(t)
	v, w := h.visit(settingsPath, nil, auth.Admin)
	if err := settingsPage(v); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"Die Erklärung zur Barrierefreiheit ist unvollständig"}, nil)
	h.ui.Accessibility = []byte("x")
	v, w = h.visit(settingsPath, nil, auth.Admin)
	if err := settingsPage(v); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), nil, []string{"unvollständig"})
}

// TestPreservationEmpty: where nothing is kept nothing is said to be sound.
func TestPreservationEmpty(t *testing.T) {
	const clean, stamped, begin = "Keine Abweichung gefunden", "Alle Akten sind durch", "Übergeben Sie die erste Akte"
	for records, want := range map[int64][2][]string{0: {{begin}, {clean, stamped}}, 1: {{clean, stamped}, {begin}}} {
		v, w := stranger(t, "/bestandserhaltung")
		if err := v.show("preservation", "", preservationView{Holding: api.Holding{Records: records}}); err != nil {
			t.Fatal(err)
		}
		says(t, w.Body.String(), want[0], want[1])
	}
}

// TestNotice: what was done is said by the page that comes after it, once, and never
// because an address says so.
func TestNotice(t *testing.T) {
	const done = "Das Kennwort ist geändert."
	v, w := stranger(t, "/")
	if err := v.redirect("/anmelden?weiter=%2Fsuche", "password-changed"); err != nil {
		t.Fatal(err)
	}
	if to := w.Header().Get("Location"); to != "/anmelden?weiter=%2Fsuche" {
		t.Errorf("leads to %s", to)
	}
	given := w.Result().Cookies()
	ask := func(path, dest string, cookies []*http.Cookie) (string, []*http.Cookie) {
		t.Helper()
		v, w := stranger(t, path)
		for _, c := range cookies {
			v.r.AddCookie(c)
		}
		v.r.Header.Set("Sec-Fetch-Dest", dest)
		if err := v.show("left", "", "https://example.org"); err != nil {
			t.Fatal(err)
		}
		return w.Body.String(), w.Result().Cookies()
	}
	for _, other := range []struct {
		path, dest string
		cookies    []*http.Cookie
	}{
		{"/?meldung=password-changed", "document", nil},
		{"/anmelden?meldung=password-changed", "document", nil},
		{"/hilfe", "document", given}, // in another window
		{"/anmelden", "empty", given}, // a script that goes there next
	} {
		page, set := ask(other.path, other.dest, other.cookies)
		says(t, page, nil, []string{done})
		if len(set) != 0 {
			t.Errorf("%s: %v", other.path, set)
		}
	}
	page, set := ask("/anmelden?weiter=%2Fsuche", "document", given)
	says(t, page, []string{done}, nil)
	if len(set) != 1 || set[0].MaxAge >= 0 {
		t.Errorf("it is said again: %v", set)
	}
}

// TestHoldPage: a hold says how far it has come, and what it came late for.
func TestHoldPage(t *testing.T) {
	h := api.Hold{ID: "01jq2m9cfp2y8r0v6k3c5t7n4e", Reason: "Klage", Authority: "Amtsgericht", Set: time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC), SetBy: "olga",
		Scope: retention.Scope{Classes: []string{"63"}}, Progress: api.Progress{Total: 100_000, Applied: 1234},
		Late: []retention.Late{{Record: "01jq2m9cfp2y8r0v6k3c5t7n4f", Class: "63.10", Run: "01jq2m9cfp2y8r0v6k3c5t7n4g", Fate: retention.Stuck}}}
	show := func(name string, data any) string {
		v, w := stranger(t, "/aussonderung/sperren")
		if err := v.show(name, "Klage", data); err != nil {
			t.Fatal(err)
		}
		return w.Body.String()
	}
	const follows, still = "folgt nach und nach", "gibt sie nach und nach frei"
	says(t, show("hold", holdView{Hold: h}), []string{"1.234 von 100.000 Akten", follows, "außer dem, was unten", "In Vernichtung, als die Sperre kam", "/akte/01jq2m9cfp2y8r0v6k3c5t7n4f", "teilweise gelöscht", "/aussonderung/laeufe/01jq2m9cfp2y8r0v6k3c5t7n4g"}, []string{still})
	says(t, show("holds", holdsView{Items: []api.Hold{h}}), []string{"/aussonderung/sperren/" + h.ID, "Für 1 Akte kam sie, als die Vernichtung schon lief: teilweise gelöscht, Rest bleibt (1)", "rows__problem"}, nil)
	saved := h
	saved.Late = []retention.Late{{Fate: retention.Saved}, {Fate: retention.Since}, {Fate: retention.Saved}}
	says(t, show("holds", holdsView{Items: []api.Hold{saved}}), []string{"Für 3 Akten kam sie", "lief: unversehrt gesperrt (2), später vernichtet, neu entschieden (1)"}, []string{"rows__problem"})
	h.Released, h.ReleasedBy, h.ReleaseReason, h.Late = h.Set, "olga", "erledigt", nil
	says(t, show("hold", holdView{Hold: h}), []string{still, "erledigt"}, []string{follows, "In Vernichtung"})
	open := h
	open.Released = time.Time{}
	says(t, show("hold", holdView{Hold: open}), []string{follows}, []string{"außer dem"})
	open.Reviews = []retention.Review{{At: h.Set, By: "olga", Due: preservation.Date{Year: 2026, Month: 3, Day: 1}, Next: preservation.Date{Year: 2027, Month: 3, Day: 1}, Note: "Berufung läuft"}}
	says(t, show("hold", holdView{Hold: open, Fields: map[string]api.FieldError{"review": {Code: "past"}}}), []string{"Vorgelegt zum 01.03.2026, noch nötig; wieder am 01.03.2027", "Berufung läuft", "olga"}, nil)
	h.Progress.Applied = 0
	says(t, show("hold", holdView{Hold: h}), []string{"0 von 100.000 Akten"}, []string{still})
	says(t, show("holds", holdsView{Items: []api.Hold{h}}), nil, []string{"kam sie"})
}

// TestPageOf: where a form has no page of its own, whoever logs in again is led to the
// nearest one above it.
func TestPageOf(t *testing.T) {
	v, _ := stranger(t, "/")
	for at, want := range map[string]string{
		"/aussonderung/laeufe/01jq/antwort":           "/aussonderung/laeufe/01jq",
		"/aussonderung/regeln/datei":                  "/aussonderung/regeln/datei",
		"/aussonderung/regeln/a/fassung/2/zustimmung": "/aussonderung/regeln",
		"/einrichtung/aktenplan":                      "/einrichtung/aktenplan",
		"/einrichtung/siegel/weiter":                  "/einrichtung/siegel",
		"/einrichtung/verzicht":                       "/einrichtung",
		"/uebernahme/neu":                             "/uebernahme/neu",
		"/uebernahme/01jq/wiederholung":               "/uebernahme/01jq",
		"/abmelden":                                   "/",
		"/":                                           "/",
	} {
		if got := v.ui.pageOf(at); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}

// TestPageOfForms: the page that whoever sent a form too late is led to is one of those that
// lead to the form: what stands for something in the address of the page stands for the
// same in that of the form.
func TestPageOfForms(t *testing.T) {
	v, _ := stranger(t, "/")
	for _, p := range pages {
		form, ok := strings.CutPrefix(p.pattern, "POST ")
		if !ok {
			continue
		}
		to := v.ui.pageOf(strings.NewReplacer("{", "", "}", "").Replace(form))
		_, pattern := v.ui.mux.Handler(httptest.NewRequest(http.MethodGet, to, nil))
		page, ok := strings.CutPrefix(pattern, "GET ")
		if !ok {
			t.Errorf("%s leads to %s, where there is no page", form, to)
		}
		for i, part := range strings.Split(page, "/") {
			if was := strings.Split(form, "/")[i]; part != was && part != "{$}" {
				t.Errorf("%s leads to %s, which takes %q for %s", form, page, was, part)
			}
		}
	}
}

// TestKept: what people typed is shown before it is sent; what a form only carries is
// sent without being read to them.
func TestKept(t *testing.T) {
	v, w := stranger(t, "/anmelden")
	sheet := strings.Repeat("QmFzaXM", 1000)
	if err := v.resume(loginView{Next: "/aussonderung/regeln/datei/uebernahme", Kept: []keptField{{"blatt", sheet}, {"reason", "lange getippt"}, {"weiter", "/irgendwo"}}}); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{">lange getippt</dd>", "Datei mit Regeln", "wird unverändert mitgesandt", `<input type="hidden" name="blatt" value="` + sheet + `">`, `name="weiter" value="/irgendwo"`},
		[]string{">" + sheet, ">/irgendwo<", ">blatt<", ">weiter<"})
	v, w = stranger(t, "/anmelden")
	if err := v.resume(loginView{Next: "/aussonderung/laeufe/x/uebergabe", Kept: []keptField{{"bestaetigt", "1"}, {"own_copy", "destroy"}, {"scope", "all"}, {"grace_days", "1"}}}); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{">ja</dd>", ">vernichten</dd>", ">alle offenen Akten des Laufs</dd>", ">1</dd>", `name="bestaetigt" value="1"`, `name="own_copy" value="destroy"`}, []string{">destroy<", ">all<"})
}

// TestWrongItems: of a list that somebody typed the items are named that are wrong.
func TestWrongItems(t *testing.T) {
	at := func(field, code string) api.FieldError { return api.FieldError{Field: field, Code: code} }
	all := faults(&refusal{status: http.StatusUnprocessableEntity, problem: api.Problem{Errors: []api.FieldError{
		at("scope.classes[2]", "unknown-class"), at("scope.classes[0]", "unknown-class"), at("scope.classes[1]", "max"), at("reason", "required")}}})
	if len(all) != 2 || all["reason"].Code != "required" {
		t.Fatalf("%+v", all)
	}
	v, w := stranger(t, "/aussonderung/sperren")
	p := field{ID: "f-classes", Name: "classes", Type: "text", Value: "99, <b>; 63.98", Label: "holds.classes", Fault: faultOf(all, "scope.classes")}
	page, err := v.ui.templates["de"]["holds"]()
	if err != nil {
		t.Fatal(err)
	}
	if err := page.ExecuteTemplate(w, "field", p); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{">99, 63.98: gibt es im Aktenplan nicht<"}, nil)
	if whole := (field{Value: "1 2", Fault: &api.FieldError{Field: "classes"}}).Wrong(); whole != "" {
		t.Errorf("names %q", whole)
	}
}

// TestRulesNotice: rules from a file are said to be in force when they are.
func TestRulesNotice(t *testing.T) {
	v, _ := stranger(t, "/")
	now := retention.Rule{ApprovedBy: "otto", ValidFrom: v.today()}
	later, draft := now, now
	later.ValidFrom, draft.ApprovedBy = v.today().AddDays(1), ""
	for _, c := range []struct {
		made []retention.Rule
		want string
	}{
		{nil, "rules-same"}, {[]retention.Rule{now}, "rules-saved"}, {[]retention.Rule{{ApprovedBy: "otto"}}, "rules-saved"},
		{[]retention.Rule{now, later}, "rules-later"}, {[]retention.Rule{draft, draft}, "rules-proposed"},
	} {
		got := v.rulesNotice(c.made)
		if got != c.want || v.lang.t("notice."+got) == "notice."+got {
			t.Errorf("%+v: %s, want %s", c.made, got, c.want)
		}
	}
}

// TestWrongFile: a page names the first faults of a file and how many more there are, and
// what each is about.
func TestWrongFile(t *testing.T) {
	many := &refusal{status: http.StatusUnprocessableEntity, code: "invalid"}
	for i := range wrongShown + 3 {
		many.problem.Errors = append(many.problem.Errors, api.FieldError{Field: fmt.Sprintf("line %d", i+2), Code: "duplicate", Detail: "is there twice"})
	}
	last, over := fmt.Sprintf("Zeile %d:", wrongShown+1), fmt.Sprintf("Zeile %d:", wrongShown+2)
	unreadable := &refusal{status: http.StatusBadRequest, code: "malformed", problem: api.Problem{Detail: "the container is no ZIP that can be read"}}
	for _, c := range []struct {
		err        error
		these, not []string
	}{
		{many, []string{"Zeile 2:", last, "und 3 weitere Fehler"}, []string{over}},
		{&refusal{status: many.status, problem: api.Problem{Errors: many.problem.Errors[:wrongShown+1]}}, []string{last, "und 1 weiterer Fehler"}, []string{over}},
		{&refusal{status: many.status, problem: api.Problem{Errors: many.problem.Errors[:wrongShown]}}, []string{last}, []string{"weitere Fehler", "weiterer Fehler"}},
		{unreadable, []string{"<li>Die Datei: ist nicht zu lesen"}, nil},
		{&refusal{status: http.StatusConflict, code: "conflict"}, []string{"<li>Jemand anderes hat"}, nil},
	} {
		v, w := stranger(t, "/aussonderung/regeln/datei")
		if err := v.refusedRules(c.err); err != nil {
			t.Fatal(err)
		}
		says(t, w.Body.String(), c.these, c.not)
	}
	v, _ := stranger(t, "/")
	if err := v.refusedRules(errNotFound); !errors.Is(err, errNotFound) {
		t.Errorf("no fault of the file: %v", err)
	}
	if got := languages[1].wrong([]api.FieldError{{Field: "file", Code: "malformed", Detail: unreadable.problem.Detail}, {Field: "file", Code: "empty"}}); got.Shown[0].Text != unreadable.problem.Detail || got.Shown[1].Text == "" {
		t.Errorf("%+v", got)
	}
}

// TestRunWrong: what is wrong with an answer of the archive is said although the run takes
// none any more.
func TestRunWrong(t *testing.T) {
	v, w := stranger(t, "/aussonderung/laeufe/01jq2m9cfp2y8r0v6k3c5t7n4e")
	p := runView{DisposalRun: api.DisposalRun{ID: "01jq2m9cfp2y8r0v6k3c5t7n4e", Status: "approved"}, View: "all", Wrong: []api.FieldError{{Field: "line 3", Code: "malformed"}}}
	if err := v.showRun(http.StatusUnprocessableEntity, p); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"Diese Antwort passt nicht", "<li>Zeile 3: ist nicht zu lesen"}, nil)
}

// TestRunItems tells of a record in a run why a sample chose it, and whose note stands beside
// whose decision.
func TestRunItems(t *testing.T) {
	v, w := stranger(t, "/aussonderung/laeufe/01jq2m9cfp2y8r0v6k3c5t7n4e")
	p := runView{DisposalRun: api.DisposalRun{ID: "01jq2m9cfp2y8r0v6k3c5t7n4e", Status: "stopped"}, View: "all"}
	p.Stop = retention.Stop{By: retention.System, At: time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC), Reason: "1200 of 3000 records in one run are more than the configured share of 0.1"}
	var i api.DisposalItem
	i.Record, i.State, i.Proposed, i.Sampled = "01jq2m9cfp2y8r0v6k3c5t7n4f", "open", "A", "born on a day 15"
	i.Decision, i.DecidedBy, i.Note, i.NotedBy = "V", "anna", "ohne Wert", "otto"
	p.Items = append(p.Items, i)
	i.Record, i.Sampled, i.Note, i.NotedBy = "01jq2m9cfp2y8r0v6k3c5t7n4g", "", "sample: one of 20", "" // as former releases listed it
	p.Items = append(p.Items, i)
	if err := v.showRun(http.StatusOK, p); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"Stichprobe: geboren an einem 15.", "„ohne Wert“ (otto)", "Stichprobe: eine von 20", ">anna<", "selbst angehalten", "1200 von 3000 Akten in einem Lauf sind mehr als der eingestellte Anteil (0.1)."},
		[]string{"records in one run", "Angehalten von system", "sample:"})
}

// TestSubmissionTitle: a submission is called by its title while it is processed, and its
// page names the files.
func TestSubmissionTitle(t *testing.T) {
	id := preservation.SubmissionID("01jq2m9cfp2y8r0v6k3c5t7n4e")
	files := make([]string, filesNamed+1)
	for i := range files {
		files[i] = fmt.Sprintf("anlage-%d.pdf", i+1)
	}
	for _, c := range []struct {
		sub        api.Submission
		these, not []string
	}{
		{api.Submission{ID: id, ProducerRecordID: "01jq2m9cfp2y8r0v6k3c5t7n4f", Title: "Kleingarten Süd", Files: files[:2]}, []string{"Übernahme Kleingarten Süd</h1>", ">anlage-1.pdf, anlage-2.pdf</dd>"}, nil},
		{api.Submission{ID: id, ProducerRecordID: "eingang/rechnung.pdf"}, []string{"Übernahme rechnung.pdf</h1>"}, []string{"Dateien</dt>"}},
		{api.Submission{ID: id, Received: time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC), Files: files}, []string{"Übernahme vom 02.01.2026, 11:00 Uhr</h1>", "anlage-10.pdf …</dd>", ">" + string(id) + "</dd>"}, []string{"anlage-11.pdf"}},
	} {
		v, w := stranger(t, "/uebernahme/"+string(id))
		if err := v.showSubmission(http.StatusOK, submissionView{Submission: c.sub}); err != nil {
			t.Fatal(err)
		}
		says(t, w.Body.String(), c.these, c.not)
	}
}

// TestTooLarge: whoever sends too much is told how much there may be.
func TestTooLarge(t *testing.T) {
	v, w := stranger(t, "/profil")
	v.r = httptest.NewRequest(http.MethodPost, "/profil/kennwort", strings.NewReader("a="+strings.Repeat("x", formBytes)))
	v.r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	v.fail(v.parseForm())
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", w.Code)
	}
	says(t, w.Body.String(), []string{"Höchstens", "kB"}, nil)
}

// TestBarred: whoever is kept out after wrong passwords is not said to be active, for as
// long as that lasts.
func TestBarred(t *testing.T) {
	v, w := stranger(t, "/verwaltung")
	now := v.ui.Now()
	all := barred([]api.User{{Name: "e.muster", Barred: now.Add(10 * time.Minute)}, {Name: "o.ordner", Barred: now}}, now)
	if err := v.showStatus(http.StatusOK, "users", "", usersView{Items: all}); err != nil {
		t.Fatal(err)
	}
	page := w.Body.String()
	says(t, page, []string{"nach zu vielen falschen Kennwörtern gesperrt bis 02.01.2026, 13:10 Uhr", "vorübergehend gesperrt"}, nil)
	if n := strings.Count(page, "gesperrt bis"); n != 1 {
		t.Errorf("%d people are kept out", n)
	}
}

// TestBrowser: a session is told by its browser, not by what a browser says of itself.
func TestBrowser(t *testing.T) {
	v, _ := stranger(t, "/profil")
	for agent, want := range map[string]string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0": "Edge auf Windows",
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0":                                                        "Firefox auf Linux",
		"Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36":                  "Chrome auf Android",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/604.1":     "Safari auf iPhone",
		"curl/8.5.0": "curl/8.5.0",
	} {
		if got := v.lang.browser(agent); got != want {
			t.Errorf("%s: %q, want %q", agent, got, want)
		}
	}
}

// TestOpenRecords: the records that wait for a person are a search away.
func TestOpenRecords(t *testing.T) {
	v, w := stranger(t, "/aussonderung/berichte")
	p := reportsView{Unresolved: []retention.OpenRow{{Class: "63.10", Reason: retention.MissingTrigger, Records: 3, Examples: []preservation.RecordID{"01jq2m9cfp2y8r0v6k3c5t7n4e"}}},
		Conflicts: []retention.OpenRow{{Class: "02.20", Records: 1}}}
	if err := v.showStatus(http.StatusOK, "reports", "", p); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{`href="/suche?class=63.10&amp;state=unresolved">3 Akten</a>`, `href="/suche?class=02.20&amp;state=conflict">1 Akte</a>`}, nil)
}

// TestNoRole: whoever chooses no role is told so, and not that something is too short.
func TestNoRole(t *testing.T) {
	err := &refusal{status: http.StatusUnprocessableEntity, problem: api.Problem{Errors: []api.FieldError{{Field: "roles", Code: "min"}, {Field: "name", Code: "min"}}}}
	if got := roleFaults(err); got["roles"].Code != "required" || got["name"].Code != "min" {
		t.Errorf("%+v", got)
	}
}

// TestRunWithoutDestruction: nobody has to agree to destroy nothing.
func TestRunWithoutDestruction(t *testing.T) {
	v, _ := stranger(t, "/")
	var p runView
	says(t, p.Outlook(v.lang)+p.Order(v.lang), []string{"nichts zu vernichten"}, []string{"unwiderruflich", "0 Akten"})
	p.Approval.Destroy, p.Counts.Destroy = 3, 2 // one was destroyed before the run was stopped
	says(t, p.Outlook(v.lang)+p.Order(v.lang), []string{"2 Akten sollen unwiderruflich vernichtet werden"}, []string{"nichts zu vernichten", "Übernahme"})
}

// TestRunOfOwnCopies: to destroy what an archive has taken over is agreed to like any
// other destruction, and before it has taken over it is said what may come.
func TestRunOfOwnCopies(t *testing.T) {
	v, _ := stranger(t, "/")
	var p runView
	p.Counts = retention.RunCounts{Open: 3, Archive: 3, HandOver: 3}
	for _, text := range []string{p.Outlook(v.lang), p.Order(v.lang)} {
		says(t, text, []string{"3 Akten warten noch auf die Übernahme", "unwiderruflich"}, nil)
	}
	p.Counts.HandOver, p.Counts.OwnCopies = 1, 2
	says(t, p.Outlook(v.lang), []string{"Nach der Schonfrist werden die Akten vernichtet", "1 Akte wartet noch auf die Übernahme"}, []string{"nichts zu vernichten"})
	says(t, p.Order(v.lang), []string{"2 Akten sollen unwiderruflich vernichtet werden"}, nil)
	p.Counts.Destroy = 1
	says(t, p.Order(v.lang), []string{"3 Akten sollen unwiderruflich vernichtet werden"}, nil)
}

// TestNothingMoves: a change that moves no record is said to change nothing.
func TestNothingMoves(t *testing.T) {
	v, w := stranger(t, "/aussonderung/regeln/vorschau")
	p := ruleView{At: "02.01.2026", Values: map[string]string{}, Effects: largest([]retention.Effect{{Applies: "new", Records: 2}, {Applies: "all", Records: 2, Moved: 1}})}
	if err := v.showStatus(http.StatusOK, "rule", "", p); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"Es ändert sich nichts.", "Bei 1 ändert sich etwas."}, []string{"Bei 0"})
}

// TestCertificatePage: on paper a certificate says whose it is, also of a run without a
// title, and shows no buttons.
func TestCertificatePage(t *testing.T) {
	v, w := stranger(t, "/aussonderung/laeufe/01jq2m9cfp2y8r0v6k3c5t7n4g/nachweis")
	run := runView{DisposalRun: api.DisposalRun{ID: "01jq2m9cfp2y8r0v6k3c5t7n4g", Proposed: time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)}}
	if err := v.show("certificate", "Nachweis", &certificateView{ID: run.ID, Name: run.Name(v.lang)}); err != nil {
		t.Fatal(err)
	}
	says(t, w.Body.String(), []string{"Kennung des Laufs", "<code>" + run.ID + "</code>", "02.01.2026", `<p class="row no-print">`}, nil)
	css, err := assetFiles.ReadFile("asset/bestand.css")
	if err != nil {
		t.Fatal(err)
	}
	_, print, _ := strings.Cut(string(css), "@media print {")
	says(t, print, []string{"h1, h2, h3, thead { break-after: avoid; }", ".no-print"}, nil)
}
