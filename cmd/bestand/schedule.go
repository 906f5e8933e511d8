package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"bestand/api"
	"bestand/preservation/fixity"
)

// scheduleCommand asks a running archive about what it does by itself.
func scheduleCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return usageError{errors.New("want: bestand schedule list|run|pause|resume")}
	}
	fs := flags("schedule "+args[0], stderr)
	r := remoteFlags(fs)
	var asJSON, everything bool
	switch args[0] {
	case "list":
		fs.BoolVar(&asJSON, "json", false, "JSON, as the archive answers")
	case "run":
		fs.BoolVar(&everything, "everything", false, "with scrub: read back all of it, also what was read a short while ago")
	case "pause", "resume":
	default:
		return usageError{fmt.Errorf("bestand schedule %s: want list, run, pause or resume", args[0])}
	}
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	if err := r.open(fs); err != nil {
		return err
	}
	switch {
	case args[0] == "list" && fs.NArg() == 0 && asJSON:
		return r.save(ctx, "/v1/schedules", "", stdout)
	case args[0] == "list" && fs.NArg() == 0:
		var all struct{ Items []api.Schedule }
		if err := r.ask(ctx, http.MethodGet, "/v1/schedules", "", nil, &all); err != nil {
			return err
		}
		return tellSchedules(stdout, all.Items)
	case args[0] == "list" || fs.NArg() != 1:
		fs.Usage()
		return usageError{errors.New("name one schedule, as bestand schedule list does")}
	}
	var one api.Schedule
	var body []byte
	media := ""
	if everything {
		media, body = "application/json", []byte(`{"everything":true}`)
	}
	err := r.ask(ctx, http.MethodPost, "/v1/schedules/"+url.PathEscape(fs.Arg(0))+"/"+args[0], media, body, &one)
	var refused *answerError
	if errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return fmt.Errorf("there is no schedule %.60q: bestand schedule list names them", fs.Arg(0))
	}
	if err != nil {
		return err
	}
	if err := tellSchedules(stdout, []api.Schedule{one}); err != nil || one.Turn.Since.IsZero() {
		return err
	}
	return tellTurn(stdout, one.Turn)
}

// tellTurn says what a run of the scrub reads, and what it leaves out.
func tellTurn(w io.Writer, t api.FixityTurn) error {
	_, err := fmt.Fprintf(w, "read now: %s, beside those that something is wrong with\n", quantity(t.Due, "record"))
	if t.Recent > 0 {
		_, err = fmt.Fprintf(w, "left out: %s, read back since %s: nothing is read twice in half of a period\n", quantity(t.Recent, "record"), t.Since.Local().Format(zoned))
	}
	if t.Later > 0 {
		_, err = fmt.Fprintf(w, "left out: %s, whose turn comes later in the period\n", quantity(t.Later, "record"))
	}
	if t.Recent+t.Later > 0 {
		_, err = fmt.Fprintln(w, "bestand schedule run --everything "+fixity.JobScrub+" reads all of them now")
	}
	return err
}

// zoned is the form of a time that stands beside others in another zone.
const zoned = time.DateTime + " MST"

func tellSchedules(w io.Writer, all []api.Schedule) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KIND\tWHEN\tLAST\tOUTCOME\tNEXT")
	for _, s := range all {
		in := time.Local
		if zone, err := time.LoadLocation(s.Zone); err == nil { // the one that WHEN is in
			in = zone
		}
		last, next, outcome := "", s.Next.In(in).Format(zoned), s.Outcome
		if !s.Last.IsZero() {
			last = s.Last.In(in).Format(zoned)
		}
		if s.Paused {
			next = "paused"
		}
		if s.Error != "" {
			outcome += ": " + legibleLines(s.Error)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.Kind, s.Spec, last, outcome, next)
	}
	return t.Flush()
}
