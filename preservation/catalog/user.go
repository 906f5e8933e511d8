package catalog

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bestand/preservation"
)

// User is a person who logs in at the pages.
type User struct {
	ID           string
	Tenant       preservation.TenantID
	Name         string // to log in with; also the actor of what the person does
	Label        string // the person's name as others read it
	Roles        []string
	Installation bool      // may manage tenants
	Password     string    // argon2id in PHC form, never the password itself
	MustChange   bool      // the password is known to whoever made the account
	Failures     int       // attempts in a row that did not succeed
	Barred       time.Time // no attempt counts before; zero when there was none too many
	Locked       time.Time // by an administrator; zero when not
	LastLogin    time.Time
	CreatedBy    string
	Created      time.Time
	// Issuer and Subject are those of the OpenID provider that vouches for the person;
	// "" for who has a password here.
	Issuer, Subject string
	// OnePerson is the same for all accounts of one person; "" for the only one.
	OnePerson string
}

const userColumns = `id, tenant, name, label, roles, installation, password, must_change, failures, barred_ms, locked_ms, login_ms, created_by, created_ms, issuer, subject, one_person`

// CreateUser adds a person to this tenant. ErrConflict when the name is taken.
func (t *Tenant) CreateUser(ctx context.Context, u User, actor string) (User, error) {
	u.ID = preservation.NewID(t.db.now())
	u.Tenant, u.CreatedBy, u.Created = t.id, actor, fromMS(ms(t.db.now()))
	return u, t.db.write(ctx, func(x *tx) error { return x.insertUser(u) })
}

func (x *tx) insertUser(u User) error {
	_, err := x.exec(`INSERT INTO person (`+userColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, 0, $9, $10, $11, $12, '')`,
		u.ID, string(u.Tenant), u.Name, u.Label, strings.Join(u.Roles, " "), bit(u.Installation), u.Password, bit(u.MustChange), u.CreatedBy, ms(u.Created), u.Issuer, u.Subject)
	if unique(err) {
		return fmt.Errorf("user %s: %w", u.Name, ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("create user: %w", err)
	}
	detail := map[string]string{"user": u.Name, "roles": strings.Join(u.Roles, " ")}
	if u.Issuer != "" {
		detail["issuer"], detail["subject"] = u.Issuer, u.Subject
	}
	return x.audit(u.Tenant, AuditEntry{Actor: u.CreatedBy, Action: "user.create", Object: u.ID, Detail: detail})
}

// Users lists the tenant's people after an identifier, oldest account first.
func (t *Tenant) Users(ctx context.Context, after string, limit int) ([]User, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+userColumns+` FROM person WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3`, string(t.id), after, limit)
	return collect(rows, err, scanUser)
}

// User returns a person, or ErrNotFound.
func (t *Tenant) User(ctx context.Context, id string) (User, error) {
	u, err := scanUser(t.db.reader.QueryRowContext(ctx, `SELECT `+userColumns+` FROM person WHERE tenant = $1 AND id = $2`, string(t.id), id))
	return u, found(err, "user", id)
}

// UserByName returns the person with a name, or ErrNotFound.
func (t *Tenant) UserByName(ctx context.Context, name string) (User, error) {
	u, err := scanUser(t.db.reader.QueryRowContext(ctx, `SELECT `+userColumns+` FROM person WHERE tenant = $1 AND name = $2`, string(t.id), name))
	return u, found(err, "user", name)
}

// SetPassword replaces a person's password, ends all sessions but the one to keep,
// and forgets failed attempts. mustChange says that somebody else knows it.
func (t *Tenant) SetPassword(ctx context.Context, id, password string, mustChange bool, keep, actor string) error {
	return t.db.write(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE person SET password = $3, must_change = $4, failures = 0, barred_ms = 0 WHERE tenant = $1 AND id = $2`,
			string(t.id), id, password, bit(mustChange))
		if err == nil && n == 0 {
			err = fmt.Errorf("user %s: %w", id, ErrNotFound)
		}
		if err != nil {
			return err
		}
		if _, err := x.exec(`DELETE FROM session WHERE person_id = $1 AND hash <> $2`, id, keep); err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: "user.password", Object: id})
	})
}

// SetUserRoles replaces what a person may do.
func (t *Tenant) SetUserRoles(ctx context.Context, id string, roles []string, actor string) error {
	return t.db.write(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE person SET roles = $3 WHERE tenant = $1 AND id = $2`, string(t.id), id, strings.Join(roles, " "))
		if err == nil && n == 0 {
			err = fmt.Errorf("user %s: %w", id, ErrNotFound)
		}
		if err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: "user.roles", Object: id, Detail: map[string]string{"roles": strings.Join(roles, " ")}})
	})
}

// RenameUser changes the name that others read; the one to log in with stays.
func (t *Tenant) RenameUser(ctx context.Context, id, label, actor string) error {
	return t.db.write(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE person SET label = $3 WHERE tenant = $1 AND id = $2`, string(t.id), id, label)
		if err == nil && n == 0 {
			err = fmt.Errorf("user %s: %w", id, ErrNotFound)
		}
		if err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: "user.rename", Object: id})
	})
}

// LockUser shuts a person out and ends the person's sessions, or lets it in again.
// What is so already stays so.
func (t *Tenant) LockUser(ctx context.Context, id string, locked bool, actor string) error {
	return t.db.write(ctx, func(x *tx) error {
		at, action := int64(0), "user.unlock"
		if locked {
			at, action = ms(t.db.now()), "user.lock"
			if _, err := x.exec(`DELETE FROM session WHERE person_id IN (SELECT id FROM person WHERE tenant = $1 AND id = $2)`, string(t.id), id); err != nil {
				return err
			}
		}
		n, err := x.exec(`UPDATE person SET locked_ms = $3, failures = 0, barred_ms = 0 WHERE tenant = $1 AND id = $2`, string(t.id), id, at)
		if err == nil && n == 0 {
			err = fmt.Errorf("user %s: %w", id, ErrNotFound)
		}
		if err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: action, Object: id})
	})
}

// LoginFailed counts an attempt with a wrong password. From the given number of
// attempts in a row on none counts for a while.
func (t *Tenant) LoginFailed(ctx context.Context, id string, attempts int, pause time.Duration) error {
	return t.db.write(ctx, func(x *tx) error {
		now := t.db.now()
		if _, err := x.exec(`UPDATE person SET failures = failures + 1, barred_ms = CASE WHEN failures + 1 >= $3 THEN $4 ELSE barred_ms END
			WHERE tenant = $1 AND id = $2`, string(t.id), id, attempts, ms(now.Add(pause))); err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: "system", Action: "user.login.failed", Object: id})
	})
}

func scanUser(row scanner) (u User, err error) {
	var roles string
	var inst, must, barred, locked, login, created int64
	if err := row.Scan(&u.ID, &u.Tenant, &u.Name, &u.Label, &roles, &inst, &u.Password, &must, &u.Failures, &barred, &locked, &login, &u.CreatedBy, &created, &u.Issuer, &u.Subject, &u.OnePerson); err != nil {
		return u, err
	}
	u.Roles, u.Installation, u.MustChange = strings.Fields(roles), inst == 1, must == 1
	u.Barred, u.Locked, u.LastLogin, u.Created = fromMS(barred), fromMS(locked), fromMS(login), fromMS(created)
	return u, nil
}
