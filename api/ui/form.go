package ui

import (
	"bestand/api"
	"bestand/api/auth"
)

// field is an input of a form with its label, its hint and what is wrong with it.
type field struct {
	ID, Name, Type, Value string
	Label, Hint, Auto     string // keys of texts; Auto is the autocomplete token
	Required              bool
	Fault                 *api.FieldError
}

// newField makes an input from a form's values and faults.
func newField(values map[string]string, faults map[string]api.FieldError, name, kind, label string, required bool, more ...string) field {
	x := field{ID: "f-" + name, Name: name, Type: kind, Value: values[name], Label: label, Required: required, Fault: faultOf(faults, name)}
	if len(more) > 0 {
		x.Hint = more[0]
	}
	if len(more) > 1 {
		x.Auto = more[1]
	}
	return x
}

// roleChoice is a choice of roles.
type roleChoice struct {
	All    []auth.Role
	Chosen map[string]bool
	ID     string
	Fault  *api.FieldError
}

// rolesOf is a choice in which those that somebody has are chosen.
func rolesOf(all []auth.Role, has []api.Role, id string, f *api.FieldError) roleChoice {
	c := roleChoice{all, map[string]bool{}, id, f}
	for _, r := range has {
		c.Chosen[string(r)] = true
	}
	return c
}
