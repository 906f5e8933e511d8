package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"bestand/preservation"
)

// parts are asked whether a delivery could be taken in and processed now. Each is
// asked to do what it has to do for one, in small: a part that still answers
// questions may have no room left.
func (s *service) parts() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"catalog": seldom(s.catalog.Ping),
		"store":   seldom(s.storeReady),
		"disk":    seldom(s.diskReady),
		"clock":   s.clock.doubt,
	}
}

// details tells what no request waits for: what the second copy lacks, and which parts jobs
// wait for, such as a time-stamping service. Whoever sends is served all the same, and what
// was taken in is processed once the part is back: no reason to send nobody here.
func (s *service) details(ctx context.Context) map[string]string {
	all := s.copied(ctx)
	parts, err := s.catalog.Away(ctx)
	if err != nil {
		all["waiting"] = "not known"
	}
	for p, away := range parts {
		all[p.Code()] = fmt.Sprintf("away; %d jobs wait for it", away.Jobs)
	}
	return all
}

// storeReady stages a byte and takes it away again.
func (s *service) storeReady(ctx context.Context) error {
	const key = "probe/ready" // no tenant has this name
	if _, err := s.staging.Put(ctx, key, bytes.NewReader([]byte{1}), preservation.PutOptions{Size: 1}); err != nil {
		return err
	}
	return s.staging.Remove(ctx, key)
}

// leastRoom is what must be free in the data folder and its work folder in bytes.
const leastRoom = 32 << 20

func (s *service) diskReady(context.Context) error {
	for _, dir := range []string{s.cfg.Data, s.pipeline.WorkDir} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		if free := int64(st.Bavail) * st.Bsize; st.Blocks > 0 && free < leastRoom || st.Files > 0 && st.Ffree < 1000 {
			return preservation.Down(preservation.PartDisk, fmt.Errorf("%w: %d MiB and %d files are free in %s", preservation.ErrFull, free>>20, st.Ffree, dir))
		}
	}
	return nil
}

const (
	answerLife = time.Second     // how long an answer about a part is given again: anybody may ask
	answerTime = 4 * time.Second // how long a part may take for it
)

// seldom asks f once at a time and not again for a while.
func seldom(f func(context.Context) error) func(context.Context) error {
	var mu sync.Mutex
	var asked time.Time
	var last error
	return func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if asked.IsZero() || time.Since(asked) > answerLife {
			asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime) // who asks may leave
			last = f(asking)
			cancel()
			asked = time.Now()
		}
		return last
	}
}
