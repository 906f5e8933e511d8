package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"bestand/preservation"
)

// Vouched is what an OpenID provider says of a person who logs in. Issuer and Subject
// name the person, and nothing else does: names and addresses are handed on to others.
type Vouched struct {
	Issuer, Subject string
	// Name is what the account is called if no other one is, Otherwise if one is.
	// An account that there is keeps its name, which stands in the audit log.
	Name, Otherwise string
	Label           string
	Roles           map[preservation.TenantID][]string
}

// Vouch brings the accounts of a person in all tenants to what the provider says,
// and ends the sessions of those that have no roles any more. In the tenant that the
// person logs in to an account is made where there is none; it is returned, locked or
// not. ErrNotFound when the person has no role there, or no tenant is named.
func (db *DB) Vouch(ctx context.Context, v Vouched, tenant preservation.TenantID) (u User, err error) {
	if v.Issuer == "" || v.Subject == "" {
		return u, errors.New("a person without issuer and subject")
	}
	made := User{Tenant: tenant, Label: v.Label, Roles: v.Roles[tenant], Issuer: v.Issuer, Subject: v.Subject, CreatedBy: "system", Created: fromMS(ms(db.now()))}
	for range 3 { // another login of the same person, or of the same name, may come first
		made.ID = preservation.NewID(db.now())
		err = db.write(ctx, func(x *tx) error { return x.vouch(v, made) })
		if !errors.Is(err, ErrConflict) {
			break
		}
	}
	if err != nil {
		return u, err
	}
	if tenant == "" || len(v.Roles[tenant]) == 0 {
		return u, fmt.Errorf("roles of %s in tenant %s: %w", v.Subject, tenant, ErrNotFound)
	}
	u, err = scanUser(db.reader.QueryRowContext(ctx, `SELECT `+userColumns+` FROM person WHERE tenant = $1 AND issuer = $2 AND subject = $3`, string(tenant), v.Issuer, v.Subject))
	return u, found(err, "user", v.Subject)
}

func (x *tx) vouch(v Vouched, made User) error {
	rows, err := x.query(`SELECT `+userColumns+` FROM person WHERE issuer = $1 AND subject = $2 ORDER BY tenant`, v.Issuer, v.Subject)
	known, err := collect(rows, err, scanUser)
	if err != nil {
		return err
	}
	for _, u := range known {
		roles := v.Roles[u.Tenant]
		if u.Label != v.Label || !slices.Equal(u.Roles, roles) {
			if _, err := x.exec(`UPDATE person SET label = $2, roles = $3 WHERE id = $1`, u.ID, v.Label, strings.Join(roles, " ")); err != nil {
				return err
			}
		}
		if len(roles) == 0 {
			if _, err := x.exec(`DELETE FROM session WHERE person_id = $1`, u.ID); err != nil {
				return err
			}
		}
		if !slices.Equal(u.Roles, roles) {
			if err := x.audit(u.Tenant, AuditEntry{Actor: "system", Action: "user.roles", Object: u.ID, Detail: map[string]string{"roles": strings.Join(roles, " "), "issuer": v.Issuer}}); err != nil {
				return err
			}
		}
	}
	if len(made.Roles) == 0 || slices.ContainsFunc(known, func(u User) bool { return u.Tenant == made.Tenant }) {
		return nil
	}
	var taken int64
	if err := x.queryRow(`SELECT (SELECT COUNT(*) FROM person WHERE tenant = $1 AND name = $2) + (SELECT COUNT(*) FROM token WHERE tenant = $1 AND actor = $2)`,
		string(made.Tenant), v.Name).Scan(&taken); err != nil {
		return err
	}
	made.Name = v.Name
	if taken > 0 || v.Name == "system" || v.Name == "cli" { // as the archive calls itself in the audit log
		made.Name = v.Otherwise
	}
	return x.insertUser(made)
}

// LoginRefused notes that somebody whom an OpenID provider knows was not let in, or
// that its answer was not believed, so many times. reason is a code; who is "" when
// nobody knows.
func (t *Tenant) LoginRefused(ctx context.Context, who User, reason string, times int) error {
	detail := map[string]string{"reason": reason, "issuer": who.Issuer}
	if times > 1 {
		detail["times"] = strconv.Itoa(times)
	}
	if who.Subject != "" {
		detail["subject"] = who.Subject
	}
	return t.Audit(ctx, AuditEntry{Actor: "system", Action: "user.login.refused", Object: who.ID, Detail: detail})
}

// IDToken is what the provider gave for a session, "" for one that began with a
// password.
func (t *Tenant) IDToken(ctx context.Context, hash string) (token string, err error) {
	err = t.db.reader.QueryRowContext(ctx, `SELECT s.id_token FROM session s JOIN person p ON p.id = s.person_id WHERE s.hash = $2 AND p.tenant = $1`, string(t.id), hash).Scan(&token)
	return token, found(err, "session", "of this browser")
}
