package replica

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/audit"
	"bestand/preservation/cades"
	"bestand/preservation/catalog"
	"bestand/preservation/ledger"
	"bestand/preservation/pki"
)

// TestSegments: the segments of the audit log and their seals reach the second copy, and
// prove the log there by themselves. One that the second copy loses is told once, and
// brought again; what it never had is not told.
func TestSegments(t *testing.T) {
	s := newSite(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	k, err := pki.Open(filepath.Join(t.TempDir(), "keys"), time.Now(), pki.Options{})
	must(err)
	roots := x509.NewCertPool()
	roots.AddCert(k.CA.Certificate())
	lock := preservation.Lock{Mode: preservation.Compliance, Until: time.Now().AddDate(0, 0, 60)}
	for range 2 {
		for range 3 {
			must(s.tenant.Audit(t.Context(), catalog.AuditEntry{Actor: "anna", Action: "record.read", Object: "x"}))
		}
		must(ledger.StoreAudit(t.Context(), s.tenant, s.one, lock))
		must(ledger.SealAudit(t.Context(), s.tenant, s.one, lock, func(ctx context.Context, content []byte) ([]byte, error) {
			return cades.SignReader(ctx, bytes.NewReader(content), cades.Options{Signer: k.Seal.Signer, Chain: k.Seal.Chain, Time: time.Now()})
		}))
	}
	must(s.run(t))

	read := func(key string) []byte {
		t.Helper()
		_, body, err := s.second.Get(t.Context(), key, "")
		must(err)
		data, err := io.ReadAll(body)
		must(errors.Join(err, body.Close()))
		return data
	}
	proven := func() (segments []string) {
		t.Helper()
		chain := audit.Chain{Check: audit.Check{Tenant: s.tenant.ID(), Roots: roots, At: time.Now()}}
		for o, err := range s.second.Versions(t.Context(), audit.Prefix) {
			must(err)
			if there, err := s.second.Stat(t.Context(), o.Key, ""); err != nil || there.Lock.Mode != preservation.Compliance || there.Lock.Until.Before(lock.Until.Truncate(time.Second)) {
				t.Errorf("%s: %+v, %v", o.Key, there.Lock, err)
			}
			if strings.HasSuffix(o.Key, audit.SealSuffix) {
				continue
			}
			segments = append(segments, o.Key)
			sealed := false
			for _, f := range chain.Add(audit.Segment{Name: o.Key, Content: read(o.Key), Seal: read(o.Key + audit.SealSuffix)}) {
				if f.Severity == preservation.Failed {
					t.Errorf("%+v", f)
				}
				sealed = sealed || f.Code == audit.CodeSealed
			}
			if !sealed {
				t.Errorf("%s: its seal does not stand", o.Key)
			}
		}
		if len(segments) != 2 || chain.Last.Seq != 6 {
			t.Errorf("%v up to entry %d", segments, chain.Last.Seq)
		}
		return segments
	}
	lost := proven()[0]

	begin := time.Now()
	told := func(days, want int) {
		t.Helper()
		s.Now = func() time.Time { return begin.AddDate(0, 0, days) }
		must(s.run(t))
		found, err := s.tenant.View().Findings(t.Context(), "")
		must(err)
		entries, err := s.tenant.View().Audited(t.Context(), "fixity.finding", lost)
		if err != nil || len(found) != want || len(entries) != want || strings.Contains(s.log.String(), "has lost an object") != (want > 0) {
			t.Errorf("day %d: %+v, %+v, %v\n%s", days, found, entries, err, &s.log)
		}
		for _, f := range found {
			if f.Code != CodeMissing || f.Subject != lost {
				t.Errorf("%+v", f)
			}
		}
		proven()
	}
	must(s.tenant.Update(t.Context(), func(x *catalog.Tx) error {
		return setSurvey(x, Survey{Place: s.Place, Ended: begin.Add(overlap / 2)})
	}))
	s.lose(t, lost)
	s.put(t, s.first, "cfg/new.json", "written when the service was killed", 60*24*time.Hour)
	told(8, 0) // they may have come after the listing
	s.copied(t, "cfg/new.json", "written when the service was killed")
	s.lose(t, lost)
	told(16, 1)
	s.lose(t, lost)
	told(24, 1) // once, until the second copy is looked at
}
