package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"

	"bestand/retention"
)

// rulesCommand asks a running archive about its retention rules.
func rulesCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("want: bestand rules export|import")}
	}
	fs := flags("rules "+args[0], stderr)
	r := remoteFlags(fs)
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
	if args[0] == "import" {
		return r.importRules(ctx, fs.Arg(0), preview, stdout)
	}
	return r.save(ctx, "/v1/rules", fs.Arg(0), stdout)
}

// importRules brings the newest versions of a file that differ from those in the
// archive into force, in the order of the file. What came before a fault stays.
func (r *remote) importRules(ctx context.Context, file string, preview bool, stdout io.Writer) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var given, have struct{ Items []retention.Rule }
	if err := json.Unmarshal(data, &given); err != nil {
		return fmt.Errorf("%s: want what bestand rules export writes: %w", file, err)
	}
	if err := r.ask(ctx, http.MethodGet, "/v1/rules", "", nil, &have); err != nil {
		return err
	}
	there, wanted := newest(have.Items), newest(given.Items)
	changed := 0
	for _, v := range given.Items {
		rule := wanted[v.ID]
		if old, ok := there[v.ID]; v.Version != rule.Version || ok && reflect.DeepEqual(submitted(rule), submitted(old)) {
			continue
		}
		changed++
		body, err := json.Marshal(submitted(rule))
		if err != nil {
			return err
		}
		var p retention.Preview
		if err := r.ask(ctx, http.MethodPost, "/v1/rules/preview", "application/json", body, &p); err != nil {
			return fmt.Errorf("rule %s: %w", rule.ID, err)
		}
		fmt.Fprintf(stdout, "%s: ", rule.ID)
		for _, e := range p.Effects {
			if e.Applies == rule.Applies || rule.Applies == "" && e.Applies == "all" {
				tell(stdout, e)
			}
		}
		if preview {
			continue
		}
		var out retention.Rule
		if err := r.ask(ctx, http.MethodPost, "/v1/rules", "application/json", body, &out); err != nil {
			return fmt.Errorf("rule %s: %w", rule.ID, err)
		}
		fmt.Fprintf(stdout, "%s: version %d is in force\n", out.ID, out.Version)
	}
	fmt.Fprintf(stdout, "%d rules differ from those in the archive\n", changed)
	return nil
}

// newest returns the newest version of each rule.
func newest(rules []retention.Rule) map[string]retention.Rule {
	all := make(map[string]retention.Rule)
	for _, r := range rules {
		if r.Version >= all[r.ID].Version {
			all[r.ID] = r
		}
	}
	return all
}

// submitted is a rule without what the archive says of it.
func submitted(r retention.Rule) retention.Rule {
	r.Version, r.ApprovedBy = 0, ""
	return r
}
