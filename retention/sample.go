package retention

import (
	"embed"
	"encoding/json"
	"fmt"
)

// The shipped catalogue of rules says for each figure where it stands in law,
// when that text was read ("checked") and how sure the reading is. The file
// plan is a sample in words of its own; a municipality replaces it.
//
//go:embed data/scheme.json data/rules.json data/closure.json data/request.json
var data embed.FS

// SampleData returns the Saxon sample classification and its rules, all
// versions, to be loaded at the first start.
func SampleData() (s Scheme, rules []Rule, err error) {
	for name, into := range map[string]any{"data/scheme.json": &s, "data/rules.json": &rules} {
		f, err := data.Open(name)
		if err != nil {
			return s, nil, err
		}
		defer f.Close()
		d := json.NewDecoder(f)
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			return s, nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, rules, nil
}
