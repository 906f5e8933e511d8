package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bestand/preservation"
)

// SamePerson notes that the account and the one with a name belong to one person, and
// so do all that were noted for either. With the name "" the account is the only one of
// its person again. ErrNotFound where there is no such account or name.
func (t *Tenant) SamePerson(ctx context.Context, id, name, actor string) error {
	return t.db.write(ctx, func(x *tx) error {
		u, err := scanUser(x.queryRow(`SELECT `+userColumns+` FROM person WHERE tenant = $1 AND id = $2`, string(t.id), id))
		if err != nil {
			return found(err, "user", id)
		}
		if name == "" {
			if _, err := x.exec(`UPDATE person SET one_person = '' WHERE id = $1`, id); err != nil {
				return err
			}
			return x.audit(t.id, AuditEntry{Actor: actor, Action: "user.person", Object: id, Detail: map[string]string{"user": u.Name}})
		}
		other, err := scanUser(x.queryRow(`SELECT `+userColumns+` FROM person WHERE tenant = $1 AND name = $2`, string(t.id), strings.ToLower(name)))
		if err != nil {
			return found(err, "user", name)
		}
		if other.ID == id {
			return fmt.Errorf("user %s: %w", name, ErrConflict)
		}
		mark := preservation.NewID(t.db.now())
		if _, err := x.exec(`UPDATE person SET one_person = $4 WHERE tenant = $1 AND (id IN ($2, $3) OR one_person <> '' AND one_person IN
			(SELECT one_person FROM person WHERE id IN ($2, $3)))`, string(t.id), id, other.ID, mark); err != nil {
			return err
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: "user.person", Object: id, Detail: map[string]string{"user": u.Name, "same_as": other.Name}})
	})
}

// Accounts are the names of all accounts of the person who acts under one: at least
// that one, whether there is such an account or not.
func (v View) Accounts(ctx context.Context, actor string) ([]string, error) {
	rows, err := v.q.QueryContext(ctx, `SELECT name FROM person WHERE tenant = $1 AND one_person <> '' AND one_person =
		(SELECT one_person FROM person WHERE tenant = $1 AND name = $2) ORDER BY name`, string(v.tenant), strings.ToLower(actor))
	all, err := collect(rows, err, func(row scanner) (name string, err error) { return name, row.Scan(&name) })
	return append([]string{actor}, slices.DeleteFunc(all, func(name string) bool { return strings.EqualFold(name, actor) })...), err
}
