package api

import (
	"context"
	"slices"

	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// ListTokens lists the tokens of the tenant.
func (s *server) ListTokens(ctx context.Context, request ListTokensRequestObject) (ListTokensResponseObject, error) {
	limit := pageSize(request.Params.Limit)
	if err := afterID(request.Params.After); err != nil {
		return nil, err
	}
	tokens, err := s.tenant(ctx).Tokens(ctx, request.Params.After, limit+1)
	if err != nil {
		return nil, err
	}
	tokens, next := page(tokens, limit, func(t catalog.Token) string { return t.ID })
	answer := ListTokens200JSONResponse{Items: make([]Token, len(tokens)), Next: next}
	for i, t := range tokens {
		answer.Items[i] = token(t)
	}
	return answer, nil
}

// CreateToken makes a token. Nobody can hand on more than the tenant's own
// roles, save who holds the installation.
func (s *server) CreateToken(ctx context.Context, request CreateTokenRequestObject) (CreateTokenResponseObject, error) {
	who, b := principal(ctx), *request.Body
	elsewhere := b.Tenant != "" && b.Tenant != who.Tenant
	if elsewhere && !who.Installation {
		return nil, notFound.because("") // as if there were no other tenant
	}
	if b.Installation && !who.Installation {
		return nil, forbidden.because("only a token of the installation can grant it")
	}
	if !b.Expires.IsZero() && !b.Expires.After(s.now()) {
		return nil, invalid.in(fieldError("expires", "past", "must lie ahead"))
	}
	t := s.tenant(ctx)
	if elsewhere {
		t = s.config.Catalog.Tenant(b.Tenant)
		if _, err := t.Info(ctx); err != nil {
			return nil, err
		}
	}
	made, secret, err := s.issue(ctx, t, catalog.Token{Actor: b.Actor, Label: b.Label, Roles: names(b.Roles), Installation: b.Installation, Expires: b.Expires})
	if err != nil {
		return nil, err
	}
	v := token(made)
	return CreateToken201JSONResponse{ID: v.ID, Actor: v.Actor, Label: v.Label, Roles: v.Roles, Installation: v.Installation,
		Created: v.Created, CreatedBy: v.CreatedBy, Expires: v.Expires, Token: secret}, nil
}

// RevokeToken ends a token.
func (s *server) RevokeToken(ctx context.Context, request RevokeTokenRequestObject) (RevokeTokenResponseObject, error) {
	if err := s.tenant(ctx).RevokeToken(ctx, request.ID, principal(ctx).Actor); err != nil {
		return nil, err
	}
	return RevokeToken204Response{}, nil
}

// issue stores a token under the hash of a new secret.
func (s *server) issue(ctx context.Context, t *catalog.Tenant, k catalog.Token) (catalog.Token, string, error) {
	secret, hash := auth.NewToken()
	made, err := t.CreateToken(ctx, k, hash, principal(ctx).Actor)
	return made, secret, err
}

func token(t catalog.Token) Token {
	v := Token{ID: t.ID, Actor: t.Actor, Label: t.Label, Roles: make([]Role, len(t.Roles)), Installation: t.Installation,
		Created: t.Created, CreatedBy: t.CreatedBy, Expires: t.Expires, Revoked: t.Revoked}
	for i, r := range t.Roles {
		v.Roles[i] = Role(r)
	}
	return v
}

func names(roles []Role) (names []string) {
	for _, r := range roles {
		names = append(names, string(r))
	}
	slices.Sort(names)
	return names
}
