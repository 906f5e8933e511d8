package evidence

import (
	"strings"
	"testing"

	"bestand/preservation/timestamp"
)

func TestBuiltIn(t *testing.T) {
	for _, c := range []struct {
		a     timestamp.Algorithm
		known bool
		until string // the first instant at which it proves nothing
	}{
		{timestamp.Algorithm{Name: "SHA-256"}, true, ""},
		{timestamp.Algorithm{Name: "SHA3-512"}, true, ""},
		{timestamp.Algorithm{Name: "SHA-1"}, true, "2011-01-01"},
		{timestamp.Algorithm{Name: "RSA", Bits: 512}, false, ""},
		{timestamp.Algorithm{Name: "RSA", Bits: 2048}, true, "2026-01-01"},
		{timestamp.Algorithm{Name: "RSA", Bits: 2999}, true, "2026-01-01"},
		{timestamp.Algorithm{Name: "RSA", Bits: 4096}, true, ""},
		{timestamp.Algorithm{Name: "ECDSA", Bits: 256}, true, ""},
		{timestamp.Algorithm{Name: "Streebog"}, false, ""},
	} {
		end, known := BuiltIn().Until(c.a)
		got := ""
		if !end.IsZero() {
			got = end.Format("2006-01-02")
		}
		if known != c.known || got != c.until {
			t.Errorf("%s: until %q, known %t", c.a, got, known)
		}
	}
}

func TestReadSuitability(t *testing.T) {
	const digest, signature = `"digest":[{"name":"SHA-256"}]`, `"signature":[{"name":"RSA","bits":3000}]`
	for name, lists := range map[string]string{
		"list by another name":   `"digests":[{"name":"SHA-1","until":"2010-12-31"}],` + digest + `,` + signature,
		"field by another name":  `"digest":[{"name":"SHA-1","til":"2010-12-31"}],` + signature,
		"no digests":             signature,
		"empty list of digests":  `"digest":[],` + signature,
		"no signatures":          digest,
		"no day":                 `"digest":[{"name":"SHA-256","until":"soon"}],` + signature,
		"no name":                `"digest":[{"until":"2010-12-31"}],` + signature,
		"digest twice":           `"digest":[{"name":"SHA-1"},{"name":"SHA-1","until":"2010-12-31"}],` + signature,
		"digest with bits":       `"digest":[{"name":"SHA-256","bits":256}],` + signature,
		"signature without bits": digest + `,"signature":[{"name":"RSA"}]`,
		"falling sizes":          digest + `,"signature":[{"name":"RSA","bits":1900},{"name":"RSA","bits":1024,"until":"2008-03-31"}]`,
		"size twice":             digest + `,"signature":[{"name":"RSA","bits":1900},{"name":"RSA","bits":1900,"until":"2008-03-31"}]`,
	} {
		if s, err := ReadSuitability(strings.NewReader(`{"format":"bestand-algorithms/1",` + lists + `}`)); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	whole := `{"format":"bestand-algorithms/1",` + digest + `,` + signature + `}`
	for name, text := range map[string]string{
		"no JSON": "SHA-256 forever", "another format": `{"format":"algorithms/9",` + digest + `,` + signature + `}`, "two tables": whole + whole,
	} {
		if s, err := ReadSuitability(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if _, err := ReadSuitability(strings.NewReader(whole)); err != nil {
		t.Error(err)
	}
}
