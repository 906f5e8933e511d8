package api

import (
	"context"
	"errors"

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
	if errors.Is(err, catalog.ErrConflict) {
		return nil, conflict.because("there is a tenant %s already", b.ID)
	}
	if err != nil {
		return nil, err
	}
	_, secret, err := s.issue(ctx, s.config.Catalog.Tenant(b.ID), catalog.Token{Actor: b.Admin, Label: "first administrator", Roles: []string{string(auth.Admin)}})
	if err != nil {
		return nil, err
	}
	return CreateTenant201JSONResponse{Tenant: Tenant{ID: info.ID, Name: info.Name, Created: info.Created}, Token: secret}, nil
}
