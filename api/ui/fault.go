package ui

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"bestand/api"
)

// faults are what the interface found wrong with the fields of a form, by field; what is
// wrong with an item of a list, such as classes[0], is wrong with its field, and its Field
// says of which items the same is wrong.
func faults(err error) map[string]api.FieldError {
	all := faultsAt(err)
	for _, at := range slices.Sorted(maps.Keys(all)) {
		name, _, list := strings.Cut(at, "[")
		if !list || !strings.HasSuffix(at, "]") {
			continue
		}
		f := all[at]
		delete(all, at)
		if first, again := all[name]; again {
			if first.Code == f.Code {
				first.Field += " " + at
			}
			f = first
		}
		all[name] = f
	}
	return all
}

// faultStatus is the status of a page that shows the faults of a form.
func faultStatus(err error) int {
	var e *refusal
	if errors.As(err, &e) && e.status == http.StatusConflict {
		return http.StatusConflict
	}
	return http.StatusUnprocessableEntity
}

// faultsAt are the faults of a form by the exact place that the interface names.
func faultsAt(err error) map[string]api.FieldError {
	var e *refusal
	if !errors.As(err, &e) || e.status != http.StatusUnprocessableEntity && e.status != http.StatusBadRequest && e.status != http.StatusConflict {
		return nil
	}
	all := map[string]api.FieldError{}
	for _, f := range e.problem.Errors {
		all[f.Field] = f
	}
	if len(all) == 0 {
		all[""] = api.FieldError{Code: e.code, Detail: e.problem.Detail}
	}
	return all
}
