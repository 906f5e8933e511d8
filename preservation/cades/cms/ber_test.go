package cms

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func TestDER(t *testing.T) {
	for _, c := range []struct{ name, in, want, rest string }{
		{"already DER", "3003020105", "3003020105", ""},
		{"bytes after it", "30030201050000", "3003020105", "0000"},
		{"indefinite", "30800201050000", "3003020105", ""},
		{"indefinite in indefinite", "3080308002010500000000", "30053003020105", ""},
		{"long form of a short length", "30810502820001ff", "30030201ff", ""},
		{"octets in pieces", "248004010104020203" + "0000", "0403010203", ""},
		{"octets in nested pieces", "2480" + "2480040101" + "0000" + "040102" + "0000", "04020102", ""},
		{"empty", "3000", "3000", ""},
	} {
		in, _ := hex.DecodeString(c.in)
		der, rest, err := DER(in)
		if err != nil || hex.EncodeToString(der) != c.want || hex.EncodeToString(rest) != c.rest {
			t.Errorf("%s: %x, rest %x, %v; want %s", c.name, der, rest, err, c.want)
		}
	}
}

func TestDERRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing":              "",
		"tag alone":            "30",
		"truncated":            "300502",
		"no end of contents":   "3080020105",
		"primitive indefinite": "04800000",
		"length of 8 bytes":    "3088ffffffffffffffff",
		"deeply nested":        strings.Repeat("3080", 100),
	} {
		b, _ := hex.DecodeString(in)
		if der, _, err := DER(b); err == nil {
			t.Errorf("%s: %x", name, der)
		}
	}
}

func FuzzDER(f *testing.F) {
	for _, s := range []string{"3003020105", "30800201050000", "248004010104020203" + "0000", "30810502820001ff"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		der, _, err := DER(b)
		if err != nil {
			return
		}
		again, rest, err := DER(der)
		if err != nil || len(rest) > 0 || !bytes.Equal(der, again) {
			t.Errorf("%x becomes %x and then %x, rest %x, %v", b, der, again, rest, err)
		}
	})
}
