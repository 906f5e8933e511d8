package api

import (
	"context"
	"errors"
	"slices"

	"bestand/preservation/catalog"
	"bestand/preservation/fixity"
	"bestand/retention"
)

// ListSchedules says what the archive does by itself.
func (s *server) ListSchedules(ctx context.Context, _ ListSchedulesRequestObject) (ListSchedulesResponseObject, error) {
	all, err := s.schedules(ctx)
	if err != nil {
		return nil, err
	}
	return ListSchedules200JSONResponse{Items: list(all)}, nil
}

// RunSchedule has it done now.
func (s *server) RunSchedule(ctx context.Context, request RunScheduleRequestObject) (RunScheduleResponseObject, error) {
	t, actor := s.tenant(ctx), principal(ctx).Actor
	everything := request.Body != nil && request.Body.Everything
	if everything && request.Kind != fixity.JobScrub {
		return nil, invalid.in(fieldError("everything", "unsuitable", "only "+fixity.JobScrub+" leaves anything out: leave this field away"))
	}
	var turn fixity.Turn // before the run, which may be over before the answer is made
	var err error
	switch {
	case everything:
		turn, err = s.config.Scrub.ReadAll(ctx, t, actor)
	case request.Kind == fixity.JobScrub:
		if turn, err = s.config.Scrub.Turn(ctx, t); err == nil {
			err = t.Run(ctx, request.Kind, actor)
		}
	default:
		err = t.Run(ctx, request.Kind, actor)
	}
	if err != nil {
		return nil, err
	}
	one, err := s.scheduleOf(ctx, request.Kind)
	if err != nil {
		return nil, err
	}
	one.Turn = turnOf(turn)
	return RunSchedule202JSONResponse(one), nil
}

func turnOf(t fixity.Turn) FixityTurn {
	return FixityTurn{Due: t.Due, Recent: t.Recent, Since: t.Since, Later: t.Later, Asked: t.Asked, AskedLeft: t.AskedLeft}
}

// guarding are the schedules without which records lose their protection.
var guarding = []string{retention.JobLocks, "store-audit"}

// Guards reports whether a schedule is one that cannot be paused.
func Guards(kind string) bool { return slices.Contains(guarding, kind) }

// PauseSchedule keeps a schedule from firing.
func (s *server) PauseSchedule(ctx context.Context, request PauseScheduleRequestObject) (PauseScheduleResponseObject, error) {
	if Guards(request.Kind) {
		return nil, conflict.because("%s protects the records and cannot be paused", request.Kind)
	}
	if err := s.tenant(ctx).Pause(ctx, request.Kind, true, principal(ctx).Actor); err != nil {
		return nil, err
	}
	one, err := s.scheduleOf(ctx, request.Kind)
	if err != nil {
		return nil, err
	}
	return PauseSchedule200JSONResponse(one), nil
}

// ResumeSchedule lets a schedule fire again.
func (s *server) ResumeSchedule(ctx context.Context, request ResumeScheduleRequestObject) (ResumeScheduleResponseObject, error) {
	if err := s.tenant(ctx).Pause(ctx, request.Kind, false, principal(ctx).Actor); err != nil {
		return nil, err
	}
	one, err := s.scheduleOf(ctx, request.Kind)
	if err != nil {
		return nil, err
	}
	return ResumeSchedule200JSONResponse(one), nil
}

func (s *server) scheduleOf(ctx context.Context, kind string) (Schedule, error) {
	all, err := s.schedules(ctx)
	if err != nil {
		return Schedule{}, err
	}
	i := slices.IndexFunc(all, func(x Schedule) bool { return x.Kind == kind })
	if i < 0 {
		return Schedule{}, catalog.ErrNotFound
	}
	return all[i], nil
}

func (s *server) schedules(ctx context.Context) ([]Schedule, error) {
	t := s.tenant(ctx)
	info, err := t.Info(ctx)
	if err != nil {
		return nil, err
	}
	zone := info.Settings.Zone
	if zone == "" {
		zone = s.zone.String()
	}
	known, err := t.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Schedule, len(known))
	for i, x := range known {
		all[i] = Schedule{Kind: x.Kind, Spec: x.Spec, Zone: zone, Next: x.Next, Last: x.Last, Paused: x.Paused, Outcome: "never"}
		if !x.Last.IsZero() {
			all[i].Outcome = "done"
		}
		j, err := t.JobOf(ctx, x.Kind, "scheduled")
		if errors.Is(err, catalog.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all[i].Error, all[i].Attempts = j.Error, j.Attempt
		switch {
		case j.Dead:
			all[i].Outcome = "failed"
		case j.Error != "":
			all[i].Outcome = "retrying"
		case j.Running:
			all[i].Outcome = "running"
		default:
			all[i].Outcome = "waiting"
		}
	}
	return all, nil
}
