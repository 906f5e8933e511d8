package api

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"bestand/ingest"
)

// TestReceiptDescribed holds the description of receipts against what is signed,
// field by field, both ways.
func TestReceiptDescribed(t *testing.T) {
	d, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	described(t, "Receipt", d.doc.Components.Schemas["Receipt"].Value, reflect.TypeFor[ingest.Receipt]())
}

func described(t *testing.T, at string, s *openapi3.Schema, typ reflect.Type) {
	have := map[string]bool{}
	for _, f := range reflect.VisibleFields(typ) {
		field, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if field == "" {
			continue // embedded
		}
		have[field] = true
		p := s.Properties[field]
		if p == nil {
			t.Errorf("%s.%s is not described", at, field)
			continue
		}
		if must := !strings.Contains(options, "omitempty"); must != slices.Contains(s.Required, field) {
			t.Errorf("%s.%s: required is not %t", at, field, must)
		}
		inner, schema := f.Type, p.Value
		if inner.Kind() == reflect.Slice {
			inner, schema = inner.Elem(), schema.Items.Value
		}
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if p.Ref == "" && inner.Kind() == reflect.Struct && strings.HasPrefix(inner.Name(), "Receipt") || inner.Name() == "PartReceipt" {
			described(t, at+"."+field, schema, inner)
		}
	}
	for field := range s.Properties {
		if !have[field] {
			t.Errorf("%s.%s is described and not there", at, field)
		}
	}
}
