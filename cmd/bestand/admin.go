package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/objectstore"
)

// openCatalog opens the catalog alone, which may be done beside a running service: it
// stays in the form that it has.
func openCatalog(ctx context.Context, cfg *Config) (*catalog.DB, error) {
	db, err := catalog.Open(ctx, catalog.Config{URL: cfg.catalogURL(), AsItIs: true})
	if errors.Is(err, catalog.ErrOlder) || errors.Is(err, catalog.ErrNewer) {
		err = fmt.Errorf("catalog %s is of another release: start the service with this one, or use the program that the service was started with: %w", catalog.Redact(cfg.catalogURL()), err)
	}
	return db, err
}

// catalogURL says where the catalog is; in the data folder if nothing else is said.
func (c *Config) catalogURL() string {
	if c.Catalog == "" {
		return "sqlite:" + c.path("catalog.db")
	}
	return c.Catalog
}

// openTenant is openCatalog for one tenant, which there has to be. The caller closes its DB.
func openTenant(ctx context.Context, cfg *Config, id string) (*catalog.Tenant, error) {
	db, err := openCatalog(ctx, cfg)
	if err != nil {
		return nil, err
	}
	t := db.Tenant(preservation.TenantID(id))
	if _, err := t.Info(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return t, nil
}

func tenantCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("want: bestand tenant create|list|settings")}
	}
	if args[0] == "settings" {
		return tenantSettings(ctx, args[1:], stdout, stderr)
	}
	fs := flags("tenant "+args[0], stderr)
	var id, name string
	var asJSON bool
	switch args[0] {
	case "create":
		fs.StringVar(&id, "id", "", "`name` in addresses and buckets: lower-case letters, digits, hyphens")
		fs.StringVar(&name, "name", "", "`name` for people")
	case "list":
		fs.BoolVar(&asJSON, "json", false, "JSON lines")
	default:
		return usageError{fmt.Errorf("bestand tenant %s: want create, list or settings", args[0])}
	}
	cfg, err := loadConfig(fs, args[1:])
	if err != nil {
		return err
	}
	if args[0] == "create" {
		return createTenant(ctx, cfg, catalog.TenantInfo{ID: preservation.TenantID(id), Name: name}, stdout, stderr)
	}
	db, err := openCatalog(ctx, cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.Tenants(ctx)
	if err != nil {
		return err
	}
	return list(stdout, asJSON, all, func(t catalog.TenantInfo) string {
		return fmt.Sprintf("%s\t%s\t%s", t.ID, t.Name, t.Created.Format(time.DateOnly))
	})
}

func createTenant(ctx context.Context, cfg *Config, info catalog.TenantInfo, stdout, stderr io.Writer) error {
	a, err := open(ctx, cfg, newLog(cfg, stderr))
	if errors.Is(err, errRunning) {
		return fmt.Errorf("%w; ask it instead: POST /v1/tenants", err)
	}
	if err != nil {
		return err
	}
	if info.Name == "" {
		info.Name = string(info.ID)
	}
	info, err = a.addTenant(ctx, info, "cli")
	if err == nil {
		fmt.Fprintf(stdout, "tenant %s created; bestand token create --tenant %s makes its first token\n", info.ID, info.ID)
	}
	return errors.Join(err, a.close())
}

func tokenCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("want: bestand token create|list|revoke")}
	}
	fs := flags("token "+args[0], stderr)
	tenant := fs.String("tenant", "musterstadt", "`tenant`")
	var k catalog.Token
	var roles csv
	var days int
	var id string
	var asJSON bool
	switch args[0] {
	case "create":
		fs.StringVar(&k.Actor, "actor", "", "the person or system that acts with it; two tokens of one actor are one person")
		fs.StringVar(&k.Label, "label", "", "what it is for")
		fs.Var(&roles, "roles", "`roles`, separated by commas: "+strings.Join(allRoles(), ", "))
		fs.IntVar(&days, "days", 365, "`days` until it expires; 0 for never")
	case "list":
		fs.BoolVar(&asJSON, "json", false, "JSON lines")
	case "revoke":
		fs.StringVar(&id, "id", "", "`identifier` from the list")
	default:
		return usageError{fmt.Errorf("bestand token %s: want create, list or revoke", args[0])}
	}
	cfg, err := loadConfig(fs, args[1:])
	if err != nil {
		return err
	}
	t, err := openTenant(ctx, cfg, *tenant)
	if err != nil {
		return err
	}
	defer t.DB().Close()
	switch args[0] {
	case "create":
		return createToken(ctx, t, k, roles, days, stdout)
	case "revoke":
		return t.RevokeToken(ctx, id, "cli")
	}
	all, err := t.Tokens(ctx, "", 10_000)
	if err != nil {
		return err
	}
	now := time.Now()
	return list(stdout, asJSON, all, func(k catalog.Token) string {
		state := "active"
		if !k.Active(now) {
			state = "ended"
		}
		return fmt.Sprintf("%s\t%s\t%v\t%s\t%s", k.ID, k.Actor, k.Roles, state, k.Label)
	})
}

func createToken(ctx context.Context, t *catalog.Tenant, k catalog.Token, roles csv, days int, stdout io.Writer) error {
	if k.Actor == "" || len(roles) == 0 {
		return usageError{errors.New("--actor and --roles are needed")}
	}
	if err := rolesExist(roles); err != nil {
		return err
	}
	slices.Sort(roles)
	k.Roles = slices.Compact(roles)
	if days > 0 {
		k.Expires = time.Now().AddDate(0, 0, days)
	}
	secret, hash := auth.NewToken()
	k, err := t.CreateToken(ctx, k, hash, "cli")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, secret)
	return err
}

func rolesExist(roles []string) error {
	for _, r := range roles {
		if !auth.Role(r).Valid() {
			return usageError{fmt.Errorf("there is no role %q; roles are %v", r, auth.Roles)}
		}
	}
	return nil
}

// list prints rows as a table or as JSON lines.
func list[T any](w io.Writer, asJSON bool, rows []T, line func(T) string) error {
	if asJSON {
		enc := json.NewEncoder(w)
		for _, r := range rows {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(tw, line(r))
	}
	return tw.Flush()
}

// objectstoreCommand is the child that serve starts.
func objectstoreCommand(ctx context.Context, _ []string, _, _ io.Writer) error {
	return objectstore.Main(ctx)
}
