package retention

import (
	"context"
	"errors"
	"fmt"

	"bestand/preservation"
	"bestand/preservation/catalog"
)

// forgotten is the action in the audit log when a subject request was deleted.
const forgotten = "subject-request.delete"

// Forgets reports whether documents of a kind are deleted when their time has come.
func Forgets(kind string) bool { return kind == KindSubjectRequest }

// Forgotten reports whether a document that is gone from the bucket was deleted because
// its time had come: the audit log says so.
func Forgotten(ctx context.Context, t *catalog.Tenant, d preservation.ConfigObject) (bool, error) {
	if !Forgets(d.Kind) {
		return false, nil
	}
	told, err := t.View().Audited(ctx, forgotten, d.Name)
	return len(told) > 0, err
}

// forgetRequests deletes the subject requests whose day has come, from the bucket and
// then from the catalog. A lock that is still on them is waited for: it is not extended
// any more, and so lasts at most a horizon.
func (d *Disposer) forgetRequests(ctx context.Context, t *catalog.Tenant) error {
	past, err := d.Officer.pastRequests(ctx, t)
	if err != nil || len(past) == 0 {
		return err
	}
	v, err := d.Vault(ctx, t)
	if err != nil {
		return err
	}
	var failed []error
	for id, keys := range past {
		err := purgeAll(ctx, v, keys)
		switch {
		case errors.Is(err, preservation.ErrLocked):
			continue
		case err == nil:
			err = t.Update(ctx, func(x *catalog.Tx) error {
				return errors.Join(x.ForgetDocument(KindSubjectRequest, id), x.Audit(catalog.AuditEntry{Actor: System, Action: forgotten, Object: id}))
			})
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("delete subject request %s: %w", id, err))
		}
	}
	return errors.Join(failed...)
}

// purgeAll purges in order: the last version of a request says that it may go.
func purgeAll(ctx context.Context, v Vault, keys []string) error {
	for _, key := range keys {
		if err := v.Purge(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// pastRequests are the keys of the subject requests that are to be deleted, oldest
// version first.
func (o *Officer) pastRequests(ctx context.Context, t *catalog.Tenant) (map[string][]string, error) {
	all, err := SubjectRequests(ctx, t.View())
	if err != nil {
		return nil, err
	}
	today, err := o.Today(ctx, t)
	if err != nil {
		return nil, err
	}
	past := map[string][]string{}
	for _, q := range all {
		if q.Decision == nil || today.Before(q.Decision.DeleteFrom) {
			continue
		}
		for version := 1; version <= 2; version++ {
			d, err := t.View().Document(ctx, KindSubjectRequest, q.ID, version)
			if err != nil && !errors.Is(err, catalog.ErrNotFound) {
				return nil, err
			}
			if err == nil {
				past[q.ID] = append(past[q.ID], d.Key)
			}
		}
	}
	return past, nil
}
