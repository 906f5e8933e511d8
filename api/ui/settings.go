package ui

import (
	"cmp"
	"errors"
	"net/http"

	"bestand/api"
)

// settingsView is the form for the choices of a tenant.
type settingsView struct {
	Values map[string]string
	Fields map[string]api.FieldError
	Newest map[string]string // what somebody else chose since the form was opened
	Copy   bool              // there is a second copy of everything
	Silent bool              // the accessibility statement says nothing of this installation
}

const (
	settingsPath = "/verwaltung/einstellungen"
	usualZone    = "Europe/Berlin"
)

func settingsPage(v *visit) error {
	values, err := v.tenantSettings()
	if err != nil {
		return err
	}
	return v.showSettings(http.StatusOK, settingsView{Values: values})
}

// tenantSettings are the choices in force, as the form has them: one that is what the
// program does anyway is "default".
func (v *visit) tenantSettings() (map[string]string, error) {
	var tenant api.OwnTenant
	if err := v.get("/v1/tenant", &tenant); err != nil {
		return nil, err
	}
	s := tenant.Settings
	all := map[string]string{"seal": s.Seal, "no_rendition": s.NoRendition, "receipt_after": s.ReceiptAfter, "zone": cmp.Or(s.Zone, usualZone), "tag": s.Tag}
	for name, usual := range map[string]string{"seal": "B-LT", "no_rendition": "archive", "receipt_after": ""} {
		if all[name] == usual || all[name] == "" {
			all[name] = "default"
		}
	}
	return all, nil
}

func (v *visit) showSettings(status int, p settingsView) error {
	var parts api.Equipment
	if err := v.get("/v1/equipment", &parts); err != nil {
		return err
	}
	p.Copy, p.Silent = parts.Store.Copy != "", v.ui.Accessibility == nil
	return v.showStatus(status, "settings", v.lang.t("settings.title"), p, crumb{v.lang.t("users.title"), "/verwaltung"})
}

func setSettings(v *visit) error {
	p := settingsView{Values: v.values()}
	body := api.TenantSettings{Seal: p.Values["seal"], NoRendition: p.Values["no_rendition"], ReceiptAfter: p.Values["receipt_after"], Zone: p.Values["zone"], Tag: p.Values["tag"]}
	for at, usual := range map[*string]string{&body.Seal: "default", &body.NoRendition: "default", &body.ReceiptAfter: "default", &body.Zone: usualZone} {
		if *at == usual {
			*at = ""
		}
	}
	p.Fields = map[string]api.FieldError{}
	for _, name := range []string{"seal", "no_rendition", "receipt_after", "zone"} {
		if p.Values[name] == "" {
			p.Fields[name] = api.FieldError{Code: "required"}
		}
	}
	if len(p.Fields) > 0 {
		return v.showSettings(http.StatusUnprocessableEntity, p)
	}
	err := v.post("/v1/tenant/settings", body, nil)
	var e *refusal
	if errors.As(err, &e) && e.status == http.StatusConflict {
		newest, err := v.tenantSettings()
		if err != nil {
			return err
		}
		p.Newest, p.Values["tag"] = newest, newest["tag"]
		return v.showSettings(http.StatusConflict, p)
	}
	if p.Fields = faults(err); p.Fields != nil {
		return v.showSettings(http.StatusUnprocessableEntity, p)
	}
	if err != nil {
		return err
	}
	return v.redirect(settingsPath, "settings-set")
}
