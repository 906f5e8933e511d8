package xdomea

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"bestand/ingest/sandbox"
	"bestand/ingest/sip/finding"
)

// Schemas validates messages against the schemas of the standard by xmllint, in
// the sandbox.
type Schemas struct {
	Box *sandbox.Sandbox
	// Dir holds a folder xdomea_VERSION with the schemas of each version, as
	// xrepository.de gives them out, with schemaLocations that are found there
	// without a network.
	Dir string
}

// file returns the schema of a message, or nothing when it is not there.
func (s *Schemas) file(m *Message) string {
	dir := filepath.Join(s.Dir, "xdomea_"+m.Version)
	names := []string{"xdomea.xsd", "xdomea-Nachrichten-AussonderungDurchfuehren.xsd"}
	if m.Type == "0701" {
		names[1] = "xdomea-Nachrichten-ZwischenarchivierungDurchfuehren.xsd"
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

var (
	place = regexp.MustCompile(`:([0-9]+): element ([^:\s]{1,200}): [^:]*validity error : (.*)`)
	facet = regexp.MustCompile(`\[facet '([A-Za-z]{1,30})'\]`)
)

// validate asks xmllint about the message. What is missing for it is a notice.
func (s *Schemas) validate(ctx context.Context, scratch string, m *Message, found *finding.List) error {
	schema := s.file(m)
	if schema == "" {
		found.Note(NoSchema, "", m.Entry.Name, "there is no schema of xdomea %s: the message was not validated", m.Version)
		return nil
	}
	dir, err := filepath.Abs(filepath.Dir(schema))
	if err != nil {
		return fmt.Errorf("validate message: %w", err)
	}
	path, err := filepath.Abs(m.Entry.Path)
	if err != nil {
		return fmt.Errorf("validate message: %w", err)
	}
	var stderr bytes.Buffer
	res, err := s.Box.Run(ctx, sandbox.Command{
		Name: "xmllint", Args: []string{"--nonet", "--noout", "--huge", "--schema", filepath.Join(dir, filepath.Base(schema)), path},
		Dir: scratch, Read: []string{dir, path}, Stderr: &stderr, Limits: sandbox.Limits{Output: 1 << 20},
	})
	if errors.Is(err, sandbox.ErrMissing) {
		found.Note(NoSchema, "", m.Entry.Name, "xmllint is not installed: the message was not validated")
		return nil
	}
	if err != nil {
		return fmt.Errorf("validate message: %w", err)
	}
	switch {
	case res.OK():
		return nil
	case res.Limit != "":
		found.Note(NoSchema, "", m.Entry.Name, "xmllint exceeded its limit of %s: the message was not validated", res.Limit)
		return nil
	case res.ExitCode != 3 && res.ExitCode != 4: // those two say that the message is not valid
		found.Note(NoSchema, "", m.Entry.Name, "the schemas of xdomea %s cannot be read (xmllint ends with %d): the message was not validated", m.Version, res.ExitCode)
		return nil
	}
	told := false
	for l := range strings.Lines(stderr.String()) {
		if at := place.FindStringSubmatch(l); at != nil {
			told = true
			found.Fail(InvalidSchema, "xdomea "+m.Version, m.Entry.Name, "line %s, element %s: %s", at[1], at[2], reason(at[3]))
		}
	}
	if !told {
		found.Fail(InvalidSchema, "xdomea "+m.Version, m.Entry.Name, "xmllint says that the message is not valid")
	}
	return nil
}

// reason says what xmllint found, without the values that it cites: they are
// content of the record.
func reason(message string) string {
	if m := facet.FindStringSubmatch(message); m != nil {
		return "its value breaks the rule " + m[1]
	}
	for _, known := range []string{"This element is not expected", "Missing child element", "Character content", "is required but missing", "is not allowed"} {
		if strings.Contains(message, known) {
			return strings.TrimSpace(message) // these cite names only
		}
	}
	return "its value is not of its type"
}
