package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/semaphore"

	"bestand/ingest"
	"bestand/ingest/convert"
	"bestand/ingest/draft"
	"bestand/ingest/format"
	"bestand/ingest/image"
	"bestand/ingest/invoice"
	"bestand/ingest/mail"
	"bestand/ingest/sandbox"
	"bestand/ingest/scan"
	"bestand/ingest/sip"
	"bestand/ingest/verapdf"
	"bestand/preservation/pades"
)

// pipeline puts the ingest together. No external program is started yet, and
// none has to be installed.
func (a *archive) pipeline(ctx context.Context) (*ingest.Pipeline, error) {
	work := a.cfg.path("work")
	// What an earlier process left there belongs to attempts that start anew.
	if err := discard(ctx, work); err != nil {
		return nil, err
	}
	// Also what this program and its libraries keep for a moment: it holds parts of
	// records, and nobody would find it elsewhere after a crash.
	scratch := filepath.Join(work, "tmp")
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, err
	}
	if err := os.Setenv("TMPDIR", scratch); err != nil {
		return nil, err
	}
	box, err := sandbox.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("sandbox: %w", err)
	}
	identifier, err := format.New()
	if err != nil {
		return nil, fmt.Errorf("format signatures: %w", err)
	}
	scanner, err := scan.New(scan.Config{Address: a.cfg.Clamd})
	if err != nil {
		return nil, err
	}
	validator := verapdf.New(verapdf.Config{Sandbox: box, Read: []string{work}, Dir: a.cfg.VeraPDF, Processes: a.cfg.validators()})
	language := ""
	if a.cfg.OCR {
		language = "deu"
	}
	printer := convert.New(convert.Config{Sandbox: box})
	working := semaphore.NewWeighted(int64(a.cfg.Workers))
	converter := convert.New(convert.Config{
		Working: working, Workers: int64(a.cfg.Workers), Sandbox: box, Validator: validator, Signed: signed, Image: image.Renderer(box, language),
		Mail: mail.Renderer(box, printer), MSG: mail.MSGRenderer(box, printer), XML: invoice.Renderer(box, printer),
	})
	secondCopy := ""
	if a.second != nil {
		secondCopy = a.second.place
	}
	return &ingest.Pipeline{
		SecondCopy: secondCopy, AddEvent: a.officer.AddEvent,
		Staging: a.staging, Store: a.store, Lock: a.officer.Lock, ProofLock: a.officer.ProofLock,
		Packages: &sip.Reader{},
		Format:   identifier.In(box), Scanner: scanner, Convert: converter, PDFA: validator,
		Invoice: func(ctx context.Context, dir, pdf string) (invoice.Embedded, error) {
			return invoice.FromPDF(ctx, box, dir, pdf)
		},
		Sealer: &ingest.Sealer{
			Key: a.sealing, Digest: func() crypto.Hash { return a.digest(crypto.SHA256) }, Stamper: a.stamper, Revocation: a.validation, Name: "Bestand",
			Drafter: draft.New(box), MaxPDF: a.cfg.SealMaxBytes, Trust: a.trust, Now: a.now,
		},
		Working: working, WorkDir: work, Now: a.now, Log: a.log, EnforcedBy: a.enforcedBy(),
	}, nil
}

// validators is how many processes of veraPDF there are. One keeps a processor
// busy, and two workers have as much to do besides.
func (c *Config) validators() int { return max(1, c.Workers/2) }

// discard empties a folder in which programs that a killed service has started may
// still be writing: they die with it, but not at the same moment.
func discard(ctx context.Context, dir string) error {
	for try := 0; ; try++ {
		err := empty(dir)
		if err == nil || try == 50 {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// empty removes what is in a folder. The folder stays: it may be a disk of its own.
func empty(dir string) error {
	left, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range left {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

func signed(path string) (bool, error) {
	f, size, err := openSized(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	return pades.Signed(context.Background(), f, size)
}
