package auth

import (
	"errors"
	"strings"
	"testing"
)

func TestPassword(t *testing.T) {
	kept, err := HashPassword(t.Context(), "Grüße aus Görlitz")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, kept, password string
		want                 bool
	}{
		{"the same", kept, "Grüße aus Görlitz", true},
		{"typed as letter and accent", kept, "Gru\u0308ße aus Go\u0308rlitz", true},
		{"another case", kept, "grüße aus görlitz", false},
		{"empty", kept, "", false},
		{"no account", "", "Grüße aus Görlitz", false},
	} {
		got, err := MatchPassword(t.Context(), c.kept, c.password)
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	if again, _ := HashPassword(t.Context(), "Grüße aus Görlitz"); again == kept {
		t.Error("two hashes of one password are the same: there is no salt")
	}
	for _, bad := range []string{"x", "$argon2id$v=19$m=1,t=1,p=1$!$!", "$argon2id$v=1$m=8,t=1,p=1$AAAA$AAAA", "$2b$10$abc$d$e"} {
		if ok, err := MatchPassword(t.Context(), bad, "x"); ok || err == nil {
			t.Errorf("%q matched: %v, %v", bad, ok, err)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	for password, want := range map[string]error{
		"elf Zeichen":                        ErrPasswordShort,
		"zwölf Zeiche":                       nil,
		strings.Repeat("ä", PasswordMax):     nil,
		strings.Repeat("ä", PasswordMax+1):   ErrPasswordLong,
		"das ist Erikas Kennwort":            ErrPasswordName,
		"correct horse battery staple (mul)": nil,
	} {
		if err := CheckPassword(password, "erika"); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", password, err, want)
		}
	}
	if p := NewPassword(); CheckPassword(p, "admin") != nil || p == NewPassword() {
		t.Errorf("made the password %q", p)
	}
}
