package fixity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
)

// JobScrub is the job whose handler is Scrub.Run. It comes every hour.
const (
	JobScrub   = "scrub"
	scrubEvery = time.Hour
)

// Scrub reads holdings back in small portions, the records that wait longest
// first: everything once in a period, nothing twice in half of one. Where it
// stands is in the catalog, by the record, so that a stop costs one record.
//
// What it finds stands in the catalog, in the audit log and in the log; of a record
// also as a PREMIS event in the bucket. An event is written when the state of a
// record changes, not for each look, and what was found in order once in a period
// is told by one entry of the audit log for the whole holding: what a check leaves
// behind does not grow with the years.
type Scrub struct {
	Checker *Checker
	// Store opens the bucket of a tenant.
	Store func(context.Context, *catalog.Tenant) (preservation.Store, error)
	// Event stores an event of a record in bucket and catalog.
	Event func(context.Context, *catalog.Tenant, preservation.RecordID, preservation.Event) error
	// Copies opens the two copies of a tenant's bucket, for the one to be repaired from
	// the other. Nil: there is no second copy.
	Copies func(context.Context, *catalog.Tenant) (Pair, error)
	// Period is the time in which everything is read.
	Period time.Duration
	Limit  *Limit
	Log    *slog.Logger
}

var agent = preservation.Agent{Type: preservation.Software, Name: "bestand/fixity"}

const actor = "system" // in the audit log

// Run is the handler of the job "scrub": one portion.
func (s *Scrub) Run(ctx context.Context, t *catalog.Tenant, _ catalog.Job) error {
	store, err := s.Store(ctx, t)
	if err != nil {
		return err
	}
	l := &look{s, t, s.Limit.On(store)}
	begun, err := l.begun(ctx)
	if err != nil {
		return err
	}
	if err := l.portion(ctx); err != nil {
		return err
	}
	if err := l.rest(ctx, l.Period/2); err != nil {
		return err
	}
	return l.round(ctx, begun)
}

// Everything looks at all that a tenant has, whenever that was looked at last.
func (s *Scrub) Everything(ctx context.Context, t *catalog.Tenant) error {
	store, err := s.Store(ctx, t)
	if err != nil {
		return err
	}
	l := &look{s, t, s.Limit.On(store)}
	for begin := s.Checker.Now(); ; {
		ids, err := t.LeastChecked(ctx, begin, page)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return l.rest(ctx, 0)
		}
		if err := l.records(ctx, ids); err != nil {
			return err
		}
	}
}

// look is one run over one tenant.
type look struct {
	*Scrub
	t     *catalog.Tenant
	store preservation.Store
}

// page is how many records are taken from the catalog at a time.
const page = 100

// portion looks at the records whose turn it is, at those that are overdue, and once
// a day at those that something is wrong with.
func (l *look) portion(ctx context.Context) error {
	f, err := l.t.View().Fixity(ctx)
	if err != nil {
		return err
	}
	now := l.Checker.Now()
	// A holding that came in one day is due in half of a period.
	share := int(2*float64(f.Records)*float64(scrubEvery)/float64(l.Period)) + 1
	ids, err := l.t.LeastChecked(ctx, now.Add(-l.Period/2), share)
	if err != nil {
		return err
	}
	if err := l.records(ctx, ids); err != nil {
		return err
	}
	for _, more := range []func() ([]preservation.RecordID, error){
		func() ([]preservation.RecordID, error) { return l.t.LeastChecked(ctx, now.Add(-l.Period), page) },
		func() ([]preservation.RecordID, error) { return l.t.Damaged(ctx, now.Add(-24*time.Hour), page) },
	} {
		for {
			ids, err := more()
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				break
			}
			if err := l.records(ctx, ids); err != nil {
				return err
			}
		}
	}
	return l.copies(ctx, now)
}

// copies looks at records whose second copy is overdue, as after it was away.
func (l *look) copies(ctx context.Context, now time.Time) error {
	if l.Copies == nil {
		return nil
	}
	for {
		ids, err := l.t.LeastCopyChecked(ctx, now.Add(-l.Period), page)
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := l.records(ctx, ids); err != nil {
			return err
		}
		if again, err := l.t.LeastCopyChecked(ctx, now.Add(-l.Period), 1); err != nil || len(again) > 0 && again[0] == ids[0] {
			return err // it cannot be asked
		}
	}
}

func (l *look) records(ctx context.Context, ids []preservation.RecordID) error {
	for _, id := range ids {
		err := l.Record(ctx, l.t, l.store, id)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) && !errors.Is(err, catalog.ErrDestroyed) {
			return fmt.Errorf("scrub record %s: %w", id, err)
		}
	}
	return nil
}

// Record looks at one record and notes what it finds.
func (s *Scrub) Record(ctx context.Context, t *catalog.Tenant, store preservation.Store, id preservation.RecordID) error {
	found, err := s.find(ctx, t, store, id)
	if err != nil {
		return err
	}
	taken, err := s.takeUp(ctx, t, store, id, found)
	if err != nil {
		return err
	}
	if taken {
		if found, err = s.find(ctx, t, store, id); err != nil {
			return err
		}
	}
	pair, found, err := s.second(ctx, t, id, found)
	if err != nil {
		return err
	}
	failed := failedOf(found)
	if err := s.note(ctx, t, id, failed, pair != nil); err != nil || len(failed) == 0 {
		return err
	}
	mended, err := s.restore(ctx, t, store, pair, id, failed)
	if err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "fixity: the repair failed; it is tried again with the next check", "tenant", string(t.ID()), "record", string(id), "err", err)
		err = nil
	}
	if err != nil || mended == 0 {
		return err
	}
	if found, err = s.find(ctx, t, store, id); err != nil {
		return err
	}
	if pair, found, err = s.second(ctx, t, id, found); err != nil {
		return err
	}
	return s.note(ctx, t, id, failedOf(found), pair != nil)
}

// restore makes right again what can be: locks, and with a second copy bytes.
func (s *Scrub) restore(ctx context.Context, t *catalog.Tenant, store preservation.Store, pair *Pair, id preservation.RecordID, failed []preservation.Finding) (int, error) {
	if pair == nil {
		return s.relock(ctx, t, store, nil, id, failed)
	}
	locked, err := s.relock(ctx, t, store, pair.Copy, id, failed)
	mended, merr := s.mend(ctx, t, *pair, id, failed)
	return locked + mended, errors.Join(err, merr)
}

// second adds what the second copy of a record is found to be. While it cannot be
// asked, which shows as its age, what was found before stays.
func (s *Scrub) second(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, found []preservation.Finding) (*Pair, []preservation.Finding, error) {
	if s.Copies == nil {
		return nil, found, nil
	}
	pair, err := s.Copies(ctx, t)
	var more []preservation.Finding
	if err == nil {
		more, err = s.Checker.Copy(ctx, t, s.Limit.On(pair.Copy), id)
	}
	switch {
	case err == nil:
		return &pair, append(found, more...), nil
	case errors.Is(err, catalog.ErrNotFound):
		return nil, found, nil
	case ctx.Err() != nil:
		return nil, nil, err
	}
	s.Log.WarnContext(ctx, "fixity: the second copy cannot be checked now", "tenant", string(t.ID()), "record", string(id), "err", err)
	before, err := t.View().Findings(ctx, id)
	for _, f := range before {
		if slices.Contains(aboutCopy, f.Code) {
			found = append(found, f)
		}
	}
	return nil, found, err
}

// find looks at one record. An object that the store does not give away while it
// gives others is damaged, and not a store that is away.
func (s *Scrub) find(ctx context.Context, t *catalog.Tenant, store preservation.Store, id preservation.RecordID) ([]preservation.Finding, error) {
	found, err := s.Checker.Record(ctx, t, store, id)
	if err == nil || ctx.Err() != nil || errors.Is(err, catalog.ErrNotFound) || errors.Is(err, catalog.ErrDestroyed) || !s.gives(ctx, t, store) {
		return found, err
	}
	return []preservation.Finding{{Code: CodeUnread, Severity: preservation.Failed, Subject: string(id), Detail: err.Error()}}, nil
}

// gives reports whether the store gives the bytes of an object of this tenant, and
// the catalog answers.
func (s *Scrub) gives(ctx context.Context, t *catalog.Tenant, store preservation.Store) bool {
	if _, err := t.View().Fixity(ctx); err != nil {
		return false
	}
	for o, err := range store.Versions(ctx, "cfg/") {
		if err != nil {
			return false
		}
		if o.Marker {
			continue
		}
		r, err := store.Open(ctx, o.Key, o.VersionID, 0, -1)
		if err != nil {
			return false
		}
		_, err = io.Copy(io.Discard, r)
		r.Close()
		return err == nil
	}
	return false
}

// takeUp adds to the catalog what an interrupted attempt left in the bucket only.
func (s *Scrub) takeUp(ctx context.Context, t *catalog.Tenant, store preservation.Store, id preservation.RecordID, found []preservation.Finding) (taken bool, err error) {
	for _, f := range found {
		if f.Code != CodeUnknown || !strings.HasPrefix(f.Subject, preservation.EventPrefix(id)) {
			continue
		}
		e, o, sum, err := ledger.ReadEvent(ctx, store, f.Subject)
		if errors.Is(err, preservation.ErrNotFound) || errors.Is(err, preservation.ErrUnreadable) {
			continue
		}
		if err != nil {
			return taken, err
		}
		if e.Event.Type != preservation.EventFixity || e.Record != id || o.Key != preservation.EventKey(id, e.Event.ID) {
			continue
		}
		row := catalog.RecordObject{Key: o.Key, Kind: "event", VersionID: o.VersionID, Size: o.Size, SHA256: sum, Stored: o.Modified}
		if err := t.Update(ctx, func(x *catalog.Tx) error { return errors.Join(x.AddEvents(id, e.Event), x.AddObject(id, row)) }); err != nil {
			return taken, err
		}
		taken = true
	}
	return taken, nil
}

func failedOf(found []preservation.Finding) (failed []preservation.Finding) {
	for _, f := range found {
		same := func(g preservation.Finding) bool { return g.Subject == f.Subject && g.Code == f.Code }
		if f.Severity == preservation.Failed && !slices.ContainsFunc(failed, same) {
			failed = append(failed, f)
		}
	}
	return failed
}

// note keeps what a look at a record has come to. The alarm does not wait for the
// bucket, which may be what is broken.
func (s *Scrub) note(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, failed []preservation.Finding, copied bool) error {
	var fresh []preservation.Finding
	at := s.Checker.Now()
	err := t.Update(ctx, func(x *catalog.Tx) (err error) {
		if fresh, err = x.SetFindings(id, failed); err != nil {
			return err
		}
		for _, f := range fresh {
			if err := x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.finding", Object: string(id), Detail: map[string]string{"code": f.Code, "subject": f.Subject}}); err != nil {
				return err
			}
		}
		if copied {
			if err := x.SetCopyChecked(id, at); err != nil {
				return err
			}
		}
		return x.SetChecked(id, at)
	})
	if err != nil {
		return err
	}
	for _, f := range fresh {
		s.alarm(ctx, t, id, f)
	}
	return s.tell(ctx, t, id, failed)
}

// alarm is the one line in the log that a finding makes.
func (s *Scrub) alarm(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, f preservation.Finding) {
	s.Log.ErrorContext(ctx, "fixity: what is stored is not what was stored", "tenant", string(t.ID()), "record", string(id),
		"code", f.Code, "subject", f.Subject, "detail", f.Detail, "do", advice(f.Code))
}

// tell writes the event that the state of a record has changed, if it has.
func (s *Scrub) tell(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, failed []preservation.Finding) error {
	events, err := t.Events(ctx, id)
	if err != nil {
		return err
	}
	var last preservation.Event
	for _, e := range events {
		if e.Type == preservation.EventFixity && e.Agent.Name == agent.Name { // those of the reception have another
			last = e
		}
	}
	now := s.Checker.Now().UTC().Truncate(time.Millisecond)
	next := preservation.Event{ID: preservation.NewID(now), Type: preservation.EventFixity, At: now, Agent: agent,
		Outcome: preservation.Success, Detail: "read back: everything agrees again"}
	if len(failed) > 0 {
		next.Outcome, next.Code, next.Detail = preservation.Failure, failed[0].Code, summary(failed)
	}
	if len(failed) == 0 && last.Outcome != preservation.Failure || last.Outcome == next.Outcome && last.Detail == next.Detail {
		return nil
	}
	return s.Event(ctx, t, id, next)
}

// summary names findings in the same words as long as they stay the same.
func summary(failed []preservation.Finding) string {
	const most = 50
	var b strings.Builder
	for i, f := range failed {
		if i == most {
			fmt.Fprintf(&b, "; and %d more", len(failed)-most)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s %s", f.Code, f.Subject)
	}
	return b.String()
}

// Cursors.
const (
	restName  = "fixity.rest"
	roundName = "fixity.round"
)

// course is how far a look at the rest of a bucket has come, as JSON.
type course struct {
	Begun time.Time `json:"begun"`
	Ended time.Time `json:"ended,omitzero"`
	Place Place     `json:"place"`
}

// rest looks at what belongs to no record, when that was last done long enough ago.
func (l *look) rest(ctx context.Context, pause time.Duration) error {
	c, err := cursor[course](ctx, l.t, restName)
	if err != nil {
		return err
	}
	now := l.Checker.Now()
	if c.Begun.IsZero() || !c.Ended.IsZero() {
		if now.Sub(c.Ended) < pause {
			return nil
		}
		c = course{Begun: now}
	}
	err = l.Checker.Rest(ctx, l.t, l.store, c.Place, func(at Place, r Report) error {
		c.Place = at
		return l.noteRest(ctx, c, r.Failed)
	})
	if err != nil {
		return fmt.Errorf("scrub the bucket: %w", err)
	}
	found, err := l.t.View().Findings(ctx, "")
	if err != nil {
		return err
	}
	lost := map[string]bool{}
	for _, f := range found {
		if f.Code == CodeObjectGone {
			lost[f.Subject] = true
		}
	}
	mended, err := l.twins(ctx, lost)
	if err != nil {
		return fmt.Errorf("scrub the second copy: %w", err)
	}
	c.Ended, c.Place = l.Checker.Now(), Place{}
	if mended > 0 {
		c.Ended = time.Unix(0, 0) // what was written again is looked at with the next run
	}
	return l.t.Update(ctx, func(x *catalog.Tx) error {
		return errors.Join(x.DropFindings(c.Begun), setCursor(x, restName, c))
	})
}

func (l *look) noteRest(ctx context.Context, c course, failed []preservation.Finding) error {
	return l.noteFindings(ctx, failed, func(x *catalog.Tx) error { return setCursor(x, restName, c) })
}

// noteFindings keeps findings about no record, with what else is to be noted.
func (l *look) noteFindings(ctx context.Context, failed []preservation.Finding, also func(*catalog.Tx) error) error {
	var fresh []preservation.Finding
	err := l.t.Update(ctx, func(x *catalog.Tx) error {
		fresh = nil
		for _, f := range failed {
			added, err := x.AddFinding("", f)
			if err != nil {
				return err
			}
			if !added {
				continue
			}
			fresh = append(fresh, f)
			if err := x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.finding", Object: f.Subject, Detail: map[string]string{"code": f.Code}}); err != nil {
				return err
			}
		}
		if also == nil {
			return nil
		}
		return also(x)
	})
	for _, f := range fresh {
		if err == nil {
			l.alarm(ctx, l.t, "", f)
		}
	}
	return err
}

// Round is the time in which every record was read back once.
type Round struct {
	Begun time.Time `json:"begun"` // of the one under way
	Ended time.Time `json:"ended,omitzero"`
}

// LastRound tells of the rounds over a tenant's holding.
func LastRound(ctx context.Context, t *catalog.Tenant) (Round, error) {
	return cursor[Round](ctx, t, roundName)
}

// begun returns the round under way, and begins the first one.
func (l *look) begun(ctx context.Context) (Round, error) {
	r, err := LastRound(ctx, l.t)
	if err != nil || !r.Begun.IsZero() {
		return r, err
	}
	r.Begun = l.Checker.Now()
	return r, l.t.Update(ctx, func(x *catalog.Tx) error { return setCursor(x, roundName, r) })
}

// round ends a round when every record was read since it began.
func (l *look) round(ctx context.Context, r Round) error {
	f, err := l.t.View().Fixity(ctx)
	if err != nil || f.Oldest.Before(r.Begun) {
		return err
	}
	now := l.Checker.Now()
	detail := map[string]string{"begun": r.Begun.UTC().Format(time.RFC3339), "records": strconv.FormatInt(f.Records, 10), "findings": strconv.FormatInt(f.Findings, 10)}
	return l.t.Update(ctx, func(x *catalog.Tx) error {
		return errors.Join(setCursor(x, roundName, Round{Begun: now, Ended: now}),
			x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.round", Object: string(l.t.ID()), Detail: detail}))
	})
}

func cursor[T any](ctx context.Context, t *catalog.Tenant, name string) (v T, err error) {
	text, err := t.View().Cursor(ctx, name)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &v)
	}
	return v, err
}

func setCursor(x *catalog.Tx, name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return x.SetCursor(name, string(text))
}
