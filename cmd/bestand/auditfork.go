package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/ledger"
	"bestand/preservation/verdict"
)

// maxReason is the most bytes of a person's reason in the audit log.
const maxReason = 2000

// acceptFork leads out of a forked audit log: it tells the segments of the bucket that do
// not go with the log, and with a reason notes that a person accepts them as branches
// beside it: those that a call before has told, by their digests, and no others. The log
// goes on with what the catalog has.
func acceptFork(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	set := flags("audit accept-fork", stderr)
	tenant := set.String("tenant", "", "`tenant` whose log forked")
	by := set.String("by", "", "`name` of the person who has looked at both branches and accepts it")
	reason := set.String("reason", "", "`text`: what was found and why the branch is no part of the log; without it the branches are only told")
	var branches csv
	var log csv
	set.Var(&log, "log", "`digests` (SHA-256) of those that are told which are the log itself, where nothing proves which of several is: they are taken up, and the others stay beside (--branch)")
	set.Var(&branches, "branch", "`digests` (SHA-256) of the branches that were looked at, separated by commas: all that are told without --reason")
	cfg, err := loadConfig(set, args)
	if err != nil {
		return err
	}
	accept := strings.TrimSpace(*reason) != ""
	switch {
	case *tenant == "" || set.NArg() > 0:
		set.Usage()
		return usageError{errors.New("--tenant is needed, and no file")}
	case accept && strings.TrimSpace(*by) == "":
		return usageError{errors.New("--by is needed with --reason: the log names the person who accepts")}
	case accept && len(branches)+len(log) == 0:
		return usageError{errors.New("--branch or --log is needed with --reason: the digests that the call without it has told")}
	case len(*reason) > maxReason || len(*by) > maxReason:
		return usageError{fmt.Errorf("--reason and --by have at most %d bytes each", maxReason)}
	}
	a, err := open(ctx, cfg, newLog(cfg, stderr))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	t := a.catalog.Tenant(preservation.TenantID(*tenant))
	if _, err := t.Info(ctx); err != nil {
		return err
	}
	store, err := a.store(ctx, t)
	if err != nil {
		return err
	}
	forks, unread, err := ledger.Forks(ctx, t, store, verdict.Seal(a.trust, time.Now))
	if err != nil {
		return err
	}
	for _, f := range unread {
		fmt.Fprintln(stdout, verdict.Legible(fmt.Sprintf("%s %s: %s", f.Code, f.Subject, f.Detail)))
	}
	var there []string
	for _, b := range forks {
		there = append(there, b.SHA256)
	}
	slices.Sort(there)
	named := slices.Sorted(slices.Values(slices.Concat(branches, log)))
	if len(forks) == 0 && len(unread) == 0 {
		fmt.Fprintln(stdout, "no fork that waits for a person: everything in the bucket goes with the log, or was accepted")
	}
	for _, b := range forks {
		fmt.Fprintln(stdout, verdict.Legible(b.String()))
	}
	switch {
	case len(forks) > 0 && !accept:
		return fmt.Errorf("%d segments do not go with the log: look at them (bestand audit export) and say --by, --reason and --branch %s to leave them beside it, or --log with those that are the log; nothing was changed", len(forks), strings.Join(there, ","))
	case len(forks) > 0 && !slices.Equal(there, named):
		return fmt.Errorf("the %d segments that do not go with the log are not those that --branch and --log name: look at these (bestand audit export) and say --branch %s; nothing was changed", len(forks), strings.Join(there, ","))
	}
	if len(log) > 0 && len(forks) > 0 {
		taken := slices.DeleteFunc(slices.Clone(forks), func(b audit.Branch) bool { return !slices.Contains(log, b.SHA256) })
		if err := ledger.TakeUp(ctx, t, store, taken, "cli", *by, *reason); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "segments that are taken up into the log: %d\n", len(taken))
		// By the log as it is now; what went with the others goes with it, too.
		if forks, _, err = ledger.Forks(ctx, t, store, verdict.Seal(a.trust, time.Now)); err != nil {
			return err
		}
		forks = slices.DeleteFunc(forks, func(b audit.Branch) bool { return !slices.Contains(branches, b.SHA256) })
	}
	if len(forks) > 0 {
		if err := ledger.AcceptForks(ctx, t, forks, "cli", *by, *reason); err != nil {
			return err
		}
	}
	// An attempt that was cut off has noted it, and not stored.
	lock, err := a.officer.ProofLock(ctx, t)
	if err != nil {
		return err
	}
	if err := ledger.StoreAudit(ctx, t, store, lock); err != nil {
		return err
	}
	if len(forks) > 0 {
		fmt.Fprintf(stdout, "%d branches are accepted and stay in the bucket; the log goes on, the service seals it and stamps it with the next evidence\n", len(forks))
	}
	if len(unread) > 0 {
		return fmt.Errorf("%d segments could not be read, and nobody can tell whether they go with the log", len(unread))
	}
	return nil
}
