package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"

	"bestand/api"
)

// tenantSettings shows the choices of a tenant of a running archive, and makes those that
// are given.
func tenantSettings(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("tenant settings", stderr)
	r := remoteFlags(fs)
	given := map[string]*string{
		"seal":          fs.String("seal", "", "`level` of the seals: B-B, B-T or B-LT (default)"),
		"no-rendition":  fs.String("no-rendition", "", "what becomes of a `record` with a file that cannot be converted: archive (default) or quarantine"),
		"receipt-after": fs.String("receipt-after", "", "`when` a receipt lets the source be deleted: stored, or replicated (default where there is a second copy)"),
		"zone":          fs.String("zone", "", "time `zone` of schedules and retention (default Europe/Berlin)"),
	}
	if err := parse(fs, args); err != nil {
		return err
	}
	if err := r.open(fs); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return usageError{fmt.Errorf("bestand tenant settings: %q is no flag", fs.Arg(0))}
	}
	var own api.OwnTenant
	if err := r.ask(ctx, http.MethodGet, "/v1/tenant", "", nil, &own); err != nil {
		return err
	}
	set, changed := &own.Settings, false
	to := map[string]*string{"seal": &set.Seal, "no-rendition": &set.NoRendition, "receipt-after": &set.ReceiptAfter, "zone": &set.Zone}
	fs.Visit(func(f *flag.Flag) {
		if value, ok := given[f.Name]; ok {
			changed = true
			if *to[f.Name] = *value; *value == "default" {
				*to[f.Name] = ""
			}
		}
	})
	if changed {
		body, err := json.Marshal(own.Settings)
		if err != nil {
			return err
		}
		if err := r.ask(ctx, http.MethodPost, "/v1/tenant/settings", "application/json", body, &own); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(to)) {
		fmt.Fprintf(stdout, "%s\t%s\n", name, cmp.Or(*to[name], "default"))
	}
	return nil
}
