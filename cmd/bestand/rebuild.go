package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
	"bestand/preservation/ledger"
	"bestand/preservation/verdict"
	"bestand/retention"
	"bestand/search"
)

// rebuildCommand restores catalog and index from the buckets.
func rebuildCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flags("rebuild", stderr)
	var complete csv
	fs.Var(&complete, "complete", "`records` whose destruction the loss of the catalog cut off, separated by commas: end it, if its approval stands in the bucket and no hold")
	later := fs.Bool("contents-later", false, "take records from what describes their packages, as its seal proves it, and leave what lies in them to the fixity checks, which then begin with these; for an archive that is to be back in service soon")
	cfg, err := loadConfig(fs, args)
	if err != nil {
		return err
	}
	a, err := open(ctx, cfg, newLog(cfg, stderr))
	if err != nil {
		return err
	}
	problems, err := a.rebuild(ctx, complete, *later, stdout)
	return errors.Join(err, unread(problems), a.close())
}

// unread is the error of a rebuild that was done, but of some objects.
func unread(problems int) error {
	if problems == 0 {
		return nil
	}
	return fmt.Errorf("%d objects could not be read back; everything else was", problems)
}

// rebuild restores catalog and index from the buckets. Problems are objects of which
// nothing could be made: the rest is done. With an error it has to be done again. The
// destructions to complete are named by their records. later leaves what lies in packages
// to the fixity checks.
func (a *archive) rebuild(ctx context.Context, complete []string, later bool, stdout io.Writer) (problems int, err error) {
	defer roomForRebuild()()
	end, err := a.catalog.Load(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, end(context.WithoutCancel(ctx))) }()
	names, err := a.s3.Buckets(ctx)
	if err != nil {
		return 0, err
	}
	if err := os.RemoveAll(a.cfg.path("index")); err != nil {
		return 0, err
	}
	index, err := search.Open(a.cfg.path("index"), search.Options{Log: a.log, Now: a.now})
	if err != nil {
		return 0, err
	}
	defer index.Close()
	tenants := 0
	for _, name := range names {
		id, ok := strings.CutPrefix(name, a.cfg.S3BucketPrefix+"-")
		if !ok || id == "staging" || id == "probe" || !preservation.TenantID(id).Valid() {
			continue
		}
		switch whose, err := a.tenantOf(ctx, preservation.TenantID(id)); {
		case errors.Is(err, catalog.ErrNotFound):
			empty, err := a.emptyBucket(ctx, preservation.TenantID(id))
			if err != nil {
				return problems, fmt.Errorf("bucket %s: %w", name, err)
			}
			switch _, err := a.catalog.Tenant(preservation.TenantID(id)).Info(ctx); {
			case empty && err == nil:
				fmt.Fprintf(stdout, "bucket %s: empty, though the catalog knows its tenant: what the catalog has of it stays as it is; bring the objects back from the second copy or a backup\n", name)
				tenants++
				problems++
				continue
			case err != nil && !errors.Is(err, catalog.ErrNotFound):
				return problems, fmt.Errorf("bucket %s: %w", name, err)
			case empty:
				fmt.Fprintf(stdout, "bucket %s: empty, left by a tenant that was not created; the next of this identifier gets it\n", name)
				continue
			}
			fmt.Fprintf(stdout, "bucket %s: not restored, nothing in it says of which tenant it is\n", name)
			problems++
			continue
		case err != nil:
			return problems, fmt.Errorf("bucket %s: %w", name, err)
		case string(whose) != id:
			fmt.Fprintf(stdout, "bucket %s: left alone, it belongs to tenant %s of another installation\n", name, whose)
			continue
		}
		tenants++
		start := time.Now()
		read := newFulltexts()
		report, err := a.rebuildTenant(ctx, preservation.TenantID(id), later, read)
		if err == nil {
			complete, err = a.complete(ctx, preservation.TenantID(id), complete, read, &report, stdout)
		}
		if err != nil {
			return problems, fmt.Errorf("tenant %s: %w", id, err)
		}
		if err := a.reindex(ctx, index, preservation.TenantID(id), read); err != nil {
			return problems, fmt.Errorf("index of tenant %s: %w", id, err)
		}
		fmt.Fprintf(stdout, "%s: %d packages, %d events, %d documents, %d tombstones in %s\n", id,
			report.Packages, report.Events, report.Documents, report.Tombstones, time.Since(start).Round(time.Millisecond))
		for _, p := range report.Problems {
			fmt.Fprintf(stdout, "  %s %s: %s\n", p.Code, p.Subject, p.Detail)
		}
		problems += len(report.Problems)
		if err := a.sayUnread(ctx, preservation.TenantID(id), stdout); err != nil {
			return problems, err
		}
	}
	if tenants == 0 {
		return problems, fmt.Errorf("no bucket of a tenant: is %s the prefix of this installation's buckets?", a.cfg.S3BucketPrefix)
	}
	for _, id := range complete {
		fmt.Fprintf(stdout, "record %s: nothing in the buckets tells of it\n", verdict.Legible(id))
	}
	return problems + len(complete), nil
}

// sayUnread says of how many records the contents are still to be read, and what does it.
func (a *archive) sayUnread(ctx context.Context, id preservation.TenantID, stdout io.Writer) error {
	f, err := a.catalog.Tenant(id).View().Fixity(ctx)
	if err == nil && f.Unread > 0 {
		fmt.Fprintf(stdout, "%s: contents of %s not read: the next fixity runs begin with them, bestand schedule run %s begins at once\n", id, quantity(f.Unread, "record"), fixity.JobScrub)
	}
	return err
}

// complete ends the destructions of those records that belong to a tenant, and returns the
// others.
func (a *archive) complete(ctx context.Context, tenant preservation.TenantID, records []string, read *fulltexts, report *ledger.Report, stdout io.Writer) (others []string, err error) {
	d := &retention.Disposer{Officer: a.officer, Vault: a.vault,
		// The index is made anew when all are completed.
		Elsewhere: []func(context.Context, *catalog.Tenant, preservation.RecordID) error{a.forgetStaged}}
	for _, record := range records {
		id := preservation.RecordID(record)
		if !id.Valid() {
			others = append(others, record)
			continue
		}
		var refused *retention.Refusal
		switch err := d.Complete(ctx, a.catalog.Tenant(tenant), id, report.Problems, "cli"); {
		case errors.Is(err, catalog.ErrNotFound):
			others = append(others, record)
		case errors.As(err, &refused):
			report.Problems = append(report.Problems, preservation.Finding{Code: "not-completed", Severity: preservation.Failed, Subject: preservation.EventPrefix(id), Detail: refused.Reason})
		case err != nil:
			return others, err
		default:
			read.withdrawn(id)
			fmt.Fprintf(stdout, "record %s: its destruction is completed\n", id)
			report.Problems = slices.DeleteFunc(report.Problems, func(f preservation.Finding) bool {
				return strings.HasPrefix(f.Subject, preservation.EventPrefix(id)) || strings.HasPrefix(f.Subject, preservation.PackagePrefix(id))
			})
		}
	}
	return others, nil
}

// forgetStaged removes from staging what is left of a record: of the submissions that the
// catalog knows, and of those that it lost with the record, which its receipts name.
func (a *archive) forgetStaged(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) error {
	p := &ingest.Pipeline{Staging: a.staging, Now: a.now}
	if err := p.Forget(ctx, t, id); err != nil {
		return err
	}
	store, err := a.store(ctx, t)
	if err != nil {
		return err
	}
	for o, err := range store.Versions(ctx, preservation.EventPrefix(id)) {
		if err != nil {
			return err
		}
		e, _, _, err := ledger.ReadEvent(ctx, store, o.Key)
		if err != nil {
			return err
		}
		var r ledger.Receipt
		if e.Event.Type != preservation.EventStore || json.Unmarshal(e.Body, &r) != nil || !r.Submission.Valid() {
			continue
		}
		if err := p.Unstage(ctx, t, catalog.Job{Key: string(r.Submission)}); err != nil {
			return err
		}
	}
	return nil
}

// tenantOf says whose bucket it is that has a tenant's name.
func (a *archive) tenantOf(ctx context.Context, id preservation.TenantID) (preservation.TenantID, error) {
	store, err := a.bucket(ctx, id)
	if err != nil {
		return "", err
	}
	return ledger.TenantOf(ctx, store)
}

// emptyBucket reports whether the bucket that has a tenant's name holds nothing at all.
func (a *archive) emptyBucket(ctx context.Context, id preservation.TenantID) (bool, error) {
	store, err := a.bucket(ctx, id)
	if err != nil {
		return false, err
	}
	for _, err := range store.Versions(ctx, "") {
		return false, err
	}
	return true, nil
}

func (a *archive) rebuildTenant(ctx context.Context, id preservation.TenantID, later bool, read *fulltexts) (ledger.Report, error) {
	store, err := a.bucket(ctx, id)
	if err != nil {
		return ledger.Report{}, err
	}
	t := a.catalog.Tenant(id)
	if err := a.catalog.RestoreTenant(ctx, catalog.TenantInfo{ID: id, Name: string(id)}); err != nil {
		return ledger.Report{}, err
	}
	anew, err := ledger.Anew(ctx, t)
	if err != nil {
		return ledger.Report{}, err
	}
	report, err := ledger.Rebuild(ctx, t, store, ledger.Options{Parallel: 16 * runtime.NumCPU(), Anew: anew, ContentsLater: later, Trigger: retention.TriggerOf, Annotation: retention.AnnotationOf, Remains: retention.Remains, Seal: verdict.Seal(a.trust, time.Now),
		Receipt: ingest.NewVerifier(a.trust).Verify, Packaged: read.packaged, Withdrawn: read.withdrawn})
	if err != nil {
		return report, err
	}
	// A catalog that came from elsewhere has evaluated its records without the documents
	// that the bucket has beyond it.
	if err := errors.Join(retention.RestoreRuns(ctx, t), t.Update(ctx, retention.Replanned)); err != nil {
		return report, err
	}
	_, problems, err := a.newNotary().Restore(ctx, t)
	if report.Problems = append(report.Problems, problems...); err != nil {
		return report, err
	}
	if anew { // the log has it
		return report, nil
	}
	return report, t.Audit(ctx, audit.Rebuilt(id, 0, later))
}

// reindex brings the index of a tenant to the end of the change feed, with the
// texts that were read already.
func (a *archive) reindex(ctx context.Context, set *search.Set, id preservation.TenantID, read *fulltexts) error {
	t := a.catalog.Tenant(id)
	if err := a.officer.EvaluateDue(ctx, t, catalog.Job{Key: "stale"}); err != nil {
		return err
	}
	ix, err := set.Tenant(id)
	if err != nil {
		return err
	}
	return search.NewTail(search.TailConfig{Index: ix, Feed: &feed{a: a, read: read}, Log: a.log}).CatchUp(ctx)
}
