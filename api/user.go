package api

import (
	"context"
	"errors"
	"slices"

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
		if answer.Items[i], err = s.user(ctx, u); err != nil {
			return nil, err
		}
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
		return nil, conflict.in(fieldError("name", "taken", "there is a user of this name already: choose another"))
	}
	if err != nil {
		return nil, err
	}
	v, err := s.user(ctx, made)
	return CreateUser201JSONResponse{User: v, Password: password}, err
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
	v, err := s.stored(ctx, request.ID)
	return ResetPassword200JSONResponse{User: v, Password: password}, err
}

// SetUserRoles replaces what a person may do.
func (s *server) SetUserRoles(ctx context.Context, request SetUserRolesRequestObject) (SetUserRolesResponseObject, error) {
	if _, err := s.own(ctx, request.ID); err != nil {
		return nil, err
	}
	if err := s.tenant(ctx).SetUserRoles(ctx, request.ID, names(request.Body.Roles), principal(ctx).Actor); err != nil {
		return nil, err
	}
	v, err := s.stored(ctx, request.ID)
	return SetUserRoles200JSONResponse(v), err
}

// SetUserPerson notes whose accounts are one person's.
func (s *server) SetUserPerson(ctx context.Context, request SetUserPersonRequestObject) (SetUserPersonResponseObject, error) {
	t := s.tenant(ctx)
	u, err := s.manageable(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	if request.Body.SameAs == "" {
		if !principal(ctx).Session { // an administrator may give a token any actor
			return nil, forbidden.because("no token parts the accounts of a person: another administrator does it at the pages")
		}
		mine, err := t.View().Accounts(ctx, principal(ctx).Actor)
		if err != nil {
			return nil, err
		}
		if slices.Contains(mine, u.Name) {
			return nil, conflict.because("nobody parts their own accounts: another administrator has to do it")
		}
	}
	switch err = t.SamePerson(ctx, u.ID, request.Body.SameAs, principal(ctx).Actor); {
	case errors.Is(err, catalog.ErrNotFound):
		return nil, invalid.in(fieldError("same_as", "unknown", "there is no account with this name"))
	case errors.Is(err, catalog.ErrConflict):
		return nil, invalid.in(fieldError("same_as", "itself", "it is this account: name the other one"))
	case err != nil:
		return nil, err
	}
	v, err := s.stored(ctx, u.ID)
	return SetUserPerson200JSONResponse(v), err
}

// RenameUser changes the name by which others know a person.
func (s *server) RenameUser(ctx context.Context, request RenameUserRequestObject) (RenameUserResponseObject, error) {
	if _, err := s.own(ctx, request.ID); err != nil {
		return nil, err
	}
	if err := s.tenant(ctx).RenameUser(ctx, request.ID, request.Body.Label, principal(ctx).Actor); err != nil {
		return nil, err
	}
	v, err := s.stored(ctx, request.ID)
	return RenameUser200JSONResponse(v), err
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
	v, err := s.stored(ctx, request.ID)
	return LockUser200JSONResponse(v), err
}

// UnlockUser lets a person in again.
func (s *server) UnlockUser(ctx context.Context, request UnlockUserRequestObject) (UnlockUserResponseObject, error) {
	if _, err := s.manageable(ctx, request.ID); err != nil {
		return nil, err
	}
	if err := s.tenant(ctx).LockUser(ctx, request.ID, false, principal(ctx).Actor); err != nil {
		return nil, err
	}
	v, err := s.stored(ctx, request.ID)
	return UnlockUser200JSONResponse(v), err
}

// ListSessions lists where a person is logged in.
func (s *server) ListSessions(ctx context.Context, request ListSessionsRequestObject) (ListSessionsResponseObject, error) {
	if _, err := s.manageable(ctx, request.ID); err != nil {
		return nil, err
	}
	all, err := s.tenant(ctx).Sessions(ctx, request.ID, auth.SessionIdle)
	answer := ListSessions200JSONResponse{Items: make([]Session, len(all))}
	for i, x := range all {
		answer.Items[i] = Session{ID: x.ID, Agent: x.Agent, Begun: x.Created, Seen: x.Seen, Ends: x.Ends}
	}
	return answer, err
}

// EndSession logs a person out of one browser.
func (s *server) EndSession(ctx context.Context, request EndSessionRequestObject) (EndSessionResponseObject, error) {
	if _, err := s.manageable(ctx, request.ID); err != nil {
		return nil, err
	}
	return EndSession204Response{}, s.tenant(ctx).EndSession(ctx, request.ID, request.SessionID, principal(ctx).Actor)
}

// EndSessions logs a person out everywhere.
func (s *server) EndSessions(ctx context.Context, request EndSessionsRequestObject) (EndSessionsResponseObject, error) {
	if _, err := s.manageable(ctx, request.ID); err != nil {
		return nil, err
	}
	return EndSessions204Response{}, s.tenant(ctx).EndSessions(ctx, request.ID, principal(ctx).Actor)
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

// stored is a person as the catalog now knows them.
func (s *server) stored(ctx context.Context, id string) (User, error) {
	u, err := s.tenant(ctx).User(ctx, id)
	if err != nil {
		return User{}, err
	}
	return s.user(ctx, u)
}

func (s *server) user(ctx context.Context, u catalog.User) (User, error) {
	v := User{ID: u.ID, Name: u.Name, Label: u.Label, Roles: make([]Role, len(u.Roles)), Installation: u.Installation, MustChange: u.MustChange,
		Created: u.Created, CreatedBy: u.CreatedBy, LastLogin: u.LastLogin, Locked: u.Locked, Barred: u.Barred, Issuer: u.Issuer}
	for i, r := range u.Roles {
		v.Roles[i] = Role(r)
	}
	if u.OnePerson == "" {
		return v, nil
	}
	all, err := s.tenant(ctx).View().Accounts(ctx, u.Name)
	v.SameAs = all[1:]
	return v, err
}
