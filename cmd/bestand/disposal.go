package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
	"bestand/retention/fileplan"
)

// disposalActs are the subcommands of bestand disposal.
var disposalActs = []string{"create", "list", "show", "decide", "message", "offer", "answer", "approve", "withdraw", "execute", "stop", "cancel", "export", "transfer", "certificate"}

// disposalFlags are what its subcommands may be told.
type disposalFlags struct {
	*remote
	title, dueBy                       string
	classes                            csv
	records                            []string
	recordsFile                        string
	file, decision, until, note        string
	xdomea                             string
	authority, receiver, reference, on string
	ownCopy, reason                    string
	profile, out                       string
	revision, grace                    int
	allow                              int64
	pdf, asJSON                        bool
}

func (d *disposalFlags) define(fs *flag.FlagSet, act string) {
	named := func() {
		fs.Func("record", "a `record`; may be repeated", func(id string) error {
			d.records = append(d.records, id)
			return nil
		})
		fs.StringVar(&d.recordsFile, "records", "", "`file` with a record in each line; - for standard input")
	}
	scoped := func(decisions string) {
		fs.StringVar(&d.file, "csv", "", "`file` with the columns Datensatz, Entscheidung, Bis and Vermerk, as show --csv writes it")
		fs.StringVar(&d.decision, "decision", "", "`decision` for all records, or for those of --class, --record and --records: "+decisions)
		fs.Var(&d.classes, "class", "`classes` with all below them, separated by commas")
		named()
		fs.StringVar(&d.note, "note", "", "why")
	}
	switch act {
	case "create":
		fs.StringVar(&d.title, "title", "", "what it is called")
		fs.Var(&d.classes, "class", "`classes` with all below them, separated by commas")
		fs.StringVar(&d.dueBy, "due-by", "", "`day`: records that are due then or before")
	case "list":
		fs.BoolVar(&d.asJSON, "json", false, "JSON lines")
	case "show":
		fs.BoolVar(&d.asJSON, "json", false, "JSON, as the archive answers")
		fs.StringVar(&d.file, "csv", "", "`file` to write all of its records to")
	case "decide":
		scoped("A, B, V or K")
		fs.StringVar(&d.until, "until", "", "`day` of K, until which they are kept")
	case "message":
		fs.StringVar(&d.out, "out", ".", "`folder` to write to")
	case "answer":
		fs.StringVar(&d.xdomea, "xdomea", "", "`file` with message 0502 of xdomea, in a ZIP or not")
		scoped("A, B, V, or none after six months")
	case "offer":
		fs.StringVar(&d.authority, "authority", "", "the competent `archive`")
		fs.StringVar(&d.reference, "reference", "", "`reference` of the offer")
		fs.StringVar(&d.on, "on", "", "`day` of the offer (default: today)")
	case "approve":
		fs.IntVar(&d.revision, "revision", 0, "the `revision` that you looked at; another one is refused")
		fs.StringVar(&d.note, "note", "", "a remark")
	case "execute":
		fs.IntVar(&d.grace, "grace", -1, "`days` until it begins (default: as the archive has set)")
		fs.Int64Var(&d.allow, "allow", 0, "how many `records` a run that stopped itself for their number may destroy, as many as it asks about; refused of any other run")
	case "withdraw", "stop", "cancel":
		fs.StringVar(&d.reason, "reason", "", "why")
	case "export":
		fs.StringVar(&d.profile, "profile", "xdomea", "`form`: "+profileNames)
		fs.StringVar(&d.out, "out", ".", "`folder` to write to")
	case "transfer":
		fs.Var(&d.classes, "class", "`classes` with all below them, separated by commas (without any, --record or --records: all that wait for it)")
		named()
		fs.StringVar(&d.receiver, "receiver", "", "the `archive` that took them over")
		fs.StringVar(&d.reference, "reference", "", "`reference` of its acknowledgement")
		fs.StringVar(&d.on, "on", "", "`day` of the acknowledgement (default: today)")
		fs.StringVar(&d.ownCopy, "own-copy", "", "destroy, or keep it for the archive; destroy is for the approver, or somebody else who neither proposed nor decided")
	case "certificate":
		fs.BoolVar(&d.pdf, "pdf", false, "the sealed PDF/A to the standard output; a file named .pdf is one without")
	}
}

// disposalCommand works on the disposal runs of a running archive.
func disposalCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || !slices.Contains(disposalActs, args[0]) {
		return usageError{fmt.Errorf("want: bestand disposal %s", strings.Join(disposalActs, "|"))}
	}
	act := args[0]
	fs := flags("disposal "+act, stderr)
	d := disposalFlags{remote: remoteFlags(fs)}
	d.define(fs, act)
	if err := parse(fs, args[1:]); err != nil {
		return err
	}
	if err := d.open(fs); err != nil {
		return err
	}
	switch act {
	case "create":
		return d.create(ctx, fs.Args(), stdout)
	case "list":
		return d.list(ctx, stdout)
	}
	switch {
	case fs.NArg() == 0:
		fs.Usage()
		return usageError{errors.New("name the run")}
	case fs.NArg() > 1 && act != "certificate":
		fs.Usage()
		where := ""
		if d.out != "" {
			where = "; --out names the folder that is written to"
		}
		return usageError{fmt.Errorf("bestand disposal %s takes the run and nothing behind it%s", act, where)}
	}
	run := "/v1/disposals/" + url.PathEscape(fs.Arg(0))
	switch act {
	case "show":
		return d.show(ctx, run, stdout)
	case "message":
		return d.message(ctx, run, stdout)
	case "export":
		return d.export(ctx, fs.Arg(0), stdout, stderr)
	case "certificate":
		return d.certificate(ctx, run, fs.Args()[1:], stdout)
	}
	if d.xdomea != "" {
		return d.answerXdomea(ctx, run, stdout)
	}
	path, body, err := d.order(act)
	if err != nil {
		return err
	}
	return d.send(ctx, run+path, body, stdout)
}

// order is the route below a run and the body of an act.
func (d *disposalFlags) order(act string) (path string, body map[string]any, err error) {
	if (act == "withdraw" || act == "stop" || act == "cancel") && strings.TrimSpace(d.reason) == "" {
		return "", nil, usageError{fmt.Errorf("bestand disposal %s: say why with --reason", act)}
	}
	if d.on == "" {
		d.on = time.Now().Format(time.DateOnly)
	}
	switch act {
	case "decide":
		body, err = d.appraisals("decisions", "decision")
		return "/decisions", body, err
	case "answer":
		body, err = d.appraisals("answers", "answer")
		return "/answers", body, err
	case "offer":
		return "/offer", map[string]any{"authority": d.authority, "offered": d.on, "reference": d.reference}, nil
	case "approve":
		body = map[string]any{"note": d.note}
		if d.revision > 0 {
			body["revision"] = d.revision
		}
		return "/approval", body, nil
	case "execute":
		body = map[string]any{}
		if d.grace >= 0 {
			body["grace_days"] = d.grace
		}
		if d.allow > 0 {
			body["allow"] = d.allow
		}
		return "/execution", body, nil
	case "transfer":
		scope, err := d.scope()
		return "/transfers", map[string]any{"scope": scope, "receiver": d.receiver, "reference": d.reference, "acknowledged": d.on, "own_copy": d.ownCopy}, err
	}
	return map[string]string{"withdraw": "/withdrawal", "stop": "/stop", "cancel": "/cancellation"}[act], map[string]any{"reason": d.reason}, nil
}

// certificate fetches the proof of a run. The name of the file says in which form.
func (d *disposalFlags) certificate(ctx context.Context, run string, files []string, stdout io.Writer) error {
	file, pdf := "", d.pdf
	if len(files) > 0 {
		file = files[0]
		switch form := strings.ToLower(filepath.Ext(file)); {
		case len(files) > 1, form != ".pdf" && form != ".json", form == ".json" && d.pdf:
			return usageError{errors.New("bestand disposal certificate RUN FILE.pdf for the sealed PDF/A, FILE.json for JSON")}
		default:
			pdf = form == ".pdf"
		}
	}
	if pdf {
		run += "/certificate?format=pdf"
	} else {
		run += "/certificate"
	}
	return d.save(ctx, run, file, stdout)
}

// scope is what --class, --record and --records say, or everything.
func (d *disposalFlags) scope() (s retention.Scope, err error) {
	ids := d.records
	if d.recordsFile != "" {
		listed, err := readRecords(d.recordsFile)
		if err != nil {
			return s, err
		}
		ids = append(ids, listed...)
	}
	if len(ids) > 0 {
		if ids, err = onceEach(ids); err != nil {
			return s, err
		}
	}
	for _, id := range ids {
		if !preservation.RecordID(id).Valid() {
			return s, usageError{fmt.Errorf("--record: %.40q is not the identifier of a record", id)}
		}
		s.Records = append(s.Records, preservation.RecordID(id))
	}
	s.Classes = d.classes
	s.All = len(ids) == 0 && len(d.classes) == 0
	return s, nil
}

// appraisals are the decisions of a file, or the one that the flags give.
func (d *disposalFlags) appraisals(list, field string) (map[string]any, error) {
	if (d.file == "") == (d.decision == "") {
		return nil, usageError{errors.New("give --csv or --decision")}
	}
	scope, err := d.scope()
	if err != nil {
		return nil, err
	}
	if d.file != "" && !scope.All {
		return nil, usageError{errors.New("--csv names its records itself: leave --class, --record and --records out")}
	}
	all := []retention.Appraisal{{Scope: scope, Decision: d.decision, Note: d.note}}
	if d.until != "" {
		until, err := preservation.ParseDate(d.until)
		if err != nil {
			return nil, usageError{fmt.Errorf("--until: %w", err)}
		}
		all[0].Until = until
	}
	if d.file != "" {
		f, err := os.Open(d.file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if all, err = fileplan.ReadAppraisals(f); err != nil {
			return nil, fmt.Errorf("%s: %w", d.file, err)
		}
	}
	out := make([]map[string]any, len(all))
	for i, a := range all {
		out[i] = map[string]any{"scope": a.Scope, field: a.Decision, "note": a.Note}
		if !a.Until.IsZero() {
			out[i]["until"] = a.Until
		}
	}
	return map[string]any{list: out}, nil
}

// disposalAnswer is what the archive answers about a run.
type disposalAnswer struct {
	ID        string
	Revision  int
	Title     string
	Status    string
	Proposer  string
	Proposed  time.Time
	Approval  retention.Approval
	Execution retention.Execution
	Resumes   time.Time
	Fault     string `json:"resumes_after"`
	Offer     retention.Offer
	Stop      retention.Stop
	Counts    retention.RunCounts
	LeftOut   retention.LeftOut `json:"left_out"`
	Items     []disposalItem
	Next      string
}

// disposalItem is a record of a run with what it is called, as long as it is there.
type disposalItem struct {
	catalog.RunItem
	Title, Reference string
}

func (d *disposalFlags) create(ctx context.Context, records []string, stdout io.Writer) error {
	body := map[string]any{"title": d.title}
	if len(records) > 0 {
		body["records"] = records
	}
	if len(d.classes) > 0 {
		body["classes"] = d.classes
	}
	if d.dueBy != "" {
		body["due_by"] = d.dueBy
	}
	return d.send(ctx, "/v1/disposals", body, stdout)
}

// send does something to a run and tells how it stands then.
func (d *disposalFlags) send(ctx context.Context, path string, body map[string]any, stdout io.Writer) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var a disposalAnswer
	if err := d.ask(ctx, http.MethodPost, path, "application/json", text, &a); err != nil {
		return asFlags(err)
	}
	a.tell(stdout)
	return nil
}

// asFlags has an answer name the flags that stand for the fields of the interface.
func asFlags(err error) error {
	var refused *answerError
	if errors.As(err, &refused) {
		refused.said = strings.NewReplacer("say allow: ", "say --allow ", "; own_copy: ", "; --own-copy: ", "; acknowledged: ", "; --on: ", "; offered: ", "; --on: ",
			"; receiver: ", "; --receiver: ", "; reference: ", "; --reference: ", "; authority: ", "; --authority: ", "; due_by: ", "; --due-by: ", "; title: ", "; --title: ").Replace(refused.said)
	}
	return err
}

func (a *disposalAnswer) tell(w io.Writer) {
	n := a.Counts
	fmt.Fprintf(w, "%s %s, revision %d: %s\n", a.ID, legibleLines(a.Title), a.Revision, a.Status)
	fmt.Fprintf(w, "open %d: not assessed %d, to be destroyed %d, to be archived %d, kept longer %d\n", n.Open, n.Undecided, n.Destroy, n.Archive, n.Keep)
	fmt.Fprintf(w, "destroyed %d, taken over %d, left %d, refused %d\n", n.Destroyed, n.Transferred, n.Left, n.Refused)
	if a.Approval.HandOver > 0 {
		fmt.Fprintf(w, "approved by %s with %d to be handed over: their own copies may be destroyed once the archive has acknowledged them\n", legibleLines(a.Approval.By), a.Approval.HandOver)
	}
	for _, left := range []struct {
		n   int64
		why string
	}{
		{a.LeftOut.Kept, "acknowledged before, and the own copy is kept"},
		{a.LeftOut.Destroyed, "acknowledged before, and the own copy is destroyed"},
		{a.LeftOut.Other, "the decision is not A"},
	} {
		if left.n > 0 {
			fmt.Fprintf(w, "the transfer was not noted of %d: %s\n", left.n, left.why)
		}
	}
	switch {
	case a.Fault != "":
		fmt.Fprintf(w, "it goes on by itself at %s: the last attempt failed: %s\n", a.Resumes.Local().Format(zoned), legibleLines(a.Fault))
	case !a.Resumes.IsZero():
		fmt.Fprintf(w, "it goes on by itself at %s: until then what is open is still locked in the store, or waits for its parts\n", a.Resumes.Local().Format(zoned))
	case a.Status == string(retention.RunExecuting) && a.Execution.Begun.IsZero():
		fmt.Fprintf(w, "it begins not before %s\n", a.Execution.NotBefore.Local().Format(zoned))
	case a.Stop.Reason != "":
		fmt.Fprintf(w, "stopped by %s: %s\n", legibleLines(a.Stop.By), legibleLines(a.Stop.Reason))
	case a.Status == string(retention.RunExecuting) && n.HandOver > 0:
		fmt.Fprintf(w, "it waits until the archive has acknowledged %d: bestand disposal export, then transfer\n", n.HandOver)
	case n.Unanswered > 0 && a.Offer.Authority != "":
		fmt.Fprintf(w, "the archive has not answered about %d; it may until %s\n", n.Unanswered, a.Offer.Deadline)
	}
}

func (d *disposalFlags) list(ctx context.Context, stdout io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	after := ""
	for {
		var page struct {
			Items []struct {
				ID       string    `json:"id"`
				Status   string    `json:"status"`
				Title    string    `json:"title,omitempty"`
				Proposer string    `json:"proposer"`
				Proposed time.Time `json:"proposed"`
				Approver string    `json:"approver,omitempty"`
			}
			Next string
		}
		if err := d.ask(ctx, http.MethodGet, "/v1/disposals?view=runs&limit=200&after="+url.QueryEscape(after), "", nil, &page); err != nil {
			return err
		}
		for _, r := range page.Items {
			if d.asJSON {
				if err := json.NewEncoder(stdout).Encode(r); err != nil {
					return err
				}
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.ID, r.Status, r.Proposed.Local().Format(time.DateOnly), legibleLines(r.Proposer), legibleLines(r.Title))
		}
		if after = page.Next; after == "" {
			return w.Flush()
		}
	}
}

// message fetches the offer of a run as a message of xdomea.
func (d *disposalFlags) message(ctx context.Context, run string, stdout io.Writer) error {
	if err := os.MkdirAll(d.out, 0o700); err != nil {
		return err
	}
	path, err := d.fetch(ctx, run+"/xdomea", d.out, "")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, path)
	return err
}

// answerXdomea sends the archive's answer as it came.
func (d *disposalFlags) answerXdomea(ctx context.Context, run string, stdout io.Writer) error {
	if d.file != "" || d.decision != "" {
		return usageError{errors.New("give --xdomea, --csv or --decision")}
	}
	message, err := os.ReadFile(d.xdomea)
	if err != nil {
		return err
	}
	media := "application/xml"
	if bytes.HasPrefix(message, []byte("PK\x03\x04")) {
		media = "application/zip"
	}
	var a disposalAnswer
	if err := d.ask(ctx, http.MethodPost, run+"/xdomea", media, message, &a); err != nil {
		return fmt.Errorf("%s: %w", d.xdomea, err)
	}
	a.tell(stdout)
	return nil
}

// export fetches the packages of what has decision A and waits to be handed over.
func (d *disposalFlags) export(ctx context.Context, run string, stdout, stderr io.Writer) error {
	if _, ok := profiles[d.profile]; !ok {
		return usageError{fmt.Errorf("--profile %q: want %s", d.profile, profileNames)}
	}
	if err := os.MkdirAll(d.out, 0o700); err != nil {
		return err
	}
	refused := 0
	for after := ""; ; {
		var a disposalAnswer
		if err := d.ask(ctx, http.MethodGet, "/v1/disposals/"+url.PathEscape(run)+"?state=open&decision=A&limit=200&after="+url.QueryEscape(after), "", nil, &a); err != nil {
			return err
		}
		var ids []string
		for _, i := range a.Items {
			if i.Transfer == "" {
				ids = append(ids, string(i.Record))
			}
		}
		n, err := d.fetchPackages(ctx, ids, d.profile, run, d.out, stdout, stderr)
		if err != nil {
			return err
		}
		refused += n
		if after = a.Next; after != "" {
			continue
		}
		if refused > 0 {
			return exitCode(1)
		}
		return nil
	}
}

func (d *disposalFlags) show(ctx context.Context, run string, stdout io.Writer) error {
	if d.asJSON {
		return d.save(ctx, run+"?limit=200", "", stdout)
	}
	if d.file == "" {
		var a disposalAnswer
		if err := d.ask(ctx, http.MethodGet, run+"?limit=1", "", nil, &a); err != nil {
			return err
		}
		a.tell(stdout)
		return nil
	}
	rows := [][]string{{"Datensatz", "Entscheidung", "Bis", "Vermerk", "Kennzeichen", "Aktenzeichen", "Titel", "Eröffnet", "Geschlossen", "Fristende", "Vorschlag", "Stichprobe", "Anzubieten", "Antwort", "Stand", "Grund"}}
	var a disposalAnswer
	for next := ""; ; next = a.Next {
		a = disposalAnswer{}
		if err := d.ask(ctx, http.MethodGet, run+"?limit=200&after="+url.QueryEscape(next), "", nil, &a); err != nil {
			return err
		}
		for _, i := range a.Items {
			offered := ""
			if i.Offer {
				offered = "ja"
			}
			rows = append(rows, []string{string(i.Record), i.Decision, i.Until.String(), i.Note, i.Class, i.Reference, i.Title, i.Opened.String(), i.Closed.String(), i.Ended.String(), i.Proposed, retention.GermanReason(i.Sampled), offered, i.Answer, retention.GermanState(i.State), retention.GermanReason(i.Reason)})
		}
		if a.Next == "" {
			break
		}
	}
	var text bytes.Buffer
	if err := errors.Join(fileplan.WriteTable(&text, rows), writeDurably(d.file, text.Bytes())); err != nil {
		return err
	}
	a.tell(stdout)
	return nil
}
