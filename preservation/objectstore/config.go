package objectstore

import (
	"errors"
	"fmt"
	"path/filepath"
)

// Region is the region that the embedded server signs for.
const Region = "us-east-1"

// AccessKey is the embedded server's only account. It owns the buckets, so it
// stays the same while the secret changes with each start.
const AccessKey = "bestand"

// defaultReserve is kept free for everything else that must still be written
// on a full disk: holds, deletions, the catalog.
const defaultReserve = 64 << 20

// Config is what the child needs. It reaches it as one line of JSON on
// standard input.
type Config struct {
	Dir       string `json:"dir"`    // absolute; created when missing
	Listen    string `json:"listen"` // path of a Unix socket, or host:port
	SecretKey string `json:"secret_key"`
	Reserve   int64  `json:"reserve"` // bytes to keep free; 0 is 64 MiB, negative none
	Sidecar   bool   `json:"sidecar"` // keep metadata in files even where extended attributes work
}

func (c *Config) check() error {
	switch {
	case !filepath.IsAbs(c.Dir):
		return fmt.Errorf("data folder %q: want an absolute path", c.Dir)
	case c.Listen == "":
		return errors.New("no address to listen on")
	case len(c.SecretKey) < 16:
		return errors.New("secret key shorter than 16 characters")
	}
	if c.Reserve == 0 {
		c.Reserve = defaultReserve
	}
	return nil
}
