package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"bestand/preservation"
)

// profiles are the forms of an export and what their files are called.
var profiles = map[string]string{"aip": ".zip", "asic": ".asice", "xaip": ".xaip.xml"}

func exportCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("export", stderr)
	var c client
	fs.StringVar(&c.server, "server", "", "`URL` of the archive")
	fs.StringVar(&c.caFile, "ca-file", "", "certificates `file` (PEM) to trust instead of the system's")
	tokenFile := fs.String("token-file", "", "`file` with the API token")
	profile := fs.String("profile", "asic", "`form`: asic, xaip or aip")
	out := fs.String("out", ".", "`folder` to write to")
	if err := parse(fs, args); err != nil {
		return err
	}
	suffix, known := profiles[*profile]
	if !known {
		return usageError{fmt.Errorf("--profile %q: want asic, xaip or aip", *profile)}
	}
	if c.server == "" || *tokenFile == "" || fs.NArg() == 0 {
		return usageError{errors.New("--server, --token-file and at least one RECORD are needed")}
	}
	for _, id := range fs.Args() {
		if !preservation.RecordID(id).Valid() { // it becomes a name and a part of a URL
			return usageError{fmt.Errorf("%.40q is not the identifier of a record", id)}
		}
	}
	var err error
	if c.token, err = readSecret(*tokenFile); err != nil {
		return err
	}
	if err := c.init(); err != nil {
		return err
	}
	if err := os.MkdirAll(*out, 0o700); err != nil {
		return err
	}
	var wrong error
	for _, id := range fs.Args() {
		path := filepath.Join(*out, id+suffix)
		err := c.fetch(ctx, "/v1/records/"+id+"/package?profile="+*profile, path)
		if err == nil && *profile == "aip" {
			err = c.fetchEvidence(ctx, id, filepath.Join(*out, id+".er"))
		}
		if err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("record %s: %w", id, err))
			continue
		}
		if _, err := fmt.Fprintln(stdout, path); err != nil {
			return err
		}
	}
	return wrong
}

// fetchEvidence fetches an evidence record; there is none before the first batch.
func (c *client) fetchEvidence(ctx context.Context, id, path string) error {
	err := c.fetch(ctx, "/v1/records/"+id+"/evidence", path)
	var a *answerError
	if errors.As(err, &a) && a.status == http.StatusNotFound {
		return nil
	}
	return err
}

// fetch writes an answer to a file, which gets its name when all of it is on the disk.
func (c *client) fetch(ctx context.Context, from, path string) error {
	resp, err := c.call(ctx, http.MethodGet, from, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f, err := os.CreateTemp(filepath.Dir(path), ".export-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := io.Copy(f, resp.Body); err != nil {
		return errors.Join(fmt.Errorf("the answer was cut off; ask again: %w", err), f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
