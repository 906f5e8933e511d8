package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"bestand/ingest/bound"
	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// A Reading is what a reader of another package found in a file. Its files lie
// in the folder that the reader was given.
type Reading struct {
	Page    string // path of a page in HTML, as HTML prints it
	Letters int    // that the print of it must show
	Text    string // for search
	Outputs []Output
	Events  []preservation.Event
}

var childLimits = sandbox.Limits{Memory: 1 << 30, CPU: 2 * time.Minute, FileSize: 1 << 30, Output: 32 << 20}

var code = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// maxReadText bounds what a child says of the text.
const maxReadText = 4 << 20

// report is what the child says to Apart.
type report struct {
	Reading Reading
	Names   [][]byte // of the outputs: a name may be any bytes, which a string of JSON may not
	Refusal *Refusal
}

// Apart has a file read by a child in the sandbox, which is this program called
// with the argument arg; main passes what follows it to ReadingChild. dir is an
// empty folder. A child that fails is a Refusal.
func Apart(ctx context.Context, box *sandbox.Sandbox, arg string, src Source, dir string) (Reading, error) {
	own, err := os.MkdirTemp(dir, "reading-")
	if err != nil {
		return Reading{}, err
	}
	question, err := json.Marshal(src)
	if err != nil {
		return Reading{}, err
	}
	var said bytes.Buffer
	res, err := box.Run(ctx, sandbox.Command{
		Name: sandbox.Self, Args: []string{arg, own}, Dir: own, Read: []string{src.Path},
		Stdin: bytes.NewReader(question), Stdout: &said, Limits: childLimits,
	})
	if err != nil {
		return Reading{}, err
	}
	if res.Limit != "" {
		return Reading{}, &Refusal{codeLimit + res.Limit, fmt.Sprintf("The reading of the file was stopped: it passed the limit on %s.", res.Limit)}
	}
	if !res.OK() {
		return Reading{}, &Refusal{CodeDamaged, fmt.Sprintf("The file cannot be read: the reader ended with %d.", res.ExitCode)}
	}
	return parseReport(said.Bytes(), own)
}

// parseReport reads what a child says that left its files in the folder own. The
// bytes are those of whoever may have taken it over.
func parseReport(said []byte, own string) (Reading, error) {
	var r report
	if err := bound.JSON(said, &r); err != nil {
		return Reading{}, &Refusal{CodeDamaged, "The file cannot be read: the reader gives no answer."}
	}
	r.Reading.Text = bounded(r.Reading.Text, maxReadText)
	if no := r.Refusal; no != nil {
		if !code.MatchString(no.Code) {
			no.Code = CodeDamaged
		}
		no.Detail = bounded(no.Detail, 1000)
		return r.Reading, r.Refusal
	}
	// Whatever the child says: only files that it left there count.
	for _, p := range r.Reading.paths() {
		there, err := produced(own, filepath.Base(*p))
		if err != nil {
			return Reading{}, err
		}
		if there == "" {
			return Reading{}, &Refusal{CodeDamaged, "The file cannot be read: a part of it is missing."}
		}
		*p = there
	}
	for i := range min(len(r.Names), len(r.Reading.Outputs)) {
		r.Reading.Outputs[i].Name = string(r.Names[i])
	}
	return r.Reading, nil
}

// Print prints the page of a reading as HTML does.
func (c *Converter) Print(ctx context.Context, r Reading, dir string) (string, error) {
	page, err := os.Open(r.Page)
	if err != nil {
		return "", fmt.Errorf("print: %w", err)
	}
	defer page.Close()
	return c.HTML(ctx, page, dir)
}

func (r *Reading) paths() (all []*string) {
	if r.Page != "" {
		all = append(all, &r.Page)
	}
	for i := range r.Outputs {
		all = append(all, &r.Outputs[i].Path)
	}
	return all
}

// ReadingChild runs in the child: read gets the source and the folder for its
// files. The error is a *Refusal when the file itself is the reason.
func ReadingChild(args []string, stdin io.Reader, stdout io.Writer, read func(context.Context, Source, string) (Reading, error)) (exitCode int) {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "this command is for the program itself")
		return 2
	}
	var src Source
	err := json.NewDecoder(io.LimitReader(stdin, 1<<20)).Decode(&src)
	var r report
	if err == nil {
		r.Reading, err = read(context.Background(), src, args[0])
	}
	if err == nil || errors.As(err, &r.Refusal) {
		r.Reading.Text = bounded(r.Reading.Text, maxReadText)
		for _, o := range r.Reading.Outputs {
			r.Names = append(r.Names, []byte(o.Name))
		}
		err = json.NewEncoder(stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
