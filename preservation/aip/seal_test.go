package aip_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeCommands does what the README in every package tells a reader of
// later days to do, with nothing but unzip, openssl and sha256sum.
func TestReadmeCommands(t *testing.T) {
	openssl, unzip, sha256sum := tool(t, "openssl"), tool(t, "unzip"), tool(t, "sha256sum")
	dir := t.TempDir()
	run := func(where, name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = where
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run(dir, openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
		"-subj", "/CN=Siegel", "-keyout", "key.pem", "-out", "AUSSTELLER.pem")

	p, _ := sample()
	p.Seal = func(_ context.Context, mets []byte) ([]byte, error) {
		if err := os.WriteFile(filepath.Join(dir, "mets"), mets, 0o600); err != nil {
			return nil, err
		}
		run(dir, openssl, "cms", "-sign", "-binary", "-cades", "-md", "sha256", "-in", "mets", "-signer", "AUSSTELLER.pem",
			"-inkey", "key.pem", "-outform", "DER", "-out", "seal")
		return os.ReadFile(filepath.Join(dir, "seal"))
	}
	zip, m := pack(t, p)
	if err := os.WriteFile(filepath.Join(dir, "v0001.zip"), zip, 0o600); err != nil {
		t.Fatal(err)
	}
	run(dir, unzip, "-q", "v0001.zip")
	root := filepath.Join(dir, string(m.Record))

	out := run(root, openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", "METS.xml.p7s",
		"-content", "METS.xml", "-CAfile", "../AUSSTELLER.pem", "-purpose", "any", "-out", "/dev/null")
	if !strings.Contains(out, "successful") {
		t.Errorf("openssl: %s", out)
	}
	mets, err := os.ReadFile(filepath.Join(root, "METS.xml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Entries {
		sum, _, _ := strings.Cut(run(root, sha256sum, e.Path), " ")
		if named := strings.Contains(string(mets), `CHECKSUM="`+sum+`"`); named == strings.HasPrefix(e.Path, "METS.xml") {
			t.Errorf("%s: METS names its SHA-256: %v", e.Path, named)
		}
	}
}
