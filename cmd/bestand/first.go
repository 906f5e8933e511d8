package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Where the first administrator's token and password are kept. The password has to
// be changed at the first login.
const (
	tokenFile    = "initial-admin-token"
	passwordFile = "initial-admin-password"
)

// firstStart gives an empty installation its first tenant and an administrator,
// whose token is printed once and kept in the data folder. It can be
// interrupted anywhere and goes on at the next start.
func (a *archive) firstStart(ctx context.Context, stdout io.Writer) error {
	tenants, err := a.catalog.Tenants(ctx)
	if err != nil {
		return err
	}
	if len(tenants) == 0 {
		if err := a.refuseForgotten(ctx); err != nil {
			return err
		}
		if _, err := a.addTenant(ctx, catalog.TenantInfo{ID: "musterstadt", Name: "Musterstadt"}, "system"); err != nil {
			return fmt.Errorf("create the first tenant: %w", err)
		}
		if tenants, err = a.catalog.Tenants(ctx); err != nil {
			return err
		}
	}
	for _, info := range tenants {
		if err := a.completeTenant(ctx, info); err != nil {
			return fmt.Errorf("complete tenant %s: %w", info.ID, err)
		}
	}
	t := a.catalog.Tenant(tenants[0].ID)
	if err := a.firstUser(ctx, t, stdout); err != nil {
		return err
	}
	have, err := t.Tokens(ctx, "", 1)
	if err != nil || len(have) > 0 {
		return err
	}
	secret, hash := auth.NewToken()
	// The file comes first: a token that nobody has seen would lock everybody out.
	if err := writeDurably(a.cfg.path(tokenFile), []byte(secret+"\n")); err != nil {
		return err
	}
	if _, err := t.CreateToken(ctx, catalog.Token{Actor: "admin", Label: "first administrator", Roles: allRoles(), Installation: true}, hash, "system"); err != nil {
		return fmt.Errorf("create the administrator's token: %w", err)
	}
	// Standard output is not the log, which goes to standard error.
	fmt.Fprintf(stdout, "Administrator's API token of tenant %s, shown once and kept in %s:\n\n  %s\n\n", t.ID(), a.cfg.path(tokenFile), secret)
	return nil
}

// firstUser gives a tenant without people an administrator who can log in at the
// pages.
func (a *archive) firstUser(ctx context.Context, t *catalog.Tenant, stdout io.Writer) error {
	have, err := t.Users(ctx, "", 1)
	if err != nil || len(have) > 0 {
		return err
	}
	password := auth.NewPassword()
	hash, err := auth.HashPassword(ctx, password)
	if err != nil {
		return err
	}
	// The file comes first, as with the token.
	if err := writeDurably(a.cfg.path(passwordFile), []byte(password+"\n")); err != nil {
		return err
	}
	_, err = t.CreateUser(ctx, catalog.User{Name: "admin", Label: "Administration", Roles: allRoles(), Installation: true, Password: hash, MustChange: true}, "system")
	if err != nil {
		return fmt.Errorf("create the administrator: %w", err)
	}
	fmt.Fprintf(stdout, "To log in at the pages of tenant %s for the first time: user admin, with the password kept in %s:\n\n  %s\n\n", t.ID(), a.cfg.path(passwordFile), password)
	return nil
}

func allRoles() (roles []string) {
	for _, r := range auth.Roles {
		roles = append(roles, string(r))
	}
	return roles
}

// refuseForgotten stops the first start of a catalog beside a store that holds
// tenants: the catalog was lost, and a new one would hide that.
func (a *archive) refuseForgotten(ctx context.Context) error {
	names, err := a.s3.Buckets(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		id, ok := strings.CutPrefix(name, a.cfg.S3BucketPrefix+"-")
		if !ok || id == "staging" || id == "probe" || !preservation.TenantID(id).Valid() {
			continue
		}
		b, err := a.s3.Bucket(ctx, name)
		if err != nil {
			return err
		}
		for _, err := range b.Versions(ctx, "cfg/") {
			if err != nil {
				return err
			}
			return fmt.Errorf("the catalog is empty, but bucket %s holds an archive: run bestand rebuild first", name)
		}
	}
	return nil
}

// completeTenant gives a tenant whose creation was interrupted what it lacks.
func (a *archive) completeTenant(ctx context.Context, info catalog.TenantInfo) error {
	t := a.catalog.Tenant(info.ID)
	_, err := t.View().Document(ctx, catalog.KindTenant, catalog.KindTenant, 0)
	if errors.Is(err, catalog.ErrNotFound) {
		err = t.DescribeTenant(ctx, info, "system")
	}
	if err != nil {
		return err
	}
	return a.officer.LoadSample(ctx, t, "system") // does nothing where there is a classification
}

// writeDurably writes a file that only its owner can read and that survives a
// power cut, or leaves nothing.
func writeDurably(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		if rm := os.Remove(tmp); !errors.Is(rm, fs.ErrNotExist) {
			err = errors.Join(err, rm)
		}
		return err
	}
	return syncFolder(path)
}
