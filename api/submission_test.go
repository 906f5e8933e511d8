package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/api/auth"
	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

func TestSubmission(t *testing.T) {
	a := newArchive(t)
	dms := a.token(ours, "dms-bauamt", auth.Submitter)
	files := []any{
		map[string]any{"name": "bauantrag.txt", "title": "Bauantrag", "document": "1", "sha256": "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"},
		map[string]any{"name": "plan.txt", "sha256": nil},
	}
	parts := []part{metadataPart(metadata("1", "files", files)), filePart("bauantrag.txt", ""), filePart("plan.txt", "plan")}
	v := a.submit(dms, parts...).want(t, 202)
	first := decode[Accepted](t, v)
	if v.Header.Get("Location") != "/v1/submissions/"+string(first.ID) || first.Status != "received" || first.RecordID != "" {
		t.Errorf("%s %s", v.Header.Get("Location"), v.body)
	}
	sub, err := a.db.Tenant(ours).Submission(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(sub.Files) != 2 || sub.Files[0].Title != "Bauantrag" || sub.Files[1].Size != 4 || sub.Metadata.Extra["Flurstück"] != "112/4" ||
		sub.Metadata.Subjects[0].Born != (preservation.Date{Year: 1961, Month: 5, Day: 4}) {
		t.Errorf("%+v", sub)
	}
	r, err := a.staging.Open(t.Context(), sub.Files[1].Key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, _ := io.ReadAll(r); string(got) != "plan" {
		t.Errorf("staged %q", got)
	}

	again := decode[Accepted](t, a.submit(dms, parts...).want(t, 200))
	if again.ID != first.ID {
		t.Errorf("repeated: %s, first %s", again.ID, first.ID)
	}
	parts[2].body = "another plan"
	other := a.submit(dms, parts...).want(t, 409).problem(t)
	if other.Code != "source-taken" || other.Existing != string(first.ID) {
		t.Errorf("%+v", other)
	}

	got := decode[Submission](t, a.do(dms, "GET", "/v1/submissions/"+string(first.ID), nil).want(t, 200))
	if len(got.Steps) != 1 || got.Steps[0].Event != "ingestion start" || got.Producer != "dms-bauamt" {
		t.Errorf("%+v", got)
	}
	if p := a.do(dms, "GET", "/v1/submissions/"+string(first.ID)+"/receipt", nil).want(t, 404).problem(t); p.Code != "receipt-pending" {
		t.Errorf("%+v", p)
	}
	a.do(a.token(ours, "x", auth.Archivist), "POST", "/v1/submissions/"+string(first.ID)+"/retry", nil).want(t, 409)
}

// ahead is a day to come, on the calendar of the archive.
func ahead(days int) string {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return preservation.DateOf(time.Now().In(zone)).AddDays(days).String()
}

// TestSourceTaken: the answer says what differs, and only to who may know.
func TestSourceTaken(t *testing.T) {
	a := newArchive(t)
	dms := a.token(ours, "dms-bauamt", auth.Submitter)
	file := filePart("a.txt", "a")
	a.submit(dms, metadataPart(metadata("1", "closed", ahead(1), "keywords", []string{})), file).want(t, 202)
	a.submit(dms, metadataPart(metadata("1", "closed", ahead(1), "keywords", nil)), file).want(t, 200)
	other := metadataPart(metadata("1", "title", "Anderer Titel", "creator", nil, "keywords", nil))
	for _, c := range []struct {
		token string
		parts []part
		want  string
	}{
		{dms, []part{other, file}, "differ in closed, creator, title."},
		{dms, []part{metadataPart(metadata("1", "closed", ahead(1), "keywords", nil)), filePart("a.txt", "b")}, "the metadata are the same, the files are not"},
	} {
		if p := a.submit(c.token, c.parts...).want(t, 409).problem(t); !strings.Contains(p.Detail, c.want) || p.Existing == "" {
			t.Errorf("%+v, want %q", p, c.want)
		}
	}
	// Nothing is told to others, not even by the difference of two answers.
	kfz, same := a.token(ours, "kfz", auth.Submitter), metadataPart(metadata("1", "closed", ahead(1), "keywords", []string{}))
	for _, parts := range [][]part{{other, file}, {same, filePart("a.txt", "b")}, {same, file}} {
		p := a.submit(kfz, parts...).want(t, 409).problem(t)
		if p.Code != "source-taken" || p.Existing != "" || !strings.Contains(p.Detail, "another actor sent") {
			t.Errorf("%+v", p)
		}
	}
	a.submit(a.token(ours, "dms-bauamt", auth.Submitter), same, file).want(t, 200) // another token of the same actor
	a.submit(a.token(ours, "anna", auth.Archivist), same, file).want(t, 200)
}

// TestSubmissionsOfOthers: who is submitter only sees its own, the operator the
// outline of all, and others all of it.
func TestSubmissionsOfOthers(t *testing.T) {
	a := newArchive(t)
	dms, kfz := a.token(ours, "dms", auth.Submitter), a.token(ours, "kfz", auth.Submitter)
	send := func(token, id string) preservation.SubmissionID {
		t.Helper()
		return decode[Accepted](t, a.submit(token, metadataPart(metadata(id)), filePart("a.txt", "a")).want(t, 202)).ID
	}
	own := send(dms, "own")
	var others []preservation.SubmissionID
	for i := range 3 {
		others = append(others, send(kfz, fmt.Sprint(i)))
	}
	last := send(dms, "last")

	list := func(token, query string) (ids []preservation.SubmissionID) {
		t.Helper()
		for pages, path := 0, "/v1/submissions"+query; path != ""; pages++ {
			v := a.do(token, "GET", path, nil).want(t, 200)
			p := decode[ListSubmissions200JSONResponse](t, v)
			if bytes.Contains(v.body, []byte("steps")) {
				t.Errorf("a list has steps: %s", v.body)
			}
			for _, sub := range p.Items {
				ids = append(ids, sub.ID)
			}
			if path = ""; p.Next != "" {
				path = "/v1/submissions?limit=1&after=" + p.Next
			}
			if pages > 9 {
				t.Fatal("the list does not end")
			}
		}
		return ids
	}
	all := fmt.Sprint([]preservation.SubmissionID{last, others[2], others[1], others[0], own})
	for name, c := range map[string]struct {
		roles []auth.Role
		want  string
		title bool // sees the sender's words
	}{
		"dms":      {[]auth.Role{auth.Submitter}, fmt.Sprint([]preservation.SubmissionID{last, own}), false},
		"reader":   {[]auth.Role{auth.Submitter, auth.Reader}, "[]", false},
		"operator": {[]auth.Role{auth.Submitter, auth.Operator}, all, false},
		"auditor":  {[]auth.Role{auth.Submitter, auth.Auditor}, all, true},
		"archive":  {[]auth.Role{auth.Archivist}, all, true},
	} {
		token := a.token(ours, name, c.roles...)
		for _, query := range []string{"", "?limit=1", "?limit=2"} {
			if got := fmt.Sprint(list(token, query)); got != c.want {
				t.Errorf("%s %s: %s, want %s", name, query, got, c.want)
			}
		}
		v := a.do(token, "GET", "/v1/submissions/"+string(others[0]), nil)
		if sees := c.want == all; sees != (v.StatusCode == 200) || !sees && v.StatusCode != 404 {
			t.Errorf("%s: %d %s", name, v.StatusCode, v.body)
		}
		if v.StatusCode != 200 {
			continue
		}
		// What is under way is called as its sender called it.
		sub := decode[Submission](t, v)
		listed := decode[ListSubmissions200JSONResponse](t, a.do(token, "GET", "/v1/submissions", nil).want(t, 200)).Items[0]
		want := Submission{}
		if c.title {
			want = Submission{ProducerRecordID: "0", Title: "Bauantrag Lindenstraße 12", Files: []string{"a.txt"}}
		}
		if sub.ProducerRecordID != want.ProducerRecordID || sub.Title != want.Title || !slices.Equal(sub.Files, want.Files) || listed.Title != want.Title || listed.Files != nil {
			t.Errorf("%s: %s, listed as %+v", name, v.body, listed)
		}
	}
	a.do(kfz, "GET", "/v1/submissions/"+string(own)+"/receipt", nil).want(t, 404)
	if p := a.do(kfz, "GET", "/v1/submissions/"+string(own)+"/receipt", nil).problem(t); p.Code != "not-found" {
		t.Errorf("%+v", p)
	}
	a.do(dms, "GET", "/v1/submissions?after=nonsense", nil).want(t, 400)
}

// TestUnderway: what there is a record of is called as that is, to those who may read it.
func TestUnderway(t *testing.T) {
	for sub, want := range map[*catalog.Submission]bool{
		{Status: catalog.Received}:                                  true,
		{Status: catalog.Quarantined}:                               true,
		{Status: catalog.Rejected}:                                  true,
		{Status: catalog.Archived}:                                  false,
		{Status: catalog.Partial}:                                   false,
		{Status: catalog.Processing, Revision: &catalog.Revision{}}: false,
	} {
		sub.Metadata.Title = "Bauantrag"
		if got := submission(*sub, nil, whole).Title; (got != "") != want {
			t.Errorf("%s: %q", sub.Status, got)
		}
	}
}

// TestAnnouncedNames: browsers escape quotes and line breaks in file names, an
// announcement tells the name itself.
func TestAnnouncedNames(t *testing.T) {
	a := newArchive(t)
	dms := a.token(ours, "dms-bauamt", auth.Submitter)
	for i, c := range []struct{ announced, sent, want string }{
		{`a"b.txt`, "a%22b.txt", `a"b.txt`},
		{"a\r\nb.txt", "a%0D%0Ab.txt", "a\r\nb.txt"},
		{"a%22b.txt", "a%22b.txt", "a%22b.txt"},
		{`a%22"b.txt`, "a%22%22b.txt", `a%22"b.txt`},
		{"a b.txt", "a%20b.txt", ""},
		{"a%22b.txt", `a\"b.txt`, ""},
	} {
		files := []any{map[string]any{"name": c.announced}}
		v := a.submit(dms, metadataPart(metadata(fmt.Sprint(i), "files", files)), filePart(c.sent, "x"))
		if c.want == "" {
			if v.want(t, 422).field(t, "files[0].name") != "name-mismatch" {
				t.Errorf("%q as %q: %s", c.announced, c.sent, v.body)
			}
			continue
		}
		sub, err := a.db.Tenant(ours).Submission(t.Context(), decode[Accepted](t, v.want(t, 202)).ID)
		if err != nil || sub.Files[0].Name != c.want {
			t.Errorf("%q as %q: %+v %v", c.announced, c.sent, sub.Files, err)
		}
	}
}

func TestSubmissionRefused(t *testing.T) {
	a := newArchive(t)
	dms := a.token(ours, "dms-bauamt", auth.Submitter)
	file := filePart("a.txt", "a")
	announced := func(f ...map[string]any) part { return metadataPart(metadata("x", "files", f)) }
	long := strings.Repeat("x", 1001)
	many := []part{metadataPart(metadata("x"))}
	for range 21 {
		many = append(many, file)
	}
	for _, c := range []struct {
		name   string
		parts  []part
		status int
		field  string // with its code behind a colon
	}{
		{"no part", nil, 422, "metadata:required"},
		{"file first", []part{file}, 422, "metadata:required"},
		{"no file", []part{metadataPart(metadata("x"))}, 422, "files:required"},
		{"metadata twice", []part{metadataPart(metadata("x")), file, metadataPart(metadata("x"))}, 422, "metadata:duplicate"},
		{"unknown part", []part{metadataPart(metadata("x")), {`form-data; name="datei"; filename="a"`, "", "a"}}, 422, "datei:unknown-field"},
		{"unknown class", []part{metadataPart(metadata("x", "class", "99.99")), file}, 422, "class:unknown-class"},
		{"unknown field", []part{metadataPart(metadata("x", "titel", "Titel")), file}, 422, "titel:unknown-field"},
		{"field in other case", []part{metadataPart(metadata("x", "Title", "Titel")), file}, 422, "Title:unknown-field"},
		{"unknown field below", []part{announced(map[string]any{"name": "a.txt", "digest": "x"}), file}, 422, "files[0].digest:unknown-field"},
		{"no title", []part{metadataPart(metadata("x", "title", "")), file}, 422, "title:required"},
		{"title too long", []part{metadataPart(metadata("x", "title", long)), file}, 422, "title:max"},
		{"blank title", []part{metadataPart(metadata("x", "title", " \t\u00a0")), file}, 422, "title:required"},
		{"blank producer", []part{metadataPart(metadata("x", "producer", " ")), file}, 422, "producer:required"},
		{"blank identifier", []part{metadataPart(metadata("\u200b\n")), file}, 422, "producer_record_id:required"},
		{"blank class", []part{metadataPart(metadata("x", "class", "  ")), file}, 422, "class:required"},
		{"reversed writing", []part{metadataPart(metadata("x", "title", "Antrag\u202efdp")), file}, 422, "title:text"},
		{"isolated writing", []part{metadataPart(metadata("x", "keywords", []string{"ok", "a\u2066b"})), file}, 422, "keywords[1]:text"},
		{"control character of Latin 1", []part{metadataPart(metadata("x", "extra", map[string]string{"Ort": "a\u0085b"})), file}, 422, "extra[Ort]:text"},
		{"closed in the future", []part{metadataPart(metadata("x", "closed", ahead(2))), file}, 422, "closed:future"},
		{"opened in the future", []part{metadataPart(metadata("x", "opened", ahead(2), "closed", nil)), file}, 422, "opened:future"},
		{"born in the future", []part{metadataPart(metadata("x", "subjects", []any{map[string]any{"name": "a", "born": ahead(2)}})), file}, 422, "subjects[0].born:future"},
		{"died before born", []part{metadataPart(metadata("x", "subjects", []any{map[string]any{"name": "a", "born": "1961-05-04", "died": "1961-05-03"}})), file}, 422, "subjects[0].died:before-born"},
		{"parent is no identifier", []part{metadataPart(metadata("x", "parent", "63.10-1")), file}, 422, "parent:id"},
		{"control character", []part{metadataPart(metadata("x", "title", "a\x00b")), file}, 422, "title:text"},
		{"wrong type", []part{metadataPart(metadata("x", "title", 5)), file}, 422, "title:type"},
		{"null", []part{metadataPart(metadata("x", "title", nil)), file}, 422, "title:type"},
		{"no such day", []part{metadataPart(metadata("x", "closed", "2015-02-29")), file}, 422, "closed:date"},
		{"closed before opened", []part{metadataPart(metadata("x", "closed", "2013-01-01")), file}, 422, "closed:before-opened"},
		{"unknown parent", []part{metadataPart(metadata("x", "parent", strings.Repeat("0", 26))), file}, 422, "parent:unknown-record"},
		{"kind", []part{metadataPart(metadata("x", "kind", "folder")), file}, 422, "kind:oneof"},
		{"subject without name", []part{metadataPart(metadata("x", "subjects", []any{map[string]any{"born": "1961-05-04"}})), file}, 422, "subjects[0].name:required"},
		{"digest differs", []part{announced(map[string]any{"name": "a.txt", "sha256": strings.Repeat("0", 64)}), file}, 422, "files[0].sha256:digest-mismatch"},
		{"SHA-512 differs", []part{announced(map[string]any{"name": "a.txt", "sha512": strings.Repeat("0", 128)}), file}, 422, "files[0].sha512:digest-mismatch"},
		{"digest malformed", []part{announced(map[string]any{"name": "a.txt", "sha256": "abc"}), file}, 422, "files[0].sha256:len"},
		{"not announced", []part{announced(map[string]any{"name": "a.txt"}), file, filePart("b.txt", "b")}, 422, "files[1]:not-announced"},
		{"did not come", []part{announced(map[string]any{"name": "a.txt"}, map[string]any{"name": "b.txt"}), file}, 422, "files[1]:missing"},
		{"other name", []part{announced(map[string]any{"name": "b.txt"}), file}, 422, "files[0].name:name-mismatch"},
		{"upload in a form", []part{announced(map[string]any{"name": "a.txt", "upload": strings.Repeat("0", 32)}), file}, 422, "files[0].upload:misplaced"},
		{"no name", []part{metadataPart(metadata("x")), {`form-data; name="file"`, "", "a"}}, 422, "files[0].name:required"},
		{"too many files", many, 413, "files:too-many"},
		{"too large", []part{metadataPart(metadata("x")), filePart("a", strings.Repeat("x", 8<<20+1))}, 413, "files:too-large"},
		{"metadata too large", []part{metadataPart(metadata("x", "title", strings.Repeat("x", 1<<20))), file}, 413, ""},
		{"metadata broken", []part{metadataPart(`{"producer": "a",` + "\n" + `"class": 63.`), file}, 400, ""},
		{"metadata and more", []part{metadataPart(`{} {}`), file}, 400, ""},
		{"metadata not UTF-8", []part{metadataPart("{\"title\": \"B\xfcro\"}"), file}, 400, ""},
		{"field twice", []part{metadataPart(`{"class": "63.10", "class": "00.10"}`), file}, 422, "class:duplicate"},
		{"metadata as XML", []part{{`form-data; name="metadata"`, "application/xml", "<a/>"}, file}, 415, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := a.submit(dms, c.parts...)
			if v.StatusCode != c.status {
				t.Fatalf("%d, want %d: %s", v.StatusCode, c.status, v.body)
			}
			field, code, _ := strings.Cut(c.field, ":")
			if field != "" && v.field(t, field) != code {
				t.Errorf("want %s: %s", c.field, v.body)
			}
		})
	}
	if v := a.submit(dms, metadataPart("{\n  \"class\": 63.,\n}"), file); !strings.Contains(v.problem(t).Detail, "line 2") {
		t.Errorf("no position: %s", v.body)
	}
	a.nothingStaged()
	if subs, err := a.db.Tenant(ours).Submissions(t.Context(), catalog.SubmissionFilter{}, "", 10); err != nil || len(subs) > 0 {
		t.Errorf("%d submissions were accepted, %v", len(subs), err)
	}
	a.do(dms, "POST", "/v1/submissions", "a=b", "Content-Type", "application/x-www-form-urlencoded").want(t, 415)
	a.do(dms, "POST", "/v1/submissions", nil).want(t, 415)
	a.do(dms, "POST", "/v1/submissions", bytes.NewBufferString("x"), "Content-Type", "multipart/form-data").want(t, 400)
}

// nothingStaged checks that refused deliveries left nothing behind.
func (a *archive) nothingStaged() {
	a.Helper()
	for o, err := range a.staging.List(a.Context(), "") {
		a.Errorf("left in staging: %s %v", o.Key, err)
	}
}

// TestFileNames: names are kept byte for byte, whatever they are.
func TestFileNames(t *testing.T) {
	a := newArchive(t)
	dms := a.token(ours, "dms-bauamt", auth.Submitter)
	for i, c := range []struct{ disposition, want string }{
		{`filename="bauantrag.docx"`, "bauantrag.docx"},
		{`filename=plain.txt`, "plain.txt"},
		{`filename="../../etc/passwd"`, "../../etc/passwd"},
		{`filename="C:\Akten\plan.pdf"`, `C:\Akten\plan.pdf`},
		{`filename="a \"quoted\" \\ name; really.txt"`, `a "quoted" \ name; really.txt`},
		{`filename="$(rm -rf);'|&.txt"`, `$(rm -rf);'|&.txt`},
		{`filename="%22encoded%22.txt"`, "%22encoded%22.txt"},
		{"filename=\"B\xfcro.txt\"", "B\xfcro.txt"},
		{"filename=\"Prüfung.txt\"", "Prüfung.txt"},
		{"filename=\"Pru\u0308fung.txt\"", "Pru\u0308fung.txt"},
		{`filename="trailing dot. "`, "trailing dot. "},
		{`filename="fallback.txt"; filename*=UTF-8''Antrag%20%E2%82%AC%2Fa.txt`, "Antrag €/a.txt"},
		{`FileName = "odd.txt" ;`, "odd.txt"},
	} {
		v := a.submit(dms, metadataPart(metadata(fmt.Sprint(i))), part{`form-data; name="file"; ` + c.disposition, "", "x"}).want(t, 202)
		sub, err := a.db.Tenant(ours).Submission(t.Context(), decode[Accepted](t, v).ID)
		if err != nil {
			t.Fatal(err)
		}
		if sub.Files[0].Name != c.want {
			t.Errorf("%s: %q, want %q", c.disposition, sub.Files[0].Name, c.want)
		}
	}
	for _, disposition := range []string{`filename="open`, `filename="a"x`, `filename*=UTF-8''%zz`, `filename*=latin1''a`, `filename*=UTF-8''%ff`, `filename="a"; filename="b"`} {
		if v := a.submit(dms, metadataPart(metadata("bad")), part{`form-data; name="file"; ` + disposition, "", "x"}); v.StatusCode != 400 {
			t.Errorf("%s: %d %s", disposition, v.StatusCode, v.body)
		}
	}
	h := part{`form-data; name="file"; filename="a"`, "", "x"}
	body, contentType := formOf(metadataPart(metadata("cte")), h)
	encoded := strings.Replace(body.String(), `filename="a"`, "filename=\"a\"\r\nContent-Transfer-Encoding: base64", 1)
	a.do(dms, "POST", "/v1/submissions", strings.NewReader(encoded), "Content-Type", contentType).want(t, 400)
	a.nothingStagedBut(13)
}

func (a *archive) nothingStagedBut(n int) {
	a.Helper()
	for _, err := range a.staging.List(a.Context(), "") {
		if n--; err != nil {
			a.Error(err)
		}
	}
	if n != 0 {
		a.Errorf("staging: %d objects differ from what was accepted", n)
	}
}

// TestBrokenOff sends forms that end too early: nothing of them is accepted or
// left behind.
func TestBrokenOff(t *testing.T) {
	a := newArchive(t)
	dms := a.token(ours, "dms-bauamt", auth.Submitter)
	content := strings.Repeat("0123456789abcdef", 64<<10) // 1 MiB
	whole, contentType := formOf(metadataPart(metadata("1")), filePart("a.bin", content))
	text := whole.String()
	final := strings.LastIndex(text, "\r\n--")
	for name, body := range map[string]string{
		"in the metadata":        text[:200],
		"in the file":            text[:len(text)/2],
		"before the boundary":    text[:final],
		"in the final boundary":  text[:len(text)-5],
		"boundary is not final":  text[:len(text)-4] + "\r\n",
		"one byte of the file":   text[:strings.Index(text, content[:16])+1],
		"another part has begun": text[:len(text)-4] + "\r\nContent-Disposition: form-data; na",
	} {
		if v := a.do(dms, "POST", "/v1/submissions", strings.NewReader(body), "Content-Type", contentType); v.StatusCode != 400 {
			t.Errorf("%s: %d %s", name, v.StatusCode, v.body)
		}
	}
	a.nothingStaged()

	// The connection itself breaks while more was promised.
	conn, err := net.Dial("tcp", a.web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /v1/submissions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		dms, contentType, len(text), text[:len(text)/2])
	conn.Close()
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(a.log.String(), `"bytes"`) || strings.Count(a.log.String(), "POST /v1/submissions") < 8 {
		if time.Now().After(deadline) {
			t.Fatal("the broken connection was not noticed")
		}
		time.Sleep(20 * time.Millisecond)
	}
	a.nothingStaged()
	if subs, err := a.db.Tenant(ours).Submissions(t.Context(), catalog.SubmissionFilter{}, "", 10); err != nil || len(subs) > 0 {
		t.Errorf("%d submissions were accepted, %v", len(subs), err)
	}
}

// TestSlowClient: who holds a connection open without sending is shown out.
func TestSlowClient(t *testing.T) {
	a := newArchive(t, func(c *Config) { c.bodyWindow = 300 * time.Millisecond })
	dms := a.token(ours, "dms-bauamt", auth.Submitter)
	whole, contentType := formOf(metadataPart(metadata("1")), filePart("a.bin", strings.Repeat("x", 20<<10)))
	send := func(pause time.Duration, chunk int) *http.Response {
		conn, err := net.Dial("tcp", a.web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprintf(conn, "POST /v1/submissions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", dms, contentType, whole.Len())
		go func() {
			for text := whole.Bytes(); len(text) > 0; text = text[min(chunk, len(text)):] {
				if _, err := conn.Write(text[:min(chunk, len(text))]); err != nil {
					return
				}
				time.Sleep(pause)
			}
		}()
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	if res := send(100*time.Millisecond, 50); res.StatusCode != http.StatusRequestTimeout {
		t.Errorf("a trickle: %d, want 408", res.StatusCode)
	}
	a.nothingStaged()
	if res := send(100*time.Millisecond, 3<<10); res.StatusCode != http.StatusAccepted {
		t.Errorf("a slow line: %d, want 202", res.StatusCode)
	}
}

func TestUploads(t *testing.T) {
	a := newArchive(t)
	dms := a.token(ours, "dms-bauamt", auth.Submitter)
	tus := func(method, path, body string, header ...string) answer {
		t.Helper()
		header = append(header, "Tus-Resumable", "1.0.0")
		if body != "" {
			return a.do(dms, method, path, strings.NewReader(body), append(header, "Content-Type", "application/offset+octet-stream")...)
		}
		return a.do(dms, method, path, nil, header...)
	}
	v := a.do("", "OPTIONS", "/v1/uploads", nil).want(t, 200)
	if v.Header.Get("Tus-Version") != "1.0.0" || !strings.Contains(v.Header.Get("Tus-Extension"), "termination") {
		t.Errorf("%v", v.Header)
	}
	location := tus("POST", "/v1/uploads", "", "Upload-Length", "11").want(t, 201).Header.Get("Location")
	id := strings.TrimPrefix(location, "/v1/uploads/")
	if !uploadID.MatchString(id) {
		t.Fatalf("Location %q", location)
	}
	tus("PATCH", location, "hello ", "Upload-Offset", "0").want(t, 204)
	named := func(more ...any) map[string]any {
		return metadata("1", append([]any{"files", []any{map[string]any{"name": "a.txt", "upload": id}}}, more...)...)
	}
	if v := a.do(dms, "POST", "/v1/submissions", named()).want(t, 422); v.field(t, "files[0].upload") != "unfinished-upload" {
		t.Errorf("%s", v.body)
	}
	if v := tus("HEAD", location, "").want(t, 200); v.Header.Get("Upload-Offset") != "6" {
		t.Errorf("offset %s", v.Header.Get("Upload-Offset"))
	}
	tus("PATCH", location, "world", "Upload-Offset", "0").want(t, 409)
	tus("PATCH", location, "world", "Upload-Offset", "6").want(t, 204)
	first := decode[Accepted](t, a.do(dms, "POST", "/v1/submissions", named()).want(t, 202))
	sub, err := a.db.Tenant(ours).Submission(t.Context(), first.ID)
	if err != nil || sub.Files[0].Size != 11 || sub.Files[0].Name != "a.txt" {
		t.Errorf("%+v %v", sub.Files, err)
	}
	if again := decode[Accepted](t, a.do(dms, "POST", "/v1/submissions", named()).want(t, 200)); again.ID != first.ID {
		t.Errorf("repeated: %s", again.ID)
	}
	for field, m := range map[string]map[string]any{
		"files":           metadata("2"),
		"files[0].upload": metadata("2", "files", []any{map[string]any{"name": "a.txt"}}),
		"title":           named("title", ""),
		"titel":           named("titel", ""),
	} {
		if v := a.do(dms, "POST", "/v1/submissions", m).want(t, 422); v.field(t, field) == "" {
			t.Errorf("%s: %s", field, v.body)
		}
	}
	unknown := metadata("2", "files", []any{map[string]any{"name": "a.txt", "upload": strings.Repeat("0", 32)}})
	if v := a.do(dms, "POST", "/v1/submissions", unknown).want(t, 422); v.field(t, "files[0].upload") != "unknown-upload" {
		t.Errorf("%s", v.body)
	}
	for _, stranger := range []string{a.token(theirs, "dms-bauamt", auth.Submitter), a.token(ours, "kfz", auth.Submitter, auth.Archivist, auth.Admin)} {
		if v := a.do(stranger, "POST", "/v1/submissions", named()).want(t, 422); v.field(t, "files[0].upload") != "unknown-upload" {
			t.Errorf("%s", v.body)
		}
		for _, method := range []string{"HEAD", "DELETE"} {
			a.do(stranger, method, location, nil, "Tus-Resumable", "1.0.0").want(t, 404)
		}
		a.do(stranger, "PATCH", location, strings.NewReader("x"), "Tus-Resumable", "1.0.0", "Upload-Offset", "11", "Content-Type", "application/offset+octet-stream").want(t, 404)
	}

	tus("POST", "/v1/uploads", "", "Upload-Length", fmt.Sprint(8<<20+1)).want(t, 413)
	a.do(dms, "POST", "/v1/uploads", nil, "Upload-Length", "1").want(t, 412)
	empty := tus("POST", "/v1/uploads", "", "Upload-Length", "0").want(t, 201).Header.Get("Location")
	tus("DELETE", empty, "").want(t, 204)
	tus("HEAD", empty, "").want(t, 404)

	// What nothing comes for any more is removed, halves of uploads that a crash left too.
	for i, ext := range []string{"", ".info", ".part"} {
		if err := os.WriteFile(fmt.Sprintf("%s/%032d%s", a.server.s.uploads.folder(auth.Principal{Tenant: ours, Actor: "dms-bauamt"}), i, ext), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.server.s.uploads.now = func() time.Time { return time.Now().Add(uploadLife + time.Minute) }
	if err := a.server.ExpireUploads(t.Context()); err != nil {
		t.Fatal(err)
	}
	tus("HEAD", location, "").want(t, 404)
	if left, err := os.ReadDir(a.server.s.uploads.folder(auth.Principal{Tenant: ours, Actor: "dms-bauamt"})); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// TestUploadChanged: what the disk gives back is held against what had arrived.
func TestUploadChanged(t *testing.T) {
	a := newArchive(t)
	dms := a.token(ours, "dms-bauamt", auth.Submitter)
	location := a.do(dms, "POST", "/v1/uploads", strings.NewReader("hello"), "Tus-Resumable", "1.0.0", "Upload-Length", "5",
		"Content-Type", "application/offset+octet-stream").want(t, 201).Header.Get("Location")
	id := strings.TrimPrefix(location, "/v1/uploads/")
	u := a.server.s.uploads
	folder := u.folder(auth.Principal{Tenant: ours, Actor: "dms-bauamt"})
	sums, err := u.sums(folder, id)
	if want, _ := digest(strings.NewReader("hello")); err != nil || sums != want {
		t.Fatalf("%+v %v", sums, err)
	}
	if err := os.WriteFile(folder+"/"+id, []byte("jello"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := metadata("1", "files", []any{map[string]any{"name": "a.txt", "upload": id}})
	if p := a.do(dms, "POST", "/v1/submissions", m).want(t, 500).problem(t); p.Code != "corrupt" {
		t.Errorf("%+v", p)
	}
	a.nothingStaged()
}

func FuzzParameters(f *testing.F) {
	for _, s := range []string{`form-data; name="a"; filename="b"`, `a;b=c;d="\\\""`, `;;=`, `a; filename*=UTF-8''%41`, "a;b=\"\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		params, ok := parameters(header)
		if !ok {
			return
		}
		for name, value := range params {
			// Written down again, a value reads as itself.
			quoted := fmt.Sprintf(`x; %s="%s"`, "n", strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value))
			if again, ok := parameters(quoted); !ok || again["n"] != value {
				t.Errorf("%s: %q became %q", name, value, again["n"])
			}
		}
	})
}

func FuzzCheckJSON(f *testing.F) {
	d, err := describe()
	if err != nil {
		f.Fatal(err)
	}
	schema := d.doc.Components.Schemas["SubmissionMetadata"].Value
	for _, s := range []string{`{}`, `{"files":[{"name":"a"}]}`, `[1,{"a":null}]`, `{"a":1,"a":2}`, "{\"a\":\"\xff\"}", `{"closed":"2015-02-29"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if checkJSON(text, schema) != nil {
			return
		}
		var m SubmissionMetadata
		if err := json.Unmarshal(text, &m); err != nil {
			t.Errorf("%q passed and cannot be decoded: %v", text, err)
		}
	})
}

// TestOperator: who keeps the archive running sees that something failed, and
// not in whose file.
func TestOperator(t *testing.T) {
	a := newArchive(t)
	operator := a.token(ours, "otto", auth.Operator)
	id := decode[Accepted](t, a.submit(a.token(ours, "dms", auth.Submitter), metadataPart(metadata("Muster-4711")), filePart("Muster, Erika.txt", "x")).want(t, 202)).ID
	finding := preservation.Finding{Code: "malware", Severity: preservation.Failed, Subject: "Muster, Erika.txt", Detail: "in Muster, Erika.txt"}
	if err := a.db.Tenant(ours).Settle(t.Context(), id, catalog.Quarantined, []preservation.Finding{finding}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/submissions", "/v1/submissions/" + string(id)} {
		v := a.do(operator, "GET", path, nil).want(t, 200)
		if strings.Contains(string(v.body), "Muster") || !strings.Contains(string(v.body), "malware") {
			t.Errorf("%s: %s", path, v.body)
		}
	}
	archivist := a.token(ours, "max", auth.Archivist)
	if v := a.do(archivist, "GET", "/v1/submissions/"+string(id), nil); !strings.Contains(string(v.body), "Muster, Erika.txt") {
		t.Errorf("%s", v.body)
	}
	a.do(operator, "POST", "/v1/submissions/"+string(id)+"/release", `{"reason":"r"}`).want(t, 403)
	a.do(archivist, "POST", "/v1/submissions/"+string(id)+"/release", `{"reason":"false alarm"}`).want(t, 202)
	a.do(archivist, "POST", "/v1/submissions/"+string(id)+"/release", `{"reason":"again"}`).want(t, 409)
}

// TestFullStore: without room nothing is accepted, and the sender is told so.
func TestFullStore(t *testing.T) {
	a := newArchive(t, func(c *Config) { c.Intake.Staging = fullStaging{c.Intake.Staging} })
	v := a.submit(a.token(ours, "dms", auth.Submitter), metadataPart(metadata("1")), filePart("a", "x")).want(t, 507)
	if v.Header.Get("Retry-After") == "" {
		t.Errorf("%v", v.Header)
	}
	if subs, err := a.db.Tenant(ours).Submissions(t.Context(), catalog.SubmissionFilter{}, "", 10); err != nil || len(subs) > 0 {
		t.Errorf("%d submissions were accepted, %v", len(subs), err)
	}
}

type fullStaging struct{ ingest.Staging }

func (fullStaging) Put(_ context.Context, key string, r io.Reader, _ preservation.PutOptions) (preservation.Object, error) {
	io.Copy(io.Discard, r)
	return preservation.Object{}, fmt.Errorf("put %s: %w", key, preservation.ErrFull)
}

// TestQuietConnection: a connection that was quiet for long is as good as a new
// one, also for an answer without a body.
func TestQuietConnection(t *testing.T) {
	a := newArchive(t, func(c *Config) { c.writeIdle = 50 * time.Millisecond })
	admin := a.token(ours, "anna", auth.Admin)
	k := decode[NewToken](t, a.do(admin, "POST", "/v1/tokens", `{"actor":"x","roles":["reader"]}`).want(t, 201))
	time.Sleep(200 * time.Millisecond)
	a.do(admin, "POST", "/v1/tokens/"+k.ID+"/revoke", nil).want(t, 204)
}

// TestFaultsAtOnce: whoever mends a form is told everything that is wrong with it.
func TestFaultsAtOnce(t *testing.T) {
	a := newArchive(t)
	v := a.submit(a.token(ours, "anna", auth.Submitter), metadataPart(metadata("x", "title", strings.Repeat("x", 2001), "class", "99.99", "closed", "2013-01-01")), filePart("a.txt", "a")).want(t, 422)
	for field, code := range map[string]string{"title": "max", "class": "unknown-class", "closed": "before-opened"} {
		if got := v.field(t, field); got != code {
			t.Errorf("%s: %q, want %s", field, got, code)
		}
	}
}
