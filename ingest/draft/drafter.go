package draft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"bestand/ingest/sandbox"
	"bestand/preservation/pades"
)

const (
	idleFor   = time.Minute // kept when nobody asks
	documents = 500         // of one process, so that nothing adds up
	tries     = 3           // when somebody kills the process

	// memory is what the process may take, and so all seals together: it asks for the
	// parts of a document that it needs, and has done with one before the next begins.
	memory = 400 << 20
)

// Drafter makes drafts, one at a time: each takes milliseconds. Its methods may be
// called concurrently.
type Drafter struct {
	box    *sandbox.Sandbox
	limits sandbox.Limits

	turn    chan struct{} // held by who uses what follows
	p       *process      // nil while none runs
	last    time.Time     // when it was used
	peak    int64         // see Peak
	closed  bool
	idle    *time.Timer
	running sync.WaitGroup // everything of processes
}

// New returns a drafter. It starts no process.
func New(box *sandbox.Sandbox) *Drafter {
	d := &Drafter{box: box, turn: make(chan struct{}, 1),
		limits: sandbox.Limits{CPU: time.Minute, Memory: memory, FileSize: 1 << 20, Output: -1, Processes: 4}}
	d.idle = time.AfterFunc(idleFor, d.rest)
	return d
}

// Draft is pades.Draft, and a pades.Drafter. A document that a process of its own
// does not survive is an ErrUnsupported; one whose process somebody kills is a
// sandbox.ErrKilled after some tries.
func (d *Drafter) Draft(ctx context.Context, in io.ReaderAt, size int64, f pades.Form) ([]byte, error) {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-d.turn }()
	for killed := 1; ; {
		update, first, err := d.draft(ctx, in, size, f)
		var end *endError
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.As(err, &end):
			return update, err
		case errors.Is(err, sandbox.ErrKilled) && killed < tries:
			killed++
		case end.cause != nil || !end.ready:
			return nil, fmt.Errorf("draft a seal: %w", err)
		case first: // else a document before it may have been the reason
			return nil, fmt.Errorf("%w: %w", pades.ErrUnsupported, err)
		}
	}
}

// draft asks the process, and tells whether that had seen no document before.
func (d *Drafter) draft(ctx context.Context, in io.ReaderAt, size int64, f pades.Form) (update []byte, first bool, err error) {
	if d.closed {
		return nil, false, errors.New("drafter is closed")
	}
	if d.p == nil {
		if d.p, err = d.start(); err != nil {
			return nil, true, err
		}
	}
	p := d.p
	p.used++
	update, err = p.draft(ctx, in, size, f)
	if err != nil && !errors.Is(err, pades.ErrUnsupported) || p.used == documents {
		d.drop()
	}
	d.last = time.Now()
	d.idle.Reset(idleFor)
	return update, p.used == 1, err
}

// drop ends the process.
func (d *Drafter) drop() {
	if d.p != nil {
		d.p.kill()
		d.peak = max(d.peak, d.p.result.MaxRSS)
		d.p = nil
	}
}

// rest ends a process that nobody has needed for a while.
func (d *Drafter) rest() {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	if time.Since(d.last) >= idleFor {
		d.drop()
	}
}

// Peak returns the bytes of memory that the largest process took which has ended.
func (d *Drafter) Peak() int64 {
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	return d.peak
}

// Close ends the process. Nothing can be drafted afterwards.
func (d *Drafter) Close() error {
	d.idle.Stop()
	d.turn <- struct{}{}
	defer func() { <-d.turn }()
	d.closed = true
	d.drop()
	d.running.Wait()
	return nil
}
