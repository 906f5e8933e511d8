package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// suffered is what users of other archives lost data or trust by, and the tests
// that would have found it here.
var suffered = []struct {
	what  string // with the project that had to learn it
	tests []string
}{
	{"a fixity job logs success for missing or altered files (DSpace 8570)",
		[]string{"cmd/bestand TestDamage", "cmd/bestand TestDamageBesides", "cmd/bestand TestDamageBits", "cmd/bestand TestFaultDamage"}},
	{"two names become one, and a file is gone (archivematica 232)",
		[]string{"cmd/bestand TestHostileNames", "preservation/aip TestNames", "preservation/aip TestDataPath", "api TestFileNames", "ingest/sip/container TestNamesAreData"}},
	{"a failed store shows complete, and the source is deleted (archivematica 815)",
		[]string{"cmd/bestand TestStoreAway", "cmd/bestand TestKilledAtBoundaries", "cmd/bestand TestPowerCut", "cmd/bestand TestFaultKill"}},
	{"a full disk leaves packages pending for good (archivematica 1498)",
		[]string{"cmd/bestand TestDiskFull", "cmd/bestand TestStoreAway", "preservation/objectstore TestFull", "search TestFullDisk", "api TestFullStore"}},
	{"destruction without a look at holds (openregister 3553)",
		[]string{"retention TestDisposeOnlyUnderPermit", "retention TestDisposeCallsOff", "retention TestDisposeCrash", "retention TestDisposeAttested", "cmd/bestand TestDestruction"}},
	{"two engines work out different dates (openregister 3552)",
		[]string{"retention TestOneDate", "retention TestEvaluateGolden", "retention TestDisposeComparesPackage", "cmd/bestand TestScheduleNights"}},
	{"a wrong filter of dates deletes everything (mail-archiver 483)",
		[]string{"retention TestDisposeStopsItself", "retention TestEvaluateProperties", "retention TestDisposeClock", "cmd/bestand TestClock"}},
	{"the source is removed although ingest failed (paperless-ngx 2396)",
		[]string{"cmd/bestand TestSourcesStay", "cmd/bestand TestStoreAway", "cmd/bestand TestStoppedUnderLoad", "ingest TestSweep", "ingest TestAbort"}},
	{"an index stands still for months, unnoticed (OpenArchiver 389), or opens no more (bleve 1306)",
		[]string{"search TestTail", "search TestDamage", "search TestDamageWhileOpen", "search TestRestoredCatalog", "search TestKill", "cmd/bestand TestDamageBesides", "cmd/bestand TestDestruction"}},
	{"umlauts and parts of compounds are not found (paperless-ngx 10937)",
		[]string{"search TestGerman", "search TestTitleOrderFollowsDIN5007"}},
	{"marked as deleted, the deletion failed (RODA); a delete marker taken for deletion (minio 10860)",
		[]string{"retention TestDisposeStoreFaults", "retention TestReplayLocked", "preservation/s3 TestEmbedded", "cmd/bestand TestDestruction"}},
}

// TestSufferedIsTested wants every test of the list to exist where it says.
func TestSufferedIsTested(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		dir, _ := filepath.Rel(root, filepath.Dir(path))
		for _, m := range declared.FindAllSubmatch(source, -1) {
			have[filepath.ToSlash(dir)+" "+string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range suffered {
		for _, name := range s.tests {
			if !have[name] {
				t.Errorf("%s: there is no test %s", s.what, name)
			}
		}
	}
}

// TestSourcesStay hands over what cannot be archived, what can, and what the archive
// does not answer to. Whatever becomes of it, the folder of the producer stays as it
// is, and the command says which of it is not archived.
func TestSourcesStay(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	token := filepath.Join(in.dir, tokenFile)
	dir := t.TempDir()
	want := map[string]string{"gut.bin": blob("gut"), "paket.zip": zipped(t, file("a.txt", "kein Paket")), "ordner/metadata.json": `{"producer":"cli","class":"keine","title":"x"}`, "ordner/a.bin": blob("a")}
	if err := os.Mkdir(filepath.Join(dir, "ordner"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range want {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	receipts := t.TempDir()
	ingest := func(bad bool, says string, args ...string) {
		t.Helper()
		out, complaint, code := program(t, append([]string{"ingest", "--server", in.url, "--token-file", token, "--producer", "cli", "--class", "63.10", "--wait", "--receipts", receipts}, args...)...)
		if bad != (code != 0) || !strings.Contains(out+complaint, says) {
			t.Errorf("%q: exit code %d: %s%s", args, code, out, complaint)
		}
		var left []string
		filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				name, _ := filepath.Rel(dir, path)
				content, err := os.ReadFile(path)
				if left = append(left, name); err != nil || string(content) != want[name] {
					t.Errorf("%q: %s is another one now: %v", args, name, err)
				}
			}
			return nil
		})
		if len(left) != len(want) {
			t.Errorf("%q: of the folder is left %q", args, slices.Sorted(slices.Values(left)))
		}
	}
	ingest(false, "archived", filepath.Join(dir, "gut.bin"))
	ingest(true, "class", filepath.Join(dir, "ordner"))
	ingest(true, "rejected", "--package", filepath.Join(dir, "paket.zip"))
	if kept, err := os.ReadDir(receipts); err != nil || len(kept) == 0 {
		t.Errorf("receipts %v, %v", kept, err)
	}
	in.audit(t) // and stop
	ingest(true, "1 of 1 not archived", filepath.Join(dir, "gut.bin"))
}
