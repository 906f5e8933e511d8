package ui

import (
	"net/http"
	"net/url"
	"strings"
)

// redirect goes to a page after something was done, which a notice says there.
func (v *visit) redirect(to, notice string) error {
	if notice != "" {
		u, err := url.Parse(to)
		if err != nil {
			return err
		}
		v.setNotice(notice+"."+short([]byte(u.Path)), noticeSeconds)
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// noticeCookie takes a notice past a redirect, with the digest of the path of the page that
// is to show it, once. No address can make a page say that something was done.
const (
	noticeCookie  = "__Host-bestand-meldung"
	noticeSeconds = 60
)

func (v *visit) setNotice(value string, seconds int) {
	http.SetCookie(v.w, &http.Cookie{Name: noticeCookie, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: seconds})
}

// notice is the key of what was done before this page came; "" for nothing. What a script
// fetches nobody reads: then it is left for the page.
func (v *visit) notice() string {
	c, err := v.r.Cookie(noticeCookie)
	if err != nil || v.r.Header.Get("Sec-Fetch-Dest") == "empty" {
		return ""
	}
	name, at, _ := strings.Cut(c.Value, ".")
	if key := "notice." + name; at == short([]byte(v.r.URL.Path)) && v.lang.t(key) != key {
		v.setNotice("", -1)
		return key
	}
	return ""
}
