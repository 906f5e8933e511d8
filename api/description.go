package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var openapiYAML []byte

// describe reads openapi.yaml. What /openapi.json serves is the same document
// without the notes to the code generator.
func describe() (*description, error) {
	doc, err := openapi3.NewLoader().LoadFromData(openapiYAML)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	var tree any
	if err := yaml.Unmarshal(openapiYAML, &tree); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	text, err := json.Marshal(withoutNotes(tree))
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return &description{doc: doc, json: text}, nil
}

func withoutNotes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			if strings.HasPrefix(k, "x-go-") || strings.HasPrefix(k, "x-oapi-") {
				delete(v, k)
				continue
			}
			v[k] = withoutNotes(below)
		}
	case []any:
		for i := range v {
			v[i] = withoutNotes(v[i])
		}
	}
	return v
}
