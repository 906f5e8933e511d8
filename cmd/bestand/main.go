// Bestand is the electronic long-term archive and records service for
// municipalities. This program is all of it: the service, the embedded object
// store that it runs as a child, and the commands for producers and operators.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"bestand/ingest/convert"
	"bestand/ingest/draft"
	"bestand/ingest/format"
	"bestand/ingest/image"
	"bestand/ingest/invoice"
	"bestand/ingest/mail"
	"bestand/preservation/pkcs11"
	"bestand/preservation/verdict"
)

// command is one subcommand. Its error is printed once, by main.
type command struct {
	name, args, help string
	run              func(ctx context.Context, args []string, stdout, stderr io.Writer) error
	hidden           bool
	plain            bool // it has no flags before its subcommand, or none at all
}

func commands() []command {
	return []command{
		{name: "serve", args: "[flags]", help: "run the archive", run: serve},
		{name: "ingest", args: "--server URL --token-file F [flags] PATH…", help: "hand files and folders over and keep the receipts", run: ingestCommand},
		{name: "verify", args: "[--trust CA.pem] PACKAGE|RECEIPT.jws… | RECORD.er FILE…", help: "check packages, receipts and evidence offline", run: verifyCommand},
		{name: "export", args: "--server URL --token-file F [--profile P] [--out DIR] RECORD…", help: "fetch packages, as ASiC-E or XAIP with their evidence, or as they are stored", run: exportCommand},
		{name: "evidence", args: "stamp|due|renew --server URL --token-file F [--at DAY]", help: "have new records time-stamped, and keep old time-stamps alive", run: evidenceCommand, plain: true},
		{name: "classification", args: "export|import|list|publish|adopt --server URL --token-file F [FILE]", help: "carry the classification to and from CSV and xdomea, or share it", run: classificationCommand, plain: true},
		{name: "rules", args: "export|import --server URL --token-file F [FILE]", help: "carry the retention rules to and from CSV and JSON", run: rulesCommand, plain: true},
		{name: "report", args: "due|unresolved|conflicts|holds --server URL --token-file F [FILE]", help: "say what is due in which year, what is missing, what is held", run: reportCommand, plain: true},
		{name: "schedule", args: "list|run|pause|resume --server URL --token-file F [--everything] [KIND]", help: "say what the archive does by itself, and have it done now or not", run: scheduleCommand, plain: true},
		{name: "disposal", args: "create|list|show|decide|offer|answer|approve|… --server URL --token-file F [RUN]", help: "dispose of records: assess, offer, approve, destroy, certify", run: disposalCommand, plain: true},
		{name: "reclassify", args: "--class CODE --reason R --server URL --token-file F [RECORD…]", help: "move many records to another class", run: reclassifyCommand},
		{name: "subject", args: "create|list|show|decide|erase|statement --server URL --token-file F [REQUEST]", help: "answer persons concerned: erasure, restriction, statement", run: subjectCommand, plain: true},
		{name: "check", args: "--data DIR [flags of serve]", help: "read everything back and hold bucket and catalog against each other", run: checkCommand},
		{name: "audit", args: "verify|export|accept-fork [flags] [FILE…]", help: "check the audit log, here or as exported, hand it out, go on behind a fork", run: auditCommand, plain: true},
		{name: "clock", args: "--data DIR [--confirm]", help: "say what the archive knows of the time, or that the clock is right", run: clockCommand},
		{name: "backup", args: "--data DIR --passphrase-file F FOLDER", help: "copy buckets, catalog and keys into a folder, what is new", run: backupCommand},
		{name: "restore", args: "--data DIR --passphrase-file F FOLDER", help: "bring a backup into an empty data folder and empty buckets", run: restoreCommand},
		{name: "rebuild", args: "--data DIR [flags of serve]", help: "restore catalog and index from the bucket alone", run: rebuildCommand},
		{name: "doctor", args: "[--json]", help: "say which external parts are here and what is lost without them", run: doctorCommand},
		{name: "tenant", args: "create|list [flags]", help: "manage tenants of a stopped or running installation", run: tenantCommand, plain: true},
		{name: "token", args: "create|list|revoke [flags]", help: "manage API tokens", run: tokenCommand, plain: true},
		{name: "user", args: "add|password|list|lock|unlock [flags]", help: "manage the people who log in at the pages", run: userCommand, plain: true},
		{name: "config", args: "check [flags]", help: "print the effective configuration and every problem of it", run: configCommand, plain: true},
		{name: "version", help: "print the version", run: versionCommand, plain: true},
		{name: "objectstore", help: "the embedded object store (started by serve)", run: objectstoreCommand, hidden: true},
	}
}

// quantity is a number of things.
func quantity[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// usageError is answered with exit code 2.
type usageError struct{ error }

func main() {
	// Readers of hostile files are this program again, in a sandbox.
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case convert.ChildArg:
			os.Exit(convert.Child(os.Args[2:], os.Stdin, os.Stdout))
		case draft.ChildArg:
			os.Exit(draft.Child(os.Args[2:], os.Stdin, os.Stdout))
		case format.ChildArg:
			os.Exit(format.Child(os.Args[2:], os.Stdin, os.Stdout))
		case image.ChildArg:
			os.Exit(image.Child(os.Args[2:], os.Stdin, os.Stdout))
		case invoice.ChildArg:
			os.Exit(invoice.Child(os.Args[2:], os.Stdin, os.Stdout))
		case mail.ChildArg:
			os.Exit(mail.Child(os.Args[2:], os.Stdin, os.Stdout))
		case pkcs11.ChildArg: // foreign code, as close to the hardware as it wants to be
			os.Exit(pkcs11.Child(os.Args[2:], os.Stdin, os.Stdout))
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	var usage usageError
	var code exitCode
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "bestand:", legibleLines(err.Error()))
		os.Exit(2)
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "bestand:", legibleLines(err.Error()))
		os.Exit(1)
	}
}

// exitCode ends the program with a code after everything has been said.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || asksForHelp(args[0]) {
		usage(stdout)
		return nil
	}
	if args[0] == "--version" || args[0] == "-v" {
		args[0] = "version"
	}
	for _, c := range commands() {
		if c.name == args[0] {
			if len(args) == 2 && c.plain && asksForHelp(args[1]) {
				explain(stderr, c.name)
				return nil
			}
			err := c.run(ctx, args[1:], stdout, stderr)
			ended := func(err error) bool { return errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)) }
			if ctx.Err() != nil && ended(err) {
				return cutOff(args, apart(err, ended))
			}
			return err
		}
	}
	return usageError{fmt.Errorf("there is no command %q; bestand help lists them", args[0])}
}

// cutOff says what is left of a command that was ended early, and what went wrong then.
func cutOff(args []string, wrong []error) error {
	sub := args[0]
	if len(args) > 1 {
		sub += " " + args[1]
	}
	err := errors.New("interrupted: " + cmp.Or(interrupted[sub], interrupted[args[0]], "nothing was changed"))
	return errors.Join(append([]error{err}, wrong...)...)
}

// apart are the errors that stand joined beside those of some kind.
func apart(err error, kind func(error) bool) (others []error) {
	if !kind(err) {
		return []error{err}
	}
	if reflect.TypeOf(err) != reflect.TypeOf(errors.Join(io.EOF)) { // one error, which may have several causes
		if inner := errors.Unwrap(err); inner != nil {
			return apart(inner, kind)
		}
		return nil
	}
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		others = append(others, apart(e, kind)...)
	}
	return others
}

func usage(w io.Writer) {
	fmt.Fprint(w, "Bestand, the long-term archive and records service for municipalities.\n\nUsage: bestand COMMAND\n\n")
	for _, c := range commands() {
		if !c.hidden {
			fmt.Fprintf(w, "  %-14s %-46s %s\n", c.name, c.args, c.help)
		}
	}
	fmt.Fprint(w, "\nbestand COMMAND --help shows the flags of a command.\n")
}

// version is set by the build (-ldflags "-X main.version=…").
var version = ""

func programVersion() string {
	if version != "" {
		return version
	}
	if i, ok := debug.ReadBuildInfo(); ok && i.Main.Version != "" {
		return i.Main.Version
	}
	return "devel"
}

func versionCommand(_ context.Context, _ []string, stdout, _ io.Writer) error {
	_, err := fmt.Fprintln(stdout, "bestand", programVersion())
	return err
}

// flags makes the flag set of a command whose errors are usage errors.
func flags(name string, stderr io.Writer) *flag.FlagSet {
	fs := flag.NewFlagSet("bestand "+name, flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		explain(stderr, name)
		fs.PrintDefaults()
	}
	return fs
}

// unreadValue is how package flag says that it cannot read a number or a duration.
var unreadValue = regexp.MustCompile(`^invalid value (".*") for flag -(\S+): parse error$`)

// readable says of a flag that cannot be read what it wants.
func readable(fs *flag.FlagSet, err error) error {
	m := unreadValue.FindStringSubmatch(err.Error())
	if m == nil || fs.Lookup(m[2]) == nil {
		return err
	}
	f := fs.Lookup(m[2])
	want := "a whole number"
	if g, ok := f.Value.(flag.Getter); ok {
		switch g.Get().(type) {
		case time.Duration:
			want = "a time such as 90s, 5m or 1h30m"
		case bool:
			want = "true or false"
		case float64:
			want = "a number"
		default:
			if unit, _ := flag.UnquoteUsage(f); unit == "days" || unit == "records" {
				want += " of " + unit
			}
		}
	}
	return fmt.Errorf("--%s %s: want %s", m[2], m[1], want)
}

// parse reads the flags. One that stands behind the first argument would be taken for an
// argument itself; who means one that begins so writes -- before it. What is wrong is said
// once, behind the usage.
func parse(fs *flag.FlagSet, args []string) error {
	out, usage := fs.Output(), fs.Usage
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	err := fs.Parse(args)
	fs.SetOutput(out)
	if fs.Usage = usage; err != nil {
		usage()
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return usageError{readable(fs, err)}
	}
	late := slices.IndexFunc(fs.Args(), func(a string) bool {
		name, _, _ := strings.Cut(strings.TrimPrefix(a, "-"), "=")
		return strings.HasPrefix(a, "--") || name != a && fs.Lookup(name) != nil // one hyphen does for a flag, too
	})
	if late >= 0 && !slices.Contains(args, "--") {
		return usageError{fmt.Errorf("%s: flags come before %s", verdict.Legible(fs.Arg(late)), verdict.Legible(fs.Arg(0)))}
	}
	return err
}
