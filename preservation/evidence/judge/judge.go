// Package judge asks foreign programs what they think of our evidence and seals:
// BouncyCastle and EU DSS, which share no code with this project. It is for tests,
// and what it asks is no part of the program: install.sh builds it.
//
// One Java process answers all questions of a test program, and ends with it.
package judge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// dir is where install.sh puts the judges, unless BESTAND_JUDGE names another folder.
const dir = "/usr/local/lib/bestand/judge"

type process struct {
	sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

var (
	errMissing = errors.New("the foreign judges are not installed: run make setup")

	start = sync.OnceValues(func() (*process, error) {
		lib := dir
		if other := os.Getenv("BESTAND_JUDGE"); other != "" {
			lib = other
		}
		lib = filepath.Join(lib, "lib")
		if _, err := os.Stat(filepath.Join(lib, "judge.jar")); err != nil {
			return nil, errMissing
		}
		cmd := exec.Command("java", "-Xmx1g", "-XX:+UseSerialGC", "-cp", filepath.Join(lib, "*"), "Judge")
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return nil, errors.Join(errMissing, err)
		}
		return &process{in: in, out: bufio.NewReader(out)}, nil // it ends when in does
	})
)

// ask puts one question. Without the judges the test is skipped, or fails where
// BESTAND_REQUIRE_TOOLS=1.
func ask(t testing.TB, fields ...string) []string {
	t.Helper()
	p, err := start()
	if errors.Is(err, errMissing) && os.Getenv("BESTAND_REQUIRE_TOOLS") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if strings.ContainsAny(f, "\t\n") {
			t.Fatalf("no question for a judge: %q", f)
		}
	}
	p.Lock()
	defer p.Unlock()
	_, err = fmt.Fprintln(p.in, strings.Join(fields, "\t"))
	if err != nil {
		t.Fatal("judge: ", err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatal("judge: ", err)
	}
	answer := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	if answer[0] == "error" {
		t.Fatalf("judge: %q: %s", fields, answer)
	}
	return answer
}

func instant(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// verdict is nil for a proof that stands, and else why it does not.
func verdict(answer []string) error {
	why := strings.Join(answer[1:], " ")
	if answer[0] == "valid" {
		return nil
	}
	return errors.New(why)
}

// Library is one that judges evidence records.
type Library string

const (
	BouncyCastle Library = "bouncycastle"
	DSS          Library = "dss"
)

// Libraries are all of them.
var Libraries = []Library{BouncyCastle, DSS}

// Record says whether an evidence record proves files at an instant; with whole,
// whether it covers no others. trust is a file of PEM: trust anchors, and the
// revocation lists that a verifier would fetch.
func (l Library) Record(t testing.TB, record, trust string, at time.Time, whole bool, files ...string) error {
	t.Helper()
	how := "part"
	if whole {
		how = "whole"
	}
	return verdict(ask(t, append([]string{string(l), record, trust, instant(at), how}, files...)...))
}

// Signature is what DSS says of one signature.
type Signature struct {
	Level      string // as "PAdES-BASELINE-T"
	Indication string // as "TOTAL_PASSED"
	Reason     string
}

// Signatures judges the signatures in a document by DSS, over the files beside it
// where they are detached.
func Signatures(t testing.TB, file, trust string, at time.Time, beside ...string) (all []Signature) {
	t.Helper()
	for a := ask(t, append([]string{"signatures", file, trust, instant(at)}, beside...)...); len(a) >= 3; a = a[3:] {
		all = append(all, Signature{a[0], a[1], a[2]})
	}
	return all
}

// Sign has DSS sign files as XAdES with a key of a PKCS #12 file, as options say
// ("key=rsa&packaging=ENVELOPED"; see Signer.java), into a new file.
func Sign(t testing.TB, keys, to, options string, files ...string) {
	t.Helper()
	ask(t, append([]string{"sign", keys, to, options}, files...)...)
}

// Container names the type of a container, as "ASiC-E", and judges the evidence
// records in it by DSS.
func Container(t testing.TB, file, trust string, at time.Time) (kind string, records []error) {
	t.Helper()
	a := ask(t, "container", file, trust, instant(at))
	for rest := a[1:]; len(rest) >= 2; rest = rest[2:] {
		records = append(records, verdict(rest[:2]))
	}
	return a[0], records
}

// Rate measures how many evidence records of groups of three a second are made by
// a generator over one tree of n: "linear", which keeps its tree as ours does, or
// "bouncycastle", the library's own.
func Rate(t testing.TB, generator string, n int) float64 {
	t.Helper()
	a := ask(t, "rate", generator, strconv.Itoa(n))
	rate, err := strconv.ParseFloat(a[0], 64)
	if err != nil {
		t.Fatal("judge: ", err)
	}
	return rate
}
