package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"bestand/preservation"
)

// chosen says which records a command is about.
type chosen struct {
	file, query string
}

// reclassifyCommand moves records of a running archive to another class.
func reclassifyCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("reclassify", stderr)
	r := remoteFlags(fs)
	var from chosen
	var class, reason string
	var preview bool
	fs.StringVar(&class, "class", "", "`code` of the class that they come into")
	fs.StringVar(&reason, "reason", "", "why")
	fs.BoolVar(&preview, "preview", false, "only tell where each would stand then")
	fs.StringVar(&from.file, "file", "", "`file` with a record in each line; - for standard input")
	fs.StringVar(&from.query, "query", "", "`filters` of GET /v1/records, such as 'class=63.10&q=Bauantrag'")
	if err := parse(fs, args); err != nil {
		return err
	}
	if class == "" || reason == "" && !preview {
		fs.Usage()
		return usageError{errors.New("say the --class, and why with --reason")}
	}
	if err := r.open(fs); err != nil {
		return err
	}
	records, err := r.records(ctx, fs.Args(), from)
	if err != nil {
		return err
	}
	path, done := "/reclassification", "moved"
	body := map[string]string{"class": class, "reason": reason}
	if preview {
		path, done = "/reclassification/preview", "would move"
		delete(body, "reason")
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	moved, already, refusals := 0, 0, 0
	for _, id := range records {
		var now struct{ State, End string }
		err := r.ask(ctx, http.MethodPost, "/v1/records/"+url.PathEscape(id)+path, "application/json", text, &now)
		var refused *answerError
		switch {
		case err == nil:
			moved++
			fmt.Fprintf(stdout, "%s  %s %s\n", id, now.State, now.End)
		case errors.As(err, &refused) && refused.has("class", "unchanged"):
			already++
		case errors.As(err, &refused) && refused.has("class", "unknown-class"), !errors.As(err, &refused), refused.status == http.StatusUnauthorized, refused.status == http.StatusForbidden:
			return err // it would be the same with the next one
		default:
			refusals++
			fmt.Fprintf(stderr, "record %s: %s\n", id, legibleLines(err.Error()))
		}
	}
	fmt.Fprintf(stdout, "%s: %d, in class %s already: %d, refused: %d\n", done, moved, class, already, refusals)
	if refusals > 0 {
		return exitCode(1)
	}
	return nil
}

// records are those that are named, that a file lists, or that a query finds now.
func (r *remote) records(ctx context.Context, named []string, from chosen) ([]string, error) {
	switch {
	case len(named) > 0 && from.file == "" && from.query == "":
		return onceEach(named)
	case len(named) == 0 && from.file != "" && from.query == "":
		return readRecords(from.file)
	case len(named) == 0 && from.file == "" && from.query != "":
		return r.find(ctx, from.query)
	}
	return nil, usageError{errors.New("name the records, or give --file or --query")}
}

// readRecords reads identifiers from a file, one a line: what follows a semicolon,
// comma or blank is left out, and so are a heading named record and empty lines.
func readRecords(file string) ([]string, error) {
	in := os.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	var ids []string
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		cells := strings.FieldsFunc(lines.Text(), func(r rune) bool { return strings.ContainsRune("\ufeff;, \t\"", r) })
		if len(cells) == 0 || n == 1 && slices.Contains([]string{"record", "datensatz"}, strings.ToLower(cells[0])) {
			continue
		}
		id := cells[0]
		if !preservation.RecordID(id).Valid() {
			return nil, fmt.Errorf("%s, line %d: %.40q is not a record", file, n, id)
		}
		ids = append(ids, id)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return onceEach(ids)
}

// onceEach is a list in its order without what is in it again. An empty one is an error.
func onceEach(ids []string) ([]string, error) {
	seen := make(map[string]bool, len(ids))
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		twice := seen[id]
		seen[id] = true
		return twice
	})
	if len(ids) == 0 {
		return nil, errors.New("there is no record in it")
	}
	return ids, nil
}

// find asks for all records that filters find, before any of them changes.
func (r *remote) find(ctx context.Context, filters string) ([]string, error) {
	q, err := url.ParseQuery(filters)
	if err != nil {
		return nil, usageError{fmt.Errorf("--query: %w", err)}
	}
	q.Set("limit", "200")
	var ids []string
	for {
		var page struct {
			Items []struct{ ID string }
			Next  string
		}
		if err := r.ask(ctx, http.MethodGet, "/v1/records?"+q.Encode(), "", nil, &page); err != nil {
			return nil, fmt.Errorf("--query: %w", err)
		}
		for _, i := range page.Items {
			ids = append(ids, i.ID)
		}
		if page.Next == "" {
			return onceEach(ids)
		}
		q.Set("after", page.Next)
	}
}
