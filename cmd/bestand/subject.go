package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"bestand/retention"
)

// subjectActs are the subcommands of bestand subject.
var subjectActs = []string{"create", "list", "show", "decide", "erase", "statement"}

// subjectCommand works on the requests of persons concerned at a running archive.
func subjectCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || !slices.Contains(subjectActs, args[0]) {
		return usageError{fmt.Errorf("want: bestand subject %s", strings.Join(subjectActs, "|"))}
	}
	act := args[0]
	fs := flags("subject "+act, stderr)
	r := remoteFlags(fs)
	var d retention.SubjectDecision
	var from chosen
	var asJSON bool
	switch act {
	case "list", "show":
		fs.BoolVar(&asJSON, "json", false, "JSON, as the archive answers")
	case "decide":
		fs.StringVar(&d.Outcome, "outcome", "", "granted or refused")
		fs.StringVar(&d.Reason, "reason", "", "why")
		fs.StringVar(&d.LegalBasis, "legal-basis", "", "the `clause` by which")
		fs.StringVar(&from.file, "file", "", "`file` with a record that is meant in each line; - for standard input")
	}
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	if err := r.open(fs); err != nil {
		return err
	}
	takes := map[string]struct {
		least, most int
		what        string
	}{"create": {1, 1, "one file, or - for standard input"}, "list": {0, 0, "nothing"}, "show": {1, 1, "the request"},
		"decide": {1, 1001, "the request and the records that are meant"}, "erase": {1, 1, "the request"}, "statement": {1, 2, "the request and at most one file"}}[act]
	if fs.NArg() < takes.least || fs.NArg() > takes.most {
		fs.Usage()
		return usageError{fmt.Errorf("name %s", takes.what)}
	}
	path := "/v1/subject-requests/" + url.PathEscape(fs.Arg(0))
	switch act {
	case "create":
		return r.createRequests(ctx, fs.Arg(0), stdout)
	case "list":
		return r.listRequests(ctx, asJSON, stdout)
	case "show":
		if asJSON {
			return r.save(ctx, path, "", stdout)
		}
		var found foundRequest
		if err := r.ask(ctx, http.MethodGet, path, "", nil, &found); err != nil {
			return err
		}
		return found.tell(stdout)
	case "erase":
		var run disposalAnswer
		if err := r.ask(ctx, http.MethodPost, path+"/erasure", "", nil, &run); err != nil {
			return err
		}
		run.tell(stdout)
		return nil
	case "statement":
		switch form := strings.ToLower(filepath.Ext(fs.Arg(1))); {
		case form == ".pdf":
			path += "/statement?format=pdf"
		case form == ".json", fs.Arg(1) == "":
			path += "/statement"
		default:
			return usageError{errors.New("bestand subject statement REQUEST FILE.pdf for the sealed PDF/A, FILE.json for JSON")}
		}
		return r.save(ctx, path, fs.Arg(1), stdout)
	}
	body := map[string]any{"outcome": d.Outcome, "reason": d.Reason, "legal_basis": d.LegalBasis}
	if fs.NArg() > 1 || from.file != "" {
		records, err := r.records(ctx, fs.Args()[1:], from)
		if err != nil {
			return err
		}
		body["records"] = records
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var q retention.SubjectRequest
	if err := r.ask(ctx, http.MethodPost, path+"/decision", "application/json", text, &q); err != nil {
		return err
	}
	return foundRequest{Request: q}.tell(stdout)
}

// foundRequest is a request with the records that may be about the person.
type foundRequest struct {
	Request    retention.SubjectRequest
	Candidates []retention.Candidate
	Erasures   []retention.Erasure
}

// tell says how a request stands, without the name of the person.
func (f foundRequest) tell(w io.Writer) error {
	q := f.Request
	fmt.Fprintf(w, "%s %s", q.ID, q.Kind)
	if q.Reference != "" {
		fmt.Fprintf(w, " (%s)", legibleLines(q.Reference))
	}
	fmt.Fprintf(w, ", received %s: ", q.Received)
	if d := q.Decision; d == nil {
		fmt.Fprint(w, "open")
		if !q.AnswerBy.IsZero() {
			fmt.Fprintf(w, ", to be answered by %s", q.AnswerBy)
		}
		fmt.Fprintln(w)
	} else {
		fmt.Fprintf(w, "%s on %s by %s, for records: %d; deleted from %s\n", d.Outcome, d.At.Local().Format("2006-01-02"), legibleLines(d.By), len(d.Records), d.DeleteFrom)
		switch {
		case q.Left > 0:
			fmt.Fprintf(w, "still here: %d, see bestand subject show %s\n", q.Left, q.ID)
		case d.Run != "" && f.Erasures == nil:
			fmt.Fprintf(w, "disposal run %s carries it out\n", d.Run)
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range f.Erasures {
		fmt.Fprintf(t, "  %s\t%s\tdisposal run %s\t%s\n", e.Record, e.State, e.Run, legibleLines(e.Reason))
	}
	if len(f.Erasures) > 0 && len(f.Candidates) > 0 {
		if err := t.Flush(); err != nil {
			return err
		}
		fmt.Fprintln(w, "records that name such a person:")
	}
	for _, c := range f.Candidates {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\n", c.Record, c.Class, c.Match, legibleLines(c.Title))
	}
	return t.Flush()
}

// createRequests records the requests of a file: one or more objects of JSON, each as
// POST /v1/subject-requests takes it. Names stay off the command line that way. What
// came before a fault stays.
func (r *remote) createRequests(ctx context.Context, file string, stdout io.Writer) error {
	in := os.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	d := json.NewDecoder(in)
	for n := 1; ; n++ {
		var body json.RawMessage
		err := d.Decode(&body)
		if errors.Is(err, io.EOF) && n > 1 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s, request %d: want JSON: %w", file, n, err)
		}
		var found foundRequest
		if err := r.ask(ctx, http.MethodPost, "/v1/subject-requests", "application/json", body, &found); err != nil {
			return fmt.Errorf("%s, request %d: %w", file, n, err)
		}
		if err := found.tell(stdout); err != nil {
			return err
		}
	}
}

func (r *remote) listRequests(ctx context.Context, asJSON bool, stdout io.Writer) error {
	after := ""
	for {
		var page struct {
			Items []json.RawMessage
			Next  string
		}
		if err := r.ask(ctx, http.MethodGet, "/v1/subject-requests?limit=200&after="+url.QueryEscape(after), "", nil, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			if asJSON {
				fmt.Fprintf(stdout, "%s\n", item)
				continue
			}
			var q retention.SubjectRequest
			if err := json.Unmarshal(item, &q); err != nil {
				return err
			}
			if err := (foundRequest{Request: q}).tell(stdout); err != nil {
				return err
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}
