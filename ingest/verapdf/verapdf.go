package verapdf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"bestand/ingest/sandbox"
)

// DefaultDir is where sidecar/install.sh installs to.
const DefaultDir = "/usr/local/lib/bestand/verapdf"

var (
	// ErrMissing: Java or the sidecar is not installed, or out of order: it does not
	// start, or judges a file of ours wrongly. Validate again once it is.
	ErrMissing = errors.New("veraPDF is not there")
	// ErrEncrypted: the file needs a password. It is not PDF/A, whatever it claims.
	ErrEncrypted = errors.New("the PDF is encrypted")
	// ErrUnreadable: veraPDF cannot read the file as a PDF. Trying again will not help.
	ErrUnreadable = errors.New("not readable as PDF")
	// ErrLimit: the file took too long or too much memory. Trying again will not help.
	ErrLimit = errors.New("validation exceeded its limits")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("validator is closed")
)

// tries is how often a validation is begun whose process somebody kills.
const tries = 3

// Flavour is a part and a conformance level of PDF/A, such as "2b".
type Flavour string

// Auto is the flavour that the file itself claims.
const Auto Flavour = ""

// Verdict is what veraPDF found.
type Verdict struct {
	Valid    bool
	Flavour  Flavour       // that it was validated against; empty when none was wanted and none is claimed
	Claimed  Flavour       // that its metadata claim; empty when it claims no PDF/A
	Failed   []Rule        // in the order of clauses
	Version  string        // of veraPDF
	Duration time.Duration // without the time in the queue
}

// Rule is a requirement of ISO 19005 that the file breaks.
type Rule struct {
	Clause  string `json:"clause"`
	Test    int    `json:"test"`
	Count   int    `json:"count"` // how often
	Message string `json:"message"`
}

// String names the rule as veraPDF's documentation does.
func (r Rule) String() string { return fmt.Sprintf("%s-%d", r.Clause, r.Test) }

// Config says where things are. Only Sandbox and Read are required.
type Config struct {
	Sandbox   *sandbox.Sandbox
	Read      []string      // absolute work folders: files outside them cannot be validated
	Dir       string        // of the sidecar; DefaultDir when empty
	Processes int           // how many run at a time; 1 when 0. Each takes up to Memory
	Memory    int64         // bytes of one process; 900 MiB when 0
	Time      time.Duration // of the processor, for one file; 2 min when 0
}

// Validator validates files. Its methods may be called concurrently; callers
// wait for a free process.
type Validator struct {
	cfg   Config
	slots chan *process // one entry for each allowed process, nil while it does not run
	done  chan struct{}

	mu     sync.Mutex
	broken error     // why it did not start the last time, nil when it did
	tried  time.Time // when that was
}

// New returns a validator. It starts no process and needs none to be installed.
func New(cfg Config) *Validator {
	if cfg.Dir == "" {
		cfg.Dir = DefaultDir
	}
	if cfg.Processes < 1 {
		cfg.Processes = 1
	}
	if cfg.Memory == 0 {
		cfg.Memory = 900 << 20
	}
	if cfg.Time == 0 {
		cfg.Time = 2 * time.Minute
	}
	v := &Validator{cfg: cfg, slots: make(chan *process, cfg.Processes), done: make(chan struct{})}
	for range cfg.Processes {
		v.slots <- nil
	}
	return v
}

// Installed returns nil, or ErrMissing with what is missing.
func (v *Validator) Installed() error {
	if _, err := sandbox.LookPath("java"); err != nil {
		return fmt.Errorf("%w: java not found", ErrMissing)
	}
	if _, err := os.Stat(v.arguments()); err != nil {
		return fmt.Errorf("%w: no sidecar in %s", ErrMissing, v.cfg.Dir)
	}
	return nil
}

func (v *Validator) arguments() string { return filepath.Join(v.cfg.Dir, "sidecar.args") }

// Version starts a process if none runs and returns the version of veraPDF.
func (v *Validator) Version(ctx context.Context) (string, error) {
	p, err := v.take(ctx)
	if err != nil {
		return "", fmt.Errorf("veraPDF version: %w", err)
	}
	v.slots <- p
	return p.version, nil
}

// Validate validates the file against a flavour, or with Auto against the one
// it claims; a file that claims none is then neither valid nor validated.
// See the errors of this package; every other error is worth another try. It
// wraps sandbox.ErrKilled when somebody killed the process each time.
func (v *Validator) Validate(ctx context.Context, path string, f Flavour) (Verdict, error) {
	verdict, err := v.validate(ctx, path, f)
	if err != nil {
		return verdict, fmt.Errorf("validate PDF/A: %w", err)
	}
	return verdict, nil
}

func (v *Validator) validate(ctx context.Context, path string, f Flavour) (Verdict, error) {
	if !v.readable(path) {
		return Verdict{}, fmt.Errorf("%s is not in a work folder", path)
	}
	if _, err := os.Stat(path); err != nil {
		return Verdict{}, err
	}
	killed := 0
	for try := 1; ; try++ {
		p, err := v.take(ctx)
		var died *endError
		if errors.As(err, &died) && died.killed { // while it started
			if killed++; killed == tries {
				return Verdict{}, fmt.Errorf("%w: %w", sandbox.ErrKilled, err)
			}
			continue
		}
		if err != nil {
			return Verdict{}, err
		}
		verdict, err := p.ask(ctx, path, f)
		if !errors.As(err, &died) {
			if p.asked >= recycleAfter {
				p.stop()
				p = nil
			}
			v.slots <- p
			return verdict, err
		}
		fresh := p.asked == 1
		p.kill()
		v.slots <- nil
		if ctx.Err() != nil {
			return Verdict{}, ctx.Err()
		}
		if died.killed {
			if killed++; killed == tries {
				return Verdict{}, fmt.Errorf("%w: %w", sandbox.ErrKilled, died)
			}
			try-- // no file was the cause
			continue
		}
		if died.away != nil {
			return Verdict{}, died
		}
		// A process that had answered before may have died of those files.
		if fresh || died.late || try == 2 {
			return Verdict{}, v.blame(ctx, died)
		}
	}
}

// blame says whose fault it was that there is no answer: the file's, unless a new
// process does not even do a file of ours.
func (v *Validator) blame(ctx context.Context, died *endError) error {
	p, err := v.take(ctx)
	if err != nil {
		return err
	}
	v.slots <- p
	return fmt.Errorf("%w: %w", ErrLimit, died)
}

// Works reports whether veraPDF is installed and in order, as far as is known:
// nil, or ErrMissing with the reason. After it was out of order it is tried.
func (v *Validator) Works(ctx context.Context) error {
	if err := v.Installed(); err != nil {
		return err
	}
	v.mu.Lock()
	broken := v.broken
	v.mu.Unlock()
	if broken == nil {
		return nil
	}
	p, err := v.take(ctx)
	if err == nil {
		v.slots <- p
	}
	return err
}

// resolve remembers how a start ended, and makes of one that failed ErrMissing.
func (v *Validator) resolve(ctx context.Context, err error) error {
	var died *endError
	if ctx.Err() != nil || errors.As(err, &died) && (died.killed || died.away != nil) {
		return err // says nothing
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.broken, v.tried = nil, time.Now()
	if died != nil {
		v.broken = fmt.Errorf("%w: out of order: %w", ErrMissing, err)
		return v.broken
	}
	return err
}

// pause is how long veraPDF is not started again after it did not start.
const pause = time.Minute

// paused returns why veraPDF is not to be started now.
func (v *Validator) paused() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.broken != nil && time.Since(v.tried) < pause {
		return v.broken
	}
	return nil
}

func (v *Validator) readable(path string) bool {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return false
	}
	for _, root := range v.cfg.Read {
		if strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/") {
			return true
		}
	}
	return false
}

// take waits for a process and starts it if need be.
func (v *Validator) take(ctx context.Context) (*process, error) {
	select {
	case <-v.done:
		return nil, ErrClosed
	default:
	}
	var p *process
	select {
	case p = <-v.slots:
	case <-v.done:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p != nil && p.alive() {
		return p, nil
	}
	if p != nil {
		p.kill()
	}
	err := v.paused()
	if err == nil {
		p, err = v.start(ctx)
		err = v.resolve(ctx, err)
	}
	if err != nil {
		v.slots <- nil
		return nil, err
	}
	return p, nil
}

// Close ends the processes and waits for the validations that run. It may be
// called once.
func (v *Validator) Close() error {
	close(v.done)
	for range v.cfg.Processes {
		if p := <-v.slots; p != nil {
			p.stop()
		}
	}
	return nil
}
