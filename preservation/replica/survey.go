package replica

import (
	"context"
	"errors"
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
	if last.Place != r.Place {
		err := r.t.Update(ctx, func(x *catalog.Tx) error {
			return errors.Join(x.ForgetCopies(), setSurvey(x, Survey{Place: r.Place}),
				x.Audit(catalog.AuditEntry{Actor: "system", Action: "copy.begin", Object: string(r.t.ID()), Detail: map[string]string{"place": r.Place}}))
		})
		if err != nil {
			return err
		}
		last = Survey{Place: r.Place}
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
