package replica

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// surveyEvery is how often everything is looked for that the second copy lacks.
const surveyEvery = 7 * 24 * time.Hour

// overlap is how much older than the end of a survey an object has to be to have stood in
// its listing.
const overlap = 24 * time.Hour

// survey notes what the second copy lacks and nobody has noted: once a week, and
// when there is a new one. A survey that was broken off begins anew; what it has
// noted stays noted.
func (r *run) survey(ctx context.Context) error {
	last, err := Surveyed(ctx, r.t.View())
	if err != nil {
		return err
	}
	if age := r.Now().Sub(last.Ended); age >= 0 && age < surveyEvery {
		return nil
	}
	if err := r.unseen(ctx); err != nil {
		return err
	}
	var before time.Time
	if last.Place == r.Place {
		before = last.Ended
	}
	if err := r.compare(ctx, before); err != nil {
		return err
	}
	return r.t.Update(ctx, func(x *catalog.Tx) error { return setSurvey(x, Survey{Place: r.Place, Ended: r.Now()}) })
}

// unseen notes the objects of records that the second copy was never seen to have.
func (r *run) unseen(ctx context.Context) error {
	var record preservation.RecordID
	var key string
	for {
		var err error
		if record, key, err = r.t.NeedCopies(ctx, record, key, 1000); err != nil || key == "" {
			return err
		}
	}
}

// compare goes through both listings, which are in the order of keys, and notes what
// only the bucket has. What was there or noted at a survey before was lost by the second
// copy: that is told.
func (r *run) compare(ctx context.Context, before time.Time) error {
	next, stop := iter.Pull2(newestOf(ctx, r.to))
	defer stop()
	there, err, more := next()
	if err != nil {
		return err
	}
	var lacking []preservation.Object
	flush := func() error {
		objects := lacking
		lacking = nil
		return r.lacking(ctx, objects, before)
	}
	for o, err := range newestOf(ctx, r.from) {
		if err != nil {
			return err
		}
		for more && there.Key < o.Key {
			if there, err, more = next(); err != nil {
				return err
			}
		}
		if more && there.Key == o.Key {
			continue
		}
		if lacking = append(lacking, o); len(lacking) == 1000 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// lacking notes objects that the second copy has to get, and tells those that it has lost.
func (r *run) lacking(ctx context.Context, objects []preservation.Object, before time.Time) error {
	inner := context.WithoutCancel(ctx)
	leaving := map[string]bool{} // read after both listings, which may have met a destruction
	for _, o := range objects {
		var err error
		if leaving[o.Key], err = r.leaving(ctx, o.Key); err != nil {
			return err
		}
	}
	var lost []string
	err := r.t.Update(ctx, func(x *catalog.Tx) error {
		lost = nil
		for _, o := range objects {
			due, err := x.View().CopyIsDue(inner, o.Key)
			if err != nil {
				return err
			}
			if err := x.NeedCopy(o.Key); err != nil {
				return err
			}
			if due || leaving[o.Key] || !o.Modified.Before(before.Add(-overlap)) {
				continue
			}
			added, err := x.AddFinding("", preservation.Finding{Code: CodeMissing, Severity: preservation.Failed, Subject: o.Key,
				Detail: "the second copy has lost it: something removes objects there; it is brought again"})
			if err != nil {
				return err
			}
			if !added {
				continue
			}
			lost = append(lost, o.Key)
			if err := x.Audit(catalog.AuditEntry{Actor: "system", Action: "fixity.finding", Object: o.Key, Detail: map[string]string{"code": CodeMissing}}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, key := range lost {
		if err == nil {
			r.Log.ErrorContext(ctx, "the second copy has lost an object", "tenant", string(r.t.ID()), "key", key)
		}
	}
	return err
}

// leaving reports whether the second copy may lack an object because its record is being
// destroyed, or the catalog never saw it there.
func (r *run) leaving(ctx context.Context, key string) (bool, error) {
	id, ok := RecordOf(key)
	if !ok {
		return false, nil
	}
	entry, err := r.t.View().Retention(ctx, id)
	var o catalog.RecordObject
	if err == nil {
		o, err = r.t.Object(ctx, id, key)
	}
	if errors.Is(err, catalog.ErrNotFound) {
		return true, nil
	}
	return entry.Status != "live" || o.Copied.IsZero(), err
}

// surveyName is the cursor of the last survey.
const surveyName = "copy.survey"

// Survey is how far the last look for what the second copy lacks has come.
type Survey struct {
	Place string    `json:"place"` // the second copy
	Ended time.Time `json:"ended"`
}

// Surveyed tells of the last survey; its Place is empty when there never was a second
// copy, or it was given up.
func Surveyed(ctx context.Context, v catalog.View) (s Survey, err error) {
	text, err := v.Cursor(ctx, surveyName)
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &s)
	}
	return s, err
}

func setSurvey(x *catalog.Tx, s Survey) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return x.SetCursor(surveyName, string(text))
}

// SurveyAgain has the next run look for everything that the second copy lacks, as after
// a restore.
func SurveyAgain(ctx context.Context, t *catalog.Tenant) error {
	inner := context.WithoutCancel(ctx)
	return t.Update(ctx, func(x *catalog.Tx) error {
		s, err := Surveyed(inner, x.View())
		if err != nil || s.Place == "" {
			return err
		}
		return setSurvey(x, Survey{Place: s.Place})
	})
}

// newestOf yields the newest version of each object of a bucket that has any bytes.
func newestOf(ctx context.Context, s preservation.Store) iter.Seq2[preservation.Object, error] {
	return func(yield func(preservation.Object, error) bool) {
		last := ""
		for o, err := range s.Versions(ctx, "") {
			if err != nil {
				yield(o, err)
				return
			}
			if o.Marker || o.Key == last {
				continue
			}
			if last = o.Key; !yield(o, nil) {
				return
			}
		}
	}
}
