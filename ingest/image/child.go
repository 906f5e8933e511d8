package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bestand/ingest/bound"
	"bestand/ingest/convert"
	"bestand/ingest/sandbox"
)

// ChildArg as the first argument makes the program the child that reads one
// image: decoders of hostile data had better fail in a process apart. The
// program hands the rest of its arguments to Child.
const ChildArg = "image-child"

var childLimits = sandbox.Limits{Memory: 2 << 30, CPU: 10 * time.Minute, Wall: time.Hour, FileSize: 8 << 30, Output: 64 << 20}

// answer is what the child says.
type answer struct {
	Info  Info
	Fault *Fault
}

// apart has src written to dst, a path in dir, by a child in the sandbox.
func apart(ctx context.Context, box *sandbox.Sandbox, dir, dst, src string, o Options) (Info, error) {
	options, err := json.Marshal(o)
	if err != nil {
		return Info{}, err
	}
	var said bytes.Buffer
	res, err := box.Run(ctx, sandbox.Command{
		Name: sandbox.Self, Args: []string{ChildArg, src, dst},
		Dir: dir, Read: []string{src}, Stdin: bytes.NewReader(options), Stdout: &said, Limits: childLimits,
	})
	if err != nil {
		return Info{}, err
	}
	if res.Limit != "" {
		return Info{}, &convert.Refusal{Code: "limit-" + res.Limit, Detail: "The image asked for more than the limit of " + res.Limit + "."}
	}
	if !res.OK() { // the same bytes would do it again
		return Info{}, &convert.Refusal{Code: Damaged, Detail: fmt.Sprintf("The image cannot be read: the reader ended with %d.", res.ExitCode)}
	}
	return parseAnswer(said.Bytes())
}

// parseAnswer reads what a child says. The bytes are those of whoever may have taken
// it over.
func parseAnswer(said []byte) (Info, error) {
	var a answer
	if err := bound.JSON(said, &a); err != nil {
		return Info{}, &convert.Refusal{Code: Damaged, Detail: "The image cannot be read: the reader gives no answer."}
	}
	if a.Fault != nil {
		return Info{}, a.Fault
	}
	return a.Info, nil
}

// Child writes the image args[0] as PDF/A to args[1], with the options that
// stdin holds, and says on stdout how it went.
func Child(args []string, stdin io.Reader, stdout io.Writer) (exitCode int) {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "this command is for the program itself")
		return 2
	}
	var o Options
	err := json.NewDecoder(io.LimitReader(stdin, 256<<20)).Decode(&o)
	var a answer
	if err == nil {
		a.Info, err = writeFile(context.Background(), args[1], args[0], o)
	}
	if err == nil || errors.As(err, &a.Fault) {
		err = json.NewEncoder(stdout).Encode(a)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
