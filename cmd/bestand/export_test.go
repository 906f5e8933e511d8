package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"bestand/preservation/evidence/judge"
)

// TestReceive tells what is wrong with an answer from what is wrong with the disk here: only
// behind the first do the other records come.
func TestReceive(t *testing.T) {
	cut := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := receive(io.Discard, cut); !errors.Is(err, errCut) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	if err := receive(full, strings.NewReader("whole")); errors.Is(err, errCut) || !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if err := receive(io.Discard, strings.NewReader("whole")); err != nil {
		t.Error(err)
	}
}

// TestExport fetches a record in every form and has each judged by tools that know
// nothing of the archive.
func TestExport(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	admin := in.admin(t)
	_, above := admin.archive(about("0", "63.10", "Lindenstraße 12", "kind", "file"), file("deckel.bin", blob("Deckel")))
	_, r := admin.archive(about("1", "63.10", "Bauantrag & Lageplan", "kind", "case", "parent", above.ID), file("gutachten.bin", blob("Gutachten")), file("lageplan.bin", blob("Lageplan")))
	dir := filepath.Join(t.TempDir(), "export")
	export := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"export", "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile), "--out", dir}, args...), &out, &out)
		return out.String(), err
	}
	// Each refusal is one line, told at once, and the others come all the same.
	if said, err := export(r.ID, above.ID); err != exitCode(1) || strings.Count(said, "\n") != 2 || !strings.HasPrefix(said, "record "+r.ID+": ") || !strings.Contains(said, "no evidence batch") {
		t.Errorf("before the first batch: %v %s", err, said)
	}
	for _, profile := range []string{"aip", "bagit", "ocfl", "xdomea"} {
		if said, err := export("--profile", profile, r.ID); err != nil {
			t.Errorf("%s before the first batch: %v %s", profile, err, said)
		}
	}
	admin.post("/v1/evidence/batches", nil).want(t, 200)
	written := map[string]string{}
	for profile := range profiles {
		said, err := export("--profile", profile, r.ID)
		if written[profile] = strings.TrimSpace(said); err != nil || profile != "xdomea" && !strings.Contains(said, r.ID) {
			t.Errorf("%s: %v %s", profile, err, said)
		}
	}
	for _, args := range [][]string{{}, {"--profile", "tar", r.ID}, {"../" + r.ID}} {
		if said, err := export(args...); err == nil {
			t.Errorf("%q: %s", args, said)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".export-*")); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}

	v := newVerifier(t, in)
	ours := func(suffix string) string { return filepath.Join(dir, r.ID+suffix) }
	var out bytes.Buffer
	if err := run(t.Context(), []string{"verify", "--trust", v.ca, ours(".er"), ours(".zip")}, &out, &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
	for profile, path := range written {
		if profile == "aip" {
			continue
		}
		if said, complaint, code := program(t, "verify", "--trust", v.ca, path); code != 2 || !strings.Contains(complaint, "no package of the archive") {
			t.Errorf("%s: exit code %d: %s%s", profile, code, said, complaint)
		}
	}
	if kind, records := judge.Container(t, ours(".asice"), v.ca, time.Now()); kind != "ASiC-E" || len(records) != 1 || records[0] != nil {
		t.Errorf("DSS: %s %v", kind, records)
	}
	for _, profile := range []string{"aip", "asic", "bagit", "ocfl", "xdomea"} {
		v.run("unzip", "-tq", written[profile])
	}
	if message := v.run("unzip", "-p", written["xdomea"], "*_0503_1.xml"); !strings.Contains(message, "<xdomea:Betreff>Lindenstraße 12<") || !strings.Contains(message, "<xdomea:Inhaltsangabe>") {
		t.Errorf("the Akte around it is not told, or the class\n%s", message)
	}
	// What goes out comes in again, as a record of its own.
	for _, profile := range []string{"bagit", "xdomea"} {
		out.Reset()
		if err := run(t.Context(), []string{"ingest", "--server", in.url, "--token-file", filepath.Join(in.dir, tokenFile), "--class", "63.10", "--package", "--wait", "--receipts", dir, written[profile]}, &out, &out); err != nil {
			t.Errorf("%s again: %v\n%s", profile, err, &out)
		}
	}
	v.run("xmllint", "--nonet", "--noout", "--schema", "../../preservation/dip/testdata/xaip/tr-esor-xaip-v1.3.xsd", ours(".xaip.xml"))
	stored, err := os.ReadFile(ours(".zip"))
	if err != nil || hex256(stored) != r.Package.SHA256 {
		t.Errorf("the stored package is another: %v", err)
	}
}
