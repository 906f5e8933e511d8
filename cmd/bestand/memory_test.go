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
