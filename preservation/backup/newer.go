package backup

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
)

// wanted says which entries of the later run are brought: the proof that a record was
// destroyed later belongs to it, and so do holds that were set or released since, with all
// else that decides on destruction by now. The audit log is one chain, which goes on behind
// its end.
func (r *Restore) wanted(t preservation.TenantID, stones map[preservation.RecordID]catalog.Tombstone, out *Restored) (func(Entry) (bool, error), error) {
	had := map[string]bool{} // documents and segments of the audit log that the run has
	for e, err := range r.Run.Entries(t) {
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(e.Key, documents) || strings.HasPrefix(e.Key, audit.Prefix) {
			had[e.Key] = true
		}
	}
	grown, err := r.grown(t, stones)
	if err != nil {
		return nil, err
	}
	return func(e Entry) (bool, error) {
		switch {
		case had[e.Key]:
			return false, nil
		case strings.HasPrefix(e.Key, audit.Prefix):
			return true, nil
		case strings.HasPrefix(e.Key, documents):
			d, err := r.Newer.document(t, e)
			if damaged(err) {
				out.fail(e.Key, err)
				return false, nil
			}
			return r.Decides(d.Kind), err
		}
		id, ok := recordOf(e.Key)
		if stone, gone := stones[id]; gone {
			return ok && r.Stays(stone, e.Key), nil
		}
		if !slices.Contains(grown[id], e.Key) {
			return false, nil
		}
		out.Grown++
		return true, nil
	}, nil
}

// grown are the keys of the later run, by record, that came to records of the run which
// live. Of an end that was begun nothing comes: it is for the new archive to begin it. Nor
// do events of legal holds, which it sets and notes anew by the documents.
func (r *Restore) grown(t preservation.TenantID, stones map[preservation.RecordID]catalog.Tombstone) (map[preservation.RecordID][]string, error) {
	keys := map[preservation.RecordID][]string{}
	next, stop := iter.Pull2(r.Run.Entries(t))
	defer stop()
	had, err, more := next()
	for e, fault := range r.Newer.Entries(t) {
		for more && err == nil && had.Key < e.Key {
			had, err, more = next()
		}
		if err := errors.Join(err, fault); err != nil {
			return nil, err
		}
		id, ok := recordOf(e.Key)
		if !ok || e.Intent || e.Tombstone != nil || more && had.Key == e.Key {
			continue
		}
		if hold, err := r.Newer.tellsOfHold(t, e); err != nil {
			return nil, err
		} else if !hold {
			keys[id] = append(keys[id], e.Key)
		}
	}
	return keys, r.Run.ofLiving(t, keys, stones)
}

// ofLiving leaves those records of which the run has a package and that have no tombstone.
func (r *Run) ofLiving(t preservation.TenantID, keys map[preservation.RecordID][]string, stones map[preservation.RecordID]catalog.Tombstone) error {
	living := map[preservation.RecordID]bool{}
	for e, err := range r.Entries(t) {
		if err != nil {
			return err
		}
		id, _, ok := preservation.ParsePackageKey(e.Key)
		if _, gone := stones[id]; ok && !gone && len(keys[id]) > 0 {
			living[id] = true
		}
	}
	maps.DeleteFunc(keys, func(id preservation.RecordID, _ []string) bool { return !living[id] })
	return nil
}

// tellsOfHold reports whether an entry is an event about a legal hold. One that cannot be
// read is brought, which says what is wrong with it.
func (r *Run) tellsOfHold(t preservation.TenantID, entry Entry) (bool, error) {
	if !strings.HasPrefix(entry.Key, events) || entry.Size > preservation.MaxEventObject {
		return false, nil
	}
	f, err := r.open(t, entry)
	if damaged(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, preservation.MaxEventObject))
	if err != nil {
		return false, err
	}
	e, _, err := preservation.DecodeEventObject(data)
	return err == nil && e.Event.Type == preservation.EventHold, nil
}

// Succeeds refuses a later run that is not one of the same archive: it has every document
// that the earlier one has, but those of kinds that are deleted when their time has come.
func (r *Run) Succeeds(earlier *Run, deleted func(kind string) bool) error {
	for _, tenant := range earlier.Tenants {
		if !r.has(tenant.ID) {
			return fmt.Errorf("the later backup has no tenant %s: it is one of another archive", tenant.ID)
		}
		later := map[string]string{}
		for e, err := range r.Entries(tenant.ID) {
			if err != nil {
				return err
			}
			if strings.HasPrefix(e.Key, documents) {
				later[e.Key] = e.SHA256
			}
		}
		for e, err := range earlier.Entries(tenant.ID) {
			if err != nil {
				return err
			}
			if strings.HasPrefix(e.Key, documents) && later[e.Key] != e.SHA256 {
				if later[e.Key] == "" {
					if d, err := earlier.document(tenant.ID, e); err == nil && deleted(d.Kind) {
						continue
					}
				}
				return fmt.Errorf("the later backup of tenant %s does not have %s as the earlier one has it: it is one of another archive", tenant.ID, e.Key)
			}
		}
	}
	return nil
}
