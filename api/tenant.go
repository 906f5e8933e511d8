package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// ListTenants lists the municipalities of the installation.
func (s *server) ListTenants(ctx context.Context, _ ListTenantsRequestObject) (ListTenantsResponseObject, error) {
	tenants, err := s.config.Catalog.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	answer := ListTenants200JSONResponse{Items: make([]Tenant, len(tenants))}
	for i, t := range tenants {
		answer.Items[i] = Tenant{ID: t.ID, Name: t.Name, Created: t.Created}
	}
	return answer, nil
}

// CreateTenant adds a municipality and its first administrator.
func (s *server) CreateTenant(ctx context.Context, request CreateTenantRequestObject) (CreateTenantResponseObject, error) {
	b := *request.Body
	info, err := s.config.AddTenant(ctx, catalog.TenantInfo{ID: b.ID, Name: b.Name}, principal(ctx).Actor)
	if err != nil {
		return nil, err
	}
	_, secret, err := s.issue(ctx, s.config.Catalog.Tenant(b.ID), catalog.Token{Actor: b.Admin, Label: "first administrator", Roles: []string{string(auth.Admin)}})
	if err != nil {
		return nil, err
	}
	return CreateTenant201JSONResponse{Tenant: Tenant{ID: info.ID, Name: info.Name, Created: info.Created}, Token: secret}, nil
}

// GetTenant describes the tenant of the caller.
func (s *server) GetTenant(ctx context.Context, _ GetTenantRequestObject) (GetTenantResponseObject, error) {
	info, err := s.tenant(ctx).Info(ctx)
	return GetTenant200JSONResponse(ownTenant(info)), err
}

// RenameTenant changes the name that people read, and by which they may log in: none by
// which another tenant goes.
func (s *server) RenameTenant(ctx context.Context, request RenameTenantRequestObject) (RenameTenantResponseObject, error) {
	info, err := s.tenant(ctx).AmendTenant(ctx, principal(ctx).Actor, func(i *catalog.TenantInfo) { i.Name = request.Body.Name })
	if errors.Is(err, catalog.ErrConflict) {
		return nil, conflict.in(fieldError("name", "taken", "another tenant goes by this name: choose another"))
	}
	return RenameTenant200JSONResponse(ownTenant(info)), err
}

// SetSetup notes how far the guided set-up has come.
func (s *server) SetSetup(ctx context.Context, request SetSetupRequestObject) (SetSetupResponseObject, error) {
	info, err := s.tenant(ctx).AmendTenant(ctx, principal(ctx).Actor, func(i *catalog.TenantInfo) { i.Settings.Setup = request.Body.Step })
	return SetSetup200JSONResponse(ownTenant(info)), err
}

// SetTenantSettings puts the choices of a tenant in the place of those that it had, if
// these are still the ones that the caller has seen.
func (s *server) SetTenantSettings(ctx context.Context, request SetTenantSettingsRequestObject) (SetTenantSettingsResponseObject, error) {
	b, stale := *request.Body, false
	info, err := s.tenant(ctx).AmendTenant(ctx, principal(ctx).Actor, func(i *catalog.TenantInfo) {
		if stale = b.Tag != "" && b.Tag != settingsOf(*i).Tag; !stale {
			i.Settings.Seal, i.Settings.NoRendition, i.Settings.ReceiptAfter, i.Settings.Zone = b.Seal, b.NoRendition, b.ReceiptAfter, b.Zone
		}
	})
	if stale {
		return nil, conflict.because("somebody changed the settings in the meantime: look at them again, and send their tag")
	}
	return SetTenantSettings200JSONResponse(ownTenant(info)), err
}

// firstStep is where the guided set-up begins.
const firstStep = "name"

func ownTenant(i catalog.TenantInfo) OwnTenant {
	return OwnTenant{ID: i.ID, Name: i.Name, Created: i.Created, Setup: cmp.Or(i.Settings.Setup, firstStep), Settings: settingsOf(i)}
}

func settingsOf(i catalog.TenantInfo) TenantSettings {
	s := TenantSettings{Seal: i.Settings.Seal, NoRendition: i.Settings.NoRendition, ReceiptAfter: i.Settings.ReceiptAfter, Zone: i.Settings.Zone}
	s.Tag = fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q", s)))[:16]
	return s
}
