package fixity

import (
	"context"
	"errors"
	"time"

	"bestand/preservation/catalog"
)

// askedName is the cursor of when somebody asked that everything be read.
const askedName = "fixity.asked"

// Turn says what the next run of the job reads, and what it leaves out.
type Turn struct {
	Due    int64     // records that it reads; those that something is wrong with may come to them
	Recent int64     // left out, since they were read back in the last half of the period
	Since  time.Time // the beginning of that
	Later  int64     // left out, since their turn comes with one of the runs after it, within the period
	// Asked is when somebody asked that everything be read, and AskedLeft how many
	// records were not read since. Zero when nobody did, or all of it is done.
	Asked     time.Time
	AskedLeft int64
}

// Turn counts the records of a tenant by when they are read.
func (s *Scrub) Turn(ctx context.Context, t *catalog.Tenant) (turn Turn, err error) {
	now := s.Checker.Now()
	asked, err := s.asked(ctx, t)
	if err != nil {
		return turn, err
	}
	v := t.View()
	f, err := v.Fixity(ctx)
	if err != nil {
		return turn, err
	}
	if turn.AskedLeft, err = v.CountChecked(ctx, asked); err != nil {
		return turn, err
	}
	if turn.AskedLeft > 0 {
		turn.Asked = asked
	}
	turn.Since = s.recent(now, asked)
	waiting, err := v.CountChecked(ctx, turn.Since)
	if err != nil {
		return turn, err
	}
	overdue, err := v.CountChecked(ctx, s.overdue(now, asked))
	if err != nil {
		return turn, err
	}
	turn.Due = max(min(waiting, s.share(f.Records)), overdue)
	turn.Recent, turn.Later = max(0, f.Records-waiting), max(0, waiting-turn.Due)
	return turn, nil
}

// ReadAll has everything read back that a tenant has, also what was read a short while
// ago, beginning now, whether or not the schedule is paused. It takes as many runs as
// it needs, and returns what is to be read. catalog.ErrNotFound when the tenant has no
// such schedule.
func (s *Scrub) ReadAll(ctx context.Context, t *catalog.Tenant, actor string) (turn Turn, err error) {
	now := s.Checker.Now().UTC()
	err = t.Update(ctx, func(x *catalog.Tx) error {
		f, err := x.View().Fixity(ctx)
		if err != nil {
			return err
		}
		turn = Turn{Due: f.Records, Since: now, Asked: now, AskedLeft: f.Records}
		return errors.Join(setCursor(x, askedName, now), x.UncheckAhead(now), x.Run(JobScrub, actor, map[string]string{"everything": "true"}))
	})
	return turn, err
}

// asked is when somebody last asked that everything be read. By a clock that was ahead
// it is now.
func (s *Scrub) asked(ctx context.Context, t *catalog.Tenant) (time.Time, error) {
	at, err := cursor[time.Time](ctx, t, askedName)
	if now := s.Checker.Now(); at.After(now) {
		at = now
	}
	return at, err
}

// askedNow is asked at the beginning of a run. What a clock that was ahead has noted, when
// it was asked and when records were read since, is put right with it.
func (s *Scrub) askedNow(ctx context.Context, t *catalog.Tenant) (time.Time, error) {
	at, err := cursor[time.Time](ctx, t, askedName)
	now := s.Checker.Now().UTC()
	if err != nil || !at.After(now) {
		return at, err
	}
	return now, t.Update(ctx, func(x *catalog.Tx) error { return errors.Join(setCursor(x, askedName, now), x.UncheckAhead(now)) })
}

// recent is the instant from which on what was read is left out.
func (s *Scrub) recent(now, asked time.Time) time.Time { return latest(now.Add(-s.Period/2), asked) }

// overdue is the instant before which what was read is read now.
func (s *Scrub) overdue(now, asked time.Time) time.Time { return latest(now.Add(-s.Period), asked) }

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// share is how many records of a holding a run takes of those that wait: one that came
// in one day is due in half of a period.
func (s *Scrub) share(records int64) int64 {
	return int64(2*float64(records)*float64(scrubEvery)/float64(s.Period)) + 1
}

// more says what a run that began at an instant has read and left out, and has the next follow at once when
// everything was asked for and it did not get done with it.
func (l *look) more(ctx context.Context, begun time.Time) error {
	turn, err := l.Turn(ctx, l.t)
	if err != nil {
		return err
	}
	if all := turn.Due + turn.Recent + turn.Later; all > 0 {
		said := []any{"tenant", string(l.t.ID()), "records", l.read, "left_out", max(0, all-int64(l.read))}
		if all > int64(l.read) {
			said = append(said, "why", "read back since "+l.recent(begun, l.asked).UTC().Format(time.RFC3339)+", or in turn later in the period")
		}
		l.Log.InfoContext(ctx, "fixity: read back", said...)
	}
	if turn.AskedLeft == 0 || l.read == 0 {
		return nil
	}
	return l.t.Update(ctx, func(x *catalog.Tx) error { return x.Enqueue(catalog.Job{Kind: JobScrub, Key: "scheduled"}) })
}
