package objectstore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"bestand/preservation"
)

// reportFD is the child's descriptor on which it tells its parent, in one line
// of JSON, that it listens or why it does not.
const reportFD = 3

// report is that line.
type report struct {
	Error    string                 `json:"error,omitempty"`
	Busy     bool                   `json:"busy,omitempty"`
	Findings []preservation.Finding `json:"findings,omitempty"`
}

// Main is the whole life of the child process that Supervise starts: the
// hidden subcommand calls it and exits. It reads its Config from standard
// input and ends when that is closed, or when ctx ends.
//
// Signals of a terminal or a service manager go to the whole process group
// and are ignored: the parent decides when to end, and closes the pipe.
func Main(ctx context.Context) error {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	unix.Umask(0o077)
	out := os.NewFile(reportFD, "report")
	if out == nil {
		return errors.New("object store: to be started by bestand only")
	}
	defer out.Close()

	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("object store: read configuration: %w", err)
	}
	var c Config
	if err := json.Unmarshal(line, &c); err != nil {
		return fmt.Errorf("object store: read configuration: %w", err)
	}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop()
		io.Copy(io.Discard, in)
	}()
	err = Run(ctx, c, func(f []preservation.Finding) { send(out, report{Findings: f}) })
	if err != nil {
		send(out, report{Error: err.Error(), Busy: errors.Is(err, ErrBusy)})
		return fmt.Errorf("object store: %w", err)
	}
	return nil
}

// send writes a report. A parent that no longer reads is about to close the
// pipe of standard input, which ends the child anyway.
func send(w io.Writer, r report) {
	json.NewEncoder(w).Encode(r)
}
