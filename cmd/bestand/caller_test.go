package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/retention"
)

// caller speaks to the interface as a client that knows nothing of the program.
type caller struct {
	*testing.T
	url, token string
}

// as makes a token of one actor and acts with it.
func (c *caller) as(actor string, roles ...string) *caller {
	c.Helper()
	var made struct{ Token string }
	c.post("/v1/tokens", map[string]any{"actor": actor, "roles": roles}).want(c.T, 201).decode(c.T, &made)
	return &caller{T: c.T, url: c.url, token: made.Token}
}

// reply is an answer, read whole.
type reply struct {
	*http.Response
	body []byte
}

func (c *caller) do(method, path string, body io.Reader, header ...string) reply {
	c.Helper()
	r, err := c.request(method, path, body, header...)
	if err != nil {
		c.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

// request is do for a service that may not answer.
func (c *caller) request(method, path string, body io.Reader, header ...string) (r reply, err error) {
	return c.requestIn(c.Context(), method, path, body, header...)
}

func (c *caller) requestIn(ctx context.Context, method, path string, body io.Reader, header ...string) (r reply, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return r, err
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if r.Response, err = http.DefaultClient.Do(req); err != nil {
		return r, err
	}
	defer r.Body.Close()
	r.body, err = io.ReadAll(r.Body)
	return r, err
}

func (c *caller) get(path string, header ...string) reply {
	c.Helper()
	return c.do(http.MethodGet, path, nil, header...)
}

// post sends JSON, or nothing.
func (c *caller) post(path string, body any) reply {
	c.Helper()
	if body == nil {
		return c.do(http.MethodPost, path, nil)
	}
	text, err := json.Marshal(body)
	if err != nil {
		c.Fatal(err)
	}
	return c.do(http.MethodPost, path, bytes.NewReader(text), "Content-Type", "application/json")
}

// want ends the test unless the answer has the status.
func (r reply) want(t *testing.T, status int) reply {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d\n%s", r.Request.Method, r.Request.URL.Path, r.StatusCode, status, r.body)
	}
	return r
}

// holds checks that an answer has some texts.
func (r reply) holds(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(string(r.body), text) {
			t.Errorf("%s is missing in:\n%s", text, r.body)
		}
	}
}

func (r reply) decode(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("%s: %v\n%s", r.Request.URL.Path, err, r.body)
	}
}

// complaint is a problem (RFC 9457) as a client reads it.
type complaint struct {
	Code   string
	Errors []struct{ Field, Code, Detail string }
	// Existing and Tombstone say what is there instead.
	Existing  string
	Tombstone struct {
		RecordID  string `json:"record_id"`
		Class     string
		Destroyed time.Time
		Permit    string
		Run       string
	}
}

// refused wants a problem of that status and code that names the field.
func (r reply) refused(t *testing.T, status int, code, field string) (p complaint) {
	t.Helper()
	r.want(t, status)
	r.decode(t, &p)
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("problem as %s", got)
	}
	if p.Code != code {
		t.Errorf("code %q, want %q: %s", p.Code, code, r.body)
	}
	if field == "" {
		return p
	}
	for _, e := range p.Errors {
		if e.Field == field {
			return p
		}
	}
	t.Errorf("no error names %s: %s", field, r.body)
	return p
}

// sent is one file of a delivery. The name goes over the line byte for byte.
type sent struct {
	name string
	open func() io.Reader
}

func file(name, content string) sent {
	return sent{name, func() io.Reader { return strings.NewReader(content) }}
}

// fromDisk is a file under its own name.
func fromDisk(t *testing.T, path string) sent {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file(filepath.Base(path), string(content))
}

const boundary = "x7Qm2-boundary-of-the-tests-91Kd"

// form streams a delivery as multipart/form-data.
func form(metadata any, files ...sent) io.Reader {
	text, ok := metadata.(string)
	if !ok {
		raw, _ := json.Marshal(metadata)
		text = string(raw)
	}
	parts := []io.Reader{strings.NewReader("--" + boundary + "\r\nContent-Disposition: form-data; name=\"metadata\"\r\nContent-Type: application/json\r\n\r\n" + text)}
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, f := range files {
		parts = append(parts, strings.NewReader("\r\n--"+boundary+"\r\nContent-Disposition: form-data; name=\"file\"; filename=\""+quote.Replace(f.name)+
			"\"\r\nContent-Type: application/octet-stream\r\n\r\n"), f.open())
	}
	return io.MultiReader(append(parts, strings.NewReader("\r\n--"+boundary+"--\r\n"))...)
}

// packageForm is a delivery of one package.
func packageForm(f sent) io.Reader {
	return io.MultiReader(strings.NewReader("--"+boundary+"\r\nContent-Disposition: form-data; name=\"package\"; filename=\""+f.name+
		"\"\r\nContent-Type: application/zip\r\n\r\n"), f.open(), strings.NewReader("\r\n--"+boundary+"--\r\n"))
}

// send hands a delivery over.
func (c *caller) send(metadata any, files ...sent) reply {
	c.Helper()
	r, err := c.trySend(metadata, files...)
	if err != nil {
		c.Fatal(err)
	}
	return r
}

// trySend is send to a service that may not answer.
func (c *caller) trySend(metadata any, files ...sent) (reply, error) {
	return c.request(http.MethodPost, "/v1/submissions", form(metadata, files...), "Content-Type", "multipart/form-data; boundary="+boundary)
}

// about is the metadata of a delivery.
func about(id, class, title string, more ...any) map[string]any {
	m := map[string]any{"producer": "test", "producer_record_id": id, "class": class, "title": title}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	return m
}

// accepted wants a delivery to be taken and returns its submission.
func (r reply) accepted(t *testing.T) string {
	t.Helper()
	var a struct{ ID string }
	r.want(t, 202).decode(t, &a)
	return a.ID
}

// status is a submission as its sender sees it.
type status struct {
	ID       string
	Status   string
	RecordID string `json:"record_id"`
	Problems []preservation.Finding
	Waiting  struct{ Reason string }
	Steps    []struct {
		Event, Outcome, Code, Detail string
	}
}

// await waits until a submission is processed.
func (c *caller) await(id string) (s status) {
	c.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		s = status{}
		c.get("/v1/submissions/"+id).want(c.T, 200).decode(c.T, &s)
		if s.Status != "received" && s.Status != "processing" {
			return s
		}
		if time.Now().After(end) {
			c.Fatalf("submission is still %s after two minutes: %+v", s.Status, s)
		}
	}
}

// archive hands a delivery over and waits until it is archived.
func (c *caller) archive(metadata any, files ...sent) (status, holding) {
	c.Helper()
	s := c.await(c.send(metadata, files...).accepted(c.T))
	if s.Status != "archived" {
		c.Fatalf("submission is %s: %+v", s.Status, s)
	}
	return s, c.record(s.RecordID)
}

// amend sends a later version of a record and waits until it is archived.
func (c *caller) amend(id string, metadata any, files ...sent) (status, holding) {
	c.Helper()
	s := c.await(c.sendVersion(id, metadata, files...).accepted(c.T))
	if s.Status != "archived" {
		c.Fatalf("submission is %s: %+v", s.Status, s)
	}
	return s, c.record(id)
}

func (c *caller) sendVersion(id string, metadata any, files ...sent) reply {
	c.Helper()
	return c.do(http.MethodPost, "/v1/records/"+id+"/versions", form(metadata, files...), "Content-Type", "multipart/form-data; boundary="+boundary)
}

// holding is a record as a reader sees it.
type holding struct {
	ID        string
	Version   int
	Title     string
	Files     []held
	Retention retention.Evaluation
	Package   struct {
		Size   int64
		SHA256 string
	}
}

// held is one file of it.
type held struct {
	preservation.File
	NameBase64 string `json:"name_base64"`
}

func (c *caller) record(id string) (h holding) {
	c.Helper()
	c.get("/v1/records/"+id).want(c.T, 200).decode(c.T, &h)
	return h
}

// events returns what happened to a record.
func (c *caller) events(id string) []preservation.Event {
	c.Helper()
	var list struct{ Items []preservation.Event }
	c.get("/v1/records/"+id+"/events").want(c.T, 200).decode(c.T, &list)
	return list.Items
}

// of returns the files of one representation.
func (h holding) of(r preservation.Representation) (out []held) {
	for _, f := range h.Files {
		if f.Representation == r {
			out = append(out, f)
		}
	}
	return out
}

func (c *caller) bytes(h holding, id preservation.FileID) []byte {
	c.Helper()
	return c.get(fmt.Sprintf("/v1/records/%s/files/%s", h.ID, id)).want(c.T, 200).body
}

// find searches and returns the records found.
func (c *caller) find(q string) (ids []string) {
	c.Helper()
	var page struct{ Items []struct{ ID string } }
	c.get("/v1/records?limit=200&q="+url.QueryEscape(q)).want(c.T, 200).decode(c.T, &page)
	for _, i := range page.Items {
		ids = append(ids, i.ID)
	}
	return ids
}

// verified wants a record to be what it was, bytes read back.
func (c *caller) verified(id string) {
	c.Helper()
	var v struct {
		Passed   bool
		Findings []preservation.Finding
	}
	c.post("/v1/records/"+id+"/verification", nil).want(c.T, 200).decode(c.T, &v)
	if !v.Passed || len(v.Findings) == 0 {
		c.Errorf("verification of %s: %+v", id, v)
	}
}
