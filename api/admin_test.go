package api

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

func TestTokens(t *testing.T) {
	a := newArchive(t)
	admin := a.token(ours, "anna", auth.Admin)
	make := func(body map[string]any, status int) answer {
		t.Helper()
		return a.do(admin, "POST", "/v1/tokens", body).want(t, status)
	}
	k := decode[NewToken](t, make(map[string]any{"actor": "erika", "roles": []string{"reader"}, "label": "laptop"}, 201))
	if !strings.HasPrefix(k.Token, "bst_") || k.CreatedBy != "anna" {
		t.Errorf("%+v", k)
	}
	a.do(k.Token, "GET", "/v1/records", nil).want(t, 200)
	a.do(k.Token, "GET", "/v1/tokens", nil).want(t, 403)
	v := a.do(admin, "GET", "/v1/tokens", nil).want(t, 200)
	if list := decode[ListTokens200JSONResponse](t, v); len(list.Items) != 2 || strings.Contains(string(v.body), k.Token) {
		t.Errorf("%s", v.body)
	}
	a.do(admin, "POST", "/v1/tokens/"+k.ID+"/revoke", nil).want(t, 204)
	a.do(admin, "POST", "/v1/tokens/"+k.ID+"/revoke", nil).want(t, 204)
	a.do(k.Token, "GET", "/v1/records", nil).want(t, 401)

	short := decode[NewToken](t, make(map[string]any{"actor": "x", "roles": []string{"reader"}, "expires": time.Now().Add(time.Hour).Format(time.RFC3339)}, 201))
	a.do(short.Token, "GET", "/v1/records", nil).want(t, 200)
	a.server.s.bearer.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	a.do(short.Token, "GET", "/v1/records", nil).want(t, 401)
	a.server.s.bearer.Now = time.Now

	for field, body := range map[string]map[string]any{
		"actor":    {"roles": []string{"reader"}},
		"roles":    {"actor": "x", "roles": []string{}},
		"roles[0]": {"actor": "x", "roles": []string{"king"}},
		"expires":  {"actor": "x", "roles": []string{"reader"}, "expires": "2020-01-01T00:00:00Z"},
		"tenant":   {"actor": "x", "roles": []string{"reader"}, "tenant": "NO"},
	} {
		if v := make(body, 422); v.field(t, field) == "" {
			t.Errorf("%s: %s", field, v.body)
		}
	}
	make(map[string]any{"actor": "x", "roles": []string{"reader"}, "expires": "tomorrow"}, 422)
	make(map[string]any{"actor": "x", "roles": []string{"reader"}, "tenant": string(theirs)}, 404)
	make(map[string]any{"actor": "x", "roles": []string{"reader"}, "tenant": "nowhere"}, 404)
	make(map[string]any{"actor": "x", "roles": []string{"admin"}, "installation": true}, 403)

	entries, err := a.db.Tenant(ours).AuditLog(t.Context(), 0, k.ID, 10)
	if err != nil || len(entries) != 2 || entries[0].Actor != "anna" || entries[1].Action != "token.revoke" {
		t.Errorf("%+v %v", entries, err)
	}
}

func TestTenantsAreAdded(t *testing.T) {
	a := newArchive(t)
	provider := a.tokenLike(ours, catalog.Token{Actor: "provider", Roles: []string{"admin"}, Installation: true})
	made := decode[NewTenant](t, a.do(provider, "POST", "/v1/tenants", map[string]any{"id": "neustadt", "name": "Neustadt", "admin": "nina"}).want(t, 201))
	if made.Tenant.ID != "neustadt" || made.Tenant.Created.IsZero() {
		t.Errorf("%+v", made)
	}
	a.do(made.Token, "GET", "/v1/tokens", nil).want(t, 200)
	a.do(made.Token, "GET", "/v1/tenants", nil).want(t, 403)
	a.do(provider, "POST", "/v1/tenants", map[string]any{"id": "neustadt", "name": "Neustadt", "admin": "nina"}).want(t, 409)
	if p := a.do(provider, "POST", "/v1/tenants", map[string]any{"id": "neustadt", "name": "Neustadt", "admin": "nina"}).problem(t); p.Detail != "there is a tenant neustadt already" {
		t.Errorf("%+v", p)
	}
	if v := a.do(provider, "POST", "/v1/tenants", map[string]any{"id": "Neu Stadt", "name": "x", "admin": "y"}).want(t, 422); v.field(t, "id") != "tenant" {
		t.Errorf("%s", v.body)
	}
	if list := decode[ListTenants200JSONResponse](t, a.do(provider, "GET", "/v1/tenants", nil).want(t, 200)); len(list.Items) != 3 {
		t.Errorf("%+v", list)
	}
	elsewhere := decode[NewToken](t, a.do(provider, "POST", "/v1/tokens", map[string]any{"actor": "x", "roles": []string{"reader"}, "tenant": "neustadt"}).want(t, 201))
	a.do(elsewhere.Token, "GET", "/v1/records", nil).want(t, 200)
}

func TestAudit(t *testing.T) {
	a := newArchive(t)
	auditor := a.token(ours, "paula", auth.Auditor)
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"})
	a.do(a.token(ours, "erika", auth.Reader), "GET", "/v1/records/"+string(e.ID), nil).want(t, 200)
	type pageOf = ListAudit200JSONResponse
	var prev, path = "", "/v1/audit?limit=2"
	read := false
	for pages := 0; path != ""; pages++ {
		p := decode[pageOf](t, a.do(auditor, "GET", path, nil).want(t, 200))
		for _, entry := range p.Items {
			sum := catalog.AuditEntry{Seq: entry.Seq, At: entry.At, Actor: entry.Actor, Action: entry.Action, Object: entry.Object, Detail: entry.Detail, Prev: entry.Prev}.Sum(ours)
			if entry.Prev != prev || entry.Hash != sum {
				t.Errorf("entry %d breaks the chain", entry.Seq)
			}
			prev = entry.Hash
			read = read || entry.Action == "record.read" && entry.Actor == "erika" && entry.Object == string(e.ID)
		}
		if path = ""; p.Next != "" {
			path = "/v1/audit?limit=2&after=" + p.Next
		}
		if pages > 100 {
			t.Fatal("the log does not end")
		}
	}
	if !read {
		t.Error("a read is missing")
	}
	a.do(auditor, "GET", "/v1/audit?after=x", nil).want(t, 400)
	a.do(auditor, "GET", "/v1/audit?after=-1", nil).want(t, 400)
}

func TestClassification(t *testing.T) {
	a := newArchive(t)
	officer := a.token(ours, "olga", auth.RecordsOfficer)
	s := decode[Scheme](t, a.do(officer, "GET", "/v1/classification", nil).want(t, 200))
	if s.Version != 1 || !slices.ContainsFunc(s.Classes, func(c retention.Class) bool { return c.Code == "63.10" }) {
		t.Errorf("version %d", s.Version)
	}
	s.Classes = append(s.Classes, retention.Class{Code: "63.99", Title: "Neu", Parent: "63"})
	next := decode[Scheme](t, a.do(officer, "POST", "/v1/classification", s).want(t, 201))
	if next.Version != 2 || len(next.Classes) != len(s.Classes) {
		t.Errorf("version %d with %d classes", next.Version, len(next.Classes))
	}
	a.do(officer, "POST", "/v1/classification", s).want(t, 409)
	s.Version, s.Classes[0].Parent = 2, "nowhere"
	if v := a.do(officer, "POST", "/v1/classification", s).want(t, 422); v.field(t, "classes[0].parent") == "" {
		t.Errorf("%s", v.body)
	}
	if v := a.do(officer, "POST", "/v1/classification", `{"title":"x","classes":[{"code":"1","titel":"x"}]}`).want(t, 422); v.field(t, "classes[0].titel") != "unknown-field" {
		t.Errorf("%s", v.body)
	}
	if old := decode[Scheme](t, a.do(officer, "GET", "/v1/classification?version=1", nil).want(t, 200)); old.Version != 1 || len(old.Classes) != len(next.Classes)-1 {
		t.Errorf("version %d with %d classes", old.Version, len(old.Classes))
	}
	a.do(officer, "GET", "/v1/classification?version=9", nil).want(t, 404)
	versions := decode[struct{ Items []retention.SchemeVersion }](t, a.do(officer, "GET", "/v1/classification/versions", nil).want(t, 200)).Items
	if len(versions) != 2 || versions[0].Version != 2 || versions[0].SetBy != "olga" || versions[0].Classes != len(next.Classes) {
		t.Errorf("versions %+v", versions)
	}

	a.archived(ours, "1") // in 63.10
	next.Classes = slices.DeleteFunc(next.Classes, func(c retention.Class) bool { return c.Code == "63.10" })
	for _, path := range []string{"/v1/classification/preview", "/v1/classification"} {
		if v := a.do(officer, "POST", path, next).want(t, 409); v.problem(t).Code != "class-in-use" || v.field(t, "classes") != "in-use" {
			t.Errorf("%s: %s", path, v.body)
		}
	}
	next.Successors = map[string]string{"63.10": "63.20"}
	p := decode[retention.Preview](t, a.do(officer, "POST", "/v1/classification/preview?examples=1", next).want(t, 200))
	if len(p.Effects) != 1 || p.Effects[0].Records != 1 {
		t.Errorf("preview %+v", p)
	}
	a.do(officer, "POST", "/v1/classification", next).want(t, 201)
	a.do(officer, "POST", "/v1/classification", `[]`).want(t, 422)
	a.do(officer, "POST", "/v1/classification", ``).want(t, 400)
}

// TestClassificationForms: what goes out as CSV or xdomea comes in again as what it was, and
// faults are where the person who made the file finds them.
func TestClassificationForms(t *testing.T) {
	a := newArchive(t)
	officer := a.token(ours, "olga", auth.RecordsOfficer)
	was := decode[Scheme](t, a.do(officer, "GET", "/v1/classification", nil).want(t, 200))
	for _, media := range []string{"text/csv", "application/xml"} {
		v := a.do(officer, "GET", "/v1/classification", nil, "Accept", media+", */*;q=0.1").want(t, 200)
		if got := v.Header.Get("Content-Type"); got != media {
			t.Fatalf("%s: answered %s", media, got)
		}
		p := decode[retention.Preview](t, a.do(officer, "POST", "/v1/classification/preview", bytes.NewReader(v.body), "Content-Type", media).want(t, 200))
		if len(p.Effects) != 1 || p.Effects[0].Moved != 0 || !p.Unchanged {
			t.Errorf("%s: %+v", media, p)
		}
		got := decode[Scheme](t, a.do(officer, "POST", "/v1/classification", bytes.NewReader(v.body), "Content-Type", media+"; charset=utf-8").want(t, 200))
		if got.Version != was.Version || got.Title != was.Title || len(got.Classes) != len(was.Classes) {
			t.Errorf("%s: version %d of %d classes", media, got.Version, len(got.Classes))
		}
		for _, c := range was.Classes {
			if !slices.Contains(got.Classes, c) {
				t.Errorf("%s: %+v is not there", media, c)
			}
		}
	}
	refused := a.do(officer, "POST", "/v1/classification", strings.NewReader("Kennzeichen;Bezeichnung;Regel\n1;A;none\n"), "Content-Type", "text/csv").want(t, 422)
	if refused.field(t, "line 2, column Aufbewahrungsregel") != "unknown-rule" {
		t.Errorf("%s", refused.body)
	}
	refused = a.do(officer, "POST", "/v1/classification", strings.NewReader("Kennzeichen;Bezeichnung;Regel;Stillgelegt\n1;A;none;vielleicht\n1;B;;\n2;;;\n"), "Content-Type", "text/csv").want(t, 422)
	for field, code := range map[string]string{"line 2, column Aufbewahrungsregel": "unknown-rule", "line 2, column Stillgelegt": "oneof", "line 3, column Kennzeichen": "duplicate", "line 4, column Bezeichnung": "required"} {
		if refused.field(t, field) != code {
			t.Errorf("%s: %s", field, refused.body)
		}
	}
	if strings.Contains(string(refused.body), "classes[") {
		t.Errorf("%s", refused.body)
	}
	a.do(officer, "POST", "/v1/classification", strings.NewReader("x"), "Content-Type", "text/plain").want(t, 415)
	a.do(officer, "POST", "/v1/classification/preview?examples=101", was).want(t, 400)
	a.do(a.token(ours, "rita", auth.Reader), "POST", "/v1/classification", was).want(t, 403)
}

func TestRules(t *testing.T) {
	a := newArchive(t)
	officer := a.token(ours, "olga", auth.RecordsOfficer)
	rule := map[string]any{"id": "test", "title": "Test", "trigger": "closure", "duration": map[string]any{"years": 10}, "base": "year-end", "disposition": "V", "legal_basis": "Test"}
	first := decode[Rule](t, a.do(officer, "POST", "/v1/rules", rule).want(t, 201))
	if first.Version != 1 || first.ApprovedBy != "olga" {
		t.Errorf("%+v", first)
	}
	rule["version"] = 1
	a.do(officer, "POST", "/v1/rules", rule).want(t, 201)
	a.do(officer, "POST", "/v1/rules", rule).want(t, 409)
	if list := decode[ListRules200JSONResponse](t, a.do(officer, "GET", "/v1/rules", nil).want(t, 200)); len(list.Items) < 3 {
		t.Errorf("%d rules", len(list.Items))
	}
	delete(rule, "version")
	for field, value := range map[string]any{"disposition": "X", "base": "never", "legal_basis": "", "approved_by": "me", "valid_from": "2020-02-30"} {
		old := rule[field]
		rule[field] = value
		if v := a.do(officer, "POST", "/v1/rules", rule).want(t, 422); v.field(t, field) == "" {
			t.Errorf("%s: %s", field, v.body)
		}
		if rule[field] = old; old == nil {
			delete(rule, field)
		}
	}
	// No length is said, and not left out.
	rule["minimum"] = map[string]any{"trigger": "award", "base": "day"}
	delete(rule, "duration")
	if v := a.do(officer, "POST", "/v1/rules", rule).want(t, 422); v.field(t, "duration") != "required" || v.field(t, "minimum.duration") != "required" {
		t.Errorf("%s", v.body)
	}
	none := map[string]any{"days": 0}
	rule["duration"], rule["minimum"] = none, map[string]any{"trigger": "award", "base": "day", "duration": none}
	if r := decode[Rule](t, a.do(officer, "POST", "/v1/rules", rule).want(t, 201)); r.Duration != retention.NoTime() || r.Minimum.Duration != retention.NoTime() {
		t.Errorf("%+v", r)
	}
	// Shipped rules without a length were written before it was asked for.
	for _, r := range decode[ListRules200JSONResponse](t, a.do(officer, "GET", "/v1/rules", nil).want(t, 200)).Items {
		if !r.Permanent && r.Duration == (retention.Duration{}) {
			t.Errorf("%s does not say how long", r.ID)
		}
	}
}

// TestRuleSheet: rules go out as CSV and come in again, all or none, with what is
// wrong where the person who made the file finds it.
func TestRuleSheet(t *testing.T) {
	a := newArchive(t)
	officer := a.token(ours, "olga", auth.RecordsOfficer)
	a.archived(ours, "1", preservation.File{Name: "a.txt"})
	sheet := string(a.do(officer, "GET", "/v1/rules", nil, "Accept", "text/csv").want(t, 200).body)
	send := func(path, text string) answer {
		return a.do(officer, "POST", path, strings.NewReader(text), "Content-Type", "text/csv")
	}
	if c := decode[retention.RuleChange](t, send("/v1/rules/import", sheet).want(t, 200)); len(c.Rules) != 0 || c.Unchanged < 20 {
		t.Errorf("%+v", c)
	}
	if !strings.Contains(sheet, ";building-removed;0 Tage;") {
		t.Errorf("what ends with its trigger says so: %.2000s", sheet)
	}
	if c := decode[retention.RuleChange](t, send("/v1/rules/import", strings.Replace(sheet, ";building-removed;0 Tage;", ";building-removed;;", 1)).want(t, 200)); len(c.Rules) != 0 {
		t.Errorf("as former releases wrote it: %+v", c)
	}
	if v := send("/v1/rules/import/preview", strings.Replace(sheet, ";10 Jahre;", ";;", 1)).want(t, 422); len(v.problem(t).Errors) != 1 || !strings.HasSuffix(v.problem(t).Errors[0].Field, ", column Frist") {
		t.Errorf("a period is lost without a word: %s", v.body)
	}
	longer := strings.Replace(sheet, ";10 Jahre;", ";11 Jahre;", 1)
	if longer == sheet || !strings.Contains(sheet, "\r\nadoption;1;") {
		t.Fatalf("%.500s", sheet)
	}
	longer += "neu;;Neue Regel;;closure;3 Jahre 6 Monate;Tag;;;;;;;;;V;;;;;;Satzung §1;;;;;;\r\n"
	for _, path := range []string{"/v1/rules/import/preview", "/v1/rules/import"} {
		status := 200
		if path == "/v1/rules/import" {
			status = 201
		}
		c := decode[retention.RuleChange](t, send(path, longer).want(t, status))
		if len(c.Rules) != 2 || c.Rules[1].ID != "neu" || c.Rules[1].Version != 1 || c.Rules[1].Duration != (retention.Duration{Years: 3, Months: 6}) || c.Rules[0].Version != 2 {
			t.Errorf("%s: %+v", path, c)
		}
		if len(c.Changes) != 1 || len(c.Changes[0].Fields) != 1 || c.Changes[0].Fields[0].Field != "duration.years" || c.Changes[0].Fields[0].From != "10" || c.Changes[0].Fields[0].To != "11" {
			t.Errorf("%s: %+v", path, c.Changes)
		}
		if status == 200 && len(c.Preview.Effects) != 1 {
			t.Errorf("%+v", c.Preview)
		}
	}
	if v := send("/v1/rules/import", strings.ReplaceAll(longer, "11 Jahre", "12 Jahre")).want(t, 409); !strings.Contains(v.problem(t).Detail, "(version 1, the newest is 2)") {
		t.Errorf("%s", v.body)
	}
	v := send("/v1/rules/import", "Kurzname;Titel;Frist;Mindestens ab;Rechtsgrundlage;Beginnt mit;Gerechnet\n"+
		"neu;;3 Wochen;;;closure;Tag\nNEU;T;;Ä;S;closure;Tag\nneu;T;;;S;closure;Tag\n").want(t, 422)
	for field, code := range map[string]string{"line 2, column Frist": "format", "line 2, column Titel": "required", "line 2, column Rechtsgrundlage": "required",
		"line 3, column Kurzname": "name", "line 3, column Mindestens ab": "name", "line 3, column Mindestfrist gerechnet": "required", "line 4, column Kurzname": "duplicate"} {
		if v.field(t, field) != code {
			t.Errorf("%s: %s", field, v.body)
		}
	}
	if all := decode[ListRules200JSONResponse](t, a.do(officer, "GET", "/v1/rules", nil).want(t, 200)).Items; slices.ContainsFunc(all, func(r Rule) bool { return r.ID == "neu" && r.Version > 1 }) {
		t.Error("a refused file has changed a rule")
	}
	a.do(officer, "POST", "/v1/rules/import", `{"rules":[]}`).want(t, 422)
	for _, item := range []string{`{}`, `{"colour":1}`} { // and the list ends there
		n := retention.MaxRules + 1
		v := a.do(officer, "POST", "/v1/rules/import", `{"rules":[`+strings.Repeat(item+",", n)+item+`]}`).want(t, 422)
		if e := v.problem(t).Errors; item == `{}` && (len(e) != 1 || e[0].Field != "rules" || e[0].Code != "too-many") || len(e) > maxFound {
			t.Errorf("%.500s", v.body)
		}
	}
	a.do(officer, "POST", "/v1/rules/import", `{"rules":[`+strings.Repeat(" ", lists)+`]}`).want(t, 413)
	a.do(a.token(ours, "rita", auth.Reader), "POST", "/v1/rules/import", strings.NewReader(sheet), "Content-Type", "text/csv").want(t, 403)
}

func TestHolds(t *testing.T) {
	a := newArchive(t)
	officer := a.token(ours, "olga", auth.RecordsOfficer)
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"})
	body := map[string]any{"scope": map[string]any{"records": []any{e.ID}}, "authority": "Verwaltungsgericht", "reason": "Verfahren 1 K 1/26", "review": "2027-01-01"}
	h := decode[Hold](t, a.do(officer, "POST", "/v1/holds", body).want(t, 201))
	if h.SetBy != "olga" || h.Scope.Records[0] != e.ID {
		t.Errorf("%+v", h)
	}
	if r := decode[Record](t, a.do(officer, "GET", "/v1/records/"+string(e.ID), nil).want(t, 200)); r.Retention.State != retention.Held || r.Retention.Holds[0] != h.ID {
		t.Errorf("%+v", r.Retention)
	}
	second := decode[Hold](t, a.do(officer, "POST", "/v1/holds", body).want(t, 201))
	p := decode[ListHolds200JSONResponse](t, a.do(officer, "GET", "/v1/holds?limit=1", nil).want(t, 200))
	if len(p.Items) != 1 || p.Items[0].ID != second.ID || p.Next == "" {
		t.Errorf("%+v", p)
	}
	if p = decode[ListHolds200JSONResponse](t, a.do(officer, "GET", "/v1/holds?limit=1&after="+p.Next, nil).want(t, 200)); len(p.Items) != 1 || p.Items[0].ID != h.ID || p.Next != "" {
		t.Errorf("%+v", p)
	}
	a.do(officer, "POST", "/v1/holds/"+h.ID+"/release", `{"reason":""}`).want(t, 422)
	if h = decode[Hold](t, a.do(officer, "POST", "/v1/holds/"+h.ID+"/release", `{"reason":"beendet"}`).want(t, 200)); h.ReleasedBy != "olga" || h.ReleaseReason != "beendet" {
		t.Errorf("%+v", h)
	}
	a.do(officer, "POST", "/v1/holds/"+h.ID+"/release", `{"reason":"beendet"}`).want(t, 409)
	v := a.do(officer, "POST", "/v1/holds", `{}`).want(t, 422)
	for _, field := range []string{"scope", "authority", "reason", "review"} {
		if v.field(t, field) != "required" {
			t.Errorf("%s: %s", field, v.body)
		}
	}
	for field, scope := range map[string]any{"scope": map[string]any{}, "scope.classes[0]": map[string]any{"classes": []string{"99"}}, "scope.records[0]": map[string]any{"records": []string{strings.Repeat("0", 26)}}, "scope.class": map[string]any{"class": "63"}} {
		body["scope"] = scope
		if v := a.do(officer, "POST", "/v1/holds", body).want(t, 422); v.field(t, field) == "" {
			t.Errorf("%s: %s", field, v.body)
		}
	}
}

// TestHoldByQuery: what a query finds when the hold is set is held, and nothing
// that comes later.
func TestHoldByQuery(t *testing.T) {
	a := newArchive(t)
	officer := a.token(ours, "olga", auth.RecordsOfficer)
	e, other := a.archived(ours, "1"), a.archived(ours, "2")
	body := map[string]any{"query": map[string]any{"reference": e.Reference, "class": "63"}, "authority": "a", "reason": "r", "review": "2027-01-01"}
	h := decode[Hold](t, a.do(officer, "POST", "/v1/holds", body).want(t, 201))
	if len(h.Scope.Records) != 1 || h.Scope.Records[0] != e.ID || h.Query["reference"] != e.Reference || len(h.Query) != 2 {
		t.Errorf("%+v", h)
	}
	for id, want := range map[preservation.RecordID]int{e.ID: 1, other.ID: 0} {
		if r := decode[Record](t, a.do(officer, "GET", "/v1/records/"+string(id), nil).want(t, 200)); len(r.Retention.Holds) != want {
			t.Errorf("%s: holds %v", id, r.Retention.Holds)
		}
	}
	if one := decode[Hold](t, a.do(officer, "GET", "/v1/holds/"+h.ID, nil).want(t, 200)); one.Progress.Total != 1 || one.Progress.Applied != 0 {
		t.Errorf("progress %+v", one.Progress)
	}
	a.do(officer, "GET", "/v1/holds/"+strings.Repeat("0", 26), nil).want(t, 404)
	for field, query := range map[string]any{"query": map[string]any{"producer": "nobody"}, "scope": map[string]any{}} {
		body["query"] = query
		if v := a.do(officer, "POST", "/v1/holds", body).want(t, 422); v.field(t, field) == "" {
			t.Errorf("%s: %s", field, v.body)
		}
	}
	delete(body, "query")
	for field, want := range map[string]string{"scope.records[1]": "unknown-record", "scope.classes[0]": "unknown-class", "query.class": "unknown-class", "query.reference": "excluded", "review": "too-far"} {
		ask := maps.Clone(body)
		switch unknown := preservation.RecordID(preservation.NewID(time.Now())); field {
		case "scope.records[1]":
			ask["scope"] = map[string]any{"records": []preservation.RecordID{e.ID, unknown}}
			if v := a.do(officer, "POST", "/v1/holds", ask).want(t, 422); !strings.Contains(string(v.body), string(unknown)) {
				t.Errorf("which record: %s", v.body)
			}
		case "scope.classes[0]":
			ask["scope"] = map[string]any{"classes": []string{"99.99"}}
		case "query.class":
			ask["query"] = map[string]any{"class": "99.99"}
		case "query.reference":
			ask["query"] = map[string]any{"q": "Klage", "reference": "1/26"}
		case "review":
			ask["scope"], ask["review"] = map[string]any{"all": true}, "2999-01-01"
		}
		if v := a.do(officer, "POST", "/v1/holds", ask).want(t, 422); v.field(t, field) != want {
			t.Errorf("%s: %s", field, v.body)
		}
	}
	// Text that the index does not know yet could be left out of the hold.
	body["query"] = map[string]any{"q": "Bauantrag"}
	a.do(officer, "POST", "/v1/holds", body).want(t, 503)
}

// TestHoldLate: a hold over a class says which of its records are being destroyed, in the
// answer to its setting and later, and what has become of them.
func TestHoldLate(t *testing.T) {
	a := newArchive(t)
	officer := a.token(ours, "olga", auth.RecordsOfficer)
	e := a.archived(ours, "1")
	a.archived(ours, "2")
	ctx, w := t.Context(), catalog.Disposal{Record: e.ID, ID: preservation.NewID(time.Now()), Phase: "intended", Permit: "p", Key: preservation.EventKey(e.ID, "x"), Body: []byte("{}"), At: time.Now()}
	if err := a.db.Tenant(ours).Update(ctx, func(x *catalog.Tx) error {
		begun := x.BeginDisposal(w)
		w.Phase = "purging"
		return errors.Join(begun, x.SetDisposal(w))
	}); err != nil {
		t.Fatal(err)
	}
	body := map[string]any{"scope": map[string]any{"classes": []string{"63"}}, "authority": "Gericht", "reason": "Klage", "review": "2027-01-01"}
	h := decode[Hold](t, a.do(officer, "POST", "/v1/holds", body).want(t, 201))
	if len(h.Late) != 1 || h.Late[0].Record != e.ID || h.Late[0].Fate != retention.Purging || len(h.Notices) != 1 || h.Notices[0].Subject != string(e.ID) {
		t.Errorf("%+v", h)
	}
	if err := a.db.Tenant(ours).Update(ctx, func(x *catalog.Tx) error { return x.CancelDisposal(e.ID) }); err != nil {
		t.Fatal(err)
	}
	if h = decode[Hold](t, a.do(officer, "GET", "/v1/holds/"+h.ID, nil).want(t, 200)); len(h.Late) != 1 || h.Late[0].Fate != retention.Unclear {
		t.Errorf("what nothing tells of is not saved: %+v", h)
	}
	outcome, sum, err := preservation.EventObject{Record: e.ID, Event: preservation.Event{ID: w.ID, Type: preservation.EventIntent, At: time.Now().UTC(), Outcome: preservation.Failure, Code: "called-off",
		Agent: preservation.Agent{Type: preservation.Software, Name: "test"}}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := a.client.Bucket(ctx, string(ours))
	if err == nil {
		_, err = bucket.Put(ctx, preservation.EventKey(e.ID, w.ID), bytes.NewReader(outcome), preservation.PutOptions{Size: int64(len(outcome)), SHA256: sum,
			Lock: preservation.Lock{Mode: preservation.Governance, Until: time.Now().Add(time.Hour)}})
	}
	if err != nil {
		t.Fatal(err)
	}
	if h = decode[Hold](t, a.do(officer, "GET", "/v1/holds/"+h.ID, nil).want(t, 200)); len(h.Late) != 1 || h.Late[0].Fate != retention.Saved {
		t.Errorf("%+v", h)
	}
	if list := decode[ListHolds200JSONResponse](t, a.do(officer, "GET", "/v1/holds", nil).want(t, 200)); len(list.Items) != 1 || len(list.Items[0].Late) != 1 || list.Items[0].Late[0].Fate != retention.Saved {
		t.Errorf("%+v", list)
	}
	if list := decode[ReportHolds200JSONResponse](t, a.do(officer, "GET", "/v1/reports/holds", nil).want(t, 200)); len(list.Items) != 1 || len(list.Items[0].Late) != 1 {
		t.Errorf("%+v", list)
	}
	if sheet := string(a.do(officer, "GET", "/v1/reports/holds", nil, "Accept", "text/csv").want(t, 200).body); !strings.Contains(sheet, "zu spät für") || strings.Contains(sheet, string(e.ID)) {
		t.Errorf("a record that is saved: %s", sheet)
	}
	if err := a.db.Tenant(ours).Update(ctx, func(x *catalog.Tx) error {
		return errors.Join(x.BeginDisposal(w), x.SetDisposal(w))
	}); err != nil {
		t.Fatal(err)
	}
	if sheet := string(a.do(officer, "GET", "/v1/reports/holds", nil, "Accept", "text/csv").want(t, 200).body); !strings.Contains(sheet, string(e.ID)) {
		t.Errorf("a record that is being destroyed: %s", sheet)
	}
}

func TestSchedules(t *testing.T) {
	a := newArchive(t)
	ctx, tenant := t.Context(), a.db.Tenant(ours)
	operator := a.token(ours, "otto", auth.Operator)
	next := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for _, kind := range []string{"sweep", "extend-locks"} {
		if err := tenant.EnsureSchedule(ctx, kind, "5 0 * * *", next); err != nil {
			t.Fatal(err)
		}
	}
	one := func(v answer) Schedule { t.Helper(); return decode[Schedule](t, v) }
	all := decode[struct{ Items []Schedule }](t, a.do(operator, "GET", "/v1/schedules", nil).want(t, 200)).Items
	if len(all) != 2 || all[1].Kind != "sweep" || all[1].Outcome != "never" || all[1].Zone != "Europe/Berlin" || !all[1].Next.Equal(next) {
		t.Errorf("%+v", all)
	}
	if x := one(a.do(operator, "POST", "/v1/schedules/sweep/pause", nil).want(t, 200)); !x.Paused {
		t.Errorf("%+v", x)
	}
	if fired, err := tenant.Fire(ctx, "sweep", time.Now().Add(time.Hour)); fired || err != nil {
		t.Errorf("a paused schedule fires: %v", err)
	}
	if x := one(a.do(operator, "POST", "/v1/schedules/sweep/run", nil).want(t, 202)); x.Outcome != "waiting" || x.Last.IsZero() || !x.Paused || !x.Next.Equal(next) {
		t.Errorf("%+v", x)
	}
	jobs, err := a.db.Claim(ctx, "o", []string{"sweep"}, 1, time.Minute)
	if err != nil || len(jobs) != 1 {
		t.Fatal(jobs, err)
	}
	status := func() Schedule {
		t.Helper()
		return decode[struct{ Items []Schedule }](t, a.do(operator, "GET", "/v1/schedules", nil).want(t, 200)).Items[1]
	}
	if x := status(); x.Outcome != "running" {
		t.Errorf("%+v", x)
	}
	if err := a.db.Fail(ctx, jobs[0], errors.New("the store is away"), true); err != nil {
		t.Fatal(err)
	}
	if x := status(); x.Outcome != "failed" || x.Error != "the store is away" {
		t.Errorf("%+v", x)
	}
	// What was missed is caught up once.
	a.do(operator, "POST", "/v1/schedules/sweep/resume", nil).want(t, 200)
	a.do(operator, "POST", "/v1/schedules/sweep/resume", nil).want(t, 200)
	for i, want := range []bool{true, false} {
		if fired, err := tenant.Fire(ctx, "sweep", time.Now().Add(time.Hour)); fired != want || err != nil {
			t.Errorf("%d: fired %v, %v", i, fired, err)
		}
	}
	if jobs, err = a.db.Claim(ctx, "o", []string{"sweep"}, 9, time.Minute); err != nil || len(jobs) != 1 || a.db.Finish(ctx, jobs[0]) != nil {
		t.Fatal(jobs, err)
	}
	if x := status(); x.Outcome != "done" || x.Error != "" {
		t.Errorf("%+v", x)
	}
	log, err := tenant.AuditLog(ctx, 0, "sweep", 10)
	if err != nil || len(log) != 3 || log[0].Action != "schedule.pause" || log[1].Action != "schedule.run" || log[2].Action != "schedule.resume" || log[0].Actor != "otto" {
		t.Errorf("%+v, %v", log, err)
	}
	a.do(operator, "POST", "/v1/schedules/extend-locks/pause", nil).want(t, 409)
	for _, action := range []string{"run", "pause", "resume"} {
		a.do(operator, "POST", "/v1/schedules/tidy/"+action, nil).want(t, 404)
		a.do(a.token(ours, "rita", auth.Reader), "POST", "/v1/schedules/sweep/"+action, nil).want(t, 403)
	}
}

// TestOnePerson wants two accounts of a person to be one pair of eyes.
func TestOnePerson(t *testing.T) {
	a := newArchive(t)
	admin := a.token(ours, "ada", auth.Admin)
	add := func(name string) User {
		t.Helper()
		return decode[NewUser](t, a.do(admin, "POST", "/v1/users", map[string]any{"name": name, "label": "Olga", "roles": []string{"approver", "records_officer"}}).want(t, 201)).User
	}
	olga, other, third := add("olga"), add("olga-amt"), add("olga-alt")
	same := func(u User, name string) answer {
		t.Helper()
		return a.do(admin, "POST", "/v1/users/"+u.ID+"/person", map[string]any{"same_as": name})
	}
	for _, wrong := range []string{"nobody", "olga"} {
		if v := same(olga, wrong).want(t, 422); v.problem(t).Errors[0].Field != "same_as" {
			t.Errorf("%s", v.body)
		}
	}
	if u := decode[User](t, same(other, "Olga").want(t, 200)); !slices.Equal(u.SameAs, []string{"olga"}) {
		t.Errorf("%+v", u)
	}
	// Whoever is the same as one of them is the same as all.
	if u := decode[User](t, same(third, "olga-amt").want(t, 200)); !slices.Equal(u.SameAs, []string{"olga", "olga-amt"}) {
		t.Errorf("%+v", u)
	}
	by := func(name string) string { return a.token(ours, name, auth.RecordsOfficer, auth.Approver) }
	p := decode[Permit](t, a.do(by("olga"), "POST", "/v1/permits", map[string]any{"classes": []string{"63.10"}, "authority": "Kreisarchiv", "granted": "2025-01-01", "legal_basis": "l", "valid_from": "2025-01-01"}).want(t, 201))
	for _, name := range []string{"olga-amt", "Olga-Alt"} {
		if v := a.do(by(name), "POST", "/v1/permits/"+p.ID+"/approval", nil).want(t, 403).problem(t); v.Code != "same-person" || !strings.Contains(v.Detail, "olga is another account of "+name) {
			t.Errorf("%+v", v)
		}
	}
	// Nobody parts their own accounts, whichever of them is an administrator's.
	part := func(u User, actor string) int {
		t.Helper()
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/users/"+u.ID+"/person", strings.NewReader(`{"same_as":""}`))
		r.Header.Set("Content-Type", "application/json")
		a.server.ServeAs(w, r, auth.Principal{Tenant: ours, Actor: actor, Roles: []auth.Role{auth.Admin}, Session: true})
		return w.Code
	}
	if status := part(other, "olga-alt"); status != 409 {
		t.Errorf("own accounts are parted: %d", status)
	}
	// Whose a token is nobody knows: it says what an administrator wanted it to say.
	same(third, "").want(t, 403)
	if status := part(third, "ada"); status != 200 {
		t.Errorf("another administrator does not part them: %d", status)
	}
	a.do(by("olga-amt"), "POST", "/v1/permits/"+p.ID+"/approval", nil).want(t, 403)
	a.do(by("olga-alt"), "POST", "/v1/permits/"+p.ID+"/approval", nil).want(t, 200)
}

func TestPermits(t *testing.T) {
	a := newArchive(t)
	olga := a.token(ours, "olga", auth.RecordsOfficer, auth.Approver)
	paul := a.token(ours, "paul", auth.Approver)
	body := map[string]any{"classes": []string{"63.10"}, "authority": "Kreisarchiv", "granted": "2025-01-01", "legal_basis": "SächsArchivG §5(9)", "valid_from": "2025-01-01"}
	p := decode[Permit](t, a.do(olga, "POST", "/v1/permits", body).want(t, 201))
	if p.Proposer != "olga" || p.Approver != "" {
		t.Errorf("%+v", p)
	}
	if v := a.do(olga, "POST", "/v1/permits/"+p.ID+"/approval", nil).want(t, 403); v.problem(t).Code != "same-person" {
		t.Errorf("%s", v.body)
	}
	again := a.token(ours, "Olga", auth.Approver) // the same person with another token
	a.do(again, "POST", "/v1/permits/"+p.ID+"/approval", nil).want(t, 403)
	if p = decode[Permit](t, a.do(paul, "POST", "/v1/permits/"+p.ID+"/approval", nil).want(t, 200)); p.Approver != "paul" {
		t.Errorf("%+v", p)
	}
	a.do(paul, "POST", "/v1/permits/"+p.ID+"/approval", nil).want(t, 409)
	if p = decode[Permit](t, a.do(paul, "POST", "/v1/permits/"+p.ID+"/revoke", nil).want(t, 200)); p.Revoker != "paul" {
		t.Errorf("%+v", p)
	}
	a.do(paul, "POST", "/v1/permits/"+p.ID+"/revoke", nil).want(t, 409)
	if list := decode[ListPermits200JSONResponse](t, a.do(paul, "GET", "/v1/permits", nil).want(t, 200)); len(list.Items) != 1 {
		t.Errorf("%+v", list)
	}
	body["classes"] = []string{"99.99"}
	if v := a.do(olga, "POST", "/v1/permits", body).want(t, 422); v.field(t, "classes[0]") == "" {
		t.Errorf("%s", v.body)
	}
}

func TestTriggers(t *testing.T) {
	a := newArchive(t)
	officer := a.token(ours, "olga", auth.RecordsOfficer)
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"})
	path := "/v1/records/" + string(e.ID) + "/triggers"
	r := decode[Retention](t, a.do(officer, "POST", path, `{"type":"closure","date":"2024-05-05"}`).want(t, 201))
	if r.Trigger == nil || *r.Trigger == "closure" && r.TriggeredOn != (preservation.Date{Year: 2024, Month: 5, Day: 5}) {
		t.Errorf("%+v", r)
	}
	a.do(officer, "POST", path, `{"type":"closure","withdrawn":true}`).want(t, 201)
	for field, body := range map[string]string{"type": `{"date":"2024-05-05"}`, "date": `{"type":"closure"}`} {
		if v := a.do(officer, "POST", path, body).want(t, 422); v.field(t, field) == "" {
			t.Errorf("%s: %s", field, v.body)
		}
	}
	a.do(officer, "POST", path, `{"type":"closure","date":"05.05.2024"}`).want(t, 422)
	if v := a.do(officer, "POST", path, `{"type":"building-removed","date":"2014-03-01"}`).want(t, 422); v.field(t, "date") != "before-opened" {
		t.Errorf("before the record was opened: %s", v.body)
	}
	next := preservation.DateOf(time.Now()).AddDays(30)
	for kind, want := range map[string]string{"birth": "future", "death": "future", "opening": "future", "closure": "", "building-removed": ""} {
		body := fmt.Sprintf(`{"type":%q,"date":%q}`, kind, next)
		if v := a.do(officer, "POST", path, body); want == "" && v.StatusCode != 201 || want != "" && v.want(t, 422).field(t, "date") != want {
			t.Errorf("%s next month: %s", kind, v.body)
		}
		next := preservation.Date{Year: next.Year + retention.MaxAhead + 1, Month: next.Month, Day: 1}
		if v := a.do(officer, "POST", path, fmt.Sprintf(`{"type":%q,"date":%q}`, kind, next)).want(t, 422); v.field(t, "date") != cmp.Or(want, "too-far") {
			t.Errorf("%s in a century: %s", kind, v.body)
		}
	}
	for _, possible := range []string{`{"type":"building-removed","date":"2014-03-02"}`, `{"type":"birth","date":"0801-01-01"}`, `{"type":"birth","date":"1950-01-01"}`, `{"type":"death","date":"2010-01-01"}`} {
		a.do(officer, "POST", path, possible).want(t, 201)
	}
	if v := a.do(officer, "POST", path, `{"type":"nonsense-xx","date":"2024-05-05"}`).want(t, 422); v.field(t, "type") != "unknown-trigger" || !strings.Contains(string(v.body), "closure") {
		t.Errorf("%s", v.body)
	}
}

func TestReadiness(t *testing.T) {
	var down error
	a := newArchive(t, func(c *Config) { c.Ready["store"] = func(context.Context) error { return down } })
	a.do("", "GET", "/readyz", nil).want(t, 200)
	a.do("", "GET", "/livez", nil).want(t, 200)
	if v := a.do("", "GET", "/metrics", nil).want(t, 200); !strings.Contains(string(v.body), `route="GET /livez",status="200"`) {
		t.Errorf("%.300s", v.body)
	}
	if v := a.do("", "GET", "/openapi.json", nil).want(t, 200); !strings.Contains(string(v.body), `"openapi":"3.1.0"`) {
		t.Errorf("%.300s", v.body)
	}
	down = errors.New("secret detail")
	v := a.do("", "GET", "/readyz", nil)
	if v.StatusCode != 503 || !strings.Contains(string(v.body), `"store":"failed"`) || strings.Contains(string(v.body), "secret") {
		t.Errorf("%d %s", v.StatusCode, v.body)
	}
}

func TestClientAddr(t *testing.T) {
	s := &server{config: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}}}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:1234", "", "192.0.2.1"},
		{"192.0.2.1:1234", "198.51.100.7", "192.0.2.1"},
		{"10.0.0.1:1234", "198.51.100.7", "198.51.100.7"},
		{"10.0.0.1:1234", "6.6.6.6, 198.51.100.7, 10.0.0.2", "198.51.100.7"},
		{"10.0.0.1:1234", "nonsense", "10.0.0.1"},
		{"[::1]:1234", "2001:db8::1", "2001:db8::1"},
		{"@", "", "invalid IP"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := s.clientAddr(r); got.String() != c.want {
			t.Errorf("%s for %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

// TestScrubSaysWhatItLeavesOut: whoever has the scrub run learns how much it leaves out,
// and may ask for everything; nothing else leaves anything out.
func TestScrubSaysWhatItLeavesOut(t *testing.T) {
	a := newArchive(t)
	operator := a.token(ours, "otto", auth.Operator)
	for _, kind := range []string{"scrub", "sweep"} {
		if err := a.db.Tenant(ours).EnsureSchedule(t.Context(), kind, "5 0 * * *", time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	a.archived(ours, "1")
	run := func(kind string, body any, status int) Schedule {
		t.Helper()
		return decode[Schedule](t, a.do(operator, "POST", "/v1/schedules/"+kind+"/run", body).want(t, status))
	}
	if x := run("scrub", nil, 202).Turn; x.Due != 0 || x.Recent != 1 || x.Since.IsZero() || !x.Asked.IsZero() {
		t.Errorf("%+v", x)
	}
	if x := run("sweep", nil, 202).Turn; !x.Since.IsZero() {
		t.Errorf("%+v", x)
	}
	everything := map[string]any{"everything": true}
	if x := run("scrub", everything, 202).Turn; x.Due != 1 || x.Recent != 0 || x.AskedLeft != 1 {
		t.Errorf("%+v", x)
	}
	if x := decode[Holding](t, a.do(operator, "GET", "/v1/fixity", nil).want(t, 200)).Turn; x.Due != 1 || x.AskedLeft != 1 || x.Asked.IsZero() {
		t.Errorf("%+v", x)
	}
	if v := a.do(operator, "POST", "/v1/schedules/sweep/run", everything).want(t, 422); !strings.Contains(string(v.body), "only scrub leaves anything out") {
		t.Errorf("%s", v.body)
	}
	a.do(operator, "POST", "/v1/schedules/scrub/run", map[string]any{"all": true}).want(t, 422)
}
