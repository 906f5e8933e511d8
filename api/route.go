package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"bestand/api/auth"
)

// route is a row of the table: what there is, who may call it, and what body
// it takes.
type route struct {
	pattern string
	who     access
	body    int64 // bytes of JSON at most; other bodies are streams that the action bounds
}

const (
	none  = 0
	small = 1 << 20  // most requests
	lists = 16 << 20 // all rules
	large = 64 << 20 // whole classifications, holds over a million records
)

// access is who may call a route: nobody without a token, unless public.
type access struct {
	public       bool
	installation bool // a token of the provider, whatever its roles
	roles        []auth.Role
}

func (a access) permits(p auth.Principal) bool {
	return a.installation && p.Installation || p.Has(a.roles...)
}

// names lists the access as x-roles in openapi.yaml does.
func (a access) names() (names []string) {
	for _, r := range a.roles {
		names = append(names, string(r))
	}
	if a.installation {
		names = append(names, "installation")
	}
	return names
}

var (
	anybody  = access{public: true}
	provider = access{installation: true}
)

func roles(r ...auth.Role) access { return access{roles: r} }

// table takes the handlers of the generated router and puts each behind the
// row that its pattern has. It is the generated code's idea of a mux.
type table struct {
	*http.ServeMux
	server *server
}

// HandleFunc registers a handler. A pattern without a row is a bug.
func (t table) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	i := slices.IndexFunc(routes, func(r route) bool { return r.pattern == pattern })
	if i < 0 {
		panic("no row for " + pattern)
	}
	t.Handle(pattern, t.server.guard(routes[i], http.HandlerFunc(h)))
}

// ServeHTTP answers with a problem where the mux would write a line of text.
func (t table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, pattern := t.Handler(r)
	if pattern != "" {
		t.ServeMux.ServeHTTP(w, r)
		return
	}
	refusal := refused{header: http.Header{}}
	h.ServeHTTP(&refusal, r)
	if refusal.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", refusal.header.Get("Allow"))
		t.server.fail(w, r, wrongMethod.because("permitted: %s", refusal.header.Get("Allow")))
		return
	}
	t.server.fail(w, r, notFound.because(""))
}

// refused takes what the mux answers when nothing matches.
type refused struct {
	header http.Header
	status int
}

func (w *refused) Header() http.Header         { return w.header }
func (w *refused) Write(b []byte) (int, error) { return len(b), nil }
func (w *refused) WriteHeader(status int)      { w.status = status }

// guard lets a request through to its handler when the token, the roles, the
// query and the body's shape permit it, in this order: who may not ask learns
// nothing of what else was wrong.
func (s *server) guard(rt route, next http.Handler) http.Handler {
	op := s.spec.operation(rt.pattern)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r.Context()).route = rt.pattern
		if !rt.who.public {
			p, known := r.Context().Value(principalKey{}).(auth.Principal) // from ServeAs
			if !known {
				var err error
				if p, err = s.bearer.Authenticate(r, s.clientAddr(r)); err != nil {
					s.fail(w, r, err)
					return
				}
			}
			note(r.Context()).tenant = p.Tenant
			defer use(r.Context())()
			if !rt.who.permits(p) {
				s.log.InfoContext(r.Context(), "denied", slog.String("request", requestID(r.Context())),
					slog.String("route", rt.pattern), slog.String("tenant", string(p.Tenant)), slog.String("token", p.Token))
				s.fail(w, r, forbidden.because("needs one of: %s", strings.Join(rt.who.names(), ", ")))
				return
			}
			r = r.WithContext(context.WithValue(r.Context(), principalKey{}, p))
		}
		if err := checkQuery(r, op); err != nil {
			s.fail(w, r, err)
			return
		}
		if err := admitBody(r, op, rt.body); err != nil {
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

type principalKey struct{}

// principal returns who sent the request. Every route that is not public has one.
func principal(ctx context.Context) auth.Principal {
	return ctx.Value(principalKey{}).(auth.Principal)
}

// checkQuery refuses what the interface description does not know: a filter
// with a mistyped name would otherwise select everything.
func checkQuery(r *http.Request, op *openapi3.Operation) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	var fields []FieldError
	for name, values := range r.URL.Query() {
		var p *openapi3.Parameter
		if op != nil {
			p = op.Parameters.GetByInAndName(openapi3.ParameterInQuery, name)
		}
		switch {
		case p == nil:
			fields = append(fields, fieldError(name, "unknown-parameter", "there is no such parameter"))
		case len(values) > 1:
			fields = append(fields, fieldError(name, "repeated", "must be given once"))
		case p.Schema.Value.Type.Is(openapi3.TypeInteger) && !isWhole(values[0]):
			fields = append(fields, fieldError(name, "type", "must be a whole number"))
		case values[0] == "" && p.Schema.Value.Pattern != "":
			fields = append(fields, fieldError(name, "required", "is empty: give one, or leave the parameter out"))
		case values[0] != "" && !calendar(p.Schema.Value.Format, values[0]):
			fields = append(fields, fieldError(name, p.Schema.Value.Format, fmt.Sprintf("%.40q is not %s", values[0], formats[p.Schema.Value.Format])))
		}
	}
	if len(fields) > 0 {
		slices.SortFunc(fields, func(a, b FieldError) int { return strings.Compare(a.Field, b.Field) })
		return badParameter.in(fields...)
	}
	return nil
}

func isWhole(text string) bool {
	_, err := strconv.Atoi(text)
	return err == nil
}

// admitBody reads a JSON body of at most limit bytes and checks its shape. Other
// bodies that the description names are left to the action as streams.
func admitBody(r *http.Request, op *openapi3.Operation, limit int64) error {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return wrongType.because("Content-Encoding %.40q: send the bytes as they are", e) // nothing here unpacks
	}
	var content openapi3.Content
	if op.RequestBody != nil {
		content = op.RequestBody.Value.Content
	}
	media := mediaType(r.Header)
	schema := content[media]
	if media == "application/json" && schema != nil {
		text, err := readBounded(r.Body, limit)
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
		return checkJSON(text, schema.Schema.Value)
	}
	if schema != nil {
		if media == "multipart/form-data" {
			r.Body = &unended{ReadCloser: r.Body}
		}
		return nil
	}
	if op.RequestBody != nil && op.RequestBody.Value.Required || r.Header.Get("Content-Type") != "" && content != nil {
		return wrongType.because("send %s", strings.Join(slices.Sorted(maps.Keys(content)), " or "))
	}
	if n, _ := io.ReadFull(r.Body, make([]byte, 1)); n > 0 {
		return malformed.because("this takes no body")
	}
	return nil
}

// readBounded reads a body whole, up to a limit.
func readBounded(body io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	return text, nil
}

// mediaType returns the content type without parameters, in lower case.
func mediaType(h interface{ Get(string) string }) string {
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return t
}

// description is openapi.yaml, read once.
type description struct {
	doc  *openapi3.T
	json []byte // as /openapi.json serves it
}

// operation finds what the description says of a pattern such as "GET /v1/records".
func (d *description) operation(pattern string) *openapi3.Operation {
	method, path, _ := strings.Cut(pattern, " ")
	item := d.doc.Paths.Value(path)
	if item == nil || item.GetOperation(method) == nil {
		panic(fmt.Sprintf("openapi.yaml has no %s", pattern))
	}
	op := *item.GetOperation(method)
	op.Parameters = append(slices.Clone(item.Parameters), op.Parameters...)
	return &op
}
