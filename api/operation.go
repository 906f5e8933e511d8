package api

import (
	"context"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// shown at most of a list that is no page.
const atOnce = 100

// GetFixity sums up what reading everything back has come to.
func (s *server) GetFixity(ctx context.Context, _ GetFixityRequestObject) (GetFixityResponseObject, error) {
	t := s.tenant(ctx)
	f, err := t.View().Fixity(ctx)
	if err != nil {
		return nil, err
	}
	v := Holding{Records: f.Records, Unread: f.Unread, Oldest: f.Oldest, Copy: f.Copy, Damaged: f.Damaged, Findings: f.Findings}
	turn, err := s.config.Scrub.Turn(ctx, t)
	if err != nil {
		return nil, err
	}
	v.Turn = turnOf(turn)
	now := s.now()
	damaged, err := t.Damaged(ctx, now, now, atOnce)
	if err != nil {
		return nil, err
	}
	v.DamagedRecords = list(damaged)
	others, err := t.View().Findings(ctx, preservation.RecordID(""))
	if err != nil {
		return nil, err
	}
	v.Others = list(others[:min(len(others), atOnce)])
	waiting, err := t.View().StampQueue(ctx)
	v.Waiting, v.WaitingSince = waiting.Waiting, waiting.Oldest
	return GetFixity200JSONResponse(v), err
}

// GetOperation tells how the archive works through what it has to do.
func (s *server) GetOperation(ctx context.Context, _ GetOperationRequestObject) (GetOperationResponseObject, error) {
	t := s.tenant(ctx)
	v := Operation{Queue: []QueueState{}, Away: []AwayPart{}, Dead: []DeadJob{}, Schedules: []ScheduleState{}, Submissions: map[string]int64{}, Growth: []MonthStored{}, Days: []StoredOnDay{}}
	queue, err := t.Queue(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range queue {
		v.Queue = append(v.Queue, QueueState{Kind: q.Kind, State: QueueStateState(q.State), Count: q.Count, Held: q.Held, OverdueSeconds: int64(q.Overdue.Seconds())})
	}
	away, err := t.Away(ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range preservation.Parts() {
		if a, ok := away[p]; ok {
			v.Away = append(v.Away, AwayPart{Part: p.Code(), Jobs: a.Jobs, Why: a.Why})
		}
	}
	dead, err := t.DeadJobs(ctx, atOnce)
	if err != nil {
		return nil, err
	}
	for _, j := range dead {
		v.Dead = append(v.Dead, DeadJob{ID: j.ID, Kind: j.Kind, Attempts: j.Attempt, Error: j.Error, Created: j.Created})
	}
	schedules, err := t.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range schedules {
		v.Schedules = append(v.Schedules, ScheduleState{Kind: c.Kind, Spec: c.Spec, Next: c.Next, Last: c.Last, Paused: c.Paused})
	}
	counted, err := s.census(ctx)
	if err != nil {
		return nil, err
	}
	v.Measured = counted.at
	for status, n := range counted.submissions {
		v.Submissions[string(status)] = n
	}
	v.Growth = months(counted.days)
	since := s.now().UTC().AddDate(0, 0, -daysShown)
	for _, d := range counted.days {
		if d.Day.After(since) {
			v.Days = append(v.Days, StoredOnDay{Day: preservation.DateOf(d.Day), Records: d.Records, Bytes: d.Bytes})
		}
	}
	return GetOperation200JSONResponse(v), nil
}

// daysShown is how many days are told one by one.
const daysShown = 30

// months sums up days by calendar month.
func months(days []catalog.DayStored) []MonthStored {
	all := []MonthStored{}
	for _, d := range days {
		month := d.Day.Format("2006-01")
		if len(all) == 0 || all[len(all)-1].Month != month {
			all = append(all, MonthStored{Month: month})
		}
		m := &all[len(all)-1]
		m.Records += d.Records
		m.Bytes += d.Bytes
	}
	return all
}

// RetryJob tries a job again that was given up.
func (s *server) RetryJob(ctx context.Context, request RetryJobRequestObject) (RetryJobResponseObject, error) {
	if err := s.tenant(ctx).RetryJob(ctx, request.ID, principal(ctx).Actor); err != nil {
		return nil, err
	}
	return RetryJob204Response{}, nil
}
