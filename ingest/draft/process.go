package draft

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"bestand/ingest/sandbox"
	"bestand/preservation/pades"
)

// endError says that the process has ended or does not answer as it should.
type endError struct {
	what  string
	cause error // of the sandbox; nil when the process ended by itself or by a limit
	ready bool  // it had begun to work
}

func (e *endError) Error() string { return e.what }
func (e *endError) Unwrap() error { return e.cause }

// process drafts one document after the other. One goroutine uses it at a time.
type process struct {
	dir    string
	in     *os.File
	out    *bufio.Reader
	laps   chan bool
	cancel context.CancelFunc
	ended  chan struct{}
	result sandbox.Result // after ended
	err    error          // after ended

	ready bool
	used  int // documents
}

func (d *Drafter) start() (*process, error) {
	dir, err := os.MkdirTemp("", "draft-")
	if err != nil {
		return nil, err
	}
	stdin, in, err := os.Pipe()
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	out, stdout := io.Pipe()
	run, cancel := context.WithCancel(context.Background())
	p := &process{dir: dir, in: in, out: bufio.NewReader(out), laps: make(chan bool), cancel: cancel, ended: make(chan struct{})}
	d.running.Go(func() { // ends with the process
		defer close(p.ended)
		p.result, p.err = d.box.Run(run, sandbox.Command{
			Name: sandbox.Self, Args: []string{ChildArg}, Dir: dir, Stdin: stdin, Stdout: stdout, Limits: d.limits, Laps: p.laps,
		})
		stdin.Close()
		stdout.Close()
	})
	return p, nil
}

// draft asks for one draft. After an error that is no pades.ErrUnsupported the
// process is of no use.
func (p *process) draft(ctx context.Context, in io.ReaderAt, size int64, f pades.Form) ([]byte, error) {
	defer context.AfterFunc(ctx, p.cancel)()
	if !p.ready {
		if _, _, err := readAnswer(p.out, 0); err != nil {
			return nil, p.end("does not begin", err)
		}
		p.ready = true
	}
	if !p.lap(true) {
		return nil, p.end("has ended", nil)
	}
	if err := ask(p.in, request{Size: size, Form: f}); err != nil {
		return nil, p.end("does not listen", err)
	}
	kind, body, err := p.answer(in, size, pades.MaxDraft+2*f.Room)
	if err != nil {
		return nil, err
	}
	p.lap(false) // the next document sees when it has ended
	if kind == answerRefusal {
		return nil, fmt.Errorf("%w: %s", pades.ErrUnsupported, legible(body))
	}
	return body, nil
}

// answer reads the answer about a document and gives the parts of it that are asked
// for until then.
func (p *process) answer(in io.ReaderAt, size int64, most int) (kind byte, body []byte, err error) {
	for {
		if kind, body, err = readAnswer(p.out, most); err != nil {
			return 0, nil, p.end("does not answer", err)
		}
		switch kind {
		case answerUpdate, answerRefusal:
			return kind, body, nil
		case answerPart:
		default:
			return 0, nil, p.end("does not answer", errAnswer)
		}
		at, n, err := readWanted(body, size)
		if err != nil {
			return 0, nil, p.end("does not answer", err)
		}
		b := make([]byte, n)
		if m, err := in.ReadAt(b, at); m < n {
			p.cancel()
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, nil, err
		}
		if _, err := p.in.Write(b); err != nil {
			return 0, nil, p.end("does not listen", err)
		}
	}
}

// lap begins or ends the work on a document, for the limits.
func (p *process) lap(begins bool) bool {
	select {
	case p.laps <- begins:
		return true
	case <-p.ended:
		return false
	}
}

// end ends the process and says why it is of no use.
func (p *process) end(what string, err error) *endError {
	p.in.Close()
	e := &endError{what: "the process that drafts seals " + what, ready: p.ready}
	if errors.Is(err, errAnswer) {
		p.cancel() // it would not end by itself
		<-p.ended
		return e
	}
	<-p.ended
	e.cause = p.err
	switch {
	case p.err != nil:
		e.what += ": " + p.err.Error()
	case p.result.Limit != "":
		e.what += ": it passed the limit on " + p.result.Limit
	default:
		e.what += fmt.Sprintf(": exit code %d", p.result.ExitCode)
	}
	return e
}

func (p *process) kill() {
	p.cancel()
	<-p.ended
	p.in.Close() // may be closed already
	os.RemoveAll(p.dir)
}
