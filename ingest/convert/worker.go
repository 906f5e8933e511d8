package convert

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"bestand/ingest/sandbox"
)

const (
	workerDocuments = 50 // of one worker, so that nothing adds up
	answerLimit     = 1 << 10
	workerStart     = 30 * time.Second
	noWorkerFor     = time.Minute // after one did not start
)

// worker is a LibreOffice that runs in a sandbox of its own and converts one
// document after the other. One goroutine uses it at a time.
type worker struct {
	dir     string
	root    *os.Root // dir: whoever took LibreOffice over can put links there
	orders  *os.File
	answers <-chan string // closed when it ended
	ready   chan struct{} // closed when it waits for documents, or has ended
	laps    chan bool
	cancel  context.CancelFunc
	ended   chan struct{}
	result  sandbox.Result // after ended
	err     error          // after ended

	documents int
}

// errEnded says that a worker has ended or will not answer.
var errEnded = errors.New("LibreOffice has ended")

// startWorker starts one and does not wait for it. The context bounds the preparations only.
func (c *Converter) startWorker(ctx context.Context) (*worker, error) {
	if i := c.cfg.Sandbox.Isolation(); i != sandbox.Bubblewrap {
		return nil, fmt.Errorf("sandbox: %s", i) // LibreOffice would leave its socket in the machine's /tmp
	}
	if c.hasFailed() {
		return nil, fmt.Errorf("%w: it did not start a moment ago", errEnded)
	}
	if made, err := c.extended(ctx); err != nil {
		return nil, err
	} else if len(made) == 0 {
		return nil, errors.New("LibreOffice does not start with a new profile, or starts twice")
	}
	soffice, err := sandbox.LookPath("soffice")
	if err != nil {
		return nil, err
	}
	if soffice, err = filepath.EvalSymlinks(soffice); err != nil {
		return nil, err
	}
	program := filepath.Join(filepath.Dir(soffice), "soffice.bin")
	if _, err := os.Stat(program); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "office-")
	if err != nil {
		return nil, err
	}
	w := &worker{dir: dir, ready: make(chan struct{}), laps: make(chan bool), ended: make(chan struct{})}
	if err := c.profile(ctx, filepath.Join(dir, "profile")); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if w.root, err = os.OpenRoot(dir); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	stdin, orders, err := os.Pipe()
	if err != nil {
		w.root.Close()
		os.RemoveAll(dir)
		return nil, err
	}
	w.orders = orders
	out, stdout := io.Pipe()
	run, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	limits := officeLimits
	limits.Output = workerDocuments * answerLimit
	c.running.Go(func() { // ends with the process
		defer close(w.ended)
		w.result, w.err = c.cfg.Sandbox.Run(run, sandbox.Command{
			Name: sandbox.Self, Args: []string{ChildArg, relayArg, program}, Dir: dir,
			Stdin: stdin, Stdout: stdout, Limits: limits, Laps: w.laps,
		})
		stdin.Close()
		stdout.Close()
	})
	c.running.Go(func() {
		select {
		case <-c.ending:
			cancel()
		case <-w.ended:
		}
	})
	answers := make(chan string)
	w.answers = answers
	c.running.Go(func() { // ends with the process, or when nobody wants its answers any more
		defer close(answers)
		defer out.Close()
		s := bufio.NewScanner(io.LimitReader(out, limits.Output))
		s.Buffer(nil, answerLimit)
		first := true
		for s.Scan() {
			if first && s.Text() == relayReady {
				first = false
				close(w.ready)
				continue
			}
			select {
			case answers <- s.Text():
			case <-run.Done():
			}
		}
		if first {
			close(w.ready)
		}
	})
	return w, nil
}

// notNow remembers that LibreOffice did not start: not every document waits for
// one that does not.
func (c *Converter) notNow() { c.noWorker.Store(time.Now().Unix()) }

func (c *Converter) hasFailed() bool {
	return time.Since(time.Unix(c.noWorker.Load(), 0)) < noWorkerFor
}

// alive reports whether the worker can be given a document.
func (w *worker) alive() bool {
	select {
	case <-w.ended:
		return false
	default:
		return w.documents < workerDocuments
	}
}

// convert makes a PDF of what fill writes and keeps a copy of it as to. It returns
// false when LibreOffice made nothing of the document, and errEnded when it has
// ended or does not answer as it should: limit then tells the one that was passed.
func (w *worker) convert(ctx context.Context, o order, ext string, fill func(io.Writer) error, to string) (made bool, limit string, err error) {
	if err := w.wait(ctx); err != nil {
		return false, "", err
	}
	w.documents++
	if !w.lap(true) {
		return false, "", errEnded
	}
	folder := strconv.Itoa(w.documents)
	o.Document, o.Out = filepath.Join(folder, "document"+ext), filepath.Join(folder, "out")
	if err := w.write(folder, o.Document, fill); err != nil {
		return false, "", err
	}
	line, err := json.Marshal(o)
	if err != nil {
		return false, "", err
	}
	if _, err := w.orders.Write(append(line, '\n')); err != nil {
		return false, "", errEnded
	}
	select {
	case a, ok := <-w.answers:
		if !ok {
			<-w.ended
			if w.err != nil {
				return false, "", fmt.Errorf("%w: %w", errEnded, w.err)
			}
			return false, w.result.Limit, fmt.Errorf("%w: exit code %d", errEnded, w.result.ExitCode)
		}
		if a != relayDone {
			return false, "", fmt.Errorf("%w: unexpected answer", errEnded)
		}
	case <-ctx.Done():
		return false, "", ctx.Err()
	}
	if !w.lap(false) {
		return false, "", errEnded
	}
	if made, err = w.keep(filepath.Join(folder, "out", "document.pdf"), to); err != nil {
		return false, "", err
	}
	if w.root.RemoveAll(folder) != nil {
		w.documents = workerDocuments // its folder goes as a whole
	}
	return made, "", nil
}

// wait returns when the worker waits for documents.
func (w *worker) wait(ctx context.Context) error {
	select {
	case <-w.ready:
	case <-time.After(workerStart):
		return fmt.Errorf("%w: it did not start in %s", errEnded, workerStart)
	case <-ctx.Done():
		return ctx.Err()
	}
	if !w.alive() {
		return fmt.Errorf("%w: %.200s", errEnded, w.result.Stderr)
	}
	return nil
}

// lap begins or ends the work on a document, for the limits.
func (w *worker) lap(begins bool) bool {
	select {
	case w.laps <- begins:
		return true
	case <-w.ended:
		return false
	}
}

func (w *worker) write(folder, name string, fill func(io.Writer) error) (err error) {
	if err := w.root.Mkdir(folder, 0o700); err != nil {
		return fmt.Errorf("%w: %w", errEnded, err)
	}
	f, err := w.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", errEnded, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return fill(f)
}

// keep copies a file out of the reach of the worker, which could go on writing to it.
func (w *worker) keep(name, to string) (bool, error) {
	in, err := w.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe in its place must not hold us up
	if err != nil {
		return false, nil
	}
	defer in.Close()
	if st, err := in.Stat(); err != nil || !st.Mode().IsRegular() {
		return false, err
	}
	return true, writeFile(to, func(out io.Writer) error {
		_, err := io.Copy(out, io.LimitReader(in, officeLimits.FileSize))
		return err
	})
}

// kill ends the worker with everything that it has. It may be called once.
func (w *worker) kill() {
	w.cancel()
	<-w.ended
	w.orders.Close()
	w.root.Close()
	os.RemoveAll(w.dir)
}
