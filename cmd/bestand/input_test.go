package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/ingest"
	"bestand/preservation"
)

// tryBrokenFiles hands over what no converter can read. Each is archived as it
// came, says what is wrong with it, and what follows it is archived as well.
func tryBrokenFiles(t *testing.T, in *installation) {
	converters(t)
	docx := fromDisk(t, filepath.Join(samples, "bauakte", "bauantrag.docx"))
	whole, err := io.ReadAll(docx.open())
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range []struct {
		name, code string
		file       sent
	}{
		{"empty", "empty", file("leer.pdf", "")},
		{"truncated", "damaged", file("halb.docx", string(whole[:len(whole)/2]))},
		{"encrypted", "encrypted", file("geheim.pdf", encrypted(t))},
		{"not what its name says", "extension-mismatch", file("bild.jpg", blankPDF())},
		{"noise", "damaged", file("rauschen.pdf", blob("noise"))},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			c := in.admin(t)
			s, r := c.archive(about(fmt.Sprint("broken-", i), "63.10", b.name), b.file, file("gut.txt", "Ein lesbarer Vermerk.\n"))
			told := slices.IndexFunc(s.Problems, func(p preservation.Finding) bool {
				return strings.HasPrefix(p.Subject, "f0001") && p.Code == b.code && p.Detail != ""
			})
			if told < 0 {
				t.Errorf("problems %+v, want %s", s.Problems, b.code)
			}
			original, err := io.ReadAll(b.file.open())
			if err != nil {
				t.Fatal(err)
			}
			first := r.of(preservation.Original)[0]
			if got := c.bytes(r, first.ID); string(got) != string(original) {
				t.Errorf("original has %d bytes, %d were sent", len(got), len(original))
			}
			if b.code != "extension-mismatch" && first.Verdict != preservation.VerdictNoRendition {
				t.Errorf("verdict %q", first.Verdict)
			}
			good := false
			for _, f := range r.of(preservation.Preservation) {
				good = good || f.Name == "gut.pdf" && f.Verdict == preservation.VerdictValid
			}
			if !good {
				t.Errorf("the file beside it has no rendition: %+v", r.Files)
			}
			c.verified(r.ID)
		})
	}
}

// encrypted is a PDF that asks for a password.
func encrypted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	plain, locked := filepath.Join(dir, "plain.pdf"), filepath.Join(dir, "locked.pdf")
	if err := os.WriteFile(plain, []byte(blankPDF()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool(t, "qpdf"), "--encrypt", "geheim", "geheimer", "256", "--", plain, locked).CombinedOutput(); err != nil {
		t.Fatalf("qpdf: %v\n%s", err, out)
	}
	content, err := os.ReadFile(locked)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// tryRefusals hands over what producers get wrong. The answer names the field,
// and nothing stays of it: the same identifier is free afterwards.
func tryRefusals(t *testing.T, in *installation) {
	ok := file("a.txt", "a")
	wrong256, wrong512 := strings.Repeat("0", 64), strings.Repeat("0", 128)
	announce := func(more ...any) []any {
		f := map[string]any{"name": "a.txt"}
		for i := 0; i+1 < len(more); i += 2 {
			f[more[i].(string)] = more[i+1]
		}
		return []any{f}
	}
	for i, r := range []struct {
		name   string
		more   []any
		files  []sent
		status int
		code   string
		field  string
	}{
		{"SHA-256 of other bytes", []any{"files", announce("sha256", wrong256)}, []sent{ok}, 422, "invalid", "files[0].sha256"},
		{"SHA-512 of other bytes", []any{"files", announce("sha512", wrong512)}, []sent{ok}, 422, "invalid", "files[0].sha512"},
		{"SHA-256 that is none", []any{"files", announce("sha256", "xyz")}, []sent{ok}, 422, "invalid", "files[0].sha256"},
		{"unknown class", []any{"class", "99.99"}, []sent{ok}, 422, "invalid", "class"},
		{"no class", []any{"class", ""}, []sent{ok}, 422, "invalid", "class"},
		{"a day that is none", []any{"closed", "2015-02-30"}, []sent{ok}, 422, "invalid", "closed"},
		{"a date of another form", []any{"opened", "30.11.2015"}, []sent{ok}, 422, "invalid", "opened"},
		{"closed before opened", []any{"opened", "2016-01-01", "closed", "2015-12-31"}, []sent{ok}, 422, "invalid", "closed"},
		{"unknown field", []any{"titel", "x"}, []sent{ok}, 422, "invalid", "titel"},
		{"unknown parent", []any{"parent", "01jq2m9cfp2y8r0v6k3c5t7n4e"}, []sent{ok}, 422, "invalid", "parent"},
		{"a file that does not come", []any{"files", append(announce(), map[string]any{"name": "b.txt"})}, []sent{ok}, 422, "invalid", "files[1]"},
		{"a file that nobody announced", []any{"files", announce()}, []sent{ok, file("b.txt", "b")}, 422, "invalid", "files[1]"},
		{"files in another order", []any{"files", announce()}, []sent{file("b.txt", "b")}, 422, "invalid", "files[0].name"},
		{"no file", nil, nil, 422, "invalid", "files"},
		{"a file without a name", nil, []sent{file("", "a")}, 422, "invalid", "files[0].name"},
	} {
		t.Run(r.name, func(t *testing.T) {
			c := in.admin(t)
			id := fmt.Sprint("refused-", i)
			m := about(id, "63.10", r.name, r.more...)
			c.send(m, r.files...).refused(t, r.status, r.code, r.field)
			c.send(about(id, "63.10", r.name), ok).accepted(t)
		})
	}
	t.Run("no metadata", func(t *testing.T) {
		c := in.admin(t)
		c.do("POST", "/v1/submissions", strings.NewReader("--"+boundary+"--\r\n"), "Content-Type", "multipart/form-data; boundary="+boundary).want(t, 422)
		c.send("{", ok).want(t, 400)
		c.send(`["a"]`, ok).want(t, 422)
		c.do("POST", "/v1/submissions", strings.NewReader("x"), "Content-Type", "text/plain").refused(t, 415, "unsupported-media-type", "")
	})
}

// tryNames hands over names that mean harm to file systems, shells and XML. They
// come back byte for byte, and nowhere are they a path.
func tryNames(t *testing.T, in *installation) {
	names := []string{
		"../../../../etc/passwd", `..\..\windows\system32\config`, "/etc/shadow", "..", ".", "-rf", "$(touch x);`id`|&<>'.txt", `"quoted\".txt`,
		"Umlaute äöüß und 🏛.txt", "u\u0308 zerlegt.txt", "\xe4\xf6\xfc nach Latin-1.txt", "\xff\xfe\x80", "tab\tstopp.txt", "con.txt",
		"leer am Ende ", "METS.xml", "<!ENTITY x>&x;.xml", strings.Repeat("lang", 300) + ".txt", "gleich.txt", "gleich.txt", "%2e%2e%2f.txt", "a\u202etxt.exe",
	}
	var parts []sent
	for i, n := range names {
		parts = append(parts, file(n, blob(fmt.Sprint("name ", i))))
	}
	t.Run("of the parts", func(t *testing.T) { namesKept(t, in, names, about("names", "63.10", "Namen"), parts...) })

	// A header cannot carry these, JSON can.
	names = []string{"zeile\nzwei.txt", "glocke\a\x00\x1b.txt", "\u2028.txt", "nicht \ufffe.txt"}
	parts = nil
	var announced []any
	for i, n := range names {
		announced = append(announced, map[string]any{"name": n})
		parts = append(parts, file("", blob(fmt.Sprint("name ", i))))
	}
	t.Run("of the metadata", func(t *testing.T) {
		namesKept(t, in, names, about("names-json", "63.10", "Namen", "files", announced), parts...)
	})
}

func namesKept(t *testing.T, in *installation, names []string, metadata map[string]any, parts ...sent) {
	t.Helper()
	c := in.admin(t)
	s, r := c.archive(metadata, parts...)
	v := newVerifier(t, in)
	var receipt ingest.Receipt
	if err := json.Unmarshal(v.signed(string(c.get("/v1/submissions/"+s.ID+"/receipt").want(t, 200).body)), &receipt); err != nil {
		t.Fatal(err)
	}
	got := r.of(preservation.Original)
	if len(got) != len(names) || len(receipt.Records[0].Files) != len(names) {
		t.Fatalf("%d originals of %d files, %d in the receipt", len(got), len(names), len(receipt.Records[0].Files))
	}
	for i, want := range names {
		if n := rawName(t, got[i].Name, got[i].NameBase64); n != want {
			t.Errorf("%q came back as %q", want, n)
		}
		if f := receipt.Records[0].Files[i]; rawName(t, f.Name, f.NameBase64) != want {
			t.Errorf("%q stands in the receipt as %q", want, f.Name)
		}
		answer := c.get(fmt.Sprintf("/v1/records/%s/files/%s", r.ID, got[i].ID)).want(t, 200)
		if string(answer.body) != blob(fmt.Sprint("name ", i)) {
			t.Errorf("%q has other bytes", want)
		}
		if d := answer.Header.Get("Content-Disposition"); strings.ContainsAny(strings.TrimPrefix(d, "attachment; filename="), "/\\\r\n\x00") {
			t.Errorf("%q is offered as %s", want, d)
		}
	}
	c.verified(r.ID)
	packed := c.get("/v1/records/"+r.ID+"/package").want(t, 200).body
	path := v.save("names.zip", packed)
	for line := range strings.Lines(v.run("unzip", "-Z1", path)) {
		if p := strings.TrimSpace(line); strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") != "" || strings.Contains(p, "..") {
			t.Errorf("path %q in the package", p)
		}
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"verify", "--trust", v.ca, path}, &out, &out); err != nil {
		t.Errorf("verify: %v\n%s", err, &out)
	}
}

// rawName is a name as bytes: in base64 where JSON cannot hold it.
func rawName(t *testing.T, plain, encoded string) string {
	t.Helper()
	if encoded == "" {
		return plain
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// tryRepetition sends the same and almost the same again.
func tryRepetition(t *testing.T, in *installation) {
	c := in.admin(t)
	m, f := about("again", "63.10", "Wiederholung"), file("a.bin", blob("again"))
	first, r := c.archive(m, f)
	var s status
	c.send(m, f).want(t, 200).decode(t, &s)
	if s.ID != first.ID || s.RecordID != r.ID {
		t.Errorf("the same again is %+v, was %+v", s, first)
	}
	for name, other := range map[string]reply{
		"other bytes":    c.send(m, file("a.bin", blob("other"))),
		"other name":     c.send(m, file("b.bin", blob("again"))),
		"other metadata": c.send(about("again", "63.10", "Anders"), f),
		"one file more":  c.send(m, f, file("b.bin", "b")),
	} {
		if p := other.refused(t, 409, "source-taken", ""); p.Existing != first.ID {
			t.Errorf("%s: existing %q", name, p.Existing)
		}
	}
	var twins sync.WaitGroup
	answers := make([]reply, 8)
	for i := range answers {
		twins.Go(func() {
			var err error
			if answers[i], err = c.trySend(about("twin", "63.10", "Zwilling"), file("a.bin", blob("twin"))); err != nil {
				t.Error(err)
			}
		})
	}
	twins.Wait()
	created := 0
	for _, a := range answers {
		if a.StatusCode == 202 {
			created++
		} else {
			a.want(t, 200)
		}
		a.decode(t, &s)
	}
	if created != 1 {
		t.Errorf("%d of 8 twins were taken in", created)
	}
	c.await(s.ID)
	var page struct{ Total int }
	eventually(t, "the index finds the twin", func() bool {
		c.get("/v1/records?q=Zwilling").want(t, 200).decode(t, &page)
		return page.Total > 0
	})
	if page.Total != 1 {
		t.Errorf("%d records of one delivery", page.Total)
	}
}

// tryRights asks for what the caller must not see or do.
func tryRights(t *testing.T, in *installation) {
	admin := in.admin(t)
	sub, r := admin.archive(about("rights", "63.10", "Rechte"), file("a.bin", blob("rights")))
	record, submission := "/v1/records/"+r.ID, "/v1/submissions/"+sub.ID
	content := record + "/files/" + string(r.Files[0].ID)

	for _, token := range []string{"", "bst_unknown", admin.token + "x"} {
		c := &caller{T: t, url: admin.url, token: token}
		c.get(record).refused(t, 401, "unauthenticated", "")
		c.send(about("nobody", "63.10", "x"), file("a", "a")).refused(t, 401, "unauthenticated", "")
	}
	reader, submitter, operator := admin.as("leserin", "reader"), admin.as("dms", "submitter"), admin.as("betrieb", "operator")
	reader.get(content).want(t, 200)
	reader.send(about("reader", "63.10", "x"), file("a", "a")).refused(t, 403, "forbidden", "")
	reader.post("/v1/holds", map[string]any{}).refused(t, 403, "forbidden", "")
	reader.get("/v1/audit").refused(t, 403, "forbidden", "")
	submitter.get(submission).refused(t, 404, "not-found", "") // somebody else sent it
	submitter.get(record).refused(t, 403, "forbidden", "")
	operator.get(content).refused(t, 403, "forbidden", "")
	operator.get("/v1/records").refused(t, 403, "forbidden", "")

	var made struct{ Token string }
	admin.post("/v1/tenants", map[string]any{"id": "andernorts", "name": "Andernorts", "admin": "fremde"}).want(t, 201).decode(t, &made)
	stranger := &caller{T: t, url: admin.url, token: made.Token}
	unknown := "/v1/records/01jq2m9cfp2y8r0v6k3c5t7n4e"
	for _, path := range []string{record, content, record + "/events", record + "/package", submission, submission + "/receipt"} {
		there := stranger.get(path).refused(t, 404, "not-found", "")
		nowhere := stranger.get(strings.NewReplacer(record, unknown, submission, "/v1/submissions/01jq2m9cfp2y8r0v6k3c5t7n4e").Replace(path)).refused(t, 404, "not-found", "")
		if fmt.Sprint(there) != fmt.Sprint(nowhere) {
			t.Errorf("%s: another tenant's is told from none: %+v, %+v", path, there, nowhere)
		}
	}
	stranger.post(record+"/verification", nil).refused(t, 404, "not-found", "")
	if found := stranger.find("Rechte"); len(found) > 0 {
		t.Errorf("another tenant finds %v", found)
	}
	_, own := stranger.archive(about("rights", "63.10", "Rechte"), file("a.bin", blob("rights")))
	if own.ID == r.ID {
		t.Error("two tenants share a record")
	}
	admin.get("/v1/records/"+own.ID).refused(t, 404, "not-found", "")

	var tokens struct{ Items []struct{ ID, Actor string } }
	admin.get("/v1/tokens?limit=200").want(t, 200).decode(t, &tokens)
	for _, k := range tokens.Items {
		if k.Actor == "leserin" {
			admin.post("/v1/tokens/"+k.ID+"/revoke", nil).want(t, 204)
		}
	}
	reader.get(record).refused(t, 401, "unauthenticated", "")
}

// tryCutOff ends connections in the middle of a delivery. Nothing is accepted,
// and, as the audit at the end sees, nothing stays in staging.
func tryCutOff(t *testing.T, in *installation) {
	c := in.admin(t)
	address := strings.TrimPrefix(in.url, "http://")
	for i, n := range []int{0, 1, 100_000, 9 << 20, 20 << 20} { // some of them after the first parts of a large file
		m := about(fmt.Sprint("cut-", i), "63.10", "Abbruch")
		m["producer"] = "cut-off"
		whole, err := io.ReadAll(form(m, file("a.bin", strings.Repeat("x", n+1<<20))))
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		fmt.Fprintf(conn, "POST /v1/submissions HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: multipart/form-data; boundary=%s\r\nContent-Length: %d\r\n\r\n",
			address, c.token, boundary, len(whole))
		if _, err := conn.Write(whole[:len(whole)-1<<20+10+n%7]); err != nil {
			t.Error(err)
		}
		if i%2 == 1 { // the sender has gone: no answer can reach it
			conn.(*net.TCPConn).SetLinger(0)
		}
		conn.Close()
		c.send(m, file("a.bin", blob(fmt.Sprint(i)))).accepted(t) // no trace of the first attempt
	}
	var page struct{ Items []status }
	c.get("/v1/submissions?producer="+url.QueryEscape("cut-off")).want(t, 200).decode(t, &page)
	if len(page.Items) != 5 {
		t.Errorf("%d submissions of 5", len(page.Items))
	}
}

// blankPDF is a PDF of one empty page.
func blankPDF() string {
	var b strings.Builder
	b.WriteString("%PDF-1.4\n")
	var at []int
	for i, object := range []string{"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>"} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := b.Len()
	b.WriteString("xref\n0 4\n0000000000 65535 f \n")
	for _, o := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", start)
	return b.String()
}
