package fixity_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"slices"
	"testing"
	"time"

	"bestand/preservation"
	"bestand/preservation/fixity"
)

// undigested makes the catalog one that was made anew while the package could not be read,
// with a configuration that the store gives, and returns the digest that the package had.
func (a archived) undigested(t *testing.T) string {
	t.Helper()
	o, err := a.tenant.Object(t.Context(), a.id, preservation.PackageKey(a.id, 1))
	if err != nil {
		t.Fatal(err)
	}
	a.change(t, "UPDATE record_object SET sha256 = '' WHERE kind = 'package'")
	a.configured(t)
	return o.SHA256
}

// configured puts a small object into the bucket that belongs to no record.
func (a archived) configured(t *testing.T) {
	t.Helper()
	body := []byte("{}")
	digest := sha256.Sum256(body)
	if _, err := a.bucket.Put(t.Context(), preservation.ConfigKey("0001"), bytes.NewReader(body), preservation.PutOptions{Size: 2, SHA256: hex.EncodeToString(digest[:]),
		Lock: preservation.Lock{Mode: preservation.Compliance, Until: time.Now().Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
}

// state is the digest that the catalog has of the package, and the codes of what is known
// to be wrong with the record.
func (a archived) state(t *testing.T) (digest string, codes []string) {
	t.Helper()
	o, err := a.tenant.Object(t.Context(), a.id, preservation.PackageKey(a.id, 1))
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.tenant.View().Checked(t.Context(), a.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range c.Findings {
		codes = append(codes, f.Code)
	}
	return o.SHA256, codes
}

// TestUndigested: a package that could not be read when the catalog was made anew is told
// of until it can be, is proved by its seal then, and has a digest from then on. One whose
// bytes are not right gets none.
func TestUndigested(t *testing.T) {
	a := archive(t)
	want := a.undigested(t)
	o, err := a.bucket.Stat(t.Context(), preservation.PackageKey(a.id, 1), "")
	if err != nil {
		t.Fatal(err)
	}
	run(t, a.scrub(t, io.Discard, refusing{a.bucket, o.VersionID}), a)
	if digest, codes := a.state(t); digest != "" || !slices.Equal(codes, []string{fixity.CodeUnread}) {
		t.Errorf("unreadable: %q %v", digest, codes)
	}
	edit(t, a.file, flipBit)
	s := a.scrub(t, io.Discard, a.bucket)
	run(t, s, a)
	if digest, codes := a.state(t); digest != "" || !slices.Contains(codes, fixity.CodeUndigested) || !slices.Contains(codes, fixity.CodeObjectDigest) {
		t.Errorf("damaged: %q %v", digest, codes)
	}
	edit(t, a.file, flipBit)
	sealed := s.Checker.Seal
	s.Checker.Seal = func(io.Reader, []byte) []preservation.Finding {
		return []preservation.Finding{{Code: "signature", Severity: preservation.Failed}}
	}
	run(t, s, a)
	if digest, codes := a.state(t); digest != "" || !slices.Contains(codes, fixity.CodeUndigested) {
		t.Errorf("seal of another: %q %v", digest, codes)
	}
	s.Checker.Seal = sealed
	run(t, s, a)
	if digest, codes := a.state(t); digest != want || len(codes) > 0 {
		t.Errorf("readable again: %q %v", digest, codes)
	}
}

// TestUndigestedFromCopy: where the bucket does not give such a package any more, the
// second copy proves itself and repairs it.
func TestUndigestedFromCopy(t *testing.T) {
	d := double(t)
	want := d.undigested(t)
	d.follow(t)
	edit(t, d.file, flipBit)
	run(t, d.scrub(t, new(bytes.Buffer)), d.archived)
	if digest, codes := d.state(t); digest != want || len(codes) > 0 {
		t.Errorf("%q %v", digest, codes)
	}
	if told := d.told(t); !slices.ContainsFunc(told, func(e preservation.Event) bool { return e.Code == fixity.CodeMended }) {
		t.Errorf("%+v", told)
	}
}
