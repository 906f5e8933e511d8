package fixity

import (
	"context"
	"io"
	"sync/atomic"

	"golang.org/x/time/rate"

	"bestand/preservation"
)

// Limit keeps the reading of stores below a rate and counts it. All that share one
// stay below it together.
type Limit struct {
	bytes   *rate.Limiter
	objects atomic.Int64
}

// burst is how many bytes may be read at once.
const burst = 256 << 10

// NewLimit allows so many bytes per second.
func NewLimit(bytes int64) *Limit { return &Limit{bytes: rate.NewLimiter(rate.Limit(bytes), burst)} }

// Objects is how many objects were read since the start.
func (l *Limit) Objects() int64 { return l.objects.Load() }

// On is a store that is read at the rate.
func (l *Limit) On(s preservation.Store) preservation.Store { return &limited{s, l} }

type limited struct {
	preservation.Store
	limit *Limit
}

func (s *limited) Open(ctx context.Context, key, version string, off, length int64) (io.ReadCloser, error) {
	r, err := s.Store.Open(ctx, key, version, off, length)
	if err != nil {
		return nil, err
	}
	s.limit.objects.Add(1)
	return &slow{r, ctx, s.limit.bytes}, nil
}

func (s *limited) Get(ctx context.Context, key, version string) (preservation.Object, io.ReadCloser, error) {
	o, r, err := s.Store.Get(ctx, key, version)
	if err != nil {
		return o, nil, err
	}
	s.limit.objects.Add(1)
	return o, &slow{r, ctx, s.limit.bytes}, nil
}

func (s *limited) Tail(ctx context.Context, key, version string, length int64) (preservation.Object, io.ReadCloser, error) {
	o, r, err := s.Store.Tail(ctx, key, version, length)
	if err != nil {
		return o, nil, err
	}
	s.limit.objects.Add(1)
	return o, &slow{r, ctx, s.limit.bytes}, nil
}

// slow is a reader at the rate.
type slow struct {
	io.ReadCloser
	ctx   context.Context
	bytes *rate.Limiter
}

func (r *slow) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p[:min(len(p), burst)])
	if n > 0 {
		if werr := r.bytes.WaitN(r.ctx, n); werr != nil {
			return n, werr
		}
	}
	return n, err
}
