package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"bestand/api"
	"bestand/api/ui"
	"bestand/ingest"
	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
	"bestand/preservation/ledger"
	"bestand/preservation/proof"
	"bestand/preservation/replica"
	"bestand/retention"
	"bestand/search"
)

// drain is how long requests under way may take after SIGTERM. Jobs are given
// back to the queue at once.
const drain = 30 * time.Second

func serve(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	cfg, err := loadConfig(flags("serve", stderr), args)
	if err != nil {
		return err
	}
	log := newLog(cfg, stderr)
	slog.SetDefault(log) // for libraries that know no other
	started := time.Now()
	listener, err := net.Listen("tcp", cfg.Listen) // a taken port is known before anything is made
	if err != nil {
		return err
	}
	defer listener.Close()
	a, err := begin(ctx, cfg, log, time.Now)
	if err != nil {
		return err
	}
	s, err := a.assemble(ctx)
	if err == nil {
		err = a.promised(ctx)
	}
	if err != nil {
		return errors.Join(err, a.close())
	}
	if err := a.firstStart(ctx, stdout); err != nil {
		return errors.Join(err, a.close())
	}
	err = s.run(ctx, listener, started)
	return errors.Join(err, s.index.Close(), s.pipeline.Close(), a.close())
}

// service is the running program.
type service struct {
	*archive
	pipeline *ingest.Pipeline
	disposer *retention.Disposer
	notary   *proof.Notary
	scrub    *fixity.Scrub
	copier   *replica.Copier // nil: there is no second copy
	index    *search.Set
	api      *api.Server
	pages    *ui.UI

	mu    sync.Mutex
	tails map[preservation.TenantID]*search.Tail
	wg    sync.WaitGroup
	live  context.Context // of everything that runs until the end
}

// assemble wires the parts; nothing runs yet.
func (a *archive) assemble(ctx context.Context) (s *service, err error) {
	limitHeap()
	s = &service{archive: a, tails: map[preservation.TenantID]*search.Tail{}}
	if s.pipeline, err = a.pipeline(ctx); err != nil {
		return nil, err
	}
	if s.index, err = search.Open(a.cfg.path("index"), search.Options{Log: a.log, Now: a.now}); err != nil {
		return nil, err
	}
	s.pipeline.Intake = &ingest.Intake{Staging: a.staging, Known: s.knownClass, Now: a.now, Clock: a.clock.doubt,
		MaxFiles: a.cfg.MaxFiles, MaxBytes: a.cfg.MaxUpload, Log: a.log}
	s.disposer = &retention.Disposer{
		Officer: a.officer,
		Vault:   a.vault,
		Elsewhere: []func(context.Context, *catalog.Tenant, preservation.RecordID) error{
			s.pipeline.Forget, s.forgetIndexed,
		},
		Leaves: func(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) ([]string, error) {
			return t.View().StampedLeaves(ctx, id)
		},
		Packaged: ledger.PackagedRecord,
		Clock:    a.clock.toDestroy,
		Gap:      8 * 24 * time.Hour, // runs come every night
		Share:    a.cfg.DisposeMax,
		Floor:    a.cfg.Floor,
		Jump:     a.cfg.Jump,
	}
	s.notary = a.newNotary()
	s.copier = s.newCopier()
	s.scrub = a.newScrub(s.pipeline.WorkDir)
	s.scrub.Checker.Left = s.disposer.Remind
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &gauges{s})
	provider, err := a.cfg.provider(a.now)
	if err != nil {
		return nil, err
	}
	s.api, err = api.New(api.Config{
		Catalog: a.catalog,
		Intake:  s.pipeline.Intake,
		Officer: a.officer, Search: s.index, Store: a.store, AddTenant: s.addTenant,
		Verify: s.verify, Evidence: s.evidence, EvidenceReport: s.notary.Report, EvidencePDF: s.pipeline.EvidencePDF, Export: s.export,
		Stamp: s.stamp, Due: s.notary.Due, Scrub: s.scrub, Audit: s.notary.Segments,
		Receipt: s.pipeline.NewestReceipt, ReceiptPDF: s.pipeline.ReceiptPDF, StatementPDF: s.statementPDF, ArchivedCopy: s.pipeline.ArchivedCopy,
		Certificate: s.certificateJSON, CertificatePDF: s.certificateSheet,
		Equipment: s.equipment, TrySeal: s.trySeal, TryStore: s.tryStore,
		Grace:          time.Duration(a.cfg.Grace) * 24 * time.Hour,
		TrustedProxies: a.cfg.proxies(),
		Uploads:        a.cfg.path("uploads"),
		Ready:          s.parts(),
		Details:        s.details,
		Metrics:        metrics,
		Pages: func(on *api.Server) (_ http.Handler, err error) {
			c := ui.Config{API: on, Catalog: a.catalog, Provider: provider, PublicURL: a.cfg.PublicURL, Grace: a.cfg.Grace, Now: a.now, Log: a.log}
			if a.cfg.Accessibility != "" {
				if c.Accessibility, err = os.ReadFile(a.cfg.Accessibility); err != nil {
					return nil, fmt.Errorf("accessibility-file: %w", err)
				}
			}
			s.pages, err = ui.New(c)
			return s.pages, err
		},
		Now: a.now,
		Log: a.log,
	})
	return s, err
}

// run serves until ctx ends, then stops in order: no new requests, requests
// under way finished, jobs given back, indexes closed.
func (s *service) run(ctx context.Context, listener net.Listener, started time.Time) error {
	live, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	s.live = live
	tenants, err := s.catalog.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		err := s.catalog.Tenant(t.ID).ResumeAudit(ctx) // a rebuild may have been cut off
		if err == nil {
			err = s.startTenant(ctx, t.ID)
		}
		if err != nil {
			stop()
			s.wg.Wait()
			return err
		}
	}
	s.startWorkers()
	s.startClock()
	s.startMemory()

	server := api.HTTPServer(s.api, s.log)
	server.RegisterOnShutdown(s.pages.Stop)
	failed := make(chan error, 1)
	go func() {
		if s.cfg.TLSCert != "" {
			failed <- server.ServeTLS(listener, s.cfg.TLSCert, s.cfg.TLSKey)
		} else {
			failed <- server.Serve(listener)
		}
	}()
	s.log.Info("ready", "address", listener.Addr().String(), "version", programVersion(), "after", time.Since(started).Round(time.Millisecond))
	select {
	case err := <-failed:
		stop()
		s.wg.Wait()
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.log.Info("stopping")
	limit, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	if err := server.Shutdown(limit); err != nil {
		s.log.Warn("requests broken off", "err", err)
		server.Close()
	}
	s.pages.Stop() // has been told already, and is waited for
	stop()
	s.wg.Wait()
	s.log.Info("stopped")
	return nil
}

// startTenant begins what runs for every tenant: its index and its schedules.
func (s *service) startTenant(ctx context.Context, id preservation.TenantID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tails[id] != nil {
		return nil
	}
	if err := s.schedule(ctx, id); err != nil {
		return fmt.Errorf("schedules of tenant %s: %w", id, err)
	}
	ix, err := s.index.Tenant(id)
	if err != nil {
		return fmt.Errorf("index of tenant %s: %w", id, err)
	}
	tail := search.NewTail(search.TailConfig{Index: ix, Feed: &feed{a: s.archive}, Log: s.log})
	s.tails[id] = tail
	s.wg.Go(func() { tail.Run(s.live) })
	s.wg.Go(func() {
		for {
			changed := s.catalog.Changed()
			tail.Wake()
			select {
			case <-s.live.Done():
				return
			case <-changed:
			}
		}
	})
	return nil
}

// addTenant adds a municipality while the service runs.
func (s *service) addTenant(ctx context.Context, info catalog.TenantInfo, actor string) (catalog.TenantInfo, error) {
	info, err := s.archive.addTenant(ctx, info, actor)
	if err != nil {
		return info, err
	}
	return info, s.startTenant(ctx, info.ID)
}

// underWay is how many submissions are on their way for each that keeps a
// processor busy. The others wait for the disk, and as one: what is written at the
// same time becomes durable with one commit.
const underWay = 4

// startWorkers begins to work on jobs: conversions apart from everything else,
// which must not wait behind them.
func (s *service) startWorkers() {
	handlers := retention.Handlers(s.officer, s.disposer)
	handlers["store-audit"] = func(ctx context.Context, t *catalog.Tenant, _ catalog.Job) error { return s.storeAudit(ctx, t) }
	handlers[retention.JobCertify] = s.timely(s.certify)
	handlers["complete"] = s.timely(s.pipeline.Complete)
	handlers[proof.JobStamp] = s.timely(countless(s.stamp))
	handlers["unstage"] = s.pipeline.Unstage
	handlers["report"] = s.pipeline.Report
	handlers["sweep"] = s.timely(s.pipeline.Sweep) // by a wrong clock it would take what has just come
	handlers["expire-uploads"] = func(ctx context.Context, _ *catalog.Tenant, _ catalog.Job) error { return s.api.ExpireUploads(ctx) }
	// What protects the bytes must not wait behind a long destruction either.
	protect := map[string]catalog.Handler{}
	for _, kind := range []string{retention.JobLocks, retention.JobConfigure, "store-audit"} {
		protect[kind] = handlers[kind]
		delete(handlers, kind)
	}
	// A hash-tree renewal reads everything, which may take days.
	renew := map[string]catalog.Handler{proof.JobRenew: s.timely(s.renew)}
	pools := []*catalog.Pool{
		{DB: s.catalog, Handlers: map[string]catalog.Handler{catalog.JobProcess: s.timely(s.pipeline.Process)}, Workers: underWay * s.cfg.Workers, Log: s.log},
		{DB: s.catalog, Handlers: protect, Workers: 1, Log: s.log},
		// A scrub reads slowly, and for as long as it has something to read.
		{DB: s.catalog, Handlers: map[string]catalog.Handler{fixity.JobScrub: s.timely(s.scrub.Run)}, Workers: 1, Log: s.log},
		{DB: s.catalog, Handlers: handlers, Workers: 2, Log: s.log},
		{DB: s.catalog, Handlers: renew, Workers: 1, Log: s.log},
	}
	if s.copier != nil {
		pools = append(pools, &catalog.Pool{DB: s.catalog, Handlers: map[string]catalog.Handler{replica.JobCopy: s.timely(s.copier.Run)}, Workers: 1, Log: s.log})
	}
	for _, p := range pools {
		s.wg.Go(func() { p.Run(s.live) })
	}
}

// timely puts work off that states its time for good, such as seals and receipts,
// while the clock is in doubt.
func (s *service) timely(do catalog.Handler) catalog.Handler {
	return func(ctx context.Context, t *catalog.Tenant, j catalog.Job) error {
		if err := s.clock.doubt(ctx); err != nil {
			return &catalog.Later{Until: s.now().Add(time.Minute), Reason: err.Error()}
		}
		return do(ctx, t, j)
	}
}

func (s *service) knownClass(ctx context.Context, t *catalog.Tenant, code string) (bool, error) {
	plan, err := s.officer.Schedule(ctx, t)
	if err != nil {
		return false, err
	}
	return plan.Accepts(code), nil
}

// forgetIndexed waits until the index, which follows the catalog, has let go of a
// record that is being destroyed, its files included.
func (s *service) forgetIndexed(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) error {
	ix, err := s.index.Tenant(t.ID())
	if err != nil {
		return err
	}
	for range 600 {
		gone, err := ix.Gone(ctx, id)
		if err != nil || gone {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return &catalog.Later{Until: s.now().Add(time.Minute), Reason: "the search index has not let go of the record yet"}
}

// verify reads a record back and holds it against everything known of it.
func (s *service) verify(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) ([]preservation.Finding, error) {
	store, err := s.store(ctx, t)
	if err != nil {
		return nil, err
	}
	findings, err := s.checker(s.pipeline.WorkDir).Record(ctx, t, store, id)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(findings, func(f preservation.Finding) bool { return f.Severity == preservation.Failed }) {
		err := s.scrub.Report(ctx, t, id)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) && !errors.Is(err, catalog.ErrDestroyed) { // what is wrong is answered in any case
			s.log.ErrorContext(ctx, "fixity: what a verification found could not be noted", "tenant", string(t.ID()), "record", string(id), "err", err)
		}
	}
	proved, err := s.notary.Prove(ctx, t, id)
	if findings = append(findings, proved...); err != nil {
		return findings, err
	}
	if !slices.ContainsFunc(findings, func(f preservation.Finding) bool { return f.Severity == preservation.Failed }) {
		err := s.scrub.Agreed(ctx, t, id)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) { // of a record that the catalog has lost, or that was destroyed meanwhile
			s.log.ErrorContext(ctx, "fixity: that a verification found a record unchanged could not be noted", "tenant", string(t.ID()), "record", string(id), "err", err)
		}
	}
	return findings, nil
}

func newLog(cfg *Config, w io.Writer) *slog.Logger {
	var level slog.Level
	level.UnmarshalText([]byte(cfg.LogLevel)) // checked with the configuration
	o := &slog.HandlerOptions{Level: level}
	if cfg.LogJSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
