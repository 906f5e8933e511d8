package main

import (
	"runtime/debug"
	"testing"
)

func TestLimitHeap(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })

	t.Setenv("GOMEMLIMIT", "1GiB")
	if limitHeap(); debug.SetMemoryLimit(-1) != before {
		t.Error("the operator's limit was changed")
	}
	t.Setenv("GOMEMLIMIT", "")
	if limitHeap(); debug.SetMemoryLimit(-1) != heapLimit {
		t.Errorf("the limit is %d MiB", debug.SetMemoryLimit(-1)>>20)
	}
}

func TestHeapLimitFollowsIndexes(t *testing.T) {
	const mib = 1 << 20
	limit := heapLimitAfter(heapLimit, 0)
	if limit != heapLimit {
		t.Errorf("without indexes %d MiB", limit/mib)
	}
	if limit = heapLimitAfter(limit, 400*mib); limit != heapLimit+400*mib {
		t.Errorf("with 400 MiB of indexes %d MiB", limit/mib)
	}
	if limit = heapLimitAfter(limit, 0); limit <= heapLimit+300*mib {
		t.Errorf("between two batches %d MiB", limit/mib)
	}
	for range 100 {
		limit = heapLimitAfter(limit, 1)
	}
	if limit != heapLimit+4*mib {
		t.Errorf("long after %d MiB", limit/mib)
	}
}
