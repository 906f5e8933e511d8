package retention

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"bestand/preservation/catalog"
)

// Handlers returns the jobs of this package by kind.
func Handlers(o *Officer, d *Disposer) map[string]catalog.Handler {
	return map[string]catalog.Handler{
		JobEvaluate:  o.EvaluateDue,
		JobLocks:     o.ExtendLocks,
		JobDispose:   d.DisposeDue,
		JobRun:       d.ExecuteRun,
		JobConfigure: o.Configure,
		JobReview:    o.ReviewHolds,
	}
}

// Schedules are the default schedules of a tenant, in its time zone: locks are
// extended before the midnight at which they could end, dates are looked at
// right after it, and destruction comes when both are done.
func Schedules() map[string]string {
	return map[string]string{
		JobEvaluate: "5 0 * * *",
		JobLocks:    "20 22 * * *",
		JobDispose:  "30 3 * * *",
		JobReview:   "10 6 * * *",
	}
}

// Next returns the first time after an instant at which a cron expression (five
// fields, or a descriptor such as @daily) fires in a zone. Expressions that
// fire between 02:00 and 02:59 local time are refused: that hour is missing on
// the day summer time begins and comes twice when it ends.
func Next(spec string, zone *time.Location, after time.Time) (time.Time, error) {
	s, err := cron.ParseStandard(spec)
	if err != nil {
		return time.Time{}, fmt.Errorf("schedule %q: %w", spec, err)
	}
	if fields, ok := s.(*cron.SpecSchedule); ok {
		const star = 1 << 63 // set by the parser for "*"
		if fields.Hour&(1<<2) != 0 && fields.Hour&star == 0 {
			return time.Time{}, fmt.Errorf("schedule %q: fires between 02:00 and 02:59, which summer time skips or repeats", spec)
		}
		if fields.Location == time.Local {
			fields.Location = zone // not given in the expression
		}
	}
	next := s.Next(after.In(zone))
	if next.IsZero() {
		return next, fmt.Errorf("schedule %q: never fires", spec)
	}
	return next, nil
}
