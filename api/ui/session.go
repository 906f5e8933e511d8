package ui

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"bestand/api"
	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

const (
	sessionCookie = "__Host-bestand"
	sessionMax    = 12 * time.Hour // a working day
	attempts      = 5              // wrong passwords in a row
	pause         = 15 * time.Minute
	formBytes     = 1 << 20
	csrfField     = "_csrf"
	backField     = "_zurueck" // a form is to be shown again as it came, and nothing done
)

// inside answers a page for somebody who has logged in.
func (u *UI) inside(p page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := u.visit(w, r)
		v.guard(func() error {
			switch err := v.enter(); {
			case errors.Is(err, errLoggedOut):
				return v.askToLogIn()
			case err != nil:
				return err
			}
			if err := v.checkForm(p.pattern); err != nil {
				return err
			}
			if v.session.User.MustChange && !strings.Contains(p.pattern, " /profil") && !strings.Contains(p.pattern, " /abmelden") {
				return v.redirect(withNext("/profil", v.asked()), "")
			}
			if p.needs != "" && !v.may(p.needs) {
				return &refusal{status: http.StatusForbidden, code: "forbidden"}
			}
			if r.Method == http.MethodPost && p.pattern != uploadPattern { // an upload is recognised by what it hands over
				return u.once.do(v, p.do)
			}
			return p.do(v)
		})
	}
}

// outside answers a page for anybody.
func (u *UI) outside(do action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := u.visit(w, r)
		v.guard(func() error {
			if err := v.enter(); err != nil && !errors.Is(err, errLoggedOut) {
				return err
			}
			if r.Method == http.MethodPost {
				if err := v.parseForm(); err != nil {
					return err
				}
			}
			return do(v)
		})
	}
}

var errLoggedOut = errors.New("logged out")

// enter finds the session of the request's cookie, or errLoggedOut.
func (v *visit) enter() error {
	c, err := v.r.Cookie(sessionCookie)
	if err != nil {
		return errLoggedOut
	}
	session := v.ui.Catalog.Session
	if slices.Contains(quiet, v.r.Pattern) {
		session = v.ui.Catalog.QuietSession
	}
	v.session, err = session(v.r.Context(), auth.Hash(c.Value), auth.SessionIdle)
	if errors.Is(err, catalog.ErrNotFound) {
		return errLoggedOut
	}
	if err != nil {
		return err
	}
	v.csrf, v.who = csrfToken(c.Value), principal(v.session)
	return nil
}

// principal is who acts in a session.
func principal(s catalog.Session) auth.Principal {
	p := auth.Principal{Tenant: s.User.Tenant, Actor: s.User.Name, Installation: s.User.Installation, Token: "session " + s.ID, Session: true}
	for _, r := range s.User.Roles {
		p.Roles = append(p.Roles, auth.Role(r))
	}
	return p
}

// csrfToken is what forms of a session carry: nobody else can make it.
func csrfToken(secret string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("form"))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// checkForm reads a form and refuses one that no page of this session holds. The
// files of an upload are read by its action, which checks them itself.
func (v *visit) checkForm(pattern string) error {
	if v.r.Method != http.MethodPost || pattern == uploadPattern {
		return nil
	}
	if err := v.parseForm(); err != nil {
		return err
	}
	return v.checkToken(v.r.PostForm.Get(csrfField))
}

func (v *visit) checkToken(token string) error {
	if subtle.ConstantTimeCompare([]byte(token), []byte(v.csrf)) != 1 {
		return &refusal{status: http.StatusForbidden, code: "stale-form"}
	}
	return nil
}

func (v *visit) parseForm() error {
	var most int64 = formBytes
	parse := v.parseFields
	if bytes := fileForms[v.r.Pattern]; bytes > 0 { // stays in memory, file and all
		most, parse = bytes, func() error { return v.r.ParseMultipartForm(bytes) }
	}
	body := v.r.Body
	v.r.Body = http.MaxBytesReader(v.w, body, most)
	err := parse()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		io.CopyN(io.Discard, body, 64<<20) // a browser shows the answer only once it was heard out
		return &refusal{status: http.StatusRequestEntityTooLarge, code: "too-large", problem: api.Problem{Detail: fmt.Sprintf("At most %d kB.", most/1000)}}
	case err != nil:
		return &refusal{status: http.StatusBadRequest, code: "malformed"}
	}
	return nil
}

// parseFields reads a form without files, and in which order it was sent.
func (v *visit) parseFields() error {
	text, err := io.ReadAll(v.r.Body) // which parseForm bounds
	if err != nil {
		return err
	}
	v.r.Body = io.NopCloser(bytes.NewReader(text))
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	for pair := range strings.SplitSeq(string(text), "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name) // what cannot be read ParseForm has refused
		value, _ = url.QueryUnescape(value)
		v.sent = append(v.sent, keptField{name, value})
	}
	return nil
}

// askToLogIn keeps where somebody wanted to go, and what was typed into a form.
func (v *visit) askToLogIn() error {
	if v.r.Header.Get("HX-Request") != "" {
		at, err := url.Parse(v.r.Header.Get("HX-Current-URL"))
		if err != nil {
			at = &url.URL{}
		}
		v.w.Header().Set("HX-Redirect", withNext("/anmelden", here(at.RequestURI())))
		v.w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	if v.r.Method != http.MethodPost {
		return v.redirect(withNext("/anmelden", v.asked()), "")
	}
	p := loginView{Next: here(v.r.URL.RequestURI())}
	if v.r.Pattern == uploadPattern {
		p.Next = uploadPath
		sent, err := v.abandonedUpload()
		if err != nil {
			return err
		}
		p.Problem, p.Kept = "login.files-lost", kept(sent)
	} else if strings.HasPrefix(v.r.Header.Get("Content-Type"), "multipart/") {
		p.Problem = "login.files-lost"
	} else if err := v.parseForm(); err != nil {
		return err
	} else {
		p.Problem, p.Kept = "login.expired", kept(v.sent)
	}
	if len(p.Kept) == 0 { // nothing to send there: to the page that has the form
		p.Next = v.ui.pageOf(v.r.URL.Path)
	}
	return v.showLogin(http.StatusUnauthorized, p)
}

// asked is the page that somebody asked for, or that has the form that was sent.
func (v *visit) asked() string {
	if v.r.Method == http.MethodPost {
		return v.ui.pageOf(v.r.URL.Path)
	}
	return here(v.r.URL.RequestURI())
}

// pageOf is the page at the address of a form, or the nearest above it that there is.
func (u *UI) pageOf(at string) string {
	at, _, _ = strings.Cut(at, "?")
	for ; at != "/"; at = path.Dir(at) {
		if _, pattern := u.mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: at}}); pattern != "/" {
			return at
		}
	}
	return at
}

// loginView is the page that asks for name and password.
type loginView struct {
	Name, Tenant string
	Tenants      bool // there are several: the form asks for one
	Next         string
	Kept         []keptField // of a form that was sent when the session was over
	Problem      string      // key of what is wrong

	// Of a login by an OpenID provider:
	Provider string               // its host; "" when there is none
	Choose   []catalog.TenantInfo // the person has roles in several and says in which
	Claim    string               // that tells the roles, with the values that it had
	Values   []string
	Leave    string // where the session at the provider ends, for who needs another account there
}

type keptField struct{ Name, Value string }

// Typed reports whether the value is one that people know: what pages give forms to carry
// is nothing to read.
func (f keptField) Typed() bool { return !slices.Contains(carried, f.Name) }

// Shown is the value as the form had it: of a choice, its words.
func (f keptField) Shown(l *language) string {
	if slices.Contains(boxes, f.Name) && f.Value == "1" {
		return l.coded("yesno", true)
	}
	if area := choices[f.Name]; area != "" {
		return l.coded(area, f.Value)
	}
	if day, err := preservation.ParseDate(f.Value); err == nil {
		return l.date(day)
	}
	return f.Value
}

// boxes are fields that are "1" where they are checked.
var boxes = []string{"bestaetigt", "no_offer", "permanent", "personal_data", "withdrawn"}

// choices are the fields with a choice of codes, with the area of their texts.
var choices = map[string]string{
	"applies": "applies", "by": "decider", "decision": "decision", "disposition": "disposition", "no_rendition": "renditionchoice", "outcome": "requestoutcome",
	"own_copy": "owncopy", "plan": "planchoice", "receipt_after": "receiptchoice", "roles": "role", "scope": "scope", "seal": "sealchoice",
}

// carried are hidden fields whose values are for programs.
var carried = []string{"blatt", "revision", "seite", "suche", "tag", "version", "weiter"}

// kept are the fields of a form that are worth keeping, in its order: no passwords.
func kept(sent []keptField) []keptField {
	return slices.DeleteFunc(sent, func(f keptField) bool {
		return f.Name == "" || f.Name == csrfField || f.Name == onceField || f.Name == backField || strings.Contains(f.Name, "kennwort")
	})
}

// keptAlong are the fields of another form that this one carries.
func (v *visit) keptAlong() (fields []keptField) {
	for _, f := range v.sent {
		if name, ok := strings.CutPrefix(f.Name, "behalten."); ok {
			fields = append(fields, keptField{name, f.Value})
		}
	}
	return fields
}

func (v *visit) showLogin(status int, p loginView) error {
	tenants, err := v.ui.Catalog.Tenants(v.r.Context())
	if err != nil {
		return err
	}
	p.Tenants = len(tenants) > 1
	if p.Tenant == "" && len(tenants) == 1 {
		p.Tenant = string(tenants[0].ID)
	}
	if v.ui.Provider != nil {
		p.Provider = v.ui.Provider.Host()
	}
	return v.showStatus(status, "login", v.lang.t("login.title"), p)
}

func loginPage(v *visit) error {
	if v.session.Hash != "" {
		return v.resume(loginView{Next: here(v.r.URL.Query().Get("weiter"))})
	}
	q := v.r.URL.Query()
	return v.showLogin(http.StatusOK, loginView{Next: here(q.Get("weiter")), Tenant: q.Get("mandant")})
}

// withNext is the address of a page that leads on to another one.
func withNext(at, next string) string {
	if next == "" || next == "/" {
		return at
	}
	return at + "?" + url.Values{"weiter": {next}}.Encode()
}

// here is an address on this server, or "". Browsers take a backslash for a slash and
// leave out tabs and line ends (WHATWG URL, 4.4).
func here(to string) string {
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) || strings.ContainsFunc(to, unicode.IsControl) {
		return ""
	}
	return to
}

// tenantNamed is the tenant that somebody means by its identifier or by the name that
// the pages show, in capitals or not. What none is called, none is.
func (v *visit) tenantNamed(said string) (preservation.TenantID, error) {
	if said == "" {
		return "", nil
	}
	tenants, err := v.ui.Catalog.Tenants(v.r.Context())
	if err != nil {
		return "", err
	}
	for _, t := range tenants {
		if strings.EqualFold(said, string(t.ID)) {
			return t.ID, nil
		}
	}
	var meant preservation.TenantID
	for _, t := range tenants {
		if strings.EqualFold(said, strings.TrimSpace(t.Name)) {
			if meant != "" {
				return "", nil // two of that name: the identifier tells them apart
			}
			meant = t.ID
		}
	}
	return meant, nil
}

// login opens a session. What is wrong is told in one way only, so that nobody learns
// which names there are.
func login(v *visit) error {
	ctx, form, now := v.r.Context(), v.r.PostForm, v.ui.Now()
	p := loginView{Name: strings.ToLower(strings.TrimSpace(form.Get("name"))), Tenant: strings.TrimSpace(form.Get("mandant")), Next: here(form.Get("weiter")), Kept: v.keptAlong()}
	if form.Has("angemeldet") { // in another window, by the OpenID provider
		if v.session.Hash == "" {
			p.Problem = "login.provider-not-yet"
			return v.showLogin(http.StatusUnauthorized, p)
		}
		return v.resume(p)
	}
	addr := v.ui.API.ClientAddr(v.r)
	if !v.ui.gate.Permitted(addr, now) {
		p.Problem = "login.throttled"
		return v.showLogin(http.StatusTooManyRequests, p)
	}
	named, err := v.tenantNamed(p.Tenant)
	if err != nil {
		return err
	}
	t := v.ui.Catalog.Tenant(named)
	u, err := t.UserByName(ctx, p.Name)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	right, err := auth.MatchPassword(ctx, u.Password, form.Get("kennwort"))
	if err != nil {
		return err
	}
	switch {
	case right && u.Locked.IsZero() && !now.Before(u.Barred):
		return v.open(t, u, p)
	case u.ID != "" && !now.Before(u.Barred):
		if err := t.LoginFailed(ctx, u.ID, attempts, pause); err != nil {
			return err
		}
	}
	v.ui.gate.Failed(addr, now)
	v.ui.Log.InfoContext(ctx, "login refused", slog.String("tenant", p.Tenant), slog.String("user", u.ID))
	p.Problem = "login.wrong"
	return v.showLogin(http.StatusUnauthorized, p)
}

func (v *visit) open(t *catalog.Tenant, u catalog.User, p loginView) error {
	if err := v.begin(t, u, ""); err != nil {
		return err
	}
	if u.MustChange {
		if len(p.Kept) > 0 { // what was typed is lost, and its form is on this page
			p.Next = v.ui.pageOf(p.Next)
		}
		return v.redirect(withNext("/profil", p.Next), "")
	}
	return v.resume(p)
}

// begin starts a session and gives its secret to the browser. idToken is of the OpenID
// provider, if that vouched for the person.
func (v *visit) begin(t *catalog.Tenant, u catalog.User, idToken string) error {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand aborts the program instead
	secret := base64.RawURLEncoding.EncodeToString(b)
	agent := []rune(strings.ToValidUTF8(v.r.UserAgent(), ""))
	v.session = catalog.Session{Hash: auth.Hash(secret), Agent: string(agent[:min(len(agent), 200)]), Ends: v.ui.Now().Add(sessionMax), IDToken: idToken, User: u}
	if err := t.BeginSession(v.r.Context(), v.session); err != nil {
		return err
	}
	http.SetCookie(v.w, &http.Cookie{Name: sessionCookie, Value: secret, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	v.csrf, v.who = csrfToken(secret), principal(v.session)
	return nil
}

// resume goes on where the login came from. What was typed there is shown before it is
// sent.
func (v *visit) resume(p loginView) error {
	switch {
	case len(p.Kept) > 0 && p.Next == uploadPath:
		return v.resumeUpload(p)
	case len(p.Kept) > 0 && p.Next != "":
		return v.show("kept", v.lang.t("kept.title"), p)
	case p.Next != "":
		return v.redirect(p.Next, "")
	}
	return v.redirect("/", "")
}

func logout(v *visit) error {
	ctx, t := v.r.Context(), v.ui.Catalog.Tenant(v.who.Tenant)
	issuer := v.session.User.Issuer
	idToken, err := t.IDToken(ctx, v.session.Hash)
	if err != nil {
		return err
	}
	if err := t.EndSession(ctx, v.session.User.ID, v.session.ID, v.who.Actor); err != nil {
		return err
	}
	http.SetCookie(v.w, &http.Cookie{Name: sessionCookie, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1})
	if v.ui.Provider != nil && issuer == v.ui.Provider.Issuer {
		return v.leaveProvider(idToken)
	}
	return v.redirect("/anmelden", "logged-out")
}
