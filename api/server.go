package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-playground/validator/v10"
	"github.com/prometheus/client_golang/prometheus"

	"bestand/api/auth"
	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
	"bestand/preservation/dip"
	"bestand/preservation/fixity"
	"bestand/preservation/proof"
	"bestand/retention"
	"bestand/search"
)

// routes is the whole interface: what there is, who may call it, and what body
// it takes. Admin may do what one person alone may do, since it could give
// itself every role; it is no second person. The operator keeps things running
// and sees neither content nor metadata of records.
var routes = []route{
	{"GET /livez", anybody, none},
	{"GET /readyz", anybody, none},
	{"GET /metrics", anybody, none},
	{"GET /openapi.json", anybody, none},

	{"OPTIONS /v1/uploads", anybody, none},
	{"POST /v1/uploads", roles(auth.Submitter, auth.Archivist, auth.Admin), none},
	{"HEAD /v1/uploads/{id}", roles(auth.Submitter, auth.Archivist, auth.Admin), none},
	{"PATCH /v1/uploads/{id}", roles(auth.Submitter, auth.Archivist, auth.Admin), none},
	{"DELETE /v1/uploads/{id}", roles(auth.Submitter, auth.Archivist, auth.Admin), none},

	{"POST /v1/submissions", roles(auth.Submitter, auth.Archivist, auth.Admin), small},
	{"GET /v1/submissions", roles(auth.Submitter, auth.Archivist, auth.RecordsOfficer, auth.Auditor, auth.Operator, auth.Admin), none},
	{"GET /v1/submissions/{id}", roles(auth.Submitter, auth.Archivist, auth.RecordsOfficer, auth.Auditor, auth.Operator, auth.Admin), none},
	{"GET /v1/submissions/{id}/receipt", roles(auth.Submitter, auth.Archivist, auth.RecordsOfficer, auth.Auditor, auth.Admin), none},
	{"POST /v1/submissions/{id}/retry", roles(auth.Archivist, auth.Operator, auth.Admin), none},
	{"POST /v1/submissions/{id}/release", roles(auth.Archivist, auth.Admin), small},
	{"POST /v1/submissions/{id}/refuse", roles(auth.Archivist, auth.Admin), small},
	{"GET /v1/submissions/{id}/files/{file_id}", roles(auth.Archivist, auth.Admin), none},

	{"GET /v1/records", roles(auth.Reader, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"GET /v1/records/{id}", roles(auth.Reader, auth.Researcher, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"GET /v1/records/{id}/files/{file_id}", roles(auth.Reader, auth.Researcher, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Admin), none},
	{"GET /v1/records/{id}/events", roles(auth.Reader, auth.Researcher, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"GET /v1/records/{id}/evidence", roles(auth.Reader, auth.Researcher, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"GET /v1/records/{id}/package", roles(auth.Reader, auth.Researcher, auth.Archivist, auth.RecordsOfficer, auth.Admin), none},
	{"POST /v1/records/{id}/verification", roles(auth.Reader, auth.Archivist, auth.RecordsOfficer, auth.Auditor, auth.Admin), none},
	{"POST /v1/records/{id}/triggers", roles(auth.Archivist, auth.RecordsOfficer, auth.Admin), small},
	{"POST /v1/records/{id}/versions", roles(auth.Submitter, auth.Archivist, auth.Admin), small},
	{"POST /v1/records/{id}/access-grants", roles(auth.Archivist, auth.Admin), small},
	{"POST /v1/records/{id}/restriction", roles(auth.RecordsOfficer, auth.Admin), small},
	{"POST /v1/records/{id}/reclassification", roles(auth.RecordsOfficer, auth.Admin), small},
	{"POST /v1/records/{id}/reclassification/preview", roles(auth.RecordsOfficer, auth.Admin), small},

	{"GET /v1/classification", roles(auth.Submitter, auth.Reader, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"POST /v1/classification", roles(auth.RecordsOfficer, auth.Admin), large},
	{"GET /v1/classification/versions", roles(auth.Reader, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"GET /v1/templates", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"GET /v1/classification/template", roles(auth.RecordsOfficer, auth.Admin), none},
	{"POST /v1/classification/template", roles(auth.RecordsOfficer, auth.Admin), large},
	{"POST /v1/classification/template/preview", roles(auth.RecordsOfficer, auth.Admin), large},
	{"POST /v1/classification/preview", roles(auth.RecordsOfficer, auth.Admin), large},
	{"GET /v1/rules", roles(auth.Reader, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"POST /v1/rules", roles(auth.RecordsOfficer, auth.Admin), small},
	{"POST /v1/rules/import", roles(auth.RecordsOfficer, auth.Admin), lists},
	{"POST /v1/rules/import/preview", roles(auth.RecordsOfficer, auth.Admin), lists},
	{"POST /v1/rules/{id}/versions/{version}/approval", roles(auth.Approver), none},
	{"GET /v1/rules/policy", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"PUT /v1/rules/policy", roles(auth.Admin), small},
	{"POST /v1/rules/preview", roles(auth.RecordsOfficer, auth.Admin), small},
	{"GET /v1/holds", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"POST /v1/holds", roles(auth.RecordsOfficer, auth.Admin), large},
	{"GET /v1/holds/{id}", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"POST /v1/holds/{id}/release", roles(auth.RecordsOfficer, auth.Admin), small},
	{"POST /v1/holds/{id}/review", roles(auth.RecordsOfficer, auth.Admin), small},
	{"GET /v1/reports/due", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"GET /v1/reports/unresolved", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"GET /v1/reports/conflicts", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"GET /v1/reports/holds", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"POST /v1/evidence/batches", roles(auth.Operator, auth.Admin), none},
	{"GET /v1/evidence/renewals", roles(auth.Archivist, auth.RecordsOfficer, auth.Auditor, auth.Operator, auth.Admin), none},
	{"POST /v1/evidence/renewals", roles(auth.Operator, auth.Admin), none},
	{"GET /v1/permits", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"POST /v1/permits", roles(auth.Archivist, auth.RecordsOfficer, auth.Admin), small},
	{"POST /v1/permits/{id}/approval", roles(auth.Approver), none},
	{"POST /v1/permits/{id}/revoke", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Admin), none},
	{"GET /v1/disposals", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"POST /v1/disposals", roles(auth.Archivist, auth.RecordsOfficer, auth.Admin), large},
	{"GET /v1/disposals/{id}", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"POST /v1/disposals/{id}/decisions", roles(auth.Archivist, auth.RecordsOfficer, auth.Admin), large},
	{"POST /v1/disposals/{id}/offer", roles(auth.Archivist, auth.RecordsOfficer, auth.Admin), small},
	{"POST /v1/disposals/{id}/answers", roles(auth.Archivist, auth.RecordsOfficer, auth.Admin), large},
	{"GET /v1/disposals/{id}/xdomea", roles(auth.Archivist, auth.RecordsOfficer, auth.Admin), none},
	{"POST /v1/disposals/{id}/xdomea", roles(auth.Archivist, auth.RecordsOfficer, auth.Admin), none},
	{"POST /v1/disposals/{id}/approval", roles(auth.Approver), small},
	{"POST /v1/disposals/{id}/withdrawal", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Admin), small},
	{"POST /v1/disposals/{id}/execution", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Admin), small},
	{"POST /v1/disposals/{id}/stop", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Admin), small},
	{"POST /v1/disposals/{id}/cancellation", roles(auth.Archivist, auth.RecordsOfficer, auth.Admin), small},
	{"GET /v1/disposals/{id}/certificate", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"POST /v1/disposals/{id}/transfers", roles(auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Admin), large},

	{"GET /v1/schedules", roles(auth.Archivist, auth.RecordsOfficer, auth.Auditor, auth.Operator, auth.Admin), none},
	{"POST /v1/schedules/{kind}/run", roles(auth.RecordsOfficer, auth.Operator, auth.Admin), small},
	{"POST /v1/schedules/{kind}/pause", roles(auth.RecordsOfficer, auth.Operator, auth.Admin), none},
	{"POST /v1/schedules/{kind}/resume", roles(auth.RecordsOfficer, auth.Operator, auth.Admin), none},
	{"GET /v1/subject-requests", roles(auth.RecordsOfficer, auth.Auditor, auth.Admin), none},
	{"POST /v1/subject-requests", roles(auth.RecordsOfficer, auth.Admin), small},
	{"GET /v1/subject-requests/{id}", roles(auth.RecordsOfficer, auth.Auditor, auth.Admin), none},
	{"POST /v1/subject-requests/{id}/decision", roles(auth.RecordsOfficer, auth.Admin), small},
	{"POST /v1/subject-requests/{id}/erasure", roles(auth.RecordsOfficer, auth.Admin), none},
	{"GET /v1/subject-requests/{id}/statement", roles(auth.RecordsOfficer, auth.Admin), none},

	{"GET /v1/audit", roles(auth.Auditor, auth.Admin), none},
	{"GET /v1/audit/export", roles(auth.Auditor, auth.Admin), none},
	{"GET /v1/searches", roles(auth.Reader, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"POST /v1/searches", roles(auth.Reader, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), small},
	{"POST /v1/searches/{id}/rename", roles(auth.Reader, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), small},
	{"POST /v1/searches/{id}/delete", roles(auth.Reader, auth.Archivist, auth.RecordsOfficer, auth.Approver, auth.Auditor, auth.Admin), none},
	{"GET /v1/tokens", roles(auth.Auditor, auth.Admin), none},
	{"POST /v1/tokens", roles(auth.Admin), small},
	{"POST /v1/tokens/{id}/revoke", roles(auth.Admin), none},
	{"GET /v1/users", roles(auth.Auditor, auth.Admin), none},
	{"POST /v1/users", roles(auth.Admin), small},
	{"POST /v1/users/{id}/password", roles(auth.Admin), none},
	{"POST /v1/users/{id}/roles", roles(auth.Admin), small},
	{"POST /v1/users/{id}/rename", roles(auth.Admin), small},
	{"POST /v1/users/{id}/person", roles(auth.Admin), small},
	{"POST /v1/users/{id}/lock", roles(auth.Admin), none},
	{"POST /v1/users/{id}/unlock", roles(auth.Admin), none},
	{"GET /v1/users/{id}/sessions", roles(auth.Admin), none},
	{"POST /v1/users/{id}/sessions/end", roles(auth.Admin), none},
	{"POST /v1/users/{id}/sessions/{session_id}/end", roles(auth.Admin), none},
	{"GET /v1/fixity", roles(auth.Archivist, auth.RecordsOfficer, auth.Auditor, auth.Operator, auth.Admin), none},
	{"GET /v1/operation", roles(auth.Auditor, auth.Operator, auth.Admin), none},
	{"POST /v1/jobs/{id}/retry", roles(auth.Operator, auth.Admin), none},
	{"GET /v1/tenant", roles(auth.Admin), none},
	{"POST /v1/tenant/rename", roles(auth.Admin), small},
	{"POST /v1/tenant/setup", roles(auth.Admin), small},
	{"POST /v1/tenant/settings", roles(auth.Admin), small},
	{"GET /v1/equipment", roles(auth.Auditor, auth.Operator, auth.Admin), none},
	{"POST /v1/equipment/seal/trial", roles(auth.Operator, auth.Admin), none},
	{"POST /v1/equipment/store/trial", roles(auth.Operator, auth.Admin), none},
	{"GET /v1/tenants", provider, none},
	{"POST /v1/tenants", provider, small},
}

// Config is what the interface is made of.
type Config struct {
	Catalog *catalog.DB
	Intake  *ingest.Intake
	Officer *retention.Officer
	Search  *search.Set
	// Store opens the bucket of a tenant.
	Store func(context.Context, *catalog.Tenant) (preservation.Store, error)
	// Verify reads a record back from the store and returns every finding.
	Verify func(context.Context, *catalog.Tenant, preservation.RecordID) ([]preservation.Finding, error)
	// Evidence returns the evidence record of a version in DER, or with a file that of
	// the file alone. proof.ErrPending when no stamp covers it yet.
	Evidence func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int, file preservation.FileID) ([]byte, error)
	// EvidenceReport reads a version back and holds it against its evidence record.
	EvidenceReport func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (proof.Report, error)
	// EvidencePDF returns such a report as PDF/A, and its size.
	EvidencePDF func(context.Context, *catalog.Tenant, proof.Report) (io.ReadCloser, int64, error)
	// Export opens the package of a version with its evidence record, if a stamp covers
	// it, to be brought into another form.
	Export func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, version int) (dip.Source, error)
	// StatementPDF returns an access statement as PDF/A, and its size.
	StatementPDF func(context.Context, *catalog.Tenant, retention.AccessStatement) (io.ReadCloser, int64, error)
	// Stamp has everything stamped that waits for it, and says how much that was.
	Stamp func(context.Context, *catalog.Tenant) (int, error)
	// Scrub reads everything back, a portion at a time.
	Scrub *fixity.Scrub
	// Audit yields the audit log as the bucket holds it.
	Audit func(context.Context, *catalog.Tenant) iter.Seq2[audit.Segment, error]
	// Due says what has to be renewed at an instant.
	Due func(ctx context.Context, t *catalog.Tenant, at time.Time) ([]proof.Due, error)
	// Receipt returns the newest receipt of an archived submission, as compact JWS.
	Receipt func(context.Context, *catalog.Tenant, catalog.Submission) (string, error)
	// ArchivedCopy returns a copy of a sealed PDF in level B-LTA; pades.ErrUnsupported or
	// revocation.ErrNone when there can be none.
	ArchivedCopy func(context.Context, io.Reader) (*os.File, error)
	// ReceiptPDF returns the receipt of an archived submission as PDF/A, and its size.
	ReceiptPDF func(context.Context, *catalog.Tenant, catalog.Submission) (io.ReadCloser, int64, error)
	// Certificate returns the certificate of a disposal run that has ended as JSON, and
	// its size; catalog.ErrConflict while it goes on.
	Certificate func(ctx context.Context, t *catalog.Tenant, run string) (io.ReadCloser, int64, error)
	// CertificatePDF returns it as PDF/A.
	CertificatePDF func(ctx context.Context, t *catalog.Tenant, run string) (io.ReadCloser, int64, error)
	// Grace is how long an approved disposal run waits before it begins.
	Grace time.Duration
	// AddTenant adds a municipality with everything it needs: bucket, catalog
	// entry, classification. catalog.ErrConflict when the name is taken.
	AddTenant func(ctx context.Context, info catalog.TenantInfo, actor string) (catalog.TenantInfo, error)
	// Equipment says what the archive of a tenant works with.
	Equipment func(context.Context, *catalog.Tenant) (Equipment, error)
	// TrySeal makes a seal and a time-stamp, and returns every check of them.
	TrySeal func(context.Context, *catalog.Tenant) ([]preservation.Finding, error)
	// TryStore tries out what the object store promises, also in the bucket of the
	// tenant, and returns every check.
	TryStore func(context.Context, *catalog.Tenant) ([]preservation.Finding, error)
	// Pages makes the pages for people, which call the interface they are given. Nil:
	// there are none.
	Pages func(*Server) (http.Handler, error)
	// Uploads is the folder of resumable uploads.
	Uploads string
	// TrustedProxies are the addresses whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// Ready asks the parts that a request needs, by name.
	Ready map[string]func(context.Context) error
	// Details tells what else there is to know of the state, of parts without which
	// requests are answered. Nil: nothing.
	Details func(context.Context) map[string]string
	// Metrics is where the interface registers its own and what /metrics shows.
	Metrics *prometheus.Registry
	Now     func() time.Time // time.Now when nil
	Log     *slog.Logger

	bodyWindow, writeIdle time.Duration // the constants of these names when zero
}

// Server answers requests. It is safe for concurrent use.
type Server struct {
	http.Handler
	s *server
	t table
}

// ServeAs answers a request that the pages make for somebody who has logged in: by
// the same routes, permissions and checks as one that came with a token.
func (s *Server) ServeAs(w http.ResponseWriter, r *http.Request, p auth.Principal) {
	outer := note(r.Context())
	inner := entry{id: outer.id, method: r.Method, accept: r.Header.Get("Accept"), tenant: p.Tenant}
	ctx := context.WithValue(r.Context(), entryKey{}, &inner)
	outer.tenant = p.Tenant
	s.t.ServeHTTP(w, r.WithContext(context.WithValue(ctx, principalKey{}, p)))
}

// Permits reports whether somebody may call a route, such as "GET /v1/holds". A route
// that there is not is a bug.
func (s *Server) Permits(pattern string, p auth.Principal) bool {
	for _, r := range routes {
		if r.pattern == pattern {
			return r.who.public || r.who.permits(p)
		}
	}
	panic("no row for " + pattern)
}

// Titles are what records are called, of those that somebody may read and whose processing
// is not restricted: for pages that name them beside something else.
func (s *Server) Titles(ctx context.Context, p auth.Principal, ids []preservation.RecordID) (map[preservation.RecordID]string, error) {
	if !s.Permits("GET /v1/records/{id}", p) {
		return nil, nil
	}
	return s.s.titles(context.WithValue(ctx, principalKey{}, p), ids)
}

// HoldsOver are the holds in whose scope a record is or was, for those who may list holds
// and read the record.
func (s *Server) HoldsOver(ctx context.Context, p auth.Principal, id preservation.RecordID) ([]retention.Hold, error) {
	if !s.Permits("GET /v1/holds", p) || !s.Permits("GET /v1/records/{id}", p) {
		return nil, nil
	}
	return s.s.config.Officer.HoldsOver(ctx, s.s.config.Catalog.Tenant(p.Tenant), id)
}

// GivesReasons reports whether somebody may read why a person did something to a record,
// and who: what they write can be about people, and is for those alone who work with all
// records.
func (s *Server) GivesReasons(p auth.Principal) bool { return p.Has(free...) }

// ClientAddr is the address that failures of a client are counted by.
func (s *Server) ClientAddr(r *http.Request) netip.Addr { return s.s.clientAddr(r) }

// ExpireUploads removes resumable uploads that nothing came for in a week.
func (s *Server) ExpireUploads(ctx context.Context) error { return s.s.uploads.expire(ctx) }

type server struct {
	config         Config
	now            func() time.Time
	log            *slog.Logger
	spec           *description
	metadataSchema *openapi3.Schema
	versionSchema  *openapi3.Schema
	validator      *validator.Validate
	bearer         *auth.Bearer
	uploads        *uploads
	requests       *prometheus.HistogramVec
	formats        formatNames
	counts         censuses
	zone           *time.Location // of today
}

// New puts the interface together.
func New(c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	c.bodyWindow, c.writeIdle = cmp.Or(c.bodyWindow, bodyWindow), cmp.Or(c.writeIdle, writeIdle)
	spec, err := describe()
	if err != nil {
		return nil, err
	}
	s := &server{config: c, now: c.Now, log: c.Log, spec: spec, validator: newValidator()}
	s.metadataSchema = spec.doc.Components.Schemas["SubmissionMetadata"].Value
	s.versionSchema = spec.doc.Components.Schemas["VersionMetadata"].Value
	if s.zone, err = time.LoadLocation("Europe/Berlin"); err != nil {
		return nil, err
	}
	s.bearer = &auth.Bearer{Find: s.credential, Now: c.Now}
	if s.uploads, err = newUploads(c.Uploads, c.Intake.MaxBytes, c.Now); err != nil {
		return nil, fmt.Errorf("uploads: %w", err)
	}
	s.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "bestand_http_request_seconds", Help: "Time taken by requests, by route and status.",
		Buckets: []float64{.005, .025, .1, .5, 2, 10, 60},
	}, []string{"route", "status"})
	if err := c.Metrics.Register(s.requests); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	t := s.table()
	server := &Server{s: s, t: t}
	var pages http.Handler
	if c.Pages != nil {
		if pages, err = c.Pages(server); err != nil {
			return nil, fmt.Errorf("pages: %w", err)
		}
	}
	server.Handler = s.handler(t, pages)
	return server, nil
}

// handler is the way of a request, from outside inwards. Pages have headers of their
// own.
func (s *server) handler(t table, pages http.Handler) http.Handler {
	inner := harden(s.sameOrigin(s.pace(t)))
	if pages != nil {
		inner = split(inner, s.pace(pages))
	}
	return s.identify(s.observe(s.recover(inner)))
}

// split sends what is meant for programs to one handler and the rest to the other.
func split(programs, people http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, "/v1/"), path == "/v1", path == "/livez", path == "/readyz", path == "/metrics", path == "/openapi.json":
			programs.ServeHTTP(w, r)
		default:
			people.ServeHTTP(w, r)
			note(r.Context()).route = r.Pattern
		}
	})
}

// table is every route of the interface.
func (s *server) table() table {
	t := table{http.NewServeMux(), s}
	s.serveSystem(t)
	s.serveUploads(t)
	s.serveForms(t)
	strict := NewStrictHandlerWithOptions(s, []StrictMiddlewareFunc{s.validate},
		StrictHTTPServerOptions{RequestErrorHandlerFunc: s.refuse, ResponseErrorHandlerFunc: s.fail})
	HandlerWithOptions(strict, StdHTTPServerOptions{BaseRouter: t, ErrorHandlerFunc: s.refuse})
	return t
}

// tenant is the only way to data: that of the token.
func (s *server) tenant(ctx context.Context) *catalog.Tenant {
	return s.config.Catalog.Tenant(principal(ctx).Tenant)
}

// credential looks a token up for package auth.
func (s *server) credential(ctx context.Context, hash string) (auth.Credential, error) {
	k, err := s.config.Catalog.TokenByHash(ctx, hash)
	if errors.Is(err, catalog.ErrNotFound) {
		return auth.Credential{}, auth.ErrInvalid
	}
	c := auth.Credential{Hash: hash, Expires: k.Expires, Revoked: k.Revoked,
		Principal: auth.Principal{Tenant: k.Tenant, Actor: k.Actor, Installation: k.Installation, Token: k.ID}}
	for _, r := range k.Roles {
		c.Roles = append(c.Roles, auth.Role(r))
	}
	return c, err
}

// Limits of the connections themselves, which are open before anybody has said
// who they are.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	headerBytes   = 64 << 10
)

// HTTPServer returns a server for the handler with the limits that keep slow and
// silent connections from piling up (connection.go). Bodies have their own clock
// (body.go).
func HTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	open := newConnections()
	return &http.Server{
		Handler:           h,
		ConnContext:       open.begin,
		ConnState:         open.changed,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
