package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/prometheus/client_golang/prometheus"

	"bestand/api/auth"
	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
	"bestand/preservation/dip"
	"bestand/preservation/fixity"
	"bestand/preservation/ledger"
	"bestand/preservation/proof"
	"bestand/preservation/s3"
	"bestand/preservation/storetest"
	"bestand/retention"
	"bestand/search"
)

// archive is a whole archive but for the pipeline: a real catalog, a real object
// store, and the interface behind a real connection.
type archive struct {
	*testing.T
	db      *catalog.DB
	client  *s3.Client
	staging *s3.Staging
	server  *Server
	web     *httptest.Server
	router  routers.Router
	log     *logText
	stamps  int // asked for
}

const (
	ours   = preservation.TenantID("musterstadt")
	theirs = preservation.TenantID("andernorts")
)

func newArchive(t *testing.T, change ...func(*Config)) *archive {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	a := &archive{T: t, log: &logText{}}
	var err error
	if a.db, err = catalog.Open(ctx, catalog.Config{URL: "sqlite:" + filepath.Join(dir, "catalog.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.db.Close() })
	a.client = storetest.Client(t, storetest.Embedded(t))
	if a.staging, err = a.client.Staging(ctx, "staging"); err != nil {
		t.Fatal(err)
	}
	index, err := search.Open(filepath.Join(dir, "search"), search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { index.Close() })
	log := slog.New(slog.NewJSONHandler(a.log, nil))
	store := func(ctx context.Context, tenant *catalog.Tenant) (preservation.Store, error) {
		return a.client.Bucket(ctx, string(tenant.ID()))
	}
	officer := &retention.Officer{Store: store, Now: time.Now, Log: log}
	c := Config{
		Catalog: a.db,
		Intake: &ingest.Intake{Staging: a.staging, Now: time.Now, MaxFiles: 20, MaxBytes: 8 << 20, Log: log,
			Known: func(ctx context.Context, tenant *catalog.Tenant, class string) (bool, error) {
				schedule, err := officer.Schedule(ctx, tenant)
				if err != nil {
					return false, err
				}
				_, ok := schedule.Class(class)
				return ok, nil
			}},
		Officer: officer,
		Search:  index,
		Store:   store,
		Verify: func(context.Context, *catalog.Tenant, preservation.RecordID) ([]preservation.Finding, error) {
			return []preservation.Finding{{Code: "digest", Severity: preservation.Passed, Detail: "as stored"}}, nil
		},
		Evidence: func(_ context.Context, _ *catalog.Tenant, _ preservation.RecordID, _ int, file preservation.FileID) ([]byte, error) {
			if a.stamps == 0 {
				return nil, proof.ErrPending
			}
			return []byte("\x30\x00" + file), nil
		},
		EvidenceReport: func(_ context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (proof.Report, error) {
			return proof.Report{Format: proof.ReportFormat, Tenant: t.ID(), Record: id, Version: version, Passed: true, Evidence: proof.ReportEvidence{Digests: []string{"SHA-256"}},
				Chains: [][]proof.ReportStamp{}, Files: []proof.ReportFile{}, Findings: []preservation.Finding{}}, nil
		},
		Export: func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (dip.Source, error) {
			s, err := store(ctx, t)
			if err != nil {
				return dip.Source{}, err
			}
			n := &proof.Notary{Store: func(context.Context, *catalog.Tenant) (preservation.Store, error) { return s, nil }}
			_, o, err := n.Package(ctx, t, id, version)
			if err != nil {
				return dip.Source{}, err
			}
			p, err := aip.Open(ledger.Ahead(ctx, s, o), o.Size)
			x := dip.Source{Package: p, Archive: "Stadt Musterstadt", At: time.Now()}
			if a.stamps > 0 {
				x.Evidence = []byte("\x30\x00")
			}
			return x, err
		},
		EvidencePDF: func(context.Context, *catalog.Tenant, proof.Report) (io.ReadCloser, int64, error) {
			return io.NopCloser(strings.NewReader("%PDF-1.7")), 8, nil
		},
		StatementPDF: func(context.Context, *catalog.Tenant, retention.AccessStatement) (io.ReadCloser, int64, error) {
			return io.NopCloser(strings.NewReader("%PDF-1.7")), 8, nil
		},
		Stamp: func(context.Context, *catalog.Tenant) (int, error) {
			a.stamps++
			return 1, nil
		},
		Scrub: &fixity.Scrub{Checker: &fixity.Checker{Now: time.Now}, Period: 90 * 24 * time.Hour},
		Audit: func(context.Context, *catalog.Tenant) iter.Seq2[audit.Segment, error] {
			return func(yield func(audit.Segment, error) bool) {
				yield(audit.Segment{Name: audit.Key(time.Now(), 1, 2), Content: []byte("{}\n"), Seal: []byte("\x30\x00")}, nil)
			}
		},
		Due: func(_ context.Context, _ *catalog.Tenant, at time.Time) ([]proof.Due, error) {
			if at.Year() < 2040 {
				return nil, nil
			}
			return []proof.Due{{Renewal: proof.HashTree, Digest: "SHA-256", Stamps: 1, Versions: 2, To: "SHA-512", End: at, Why: "SHA-256 is suitable until then"}}, nil
		},
		Receipt: func(_ context.Context, _ *catalog.Tenant, sub catalog.Submission) (string, error) {
			return sub.Receipt, nil
		},
		Certificate: func(ctx context.Context, t *catalog.Tenant, run string) (io.ReadCloser, int64, error) {
			c, err := officer.Certificate(ctx, t, run, 30)
			if err != nil {
				return nil, 0, err
			}
			var text bytes.Buffer
			err = c.Write(&text, officer.CertifiedRecords(ctx, t, run))
			return io.NopCloser(&text), int64(text.Len()), err
		},
		CertificatePDF: func(context.Context, *catalog.Tenant, string) (io.ReadCloser, int64, error) {
			return io.NopCloser(strings.NewReader("%PDF-1.7")), 8, nil
		},
		ReceiptPDF: func(context.Context, *catalog.Tenant, catalog.Submission) (io.ReadCloser, int64, error) {
			return io.NopCloser(strings.NewReader("%PDF-1.7")), 8, nil
		},
		AddTenant: func(ctx context.Context, info catalog.TenantInfo, actor string) (catalog.TenantInfo, error) {
			if err := a.db.CreateTenant(ctx, info, actor); err != nil {
				return info, err
			}
			return a.db.Tenant(info.ID).Info(ctx)
		},
		Equipment: func(_ context.Context, t *catalog.Tenant) (Equipment, error) {
			return Equipment{Seal: EquipmentSeal{Source: "embedded", Subject: "CN=Seal", Issuer: "CN=Authority", Until: time.Now().AddDate(5, 0, 0)},
				Stamps: EquipmentStamps{Source: "rfc3161", Services: []string{"https://tsa.example.org"}}, Store: EquipmentStore{Source: "embedded", Bucket: string(t.ID()), LockMode: "COMPLIANCE"}}, nil
		},
		TrySeal:  tried,
		TryStore: tried,
		Uploads:  filepath.Join(dir, "uploads"),
		Ready:    map[string]func(context.Context) error{"catalog": a.db.Ping},
		Metrics:  prometheus.NewRegistry(),
		Log:      log,
	}
	for _, f := range change {
		f(&c)
	}
	if a.server, err = New(c); err != nil {
		t.Fatal(err)
	}
	a.web = httptest.NewUnstartedServer(a.server)
	a.web.Config = HTTPServer(a.server, log)
	a.web.Start()
	t.Cleanup(a.web.Close)
	for _, id := range []preservation.TenantID{ours, theirs} {
		if err := a.db.CreateTenant(ctx, catalog.TenantInfo{ID: id, Name: string(id)}, "test"); err != nil {
			t.Fatal(err)
		}
		if err := officer.LoadSample(ctx, a.db.Tenant(id), "test"); err != nil {
			t.Fatal(err)
		}
	}
	if a.router, err = gorillamux.NewRouter(a.server.s.spec.doc); err != nil {
		t.Fatal(err)
	}
	return a
}

// tried is a trial that went well.
func tried(context.Context, *catalog.Tenant) ([]preservation.Finding, error) {
	return []preservation.Finding{{Code: "signature", Severity: preservation.Passed, Detail: "as made"}}, nil
}

// token makes a token of a tenant.
func (a *archive) token(tenant preservation.TenantID, actor string, roles ...auth.Role) string {
	a.Helper()
	return a.tokenLike(tenant, catalog.Token{Actor: actor, Roles: names(roles)})
}

func (a *archive) tokenLike(tenant preservation.TenantID, k catalog.Token) string {
	a.Helper()
	secret, hash := auth.NewToken()
	if _, err := a.db.Tenant(tenant).CreateToken(a.Context(), k, hash, "test"); err != nil {
		a.Fatal(err)
	}
	return secret
}

// logText is the server's log, to be read while it is written.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// answer is what came back, read whole.
type answer struct {
	*http.Response
	body []byte
}

// do sends a request and holds the answer against the interface description.
func (a *archive) do(token, method, path string, body any, header ...string) answer {
	a.Helper()
	var r io.Reader
	contentType := ""
	switch b := body.(type) {
	case nil:
	case string:
		r, contentType = strings.NewReader(b), "application/json"
	case io.Reader:
		r = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			a.Fatal(err)
		}
		r, contentType = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequestWithContext(a.Context(), method, a.web.URL+path, r)
	if err != nil {
		a.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := a.web.Client().Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		a.Fatal(err)
	}
	v := answer{res, text}
	a.conforms(req, v)
	return v
}

// conforms checks an answer against openapi.yaml.
func (a *archive) conforms(req *http.Request, v answer) {
	a.Helper()
	media := mediaType(v.Header)
	if v.StatusCode == http.StatusInternalServerError || v.StatusCode == http.StatusServiceUnavailable {
		lines := strings.Split(strings.TrimSpace(a.log.String()), "\n")
		a.Logf("log: %s", strings.Join(lines[max(len(lines)-2, 0):], "\n"))
	}
	if v.StatusCode >= 400 && req.URL.Path != "/readyz" {
		if media != "application/problem+json" && req.Method != http.MethodHead {
			a.Errorf("%s %s: %d as %q, want a problem", req.Method, req.URL.Path, v.StatusCode, media)
		}
		var p Problem
		if err := json.Unmarshal(v.body, &p); req.Method != http.MethodHead && (err != nil || p.Status != v.StatusCode || p.Instance == "") {
			a.Errorf("%s %s: problem %s", req.Method, req.URL.Path, v.body)
		}
	}
	route, params, err := a.router.FindRoute(req)
	if err != nil {
		if v.StatusCode != http.StatusNotFound && v.StatusCode != http.StatusMethodNotAllowed && req.Method != http.MethodHead {
			a.Errorf("%s %s: %d, and no such route is described: %v", req.Method, req.URL.Path, v.StatusCode, err)
		}
		return
	}
	err = openapi3filter.ValidateResponse(a.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route},
		Status:                 v.StatusCode,
		Header:                 v.Header,
		Body:                   io.NopCloser(bytes.NewReader(v.body)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true,
			ExcludeResponseBody:   !strings.HasSuffix(media, "json"),
			MultiError:            true,
		},
	})
	if err != nil {
		a.Errorf("%s %s: answer %d is not as described: %v\n%.500s", req.Method, req.URL.Path, v.StatusCode, err, v.body)
	}
}

// want fails unless the status is the one expected.
func (v answer) want(t testing.TB, status int) answer {
	t.Helper()
	if v.StatusCode != status {
		t.Fatalf("%s %s: %d, want %d: %s", v.Request.Method, v.Request.URL.Path, v.StatusCode, status, v.body)
	}
	return v
}

func (v answer) problem(t testing.TB) (p Problem) {
	t.Helper()
	if err := json.Unmarshal(v.body, &p); err != nil {
		t.Fatalf("%v: %s", err, v.body)
	}
	return p
}

// field returns the code of the fault of a field, or nothing.
func (v answer) field(t testing.TB, name string) string {
	t.Helper()
	for _, f := range v.problem(t).Errors {
		if f.Field == name {
			return f.Code
		}
	}
	return ""
}

func decode[T any](t testing.TB, v answer) (out T) {
	t.Helper()
	if err := json.Unmarshal(v.body, &out); err != nil {
		t.Fatalf("%v: %s", err, v.body)
	}
	return out
}

// part is one part of a form, with its Content-Disposition as it stands.
type part struct{ disposition, media, body string }

func metadataPart(v any) part {
	text, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		text = string(b)
	}
	return part{`form-data; name="metadata"`, "application/json", text}
}

func filePart(name, body string) part {
	return part{fmt.Sprintf(`form-data; name="file"; filename="%s"`, name), "application/octet-stream", body}
}

func formOf(parts ...part) (body *bytes.Buffer, contentType string) {
	body = &bytes.Buffer{}
	w := multipart.NewWriter(body)
	for _, p := range parts {
		h := textproto.MIMEHeader{"Content-Disposition": {p.disposition}}
		if p.media != "" {
			h.Set("Content-Type", p.media)
		}
		pw, err := w.CreatePart(h)
		if err != nil {
			panic(err)
		}
		io.WriteString(pw, p.body)
	}
	w.Close()
	return body, w.FormDataContentType()
}

func (a *archive) submit(token string, parts ...part) answer {
	a.Helper()
	body, contentType := formOf(parts...)
	return a.do(token, "POST", "/v1/submissions", body, "Content-Type", contentType)
}

// metadata of a simple submission, as the design's example.
func metadata(id string, more ...any) map[string]any {
	m := map[string]any{"producer": "dms-bauamt", "producer_record_id": id, "kind": "file", "class": "63.10", "title": "Bauantrag Lindenstraße 12",
		"reference": "63.10-2014/0815", "creator": "Bauordnungsamt", "opened": "2014-03-02", "closed": "2015-11-30", "confidentiality": "internal",
		"personal_data": true, "subjects": []any{map[string]any{"name": "Muster, Erika", "born": "1961-05-04", "died": nil, "id": nil}},
		"keywords": []string{"Baugenehmigung"}, "extra": map[string]string{"Flurstück": "112/4"}, "parent": nil}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	return m
}

// archived puts a record into the archive as the pipeline would: package, lock,
// catalog, receipt.
func (a *archive) archived(tenant preservation.TenantID, source string, files ...preservation.File) catalog.Entry {
	a.Helper()
	return a.archivedAs(tenant, preservation.Metadata{Producer: "dms", ProducerRecordID: source, Class: "63.10", Title: "Bauantrag " + source, Reference: "63.10-" + source,
		Opened: preservation.Date{Year: 2014, Month: 3, Day: 2}, Closed: preservation.Date{Year: 2015, Month: 11, Day: 30}}, files...)
}

// due archives a record whose retention has ended.
func (a *archive) due(tenant preservation.TenantID, source string) preservation.RecordID {
	a.Helper()
	e := a.archivedAs(tenant, preservation.Metadata{Producer: "dms", ProducerRecordID: source, Class: "02.20", Title: "Urlaub " + source,
		Closed: preservation.Date{Year: 2001, Month: 2, Day: 28}}, preservation.File{Name: "a.txt"})
	if err := a.server.s.config.Officer.EvaluateDue(a.Context(), a.db.Tenant(tenant), catalog.Job{Key: "stale"}); err != nil {
		a.Fatal(err)
	}
	return e.ID
}

// execute carries an approved disposal run out.
func (a *archive) execute(tenant preservation.TenantID, run string) {
	a.Helper()
	gate := retention.Disposer{Officer: a.server.s.config.Officer, Vault: func(ctx context.Context, t *catalog.Tenant) (retention.Vault, error) {
		return a.client.Bucket(ctx, string(t.ID()))
	}}
	if err := gate.ExecuteRun(a.Context(), a.db.Tenant(tenant), catalog.Job{Key: run}); err != nil {
		a.Fatal(err)
	}
}

func (a *archive) archivedAs(tenant preservation.TenantID, m preservation.Metadata, files ...preservation.File) catalog.Entry {
	a.Helper()
	ctx, t, now := a.Context(), a.db.Tenant(tenant), time.Now().UTC().Truncate(time.Millisecond)
	body := func(f preservation.File) string { return "content of " + f.Name }
	r := preservation.Record{ID: preservation.RecordID(preservation.NewID(now)), Tenant: tenant, Version: 1,
		Submission: preservation.SubmissionID(preservation.NewID(now)), Received: now, Metadata: m}
	for i, f := range files {
		sums, err := digest(strings.NewReader(body(f)))
		if err != nil {
			a.Fatal(err)
		}
		f.ID, f.Representation, f.Size, f.Digests = preservation.NewFileID(i+1), preservation.Original, int64(len(body(f))), sums
		r.Files = append(r.Files, f)
	}
	event := preservation.Event{ID: preservation.NewID(now), Type: preservation.EventReceive, At: now, Outcome: preservation.Success,
		Agent: preservation.Agent{Type: preservation.Software, Name: "test", Version: "1"}}
	var packed bytes.Buffer
	manifest, err := aip.Write(ctx, &packed, aip.Package{Record: r, Events: []preservation.Event{event}, Creator: event.Agent,
		Content: func(id preservation.FileID) (io.ReadCloser, error) {
			f, _ := r.File(id)
			return io.NopCloser(strings.NewReader(body(f))), nil
		},
		Seal: func(context.Context, []byte) ([]byte, error) { return []byte{0x30, 0}, nil }})
	if err != nil {
		a.Fatal(err)
	}
	bucket, err := a.client.Bucket(ctx, string(tenant))
	if err != nil {
		a.Fatal(err)
	}
	sums, err := digest(bytes.NewReader(packed.Bytes()))
	if err != nil {
		a.Fatal(err)
	}
	lock := preservation.Lock{Mode: preservation.Governance, Until: now.Add(time.Hour)}
	key := preservation.PackageKey(r.ID, 1)
	o, err := bucket.Put(ctx, key, bytes.NewReader(packed.Bytes()), preservation.PutOptions{Size: int64(packed.Len()), SHA256: sums.SHA256, Lock: lock})
	if err != nil {
		a.Fatal(err)
	}
	pos := map[preservation.FileID]int64{}
	for _, e := range manifest.Entries {
		for i := range r.Files {
			if r.Files[i].ID == e.File {
				pos[e.File], r.Files[i].Path = e.Offset, e.Path
			}
		}
	}
	stored := event
	stored.ID = preservation.NewID(now)
	receipt := event
	receipt.ID, receipt.Type = preservation.NewID(now), preservation.EventStore
	sub := catalog.Submission{ID: r.Submission, Metadata: r.Metadata, RecordID: r.ID, Version: 1, SubmittedBy: "dms", Received: now, Fingerprint: m.ProducerRecordID}
	err = errors.Join(
		t.CreateSubmission(ctx, sub, event),
		t.CommitRecord(ctx, catalog.Commit{Record: r, Events: []preservation.Event{stored}, Pos: pos, Lock: lock,
			Package: catalog.RecordObject{Key: key, Kind: "package", Version: 1, VersionID: o.VersionID, Size: int64(packed.Len()), SHA256: sums.SHA256, Stored: now}}),
		t.FinishSubmission(ctx, r.Submission, "eyJhbGciOiJFUzI1NiJ9.e30.c2ln", catalog.RecordObject{Key: preservation.EventKey(r.ID, event.ID), Kind: "event", Version: 1, Stored: now}, nil, receipt),
	)
	if err != nil {
		a.Fatal(err)
	}
	e, err := t.Record(ctx, r.ID)
	if err != nil {
		a.Fatal(err)
	}
	return e
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
