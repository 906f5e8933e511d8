package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// sizes are the numbers of records at which the growth is measured: powers of
// ten from 10,000 up to BESTAND_BENCH_RECORDS, 10,000 by default.
func sizes() (all []int) {
	most, err := strconv.Atoi(os.Getenv("BESTAND_BENCH_RECORDS"))
	if err != nil {
		most = 10000
	}
	for n := min(10000, most); n <= most; n *= 10 {
		all = append(all, n)
	}
	return all
}

// benchDir is a data folder that BESTAND_BENCH_DIR keeps between runs.
func benchDir(b testing.TB, name string) string {
	if dir := os.Getenv("BESTAND_BENCH_DIR"); dir != "" {
		return filepath.Join(dir, name)
	}
	return b.TempDir()
}

func BenchmarkFill(b *testing.B) {
	g := grow(b, benchDir(b, "data"))
	defer g.end()
	all := sizes()
	b.Log("catalog", g.fill(0, all[len(all)-1], false))
}
