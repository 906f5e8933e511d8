package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"bestand/preservation/proof"
)

// evidenceCommand asks a running archive about its evidence.
func evidenceCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("want: bestand evidence stamp|due|renew")}
	}
	fs := flags("evidence "+args[0], stderr)
	var c client
	fs.StringVar(&c.server, "server", "", "`URL` of the archive")
	fs.StringVar(&c.caFile, "ca-file", "", "CA certificates `file` (PEM) of the archive")
	tokenFile := fs.String("token-file", "", "`file` with the API token")
	asJSON := fs.Bool("json", false, "JSON, as the archive answers")
	method, path, at := http.MethodGet, "/v1/evidence/renewals", ""
	switch args[0] {
	case "stamp":
		method, path = http.MethodPost, "/v1/evidence/batches"
	case "due":
		fs.StringVar(&at, "at", "", "`day` (YYYY-MM-DD) to come: what would be due if nothing happened until then")
	case "renew":
		method = http.MethodPost
	default:
		return usageError{fmt.Errorf("bestand evidence %s: want stamp, due or renew", args[0])}
	}
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	if c.server == "" || *tokenFile == "" || fs.NArg() > 0 {
		fs.Usage()
		return usageError{errors.New("--server and --token-file are needed, and nothing else")}
	}
	var err error
	if c.token, err = readSecret(*tokenFile); err != nil {
		return err
	}
	if err := c.init(); err != nil {
		return err
	}
	if at != "" {
		path += "?at=" + url.QueryEscape(at)
	}
	resp, err := c.call(ctx, method, path, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := io.LimitReader(resp.Body, 1<<20)
	if *asJSON {
		_, err := io.Copy(stdout, answer)
		return err
	}
	if args[0] == "stamp" {
		var a struct{ Stamped int }
		err := json.NewDecoder(answer).Decode(&a)
		fmt.Fprintf(stdout, "versions of records that were time-stamped: %d\n", a.Stamped)
		return err
	}
	var a struct{ Items []proof.Due }
	if err := json.NewDecoder(answer).Decode(&a); err != nil {
		return err
	}
	ready := false
	for _, d := range a.Items {
		fmt.Fprintln(stdout, renewal(d))
		ready = ready || d.Waits == ""
		if d.Waits != "" {
			fmt.Fprintln(stdout, "  it waits:", d.Waits)
		}
	}
	switch {
	case len(a.Items) == 0:
		fmt.Fprintln(stdout, "nothing has to be renewed")
	case args[0] == "renew" && !ready:
		fmt.Fprintln(stdout, "nothing can be renewed now; the archive does it as soon as it can")
	case args[0] == "renew":
		fmt.Fprintln(stdout, "the archive does it now; bestand evidence due tells how far it is")
	}
	return nil
}

// renewal says one in words.
func renewal(d proof.Due) string {
	by := fmt.Sprintf("by %s, because %s", d.End.UTC().Format(time.DateOnly), d.Why)
	if d.Renewal == proof.HashTree {
		return fmt.Sprintf("hash trees go from %s to %s %s: all that rests on them is read again (versions of records: %d, bytes: %d)", d.Digest, d.To, by, d.Versions, d.Bytes)
	}
	return fmt.Sprintf("one new time-stamp covers those over hash trees under %s (%d) %s", d.Digest, d.Stamps, by)
}
