package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/dip"
	"bestand/preservation/proof"
	"bestand/search"
)

func TestRecord(t *testing.T) {
	a := newArchive(t)
	reader := a.token(ours, "erika", auth.Reader)
	e := a.archived(ours, "1", preservation.File{Name: "antrag.pdf", Format: preservation.Format{PUID: "fmt/95", MIME: "application/pdf"}},
		preservation.File{Name: "B\xfcro.txt", Title: "Vermerk"})
	v := a.do(reader, "GET", "/v1/records/"+string(e.ID), nil).want(t, 200)
	r := decode[Record](t, v)
	if r.Title != "Bauantrag 1" || len(r.Files) != 2 || r.Package.Size == 0 || r.Evidence.Status != "pending" || r.Retention.State == "" || r.Lock.Until.IsZero() {
		t.Errorf("%+v", r)
	}
	raw := decode[struct{ Parent, Retention json.RawMessage }](t, v)
	var where map[string]json.RawMessage
	if err := json.Unmarshal(raw.Retention, &where); err != nil {
		t.Fatal(err)
	}
	if string(raw.Parent) != "null" || string(where["end"]) != "null" || string(where["holds"]) != "[]" || where["rule"] == nil || where["trigger"] == nil {
		t.Errorf("what is not known is left out: %s", v.body)
	}
	if f := r.Files[1]; f.NameBase64 != "Qvxyby50eHQ=" || f.Title != "Vermerk" {
		t.Errorf("raw name: %+v", f)
	}
	for name, link := range r.Links {
		if name == "verification" {
			continue
		}
		a.do(a.token(ours, "a", auth.Archivist), "GET", link, nil).want(t, 200)
	}
	sub := decode[Submission](t, a.do(a.token(ours, "dms", auth.Submitter), "GET", "/v1/submissions/"+string(e.Submission), nil).want(t, 200))
	if sub.RecordID != e.ID || len(sub.Records) != 1 || sub.Links["receipt"] == "" || sub.Title != r.Title || sub.Files != nil {
		t.Errorf("%+v", sub)
	}
	submitter := a.token(ours, "dms", auth.Submitter)
	if v := a.do(submitter, "GET", sub.Links["receipt"], nil).want(t, 200); v.Header.Get("Content-Type") != "application/jose" || bytes.Count(v.body, []byte(".")) != 2 {
		t.Errorf("%s %s", v.Header.Get("Content-Type"), v.body)
	}
	if v := a.do(submitter, "GET", sub.Links["receipt"]+"?format=pdf", nil).want(t, 200); !bytes.HasPrefix(v.body, []byte("%PDF-")) {
		t.Errorf("%s", v.body)
	}
	a.do(submitter, "GET", sub.Links["receipt"]+"?format=html", nil).want(t, 400)
}

func TestListRecords(t *testing.T) {
	a := newArchive(t)
	reader := a.token(ours, "erika", auth.Reader)
	for i := range 5 {
		a.archived(ours, fmt.Sprint(i), preservation.File{Name: "a.txt", Format: preservation.Format{PUID: "x-fmt/111"}})
	}
	var got []string
	path := "/v1/records?limit=2&sort=reference"
	for pages := 0; path != ""; pages++ {
		p := decode[RecordPage](t, a.do(reader, "GET", path, nil).want(t, 200))
		if p.Total != 5 || pages > 3 {
			t.Fatalf("page %d: %+v", pages, p)
		}
		for _, r := range p.Items {
			got = append(got, r.Reference)
		}
		if path = ""; p.Next != "" {
			path = "/v1/records?limit=2&sort=reference&after=" + url.QueryEscape(p.Next)
		}
	}
	if fmt.Sprint(got) != "[63.10-0 63.10-1 63.10-2 63.10-3 63.10-4]" {
		t.Errorf("%v", got)
	}
	for query, want := range map[string]int64{
		"class=63": 5, "class=00": 0, "producer=dms": 5, "producer=x": 0, "reference=" + url.QueryEscape(" 63.10 -3"): 1,
		"from=2015-11-30&to=2015-11-30": 5, "from=2015-12-01": 0, "format=x-fmt/111": 5, "format=fmt/95": 0, "state=due": 0,
	} {
		if p := decode[RecordPage](t, a.do(reader, "GET", "/v1/records?"+query, nil).want(t, 200)); p.Total != want {
			t.Errorf("%s: %d, want %d", query, p.Total, want)
		}
	}
}

// TestFacets: a list by properties counts what the index counts, takes back each
// value that it shows, and does without the index when it has to.
func TestFacets(t *testing.T) {
	var set *search.Set
	a := newArchive(t, func(c *Config) { set = c.Search })
	reader := a.token(ours, "erika", auth.Reader)
	pdf := preservation.Format{PUID: "fmt/95", Name: "Acrobat PDF/A", Version: "1a", MIME: "application/pdf"}
	one, two := a.archived(ours, "1", preservation.File{Name: "a.pdf", Format: pdf}), a.archived(ours, "2", preservation.File{Name: "b"})
	index, err := set.Tenant(ours)
	if err != nil {
		t.Fatal(err)
	}
	path := []string{"63", "63.10"}
	secret := one.Record
	secret.Confidentiality = "geheim"
	if err := index.Apply(t.Context(), search.Batch{Next: "1", Docs: []search.Document{{Record: secret, State: "due", Evidence: "stamped", ClassPath: path}, {Record: two.Record, Hold: true, ClassPath: path}}}); err != nil {
		t.Fatal(err)
	}
	get := func(query string) RecordPage {
		t.Helper()
		return decode[RecordPage](t, a.do(reader, "GET", "/v1/records?"+query, nil).want(t, 200))
	}
	whole := get("")
	if whole.Total != 2 || fmt.Sprint(whole.Facets) != fmt.Sprint(get("q=Bauantrag").Facets) {
		t.Errorf("%+v", whole)
	}
	for field, values := range whole.Facets {
		for _, v := range values {
			if field == "state" && v.Value == "due" {
				continue // the catalog, which a list by state asks, knows better
			}
			if p := get(field + "=" + url.QueryEscape(v.Value)); p.Total != v.Count {
				t.Errorf("%s=%s: %d, the facet says %d", field, v.Value, p.Total, v.Count)
			}
		}
	}
	for query, want := range map[string]int64{"format=application/pdf": 1, "format=application/pdf&class=63": 1, "format=text/html": 0, "format=FMT/95": 1, "q=Bauantrag&format=FMT/95": 1,
		"hold=true": 1, "hold=true&evidence=stamped": 0, "q=Bauantrag&evidence=stamped": 1, "evidence=-&sort=title": 1,
		"confidentiality=geheim&sort=title": 1, "sort=title": 2, "year=2015&kind=-": 2, "year=1999": 0, "class=00": 0} {
		if p := get(query); p.Total != want || int64(len(p.Items)) != want {
			t.Errorf("%s: %d, want %d", query, p.Total, want)
		}
	}
	for _, v := range whole.Facets["format"] {
		if want := map[string]string{"fmt/95": "Acrobat PDF/A 1a", "-": ""}[v.Value]; v.Name != want {
			t.Errorf("format %s is called %q, want %q", v.Value, v.Name, want)
		}
	}
	if p := get("reference=63.10-1"); p.Total != 1 || len(p.Facets) != 0 {
		t.Errorf("%+v", p)
	}
	set.Close()
	if p := get("class=63"); p.Total != 2 || len(p.Facets) != 0 {
		t.Errorf("without an index: %+v", p)
	}
}

func TestEvidence(t *testing.T) {
	a := newArchive(t)
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"})
	path := "/v1/records/" + string(e.ID) + "/evidence"
	if p := a.do(a.token(ours, "erika", auth.Reader), "GET", path, nil).want(t, 404).problem(t); p.Code != "evidence-pending" || p.Detail == "" {
		t.Errorf("%+v", p)
	}
	if got := decode[struct{ Stamped int }](t, a.do(a.token(ours, "otto", auth.Operator), "POST", "/v1/evidence/batches", nil).want(t, 200)); got.Stamped != 1 {
		t.Errorf("%+v", got)
	}
	reader := a.token(ours, "erika", auth.Reader)
	r := a.do(reader, "GET", path, nil).want(t, 200)
	if r.Header.Get("Content-Type") != "application/octet-stream" || string(r.body) != "\x30\x00" {
		t.Errorf("%s %x", r.Header.Get("Content-Type"), r.body)
	}
	a.do(reader, "GET", path+"?version=1", nil).want(t, 200)
	a.do(reader, "GET", path+"?version=2", nil).want(t, 404)
	a.do(reader, "GET", path+"?version=0", nil).want(t, 400)

	operator := a.token(ours, "otto", auth.Operator)
	for query, want := range map[string]int{"": 0, "?at=2039-12-31": 0, "?at=2040-01-01": 1} {
		if got := decode[struct{ Items []proof.Due }](t, a.do(operator, "GET", "/v1/evidence/renewals"+query, nil).want(t, 200)); len(got.Items) != want {
			t.Errorf("%s: %+v", query, got)
		}
	}
	if p := a.do(operator, "GET", "/v1/evidence/renewals?at=2040", nil).want(t, 400).problem(t); len(p.Errors) != 1 || p.Errors[0].Field != "at" {
		t.Errorf("%+v", p)
	}
	a.do(reader, "POST", "/v1/evidence/renewals", nil).want(t, 403)
	a.do(operator, "POST", "/v1/evidence/renewals", nil).want(t, 202)
	if r := a.do(reader, "GET", path+"?file=f0001", nil).want(t, 200); string(r.body) != "\x30\x00f0001" {
		t.Errorf("one file: %q", r.body)
	}
	for _, unlike := range []string{"?file=", "?file=f1", "?file=f0001&file=f0002"} { // never taken for the whole record
		a.do(reader, "GET", path+unlike, nil).want(t, 400)
	}
	a.do(reader, "GET", path+"?file=f0001&format=pdf", nil).want(t, 400)
	if got := decode[proof.Report](t, a.do(reader, "GET", path+"?format=json", nil).want(t, 200)); got.Record != e.ID || got.Version != 1 || !got.Passed {
		t.Errorf("%+v", got)
	}
	if r := a.do(reader, "GET", path+"?format=pdf", nil).want(t, 200); r.Header.Get("Content-Type") != "application/pdf" || !bytes.HasPrefix(r.body, []byte("%PDF-")) {
		t.Errorf("%v", r.Header)
	}
	a.do(reader, "GET", path+"?format=xml", nil).want(t, 400)
}

// TestExport asks for packages in other forms.
func TestExport(t *testing.T) {
	a := newArchive(t)
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"})
	archivist := a.token(ours, "max", auth.Archivist)
	path := "/v1/records/" + string(e.ID) + "/package?profile="
	if p := a.do(archivist, "GET", path+"asic", nil).want(t, 404).problem(t); p.Code != "evidence-pending" {
		t.Errorf("%+v", p)
	}
	if p := a.do(archivist, "GET", path+"tar", nil).want(t, 400).problem(t); !strings.Contains(fmt.Sprint(p), "aip, asic, bagit, ocfl, xaip, xdomea") {
		t.Errorf("%+v", p)
	}
	a.do(archivist, "GET", path+"bagit", nil).want(t, 200)
	a.do(a.token(ours, "otto", auth.Operator), "POST", "/v1/evidence/batches", nil).want(t, 200)
	for profile, want := range map[string]struct{ media, begin string }{"asic": {dip.ASiCType, "PK"}, "xaip": {dip.XAIPType, "<?xml"},
		"bagit": {dip.BagItType, "PK"}, "ocfl": {dip.OCFLType, "PK"}, "xdomea": {dip.XdomeaType, "PK"}} {
		r := a.do(archivist, "GET", path+profile, nil).want(t, 200)
		if r.Header.Get("Content-Type") != want.media || !strings.HasPrefix(string(r.body), want.begin) || !strings.HasPrefix(r.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: %v", profile, r.Header)
		}
		if r := a.do(archivist, "HEAD", path+profile, nil).want(t, 200); len(r.body) != 0 || r.Header.Get("Content-Type") != want.media {
			t.Errorf("HEAD %s: %v", profile, r.Header)
		}
		a.do(archivist, "GET", path+profile+"&version=2", nil).want(t, 404)
		a.do(a.token(ours, "otto", auth.Operator), "GET", path+profile, nil).want(t, 403)
		a.do(a.token(theirs, "eva", auth.Archivist), "GET", path+profile, nil).want(t, 404)
	}
}

// TestSearch fills the index as its tail would, and finds by text.
func TestSearch(t *testing.T) {
	var set *search.Set
	a := newArchive(t, func(c *Config) { set = c.Search })
	reader := a.token(ours, "erika", auth.Reader)
	one, two := a.archived(ours, "1", preservation.File{Name: "a.txt"}), a.archived(ours, "2", preservation.File{Name: "b.txt"})
	index, err := set.Tenant(ours)
	if err != nil {
		t.Fatal(err)
	}
	docs := []search.Document{{Record: one.Record, State: "due"}, {Record: two.Record, Text: "Grundstücksverkehr"}}
	ghost := one.Record
	ghost.ID = preservation.RecordID(preservation.NewID(time.Now()))
	if err := index.Apply(t.Context(), search.Batch{Next: "1", Docs: append(docs, search.Document{Record: ghost})}); err != nil {
		t.Fatal(err)
	}
	p := decode[RecordPage](t, a.do(reader, "GET", "/v1/records?q=grundstuecksverkehr", nil).want(t, 200))
	if len(p.Items) != 1 || p.Items[0].ID != two.ID || len(p.Facets["class"]) != 1 {
		t.Errorf("%+v", p)
	}
	p = decode[RecordPage](t, a.do(reader, "GET", "/v1/records?q=Bauantrag&state=due&sort=title", nil).want(t, 200))
	if len(p.Items) != 1 || p.Items[0].ID != one.ID {
		t.Errorf("%+v", p)
	}
	p = decode[RecordPage](t, a.do(reader, "GET", "/v1/records?q=Bauantrag", nil).want(t, 200))
	if len(p.Items) != 2 {
		t.Errorf("a record that the catalog does not have is listed: %+v", p)
	}
	for _, q := range []string{`"offen`, `(((`, `* * *`, `a:b:c`, `~~~`, `\`} {
		if v := a.do(reader, "GET", "/v1/records?q="+url.QueryEscape(q), nil); v.StatusCode != 200 && v.StatusCode != 400 {
			t.Errorf("%q: %d %s", q, v.StatusCode, v.body)
		}
	}
}

func TestFile(t *testing.T) {
	a := newArchive(t)
	reader := a.token(ours, "erika", auth.Reader)
	e := a.archived(ours, "1", preservation.File{Name: "antrag.pdf", Format: preservation.Format{MIME: "application/pdf"}}, preservation.File{Name: "b.txt"})
	path, content := fmt.Sprintf("/v1/records/%s/files/f0001", e.ID), "content of antrag.pdf"
	etag := `"` + e.Files[0].SHA256 + `"`
	for _, c := range []struct {
		name   string
		header []string
		status int
		body   string
		rng    string
	}{
		{"whole", nil, 200, content, ""},
		{"first bytes", []string{"Range", "bytes=0-6"}, 206, "content", "bytes 0-6/21"},
		{"from the middle", []string{"Range", "bytes=11-"}, 206, "antrag.pdf", "bytes 11-20/21"},
		{"last bytes", []string{"Range", "bytes=-3"}, 206, "pdf", "bytes 18-20/21"},
		{"more than there is", []string{"Range", "bytes=18-999"}, 206, "pdf", "bytes 18-20/21"},
		{"last of more than there is", []string{"Range", "bytes=-999"}, 206, content, "bytes 0-20/21"},
		{"behind the end", []string{"Range", "bytes=21-"}, 416, "", "bytes */21"},
		{"last nothing", []string{"Range", "bytes=-0"}, 416, "", "bytes */21"},
		{"several", []string{"Range", "bytes=0-1,3-4"}, 200, content, ""},
		{"backwards", []string{"Range", "bytes=5-2"}, 200, content, ""},
		{"other unit", []string{"Range", "lines=1-2"}, 200, content, ""},
		{"nonsense", []string{"Range", "bytes=a-b"}, 200, content, ""},
		{"huge", []string{"Range", "bytes=99999999999999999999-"}, 200, content, ""},
		{"if still the same", []string{"Range", "bytes=0-6", "If-Range", etag}, 206, "content", "bytes 0-6/21"},
		{"if not the same", []string{"Range", "bytes=0-6", "If-Range", `"other"`}, 200, content, ""},
		{"known", []string{"If-None-Match", etag}, 304, "", ""},
		{"known among others", []string{"If-None-Match", `"other", W/` + etag}, 304, "", ""},
		{"another known", []string{"If-None-Match", `"other"`}, 200, content, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := a.do(reader, "GET", path, nil, c.header...).want(t, c.status)
			if c.status < 400 && string(v.body) != c.body || v.Header.Get("Content-Range") != c.rng {
				t.Errorf("%q %q, want %q %q", v.body, v.Header.Get("Content-Range"), c.body, c.rng)
			}
			if c.status < 400 && v.Header.Get("ETag") != etag {
				t.Errorf("ETag %s", v.Header.Get("ETag"))
			}
		})
	}
	v := a.do(reader, "HEAD", path, nil).want(t, 200)
	if v.ContentLength != int64(len(content)) || v.Header.Get("Content-Security-Policy") != "default-src 'none'; frame-ancestors 'self'" {
		t.Errorf("HEAD: %v", v.Header)
	}
	a.do(reader, "GET", fmt.Sprintf("/v1/records/%s/files/f0009", e.ID), nil).want(t, 404)
	a.do(reader, "GET", path+"?seal=B-LTA", nil).want(t, 409) // an original
	a.do(reader, "GET", path+"?seal=B-XL", nil).want(t, 400)
	a.do(reader, "GET", fmt.Sprintf("/v1/records/%s/files/nonsense", e.ID), nil).want(t, 404)

	archivist := a.token(ours, "max", auth.Archivist)
	v = a.do(archivist, "GET", fmt.Sprintf("/v1/records/%s/package", e.ID), nil).want(t, 200)
	if sum := sha256.Sum256(v.body); v.Header.Get("ETag") != `"`+hex.EncodeToString(sum[:])+`"` || !bytes.HasPrefix(v.body, []byte("PK")) {
		t.Errorf("package: %v", v.Header)
	}
	a.do(archivist, "GET", fmt.Sprintf("/v1/records/%s/package?version=2", e.ID), nil).want(t, 404)
	a.do(archivist, "GET", fmt.Sprintf("/v1/records/%s/package?profile=tar", e.ID), nil).want(t, 400)

	entries, err := a.db.Tenant(ours).AuditLog(t.Context(), 0, string(e.ID), 100)
	if err != nil {
		t.Fatal(err)
	}
	reads := map[string]bool{}
	for _, e := range entries {
		reads[e.Action+" "+e.Actor+" "+e.Detail["file"]] = true
	}
	if !reads["file.read erika f0001"] || !reads["package.read max "] {
		t.Errorf("audit: %v", reads)
	}
}

func TestEmptyFile(t *testing.T) {
	for _, rng := range []string{"bytes=0-", "bytes=-1"} {
		if _, _, _, err := parseRange(rng, 0); err == nil {
			t.Errorf("%s of nothing", rng)
		}
	}
	if _, length, status, err := parseRange("", 0); err != nil || length != 0 || status != http.StatusOK {
		t.Errorf("%d %d %v", length, status, err)
	}
}

// TestHostileFiles: what could run in a browser is never shown, whatever is
// asked for and whatever the name says.
func TestHostileFiles(t *testing.T) {
	a := newArchive(t)
	reader := a.token(ours, "erika", auth.Reader)
	files := []struct {
		name, media string
		inline      bool
		shown       string // file name that clients see
	}{
		{"antrag.pdf", "application/pdf", true, "antrag.pdf"},
		{"bild.png", "image/png", true, "bild.png"},
		{"text.txt", "text/plain; charset=utf-8", true, "text.txt"},
		{"seite.html", "text/html", false, "seite.html"},
		{"bild.svg", "image/svg+xml", false, "bild.svg"},
		{"rechnung.xml", "application/xml", false, "rechnung.xml"},
		{"seite.xhtml", "application/xhtml+xml", false, "seite.xhtml"},
		{"skript", "text/javascript", false, "skript"},
		{"odd", "not a media type", false, "odd"},
		{"", "application/pdf; evil=\"\r\nX: y\"", false, "file"},
		{"../../../etc/passwd", "", false, ".._.._.._etc_passwd"},
		{`C:\windows\a"b.txt`, "", false, `C:_windows_a"b.txt`},
		{"a\r\nSet-Cookie: x=y", "", false, "a__Set-Cookie: x=y"},
		{"Prüfung €.txt", "", false, "Prüfung €.txt"},
		{"B\xfcro%41.txt", "", false, "B_ro%41.txt"},
		{"..", "", false, "file"},
	}
	var stored []preservation.File
	for _, f := range files {
		stored = append(stored, preservation.File{Name: f.name, Format: preservation.Format{MIME: f.media}})
	}
	e := a.archived(ours, "1", stored...)
	for i, f := range files {
		v := a.do(reader, "GET", fmt.Sprintf("/v1/records/%s/files/%s?disposition=inline", e.ID, preservation.NewFileID(i+1)), nil).want(t, 200)
		kind, params, err := mime.ParseMediaType(v.Header.Get("Content-Disposition"))
		if err != nil {
			t.Errorf("%q: %v in %q", f.name, err, v.Header.Get("Content-Disposition"))
		}
		if (kind == "inline") != f.inline || params["filename"] != f.shown {
			t.Errorf("%q as %q: %s %q", f.name, f.media, kind, params["filename"])
		}
		if v.Header.Get("X-Content-Type-Options") != "nosniff" || v.Header.Get("Set-Cookie") != "" || v.Header.Get("X") != "" {
			t.Errorf("%q: %v", f.name, v.Header)
		}
	}
}

func TestEvents(t *testing.T) {
	a := newArchive(t)
	reader := a.token(ours, "erika", auth.Reader)
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"})
	path := fmt.Sprintf("/v1/records/%s/events", e.ID)
	for accept, want := range map[string]string{
		"": "application/json", "*/*": "application/json", "application/json": "application/json", "application/xml": "application/xml",
		"text/xml;q=0.5": "application/xml", "application/xml;q=0.5, application/json": "application/json", ";;,q": "application/json",
	} {
		v := a.do(reader, "GET", path, nil, "Accept", accept).want(t, 200)
		if v.Header.Get("Content-Type") != want {
			t.Errorf("Accept %q: %s", accept, v.Header.Get("Content-Type"))
		}
		if want == "application/xml" {
			var premis struct {
				XMLName xml.Name
				Events  []struct{} `xml:"event"`
			}
			if err := xml.Unmarshal(v.body, &premis); err != nil || premis.XMLName.Local != "premis" || len(premis.Events) == 0 {
				t.Errorf("%v: %.300s", err, v.body)
			}
		}
	}
}

func TestVerification(t *testing.T) {
	finding := preservation.Finding{Code: "digest", Severity: preservation.Passed, Detail: "as stored"}
	a := newArchive(t, func(c *Config) {
		c.Verify = func(_ context.Context, _ *catalog.Tenant, _ preservation.RecordID) ([]preservation.Finding, error) {
			return []preservation.Finding{finding, {Code: "seal", Severity: preservation.Notice, Detail: "n"}}, nil
		}
	})
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"})
	auditor := a.token(ours, "paula", auth.Auditor)
	path := fmt.Sprintf("/v1/records/%s/verification", e.ID)
	if v := decode[Verification](t, a.do(auditor, "POST", path, nil).want(t, 200)); !v.Passed || len(v.Findings) != 2 {
		t.Errorf("%+v", v)
	}
	finding.Severity = preservation.Failed
	if v := decode[Verification](t, a.do(auditor, "POST", path, nil).want(t, 200)); v.Passed {
		t.Errorf("%+v", v)
	}
	a.do(auditor, "POST", path, strings.NewReader("x")).want(t, 400)
}

// TestDestroyed: what was destroyed answers 410 with its tombstone everywhere.
func TestDestroyed(t *testing.T) {
	a := newArchive(t)
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"})
	all := a.token(ours, "erika", auth.Roles...)
	paths := []string{"GET /v1/records/{id}", "GET /v1/records/{id}/files/{file_id}", "GET /v1/records/{id}/events", "GET /v1/records/{id}/evidence", "GET /v1/records/{id}/package", "POST /v1/records/{id}/verification"}
	gone := func(stone bool) {
		t.Helper()
		for _, pattern := range paths {
			method, path := concrete(pattern, e.ID)
			p := a.do(all, method, path, nil).want(t, 410).problem(t)
			if begun := strings.Contains(p.Title, "has begun"); begun == stone {
				t.Errorf("%s: %s", pattern, p.Title)
			}
			if p.Tombstone.RecordID != e.ID || p.Tombstone.Class != "63.10" || p.Tombstone.Destroyed.IsZero() == stone || p.Tombstone.RetentionEnd.IsZero() == stone || stone != strings.Contains(p.Detail, "nothing of its content is left") {
				t.Errorf("%s: %+v", pattern, p.Tombstone)
			}
		}
		if p := decode[RecordPage](t, a.do(all, "GET", "/v1/records", nil).want(t, 200)); p.Total != 0 {
			t.Errorf("still listed: %+v", p)
		}
	}
	ctx, tenant, now := t.Context(), a.db.Tenant(ours), time.Now().UTC().Truncate(time.Millisecond)
	if err := tenant.Update(ctx, func(x *catalog.Tx) error {
		return x.BeginDisposal(catalog.Disposal{Record: e.ID, ID: "d", Phase: "intended", Body: []byte("{}"), At: now})
	}); err != nil {
		t.Fatal(err)
	}
	gone(false)
	if err := tenant.Update(ctx, func(x *catalog.Tx) error {
		return x.Destroy(catalog.Tombstone{Record: e.ID, Class: "63.10", Rule: "building@1", End: preservation.Date{Year: 2020, Month: 12, Day: 31}, Permit: "p", Destroyed: now})
	}); err != nil {
		t.Fatal(err)
	}
	gone(true)
	a.do(all, "GET", "/v1/submissions/"+string(e.Submission)+"/receipt", nil).want(t, 410)
	p := decode[ListDisposals200JSONResponse](t, a.do(all, "GET", "/v1/disposals?view=destroyed", nil).want(t, 200))
	if len(p.Items) != 1 || p.Items[0].ID != e.ID || p.Items[0].Status != "destroyed" || p.Items[0].Permit != "p" || p.Items[0].Destroyed.IsZero() {
		t.Errorf("%+v", p)
	}
}

// TestMissingBytes: an object that the store has lost is a fault, not a 404 and
// not an empty file.
func TestMissingBytes(t *testing.T) {
	a := newArchive(t, func(c *Config) {
		open := c.Store
		c.Store = func(ctx context.Context, tenant *catalog.Tenant) (preservation.Store, error) {
			s, err := open(ctx, tenant)
			return lost{s}, err
		}
	})
	e := a.archived(ours, "1", preservation.File{Name: "a.txt"})
	v := a.do(a.token(ours, "erika", auth.Reader), "GET", fmt.Sprintf("/v1/records/%s/files/f0001", e.ID), nil).want(t, 500)
	if p := v.problem(t); p.Code != "corrupt" {
		t.Errorf("%+v", p)
	}
}

type lost struct{ preservation.Store }

func (lost) Open(_ context.Context, key, _ string, _, _ int64) (io.ReadCloser, error) {
	return nil, fmt.Errorf("open %s: %w", key, preservation.ErrNotFound)
}
