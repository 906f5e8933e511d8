package main

import (
	"os"
	"runtime/debug"
)

// heapLimit is from where on the collector rather works than lets the service grow,
// in bytes. What lives is less in all that the service does; without a limit there
// would be as much garbage beside it. It is no bound: what is needed is taken.
const heapLimit = 160 << 20

// limitHeap sets heapLimit, unless the operator says otherwise by GOMEMLIMIT.
func limitHeap() {
	if os.Getenv("GOMEMLIMIT") == "" { // else the runtime has followed it by itself
		debug.SetMemoryLimit(heapLimit)
	}
}
