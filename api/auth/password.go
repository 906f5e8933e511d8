package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// Parameters of argon2id (RFC 9106), as OWASP recommends them where memory is dear.
// They stand in each hash, so that changing them leaves old ones valid.
const (
	argonMemory  = 19 << 10 // KiB
	argonPasses  = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32
)

var userName = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{1,63}$`)

// ValidName reports whether a user can have a name.
func ValidName(name string) bool { return userName.MatchString(name) }

// Bounds of a password in characters. There is no rule but length (BSI ORP.4.A8,
// NIST SP 800-63B §5.1.1.2).
const (
	PasswordMin = 12
	PasswordMax = 200
)

// Errors of CheckPassword.
var (
	ErrPasswordShort = fmt.Errorf("a password has at least %d characters", PasswordMin)
	ErrPasswordLong  = fmt.Errorf("a password has at most %d characters", PasswordMax)
	ErrPasswordName  = errors.New("a password does not contain the user's name")
)

// hashing bounds how many passwords are hashed at a time: each takes 19 MiB.
var hashing = make(chan struct{}, 2)

// CheckPassword says what is wrong with a password that somebody chose.
func CheckPassword(password, name string) error {
	switch n := utf8.RuneCountInString(password); {
	case n < PasswordMin:
		return ErrPasswordShort
	case n > PasswordMax:
		return ErrPasswordLong
	case name != "" && strings.Contains(strings.ToLower(password), strings.ToLower(name)):
		return ErrPasswordName
	}
	return nil
}

// NewPassword returns a password of 100 random bits that can be read out.
func NewPassword() string {
	const letters = "abcdefghijkmnpqrstuvwxyz23456789" // 32, without l, o, 0 and 1
	b := make([]byte, 20)
	rand.Read(b) // never fails: crypto/rand aborts the program instead
	for i, c := range b {
		b[i] = letters[c%32]
	}
	return fmt.Sprintf("%s-%s-%s-%s", b[:5], b[5:10], b[10:15], b[15:])
}

// HashPassword returns a password in the form in which it is kept.
func HashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	key, err := argon(ctx, password, salt, argonPasses, argonMemory, argonThreads, argonKey)
	if err != nil {
		return "", err
	}
	e := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonPasses, argonThreads, e.EncodeToString(salt), e.EncodeToString(key)), nil
}

// nobody is compared with where there is no account, so that this takes as long.
const nobody = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// MatchPassword reports whether a password is the one kept; for an empty hash it is
// not, after the same time.
func MatchPassword(ctx context.Context, kept, password string) (bool, error) {
	if kept == "" {
		kept = nobody
	}
	var version, threads int
	var memory, passes uint32
	parts := strings.Split(kept, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("a stored password is not in the form of argon2id: set a new one with bestand user password")
	}
	_, err1 := fmt.Sscanf(parts[2], "v=%d", &version)
	_, err2 := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &threads)
	salt, err3 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err4 := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(err1, err2, err3, err4); err != nil || version != argon2.Version || threads < 1 || threads > 255 {
		return false, fmt.Errorf("a stored password cannot be read: set a new one with bestand user password: %w", err)
	}
	key, err := argon(ctx, password, salt, passes, memory, uint8(threads), uint32(len(want)))
	return err == nil && subtle.ConstantTimeCompare(key, want) == 1, err
}

// argon hashes a password, whichever way its umlauts were typed.
func argon(ctx context.Context, password string, salt []byte, passes, memory uint32, threads uint8, length uint32) ([]byte, error) {
	select {
	case hashing <- struct{}{}:
		defer func() { <-hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(norm.NFKC.String(password)), salt, passes, memory, threads, length), nil
}
