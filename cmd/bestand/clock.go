package main

import (
	"context"
	"time"

	"github.com/robfig/cron/v3"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
	"bestand/preservation/proof"
	"bestand/preservation/replica"
	"bestand/retention"
)

// schedules are the recurring jobs of every tenant, as cron expressions in its
// time zone. None of those that run once a day lies between 02:00 and 02:59, which
// summer time skips or repeats.
func schedules() map[string]string {
	all := retention.Schedules()
	all["store-audit"] = "*/10 * * * *"
	all["complete"] = "25 * * * *"
	all[proof.JobStamp] = "7 * * * *"
	all[proof.JobRenew] = "20 5 * * *"
	all[fixity.JobScrub] = "35 * * * *"
	all["sweep"] = "50 * * * *"
	all["expire-uploads"] = "40 4 * * *"
	return all
}

func (s *service) schedule(ctx context.Context, id preservation.TenantID) error {
	t := s.catalog.Tenant(id)
	zone, err := tenantZone(ctx, t)
	if err != nil {
		return err
	}
	all := schedules()
	if s.copier != nil {
		all[replica.JobCopy] = "* * * * *"
	}
	for kind, spec := range all {
		next, err := retention.Next(spec, zone, s.now())
		if err != nil {
			return err
		}
		if err := t.EnsureSchedule(ctx, kind, spec, next); err != nil {
			return err
		}
	}
	return nil
}

func tenantZone(ctx context.Context, t *catalog.Tenant) (*time.Location, error) {
	info, err := t.Info(ctx)
	if err != nil {
		return nil, err
	}
	if info.Settings.Zone == "" {
		info.Settings.Zone = "Europe/Berlin"
	}
	return time.LoadLocation(info.Settings.Zone)
}

// startClock looks every minute, and once at the start, which schedules are
// due, and only enqueues their jobs. Any number of programs may do so: the
// catalog lets one of them fire.
func (s *service) startClock() {
	c := cron.New(cron.WithLocation(time.UTC), cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger)))
	c.AddFunc("* * * * *", s.fire) // a constant expression that parses
	c.Start()
	s.wg.Go(func() {
		s.fire()
		<-s.live.Done()
		<-c.Stop().Done()
	})
}

func (s *service) fire() {
	if err := s.clock.look(s.live); err != nil && s.live.Err() == nil {
		s.log.Error("clock", "err", err)
	}
	if n, err := s.catalog.Unjam(s.live, retention.JobDispose, retention.JobRun, retention.JobCertify, catalog.JobProcess); err != nil {
		s.log.Error("jobs", "err", err)
	} else if n > 0 {
		s.log.Warn("jobs were put off by a clock ahead of this one", "jobs", n)
	}
	tenants, err := s.catalog.Tenants(s.live)
	for _, info := range tenants {
		if err == nil {
			err = s.fireTenant(s.catalog.Tenant(info.ID))
		}
	}
	if err != nil && s.live.Err() == nil {
		s.log.Error("schedules", "err", err)
	}
}

func (s *service) fireTenant(t *catalog.Tenant) error {
	all, err := t.Schedules(s.live)
	if err != nil {
		return err
	}
	zone, err := tenantZone(s.live, t)
	if err != nil {
		return err
	}
	now := s.now()
	for _, x := range all {
		next, err := retention.Next(x.Spec, zone, now)
		if err != nil {
			return err
		}
		if x.Next.After(next) { // it was set by a clock that was ahead
			s.log.Warn("schedule was set by a clock ahead of this one", "tenant", string(t.ID()), "kind", x.Kind, "was", x.Next, "next", next)
			if err := t.Reschedule(s.live, x.Kind, next); err != nil {
				return err
			}
			continue
		}
		if x.Paused || x.Next.After(now) {
			continue
		}
		if _, err := t.Fire(s.live, x.Kind, next); err != nil {
			return err
		}
	}
	return nil
}
