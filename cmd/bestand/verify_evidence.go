package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"io"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/evidence"
	"bestand/preservation/timestamp"
)

// isEvidence tells an evidence record by its name.
func isEvidence(path string) bool {
	return strings.HasSuffix(path, ".er") || strings.HasSuffix(path, ".ers")
}

// verifyEvidence checks an evidence record against files. A package stands for
// all that is in it; other files are judged each, with no word on what else the
// record covers.
func verifyEvidence(ctx context.Context, path string, files []string, roots *x509.CertPool) ([]preservation.Finding, error) {
	der, err := readUpTo(path, evidence.MaxSize)
	if err != nil {
		return nil, err
	}
	record, err := evidence.Decode(der)
	if err != nil {
		return []preservation.Finding{{Code: "evidence-malformed", Severity: preservation.Failed, Subject: path, Detail: err.Error(), Clause: "RFC 4998, 3.1"}}, nil
	}
	c := evidence.Check{Trust: timestamp.Trust{Roots: roots}, At: time.Now()}
	var objects []evidence.Object
	var findings []preservation.Finding
	for _, name := range files {
		f, size, err := openSized(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		p, err := aip.Open(f, size)
		if err != nil {
			objects = append(objects, object(name, io.NewSectionReader(f, 0, size)))
			continue
		}
		// The record knows digests only; which file is which, the package says.
		findings = append(findings, aip.Verify(ctx, f, size, aip.Options{VerifySeal: sealCheck(roots)})...)
		m, err := p.Manifest()
		if err != nil {
			return nil, err
		}
		for _, e := range m.Entries {
			objects = append(objects, object(e.Path, io.NewSectionReader(f, e.Offset, e.Size)))
		}
		c.Group = true
	}
	return append(record.Verify(objects, c), findings...), nil
}

// object reads its bytes anew for every algorithm.
func object(name string, at *io.SectionReader) evidence.Object {
	return evidence.Object{Name: name, Digest: func(h crypto.Hash) ([]byte, error) {
		w := h.New()
		_, err := io.Copy(w, io.NewSectionReader(at, 0, at.Size()))
		return w.Sum(nil), err
	}}
}
