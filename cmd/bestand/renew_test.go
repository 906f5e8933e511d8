package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/cades/cms"
	"bestand/preservation/catalog"
	"bestand/preservation/pki"
	"bestand/preservation/timestamp"
	"bestand/preservation/verdict"
)

// TestKeysRenewedInService moves the clock of a service on by years: its daily job renews
// the keys, the service goes on with them, and what the old ones sealed stands.
func TestKeysRenewedInService(t *testing.T) {
	in := install(t).serve(t)
	in.stop(t)
	now := time.Now()
	s := in.assembled(t, &now)
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
		if err := s.renew(t.Context(), s.catalog.Tenant(firstTenant), catalog.Job{}); err != nil {
			t.Fatal(err)
		}
		x := signed{at: now}
		var err error
		if x.seal, err = s.pipeline.Sealer.Detached(t.Context(), content, catalog.Settings{}); err != nil {
			t.Fatal(err)
		}
		_, chain := s.sealing()
		x.ended = chain[0].NotAfter
		raw, err := s.stamper.Stamp(t.Context(), crypto.SHA256, sum[:])
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
		for _, f := range cades.Verify(x.seal, bytes.NewReader(content), cades.Trust{Roots: s.trust, At: x.at}) {
			if f.Severity == preservation.Failed {
				t.Errorf("seal %d: %+v", i, f)
			}
		}
		for _, f := range x.token.Check(crypto.SHA256, sum[:], timestamp.Trust{Roots: s.trust}, "time-stamp") {
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

// assembled are the parts of a service that does not run, by a clock of the test's own.
// They take the process's folder for temporary files to the installation: other tests
// must not run beside.
func (in *installation) assembled(t *testing.T, now *time.Time) *service {
	t.Helper()
	t.Setenv("TMPDIR", os.TempDir())
	a := in.opened(t)
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	a.now = func() time.Time { return *now }
	if err := a.openKeys(t.Context(), true); err != nil { // with this clock
		t.Fatal(err)
	}
	s, err := a.assemble(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.index.Close(); err != nil {
			t.Error(err)
		}
		if err := s.pipeline.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestEvidenceRenewedWithoutKeys renews evidence that ends soon, by the time-stamps of another
// authority, while the archive's own keys cannot be renewed, and these once they can.
func TestEvidenceRenewedWithoutKeys(t *testing.T) {
	in := install(t).serve(t)
	admin := in.admin(t)
	_, r := admin.archive(about("1", "63.10", "Bauantrag"), file("plan.bin", blob("Plan")))
	admin.post("/v1/evidence/batches", nil).want(t, 200)
	in.stop(t)
	now := time.Now()
	s := in.assembled(t, &now)
	_, before := s.sealing()
	password := s.cfg.path("keys/password")
	secret, err := os.ReadFile(password)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(password); err != nil {
		t.Fatal(err)
	}
	now = now.AddDate(4, 8, 0)
	others, err := pki.Open(filepath.Join(t.TempDir(), "keys"), now, pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.trust.AddCert(others.CA.Certificate())
	s.notary.Stamper, err = timestamp.NewAuthority(timestamp.Config{Signer: others.TSA.Signer, Chain: others.TSA.Chain, Now: s.now})
	if err != nil {
		t.Fatal(err)
	}
	s.notary.Revocation = func(context.Context, []byte) ([][]byte, error) { return nil, nil }
	tenant := s.catalog.Tenant(firstTenant)
	if err := s.renew(t.Context(), tenant, catalog.Job{}); err == nil || !strings.Contains(err.Error(), "renew keys") {
		t.Errorf("without the password of the keys: %v", err)
	}
	proof, err := s.notary.Record(t.Context(), tenant, preservation.RecordID(r.ID), 1)
	if err != nil {
		t.Fatal(err)
	}
	if stamps := len(proof.Chains[0]); stamps != 2 {
		t.Errorf("%d time-stamps instead of the first and its renewal", stamps)
	}
	if err := os.WriteFile(password, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	// The folder has successors already when the service takes them over.
	if err := s.renewed(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.renew(t.Context(), tenant, catalog.Job{}); err != nil {
		t.Error(err)
	}
	if _, after := s.sealing(); !after[0].NotAfter.After(before[0].NotAfter) {
		t.Error("the service seals with the old key")
	}
	sum := sha256.Sum256(nil)
	raw, err := s.stamper.Stamp(t.Context(), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	token, err := timestamp.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !token.Path()[0].Equal(s.keys.TSA.Chain[0]) {
		t.Error("the service stamps with the old key")
	}
}

// TestEndingBesideRenewal: what is told of the time-stamps made here is of the key that makes
// them; the folder of keys, which may be being renewed, is not looked at.
func TestEndingBesideRenewal(t *testing.T) {
	keys, err := pki.Open(filepath.Join(t.TempDir(), "keys"), time.Now(), pki.Options{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := timestamp.NewAuthority(timestamp.Config{Signer: keys.TSA.Signer, Chain: keys.TSA.Chain})
	if err != nil {
		t.Fatal(err)
	}
	table := strings.Replace(string(algorithms(t)), `{"name": "SHA-256"}`, `{"name": "SHA-256", "until": "2020-01-01"}`, 1)
	path := filepath.Join(t.TempDir(), "algorithms.json")
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &archive{now: time.Now, stamper: own, seal: keys.Seal}
	if a.suitable, err = verdict.Algorithms(path); err != nil {
		t.Fatal(err)
	}
	subject := keys.TSA.Certificate().Subject.String()
	if found := a.ending(); !slices.ContainsFunc(found, func(f preservation.Finding) bool { return f.Subject == subject }) {
		t.Errorf("%+v", found)
	}
}

// TestDigestEnds: when SHA-256 ends by the table, nothing that the archive makes from then on
// rests on it: seals with their certificates, receipts, time-stamps and hash trees.
func TestDigestEnds(t *testing.T) {
	end := time.Now().AddDate(1, 0, 0)
	table := strings.Replace(string(algorithms(t)), `{"name": "SHA-256"}`, `{"name": "SHA-256", "until": "`+end.Format(time.DateOnly)+`"}`, 1)
	path := filepath.Join(t.TempDir(), "algorithms.json")
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	in := install(t, "--algorithms", path).serve(t)
	in.admin(t).archive(about("1", "63.10", "Bauantrag"), file("plan.bin", blob("Plan")))
	in.stop(t)
	now := time.Now()
	s := in.assembled(t, &now)
	tenant := s.catalog.Tenant(firstTenant)
	rests := func() (names []string) {
		t.Helper()
		if err := s.renew(t.Context(), tenant, catalog.Job{}); err != nil {
			t.Fatal(err)
		}
		add := func(all []timestamp.Algorithm) {
			for _, a := range all {
				names = append(names, a.Name)
			}
		}
		seal, err := s.pipeline.Sealer.Detached(t.Context(), []byte("METS"), catalog.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range cades.Verify(seal, strings.NewReader("METS"), cades.Trust{Roots: s.trust, At: now}) {
			if f.Severity == preservation.Failed {
				t.Errorf("seal: %+v", f)
			}
		}
		signed, err := cms.Parse(seal)
		if err != nil {
			t.Fatal(err)
		}
		add([]timestamp.Algorithm{{Name: signed.Signers[0].Hash.String()}})
		_, chain := s.sealing()
		add(timestamp.PathAlgorithms(chain))
		stamps, err := cades.Stamps(seal)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range stamps {
			add(token.Algorithms())
		}
		receipt, err := s.pipeline.Sealer.JWS([]byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(receipt, ".")
		header, err := base64.RawURLEncoding.DecodeString(head)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(header, []byte("ES256")) {
			names = append(names, "SHA-256")
		}
		if found := s.ending(); len(found) > 0 {
			t.Errorf("the archive cannot exchange by itself: %+v", found)
		}
		return names
	}
	if names := rests(); !slices.Contains(names, "SHA-256") || slices.Contains(names, "SHA-384") {
		t.Errorf("while it is suitable: %v", names)
	}
	now = now.AddDate(0, 9, 0)
	if names := rests(); slices.Contains(names, "SHA-256") || !slices.Contains(names, "SHA-384") {
		t.Errorf("shortly before it ends: %v", names)
	}
	if _, err := s.notary.Batch(t.Context(), tenant); err != nil {
		t.Fatal(err)
	}
	newest, err := tenant.View().NewestStamp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if newest.Digest == "SHA-256" || slices.ContainsFunc(newest.Rests, func(a timestamp.Algorithm) bool { return a.Name == "SHA-256" }) {
		t.Errorf("new evidence: %+v", newest)
	}
}

// TestAlgorithmEnds: what the archive cannot exchange by itself is said with what to do.
func TestAlgorithmEnds(t *testing.T) {
	table := strings.Replace(string(algorithms(t)), `{"name": "ECDSA", "bits": 250}`, `{"name": "ECDSA", "bits": 250, "until": "`+time.Now().AddDate(0, 1, 0).Format(time.DateOnly)+`"}`, 1)
	path := filepath.Join(t.TempDir(), "algorithms.json")
	if err := os.WriteFile(path, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	in := install(t, "--algorithms", path).serve(t)
	in.stop(t)
	now := time.Now()
	found := in.assembled(t, &now).ending()
	for i, flag := range []string{"--seal-key", "--tsa-url"} {
		if len(found) != 2 || !strings.Contains(found[i].Detail, "ECDSA with 256 bits") || !strings.Contains(found[i].Detail, flag) {
			t.Errorf("want %s: %+v", flag, found)
		}
	}
	if !strings.Contains(in.log.tail(100), "algorithm of a key ends") {
		t.Error("the log of the service does not tell")
	}
}

// algorithms is the table that comes with the program.
func algorithms(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../../preservation/evidence/suitability.json")
	if err != nil {
		t.Fatal(err)
	}
	return b
}
