package ui

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"bestand/api/oidc"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

const (
	providerPath  = "/anmelden/dienst"
	answerPath    = "/anmelden/dienst/antwort"
	attemptCookie = "__Host-bestand-anmeldung"
	nextBytes     = 2000 // of an address that a cookie remembers
)

// attempt is what the browser remembers of a login while it is at the provider.
type attempt struct {
	oidc.Attempt
	Next, Tenant string
}

// base is the address under which people reach the pages.
func (v *visit) base() string {
	switch {
	case v.ui.PublicURL != "":
		return v.ui.PublicURL
	case v.r.TLS != nil:
		return "https://" + v.r.Host
	}
	return "http://" + v.r.Host // of this machine: elsewhere there is TLS, or a proxy and PublicURL
}

// beginAtProvider sends the browser to the OpenID provider. It is a link and no form:
// the policy of the pages lets no form lead to another site.
func beginAtProvider(v *visit) error {
	if v.ui.Provider == nil {
		return errNotFound
	}
	q := v.r.URL.Query()
	a := attempt{Next: here(q.Get("weiter")), Tenant: q.Get("mandant")}
	if len(a.Next) > nextBytes || a.Tenant != "" && !preservation.TenantID(a.Tenant).Valid() {
		a.Next, a.Tenant = "", ""
	}
	var to string
	var err error
	if a.Attempt, to, err = v.ui.Provider.Begin(v.r.Context(), v.base()+answerPath); err != nil {
		return v.providerFails(a, err)
	}
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	// The way back begins at the provider, where strict cookies are not sent from.
	http.SetCookie(v.w, &http.Cookie{Name: attemptCookie, Value: base64.RawURLEncoding.EncodeToString(v.ui.seal(b)), Path: "/", MaxAge: int(oidc.LoginTime.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// endAtProvider takes the browser back from the provider and opens a session, once for
// an attempt.
func endAtProvider(v *visit) error {
	if v.ui.Provider == nil {
		return errNotFound
	}
	a := v.attempt()
	http.SetCookie(v.w, &http.Cookie{Name: attemptCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	who, err := v.ui.Provider.Redeem(v.r.Context(), a.Attempt, v.r.URL.Query(), v.base()+answerPath)
	if err != nil {
		return v.providerFails(a, err)
	}
	return v.admit(a, who)
}

// seal puts a code before a text, so that it is told from texts of others. With a public
// client it holds while the program runs, and in this one alone: who is at the provider
// when it ends begins again.
func (u *UI) seal(text []byte) []byte {
	m := hmac.New(sha256.New, u.sealing[:])
	m.Write([]byte("attempt"))
	m.Write(text)
	return append(m.Sum(nil), text...)
}

// attempt is the login that this browser began last; the zero one when it began none
// here.
func (v *visit) attempt() (a attempt) {
	c, err := v.r.Cookie(attemptCookie)
	if err != nil {
		return a
	}
	b, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(b) < sha256.Size || !hmac.Equal(b, v.ui.seal(b[sha256.Size:])) || json.Unmarshal(b[sha256.Size:], &a) != nil {
		return attempt{}
	}
	a.Next = here(a.Next)
	return a
}

// providerFails shows the page to log in, which says why the provider's way did not
// lead here. What came of an answer of the provider goes into the audit log.
func (v *visit) providerFails(a attempt, err error) error {
	ctx := v.r.Context()
	p := loginView{Next: a.Next, Tenant: a.Tenant}
	var no *oidc.Refused
	switch {
	case errors.Is(err, oidc.ErrUnavailable):
		v.ui.Log.WarnContext(ctx, "OpenID provider", slog.Any("err", err))
		p.Problem = "login.provider-away"
		return v.showLogin(http.StatusServiceUnavailable, p)
	case errors.Is(err, oidc.ErrBusy):
		p.Problem = "login.provider-busy"
		return v.showLogin(http.StatusServiceUnavailable, p)
	case !errors.As(err, &no):
		return err
	}
	level := slog.LevelWarn
	if no.Reason == oidc.ReasonState { // anybody can have that without the provider
		level = slog.LevelDebug
	}
	v.ui.Log.Log(ctx, level, "login refused", slog.String("reason", no.Reason), slog.Any("err", no.Err))
	switch no.Reason {
	case oidc.ReasonState:
		p.Problem = "login.provider-state"
		return v.showLogin(http.StatusUnauthorized, p)
	case oidc.ReasonDenied:
		p.Problem = "login.provider-denied"
	default:
		p.Problem = "login.provider-token"
	}
	if err := v.auditRefusal(a.Tenant, catalog.User{Issuer: v.ui.Provider.Issuer}, no.Reason); err != nil {
		return err
	}
	return v.showLogin(http.StatusUnauthorized, p)
}

// auditRefusal notes a refused login in the tenant that it was meant for; where nobody
// knows which, in that of the installation's provider.
func (v *visit) auditRefusal(tenant string, who catalog.User, reason string) error {
	tenants, err := v.ui.Catalog.Tenants(v.r.Context())
	if err != nil || len(tenants) == 0 {
		return err
	}
	id := tenants[0].ID
	for _, t := range tenants {
		if string(t.ID) == tenant {
			id = t.ID
		}
	}
	return v.ui.refusals.note(v.r.Context(), refused{id, who.ID, who.Subject, reason}, v.ui.Log, func(ctx context.Context, times int) error {
		return v.ui.Catalog.Tenant(id).LoginRefused(ctx, who, reason, times)
	})
}

// admit opens a session for a person whom the provider knows, if the person has roles
// here and is not locked.
func (v *visit) admit(a attempt, who oidc.Person) error {
	ctx := v.r.Context()
	p := loginView{Next: a.Next, Tenant: a.Tenant, Claim: v.ui.Provider.Claim, Values: who.Values}
	tenant, several, err := v.tenantOf(a.Tenant, who)
	if err != nil {
		return err
	}
	nowhere := len(who.Roles) == 0
	u, err := v.ui.Catalog.Vouch(ctx, who.Vouched, tenant)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	reason := ""
	switch {
	case len(several) > 0:
		p.Choose = several
		return v.showLogin(http.StatusOK, p)
	case err != nil && nowhere:
		p.Problem, reason = "login.provider-roles", "roles"
	case err != nil:
		p.Problem, reason = "login.provider-tenant", "roles"
	case !u.Locked.IsZero():
		p.Problem, reason = "login.provider-locked", "locked"
	default:
		t := v.ui.Catalog.Tenant(tenant)
		if err := v.begin(t, u, who.IDToken); err != nil {
			return err
		}
		// A redirect from here would still come from the provider's site, and strict
		// cookies would stay away: the browser goes on from a page of this one.
		if p.Next == "" {
			p.Next = "/"
		}
		v.w.Header().Set("Refresh", "0; url="+p.Next)
		return v.show("entered", v.lang.t("entered.title"), p)
	}
	v.ui.Log.InfoContext(ctx, "login refused", slog.String("tenant", string(tenant)), slog.String("reason", reason), slog.String("user", u.ID))
	p.Leave = v.ui.Provider.LogoutURL(ctx, who.IDToken, v.base()+"/anmelden")
	u.Issuer, u.Subject = who.Issuer, who.Subject
	if err := v.auditRefusal(string(tenant), u, reason); err != nil {
		return err
	}
	return v.showLogin(http.StatusForbidden, p)
}

// tenantOf is the tenant that a person logs in to: the one that was asked for, or else
// the only one that there is a role in. Are there several, the person chooses. Roles in
// tenants that there are not are left out.
func (v *visit) tenantOf(asked string, who oidc.Person) (preservation.TenantID, []catalog.TenantInfo, error) {
	all, err := v.ui.Catalog.Tenants(v.r.Context())
	if err != nil {
		return "", nil, err
	}
	with := slices.DeleteFunc(all, func(t catalog.TenantInfo) bool { return len(who.Roles[t.ID]) == 0 })
	maps.DeleteFunc(who.Roles, func(id preservation.TenantID, _ []string) bool {
		return !slices.ContainsFunc(with, func(t catalog.TenantInfo) bool { return t.ID == id })
	})
	switch {
	case asked != "":
		return preservation.TenantID(asked), nil, nil
	case len(with) == 1:
		return with[0].ID, nil, nil
	}
	return "", with, nil
}

// leaveProvider shows that a session has ended, and goes on to end the one at the
// provider, if it can do that.
func (v *visit) leaveProvider(idToken string) error {
	to := v.ui.Provider.LogoutURL(v.r.Context(), idToken, v.base()+"/anmelden")
	if to == "" {
		return v.redirect("/anmelden", "logged-out")
	}
	v.session, v.csrf = catalog.Session{}, ""
	v.w.Header().Set("Refresh", "0; url="+to)
	return v.show("left", v.lang.t("left.title"), to)
}

// ProviderPath is where a login at the provider begins, to come back to the same page.
func (p loginView) ProviderPath(tenant string) string {
	q := url.Values{}
	if p.Next != "" && len(p.Kept) == 0 {
		q.Set("weiter", p.Next)
	}
	if tenant != "" {
		q.Set("mandant", tenant)
	}
	return strings.TrimSuffix(providerPath+"?"+q.Encode(), "?")
}
