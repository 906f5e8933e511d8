package main

import (
	"bytes"
	"maps"
	"strings"
	"testing"
)

// TestSettings: a value of the file counts as it is written there.
func TestSettings(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want map[string]string // nil: refused
	}{
		"plain":              {"data: /srv/archiv\nmax_upload: 1099511627776\n", map[string]string{"data": "/srv/archiv", "max-upload": "1099511627776"}},
		"octal key":          {"s3-access-key: 0123\n", map[string]string{"s3-access-key": "0123"}},
		"number as a key":    {"s3-access-key: 1e3\n", map[string]string{"s3-access-key": "1e3"}},
		"large number":       {"s3-access-key: 123456789012345678901234567890\n", map[string]string{"s3-access-key": "123456789012345678901234567890"}},
		"yes":                {"ocr: true\ns3-region: no\n", map[string]string{"ocr": "true", "s3-region": "no"}},
		"day":                {"data: 2026-01-02\n", map[string]string{"data": "2026-01-02"}},
		"empty on purpose":   {"data: \"\"\n", map[string]string{"data": ""}},
		"alias":              {"data: &a /x\ncatalog: *a\n", map[string]string{"data": "/x", "catalog": "/x"}},
		"nothing":            {"", map[string]string{}},
		"empty place":        {"data:\n", nil},
		"null":               {"data: ~\n", nil},
		"list":               {"data: [a, b]\n", nil},
		"mapping":            {"data:\n  a: b\n", nil},
		"twice":              {"data: a\ndata: b\n", nil},
		"twice, differently": {"max-upload: 1\nmax_upload: 2\n", nil},
		"no mapping":         {"- data\n", nil},
		"deep":               {"data: " + strings.Repeat("[", 100_000), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseSettings([]byte(c.text))
			if (err != nil) != (c.want == nil) || err == nil && !maps.Equal(got, c.want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func FuzzSettings(f *testing.F) {
	for _, s := range []string{"data: /srv\nlisten: 127.0.0.1:8080\n", "a: &a [*a]\n", "a: &a x\nb: *a\n", "<<: {data: x}\n", "? [a]\n: b\n", "%YAML 1.1\n---\na: !!binary eA==\n", "a: !!null x", "\xff\xfea\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := parseSettings(data)
		for name, v := range values {
			if err == nil && (strings.Contains(name, "_") || len(v) > 4*len(data)) {
				t.Errorf("%q: %q", name, v)
			}
		}
	})
}

// TestDisposalSettings: settings of destruction that cannot be meant are refused by name.
func TestDisposalSettings(t *testing.T) {
	for flag, values := range map[string][]string{
		"dispose-max-share": {"-1", "0", "1.5", "NaN"},
		"dispose-floor":     {"-1", "0"},
		"dispose-max-jump":  {"-1", "0.5", "NaN"},
		"dispose-grace":     {"-3"},
		"backup-days":       {"-1"},
	} {
		for _, v := range values {
			var out bytes.Buffer
			err := run(t.Context(), []string{"config", "check", "--" + flag, v}, &out, &out)
			if err == nil || !strings.Contains(err.Error(), flag+": "+v) {
				t.Errorf("--%s %s: %v", flag, v, err)
			}
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"config", "check", "--dispose-max-share", "1", "--dispose-floor", "1", "--dispose-max-jump", "1", "--dispose-grace", "0"}, &out, &out); err != nil {
		t.Error(err)
	}
}
