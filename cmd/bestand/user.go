package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bestand/api/auth"
	"bestand/preservation/catalog"
)

// userCommand manages the people who log in at the pages, beside a running service
// or without one.
func userCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("want: bestand user add|password|list|lock|unlock")}
	}
	fs := flags("user "+args[0], stderr)
	tenant := fs.String("tenant", "musterstadt", "`tenant`")
	var name, label string
	var roles csv
	var asJSON bool
	switch args[0] {
	case "add":
		fs.StringVar(&name, "name", "", "`name` to log in with, in lower case")
		fs.StringVar(&label, "label", "", "the person's `name` as others read it")
		fs.Var(&roles, "roles", "`roles`, separated by commas: "+strings.Join(allRoles(), ", "))
	case "password", "lock", "unlock":
		fs.StringVar(&name, "name", "", "`name` of the user")
	case "list":
		fs.BoolVar(&asJSON, "json", false, "JSON lines")
	default:
		return usageError{fmt.Errorf("bestand user %s: want add, password, list, lock or unlock", args[0])}
	}
	cfg, err := loadConfig(fs, args[1:])
	if err != nil {
		return err
	}
	if name == "" && args[0] != "list" {
		return usageError{errors.New("--name is needed")}
	}
	t, err := openTenant(ctx, cfg, *tenant)
	if err != nil {
		return err
	}
	defer t.DB().Close()
	switch args[0] {
	case "add":
		return addUser(ctx, t, catalog.User{Name: name, Label: label}, roles, stdout)
	case "list":
		return listUsers(ctx, t, asJSON, stdout)
	}
	u, err := t.UserByName(ctx, name)
	if err != nil {
		return err
	}
	if args[0] != "password" {
		return t.LockUser(ctx, u.ID, args[0] == "lock", "cli")
	}
	if u.Issuer != "" {
		return fmt.Errorf("%s keeps the password of %s: change it there", u.Issuer, u.Name)
	}
	return withPassword(ctx, stdout, func(hash string) error { return t.SetPassword(ctx, u.ID, hash, true, "", "cli") })
}

func addUser(ctx context.Context, t *catalog.Tenant, u catalog.User, roles csv, stdout io.Writer) error {
	if !auth.ValidName(u.Name) {
		return usageError{fmt.Errorf("--name %q: want lower-case letters, digits, dots, hyphens, underscores or @, at least two", u.Name)}
	}
	if len(roles) == 0 {
		return usageError{errors.New("--roles is needed")}
	}
	if err := rolesExist(roles); err != nil {
		return err
	}
	if u.Label == "" {
		u.Label = u.Name
	}
	slices.Sort(roles)
	u.Roles, u.MustChange = slices.Compact(roles), true
	return withPassword(ctx, stdout, func(hash string) error {
		u.Password = hash
		_, err := t.CreateUser(ctx, u, "cli")
		return err
	})
}

// withPassword prints a new password for one login once its hash was kept.
func withPassword(ctx context.Context, stdout io.Writer, keep func(hash string) error) error {
	password := auth.NewPassword()
	hash, err := auth.HashPassword(ctx, password)
	if err == nil {
		err = keep(hash)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, password)
	return err
}

// userLine is a user as the list shows it: without the password's hash.
type userLine struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Label     string    `json:"label"`
	Roles     []string  `json:"roles"`
	State     string    `json:"state"` // active, locked, or new before the first login
	LastLogin time.Time `json:"last_login,omitzero"`
}

func listUsers(ctx context.Context, t *catalog.Tenant, asJSON bool, stdout io.Writer) error {
	users, err := t.Users(ctx, "", 10_000)
	if err != nil {
		return err
	}
	var lines []userLine
	for _, u := range users {
		l := userLine{u.ID, u.Name, u.Label, u.Roles, "active", u.LastLogin}
		switch {
		case !u.Locked.IsZero():
			l.State = "locked"
		case u.MustChange:
			l.State = "new"
		}
		lines = append(lines, l)
	}
	return list(stdout, asJSON, lines, func(l userLine) string {
		return fmt.Sprintf("%s\t%s\t%v\t%s", l.Name, l.Label, l.Roles, l.State)
	})
}
