package catalog

import (
	"context"
	"fmt"
	"strings"
	"time"

	"bestand/preservation"
)

// Token is an API token. Its secret is never stored, only the SHA-256 of it.
type Token struct {
	ID           string                `json:"id"`
	Tenant       preservation.TenantID `json:"tenant"`
	Actor        string                `json:"actor"` // the person or system that acts with it: two tokens of one actor are one person
	Label        string                `json:"label,omitempty"`
	Roles        []string              `json:"roles"`
	Installation bool                  `json:"installation,omitempty"` // may manage tenants
	CreatedBy    string                `json:"created_by"`
	Created      time.Time             `json:"created"`
	Expires      time.Time             `json:"expires,omitzero"`
	Revoked      time.Time             `json:"revoked,omitzero"`
}

// Active reports whether the token may be used at the given time.
func (t Token) Active(now time.Time) bool {
	return t.Revoked.IsZero() && (t.Expires.IsZero() || now.Before(t.Expires))
}

const tokenColumns = `id, tenant, actor, label, roles, installation, created_by, created_ms, expires_ms, revoked_ms`

// CreateToken stores a token of this tenant by the hash (lower-case hex) of its secret.
func (t *Tenant) CreateToken(ctx context.Context, k Token, hash, actor string) (Token, error) {
	k.ID = preservation.NewID(t.db.now())
	k.Tenant, k.CreatedBy, k.Created = t.id, actor, fromMS(ms(t.db.now()))
	return k, t.db.write(ctx, func(x *tx) error {
		_, err := x.exec(`INSERT INTO token (`+tokenColumns+`, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			k.ID, string(t.id), k.Actor, k.Label, strings.Join(k.Roles, " "), bit(k.Installation), k.CreatedBy, ms(k.Created), ms(k.Expires), int64(0), hash)
		if err != nil {
			return fmt.Errorf("create token: %w", err)
		}
		return x.audit(t.id, AuditEntry{Actor: actor, Action: "token.create", Object: k.ID,
			Detail: map[string]string{"actor": k.Actor, "roles": strings.Join(k.Roles, " ")}})
	})
}

// TokenByHash finds a token of any tenant by the hash of its secret, revoked
// and expired ones too.
func (db *DB) TokenByHash(ctx context.Context, hash string) (Token, error) {
	k, err := scanToken(db.reader.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM token WHERE hash = $1`, hash))
	return k, found(err, "token", "with this secret")
}

// Tokens lists the tenant's tokens after an identifier, oldest first.
func (t *Tenant) Tokens(ctx context.Context, after string, limit int) ([]Token, error) {
	rows, err := t.db.reader.QueryContext(ctx, `SELECT `+tokenColumns+` FROM token WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3`, string(t.id), after, limit)
	return collect(rows, err, scanToken)
}

// RevokeToken ends a token for ever. Revoking again changes nothing.
func (t *Tenant) RevokeToken(ctx context.Context, id, actor string) error {
	return t.db.write(ctx, func(x *tx) error {
		n, err := x.exec(`UPDATE token SET revoked_ms = $3 WHERE tenant = $1 AND id = $2 AND revoked_ms = 0`, string(t.id), id, ms(t.db.now()))
		if err != nil || n == 1 {
			if err == nil {
				err = x.audit(t.id, AuditEntry{Actor: actor, Action: "token.revoke", Object: id})
			}
			return err
		}
		var have string
		return found(x.queryRow(`SELECT id FROM token WHERE tenant = $1 AND id = $2`, string(t.id), id).Scan(&have), "token", id)
	})
}

func scanToken(row scanner) (k Token, err error) {
	var roles string
	var inst, created, expires, revoked int64
	if err := row.Scan(&k.ID, &k.Tenant, &k.Actor, &k.Label, &roles, &inst, &k.CreatedBy, &created, &expires, &revoked); err != nil {
		return k, err
	}
	k.Roles, k.Installation = strings.Fields(roles), inst == 1
	k.Created, k.Expires, k.Revoked = fromMS(created), fromMS(expires), fromMS(revoked)
	return k, nil
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
