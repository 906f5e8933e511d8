package ui

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"bestand/api"
	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// profileView is somebody's own account.
type profileView struct {
	Sessions []catalog.Session
	This     string // identifier of the session that looks at it
	Fields   map[string]api.FieldError
	Min      int
	Next     string // where whoever had to change the password first wanted to go
}

func profilePage(v *visit) error {
	return v.showProfile(http.StatusOK, v.r.URL.Query().Get("weiter"), nil)
}

func (v *visit) showProfile(status int, next string, fields map[string]api.FieldError) error {
	p := profileView{This: v.session.ID, Fields: fields, Min: auth.PasswordMin, Next: here(next)}
	var err error
	if p.Sessions, err = v.ui.Catalog.Tenant(v.who.Tenant).Sessions(v.r.Context(), v.session.User.ID, auth.SessionIdle); err != nil {
		return err
	}
	return v.showStatus(status, "profile", v.lang.t("profile.title"), p)
}

// changePassword replaces somebody's own password and ends all other sessions.
func changePassword(v *visit) error {
	ctx, form, u := v.r.Context(), v.r.PostForm, v.session.User
	t := v.ui.Catalog.Tenant(v.who.Tenant)
	if u.Issuer != "" {
		return errNotFound // the OpenID provider has the password
	}
	if v.ui.Now().Before(u.Barred) {
		return &refusal{status: http.StatusTooManyRequests, code: "too-many-failures"}
	}
	right, err := auth.MatchPassword(ctx, u.Password, form.Get("kennwort"))
	if err != nil {
		return err
	}
	fields := map[string]api.FieldError{}
	if !right {
		if err := t.LoginFailed(ctx, u.ID, attempts, pause); err != nil {
			return err
		}
		fields["kennwort"] = api.FieldError{Field: "kennwort", Code: "wrong-password"}
	}
	fresh := form.Get("kennwort-neu")
	switch err := auth.CheckPassword(fresh, u.Name); {
	case errors.Is(err, auth.ErrPasswordShort):
		fields["kennwort-neu"] = api.FieldError{Field: "kennwort-neu", Code: "password-short"}
	case errors.Is(err, auth.ErrPasswordLong):
		fields["kennwort-neu"] = api.FieldError{Field: "kennwort-neu", Code: "password-long"}
	case err != nil:
		fields["kennwort-neu"] = api.FieldError{Field: "kennwort-neu", Code: "password-name"}
	case fresh == form.Get("kennwort"):
		fields["kennwort-neu"] = api.FieldError{Field: "kennwort-neu", Code: "password-same"}
	case fresh != form.Get("kennwort-wieder"):
		fields["kennwort-wieder"] = api.FieldError{Field: "kennwort-wieder", Code: "password-differs"}
	}
	if len(fields) > 0 {
		return v.showProfile(http.StatusUnprocessableEntity, form.Get("weiter"), fields)
	}
	hash, err := auth.HashPassword(ctx, fresh)
	if err != nil {
		return err
	}
	if err := t.SetPassword(ctx, u.ID, hash, false, v.session.Hash, u.Name); err != nil {
		return err
	}
	if u.MustChange {
		return v.redirect(cmp.Or(here(form.Get("weiter")), "/"), "password-changed")
	}
	return v.redirect("/profil", "password-changed")
}

// endSession logs another browser out.
func endSession(v *visit) error {
	if err := v.ui.Catalog.Tenant(v.who.Tenant).EndSession(v.r.Context(), v.session.User.ID, v.r.PathValue("id"), v.who.Actor); err != nil {
		return err
	}
	return v.redirect("/profil", "session-ended")
}

// browsers and systems as a User-Agent names them: more than one of each may stand there,
// and the first of these is the one meant.
var (
	browsers = [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"}}
	systems  = [][2]string{{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

// browser names a browser and its system for people; one that is not known is named as it
// names itself.
func (l *language) browser(agent string) string {
	called := func(names [][2]string) string {
		for _, n := range names {
			if strings.Contains(agent, n[0]) {
				return n[1]
			}
		}
		return ""
	}
	program, system := called(browsers), called(systems)
	if program == "" || system == "" {
		return agent
	}
	return l.t("profile.browser", program, system)
}
