package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"bestand/retention"
)

// ruleForms are the forms of rules by the name of their flag.
var ruleForms = map[string]string{"csv": "text/csv", "json": "application/json"}

// rulesCommand asks a running archive about its retention rules.
func rulesCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("want: bestand rules export|import")}
	}
	fs := flags("rules "+args[0], stderr)
	r := remoteFlags(fs)
	form := fs.String("format", "", "`form`: csv or json; csv unless the file's name says otherwise")
	var preview bool
	switch args[0] {
	case "export":
	case "import":
		fs.BoolVar(&preview, "preview", false, "only tell what would change")
	default:
		return usageError{fmt.Errorf("bestand rules %s: want export or import", args[0])}
	}
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	if err := r.open(fs); err != nil {
		return err
	}
	if fs.NArg() > 1 || fs.NArg() == 0 && args[0] == "import" {
		fs.Usage()
		return usageError{errors.New("name one file")}
	}
	if *form == "" {
		*form = map[string]string{".json": "json", ".csv": "csv", "": "csv"}[strings.ToLower(filepath.Ext(fs.Arg(0)))]
	}
	media, ok := ruleForms[*form]
	switch {
	case !ok && *form == "":
		return usageError{fmt.Errorf("%s: its name does not end in .csv or .json: save it as CSV UTF-8, or say with --format what it is", fs.Arg(0))}
	case !ok:
		return usageError{fmt.Errorf("--format %q: want csv or json", *form)}
	}
	if args[0] == "import" {
		return r.importRules(ctx, fs.Arg(0), media, preview, stdout)
	}
	r.accept = media
	return r.save(ctx, "/v1/rules", fs.Arg(0), stdout)
}

// importRules puts the rules of a file that differ from the newest version in the
// archive into force, all or none.
func (r *remote) importRules(ctx context.Context, file, media string, preview bool, stdout io.Writer) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if media == "application/json" {
		if data, err = submitted(data); err != nil {
			return fmt.Errorf("%s: want what bestand rules export writes: %w", file, err)
		}
	}
	var c retention.RuleChange
	if err := r.ask(ctx, http.MethodPost, "/v1/rules/import/preview", media, data, &c); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Fprintf(stdout, "rules that change: %d, that stay: %d\n", len(c.Rules), c.Unchanged)
	for _, rule := range c.Rules {
		fmt.Fprintf(stdout, "  %s version %d: %s\n", rule.ID, rule.Version, legibleLines(rule.Title))
		for _, change := range c.Changes {
			for _, f := range change.Fields {
				if change.Rule == rule.ID {
					fmt.Fprintf(stdout, "    %s: %s → %s\n", f.Field, said(f.From), said(f.To))
				}
			}
		}
	}
	if len(c.Rules) == 0 {
		fmt.Fprintln(stdout, "nothing changes: the rules in the archive say the same")
		return nil
	}
	for _, e := range c.Preview.Effects {
		tell(stdout, e)
	}
	if preview {
		return nil
	}
	if err := r.ask(ctx, http.MethodPost, "/v1/rules/import", media, data, &c); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if c.Rules[0].ApprovedBy == "" {
		fmt.Fprintln(stdout, "proposed: another person has to approve each version")
		return nil
	}
	fmt.Fprintln(stdout, "in force")
	return nil
}

// said is a value of a rule, or what stands for none.
func said(value string) string {
	if value == "" {
		return "nothing"
	}
	return legibleLines(value)
}

// submitted turns what was exported into what is imported: the newest version of
// each rule, without what the archive says of it.
func submitted(exported []byte) ([]byte, error) {
	var given struct{ Items []retention.Rule }
	if err := json.Unmarshal(exported, &given); err != nil {
		return nil, err
	}
	rules := retention.NewestRules(given.Items)
	for i := range rules {
		rules[i].Version, rules[i].ProposedBy, rules[i].ApprovedBy = 0, "", ""
	}
	return json.Marshal(map[string]any{"rules": rules})
}
