package timestamp

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"sync"
	"time"

	"bestand/preservation"
)

// rest is how long an authority that failed is asked last: nobody shall wait for
// its time-out again and again.
const rest = 5 * time.Minute

// Preferred asks several authorities in the order of preference until one gives a
// time-stamp. Its methods may be called concurrently; the fields are not changed
// after first use.
type Preferred struct {
	Clients []*Client
	Now     func() time.Time
	Log     *slog.Logger

	mu     sync.Mutex
	failed map[*Client]time.Time
}

// Stamp returns a token in DER over the digest, as Client.Stamp does. Its error is
// that of all of them.
func (p *Preferred) Stamp(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	var all []error
	for _, c := range p.order() {
		token, err := c.Stamp(ctx, h, digest)
		if err == nil {
			p.note(c, false)
			return token, nil
		}
		if all = append(all, err); ctx.Err() != nil {
			break // it says nothing about the authority
		}
		p.note(c, true)
		if len(p.Clients) > 1 {
			p.Log.WarnContext(ctx, "no time-stamp from one of the authorities", "url", c.URL, "err", err)
		}
	}
	err := errors.Join(all...)
	if ctx.Err() == nil {
		err = preservation.Down(preservation.PartTSA, err)
	}
	return nil, err
}

// order is that of preference, with those that failed lately at the end.
func (p *Preferred) order() (all []*Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.Now()
	var last []*Client
	for _, c := range p.Clients {
		if at, ok := p.failed[c]; ok && now.Sub(at).Abs() < rest {
			last = append(last, c)
		} else {
			all = append(all, c)
		}
	}
	return append(all, last...)
}

func (p *Preferred) note(c *Client, failed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = map[*Client]time.Time{}
	}
	if delete(p.failed, c); failed {
		p.failed[c] = p.Now()
	}
}
