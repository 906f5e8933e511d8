package objectstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrSilent: nobody says how to reach the server of a folder. It may just be starting or
// ending: try again.
var ErrSilent = errors.New("the object store is starting or ending: try again in a moment")

// Account is how to reach the server of a folder while it runs.
type Account struct {
	Endpoint  string `json:"endpoint"` // as Server.Endpoint
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
}

func accountFile(dir string) string { return filepath.Join(dir, "run", "account.json") }

// Running returns the account of the server that another process of this user runs over
// a folder; ErrSilent when there is none. After a crash it may be that of a server which
// is gone, and nobody answers.
func Running(dir string) (a Account, err error) {
	data, err := os.ReadFile(accountFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return a, ErrSilent
	}
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	return a, err
}

// share leaves the account for other processes of this user, which can read the objects
// in the folder anyway. The server does not need it itself.
func (s *Server) share() error {
	var a Account
	a.Endpoint = s.Endpoint()
	a.AccessKey, a.SecretKey = s.Credentials()
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	path := accountFile(s.config.Dir)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	return os.Rename(fresh, path)
}

// unshare takes the account away when nobody answers to it any more.
func (s *Server) unshare() error {
	if a, err := Running(s.config.Dir); err != nil || a.SecretKey != s.config.SecretKey {
		return nil // it is another's, or there is none
	}
	if err := os.Remove(accountFile(s.config.Dir)); err != nil {
		return fmt.Errorf("account of the object store: %w", err)
	}
	return nil
}
