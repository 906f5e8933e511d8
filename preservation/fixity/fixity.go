// Package fixity reads back what is stored and compares it with everything that
// is known of it: the bytes of every object with the digest in the catalog, each
// package with itself and its seal, the files with the catalog's rows, the
// versions and locks of the keys with what an archive may have.
//
// A check never stops at its first finding and never takes an unreadable byte
// for a good one: it returns every finding, or an error when store or catalog
// could not be asked, which says nothing about the record.
package fixity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/catalog"
)

// Codes of findings, beside those of package aip.
const (
	CodeIntact       = "record-intact"        // passed: all that was checked agrees
	CodeObjectGone   = "object-missing"       // the catalog names it, the store has no such version
	CodeObjectDigest = "object-digest"        // its bytes are not those that were stored
	CodeObjectSize   = "object-size"          //
	CodeSurplus      = "surplus-version"      // a key has more than one version, or a delete marker
	CodeUnknown      = "unknown-object"       // below the record's keys, and the catalog does not know it
	CodeLockGone     = "lock-missing"         // nothing forbids its deletion
	CodeCatalogFile  = "catalog-file-differs" // a row of the catalog says something else than the package
	CodeCatalogMeta  = "catalog-metadata-differs"
)

// Checker verifies records.
type Checker struct {
	// Seal checks the seal of a package over its METS.
	Seal func(mets, seal []byte) []preservation.Finding
	// Dir is for packages too large to be held in memory.
	Dir string
	Now func() time.Time
}

// inMemory is the size in bytes up to which a package is not put on disk.
const inMemory = 16 << 20

// Record verifies everything that the store holds of a record.
func (c *Checker) Record(ctx context.Context, t *catalog.Tenant, s preservation.Store, id preservation.RecordID) ([]preservation.Finding, error) {
	entry, err := t.Record(ctx, id)
	if err != nil {
		return nil, err
	}
	known, err := t.Objects(ctx, id)
	if err != nil {
		return nil, err
	}
	r := &check{Checker: c, store: s, entry: entry}
	keys := map[string]bool{}
	for _, o := range known {
		keys[o.Key] = true
		if err := r.object(ctx, o); err != nil {
			return nil, fmt.Errorf("%s: %w", o.Key, err)
		}
	}
	for _, prefix := range []string{preservation.PackagePrefix(id), preservation.EventPrefix(id)} {
		if err := r.versions(ctx, prefix, keys); err != nil {
			return nil, err
		}
	}
	for _, f := range r.findings {
		if f.Severity == preservation.Failed {
			return r.findings, nil
		}
	}
	return append(r.findings, preservation.Finding{Code: CodeIntact, Severity: preservation.Passed, Subject: string(id),
		Detail: fmt.Sprintf("%d objects read back and compared", len(known))}), nil
}

type check struct {
	*Checker
	store    preservation.Store
	entry    catalog.Entry
	findings []preservation.Finding
}

func (r *check) fail(subject, code, format string, args ...any) {
	r.findings = append(r.findings, preservation.Finding{Code: code, Severity: preservation.Failed, Subject: subject, Detail: fmt.Sprintf(format, args...)})
}

// object checks one object that the catalog knows.
func (r *check) object(ctx context.Context, o catalog.RecordObject) error {
	have, err := r.store.Stat(ctx, o.Key, o.VersionID)
	if errors.Is(err, preservation.ErrNotFound) {
		r.fail(o.Key, CodeObjectGone, "version %s is not in the store", o.VersionID)
		return nil
	}
	if err != nil {
		return err
	}
	if have.Lock.Mode == preservation.Unlocked || !have.Lock.Until.After(r.Now()) {
		r.fail(o.Key, CodeLockGone, "no lock is in force; it was expected until %s", r.entry.Lock.Until.UTC().Format(time.RFC3339))
	}
	if have.Size != o.Size {
		r.fail(o.Key, CodeObjectSize, "%d bytes, stored were %d", have.Size, o.Size)
	}
	content, sum, err := r.read(ctx, have)
	if errors.Is(err, preservation.ErrNotFound) {
		r.fail(o.Key, CodeObjectGone, "its bytes are not in the store")
		return nil
	}
	if err != nil {
		return err
	}
	defer content.Close()
	if sum != o.SHA256 {
		r.fail(o.Key, CodeObjectDigest, "SHA-256 is %s, stored was %s", sum, o.SHA256)
	}
	if o.Kind == "package" {
		r.pkg(ctx, content, have.Size, o.Version)
	}
	return nil
}

// pkg checks a package in itself and against the catalog.
func (r *check) pkg(ctx context.Context, content io.ReaderAt, size int64, version int) {
	r.findings = append(r.findings, aip.Verify(ctx, content, size, aip.Options{VerifySeal: r.Seal})...)
	p, err := aip.Open(content, size)
	if err != nil || version != r.entry.Version {
		return // the findings say why, or the newest version is the one to compare with
	}
	rec := p.Record()
	if catalog.Fingerprint(rec.Metadata, nil) != catalog.Fingerprint(r.entry.Metadata, nil) {
		r.fail(string(rec.ID), CodeCatalogMeta, "the metadata in the catalog are not those of the package")
	}
	for _, f := range rec.Files {
		row, ok := r.entry.File(f.ID)
		switch {
		case !ok:
			r.fail(string(f.ID), CodeCatalogFile, "the catalog has no row for it")
		case row.Name != f.Name:
			r.fail(string(f.ID), CodeCatalogFile, "the catalog has another name for it")
		case row.Digests != f.Digests || row.Size != f.Size:
			r.fail(string(f.ID), CodeCatalogFile, "the catalog has another size or digest for it")
		}
	}
	if len(r.entry.Files) > len(rec.Files) {
		r.fail(string(rec.ID), CodeCatalogFile, "the catalog has %d files, the package %d", len(r.entry.Files), len(rec.Files))
	}
}

// versions looks for what should not be there.
func (r *check) versions(ctx context.Context, prefix string, known map[string]bool) error {
	count := map[string]int{}
	for o, err := range r.store.Versions(ctx, prefix) {
		if err != nil {
			return err
		}
		if count[o.Key]++; count[o.Key] == 2 || o.Marker {
			r.fail(o.Key, CodeSurplus, "more than one version, or a delete marker: something wrote here that must not")
		}
		if !known[o.Key] && count[o.Key] == 1 {
			r.findings = append(r.findings, preservation.Finding{Code: CodeUnknown, Severity: preservation.Notice, Subject: o.Key,
				Detail: "the catalog does not know this object yet"})
		}
	}
	return nil
}

// content is an object that was read once and can be read again.
type content interface {
	io.ReaderAt
	io.Closer
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

// temporary is a file that is removed when it is closed.
type temporary struct{ *os.File }

func (t temporary) Close() error { return errors.Join(t.File.Close(), os.Remove(t.Name())) }

// read fetches all bytes of a version with their SHA-256.
func (r *check) read(ctx context.Context, o preservation.Object) (content, string, error) {
	body, err := r.store.Open(ctx, o.Key, o.VersionID, 0, -1)
	if err != nil {
		return nil, "", err
	}
	defer body.Close()
	h := sha256.New()
	if o.Size <= inMemory {
		var b bytes.Buffer
		b.Grow(int(o.Size))
		_, err := io.Copy(io.MultiWriter(&b, h), body)
		return memory{bytes.NewReader(b.Bytes())}, hex.EncodeToString(h.Sum(nil)), err
	}
	f, err := os.CreateTemp(r.Dir, "verify-*")
	if err != nil {
		return nil, "", err
	}
	if _, err := io.Copy(io.MultiWriter(f, h), body); err != nil {
		return nil, "", errors.Join(err, temporary{f}.Close())
	}
	return temporary{f}, hex.EncodeToString(h.Sum(nil)), nil
}
