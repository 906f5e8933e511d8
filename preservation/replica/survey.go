package replica

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// surveyEvery is how often everything is looked for that the second copy lacks.
const surveyEvery = 7 * 24 * time.Hour

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
	if err := r.compare(ctx); err != nil {
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
// only the bucket has.
func (r *run) compare(ctx context.Context) error {
	next, stop := iter.Pull2(keysOf(ctx, r.to))
	defer stop()
	there, err, more := next()
	if err != nil {
		return err
	}
	var lacking []string
	flush := func() error {
		keys := lacking
		lacking = nil
		return r.t.Update(ctx, func(x *catalog.Tx) error {
			for _, key := range keys {
				if err := x.NeedCopy(key); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for key, err := range keysOf(ctx, r.from) {
		if err != nil {
			return err
		}
		for more && there < key {
			if there, err, more = next(); err != nil {
				return err
			}
		}
		if more && there == key {
			continue
		}
		if lacking = append(lacking, key); len(lacking) == 1000 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
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

// keysOf yields the keys of a bucket that have any bytes.
func keysOf(ctx context.Context, s preservation.Store) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		last := ""
		for o, err := range s.Versions(ctx, "") {
			if err != nil {
				yield("", err)
				return
			}
			if o.Marker || o.Key == last {
				continue
			}
			if last = o.Key; !yield(o.Key, nil) {
				return
			}
		}
	}
}
