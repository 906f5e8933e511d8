package ingest

import (
	"context"
	"slices"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// Forget removes from staging what is left of a record that is being destroyed:
// of every submission of it, and of the packages that they came out of.
func (p *Pipeline) Forget(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) error {
	all, err := t.SubmissionsOf(ctx, id)
	if err != nil {
		return err
	}
	for _, sub := range all {
		if sub.Parent != "" {
			if err := p.forgetPackage(ctx, t, sub.Parent); err != nil {
				return err
			}
		}
		if err := p.Staging.RemoveAll(ctx, stagingPrefix(t.ID(), sub.ID)); err != nil {
			return err
		}
	}
	return nil
}

// forgetPackage removes a package from staging that nobody will open again, also
// while other records of it wait for a person.
func (p *Pipeline) forgetPackage(ctx context.Context, t *catalog.Tenant, id preservation.SubmissionID) error {
	used, err := t.StagingInUse(ctx, id)
	if err != nil {
		return err
	}
	if used {
		steps, err := t.Steps(ctx, id)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(steps, unpacked) {
			return &catalog.Later{Until: p.Now().Add(time.Hour), Reason: "the package that the record came out of is still being unpacked"}
		}
	}
	return p.Staging.RemoveAll(ctx, stagingPrefix(t.ID(), id))
}

// unpacked reports the event after which a package is not opened again.
func unpacked(e preservation.Event) bool { return e.Type == preservation.EventUnpack }
