package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bestand/ingest"
	"bestand/ingest/convert"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/retention"
)

// certificateProducer is whose deliveries certificates are.
const certificateProducer = "bestand"

// certify is the handler of the job "certify-run": the certificate of a disposal run
// goes the way of every delivery and becomes a record of its own. It asks to be called
// again until the receipt is there.
func (s *service) certify(ctx context.Context, t *catalog.Tenant, j catalog.Job) error {
	run, err := s.officer.Run(ctx, t, j.Key)
	if err != nil || run.Certificate != "" {
		return err
	}
	source := "disposal-run/" + run.ID
	sub, err := t.SubmissionBySource(ctx, certificateProducer, source)
	switch {
	case errors.Is(err, catalog.ErrNotFound):
		return s.deliverCertificate(ctx, t, run, source)
	case err != nil:
		return err
	case sub.Status == catalog.Archived:
		_, err := s.officer.CertifyRun(ctx, t, run.ID, sub.RecordID)
		return err
	case sub.Status == catalog.Quarantined:
		return &catalog.Final{Err: fmt.Errorf("the certificate of disposal run %s is in quarantine as submission %s", run.ID, sub.ID)}
	}
	return &catalog.Later{Until: s.now().Add(5 * time.Second), Reason: "the certificate is being archived as submission " + string(sub.ID)}
}

func (s *service) deliverCertificate(ctx context.Context, t *catalog.Tenant, run retention.Run, source string) error {
	waits, err := s.officer.CertificateWaits(ctx, t, run)
	if err != nil {
		return err
	}
	if waits != "" { // the next classification calls sooner
		return &catalog.Later{Until: s.now().Add(24 * time.Hour), Reason: waits}
	}
	schedule, err := s.officer.Schedule(ctx, t)
	if err != nil {
		return err
	}
	class, ok := schedule.CertificateClass()
	if !ok { // it was taken out in this moment
		return &catalog.Later{Until: s.now().Add(time.Minute), Reason: "the classification changes"}
	}
	text, err := s.writeCertificate(ctx, t, run.ID)
	if err != nil {
		return err
	}
	defer text.Close()
	pdf, _, err := s.certificatePDF(ctx, t, run.ID, text.digest)
	if err != nil && !errors.Is(err, convert.ErrMissing) { // without a browser it can be printed later
		return err
	}
	files := []ingest.Announced{{Name: "certificate.json", Title: "Nachweis mit allen Datensätzen", SHA256: text.digest}}
	content := []io.Reader{text}
	if err == nil {
		defer pdf.Close()
		files, content = append(files, ingest.Announced{Name: "certificate.pdf", Title: "Nachweis"}), append(content, pdf)
	}
	d, err := s.pipeline.Intake.Begin(ctx, t, retention.System, ingest.Request{
		Metadata: preservation.Metadata{Producer: certificateProducer, ProducerRecordID: source, Kind: "file", Class: class, Title: "Nachweis der Aussonderung " + run.Title,
			Reference: run.ID, Opened: preservation.DateOf(run.Proposed), Closed: preservation.DateOf(run.Ended), Confidentiality: "internal"},
		Files: files,
	})
	if err != nil {
		return err
	}
	defer d.Abort(context.WithoutCancel(ctx))
	for i, f := range files {
		if _, err := d.File(ctx, f.Name, content[i]); err != nil {
			return err
		}
	}
	if _, _, err := d.Commit(ctx); err != nil {
		return err
	}
	return &catalog.Later{Until: s.now().Add(5 * time.Second), Reason: "the certificate is being archived"}
}

// certificateText is a certificate in JSON, in a file that has no name any more.
type certificateText struct {
	*os.File
	digest string // SHA-256, in hex
	size   int64
}

// writeCertificate writes the certificate of a run with all of its records.
func (s *service) writeCertificate(ctx context.Context, t *catalog.Tenant, run string) (c certificateText, err error) {
	head, err := s.officer.Certificate(ctx, t, run, s.cfg.BackupDays)
	if err != nil {
		return c, err
	}
	if c.File, err = os.CreateTemp(s.pipeline.WorkDir, "certificate-"); err != nil {
		return c, err
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if err := os.Remove(c.Name()); err != nil {
		return c, err
	}
	sum := sha256.New()
	if err := head.Write(io.MultiWriter(c, sum), s.officer.CertifiedRecords(ctx, t, run)); err != nil {
		return c, err
	}
	c.digest = hex.EncodeToString(sum.Sum(nil))
	if c.size, err = c.Seek(0, io.SeekCurrent); err != nil {
		return c, err
	}
	_, err = c.Seek(0, io.SeekStart)
	return c, err
}

// certificateJSON is what the interface serves of it.
func (s *service) certificateJSON(ctx context.Context, t *catalog.Tenant, run string) (io.ReadCloser, int64, error) {
	c, err := s.writeCertificate(ctx, t, run)
	return c, c.size, err
}

// certificateSheet is the certificate for people, made anew.
func (s *service) certificateSheet(ctx context.Context, t *catalog.Tenant, run string) (io.ReadCloser, int64, error) {
	text, err := s.writeCertificate(ctx, t, run)
	if err != nil {
		return nil, 0, err
	}
	defer text.Close()
	return s.certificatePDF(ctx, t, run, text.digest)
}

func (s *service) certificatePDF(ctx context.Context, t *catalog.Tenant, run, digest string) (io.ReadCloser, int64, error) {
	c, err := s.officer.Certificate(ctx, t, run, s.cfg.BackupDays)
	if err != nil {
		return nil, 0, err
	}
	page, data, err := c.Page(s.officer.CertifiedRecords(ctx, t, run), digest)
	if err != nil {
		return nil, 0, err
	}
	return s.pipeline.Print(ctx, t, page, data)
}
