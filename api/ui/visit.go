package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"

	"bestand/api"
	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// visit is one request for a page.
type visit struct {
	w       http.ResponseWriter
	r       *http.Request
	ui      *UI
	lang    *language
	theme   string // "", light or dark
	session catalog.Session
	who     auth.Principal
	csrf    string
	names   map[string]string // of people, by login name, as this page has them
	titles  map[preservation.RecordID]string
	sent    []keptField // the fields of a form without files, as the browser sent them
}

func (u *UI) visit(w http.ResponseWriter, r *http.Request) *visit {
	v := &visit{w: w, r: r, ui: u, lang: languages[0]}
	if c, err := r.Cookie(viewCookie); err == nil {
		code, theme, _ := strings.Cut(c.Value, ".")
		v.see(code, theme)
	}
	return v
}

// see sets the language and the theme of the pages; one that there is not changes nothing.
func (v *visit) see(code, theme string) {
	for _, l := range languages {
		if l.code == code {
			v.lang = l
		}
	}
	switch theme {
	case "light", "dark":
		v.theme = theme
	case "auto":
		v.theme = ""
	}
}

// viewCookie holds language and theme, which are nobody's secret.
const viewCookie = "__Host-bestand-ansicht"

// setView changes language or theme and goes back. What a form held when its session was
// over stays on the page that comes.
func setView(v *visit) error {
	v.see(v.r.PostForm.Get("sprache"), v.r.PostForm.Get("farben"))
	http.SetCookie(v.w, &http.Cookie{Name: viewCookie, Value: v.lang.code + "." + v.theme, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: 365 * 24 * 3600})
	p := loginView{Next: here(v.r.PostForm.Get("weiter")), Kept: v.keptAlong()}
	switch {
	case len(p.Kept) == 0 || v.session.Hash != "":
		return v.resume(p)
	case p.Next == uploadPath:
		p.Problem = "login.files-lost"
	default:
		p.Problem = "login.expired"
	}
	return v.showLogin(http.StatusOK, p)
}

// refusal is an answer of the interface that is no success.
type refusal struct {
	status  int
	code    string
	problem api.Problem
}

func (e *refusal) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.problem.Detail) }

// errNotSent answers a form that is only shown again: its action does nothing.
var errNotSent = &refusal{status: http.StatusUnprocessableEntity, code: "not-sent"}

var errNotFound = &refusal{status: http.StatusNotFound, code: "not-found"}

// guard runs an action and turns what goes wrong into a page.
func (v *visit) guard(do func() error) {
	defer func() {
		switch e := recover(); e {
		case nil:
		case http.ErrAbortHandler:
			panic(e)
		default:
			v.ui.Log.ErrorContext(v.r.Context(), "panic in a page", slog.String("route", v.r.Pattern), slog.Any("panic", e), slog.String("stack", string(debug.Stack())))
			v.fail(errors.New("panic"))
		}
	}()
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		if err := http.NewCrossOriginProtection().Check(v.r); err != nil {
			v.fail(&refusal{status: http.StatusForbidden, code: "cross-origin"})
			return
		}
	}
	if err := do(); err != nil {
		v.fail(err)
	}
}

// errorView is the page that says what went wrong.
type errorView struct {
	Status    int
	Code      string
	Detail    string
	Tombstone api.Tombstone
	TakenOver string // which archive has the record that was destroyed here
	Stoppable string // where the destruction that has begun can be called off; "" for those who may not see that
	Request   string
}

func (v *visit) fail(err error) {
	p := errorView{Status: http.StatusInternalServerError, Code: "internal", Request: v.w.Header().Get("X-Request-Id")}
	var refused *refusal
	switch {
	case errors.Is(err, errNotSent): // there is nothing to change
		if err := v.redirect(v.ui.pageOf(v.r.URL.Path), ""); err != nil {
			v.ui.Log.ErrorContext(v.r.Context(), "no way back to a form", slog.Any("err", err))
		}
		return
	case errors.As(err, &refused):
		p.Status, p.Code, p.Detail, p.Tombstone = refused.status, refused.code, refused.problem.Detail, refused.problem.Tombstone
	case v.r.Context().Err() != nil:
		return // nobody is there any more
	default:
		v.ui.Log.ErrorContext(v.r.Context(), "page failed", slog.String("route", v.r.Pattern), slog.Any("err", err))
	}
	title := v.lang.coded("problem", fmt.Sprint(p.Status))
	if p.Tombstone.RecordID != "" && p.Tombstone.Destroyed.IsZero() { // it has only begun
		p.Code, title = "going", v.lang.t("error.going")
		p.Stoppable = v.destroying(p.Tombstone.RecordID)
	}
	p.TakenOver = v.takenOver(p.Tombstone)
	if err := v.showStatus(p.Status, "error", title, p); err != nil {
		v.ui.Log.ErrorContext(v.r.Context(), "error page failed", slog.Any("err", err))
	}
}

// destroying is the page of the run or of the permits by which a record is being
// destroyed, for those who may see it; "" for others.
func (v *visit) destroying(id preservation.RecordID) string {
	if !v.may("GET /v1/disposals/{id}") {
		return ""
	}
	d, err := v.ui.Catalog.Tenant(v.who.Tenant).View().Disposal(v.r.Context(), id)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return ""
	case err != nil:
		v.ui.Log.ErrorContext(v.r.Context(), "destruction not found", slog.String("record", string(id)), slog.Any("err", err))
		return ""
	case d.Run != "":
		return joinPath("/aussonderung/laeufe/", d.Run)
	}
	return "/aussonderung/genehmigungen"
}

// takenOver says which archive a destroyed record was handed over to, as it was noted in
// its disposal run, to those who may read that; "" for none.
func (v *visit) takenOver(stone api.Tombstone) string {
	if stone.Run == "" || !v.may("GET /v1/disposals/{id}") {
		return ""
	}
	items, err := v.ui.Catalog.Tenant(v.who.Tenant).View().RunItems(v.r.Context(), catalog.ItemFilter{Run: stone.Run, IDs: []preservation.RecordID{stone.RecordID}}, "", 1)
	if err != nil {
		v.ui.Log.ErrorContext(v.r.Context(), "handover not found", slog.String("record", string(stone.RecordID)), slog.Any("err", err))
	}
	if len(items) == 0 {
		return ""
	}
	return items[0].Transfer
}

// may reports whether the interface permits a route to whoever asks.
func (v *visit) may(pattern string) bool {
	return v.session.Hash != "" && v.ui.API.Permits(pattern, v.who)
}

// opens reports whether the visitor may see the page at an address.
func (v *visit) opens(at string) bool {
	u, err := url.Parse(at)
	if err != nil {
		return false
	}
	_, pattern := v.ui.mux.Handler(&http.Request{Method: http.MethodGet, URL: u})
	needs := v.ui.needs[pattern]
	return needs == "" || v.may(needs)
}

// accounts are the names under which one person acts.
type accounts []string

// Have reports whether somebody who acted is that person.
func (a accounts) Have(actor string) bool {
	return slices.ContainsFunc(a, func(name string) bool { return strings.EqualFold(name, actor) })
}

// accounts are those of the visitor.
func (v *visit) accounts() (accounts, error) {
	return v.ui.Catalog.Tenant(v.who.Tenant).View().Accounts(v.r.Context(), v.who.Actor)
}

// nameOf is what people call somebody who acted, with the login name that the archive has
// on record. A program has that alone.
func (v *visit) nameOf(actor string) string {
	if name, known := v.names[actor]; known {
		return name
	}
	name := actor
	if label := v.labelOf(actor); label != "" && label != actor {
		name = fmt.Sprintf("%s (%s)", label, actor)
	}
	if v.names == nil {
		v.names = map[string]string{}
	}
	v.names[actor] = name
	return name
}

// labelOf is the name of a person, or of what the archive calls itself; "" for none.
func (v *visit) labelOf(actor string) string {
	switch {
	case actor == "" || v.session.Hash == "":
		return ""
	case actor == retention.System:
		return v.lang.t("who.system")
	case actor == "cli":
		return v.lang.t("who.cli")
	}
	u, err := v.ui.Catalog.Tenant(v.who.Tenant).UserByName(v.r.Context(), strings.ToLower(actor))
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		v.ui.Log.WarnContext(v.r.Context(), "people are shown by their login names", slog.Any("err", err))
	}
	return u.Label
}

// name learns what records are called that a page names, as far as the visitor may read them.
func (v *visit) name(ids ...preservation.RecordID) (err error) {
	v.titles, err = v.ui.API.Titles(v.r.Context(), v.who, ids[:min(len(ids), namedMost)])
	return err
}

// namedMost of the records that a page lists are named; others stand there by identifier.
const namedMost = 500

// get asks the interface for something.
func (v *visit) get(path string, into any) error { return v.ask(http.MethodGet, path, nil, into) }

// post has the interface do something. body is JSON, or nil for none.
func (v *visit) post(path string, body, into any) error {
	return v.ask(http.MethodPost, path, body, into)
}

func (v *visit) ask(method, path string, body, into any) error {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		in = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(v.r.Context(), method, path, in)
	if err != nil {
		return err
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return v.send(r, into)
}

func (v *visit) send(r *http.Request, into any) error {
	if r.Method != http.MethodGet && v.r.PostForm.Has(backField) {
		return errNotSent
	}
	a := answer{header: http.Header{}}
	v.ui.API.ServeAs(&a, r, v.who)
	if err := a.refusal(); err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(a.body.Bytes(), into); err != nil {
		return fmt.Errorf("answer of %s %s: %w", r.Method, r.URL.Path, err)
	}
	return nil
}

// answer takes what the interface answers, which is bounded by its pages.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

func (a *answer) refusal() error {
	if a.status < 400 {
		return nil
	}
	e := &refusal{status: a.status}
	if err := json.Unmarshal(a.body.Bytes(), &e.problem); err != nil {
		return fmt.Errorf("problem of the interface: %w", err)
	}
	e.code = e.problem.Code
	return e
}

// stream passes content of the interface on to the browser as it comes.
func (v *visit) stream(path string) error {
	r, err := http.NewRequestWithContext(v.r.Context(), v.r.Method, path, http.NoBody)
	if err != nil {
		return err
	}
	for _, name := range []string{"Range", "If-Range", "If-None-Match"} {
		if value := v.r.Header.Get(name); value != "" {
			r.Header.Set(name, value)
		}
	}
	p := &passage{answer: answer{header: http.Header{}}, to: v.w}
	v.ui.API.ServeAs(p, r, v.who)
	return p.refusal()
}

// passage lets a success through and keeps a problem for a page.
type passage struct {
	answer
	to http.ResponseWriter
}

// WriteHeader implements http.ResponseWriter.
func (p *passage) WriteHeader(status int) {
	if p.status != 0 {
		return
	}
	p.status = status
	if status >= 400 {
		return
	}
	for name, values := range p.header {
		p.to.Header()[name] = values
	}
	p.to.WriteHeader(status)
}

func (p *passage) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.status >= 400 {
		return p.body.Write(b)
	}
	return p.to.Write(b)
}
