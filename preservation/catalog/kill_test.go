package catalog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// writerEnv makes the test binary a program that writes to the catalog at this URL.
const writerEnv = "BESTAND_CATALOG_TEST_WRITER"

// write creates submissions as fast as it can and acknowledges each on stdout
// once the catalog says that it is durable.
func write(url string) {
	db, err := catalog.Open(context.Background(), catalog.Config{URL: url})
	if err != nil {
		log.Fatal(err)
	}
	var out sync.Mutex
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				s := submission(fmt.Sprintf("%d/%d/%d", os.Getpid(), w, n), time.Now())
				if err := db.Tenant("musterstadt").CreateSubmission(context.Background(), s); err != nil {
					log.Fatal(err)
				}
				out.Lock()
				fmt.Println(s.ID)
				out.Unlock()
			}
		})
	}
	wg.Wait()
}

// What was acknowledged survives the death of the program, and nothing of what
// was not is there by half.
func TestKilledWriterLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		acknowledged := map[preservation.SubmissionID]bool{}
		for range 2 {
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), writerEnv+"="+f.url)
			child.Stderr = os.Stderr
			stdout, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			lines, before := bufio.NewScanner(stdout), len(acknowledged)
			for lines.Scan() { // to the end of what the pipe holds
				if id := preservation.SubmissionID(strings.TrimSpace(lines.Text())); id.Valid() {
					acknowledged[id] = true
				}
				if len(acknowledged) == before+100 {
					time.AfterFunc(300*time.Millisecond, func() { child.Process.Kill() })
				}
			}
			var exit *exec.ExitError
			if err := child.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
				t.Fatalf("writer ended by itself: %v", err)
			}
		}
		db := reopen(t, f)
		tenant := db.Tenant("musterstadt")
		var stored int
		for after := preservation.SubmissionID(""); ; {
			page, err := tenant.Submissions(t.Context(), catalog.SubmissionFilter{}, after, 500)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range page {
				stored++
				after = s.ID
				delete(acknowledged, s.ID)
				if full, err := tenant.Submission(t.Context(), s.ID); err != nil || len(full.Files) != 2 {
					t.Fatalf("submission %s has %d files: %v", s.ID, len(full.Files), err)
				}
				if _, err := tenant.JobOf(t.Context(), "process", string(s.ID)); err != nil {
					t.Fatal(err)
				}
			}
			if len(page) < 500 {
				break
			}
		}
		if len(acknowledged) > 0 {
			t.Errorf("%d acknowledged submissions are lost", len(acknowledged))
		}
		if findings, err := tenant.VerifyAudit(t.Context()); err != nil || len(findings) > 0 {
			t.Errorf("audit log: %v %v", findings, err)
		}
		t.Logf("%d submissions stored", stored)
	})
}
