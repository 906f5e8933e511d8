package main

import (
	"errors"
	"flag"
)

// remote is a running archive that a command asks.
type remote struct {
	client
	tokenFile string
}

// remoteFlags adds the flags that say which archive, and as whom.
func remoteFlags(fs *flag.FlagSet) *remote {
	r := new(remote)
	fs.StringVar(&r.server, "server", "", "`URL` of the archive")
	fs.StringVar(&r.caFile, "ca-file", "", "CA certificates `file` (PEM) of the archive")
	fs.StringVar(&r.tokenFile, "token-file", "", "`file` with the API token")
	return r
}

// open makes it ready to be asked once the flags are parsed.
func (r *remote) open(fs *flag.FlagSet) error {
	if r.server == "" || r.tokenFile == "" {
		fs.Usage()
		return usageError{errors.New("--server and --token-file are needed")}
	}
	var err error
	if r.token, err = readSecret(r.tokenFile); err != nil {
		return err
	}
	return r.init()
}
