package main

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/catalog"
	"bestand/preservation/timestamp"
)

// TestKeysRenewedInService moves the clock of a service on by years: its daily job renews
// the keys, the service goes on with them, and what the old ones sealed stands.
func TestKeysRenewedInService(t *testing.T) {
	t.Parallel()
	in := install(t).serve(t)
	in.stop(t)
	a := in.opened(t)
	defer a.close()
	now := time.Now()
	a.now = func() time.Time { return now }
	if err := a.openKeys(t.Context(), true); err != nil { // with this clock
		t.Fatal(err)
	}
	s, err := a.assemble(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.index.Close(); err != nil {
			t.Error(err)
		}
		if err := s.pipeline.Close(); err != nil {
			t.Error(err)
		}
	}()
	type signed struct {
		at    time.Time
		seal  []byte
		ended time.Time // of the certificate
		token *timestamp.Token
	}
	content := []byte("METS")
	sum := sha256.Sum256(content)
	var all []signed
	for range 3 {
		if err := s.renew(t.Context(), a.catalog.Tenant(firstTenant), catalog.Job{}); err != nil {
			t.Fatal(err)
		}
		x := signed{at: now}
		if x.seal, err = s.pipeline.Sealer.Detached(t.Context(), content, catalog.Settings{}); err != nil {
			t.Fatal(err)
		}
		_, chain := a.sealing()
		x.ended = chain[0].NotAfter
		raw, err := a.stamper.Stamp(t.Context(), crypto.SHA256, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		if x.token, err = timestamp.Parse(raw); err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
		now = now.AddDate(4, 1, 0)
	}
	for i, x := range all {
		for _, f := range cades.Verify(x.seal, bytes.NewReader(content), cades.Trust{Roots: a.trust, At: x.at}) {
			if f.Severity == preservation.Failed {
				t.Errorf("seal %d: %+v", i, f)
			}
		}
		for _, f := range x.token.Check(crypto.SHA256, sum[:], timestamp.Trust{Roots: a.trust}, "time-stamp") {
			if f.Severity == preservation.Failed {
				t.Errorf("token %d: %+v", i, f)
			}
		}
		if x.ended.Before(x.at.AddDate(1, 0, 0)) {
			t.Errorf("on %s the certificate ends on %s", x.at, x.ended)
		}
		if i > 0 && !x.ended.After(all[i-1].ended) {
			t.Errorf("the key of %s is that of before", x.at)
		}
	}
}
