package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"

	"bestand/api/auth"
	"bestand/preservation"
	"bestand/retention"
)

// newValidator returns the validator with the tags that openapi.yaml uses
// beside the common ones:
//
//	text    no control character but tab and line feeds, so that XML and
//	        PostgreSQL can hold it, and none that reverses the writing, so that
//	        what people read is what is kept
//	filled  not only white space
//	id      an identifier as preservation.NewID gives
//	fileid  an identifier of a file
//	tenant  a tenant's name
//	role    a role of package auth
//	login   the name of a user
func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	v.RegisterCustomTypeFunc(func(d reflect.Value) any {
		return d.Interface().(preservation.Date).String()
	}, preservation.Date{})
	// Whether there is one; retention.Validate looks inside, with tags of its own.
	v.RegisterCustomTypeFunc(func(d reflect.Value) any {
		scope := d.Interface().(retention.Scope)
		return !scope.Empty()
	}, retention.Scope{})
	for tag, ok := range map[string]func(string) bool{
		"text":   func(s string) bool { return !strings.ContainsFunc(s, preservation.Unprintable) && utf8.ValidString(s) },
		"filled": func(s string) bool { return strings.ContainsFunc(s, visible) },
		"id":     func(s string) bool { return preservation.RecordID(s).Valid() },
		"fileid": func(s string) bool { return preservation.FileID(s).Valid() },
		"tenant": func(s string) bool { return preservation.TenantID(s).Valid() },
		"role":   func(s string) bool { return auth.Role(s).Valid() },
		"login":  auth.ValidName,
	} {
		if err := v.RegisterValidation(tag, func(fl validator.FieldLevel) bool { return ok(fl.Field().String()) }); err != nil {
			panic(err) // the tag's name is a bad one: a bug
		}
	}
	return v
}

func visible(r rune) bool { return !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r) }

// validate runs before every action: parameters and body of the request have to
// keep the limits that their tags repeat from openapi.yaml.
func (s *server) validate(next StrictHandlerFunc, operation string) StrictHandlerFunc {
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		if err := s.checkParameters(request); err != nil {
			return nil, err
		}
		for _, name := range []string{"Body", "JSONBody"} {
			if body := reflect.ValueOf(request).FieldByName(name); body.IsValid() && !body.IsNil() {
				if err := s.checkBody(body.Interface()); err != nil {
					return nil, err
				}
			}
		}
		return next(ctx, w, r, request)
	}
}

// checkParameters looks at the query and at path parameters: identifiers that
// cannot exist are answered like those that do not.
func (s *server) checkParameters(request any) error {
	v := reflect.ValueOf(request)
	if params := v.FieldByName("Params"); params.IsValid() {
		if fields := s.check(params.Interface()); len(fields) > 0 {
			return badParameter.in(fields...)
		}
	}
	for i := range v.NumField() {
		if id, ok := v.Field(i).Interface().(interface{ Valid() bool }); ok && !id.Valid() {
			return notFound.because("")
		}
	}
	return nil
}

// checkBody looks at the body. Types of package retention carry tags of their
// own, which retention.Validate knows.
func (s *server) checkBody(body any) error {
	if reflect.TypeOf(body).Elem().PkgPath() != reflect.TypeFor[server]().PkgPath() {
		return nil
	}
	if fields := s.bodyFaults(body); len(fields) > 0 {
		return invalid.in(fields...)
	}
	return nil
}

func (s *server) bodyFaults(body any) []FieldError {
	fields := s.check(body)
	if m, ok := body.(*SubmissionMetadata); ok {
		fields = append(fields, s.impossible(m)...)
	}
	return fields
}

func (s *server) check(v any) (fields []FieldError) {
	var all validator.ValidationErrors
	if err := s.validator.Struct(v); err != nil && !errors.As(err, &all) {
		panic(err) // not a struct: a bug
	}
	for _, e := range all {
		if len(fields) == maxFound {
			break
		}
		_, path, _ := strings.Cut(e.Namespace(), ".")
		code := e.Tag()
		if code == "filled" || code == "required_without" {
			code = "required"
		}
		fields = append(fields, FieldError{Field: path, Code: code, Detail: needs(e)})
	}
	return fields
}

// needs says in words what a tag asks for.
func needs(e validator.FieldError) string {
	switch e.Tag() {
	case "required", "required_unless":
		return "is missing"
	case "required_without":
		return "name records or classes, say all, or give a query"
	case "oneof":
		return "must be one of " + strings.Join(strings.Fields(e.Param()), ", ")
	case "min", "max":
		bound := map[string]string{"min": "at least", "max": "at most"}[e.Tag()]
		switch e.Kind() {
		case reflect.String:
			return fmt.Sprintf("must have %s %s characters", bound, e.Param())
		case reflect.Slice, reflect.Map:
			return fmt.Sprintf("must have %s %s entries", bound, e.Param())
		}
		return fmt.Sprintf("must be %s %s", bound, e.Param())
	case "len":
		return fmt.Sprintf("must have %s characters", e.Param())
	case "hexadecimal":
		return "must be hexadecimal"
	case "lowercase":
		return "must be lower case"
	case "unique":
		return "must not name anything twice"
	case "filled":
		return "holds nothing but white space"
	case "text":
		return "must not hold control characters, nor those that reverse the direction of writing"
	case "id":
		return "must be the identifier of a record of this archive, such as 01jq2m9cfp2y8r0v6k3c5t7n4e, or null"
	case "login":
		return "must be lower-case letters, digits, dots, hyphens, underscores and @, and begin with a letter or a digit"
	case "tenant":
		return "must be lower-case letters, digits and hyphens, at most 40"
	case "timezone":
		return "must be a time zone of the IANA database, such as Europe/Berlin"
	case "role":
		return "must be one of " + fmt.Sprint(auth.Roles)
	}
	return "fails " + e.Tag()
}
