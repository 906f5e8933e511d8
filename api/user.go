package api

import (
	"context"
	"errors"

	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// ListUsers lists the people of the tenant.
func (s *server) ListUsers(ctx context.Context, request ListUsersRequestObject) (ListUsersResponseObject, error) {
	limit := pageSize(request.Params.Limit)
	if err := afterID(request.Params.After); err != nil {
		return nil, err
	}
	users, err := s.tenant(ctx).Users(ctx, request.Params.After, limit+1)
	if err != nil {
		return nil, err
	}
	users, next := page(users, limit, func(u catalog.User) string { return u.ID })
	answer := ListUsers200JSONResponse{Items: make([]User, len(users)), Next: next}
	for i, u := range users {
		answer.Items[i] = user(u)
	}
	return answer, nil
}

// CreateUser adds a person.
func (s *server) CreateUser(ctx context.Context, request CreateUserRequestObject) (CreateUserResponseObject, error) {
	b := *request.Body
	password, hash, err := firstPassword(ctx)
	if err != nil {
		return nil, err
	}
	made, err := s.tenant(ctx).CreateUser(ctx, catalog.User{Name: b.Name, Label: b.Label, Roles: names(b.Roles), Password: hash, MustChange: true}, principal(ctx).Actor)
	if errors.Is(err, catalog.ErrConflict) {
		return nil, conflict.because("there is a user %s already", b.Name)
	}
	if err != nil {
		return nil, err
	}
	return CreateUser201JSONResponse{User: user(made), Password: password}, nil
}

// ResetPassword gives a person a new password for the next login.
func (s *server) ResetPassword(ctx context.Context, request ResetPasswordRequestObject) (ResetPasswordResponseObject, error) {
	if _, err := s.own(ctx, request.ID); err != nil {
		return nil, err
	}
	password, hash, err := firstPassword(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.tenant(ctx).SetPassword(ctx, request.ID, hash, true, "", principal(ctx).Actor); err != nil {
		return nil, err
	}
	u, err := s.tenant(ctx).User(ctx, request.ID)
	return ResetPassword200JSONResponse{User: user(u), Password: password}, err
}

// SetUserRoles replaces what a person may do.
func (s *server) SetUserRoles(ctx context.Context, request SetUserRolesRequestObject) (SetUserRolesResponseObject, error) {
	if _, err := s.own(ctx, request.ID); err != nil {
		return nil, err
	}
	if err := s.tenant(ctx).SetUserRoles(ctx, request.ID, names(request.Body.Roles), principal(ctx).Actor); err != nil {
		return nil, err
	}
	u, err := s.tenant(ctx).User(ctx, request.ID)
	return SetUserRoles200JSONResponse(user(u)), err
}

// RenameUser changes the name by which others know a person.
func (s *server) RenameUser(ctx context.Context, request RenameUserRequestObject) (RenameUserResponseObject, error) {
	if _, err := s.own(ctx, request.ID); err != nil {
		return nil, err
	}
	if err := s.tenant(ctx).RenameUser(ctx, request.ID, request.Body.Label, principal(ctx).Actor); err != nil {
		return nil, err
	}
	u, err := s.tenant(ctx).User(ctx, request.ID)
	return RenameUser200JSONResponse(user(u)), err
}

// LockUser shuts a person out.
func (s *server) LockUser(ctx context.Context, request LockUserRequestObject) (LockUserResponseObject, error) {
	u, err := s.manageable(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	if u.Name == principal(ctx).Actor {
		return nil, conflict.because("nobody can lock themselves out: another administrator has to do it")
	}
	if err := s.tenant(ctx).LockUser(ctx, request.ID, true, principal(ctx).Actor); err != nil {
		return nil, err
	}
	u, err = s.tenant(ctx).User(ctx, request.ID)
	return LockUser200JSONResponse(user(u)), err
}

// UnlockUser lets a person in again.
func (s *server) UnlockUser(ctx context.Context, request UnlockUserRequestObject) (UnlockUserResponseObject, error) {
	if _, err := s.manageable(ctx, request.ID); err != nil {
		return nil, err
	}
	if err := s.tenant(ctx).LockUser(ctx, request.ID, false, principal(ctx).Actor); err != nil {
		return nil, err
	}
	u, err := s.tenant(ctx).User(ctx, request.ID)
	return UnlockUser200JSONResponse(user(u)), err
}

// manageable finds a person whom the caller may manage: who holds the
// installation is managed only by those who do.
func (s *server) manageable(ctx context.Context, id string) (catalog.User, error) {
	u, err := s.tenant(ctx).User(ctx, id)
	if err == nil && u.Installation && !principal(ctx).Installation {
		err = forbidden.because("the user holds the installation, which you do not")
	}
	return u, err
}

// own finds a person whom the caller may manage and whose name, password and roles are kept
// here, and not by an OpenID provider.
func (s *server) own(ctx context.Context, id string) (catalog.User, error) {
	u, err := s.manageable(ctx, id)
	if err == nil && u.Issuer != "" {
		err = conflict.because("%s keeps name, password and roles of this user: change them there", u.Issuer)
	}
	return u, err
}

func firstPassword(ctx context.Context) (password, hash string, err error) {
	password = auth.NewPassword()
	hash, err = auth.HashPassword(ctx, password)
	return password, hash, err
}

func user(u catalog.User) User {
	v := User{ID: u.ID, Name: u.Name, Label: u.Label, Roles: make([]Role, len(u.Roles)), Installation: u.Installation, MustChange: u.MustChange,
		Created: u.Created, CreatedBy: u.CreatedBy, LastLogin: u.LastLogin, Locked: u.Locked, Barred: u.Barred, Issuer: u.Issuer}
	for i, r := range u.Roles {
		v.Roles[i] = Role(r)
	}
	return v
}
