package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// reports are those that a running archive makes.
var reports = []string{"due", "unresolved", "conflicts", "holds"}

// reportCommand fetches a report on retention.
func reportCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("want: bestand report due|unresolved|conflicts|holds")}
	}
	if !slices.Contains(reports, args[0]) {
		return usageError{fmt.Errorf("bestand report %s: want due, unresolved, conflicts or holds", args[0])}
	}
	fs := flags("report "+args[0], stderr)
	r := remoteFlags(fs)
	form := fs.String("format", "", "`form`: csv or json; csv unless the file's name says otherwise")
	years := 30
	if args[0] == "due" {
		fs.IntVar(&years, "years", years, "how many `years` after this one")
	}
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	if err := r.open(fs); err != nil {
		return err
	}
	if *form == "" {
		*form = map[string]string{".json": "json", ".csv": "csv", "": "csv"}[strings.ToLower(filepath.Ext(fs.Arg(0)))]
	}
	if fs.NArg() > 1 || *form != "csv" && *form != "json" {
		fs.Usage()
		return usageError{errors.New("want csv or json, and at most one file")}
	}
	r.accept = planForms[*form]
	path := "/v1/reports/" + args[0]
	if args[0] == "due" {
		path += fmt.Sprintf("?years=%d", years)
	}
	return r.save(ctx, path, fs.Arg(0), stdout)
}
