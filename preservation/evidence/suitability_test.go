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
	for name, text := range map[string]string{
		"no JSON":        "SHA-256 forever",
		"another format": `{"format":"algorithms/9"}`,
		"no day":         `{"format":"bestand-algorithms/1","digest":[{"name":"SHA-256","until":"soon"}]}`,
	} {
		if s, err := ReadSuitability(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
