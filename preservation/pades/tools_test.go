package pades_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation/pades"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
)

// tool runs a foreign program and returns what it printed; without it the test
// is skipped, or fails where BESTAND_REQUIRE_TOOLS=1.
func tool(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		missing(t, program+" is not installed")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustTool(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := tool(t, program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return out
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("BESTAND_REQUIRE_TOOLS") == "1" {
		t.Fatal(what + " and required (BESTAND_REQUIRE_TOOLS=1)")
	}
	t.Skip(what)
}

// verapdf returns the verdicts on files, by the jars that the set-up script
// installs or that the folder BESTAND_VERAPDF holds.
func verapdf(t *testing.T, files ...string) []string {
	t.Helper()
	jars := os.Getenv("BESTAND_VERAPDF")
	if jars == "" {
		jars = "/usr/local/lib/bestand/verapdf/lib"
	}
	if _, err := os.Stat(jars); err != nil {
		missing(t, "veraPDF is not in "+jars)
	}
	out := mustTool(t, "java", append([]string{"-cp", filepath.Join(jars, "*"), "testdata/Verdict.java"}, files...)...)
	return strings.Split(strings.TrimSpace(out), "\n")
}

// rig is an installation's keys with what sealing needs.
type rig struct {
	*pki.PKI
	dir   string
	stamp *timestamp.Authority
}

func newRig(t testing.TB, a pki.Algorithm) rig {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	p, err := pki.Open(dir, time.Now(), pki.Options{Algorithm: a, Organization: "Stadt Görlitz"})
	if err != nil {
		t.Fatal(err)
	}
	tsa, err := timestamp.NewAuthority(timestamp.Config{Signer: p.TSA.Signer, Chain: p.TSA.Chain})
	if err != nil {
		t.Fatal(err)
	}
	return rig{p, dir, tsa}
}

func (r rig) options() pades.Options {
	return pades.Options{
		Signer: r.Seal.Signer, Chain: r.Seal.Chain, Stamper: r.stamp, Now: time.Now(),
		Name: `Archiv Budyšin (č\ś)`, Reason: "Archivsiegel", Location: "Görlitz",
	}
}

// seal seals bytes and returns the sealed file.
func (r rig) seal(t testing.TB, doc []byte, o pades.Options) (path string, sealed []byte) {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.pdf"), filepath.Join(dir, "out.pdf")
	write(t, in, doc)
	if _, err := pades.Seal(t.Context(), in, out, o); err != nil {
		t.Fatal(err)
	}
	sealed, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(sealed, doc) {
		t.Error("the document does not stand unchanged before its seal")
	}
	return out, sealed
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
