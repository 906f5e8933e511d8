// Erverify checks an evidence record (RFC 4998) with the package or the files that it is
// about, or a package with its seal, and lists every check with its result and its
// clause. It needs no archive and no network: only these files and the trust anchors.
// It says the same as bestand verify, of which it is the part that others want to keep.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"bestand/preservation"
	"bestand/preservation/verdict"
)

const usage = `Usage: erverify [--trust CA.pem] [--algorithms FILE] [--json] RECORD.er FILE…
       erverify [--trust CA.pem] [--json] PACKAGE.zip…

Exit code 0: everything holds; 1: something does not; 2: it could not be checked.
`

func main() {
	ok, err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "erverify:", verdict.Legible(err.Error()))
		os.Exit(2)
	case !ok:
		os.Exit(1)
	}
}

// run reports whether everything holds.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (bool, error) {
	fs := flag.NewFlagSet("erverify", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage+"\n")
		fs.PrintDefaults()
	}
	trust := fs.String("trust", "", "trust anchors `file` (PEM) for seals and time-stamps; without it anybody could have made them")
	algorithms := fs.String("algorithms", "", "`file` (JSON) with a newer table of algorithms and their ends than the program's own, for evidence records")
	asJSON := fs.Bool("json", false, "one JSON line for each file")
	if err := fs.Parse(args); err != nil {
		return false, err
	}
	if fs.NArg() == 0 {
		fs.Usage()
		return false, errors.New("which evidence record, or which package?")
	}
	if err := verdict.Order(fs.Args()); err != nil {
		return false, err
	}
	roots, err := verdict.Anchors(*trust)
	if err != nil {
		return false, err
	}
	suitable, err := verdict.Algorithms(*algorithms)
	if err != nil {
		return false, err
	}
	ok, files := true, fs.Args()
	if verdict.IsEvidence(files[0]) { // the others are what it is about
		files = files[:1]
	}
	for _, path := range files {
		var found []preservation.Finding
		if verdict.IsEvidence(path) {
			found, err = verdict.Evidence(ctx, path, fs.Args()[1:], roots, suitable)
		} else {
			found, err = verdict.Package(ctx, path, roots)
		}
		if err != nil {
			return false, err
		}
		v := verdict.New(path, roots, found)
		ok = ok && v.OK
		if *asJSON {
			err = v.JSON(stdout)
		} else {
			err = v.Text(stdout)
		}
		if err != nil {
			return false, err
		}
	}
	return ok, nil
}
