package verdict

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"bestand/preservation"
	"bestand/preservation/aip"
	"bestand/preservation/cades"
	"bestand/preservation/evidence"
	"bestand/preservation/timestamp"
)

// IsEvidence tells an evidence record by its name.
func IsEvidence(path string) bool {
	return strings.HasSuffix(path, ".er") || strings.HasSuffix(path, ".ers")
}

// Order refuses arguments of which nothing could be said, or not what was meant.
func Order(files []string) error {
	switch {
	case slices.ContainsFunc(files, func(f string) bool { return len(f) > 1 && f[0] == '-' }):
		return errors.New("flags come before files; a file whose name begins with a hyphen is named with its folder: ./-name")
	case slices.ContainsFunc(files[min(1, len(files)):], IsEvidence):
		return errors.New("an evidence record comes first, and behind it the files that it is about; one record at a time")
	case len(files) == 1 && IsEvidence(files[0]):
		return fmt.Errorf("%s: behind an evidence record come the package or the files that it is about", files[0])
	}
	return nil
}

// ErrForeign means that a file is of a form that holds evidence, but is not judged here.
var ErrForeign = errors.New("no package of the archive")

// foreign reports ErrForeign, and what can be done, for the forms that records are
// exported in. What is not told for sure passes: it may be a damaged package.
func foreign(r io.ReaderAt, size int64, path string) error {
	const covered = "its evidence record and the files that it covers can be verified"
	start := make([]byte, 1024)
	n, err := r.ReadAt(start, 0)
	if err != nil && err != io.EOF {
		return nil // whoever reads on says so
	}
	if bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(start[:n], []byte("\xef\xbb\xbf")), " \t\r\n"), []byte("<")) {
		return fmt.Errorf("%s: %w (AIP, a ZIP file) but XML: of an XAIP, "+covered+" once they are taken out of it", path, ErrForeign)
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil
	}
	for _, f := range z.File {
		if _, at, _ := strings.Cut(f.Name, "/"); at == aip.RecordPath || at == aip.MetsPath {
			return nil // in the root folder that a package has and an ASiC container has not
		}
	}
	if len(z.File) > 0 && z.File[0].Name == "mimetype" {
		return fmt.Errorf("%s: %w (AIP) but an ASiC container: unzip it; "+covered+": META-INF/evidencerecord001.ers FILE…", path, ErrForeign)
	}
	return fmt.Errorf("%s: %w (AIP) but another ZIP file, without "+aip.RecordPath+" and "+aip.MetsPath+" in it: bags, OCFL objects and xdomea messages have their own judges; the package comes with the profile aip", path, ErrForeign)
}

// Package verifies a package file with its seal. ErrForeign is no verdict: the file is an
// export of another form.
func Package(ctx context.Context, path string, roots *x509.CertPool) ([]preservation.Finding, error) {
	f, size, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := foreign(f, size, path); err != nil {
		return nil, err
	}
	return aip.Verify(ctx, f, size, aip.Options{VerifySeal: Seal(roots, time.Now)}), nil
}

// Seal verifies the CAdES signature over the METS of a package as of an instant, unless
// a time-stamp proves that it is older.
func Seal(roots *x509.CertPool, at func() time.Time) func(mets io.Reader, seal []byte) []preservation.Finding {
	return func(mets io.Reader, seal []byte) []preservation.Finding {
		return cades.Verify(seal, mets, cades.Trust{Roots: roots, At: at()})
	}
}

// Evidence verifies an evidence record against files, and its algorithms against a
// table. A package stands for all that is
// in it, and its seal is judged as of the time that the record proves; other files are
// judged each, with no word on what else the record covers.
func Evidence(ctx context.Context, path string, files []string, roots *x509.CertPool, algorithms *evidence.Suitability) ([]preservation.Finding, error) {
	der, err := read(path)
	if err != nil {
		return nil, err
	}
	record, err := evidence.Decode(der)
	if err != nil {
		return []preservation.Finding{{Code: "evidence-malformed", Severity: preservation.Failed, Subject: path, Detail: err.Error(), Clause: "RFC 4998, 3.1"}}, nil
	}
	c := evidence.Check{Trust: timestamp.Trust{Roots: roots}, At: time.Now(), Suitable: algorithms}
	var objects []evidence.Object
	var packages []func(at time.Time) []preservation.Finding
	for _, name := range files {
		f, size, err := open(name)
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
		packages = append(packages, func(at time.Time) []preservation.Finding {
			return aip.Verify(ctx, f, size, aip.Options{VerifySeal: Seal(roots, func() time.Time { return at })})
		})
		m, err := p.Manifest()
		if err != nil { // its own verification says what is wrong
			continue
		}
		for _, e := range m.Entries {
			objects = append(objects, object(e.Path, io.NewSectionReader(f, e.Offset, e.Size)))
		}
		c.Group = true
	}
	findings := append([]preservation.Finding{table(algorithms)}, record.Verify(objects, c)...)
	at := c.At
	if roots != nil && !failed(findings) {
		if token, err := timestamp.Parse(record.Chains[0][0].Token); err == nil {
			at = token.Time
		}
	}
	for _, p := range packages {
		findings = append(findings, p(at)...)
	}
	return findings, nil
}

// Algorithms reads a table of the suitability of algorithms; no path gives the one that
// comes with the program.
func Algorithms(path string) (*evidence.Suitability, error) {
	if path == "" {
		return evidence.BuiltIn(), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := evidence.ReadSuitability(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// table says by which table algorithms are judged, and of when it is.
func table(s *evidence.Suitability) preservation.Finding {
	whose := "of this program"
	if s != evidence.BuiltIn() {
		whose = "that was given"
	}
	reviewed := "without a date"
	if s.Reviewed != "" {
		reviewed = "reviewed on " + s.Reviewed
	}
	return preservation.Finding{Code: "algorithms-table", Severity: preservation.Passed, Clause: "RFC 5698",
		Detail: fmt.Sprintf("algorithms are judged by the table %s, %s", whose, reviewed)}
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, evidence.MaxSize+1)) // what is longer is no record
}

// object reads its bytes anew for every algorithm.
func object(name string, at *io.SectionReader) evidence.Object {
	return evidence.Object{Name: name, Digest: func(h crypto.Hash) ([]byte, error) {
		w := h.New()
		_, err := io.Copy(w, io.NewSectionReader(at, 0, at.Size()))
		return w.Sum(nil), err
	}}
}

// open opens a file and says how many bytes it has. The caller closes it.
func open(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}
