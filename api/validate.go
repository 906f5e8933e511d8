package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"

	"bestand/api/auth"
	"bestand/preservation"
)

// newValidator returns the validator with the tags that openapi.yaml uses
// beside the common ones:
//
//	text    no control character but tab and line feeds: XML and PostgreSQL can hold it
//	id      an identifier as preservation.NewID gives
//	tenant  a tenant's name
//	role    a role of package auth
func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	v.RegisterCustomTypeFunc(func(d reflect.Value) any {
		return d.Interface().(preservation.Date).String()
	}, preservation.Date{})
	for tag, ok := range map[string]func(string) bool{
		"text":   func(s string) bool { return !strings.ContainsFunc(s, unprintable) && utf8.ValidString(s) },
		"id":     func(s string) bool { return preservation.RecordID(s).Valid() },
		"tenant": func(s string) bool { return preservation.TenantID(s).Valid() },
		"role":   func(s string) bool { return auth.Role(s).Valid() },
	} {
		if err := v.RegisterValidation(tag, func(fl validator.FieldLevel) bool { return ok(fl.Field().String()) }); err != nil {
			panic(err) // the tag's name is a bad one: a bug
		}
	}
	return v
}

// unprintable reports what XML 1.0 §2.2 excludes from text.
func unprintable(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF || r >= 0xD800 && r <= 0xDFFF
}

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
	if fields := s.check(body); len(fields) > 0 {
		return invalid.in(fields...)
	}
	return nil
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
		fields = append(fields, FieldError{Field: path, Code: e.Tag(), Detail: needs(e)})
	}
	return fields
}

// needs says in words what a tag asks for.
func needs(e validator.FieldError) string {
	switch e.Tag() {
	case "required", "required_unless":
		return "is missing"
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
	case "text":
		return "must not hold control characters"
	case "id":
		return "must be an identifier"
	case "tenant":
		return "must be lower-case letters, digits and hyphens, at most 40"
	case "role":
		return "must be one of " + fmt.Sprint(auth.Roles)
	}
	return "fails " + e.Tag()
}
