package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkStart measures the time from the start of the program to its readiness,
// with an empty folder, with one that it knows, and, when the environment asks for
// it, with a catalog of BESTAND_BENCH_RECORDS synthetic records.
func BenchmarkStart(b *testing.B) {
	b.Run("fresh", func(b *testing.B) {
		var took []float64
		for b.Loop() {
			took = append(took, install(b).started(b))
		}
		b.ReportMetric(middle(took), "s-ready")
	})
	b.Run("existing", func(b *testing.B) {
		in := install(b)
		in.started(b)
		in.restarted(b)
	})
	b.Run("records", func(b *testing.B) {
		if os.Getenv("BESTAND_BENCH_RECORDS") == "" {
			b.Skip("set BESTAND_BENCH_RECORDS")
		}
		in := install(b)
		g := grow(b, in.dir)
		g.fill(0, sizes()[0], false)
		g.end()
		in.started(b) // the index catches up
		in.restarted(b)
	})
}

// started starts the program, stops it again, and returns the seconds to its
// readiness.
func (in *installation) started(b *testing.B) float64 {
	b.Helper()
	begin := time.Now()
	in.serve(b)
	took := time.Since(begin).Seconds()
	in.stop(b)
	return took
}

func (in *installation) restarted(b *testing.B) {
	b.Helper()
	var took []float64
	for b.Loop() {
		took = append(took, in.started(b))
	}
	b.ReportMetric(middle(took), "s-ready")
}

// BenchmarkIdle measures the memory of the service and its object store a minute
// after they have archived something.
func BenchmarkIdle(b *testing.B) {
	converters(b)
	in := install(b).serve(b)
	s := &serviceUnderTest{installation: in}
	var err error
	if s.token, err = readSecret(filepath.Join(in.dir, tokenFile)); err != nil {
		b.Fatal(err)
	}
	perSecond(b, distinct(pdfaDocument(b), 20), s.submit)
	s.drained(b)
	for b.Loop() {
		time.Sleep(time.Minute)
		service, store := resident(b, in.cmd.Process.Pid), resident(b, int(in.log.store.Load()))
		b.ReportMetric(float64(service)/1e6, "MB-service")
		b.ReportMetric(float64(store)/1e6, "MB-store")
		b.ReportMetric(float64(service+store)/1e6, "MB-idle")
	}
}

// resident is how much memory a process has, in bytes.
func resident(b *testing.B, pid int) int64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip("no /proc to measure with")
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		b.Fatal("no VmRSS")
	}
	kb, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return kb << 10
}
