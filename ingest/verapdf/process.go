package verapdf

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bestand/ingest/sandbox"
)

const (
	recycleAfter = 1000     // files, so that no leak of the library adds up
	answerLimit  = 16 << 20 // bytes of one answer
	idle         = 30 * time.Second
	stopTimeout  = 5 * time.Second
)

// endError says that the process has ended or will not answer.
type endError struct {
	reason string
	late   bool  // the file at hand took too long: no other file can have caused it
	killed bool  // by somebody else: no file has caused it
	away   error // the machine could not run it: no file has caused it
}

func (e *endError) Error() string { return e.reason }
func (e *endError) Unwrap() error { return e.away }

// process is a running sidecar. One goroutine uses it at a time.
type process struct {
	dir     string // its own folder, for temporary files
	lent    string // all that it sees of the work folders: the one file that it is asked about
	in      *os.File
	lines   <-chan []byte // closed when it ended
	ended   <-chan struct{}
	why     func() *endError // after ended
	cancel  context.CancelFunc
	laps    chan bool
	version string
	asked   int
}

// start runs the sidecar until kill or stop; the context bounds the start only.
func (v *Validator) start(ctx context.Context) (*process, error) {
	if err := v.Installed(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "verapdf-")
	if err != nil {
		return nil, err
	}
	// In a work folder, so that a file can be lent without a copy.
	lent, err := os.MkdirTemp(v.cfg.Read[0], ".verapdf-")
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	stdin, in, err := os.Pipe()
	if err != nil {
		os.RemoveAll(dir)
		os.RemoveAll(lent)
		return nil, err
	}
	out, stdout := io.Pipe()
	run, cancel := context.WithCancel(context.Background())
	lines, ended := make(chan []byte), make(chan struct{})
	var why endError
	p := &process{dir: dir, lent: lent, in: in, lines: lines, ended: ended, cancel: cancel, laps: make(chan bool), why: func() *endError { return &why }}
	read := []string{lent, v.cfg.Dir}
	go func() { // ends with the process
		defer close(ended)
		res, err := v.cfg.Sandbox.Run(run, sandbox.Command{
			// Long streams are unpacked into temporary files.
			Name: "java", Args: []string{"-Djava.io.tmpdir=" + dir, "@" + v.arguments()}, Dir: dir, Read: read,
			Stdin: stdin, Stdout: stdout,
			Limits: sandbox.Limits{Memory: v.cfg.Memory, CPU: v.cfg.Time, Idle: idle, Output: -1, FileSize: 1 << 30}, Laps: p.laps,
		})
		stdin.Close()
		stdout.Close()
		switch {
		case err != nil:
			why = endError{reason: err.Error(), killed: errors.Is(err, sandbox.ErrKilled)}
			if !why.killed && !errors.Is(err, context.Canceled) {
				why.away = err
			}
		case res.Limit != "":
			why.reason = "limit: " + res.Limit
			why.late = res.Limit != sandbox.LimitMemory
		default:
			why.reason = fmt.Sprintf("exit code %d: %.200s", res.ExitCode, res.Stderr)
		}
	}()
	go func() { // ends with the process or when nobody wants its lines any more
		defer close(lines)
		defer out.Close()
		s := bufio.NewScanner(out)
		s.Buffer(nil, answerLimit)
		for s.Scan() {
			select {
			case lines <- slices.Clone(s.Bytes()):
			case <-run.Done():
				return
			}
		}
	}()
	if err := p.greet(ctx); err != nil {
		p.kill()
		return nil, fmt.Errorf("start veraPDF: %w", err)
	}
	return p, nil
}

// ourFile is a PDF of an empty page that is no PDF/A, as every validator must find.
const ourFile = "%PDF-1.4\n" +
	"1 0 obj\n" +
	"<</Type/Catalog/Pages 2 0 R>>\n" +
	"endobj\n" +
	"2 0 obj\n" +
	"<</Type/Pages/Kids[3 0 R]/Count 1>>\n" +
	"endobj\n" +
	"3 0 obj\n" +
	"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>\n" +
	"endobj\n" +
	"xref\n" +
	"0 4\n" +
	"0000000000 65535 f \n" +
	"0000000009 00000 n \n" +
	"0000000054 00000 n \n" +
	"0000000105 00000 n \n" +
	"trailer\n" +
	"<</Size 4/Root 1 0 R>>\n" +
	"startxref\n" +
	"184\n" +
	"%%EOF\n"

// greet waits for the process and has it judge a file: one that answers without
// being able to judge would say so of every file that a record is kept for.
func (p *process) greet(ctx context.Context) error {
	p.lap(true)
	line, err := p.receive(ctx)
	p.lap(false)
	if err != nil {
		return err
	}
	var hello struct{ Version string }
	if err := json.Unmarshal(line, &hello); err != nil {
		return unexpected(err.Error())
	}
	if p.version = clip(hello.Version, 100); p.version == "" {
		return &endError{reason: "it does not say its version"}
	}
	path := filepath.Join(p.dir, "plain.pdf")
	if err := os.WriteFile(path, []byte(ourFile), 0o600); err != nil {
		return err
	}
	verdict, err := p.ask(ctx, path, "2b")
	p.asked = 0
	if err == nil && (verdict.Valid || len(verdict.Failed) == 0) {
		err = &endError{reason: "it does not find what is wrong with a file of ours"}
	}
	if errors.Is(err, ErrUnreadable) || errors.Is(err, ErrEncrypted) {
		err = &endError{reason: "it cannot read a file of ours: " + err.Error()}
	}
	return err
}

// ask sends one file and waits for the answer. After an endError the process is of no use.
func (p *process) ask(ctx context.Context, path string, f Flavour) (Verdict, error) {
	p.asked++
	start := time.Now()
	seen := filepath.Join(p.lent, "file.pdf")
	if err := lend(seen, path); err != nil {
		return Verdict{}, err
	}
	defer os.Remove(seen)
	request, err := json.Marshal(map[string]string{"path": seen, "flavour": string(f)})
	if err != nil {
		return Verdict{}, err
	}
	p.lap(true)
	if _, err := p.in.Write(append(request, '\n')); err != nil {
		<-p.ended // else somebody would read what was written
		return Verdict{}, p.why()
	}
	line, err := p.receive(ctx)
	if err != nil {
		return Verdict{}, err
	}
	p.lap(false)
	v, err := parseAnswer(line, f)
	v.Version, v.Duration = p.version, time.Since(start)
	return v, err
}

// lap begins or ends the work on a file, for the limits. It does nothing once the
// process has ended.
func (p *process) lap(begins bool) {
	select {
	case p.laps <- begins:
	case <-p.ended:
	}
}

// receive returns the next line.
func (p *process) receive(ctx context.Context) ([]byte, error) {
	select {
	case line, ok := <-p.lines:
		if !ok {
			select {
			case <-p.ended:
			case <-time.After(stopTimeout): // it has ended its output only
			}
			p.cancel()
			<-p.ended
			return nil, p.why()
		}
		return line, nil
	case <-ctx.Done():
		return nil, errors.Join(&endError{reason: "cancelled"}, ctx.Err())
	}
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// stop lets the process end by itself, and kills it when it does not.
func (p *process) stop() {
	p.in.Close()
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
	}
	p.kill()
}

func (p *process) kill() {
	p.cancel()
	<-p.ended
	p.in.Close() // may be closed already
	os.RemoveAll(p.dir)
	os.RemoveAll(p.lent)
}

// lend gives a file another name, or copies it where that cannot be. The process
// sees the folder read-only.
func lend(to, from string) (err error) {
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) { // never written over: it may be a name of the last file
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
