package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"bestand/ingest/sip"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// packageLook is when a package is looked at again whose parts are under way.
// Each part that ends has it looked at earlier.
const packageLook = 10 * time.Minute

// processPackage submits every record of a package as a submission of its own,
// waits for them, and ends the package with a receipt over all of them. It can
// be interrupted anywhere: a part that was submitted is recognised by its source.
func (p *Pipeline) processPackage(ctx context.Context, t *catalog.Tenant, sub catalog.Submission) error {
	steps, err := t.Steps(ctx, sub.ID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(steps, unpacked) {
		if refused, err := p.unpack(ctx, t, sub); err != nil || refused {
			return err
		}
	}
	parts, err := t.Parts(ctx, sub.ID)
	if err != nil {
		return err
	}
	for _, c := range parts {
		if c.Status == catalog.Received || c.Status == catalog.Processing || c.Status == catalog.Quarantined {
			return &catalog.Later{Until: p.Now().Add(packageLook), Reason: "records of the package are under way"}
		}
	}
	return p.finishPackage(ctx, t, sub.ID, parts)
}

// unpack opens the package and submits what is in it, or ends it as refused.
func (p *Pipeline) unpack(ctx context.Context, t *catalog.Tenant, sub catalog.Submission) (refused bool, err error) {
	dir, err := os.MkdirTemp(p.WorkDir, string(sub.ID)+"-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	w := &work{p: p, t: t, sub: sub, dir: dir}
	if err := fetch(ctx, w); err != nil {
		return false, err
	}
	if err := scanFiles(ctx, w); err != nil {
		return true, w.settle(ctx, err)
	}
	unpacked := w.path("unpacked")
	if err := os.Mkdir(unpacked, 0o700); err != nil {
		return false, err
	}
	pkg, err := p.Packages.Open(ctx, w.files[0].path, sub.Files[0].Name, unpacked)
	var refusal *sip.Refusal
	if errors.As(err, &refusal) {
		return true, w.settle(ctx, &verdict{catalog.Rejected, refusal.Findings})
	}
	if err != nil {
		return false, fmt.Errorf("unpack: %w", err)
	}
	problems := pkg.Findings
	for i, u := range pkg.Units {
		err := p.submitUnit(ctx, t, sub, u)
		var bad *Invalid
		var taken *catalog.SourceConflict
		switch {
		case errors.As(err, &bad):
			for _, x := range bad.Problems {
				problems = append(problems, preservation.Finding{Code: x.Code, Severity: preservation.Failed,
					Subject: fmt.Sprintf("records[%d].%s", i, x.Field), Detail: x.Detail})
			}
		case errors.As(err, &taken):
			problems = append(problems, preservation.Finding{Code: "source-taken", Severity: preservation.Failed,
				Subject: fmt.Sprintf("records[%d].producer_record_id", i), Detail: "in use by submission " + string(taken.Existing.ID)})
		case err != nil:
			return false, fmt.Errorf("submit record %d of the package: %w", i+1, err)
		}
	}
	if len(pkg.Units) == 0 {
		problems = append(problems, preservation.Finding{Code: "empty-package", Severity: preservation.Failed, Detail: "there is no record in the package"})
	}
	if err := w.flush(ctx, true); err != nil {
		return false, err
	}
	now := p.Now()
	return false, t.Unpacked(ctx, sub.ID, problems, preservation.Event{ID: preservation.NextID(w.lastID, now), Type: preservation.EventUnpack, At: now,
		Outcome: preservation.Success, Agent: agent, Detail: fmt.Sprintf("%s with %d records", pkg.Format, len(pkg.Units))})
}

// settle ends the package when err is a verdict on it.
func (w *work) settle(ctx context.Context, err error) error {
	var v *verdict
	if !errors.As(err, &v) {
		return err
	}
	return w.t.Settle(ctx, w.sub.ID, v.status, v.problems, w.unsaved()...)
}

// submitUnit hands one record of a package in, as a producer would.
func (p *Pipeline) submitUnit(ctx context.Context, t *catalog.Tenant, pkg catalog.Submission, u sip.Unit) error {
	req := Request{Metadata: u.Metadata}
	if req.Metadata.Producer == "" {
		req.Metadata.Producer = pkg.Metadata.Producer
	}
	for _, f := range u.Files {
		req.Files = append(req.Files, Announced{Name: f.Name, Title: f.Title, Document: f.Document, SHA256: f.SHA256, SHA512: f.SHA512})
	}
	if req.Metadata.Title == "" {
		req.Metadata.Title = pkg.Files[0].Name
	}
	d, err := p.Intake.Begin(ctx, t, pkg.SubmittedBy, req)
	if err != nil {
		return err
	}
	defer d.Abort(ctx)
	d.sub.Parent = pkg.ID
	for _, f := range u.Files {
		if err := d.local(ctx, f.Name, f.Path); err != nil {
			return err
		}
	}
	sub, created, err := d.Commit(ctx)
	if err == nil && !created && sub.Parent != pkg.ID {
		return &catalog.SourceConflict{Existing: sub}
	}
	return err
}

func (d *Delivery) local(ctx context.Context, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = d.File(ctx, name, f)
	return err
}

// finishPackage signs one receipt over the records that were archived and keeps
// it in the bucket before the package counts as ended. It outlives the records,
// so that it says nothing about them but identifiers and digests.
func (p *Pipeline) finishPackage(ctx context.Context, t *catalog.Tenant, id preservation.SubmissionID, parts []catalog.Submission) error {
	sub, err := t.Submission(ctx, id)
	if err != nil {
		return err
	}
	now := p.Now().UTC().Truncate(time.Millisecond)
	r, status, err := p.composePackage(ctx, t, sub, parts)
	if err != nil {
		return err
	}
	r.Time = now
	event := preservation.Event{ID: preservation.NewID(now), Type: preservation.EventStore, At: now, Outcome: preservation.Success, Agent: agent,
		Detail: fmt.Sprintf("%d records of the package archived", len(r.Records))}
	jws := ""
	if status != catalog.Rejected {
		payload, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if jws, err = p.Sealer.JWS(payload); err != nil {
			return err
		}
	}
	s, err := p.Store(ctx, t)
	if err != nil {
		return err
	}
	lock, err := p.ProofLock(ctx, t)
	if err != nil {
		return err
	}
	kept, err := ledger.StorePackage(ctx, s, ledger.Package{JWS: jws, Submission: id, Producer: r.Producer,
		Fingerprint: sub.Fingerprint, SubmittedBy: sub.SubmittedBy, Status: string(status), Received: sub.Received, Problems: r.Problems, Event: event}, lock)
	if err != nil {
		return err
	}
	return t.FinishPackage(ctx, id, catalog.Status(kept.Status), kept.JWS, kept.Event)
}

// composePackage says in a receipt what the newest receipts of a package's records
// say, at the time of the last of them, and how the package ended.
func (p *Pipeline) composePackage(ctx context.Context, t *catalog.Tenant, sub catalog.Submission, parts []catalog.Submission) (Receipt, catalog.Status, error) {
	r := Receipt{Format: ReceiptFormat, Tenant: t.ID(), Submission: sub.ID, Producer: sub.Metadata.Producer,
		Received: sub.Received.UTC(), SourceDeletion: "not_yet", Problems: ledger.Bare(sub.Problems)}
	missing, waiting := 0, 0
	for _, x := range sub.Problems {
		if x.Severity == preservation.Failed {
			missing++
		}
	}
	for _, c := range parts {
		if c.Status != catalog.Archived || c.Receipt == "" {
			missing++
			continue
		}
		jws, err := p.NewestReceipt(ctx, t, c)
		if err != nil {
			return r, "", fmt.Errorf("receipt of %s: %w", c.ID, err)
		}
		part, err := p.Sealer.ReadReceipt(jws)
		if err != nil {
			return r, "", fmt.Errorf("receipt of %s: %w", c.ID, err)
		}
		if r.Lock.Until.IsZero() || part.Lock.Until.Before(r.Lock.Until) {
			r.Lock = part.Lock
		}
		if part.Time.After(r.Time) {
			r.Time = part.Time
		}
		sum := sha256.Sum256([]byte(jws))
		for _, rec := range part.Records {
			rec.Files, rec.List, rec.Receipt = nil, nil, &PartReceipt{Submission: c.ID, SHA256: hex.EncodeToString(sum[:])}
			r.Records = append(r.Records, rec)
		}
		if r.Copies == 0 || part.Copies < r.Copies {
			r.Copies = part.Copies
		}
		switch {
		case part.SourceDeletion == "allowed":
		case unusable(part.Problems):
			missing++
		default:
			waiting++ // for the second copy
		}
	}
	switch {
	case len(r.Records) == 0:
		return r, catalog.Rejected, nil
	case missing > 0:
		return r, catalog.Partial, nil
	case waiting == 0:
		r.SourceDeletion = "allowed"
	}
	return r, catalog.Archived, nil
}
