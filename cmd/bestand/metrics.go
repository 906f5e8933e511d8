package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
)

// gauges asks catalog and indexes for their state when somebody looks.
type gauges struct{ s *service }

var (
	jobsDesc     = prometheus.NewDesc("bestand_jobs", "Jobs by kind and state; state dead wants a person.", []string{"kind", "state"}, nil)
	heldDesc     = prometheus.NewDesc("bestand_jobs_held", "Queued jobs whose last attempt failed or found a part of the archive away.", []string{"kind"}, nil)
	awayDesc     = prometheus.NewDesc("bestand_jobs_away", "Jobs that wait for a part of the archive that is away, such as the time-stamping service (tsa); anything but 0 for longer than minutes wants a person.", []string{"part"}, nil)
	overdueDesc  = prometheus.NewDesc("bestand_jobs_overdue_seconds", "Age of the oldest job that could run.", []string{"kind"}, nil)
	subDesc      = prometheus.NewDesc("bestand_submissions", "Submissions by tenant and status.", []string{"tenant", "status"}, nil)
	lagDesc      = prometheus.NewDesc("bestand_index_lag_changes", "Changes that the search index does not show yet.", []string{"tenant"}, nil)
	lagAgeDesc   = prometheus.NewDesc("bestand_index_lag_seconds", "Age of the oldest change that the search index does not show yet.", []string{"tenant"}, nil)
	waitingDesc  = prometheus.NewDesc("bestand_evidence_waiting", "Versions of records that no time-stamp covers yet.", []string{"tenant"}, nil)
	waitDesc     = prometheus.NewDesc("bestand_evidence_waiting_seconds", "Age of the oldest of them; more than a few hours wants a person.", []string{"tenant"}, nil)
	endsDesc     = prometheus.NewDesc("bestand_evidence_ends_timestamp_seconds", "When the first time-stamp that is not renewed proves nothing any more.", []string{"tenant"}, nil)
	objectsDesc  = prometheus.NewDesc("bestand_fixity_objects_total", "Objects that were read back and compared since the start.", nil, nil)
	findingsDesc = prometheus.NewDesc("bestand_fixity_findings", "What is stored and is not what was stored; anything but 0 wants a person.", []string{"tenant"}, nil)
	damagedDesc  = prometheus.NewDesc("bestand_fixity_damaged_records", "Records that findings are about.", []string{"tenant"}, nil)
	oldestDesc   = prometheus.NewDesc("bestand_fixity_oldest_check_timestamp_seconds", "When the record was last read back that waits longest; older than --scrub-period wants a person.", []string{"tenant"}, nil)
	unreadDesc   = prometheus.NewDesc("bestand_fixity_unread_records", "Records that were not read back since the catalog was rebuilt.", []string{"tenant"}, nil)
	roundDesc    = prometheus.NewDesc("bestand_fixity_last_round_timestamp_seconds", "When the last full round ended, in which every record was read back.", []string{"tenant"}, nil)
	copyLagDesc  = prometheus.NewDesc("bestand_copy_lag_objects", "Objects that the second copy does not have as the archive does.", []string{"tenant"}, nil)
	copyAgeDesc  = prometheus.NewDesc("bestand_copy_lag_seconds", "Age of the oldest change that the second copy lacks; more than a day wants a person.", []string{"tenant"}, nil)
	copyOldDesc  = prometheus.NewDesc("bestand_copy_oldest_check_timestamp_seconds", "When the second copy was last read back of the record that waits longest.", []string{"tenant"}, nil)
	copiedDesc   = prometheus.NewDesc("bestand_copied_objects_total", "Objects that were written to the second copy since the start.", nil, nil)
	copiedBDesc  = prometheus.NewDesc("bestand_copied_bytes_total", "Bytes that were written to the second copy since the start.", nil, nil)
	reviewDesc   = prometheus.NewDesc("bestand_holds_past_review", "Legal holds that stand although the day of their review is over.", []string{"tenant"}, nil)
	restartsDesc = prometheus.NewDesc("bestand_objectstore_restarts_total", "Times the embedded object store was started again after a crash.", nil, nil)
)

// Describe implements prometheus.Collector.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsDesc, heldDesc, awayDesc, overdueDesc, subDesc, lagDesc, lagAgeDesc, waitingDesc, waitDesc, endsDesc,
		objectsDesc, findingsDesc, damagedDesc, unreadDesc, oldestDesc, roundDesc, copyLagDesc, copyAgeDesc, copyOldDesc, copiedDesc, copiedBDesc, reviewDesc, restartsDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What cannot be asked is left out.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	queue, err := g.s.catalog.Queue(ctx)
	if err != nil {
		g.s.log.Warn("metrics", "err", err)
		return
	}
	for _, q := range queue {
		gauge(jobsDesc, float64(q.Count), q.Kind, q.State)
		if q.State == "queued" {
			gauge(heldDesc, float64(q.Held), q.Kind)
			gauge(overdueDesc, q.Overdue.Seconds(), q.Kind)
		}
	}
	if away, err := g.s.catalog.Away(ctx); err == nil {
		for _, p := range preservation.Parts() {
			gauge(awayDesc, float64(away[p].Jobs), p.Code())
		}
	}
	if g.s.embedded != nil {
		ch <- prometheus.MustNewConstMetric(restartsDesc, prometheus.CounterValue, float64(g.s.embedded.Restarts()))
	}
	ch <- prometheus.MustNewConstMetric(objectsDesc, prometheus.CounterValue, float64(g.s.scrub.Limit.Objects()))
	if g.s.copier != nil {
		objects, bytes := g.s.copier.Copied()
		ch <- prometheus.MustNewConstMetric(copiedDesc, prometheus.CounterValue, float64(objects))
		ch <- prometheus.MustNewConstMetric(copiedBDesc, prometheus.CounterValue, float64(bytes))
	}
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	for id, tail := range g.s.tails {
		counts, err := g.s.catalog.Tenant(id).CountSubmissions(ctx, catalog.SubmissionFilter{})
		if err == nil {
			for status, n := range counts {
				gauge(subDesc, float64(n), string(id), string(status))
			}
		}
		if q, err := g.s.catalog.Tenant(id).View().StampQueue(ctx); err == nil {
			age := time.Duration(0)
			if q.Waiting > 0 {
				age = max(g.s.now().Sub(q.Oldest), 0)
			}
			gauge(waitingDesc, float64(q.Waiting), string(id))
			gauge(waitDesc, age.Seconds(), string(id))
		}
		if end, _, err := g.s.notary.End(ctx, g.s.catalog.Tenant(id)); err == nil && !end.IsZero() {
			gauge(endsDesc, float64(end.Unix()), string(id))
		}
		if f, err := g.s.catalog.Tenant(id).View().Fixity(ctx); err == nil {
			gauge(findingsDesc, float64(f.Findings), string(id))
			gauge(damagedDesc, float64(f.Damaged), string(id))
			gauge(unreadDesc, float64(f.Unread), string(id))
			if !f.Oldest.IsZero() {
				gauge(oldestDesc, float64(f.Oldest.Unix()), string(id))
			}
			if !f.Copy.IsZero() {
				gauge(copyOldDesc, float64(f.Copy.Unix()), string(id))
			}
		}
		if r, err := fixity.LastRound(ctx, g.s.catalog.Tenant(id)); err == nil && !r.Ended.IsZero() {
			gauge(roundDesc, float64(r.Ended.Unix()), string(id))
		}
		if l, err := g.s.catalog.Tenant(id).View().CopyLag(ctx); err == nil && g.s.copier != nil {
			age := time.Duration(0)
			if l.Objects > 0 {
				age = max(g.s.now().Sub(l.Since), 0)
			}
			gauge(copyLagDesc, float64(l.Objects), string(id))
			gauge(copyAgeDesc, age.Seconds(), string(id))
		}
		if n, err := g.s.officer.PastReview(ctx, g.s.catalog.Tenant(id)); err == nil {
			gauge(reviewDesc, float64(n), string(id))
		}
		if lag, err := tail.Lag(ctx); err == nil {
			gauge(lagDesc, float64(lag.Changes), string(id))
			gauge(lagAgeDesc, lag.Age.Seconds(), string(id))
		}
	}
}
