package catalog

import (
	"slices"
	"sync"

	"bestand/preservation"
)

// broadcast wakes any number of waiters at once.
type broadcast struct {
	mu sync.Mutex
	c  chan struct{}
}

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}

// bells wakes pools for whose kinds of jobs one was committed.
type bells struct {
	mu    sync.Mutex
	kinds map[chan struct{}][]string
}

// join returns what is rung after every commit of a job of one of the kinds, once
// for those in between two looks at it.
func (b *bells) join(kinds []string) (bell <-chan struct{}, leave func()) {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kinds == nil {
		b.kinds = map[chan struct{}][]string{}
	}
	b.kinds[c] = kinds
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.kinds, c)
	}
}

func (b *bells) ring(kinds []string) {
	if len(kinds) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for c, theirs := range b.kinds {
		if slices.ContainsFunc(theirs, func(k string) bool { return slices.Contains(kinds, k) }) {
			select {
			case c <- struct{}{}:
			default: // it has been rung and not yet heard
			}
		}
	}
}

// rounds wakes those who watch the work of a tenant.
type rounds struct {
	mu      sync.Mutex
	waiting map[preservation.TenantID]chan struct{}
}

func (r *rounds) wait(tenant preservation.TenantID) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.waiting[tenant]
	if !ok {
		if r.waiting == nil {
			r.waiting = map[preservation.TenantID]chan struct{}{}
		}
		c = make(chan struct{})
		r.waiting[tenant] = c
	}
	return c
}

func (r *rounds) send(tenants map[preservation.TenantID]bool) {
	if len(tenants) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for tenant := range tenants {
		if c, ok := r.waiting[tenant]; ok {
			close(c)
			delete(r.waiting, tenant)
		}
	}
}

// Worked returns a channel that closes at the next step of a submission or change of
// a job of the tenant that this process commits.
func (t *Tenant) Worked() <-chan struct{} { return t.db.worked.wait(t.id) }
