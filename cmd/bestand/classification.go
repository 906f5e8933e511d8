package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"bestand/retention"
)

// planForms are the forms of a classification by the name of their flag.
var planForms = map[string]string{"csv": "text/csv", "xdomea": "application/xml", "json": "application/json"}

// classificationCommand asks a running archive about its classification.
func classificationCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("want: bestand classification export|import|list|publish|adopt")}
	}
	fs := flags("classification "+args[0], stderr)
	r := remoteFlags(fs)
	var form string
	var version int
	var preview, versions, asJSON bool
	var ref retention.TemplateRef
	switch args[0] {
	case "list":
		fs.IntVar(&version, "version", 0, "`number` of the version; 0 for the newest")
		fs.BoolVar(&versions, "versions", false, "who put which version into force")
		fs.BoolVar(&asJSON, "json", false, "JSON, as the archive answers")
	case "export":
		fs.IntVar(&version, "version", 0, "`number` of the version; 0 for the newest")
		fs.StringVar(&form, "format", "", "`form`: csv, xdomea or json; csv unless the file's name says otherwise")
	case "import":
		fs.StringVar(&form, "format", "", "`form`: csv, xdomea or json, unless the file's name says it")
		fs.BoolVar(&preview, "preview", false, "only tell what would change")
	case "publish":
		fs.StringVar(&ref.Name, "name", "", "`name` of the template")
		fs.IntVar(&ref.Version, "version", 0, "`number` of its version; that of the classification unless said")
	case "adopt":
		fs.BoolVar(&preview, "preview", false, "only tell what would change")
	default:
		return usageError{fmt.Errorf("bestand classification %s: want export, import, list, publish or adopt", args[0])}
	}
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	if args[0] == "publish" && ref.Name == "" {
		return usageError{errors.New("bestand classification publish: --name is needed, which says what the template is called")}
	}
	if err := r.open(fs); err != nil {
		return err
	}
	query := ""
	if version != 0 {
		query = fmt.Sprintf("?version=%d", version)
	}
	switch {
	case args[0] == "list" && fs.NArg() == 0 && versions:
		return r.schemeVersions(ctx, asJSON, stdout)
	case args[0] == "list" && fs.NArg() == 0:
		return r.listScheme(ctx, query, asJSON, stdout)
	case args[0] == "list" || fs.NArg() > 1 || fs.NArg() == 0 && (args[0] == "import" || args[0] == "adopt"):
		fs.Usage()
		return usageError{errors.New("name one file")}
	case args[0] == "publish":
		if ref.Version == 0 {
			var s retention.Scheme
			if err := r.ask(ctx, http.MethodGet, "/v1/classification", "", nil, &s); err != nil {
				return err
			}
			ref.Version = s.Version
		}
		q := url.Values{"name": {ref.Name}, "version": {fmt.Sprint(ref.Version)}}
		return r.save(ctx, "/v1/classification/template?"+q.Encode(), fs.Arg(0), stdout)
	case args[0] == "adopt":
		return r.adopt(ctx, fs.Arg(0), preview, stdout)
	}
	media, err := planForm(form, fs.Arg(0))
	if err != nil {
		return err
	}
	if args[0] == "import" {
		return r.importScheme(ctx, fs.Arg(0), media, preview, stdout)
	}
	r.accept = media
	return r.save(ctx, "/v1/classification"+query, fs.Arg(0), stdout)
}

// planForm returns the media type of a form that a flag names or a file's name ends with.
func planForm(form, file string) (string, error) {
	if form == "" {
		form = map[string]string{".xml": "xdomea", ".json": "json", ".csv": "csv", "": "csv"}[strings.ToLower(filepath.Ext(file))]
	}
	media, ok := planForms[form]
	switch {
	case !ok && form == "":
		return "", usageError{fmt.Errorf("%s: its name does not end in .csv, .xml or .json: save it as CSV UTF-8, or say with --format what it is", file)}
	case !ok:
		return "", usageError{fmt.Errorf("--format %q: want csv, xdomea or json", form)}
	}
	return media, nil
}

// save writes an answer to a file, which is complete when it has its name, or to
// standard output without one.
func (r *remote) save(ctx context.Context, path, file string, stdout io.Writer) error {
	resp, err := r.call(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if file == "" {
		_, err := io.Copy(stdout, resp.Body)
		return err
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return writeDurably(file, data)
}

func (r *remote) listScheme(ctx context.Context, query string, asJSON bool, stdout io.Writer) error {
	if asJSON {
		return r.save(ctx, "/v1/classification"+query, "", stdout)
	}
	var s retention.Scheme
	if err := r.ask(ctx, http.MethodGet, "/v1/classification"+query, "", nil, &s); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s, version %d\n", legibleLines(s.Title), s.Version)
	depth := make(map[string]int, len(s.Classes))
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, c := range s.Classes {
		depth[c.Code] = depth[c.Parent] + 1
		note := c.Rule
		if c.Closed {
			note += " (closed)"
		}
		fmt.Fprintf(w, "%s%s\t%s\t%s\n", strings.Repeat("  ", depth[c.Code]-1), c.Code, legibleLines(c.Title), note)
	}
	return w.Flush()
}

func (r *remote) schemeVersions(ctx context.Context, asJSON bool, stdout io.Writer) error {
	if asJSON {
		return r.save(ctx, "/v1/classification/versions", "", stdout)
	}
	var all struct{ Items []retention.SchemeVersion }
	if err := r.ask(ctx, http.MethodGet, "/v1/classification/versions", "", nil, &all); err != nil {
		return err
	}
	for _, v := range all.Items {
		fmt.Fprintf(stdout, "%d  %s  %s  %d classes  %s\n", v.Version, v.Set.Local().Format(time.DateTime), legibleLines(v.SetBy), v.Classes, legibleLines(v.Title))
	}
	return nil
}

func (r *remote) importScheme(ctx context.Context, file, media string, preview bool, stdout io.Writer) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var p retention.Preview
	if err := r.ask(ctx, http.MethodPost, "/v1/classification/preview", media, data, &p); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if p.Unchanged {
		fmt.Fprintln(stdout, "nothing changes: the version in force says the same")
		return nil
	}
	tell(stdout, p.Effects[0])
	if preview {
		return nil
	}
	var s retention.Scheme
	if err := r.ask(ctx, http.MethodPost, "/v1/classification", media, data, &s); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Fprintf(stdout, "version %d with %d classes is in force\n", s.Version, len(s.Classes))
	return nil
}

// adopt brings a template into force, after telling what it changes.
func (r *remote) adopt(ctx context.Context, file string, preview bool, stdout io.Writer) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var a retention.Adoption
	if err := r.ask(ctx, http.MethodPost, "/v1/classification/template/preview", "application/json", data, &a); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, part := range []struct {
		what  string
		names []string
	}{{"new classes", a.Added}, {"changed classes", a.Changed}, {"classes left out", a.Removed}, {"rules with a next version", a.Rules}, {"kept as they are here", a.Kept}} {
		if len(part.names) > 0 {
			fmt.Fprintf(stdout, "%s: %s\n", part.what, strings.Join(part.names, ", "))
		}
	}
	if a.Unchanged {
		fmt.Fprintf(stdout, "nothing changes: the classification follows version %d of %s already\n", a.Template.Version, a.Template.Name)
		return nil
	}
	for _, e := range a.Preview.Effects {
		tell(stdout, e)
	}
	if preview {
		return nil
	}
	if err := r.ask(ctx, http.MethodPost, "/v1/classification/template", "application/json", data, &a); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Fprintf(stdout, "version %d of the classification follows version %d of %s\n", a.Scheme.Version, a.Template.Version, a.Template.Name)
	return nil
}

// ask sends a body, if any, and reads the JSON of the answer.
func (r *remote) ask(ctx context.Context, method, path, media string, body []byte, into any) error {
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(body)
	}
	resp, err := r.call(ctx, method, path, media, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// tell says in words what a preview found.
func tell(w io.Writer, e retention.Effect) {
	if e.Moved == 0 {
		fmt.Fprintf(w, "no record moves, of %d that are concerned\n", e.Records)
		return
	}
	fmt.Fprintf(w, "%d of %d records move: %d end earlier, %d later; %d become due, %d are due no longer; %d come into conflict, %d become unresolved\n",
		e.Moved, e.Records, e.Earlier, e.Later, e.NewlyDue, e.NoLongerDue, e.Conflict, e.Unresolved)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range e.Moves {
		fmt.Fprintf(t, "  %s\t→\t%s\t%d\n", where(m.From), where(m.To), m.Records)
	}
	t.Flush()
}

func where(p retention.Place) string {
	words := []string{string(p.State)}
	if p.Year != 0 {
		words = append(words, fmt.Sprint(p.Year))
	}
	return strings.Join(append(words, string(p.Disposition)), " ")
}
