package catalog

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"bestand/preservation"
)

// TenantInfo describes a municipality on this installation.
type TenantInfo struct {
	ID       preservation.TenantID `json:"id"`
	Name     string                `json:"name"`
	Settings Settings              `json:"settings"`
	Created  time.Time             `json:"created"`
}

// Settings are the choices of one tenant. Zero values mean the installation's default.
type Settings struct {
	// LockMode of new objects: COMPLIANCE (default) or GOVERNANCE.
	LockMode preservation.LockMode `json:"lock_mode,omitempty"`
	// NoRendition says what happens to a record with a file that cannot be
	// converted: "archive" (default) keeps the original with the finding,
	// "quarantine" waits for a person.
	NoRendition string `json:"no_rendition,omitempty"`
	// Seal is the level of seals: "B-B", "B-T" or "B-LT" (default), which only PDF
	// files reach.
	Seal string `json:"seal,omitempty"`
	// ReceiptAfter says when the sender may delete its copy: "stored", or "replicated"
	// once the second copy was read back, which is the default where there is one.
	ReceiptAfter string `json:"receipt_after,omitempty"`
	// Zone is the time zone of schedules and retention; Europe/Berlin by default.
	Zone string `json:"zone,omitempty"`
	// Setup is the step of the guided set-up that comes next, or SetupDone or
	// SetupSkipped once it has ended; empty before it has begun.
	Setup string `json:"setup,omitempty"`
}

// How the guided set-up of a tenant ended.
const (
	SetupDone    = "done"
	SetupSkipped = "skipped"
)

// Tenant is the handle through which all data of one municipality are reached.
type Tenant struct {
	db *DB
	id preservation.TenantID
	// job is what a handler works on: see during.
	job *Job
}

// Tenant returns the handle of a tenant, whether or not it exists: what is
// asked of a tenant that does not exist is ErrNotFound or empty.
func (db *DB) Tenant(id preservation.TenantID) *Tenant { return &Tenant{db: db, id: id} }

// ID returns the tenant's identifier.
func (t *Tenant) ID() preservation.TenantID { return t.id }

// DB returns the catalog of the whole installation.
func (t *Tenant) DB() *DB { return t.db }

// Now returns the time of the catalog's clock.
func (db *DB) Now() time.Time { return db.now() }

// goesBy reports whether people may mean a tenant by a name: its identifier, or what it
// is called, in capitals or not.
func (i TenantInfo) goesBy(name string) bool {
	name = strings.TrimSpace(name)
	return name != "" && (strings.EqualFold(name, string(i.ID)) || strings.EqualFold(name, strings.TrimSpace(i.Name)))
}

// lockTenants excludes other transactions that change descriptions of tenants until this
// one ends. They are compared with each other, so that one lock is for all tenants.
func (x *tx) lockTenants() error { return x.lock("", KindTenant) }

// alone refuses, with ErrConflict, a tenant whose identifier or name means another one
// already: whose people could not log in by it any more. It needs lockTenants.
func (x *tx) alone(info TenantInfo) error {
	rows, err := x.query(`SELECT id, name, settings, created_ms FROM tenant WHERE id <> $1`, string(info.ID))
	others, err := collect(rows, err, scanTenant)
	if err != nil {
		return err
	}
	for _, other := range others {
		if other.goesBy(info.Name) {
			return fmt.Errorf("another tenant goes by the name %q: %w", info.Name, ErrConflict)
		}
		if other.goesBy(string(info.ID)) {
			return fmt.Errorf("another tenant goes by the name %q: %w", info.ID, ErrConflict)
		}
	}
	return nil
}

// TenantFree refuses, with ErrConflict as CreateTenant does, a tenant that cannot be added.
// It keeps nobody from taking identifier or name after that.
func (db *DB) TenantFree(ctx context.Context, info TenantInfo) error {
	return db.write(ctx, func(x *tx) error {
		var taken int
		if err := x.queryRow(`SELECT COUNT(*) FROM tenant WHERE id = $1`, string(info.ID)).Scan(&taken); err != nil {
			return err
		}
		if taken > 0 {
			return tenantTaken(info.ID)
		}
		return x.alone(info)
	})
}

func tenantTaken(id preservation.TenantID) error {
	return fmt.Errorf("there is a tenant %s already: %w", id, ErrConflict)
}

// CreateTenant adds a tenant. ErrConflict when the identifier is taken, or when another
// tenant goes by the identifier or the name.
func (db *DB) CreateTenant(ctx context.Context, info TenantInfo, actor string) error {
	if !info.ID.Valid() {
		return fmt.Errorf("tenant %q: want lower-case letters, digits and hyphens, at most 40", info.ID)
	}
	settings, err := json.Marshal(info.Settings)
	if err != nil {
		return err
	}
	return db.write(ctx, func(x *tx) error {
		if err := x.lockTenants(); err != nil {
			return err
		}
		if err := x.alone(info); err != nil {
			return err
		}
		_, err := x.exec(`INSERT INTO tenant (id, name, settings, created_ms) VALUES ($1, $2, $3, $4)`,
			string(info.ID), info.Name, string(settings), ms(db.now()))
		if unique(err) {
			return tenantTaken(info.ID)
		}
		if err != nil {
			return err
		}
		if _, err := x.exec(`INSERT INTO audit_head (tenant, seq, hash) VALUES ($1, 0, '')`, string(info.ID)); err != nil {
			return err
		}
		return x.audit(info.ID, AuditEntry{Actor: actor, Action: "tenant.create", Object: string(info.ID)})
	})
}

// Tenants lists all tenants by identifier.
func (db *DB) Tenants(ctx context.Context) ([]TenantInfo, error) {
	rows, err := db.reader.QueryContext(ctx, `SELECT id, name, settings, created_ms FROM tenant ORDER BY id`)
	return collect(rows, err, scanTenant)
}

// Info returns the tenant's description, or ErrNotFound.
func (t *Tenant) Info(ctx context.Context) (TenantInfo, error) {
	info, err := scanTenant(t.db.reader.QueryRowContext(ctx, `SELECT id, name, settings, created_ms FROM tenant WHERE id = $1`, string(t.id)))
	return info, found(err, "tenant", string(t.id))
}

type scanner interface{ Scan(...any) error }

func scanTenant(row scanner) (i TenantInfo, err error) {
	var settings string
	var created int64
	if err := row.Scan(&i.ID, &i.Name, &settings, &created); err != nil {
		return i, err
	}
	i.Created = fromMS(created)
	return i, json.Unmarshal([]byte(settings), &i.Settings)
}

// collect scans all rows of a query.
func collect[T any](rows answer, err error, scan func(scanner) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// found turns the absence of a row into ErrNotFound that names the thing.
func found(err error, kind, id string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s %s: %w", kind, id, ErrNotFound)
	}
	return err
}

// fromJSON decodes a column that this package wrote.
func fromJSON[T any](s string) (v T, err error) {
	if s == "" {
		return v, nil
	}
	err = json.Unmarshal([]byte(s), &v)
	return v, err
}

// toJSON encodes a value whose type always encodes.
func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err))
	}
	return string(b)
}
