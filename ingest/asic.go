package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"bestand/ingest/sip/container"
	"bestand/ingest/sip/finding"
	"bestand/preservation"
	"bestand/preservation/xades"
)

const (
	maxContainerSignatures = 32       // files with signatures in one container
	maxContainerBytes      = 16 << 30 // unpacked, for all signatures together
)

// isASiC says by its name whether a file is a container with signatures over the
// files in it (EN 319 162-1, A.1).
func isASiC(name string) bool {
	return slices.Contains([]string{".asice", ".sce", ".asics", ".scs"}, strings.ToLower(path.Ext(name)))
}

// validateASiC checks the XAdES and CAdES signatures and the time-stamps in a container
// over the files in it.
func (w *work) validateASiC(ctx context.Context, f *file) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	var bad finding.List
	c, err := container.Open(in, f.Size, container.Limits{Entries: 10_000, Bytes: maxContainerBytes}, &bad)
	if err != nil {
		return err
	}
	if c == nil {
		found := bad.All()
		for i := range found { // it is the record's, not ours to refuse
			found[i].Severity = preservation.Notice
			found[i].Detail += ": the signatures and time-stamps in it were not validated"
		}
		w.validated(f, found)
		return nil
	}
	a := asic{work: w, container: c, covered: make(map[string]bool), stamped: make(map[string]bool), left: maxContainerBytes}
	for _, e := range c.Entries {
		if err := a.validate(ctx, e); err != nil {
			if _, ours := errors.AsType[*fs.PathError](err); ours || ctx.Err() != nil {
				return err
			}
			a.note("container-damaged", finding.Printable(e.Name), "it cannot be unpacked: "+err.Error())
		}
	}
	a.noteUncovered()
	w.validated(f, a.found)
	return nil
}

var errTooMuchSigned = fmt.Errorf("%w: signatures over more than %d in one container", xades.ErrTooMuch, maxContainerBytes)

// asic is a container whose signatures are being validated.
type asic struct {
	*work
	container  *container.Container
	signatures int
	stamps     int
	covered    map[string]bool   // by any signature whose value is right
	stamped    map[string]bool   // likewise by any time-stamp
	loose      []string          // named like signatures, and have none
	manifests  map[string]string // names, by those of the signatures over them; nil: not read yet
	unread     bool              // there are manifests that are not among them
	left       int64             // bytes that signatures may still ask for
	found      []preservation.Finding
}

func (a *asic) note(code, subject, detail string) {
	a.found = append(a.found, preservation.Finding{Code: code, Severity: preservation.Notice, Subject: subject, Detail: detail, Clause: "EN 319 162-1"})
}

// validate checks the signatures or the time-stamp in a file of the container
// (EN 319 162-1, 4.3.3 and 4.4.3).
func (a *asic) validate(ctx context.Context, e *container.Entry) error {
	name, inside := strings.CutPrefix(e.Name, "META-INF/")
	name = strings.ToLower(name)
	stamp := path.Ext(name) == ".tst" && strings.Contains(name, "timestamp")
	switch {
	case inside && strings.Contains(name, "evidencerecord") && !strings.Contains(name, "manifest"):
		how := "unpack the container and check it with bestand verify"
		if path.Ext(name) == ".xml" {
			how = "check it with a verifier of evidence records in XML (RFC 6283)"
		}
		a.note("evidence-unsupported", finding.Printable(e.Name), "not supported: the evidence record is present and was not validated: "+how)
		return nil
	case !inside || !stamp && !strings.Contains(name, "signature"):
		return nil
	case stamp:
		a.stamps++
	default:
		a.signatures++
	}
	if n := a.signatures + a.stamps; n > maxContainerSignatures {
		if n == maxContainerSignatures+1 {
			a.note("xml-signature-unsupported", "", fmt.Sprintf("not supported: more than %d files with signatures and time-stamps: check the rest with another verifier", maxContainerSignatures))
		}
		return nil
	}
	if stamp {
		return a.validateDetached(ctx, e, a.timeStamp())
	}
	if path.Ext(name) == ".p7s" {
		return a.validateDetached(ctx, e, a.cades())
	}
	if path.Ext(name) != ".xml" {
		a.note("signature-unsupported", finding.Printable(e.Name), "not supported: signatures in a container other than XAdES and CAdES: check it with another verifier")
		return nil
	}
	in, err := a.container.Reader(e)
	if err != nil {
		return err
	}
	defer in.Close()
	found, files, err := xades.Verify(ctx, in, xades.Options{Trust: a.strangers(), Open: a.open})
	if err == nil && len(found) == 0 {
		a.signatures--
		a.loose = append(a.loose, e.Name)
	}
	for _, name := range files {
		a.covered[path.Clean(name)] = true
	}
	for _, f := range found {
		f.Subject = strings.TrimSuffix(finding.Printable(e.Name)+", "+f.Subject, ", ")
		a.found = append(a.found, f)
	}
	return err
}

// open gives a file of the container by its name from the root, which is what
// signatures in META-INF mean (EN 319 162-1, 4.3.3.2).
func (a *asic) open(name string) (io.ReadCloser, error) {
	e, exact := a.container.Lookup(path.Clean(name))
	if !exact {
		return nil, fs.ErrNotExist
	}
	if a.left -= e.Size; a.left < 0 {
		return nil, errTooMuchSigned
	}
	in, err := a.container.Reader(e)
	if err != nil {
		return nil, damage(err)
	}
	return damaged{in}, nil
}

// damaged reads a file of the container. What is wrong with its bytes stays wrong and
// is a finding; what is wrong with the disk is not.
type damaged struct{ io.ReadCloser }

func (d damaged) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	return n, damage(err)
}

func damage(err error) error {
	if _, ours := errors.AsType[*fs.PathError](err); ours || err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("%w: %v", xades.ErrDamaged, err)
}

// noteUncovered tells of the files that anybody can have put into the container. What
// has a time-stamp and no signature beside others that are signed has no author.
func (a *asic) noteUncovered() {
	code, detail, open := "container-partly-covered", "no signature that was validated covers it", a.uncovered(a.covered)
	switch {
	case a.signatures == 0 && a.stamps == 0:
		a.note("signature-missing", "", "a container without a signature or time-stamp that is known here")
		return
	case a.signatures == 0:
		code, detail, open = "container-partly-stamped", "no time-stamp that was validated covers it, and nothing is signed", a.uncovered(a.stamped)
	}
	if len(open) == 0 {
		return
	}
	if more := len(open) - 1; more > 0 {
		detail += fmt.Sprintf("; more files of the container that none covers: %d", more)
	}
	a.note(code, finding.Printable(open[0]), detail)
}

// uncovered are the files that are not among those covered.
func (a *asic) uncovered(covered map[string]bool) (names []string) {
	for _, e := range a.container.Entries {
		if e.Name != "mimetype" && !covered[e.Name] && (!ofContainer(e.Name) || slices.Contains(a.loose, e.Name)) {
			names = append(names, e.Name)
		}
	}
	return names
}

// ofContainer says by its name whether a file is one of the container itself: a
// manifest, or what proves the others (EN 319 162-1, 4.3.3 and 4.4.3).
func ofContainer(name string) bool {
	name, inside := strings.CutPrefix(name, "META-INF/")
	if !inside || strings.Contains(name, "/") {
		return false
	}
	name = strings.ToLower(name)
	switch path.Ext(name) {
	case ".xml":
		return strings.HasPrefix(name, "manifest") || strings.HasPrefix(name, "asic") && strings.Contains(name, "manifest") ||
			strings.Contains(name, "signature") || strings.Contains(name, "evidencerecord")
	case ".p7s":
		return strings.Contains(name, "signature")
	case ".tst":
		return strings.Contains(name, "timestamp")
	case ".ers":
		return strings.Contains(name, "evidencerecord")
	}
	return false
}
