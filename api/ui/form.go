package ui

import (
	"regexp"
	"strconv"
	"strings"

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

// limit is the most that the interface says a field may hold.
var limit = regexp.MustCompile(`^must have at most (\d+) (characters|entries)$`)

// told is what is wrong with a field in words: of what is too long, how long it may be.
func (l *language) told(f api.FieldError) string {
	if m := limit.FindStringSubmatch(f.Detail); f.Code == "max" && m != nil {
		n, _ := strconv.ParseInt(m[1], 10, 64) // of a few digits
		if m[2] == "entries" {
			return l.t("fault.most-entries", l.number(n))
		}
		return l.t("fault.most-characters", l.number(n))
	}
	return l.coded("fault", f.Code)
}

// item is where the interface found something wrong in a list.
var item = regexp.MustCompile(`\[(\d+)\]`)

// Wrong are the items of a list that its fault is about, as they were typed; "" when it is
// about all of it.
func (x field) Wrong() string {
	var wrong []string
	typed := words(x.Value)
	for _, at := range item.FindAllStringSubmatch(x.Fault.Field, -1) {
		if i, err := strconv.Atoi(at[1]); err == nil && i < len(typed) {
			wrong = append(wrong, typed[i])
		}
	}
	return strings.Join(wrong, ", ")
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
