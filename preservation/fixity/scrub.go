package fixity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
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
// first: everything once in a period, nothing twice in half of one, unless somebody
// asks for everything (ReadAll). Where it stands is in the catalog, by the record, so
// that a stop costs one record.
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
	// Release takes the legal holds in the store off a record on which a hold stood that
	// was released, and tells it as every release is told. It reports whether it did: not
	// while one stands, nor what no hold explains. Nil: that is left to people.
	Release func(context.Context, *catalog.Tenant, preservation.RecordID) (bool, error)
	// Protect locks an object again that belongs to no record, and reports whether it did:
	// not one that is to go. Nil: that is left to whoever extends locks.
	Protect func(ctx context.Context, t *catalog.Tenant, key string) (bool, error)
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
	l := &look{Scrub: s, t: t, store: s.Limit.On(store), pause: s.Period / 2}
	now := s.Checker.Now()
	if l.asked, err = s.askedNow(ctx, t); err != nil {
		return err
	}
	begun, err := l.begun(ctx)
	if err != nil {
		return err
	}
	if err := l.portion(ctx); err != nil {
		return err
	}
	if err := l.rest(ctx); err != nil {
		return err
	}
	if err := l.copyRest(ctx); err != nil {
		return err
	}
	if err := l.round(ctx, begun); err != nil {
		return err
	}
	return l.more(ctx, now)
}

// Everything looks at all that a tenant has, whenever that was looked at last.
func (s *Scrub) Everything(ctx context.Context, t *catalog.Tenant) error {
	store, err := s.Store(ctx, t)
	if err != nil {
		return err
	}
	l := &look{Scrub: s, t: t, store: s.Limit.On(store), asked: s.Checker.Now()}
	for {
		ids, err := t.LeastChecked(ctx, l.asked, page)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return errors.Join(l.rest(ctx), l.copyRest(ctx))
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
	asked time.Time     // what was read before then is read again, whenever that was
	pause time.Duration // for which what belongs to no record is left alone, without that
	read  int           // records
	away  bool          // the second copy did not answer: it is left out for the rest of the run
}

// page is how many records are taken from the catalog at a time.
const page = 100

// portion looks at the records that something is wrong with, once a day and when it was
// found out of turn, at those whose turn it is, and at those that are overdue.
func (l *look) portion(ctx context.Context) error {
	now := l.Checker.Now()
	if err := l.damaged(ctx, now); err != nil { // what can be repaired does not wait for the rest
		return err
	}
	f, err := l.t.View().Fixity(ctx)
	if err != nil {
		return err
	}
	ids, err := l.t.LeastChecked(ctx, l.recent(now, l.asked), int(l.share(f.Records)))
	if err != nil {
		return err
	}
	if err := l.records(ctx, ids); err != nil {
		return err
	}
	for l.Checker.Now().Sub(now) < scrubEvery { // the rest of the holding has its turn as well
		ids, err := l.t.LeastChecked(ctx, l.overdue(now, l.asked), page)
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
	return l.copies(ctx, now)
}

// damaged looks at each record that something is wrong with, once.
func (l *look) damaged(ctx context.Context, now time.Time) error {
	seen := map[preservation.RecordID]bool{} // a clock that steps back would bring them again
	for {
		ids, err := l.t.Damaged(ctx, now.Add(-24*time.Hour), now, page)
		if err != nil {
			return err
		}
		ids = slices.DeleteFunc(ids, func(id preservation.RecordID) bool { return seen[id] })
		if len(ids) == 0 {
			return nil
		}
		for _, id := range ids {
			seen[id] = true
		}
		if err := l.records(ctx, ids); err != nil {
			return err
		}
	}
}

// copies looks at records whose second copy is overdue, as after it was away.
func (l *look) copies(ctx context.Context, now time.Time) error {
	if l.Copies == nil || l.away {
		return nil
	}
	before := l.overdue(now, l.asked)
	for {
		ids, err := l.t.LeastCopyChecked(ctx, before, page)
		if err != nil || len(ids) == 0 {
			return err
		}
		pair, err := l.Copies(ctx, l.t)
		if err == nil {
			err = answers(ctx, pair.Copy)
		}
		if err != nil { // the bucket is not read for nothing
			l.leave(ctx, err)
			return ctx.Err()
		}
		if err := l.records(ctx, ids); err != nil {
			return err
		}
		if again, err := l.t.LeastCopyChecked(ctx, before, 1); err != nil || len(again) > 0 && again[0] == ids[0] {
			return err // it cannot be asked
		}
	}
}

// answers asks a store for what costs little.
func answers(ctx context.Context, s preservation.Store) error {
	for _, err := range s.Versions(ctx, "cfg/") {
		return err
	}
	return nil
}

// leave leaves the second copy out for the rest of the run: each question to a store that
// hangs takes as long as its patience.
func (l *look) leave(ctx context.Context, err error) {
	l.away = true
	l.Log.WarnContext(ctx, "fixity: the second copy cannot be checked now", "tenant", string(l.t.ID()), "err", err)
}

func (l *look) records(ctx context.Context, ids []preservation.RecordID) error {
	for _, id := range ids {
		err := l.record(ctx, id)
		if err != nil && !errors.Is(err, catalog.ErrNotFound) && !errors.Is(err, catalog.ErrDestroyed) {
			return fmt.Errorf("scrub record %s: %w", id, err)
		}
		l.read++
	}
	return nil
}

// record looks at one record and notes what it finds.
func (l *look) record(ctx context.Context, id preservation.RecordID) error {
	found, err := l.find(ctx, l.t, l.store, id)
	if err != nil {
		return err
	}
	taken, err := l.takeUp(ctx, l.t, l.store, id, found)
	if err != nil {
		return err
	}
	digested, err := l.digest(ctx, id, found)
	if err != nil {
		return err
	}
	if taken || digested {
		if found, err = l.find(ctx, l.t, l.store, id); err != nil {
			return err
		}
	}
	pair, found, err := l.second(ctx, id, found)
	if err != nil {
		return err
	}
	failed := failedOf(found)
	if err := l.note(ctx, l.t, id, failed, l.checked(id, pair)); err != nil || len(failed) == 0 {
		return err
	}
	mended, err := l.restore(ctx, l.t, l.store, pair, id, failed)
	if err != nil && ctx.Err() == nil {
		l.Log.ErrorContext(ctx, "fixity: the repair failed; it is tried again with the next check", "tenant", string(l.t.ID()), "record", string(id), "err", err)
		err = nil
	}
	if err != nil || mended == 0 {
		return err
	}
	if found, err = l.find(ctx, l.t, l.store, id); err != nil {
		return err
	}
	if pair, found, err = l.second(ctx, id, found); err != nil {
		return err
	}
	return l.note(ctx, l.t, id, failedOf(found), l.checked(id, pair))
}

// Report notes and tells what is wrong with a record that was found damaged out of its
// turn, as by a verification on demand. The repair is left to the job, which mends one
// record at a time: it is begun at once unless it is paused, and takes up this one first.
func (s *Scrub) Report(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) error {
	if _, err := t.Head(ctx, id); err != nil {
		return err
	}
	store, err := s.Store(ctx, t)
	if err != nil {
		return err
	}
	found, err := s.find(ctx, t, store, id)
	if err != nil {
		return err
	}
	failed := failedOf(found)
	if len(failed) == 0 {
		return nil
	}
	if failed, err = s.withCopy(ctx, t, id, failed); err != nil {
		return err
	}
	return s.note(ctx, t, id, failed, func(x *catalog.Tx) error {
		return errors.Join(x.FoundAgain(id), x.Advance(JobScrub))
	})
}

// Agreed notes that a record was read back out of its turn, as by a verification on
// demand, and that everything agreed. Where something was found wrong before, in the
// second copy for one, that look was not the whole one: the job decides. ErrNotFound when
// there is no such record.
func (s *Scrub) Agreed(ctx context.Context, t *catalog.Tenant, id preservation.RecordID) error {
	return t.Update(ctx, func(x *catalog.Tx) error {
		check, err := x.View().Checked(ctx, id)
		if err != nil || len(check.Findings) > 0 {
			return err
		}
		return x.SetChecked(id, s.Checker.Now())
	})
}

// withCopy adds what is known to be wrong with the second copy of a record.
func (s *Scrub) withCopy(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, found []preservation.Finding) ([]preservation.Finding, error) {
	before, err := t.View().Findings(ctx, id)
	for _, f := range before {
		if aboutCopy(f) {
			found = append(found, f)
		}
	}
	return found, err
}

// restore makes right again what can be: locks, and with a second copy bytes.
func (s *Scrub) restore(ctx context.Context, t *catalog.Tenant, store preservation.Store, pair *Pair, id preservation.RecordID, failed []preservation.Finding) (int, error) {
	unheld, herr := s.unhold(ctx, t, id, failed)
	if pair == nil {
		locked, err := s.relock(ctx, t, store, nil, id, failed)
		return unheld + locked, errors.Join(herr, err)
	}
	locked, err := s.relock(ctx, t, store, pair.Copy, id, failed)
	mended, merr := s.mend(ctx, t, *pair, id, failed)
	return unheld + locked + mended, errors.Join(herr, err, merr)
}

// second adds what the second copy of a record is found to be. While it cannot be
// asked, which shows as its age, what was found before stays.
func (l *look) second(ctx context.Context, id preservation.RecordID, found []preservation.Finding) (*Pair, []preservation.Finding, error) {
	if l.Copies == nil {
		return nil, found, nil
	}
	if !l.away {
		pair, err := l.Copies(ctx, l.t)
		var more []preservation.Finding
		if err == nil {
			more, err = l.Checker.Copy(ctx, l.t, l.store, l.Limit.On(pair.Copy), id)
		}
		switch {
		case err == nil:
			return &pair, append(found, more...), nil
		case errors.Is(err, catalog.ErrNotFound):
			return nil, found, nil
		case ctx.Err() != nil:
			return nil, nil, err
		}
		l.leave(ctx, fmt.Errorf("record %s: %w", id, err))
	}
	found, err := l.withCopy(ctx, l.t, id, found)
	return nil, found, err
}

// find looks at one record. An object that the store does not give away while it
// gives others is damaged, and not a store that is away. An outage of anything else,
// such as a full work folder, says nothing of the record.
func (s *Scrub) find(ctx context.Context, t *catalog.Tenant, store preservation.Store, id preservation.RecordID) ([]preservation.Finding, error) {
	found, err := s.Checker.Record(ctx, t, store, id)
	var out *preservation.Outage
	if errors.As(err, &out) && out.Part != preservation.PartStore {
		return nil, err
	}
	if err == nil || ctx.Err() != nil || errors.Is(err, catalog.ErrNotFound) || errors.Is(err, catalog.ErrDestroyed) || !gives(ctx, t, store) {
		return found, err
	}
	return []preservation.Finding{{Code: CodeUnread, Severity: preservation.Failed, Subject: string(id), Detail: err.Error()}}, nil
}

// gives reports whether the store gives the bytes of an object of this tenant, and
// the catalog answers.
func gives(ctx context.Context, t *catalog.Tenant, store preservation.Store) bool {
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

// checked notes when a record was looked at in its turn, with its second copy if both
// were there.
func (l *look) checked(id preservation.RecordID, pair *Pair) func(*catalog.Tx) error {
	at := l.Checker.Now()
	return func(x *catalog.Tx) error {
		if pair != nil {
			if err := x.SetCopyChecked(id, at); err != nil {
				return err
			}
		}
		return x.SetChecked(id, at)
	}
}

// note keeps what a look at a record has come to, and with it what also does, unless
// that is nil. The alarm does not wait for the bucket, which may be what is broken.
func (s *Scrub) note(ctx context.Context, t *catalog.Tenant, id preservation.RecordID, failed []preservation.Finding, also func(*catalog.Tx) error) error {
	var fresh []preservation.Finding
	err := t.Update(ctx, func(x *catalog.Tx) (err error) {
		if fresh, err = x.SetFindings(id, failed); err != nil {
			return err
		}
		for _, f := range fresh {
			if err := x.Audit(catalog.AuditEntry{Actor: actor, Action: "fixity.finding", Object: string(id), Detail: map[string]string{"code": f.Code, "subject": f.Subject}}); err != nil {
				return err
			}
		}
		if also == nil {
			return nil
		}
		return also(x)
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
