package proof_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
	"bestand/preservation/timestamp"
)

// refusing is a store that does not give some objects away, with an error.
type refusing struct {
	preservation.Store
	keys map[string]error
}

func (r refusing) Open(ctx context.Context, key, version string, off, length int64) (io.ReadCloser, error) {
	if err := r.keys[key]; err != nil {
		return nil, err
	}
	return r.Store.Open(ctx, key, version, off, length)
}

func (r refusing) Get(ctx context.Context, key, version string) (preservation.Object, io.ReadCloser, error) {
	if err := r.keys[key]; err != nil {
		return preservation.Object{}, nil, err
	}
	return r.Store.Get(ctx, key, version)
}

// TestAuditObjectAway has the store list segments and a seal that it does not give away:
// each is a finding, and all others are verified, handed out, sealed and stamped.
func TestAuditObjectAway(t *testing.T) {
	a, all := logged(t)
	broken := preservation.Down(preservation.PartStore, errors.New("500 internal error"))
	store := refusing{a.bucket, map[string]error{all[0].Name: preservation.ErrNotFound, all[1].Name + audit.SealSuffix: broken, all[3].Name: broken}}
	a.notary.Store = func(context.Context, *catalog.Tenant) (preservation.Store, error) { return store, nil }
	faults := map[string]bool{}
	a.must(a.notary.VerifyAudit(t.Context(), a.Tenant, a.trust, func(name string, found []preservation.Finding) error {
		for _, f := range found {
			faults[name] = faults[name] || f.Code == audit.CodeFault
		}
		return nil
	}))
	for i, s := range all {
		if faults[s.Name] != (i != 2) {
			t.Errorf("segment %d: %v", i, faults)
		}
	}
	given := a.segments(a.Tenant)
	if files := given[0].Files(); len(given) != 4 || len(files) != 1 || files[0].Name != all[0].Name+audit.FaultSuffix {
		t.Errorf("%d segments, %+v", len(given), files)
	}

	clear(store.keys)
	for range 2 {
		a.note(3)
		a.must(ledger.StoreAudit(t.Context(), a.Tenant, store, a.lock))
	}
	next := a.segments(a.Tenant)
	first := next[len(next)-2].Name
	store.keys[first] = broken
	if err := ledger.SealAudit(t.Context(), a.Tenant, store, a.lock, a.seal); !errors.Is(err, preservation.ErrUnavailable) || !strings.Contains(err.Error(), first) {
		t.Error(err)
	}
	left, err := a.View().WaitingAudit(t.Context(), false, "", 10)
	if a.must(err); len(left) != 1 || left[0].Key != first {
		t.Errorf("without a seal: %+v", left)
	}
	store.keys[all[3].Name] = broken // it waits for a stamp
	a.archived(1)
	if n, err := a.notary.Batch(t.Context(), a.Tenant); n != 1 || err != nil {
		t.Error("the record waits for the segment:", n, err)
	}
	for _, s := range a.segments(a.Tenant) {
		if waits := s.Name == first || s.Name == all[3].Name; waits != (s.Evidence == nil) {
			t.Errorf("%s: evidence %v, %s", s.Name, s.Evidence != nil, s.Fault)
		}
	}
}

// TestTokenOfWholeSeconds has an authority whose clock is behind and that states whole
// seconds: the second token is waited for, no longer than it takes.
func TestTokenOfWholeSeconds(t *testing.T) {
	a := newArchive(t)
	var err error
	a.tsa.Authority, err = timestamp.NewAuthority(timestamp.Config{Signer: a.keys.TSA.Signer, Chain: append(a.keys.TSA.Chain[:1:1], a.keys.CA.Certificate()),
		Now: func() time.Time { return time.Now().Add(-700 * time.Millisecond).Truncate(time.Second) }})
	a.must(err)
	begin := time.Now()
	for range 3 {
		a.archived(1)
		a.batch(1)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("three batches took %s", took)
	}
}
