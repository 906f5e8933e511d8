package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A program that fails on a file may be at fault itself: it hangs, its parts are
// missing, it leaves nothing and says that all is well. A record is locked for
// years with what became of its files, so before a failure counts as one of the
// file, each program that took part has to do a small file of ours. One that
// cannot is out of order, which is as good as not installed: the file is pending
// and completed once the program works.

const (
	trialTime  = 45 * time.Second // for a trial; a machine that is busy takes ten times what an idle one does
	trialTrust = 30 * time.Second // how long a program that passed is not tried again
	trialPause = time.Minute      // how long one that failed is not
)

// trial is how a program did on our file.
type trial struct {
	at  time.Time
	err error
}

// trialWord stands on the file.
const trialWord = "Bestand"

// trialOf returns how a program is tried, nil when it is not: what it needs, and
// what it must give.
func trialOf(program string) func(*job, context.Context) error {
	switch program {
	case "soffice":
		return func(j *job, ctx context.Context) error {
			return gave(j.soffice(ctx, "writer_pdf_Export", "", ".txt", func(to io.Writer) error {
				_, err := io.WriteString(to, trialWord+"\n")
				return err
			}))
		}
	case "chromium-headless-shell":
		return func(j *job, ctx context.Context) error {
			return gave(j.browse(ctx, strings.NewReader("<p>"+trialWord)))
		}
	case "gs":
		return onFile(func(j *job, ctx context.Context, pdf string) error {
			return gave(j.rewrite(ctx, pdf, pdfFacts{}, manner{}))
		})
	case "pdftocairo":
		return onFile(func(j *job, ctx context.Context, pdf string) error { return gave(j.cairo(ctx, pdf)) })
	case "qpdf":
		return says("qpdf", "No syntax or stream encoding errors", "--check")
	case "pdfinfo":
		return says("pdfinfo", "Pages:")
	case "pdfdetach":
		return says("pdfdetach", "0 embedded files", "-list")
	case "pdftotext":
		return says("pdftotext", trialWord, "-enc", "UTF-8", "-nopgbrk", "-cropbox")
	case "pdftoppm":
		return onFile(func(j *job, ctx context.Context, pdf string) error {
			pages, err := j.raster(ctx, pdf)
			if err == nil && (len(pages) != 1 || pages[0].blank()) {
				err = &fault{errors.New("it does not draw the page")}
			}
			return err
		})
	}
	return nil
}

// onFile is a trial that needs our PDF.
func onFile(f func(j *job, ctx context.Context, pdf string) error) func(*job, context.Context) error {
	return func(j *job, ctx context.Context) error {
		pdf, err := j.trialFile()
		if err != nil {
			return err
		}
		return f(j, ctx, pdf)
	}
}

// says is a trial of a program that has to say something about our PDF.
func says(program, want string, args ...string) func(*job, context.Context) error {
	return onFile(func(j *job, ctx context.Context, pdf string) error {
		args := append(args[:len(args):len(args)], pdf)
		if program == "pdftotext" {
			args = append(args, "-")
		}
		var out bytes.Buffer
		res, err := j.read(ctx, program, &out, pdf, args...)
		if err == nil && (res.ExitCode != 0 || !strings.Contains(out.String(), want)) {
			err = &fault{fmt.Errorf("it ended with exit code %d and without the words %q", res.ExitCode, want)}
		}
		return err
	})
}

// tried returns err, or that a program is out of order where that is why a file
// was refused.
func (j *job) tried(ctx context.Context, err error) error {
	var no *Refusal
	if !errors.As(err, &no) {
		return err
	}
	slices.Sort(j.used)
	for _, name := range slices.Compact(j.used) {
		if broken := j.works(ctx, name, trialTrust); broken != nil {
			return broken
		}
	}
	return err
}

// Works reports whether a program is in order, as far as is known: nil, or
// ErrMissing with the reason. One that was not is tried again.
func (c *Converter) Works(ctx context.Context, name string) error {
	c.mu.Lock()
	last, known := c.trials[name]
	c.mu.Unlock()
	if !known || last.err == nil {
		return nil
	}
	return (&job{Converter: c}).works(ctx, name, 0)
}

// outOfOrder keeps a program from files while it is known to fail on all. After a
// while it is tried again before it gets one.
func (j *job) outOfOrder(ctx context.Context, name string) error {
	j.mu.Lock()
	last := j.trials[name]
	j.mu.Unlock()
	if last.err == nil {
		return nil
	}
	return j.works(ctx, name, trialPause)
}

// works tries a program unless it was tried within the time given. Two jobs may
// try it at once.
func (j *job) works(ctx context.Context, name string, trust time.Duration) error {
	try := trialOf(name)
	if try == nil {
		return nil
	}
	j.mu.Lock()
	last, known := j.trials[name]
	j.mu.Unlock()
	if !known || time.Since(last.at) > trust {
		var err error
		if last.err, err = j.try(ctx, try); err != nil {
			return err
		}
		last.at = time.Now()
		j.mu.Lock()
		j.trials[name] = last
		j.mu.Unlock()
	}
	if last.err != nil {
		return fmt.Errorf("%w: %s is out of order: on a file that it should do, %w", ErrMissing, name, last.err)
	}
	return nil
}

// try tells a program that fails from a fault of the machine, such as a full disk.
func (j *job) try(ctx context.Context, f func(*job, context.Context) error) (failed, err error) {
	root := j.dir
	if root == "" {
		root = os.TempDir()
	}
	dir, err := os.MkdirTemp(root, "trial-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	err = f(&job{Converter: j.Converter, dir: dir, trial: true}, ctx)
	var no *Refusal
	var wrong *fault
	if errors.As(err, &no) || errors.As(err, &wrong) {
		return err, nil
	}
	return nil, err
}

// fault is what a program did wrong in a trial.
type fault struct{ error }

// gave checks that a program left a PDF.
func gave(pdf string, err error) error {
	if err != nil {
		return err
	}
	f, err := os.Open(pdf)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 5)
	if _, err := f.ReadAt(head, 0); err != nil || string(head) != "%PDF-" {
		return &fault{errors.New("it left something that is no PDF")}
	}
	return nil
}

// trialFile writes a PDF of one page with one word.
func (j *job) trialFile() (string, error) {
	text := "BT /F1 24 Tf 72 700 Td (" + trialWord + ") Tj ET"
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var at []int
	for i, object := range []string{
		"<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
		"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
		fmt.Sprintf("<</Length %d>>\nstream\n%s\nendstream", len(text), text),
		"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
	} {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := b.Len()
	b.WriteString("xref\n0 6\n0000000000 65535 f \n")
	for _, o := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", start)
	dir, err := j.folder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "trial.pdf")
	return path, os.WriteFile(path, b.Bytes(), 0o600)
}
