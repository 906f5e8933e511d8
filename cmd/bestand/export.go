package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"bestand/preservation"
)

// profiles are the forms of an export and what their files are called after the record.
// The archive names those of xdomea, by their ProzessID.
var profiles = map[string]string{"aip": ".zip", "asic": ".asice", "bagit": ".bagit.zip", "ocfl": ".ocfl.zip", "xaip": ".xaip.xml", "xdomea": ""}

const profileNames = "asic, xaip, bagit, ocfl, xdomea or aip"

var xdomeaName = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_050[13]_[0-9]{1,7}\.zip$`)

func exportCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("export", stderr)
	var c client
	fs.StringVar(&c.server, "server", "", "`URL` of the archive")
	fs.StringVar(&c.caFile, "ca-file", "", "certificates `file` (PEM) to trust instead of the system's")
	tokenFile := fs.String("token-file", "", "`file` with the API token")
	profile := fs.String("profile", "asic", "`form`: "+profileNames)
	out := fs.String("out", ".", "`folder` to write to")
	if err := parse(fs, args); err != nil {
		return err
	}
	if _, ok := profiles[*profile]; !ok {
		return usageError{fmt.Errorf("--profile %q: want %s", *profile, profileNames)}
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
	refused, err := c.fetchPackages(ctx, fs.Args(), *profile, "", *out, stdout, stderr)
	if err == nil && refused > 0 {
		return exitCode(1)
	}
	return err
}

// errCut: an answer ended before its time, as that about a damaged object does.
var errCut = errors.New("the answer was cut off; ask again")

// fetchPackages fetches the packages of records and tells where each is. It counts those
// that the archive does not hand over, of which it tells at once, and ends where all
// others would fare alike.
func (c *client) fetchPackages(ctx context.Context, ids []string, profile, run, dir string, stdout, stderr io.Writer) (refused int, err error) {
	for _, id := range ids {
		path, err := c.fetchPackage(ctx, id, profile, run, dir)
		var a *answerError
		switch {
		case err == nil:
			if _, err := fmt.Fprintln(stdout, path); err != nil {
				return refused, err
			}
		case errors.As(err, &a) && a.status != http.StatusUnauthorized, errors.Is(err, errCut) && ctx.Err() == nil:
			refused++
			fmt.Fprintf(stderr, "record %s: %s\n", id, legibleLines(err.Error()))
		default:
			return refused, fmt.Errorf("record %s: %w", id, err)
		}
	}
	return refused, nil
}

// fetchPackage fetches the package of a record into a folder, for a disposal run if it is
// handed over by one.
func (c *client) fetchPackage(ctx context.Context, id, profile, run, dir string) (path string, err error) {
	name := profiles[profile]
	if name != "" {
		name = id + name
	}
	query := url.Values{"profile": {profile}}
	if run != "" {
		query.Set("disposal", run)
	}
	if path, err = c.fetch(ctx, "/v1/records/"+id+"/package?"+query.Encode(), dir, name); err == nil && profile == "aip" {
		if err = c.fetchEvidence(ctx, id, dir); err == nil {
			err = c.fetchStatements(ctx, id, dir)
		}
	}
	return path, err
}

// fetchEvidence fetches an evidence record; there is none before the first batch.
func (c *client) fetchEvidence(ctx context.Context, id, dir string) error {
	_, err := c.fetch(ctx, "/v1/records/"+id+"/evidence", dir, id+".er")
	var a *answerError
	if errors.As(err, &a) && a.status == http.StatusNotFound {
		return nil
	}
	return err
}

// fetchStatements writes the counter-statements to a record beside its package, which was
// stored before they were made. There is no file without one.
func (c *client) fetchStatements(ctx context.Context, id, dir string) error {
	resp, err := c.call(ctx, http.MethodGet, "/v1/records/"+id, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var r struct {
		Statements []struct {
			Recorded time.Time `json:"recorded"`
			Text     string    `json:"text"`
		} `json:"counter_statements"`
	}
	if err := decode(resp.Body, &r); err != nil || len(r.Statements) == 0 {
		return err
	}
	text, err := json.MarshalIndent(r.Statements, "", " ")
	if err != nil {
		return err
	}
	return writeDurably(filepath.Join(dir, id+".counter-statements.json"), append(text, '\n'))
}

// fetch writes an answer to a file in a folder, which gets its name when all of it is on
// the disk. Without a name it is that of an xdomea container, as the archive gives it.
func (c *client) fetch(ctx context.Context, from, dir, name string) (path string, err error) {
	resp, err := c.call(ctx, http.MethodGet, from, "", nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if name == "" {
		_, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Disposition")) // no name is a wrong one
		if name = params["filename"]; !xdomeaName.MatchString(name) {
			return "", fmt.Errorf("the archive calls the container %.80q, which is no name of xdomea", name)
		}
	}
	f, err := os.CreateTemp(dir, ".export-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	if err := receive(f, resp.Body); err != nil {
		return "", errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	return path, os.Rename(f.Name(), path)
}

// receive copies the body of an answer. An error is errCut when it is of the answer, and not
// of where it is written to.
func receive(to io.Writer, body io.Reader) error {
	from := answered{Reader: body}
	_, err := io.Copy(to, &from)
	if from.err != nil {
		return fmt.Errorf("%w: %w", errCut, from.err)
	}
	return err
}

// answered keeps the error that ended a body before its time.
type answered struct {
	io.Reader
	err error
}

func (a *answered) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	if err != nil && err != io.EOF {
		a.err = err
	}
	return n, err
}
