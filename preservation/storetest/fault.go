package storetest

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"bestand/preservation"
)

// Op names a method of a store.
type Op string

const (
	OpPut      Op = "Put"
	OpOpen     Op = "Open"
	OpStat     Op = "Stat"
	OpVersions Op = "Versions"
	OpExtend   Op = "Extend"
	OpSetHold  Op = "SetHold"
	OpPurge    Op = "Purge"
)

// ErrInjected is the error of a Plan that names no other.
var ErrInjected = errors.New("injected fault")

// Plan is one thing that goes wrong.
type Plan struct {
	Op  Op
	Nth int // which call of Op, counted from 1 since the Fault was made; 0 means every one

	Delay time.Duration // before the call
	Err   error         // returned in place of the result; ErrInjected if the plan would do nothing else
	After bool          // Err comes after the call had its effect: the answer was lost, not the request

	Corrupt bool  // Open: one bit of the bytes is flipped. Err is not used
	Cut     int64 // Open: the reader fails with Err after that many bytes
}

// Fault is a Store, and a Purger if the one below is, that goes wrong as planned.
type Fault struct {
	Store preservation.Store

	mu    sync.Mutex
	plans []Plan
	calls map[Op]int
}

var (
	_ preservation.Store  = (*Fault)(nil)
	_ preservation.Purger = (*Fault)(nil)
)

// Add adds plans.
func (f *Fault) Add(plans ...Plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plans = append(f.plans, plans...)
}

// Heal drops all plans.
func (f *Fault) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plans = nil
}

// Calls counts the calls of a method so far.
func (f *Fault) Calls(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

// begin counts a call, waits out its delay and returns its plan, if it has one.
func (f *Fault) begin(ctx context.Context, op Op) (Plan, bool) {
	f.mu.Lock()
	if f.calls == nil {
		f.calls = map[Op]int{}
	}
	f.calls[op]++
	n := f.calls[op]
	var plan Plan
	var found bool
	for _, p := range f.plans {
		if p.Op == op && (p.Nth == 0 || p.Nth == n) {
			plan, found = p, true
			break
		}
	}
	f.mu.Unlock()
	if !found {
		return Plan{}, false
	}
	if plan.Err == nil && !plan.Corrupt && (plan.Delay == 0 || plan.Cut > 0) {
		plan.Err = ErrInjected
	}
	if plan.Delay > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(plan.Delay):
		}
	}
	return plan, true
}

// do runs a call that has an effect or an answer.
func do[T any](ctx context.Context, f *Fault, op Op, call func() (T, error)) (T, error) {
	var none T
	plan, found := f.begin(ctx, op)
	if !found || plan.Err == nil {
		return call()
	}
	if plan.After {
		if _, err := call(); err != nil {
			return none, err
		}
	}
	return none, plan.Err
}

func (f *Fault) Put(ctx context.Context, key string, r io.Reader, o preservation.PutOptions) (preservation.Object, error) {
	return do(ctx, f, OpPut, func() (preservation.Object, error) { return f.Store.Put(ctx, key, r, o) })
}

func (f *Fault) Stat(ctx context.Context, key, version string) (preservation.Object, error) {
	return do(ctx, f, OpStat, func() (preservation.Object, error) { return f.Store.Stat(ctx, key, version) })
}

func (f *Fault) Extend(ctx context.Context, key, version string, l preservation.Lock) error {
	_, err := do(ctx, f, OpExtend, func() (struct{}, error) { return struct{}{}, f.Store.Extend(ctx, key, version, l) })
	return err
}

func (f *Fault) SetHold(ctx context.Context, key, version string, on bool) error {
	_, err := do(ctx, f, OpSetHold, func() (struct{}, error) { return struct{}{}, f.Store.SetHold(ctx, key, version, on) })
	return err
}

func (f *Fault) Purge(ctx context.Context, key string) error {
	purger, ok := f.Store.(preservation.Purger)
	if !ok {
		return errors.New("the store below cannot purge")
	}
	_, err := do(ctx, f, OpPurge, func() (struct{}, error) { return struct{}{}, purger.Purge(ctx, key) })
	return err
}

func (f *Fault) Versions(ctx context.Context, prefix string) iter.Seq2[preservation.Object, error] {
	return func(yield func(preservation.Object, error) bool) {
		plan, found := f.begin(ctx, OpVersions)
		if found && plan.Err != nil && !plan.After {
			yield(preservation.Object{}, plan.Err)
			return
		}
		for o, err := range f.Store.Versions(ctx, prefix) {
			if !yield(o, err) {
				return
			}
		}
		if found && plan.Err != nil {
			yield(preservation.Object{}, plan.Err)
		}
	}
}

func (f *Fault) Open(ctx context.Context, key, version string, off, length int64) (io.ReadCloser, error) {
	plan, found := f.begin(ctx, OpOpen)
	if found && plan.Err != nil && plan.Cut == 0 {
		return nil, plan.Err
	}
	r, err := f.Store.Open(ctx, key, version, off, length)
	if err != nil {
		return nil, err
	}
	return plan.on(r), nil
}

// Get follows the plans of Open.
func (f *Fault) Get(ctx context.Context, key, version string) (preservation.Object, io.ReadCloser, error) {
	plan, found := f.begin(ctx, OpOpen)
	if found && plan.Err != nil && plan.Cut == 0 {
		return preservation.Object{}, nil, plan.Err
	}
	o, r, err := f.Store.Get(ctx, key, version)
	if err != nil {
		return o, nil, err
	}
	return o, plan.on(r), nil
}

// Tail follows the plans of Open.
func (f *Fault) Tail(ctx context.Context, key, version string, length int64) (preservation.Object, io.ReadCloser, error) {
	plan, found := f.begin(ctx, OpOpen)
	if found && plan.Err != nil && plan.Cut == 0 {
		return preservation.Object{}, nil, plan.Err
	}
	o, r, err := f.Store.Tail(ctx, key, version, length)
	if err != nil {
		return o, nil, err
	}
	return o, plan.on(r), nil
}

// on is what a plan makes of the bytes that are read.
func (p Plan) on(r io.ReadCloser) io.ReadCloser {
	if !p.Corrupt && p.Cut == 0 {
		return r
	}
	return &broken{ReadCloser: r, plan: p, left: p.Cut}
}

// broken is a reader that flips the first bit or ends early.
type broken struct {
	io.ReadCloser
	plan    Plan
	left    int64
	flipped bool
}

func (b *broken) Read(p []byte) (int, error) {
	if b.plan.Cut > 0 {
		if b.left == 0 {
			return 0, b.plan.Err
		}
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.plan.Corrupt && n > 0 && !b.flipped {
		p[0] ^= 1
		b.flipped = true
	}
	return n, err
}
