package oidc

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"

	"bestand/api/auth"
	"bestand/preservation"
)

// Roles tells the roles in each tenant that a value of the claim stands for, such as
// the name of a group.
type Roles map[string]map[preservation.TenantID][]auth.Role

// rolesBytes is the most bytes of a file with roles.
const rolesBytes = 1 << 20

// ReadRoles reads a YAML file with roles:
//
//	Archiv Musterstadt:
//	  musterstadt: [archivist, records_officer]
//
// The error names every problem.
func ReadRoles(path string) (Roles, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, rolesBytes+1))
	if err == nil && len(b) > rolesBytes {
		err = fmt.Errorf("more than %d bytes", rolesBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r, err := parseRoles(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func parseRoles(b []byte) (r Roles, err error) {
	if err := yaml.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	if len(r) == 0 {
		return nil, errors.New("no value stands for a role: nobody could log in")
	}
	var problems []error
	for _, value := range slices.Sorted(maps.Keys(r)) {
		if value == "" || len(r[value]) == 0 {
			problems = append(problems, fmt.Errorf("%q: names no tenant", value))
		}
		for _, tenant := range slices.Sorted(maps.Keys(r[value])) {
			if !tenant.Valid() {
				problems = append(problems, fmt.Errorf("%q: %q is not the name of a tenant", value, tenant))
			}
			if len(r[value][tenant]) == 0 {
				problems = append(problems, fmt.Errorf("%q: no role in %s", value, tenant))
			}
			for _, role := range r[value][tenant] {
				if !role.Valid() {
					problems = append(problems, fmt.Errorf("%q: there is no role %q; roles are %v", value, role, auth.Roles))
				}
			}
		}
	}
	return r, errors.Join(problems...)
}

// Of returns the roles that values stand for together, sorted.
func (r Roles) Of(values []string) map[preservation.TenantID][]string {
	all := map[preservation.TenantID][]string{}
	for _, value := range values {
		for tenant, roles := range r[value] {
			for _, role := range roles {
				if !slices.Contains(all[tenant], string(role)) {
					all[tenant] = append(all[tenant], string(role))
				}
			}
		}
	}
	for _, roles := range all {
		slices.Sort(roles)
	}
	return all
}
