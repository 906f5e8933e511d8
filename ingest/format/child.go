package format

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
	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// ChildArg as the first argument makes the program the child that identifies one
// large file. The program hands the rest of its arguments to Child.
const ChildArg = "format-child"

// apartAbove is the size in bytes above which a file is identified in a child:
// siegfried maps files into memory, and a large one would count as ours.
const apartAbove = 64 << 20

var childLimits = sandbox.Limits{CPU: 10 * time.Minute, Wall: time.Hour, Output: 1 << 20}

// heavy reports whether identification could take much of our own memory:
// siegfried maps files and reads the list of a ZIP's entries whatever its length.
func heavy(f *os.File, size int64) bool {
	if size > apartAbove {
		return true
	}
	magic := make([]byte, 4)
	if _, err := f.ReadAt(magic, 0); err != nil || string(magic[:2]) != "PK" {
		return false
	}
	_, err := bound.ZIP(f, size)
	return errors.Is(err, bound.ErrTooMuch)
}

// apart has a file identified by a child in the sandbox.
func (i *Identifier) apart(ctx context.Context, path, name string) (r Result, err error) {
	dir, err := os.MkdirTemp("", "identify-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	var said bytes.Buffer
	res, err := i.box.Run(ctx, sandbox.Command{
		Name: sandbox.Self, Args: []string{ChildArg, path}, Dir: dir, Read: []string{path},
		Stdin: bytes.NewReader([]byte(name)), Stdout: &said, Limits: childLimits,
	})
	if err != nil {
		return r, fmt.Errorf("identify: %w", err)
	}
	if err := json.Unmarshal(said.Bytes(), &r); err == nil && res.OK() {
		return r, nil
	}
	// The same bytes would do it again.
	r = Result{Family: Other, Format: preservation.Format{Registry: i.registry}}
	why := fmt.Sprintf("it ended with %d", res.ExitCode)
	if res.Limit != "" {
		why = "it passed its limit on " + res.Limit
	}
	r.add(Unidentified, preservation.Failed, "the identification failed: "+why+"; the original is kept as it is")
	return r, nil
}

// Child identifies the file args[0], whose sender's name stdin holds, and writes
// the result to stdout.
func Child(args []string, stdin io.Reader, stdout io.Writer) (exitCode int) {
	err := func() error {
		if len(args) != 1 {
			return fmt.Errorf("this command is for the program itself")
		}
		name, err := io.ReadAll(io.LimitReader(stdin, 64<<10))
		if err != nil {
			return err
		}
		i, err := New()
		if err != nil {
			return err
		}
		r, err := i.Identify(context.Background(), args[0], string(name))
		if err != nil {
			return err
		}
		return json.NewEncoder(stdout).Encode(r)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
