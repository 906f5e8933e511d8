package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"

	"bestand/preservation"
	"bestand/preservation/verdict"
)

// delivery is one record, or a package of records, as it lies on disk.
type delivery struct {
	path     string
	metadata map[string]any // nil for a package
	files    []localFile
	size     int64
}

// outcome is what became of one delivery.
type outcome struct {
	Path       string   `json:"path"`
	Submission string   `json:"submission_id,omitempty"`
	Status     string   `json:"status,omitempty"`
	Record     string   `json:"record_id,omitempty"`
	Records    []part   `json:"records,omitempty"` // of a package
	Receipt    string   `json:"receipt,omitempty"` // file
	Repeated   bool     `json:"repeated,omitempty"`
	Problems   []string `json:"problems,omitempty"`
	Error      string   `json:"error,omitempty"`
}

func ingestCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("ingest", stderr)
	var (
		c         client
		tokenFile = fs.String("token-file", "", "`file` with the API token")
		producer  = fs.String("producer", "", "`name` of the sending system; metadata.json may name it")
		class     = fs.String("class", "", "`code` in the file plan, for what has no metadata.json")
		closed    = fs.String("closed", "", "`day` (YYYY-MM-DD) on which the files were closed, for what has no metadata.json")
		receipts  = fs.String("receipts", "receipts", "`folder` for the receipts")
		wait      = fs.Bool("wait", false, "wait until everything is archived, and keep the receipts")
		parallel  = fs.Int("parallel", 4, "deliveries sent at a time")
		packages  = fs.Bool("package", false, "each PATH is a package of records with their own metadata: xdomea ZIP, E-ARK SIP or BagIt ZIP")
		asJSON    = fs.Bool("json", false, "one JSON line for each delivery, no progress bar")
	)
	fs.StringVar(&c.server, "server", "", "`URL` of the archive")
	fs.StringVar(&c.caFile, "ca-file", "", "CA certificates `file` (PEM) of the archive")
	if err := parse(fs, args); err != nil {
		return err
	}
	if c.server == "" || *tokenFile == "" || fs.NArg() == 0 {
		fs.Usage()
		return usageError{errors.New("--server, --token-file and at least one PATH are needed")}
	}
	var err error
	if c.token, err = readSecret(*tokenFile); err != nil {
		return err
	}
	if err := c.init(); err != nil {
		return err
	}
	var all []*delivery
	var total int64
	for _, p := range fs.Args() {
		collect := func() (*delivery, error) { return collectDelivery(p, *producer, *class, *closed) }
		if *packages {
			collect = func() (*delivery, error) { return collectPackage(p) }
		}
		d, err := collect()
		if err != nil {
			return err
		}
		total += d.size
		all = append(all, d)
	}

	bar := progressbar.DefaultSilent(total)
	if !*asJSON && terminal(stderr) {
		bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(stderr), progressbar.OptionShowBytes(true),
			progressbar.OptionSetDescription(fmt.Sprintf("%d records", len(all))), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	results := make([]outcome, len(all))
	var mu sync.Mutex
	waits := waits{to: stderr, told: make(map[string]bool)}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, *parallel))
	for i, d := range all {
		g.Go(func() error {
			results[i] = c.deliver(gctx, d, bar, *wait, *receipts, func(reason string) { waits.tell(d.path, reason) })
			if *asJSON {
				mu.Lock()
				defer mu.Unlock()
				return json.NewEncoder(stdout).Encode(results[i])
			}
			return gctx.Err()
		})
	}
	err = g.Wait()
	bar.Finish()
	failed := 0
	for _, r := range results {
		bad := r.Error != "" || *wait && r.Status != "archived"
		if bad {
			failed++
		}
		if !*asJSON {
			r.print(stdout)
		}
	}
	if err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d not archived; what was accepted is safe to send again", failed, len(all))
	}
	return nil
}

// errNotWaited is the error of a delivery that the archive has, when the command was told
// to end before the archive was done with it.
var errNotWaited = errors.New("accepted, not waited for")

func (r outcome) print(w io.Writer) {
	if r.Error == errNotWaited.Error() {
		fmt.Fprintf(w, "accepted, not waited for: submission %s  %s\n", verdict.Legible(r.Submission), verdict.Legible(r.Path))
		return
	}
	if r.Error != "" {
		fmt.Fprintf(w, "FAILED   %s: %s\n", verdict.Legible(r.Path), verdict.Legible(r.Error))
		return
	}
	note := ""
	if r.Repeated {
		note = " (was here before)"
	}
	fmt.Fprintf(w, "%-8s %s  record %s%s\n", verdict.Legible(r.Status), verdict.Legible(r.Path), verdict.Legible(r.Record), note)
	for _, p := range r.Problems {
		fmt.Fprintf(w, "         - %s\n", verdict.Legible(p))
	}
	for _, rec := range r.Records {
		fmt.Fprintf(w, "         %-8s record %s\n", verdict.Legible(rec.Status), verdict.Legible(rec.Record))
	}
}

// terminal reports whether a progress bar would be seen.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// collectDelivery reads what is to be sent of a file or folder.
func collectDelivery(path, producer, class, closed string) (*delivery, error) {
	path = filepath.Clean(path)
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	d := &delivery{path: path, metadata: map[string]any{}}
	if st.IsDir() {
		if err := d.readFolder(); err != nil {
			return nil, err
		}
	} else {
		d.files = []localFile{{path: path, name: filepath.Base(path), size: st.Size()}}
	}
	if len(d.files) == 0 {
		return nil, fmt.Errorf("%s: no files in it", path)
	}
	for _, f := range d.files {
		d.size += f.size
	}
	where, err := filepath.Abs(path) // the same thing has the same name from wherever it is sent
	if err != nil {
		return nil, err
	}
	defaults := map[string]string{"producer": producer, "class": class, "closed": closed, "producer_record_id": sourceID(filepath.ToSlash(where)), "title": verdict.Legible(filepath.Base(where))}
	for k, v := range defaults {
		if _, ok := d.metadata[k]; !ok && v != "" {
			d.metadata[k] = v
		}
	}
	for _, k := range []string{"producer", "class"} {
		if d.metadata[k] == nil {
			return nil, fmt.Errorf("%s: no %s; give --%s or write it into metadata.json", path, k, k)
		}
	}
	return d, nil
}

func collectPackage(path string) (*delivery, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: a package is one file", path)
	}
	return &delivery{path: path, files: []localFile{{path: path, name: filepath.Base(path), size: st.Size()}}, size: st.Size()}, nil
}

func (d *delivery) readFolder() error {
	err := filepath.WalkDir(d.path, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(d.path, p)
		if err != nil {
			return err
		}
		if rel == "metadata.json" {
			return d.readMetadata(p)
		}
		if !e.Type().IsRegular() {
			return fmt.Errorf("%s is no regular file", p)
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		d.files = append(d.files, localFile{path: p, name: filepath.ToSlash(rel), size: st.Size()})
		return nil
	})
	return err
}

func (d *delivery) readMetadata(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &d.metadata); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return d.order(path)
}

// order keeps the files in the order of the metadata's list, if there is one.
func (d *delivery) order(path string) error {
	list, ok := d.metadata["files"].([]any)
	if !ok {
		return nil
	}
	rank := map[string]int{}
	for i, e := range list {
		m, _ := e.(map[string]any)
		name, _ := m["name"].(string)
		rank[name] = i
	}
	for _, f := range d.files {
		if _, ok := rank[f.name]; !ok {
			return fmt.Errorf("%s: files does not list %s", path, f.name)
		}
	}
	sort.SliceStable(d.files, func(i, j int) bool { return rank[d.files[i].name] < rank[d.files[j].name] })
	return nil
}

// waits tells what deliveries wait for, each time once.
type waits struct {
	to   io.Writer
	mu   sync.Mutex
	told map[string]bool
}

// tell says why the delivery from a path does not go on. For a part of the archive that is
// away all wait: that is no fault of the one, and told once for all.
func (w *waits) tell(path, reason string) {
	line := fmt.Sprintf("%s waits: %s\n", verdict.Legible(path), verdict.Legible(reason))
	if preservation.TellsOutage(reason) {
		line = fmt.Sprintf("the archive waits: %s\n", verdict.Legible(reason))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.told[line] {
		w.told[line] = true
		io.WriteString(w.to, line)
	}
}

// deliver sends one record and, when asked to, waits for its receipt.
func (c *client) deliver(ctx context.Context, d *delivery, bar *progressbar.ProgressBar, wait bool, receipts string, tell func(string)) outcome {
	out := outcome{Path: d.path}
	fail := func(err error) outcome {
		out.Error = err.Error()
		return out
	}
	sub, repeated, err := c.submit(ctx, d, bar)
	if err != nil {
		return fail(err)
	}
	out.Submission, out.Status, out.Record, out.Repeated = sub.ID, sub.Status, sub.Record, repeated
	if !wait {
		return out
	}
	if sub, err = c.await(ctx, sub.ID, tell); err != nil {
		if ctx.Err() != nil {
			err = errNotWaited
		}
		return fail(err)
	}
	out.Status, out.Record = sub.Status, sub.Record
	if d.metadata == nil {
		out.Records = sub.Records
	}
	for _, p := range sub.Problems {
		out.Problems = append(out.Problems, p.Detail)
	}
	if sub.Status != "archived" && sub.Status != "partial" {
		return out
	}
	if !preservation.SubmissionID(sub.ID).Valid() { // it becomes the name of a file
		return fail(fmt.Errorf("%q is no identifier of a submission", sub.ID))
	}
	jws, err := c.receipt(ctx, sub.ID)
	if err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(receipts, 0o755); err != nil {
		return fail(err)
	}
	out.Receipt = filepath.Join(receipts, sub.ID+".jws")
	if err := os.WriteFile(out.Receipt, jws, 0o644); err != nil {
		return fail(err)
	}
	return out
}

var _ flag.Value = (*csv)(nil)

// csv is a flag with values separated by commas.
type csv []string

func (c *csv) String() string { return strings.Join(*c, ",") }

// Set implements flag.Value.
func (c *csv) Set(s string) error {
	*c = nil
	for v := range strings.SplitSeq(s, ",") {
		if v = strings.TrimSpace(v); v != "" {
			*c = append(*c, v)
		}
	}
	return nil
}
