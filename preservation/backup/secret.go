package backup

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
)

var (
	// ErrPassphrase: the passphrase is another one than the backup was made with.
	ErrPassphrase = errors.New("wrong passphrase")
	// ErrSecrets: what the passphrase opens was changed or cut off.
	ErrSecrets = errors.New("the encrypted keys are damaged: take another copy of the backup")
)

// maxSecret is the most bytes of one secret file.
const maxSecret = 16 << 20

// Secret is a file that only the holder of the passphrase may read.
type Secret struct {
	Name    string // a relative path
	Content []byte
}

// Encrypt writes secrets into the run.
func (r *Run) Encrypt(passphrase string, secrets []Secret) (err error) {
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return fmt.Errorf("passphrase: %w", err)
	}
	f, err := os.OpenFile(r.Path(SecretsName), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return Full(err)
	}
	defer func() { err = Full(errors.Join(err, f.Close())) }()
	w, err := age.Encrypt(f, to)
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	for _, s := range secrets {
		if err := t.WriteHeader(&tar.Header{Name: s.Name, Size: int64(len(s.Content)), Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		if _, err := t.Write(s.Content); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), w.Close())
}

// Decrypt reads the secrets of the run.
func (r *Run) Decrypt(passphrase string) (secrets []Secret, err error) {
	f, err := os.Open(r.Path(SecretsName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	content, err := age.Decrypt(f, id)
	var other *age.NoIdentityMatchError
	if errors.As(err, &other) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSecrets, err)
	}
	for t := tar.NewReader(content); ; {
		h, err := t.Next()
		if err == io.EOF {
			return secrets, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSecrets, err)
		}
		if !filepath.IsLocal(h.Name) || h.Typeflag != tar.TypeReg || h.Size > maxSecret {
			return nil, fmt.Errorf("%w: %q", ErrSecrets, h.Name)
		}
		s := Secret{Name: h.Name}
		if s.Content, err = io.ReadAll(t); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrSecrets, err)
		}
		secrets = append(secrets, s)
	}
}
