package main

import (
	"os"
	"runtime/debug"
	"time"
)

// heapLimit is from where on the collector rather works than lets the service grow,
// in bytes. What lives is less in all that the service does, but for its search
// indexes; without a limit there would be as much garbage beside it. It is no bound:
// what is needed is taken.
const heapLimit = 136 << 20

// limitHeap sets heapLimit, unless the operator says otherwise by GOMEMLIMIT.
func limitHeap() {
	if os.Getenv("GOMEMLIMIT") == "" { // else the runtime has followed it by itself
		debug.SetMemoryLimit(heapLimit)
	}
}

// startMemory lets the limit follow what the search indexes hold. A collector that
// works against what lives would take half of the processors and free nothing.
func (s *service) startMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	s.wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for limit := int64(heapLimit); ; {
			select {
			case <-s.live.Done():
				return
			case <-tick.C:
			}
			if next := heapLimitAfter(limit, s.index.Memory()); next != limit {
				limit = next
				debug.SetMemoryLimit(limit)
			}
		}
	})
}

// heapLimitAfter is the limit for so much memory of search indexes. It rises at
// once and falls by and by, because batches follow each other.
func heapLimitAfter(limit, indexes int64) int64 {
	const step = 4 << 20
	want := heapLimit + (indexes+step-1)/step*step
	return max(want, limit-limit/16)
}

// A rebuild makes much that is gone at once: with this much room beside what lives, in
// percent of that and in bytes altogether, the collector has little to do.
const (
	rebuildRoom = 400
	rebuildHeap = 1280 << 20
)

// roomForRebuild gives it that room until it is taken back, unless the operator
// says otherwise by GOGC or GOMEMLIMIT.
func roomForRebuild() (takeBack func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	limit, percent := debug.SetMemoryLimit(rebuildHeap), debug.SetGCPercent(rebuildRoom)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}
