package sip

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"bestand/ingest/sip/bagit"
	"bestand/ingest/sip/container"
	"bestand/ingest/sip/eark"
	"bestand/ingest/sip/finding"
	"bestand/ingest/sip/xdomea"
	"bestand/preservation"
)

// Codes of findings of this package; those of the readers are theirs.
const (
	Unknown   = "unknown-package"  // none of the known forms
	Several   = "several-packages" // more than one package in one ZIP
	NoTitle   = "no-title"         // notice: the package gives no title, one was made up
	NoClass   = "no-class"         // notice: the package gives no code of the classification
	NoClosure = "no-closure"       // notice: the package does not say when the record was closed
	Clipped   = "metadata-clipped" // notice: a value is longer than metadata are kept; the files have it whole
)

// Message is the Document of files that describe the package and not the matter.
const Message = "_message"

// Limits bounds packages; see container.Limits.
type Limits = container.Limits

// Package is a package that may be taken in.
type Package struct {
	Format   string                 // such as "xdomea 3.0.0", "BagIt 1.0", "E-ARK SIP 2.1.0"
	Units    []Unit                 // at least one
	Findings []preservation.Finding // notices: taken all the same, and a person should see them
	Process  string                 // xdomea: ProzessID, lower-case; the answer to the sender carries it
	Message  string                 // xdomea: type of the message, such as 0503
}

// Unit is what becomes one record.
type Unit struct {
	// Metadata is what the package tells: what it does not tell, Producer and Class
	// among it, is empty. ProducerRecordID is always set and is the same whenever
	// the same thing is handed over again; Title falls back to it.
	Metadata preservation.Metadata
	Files    []File // at least one
}

// File is one file of a unit.
type File struct {
	Name     string // as the package calls it: raw bytes, with folders, never a path on this machine
	Title    string
	Document string // groups the files of one document; Message for those about the package
	Path     string // on this machine, in the folder given to Open, under a neutral name
	Size     int64
	preservation.Digests
	// Announced are the digests of these algorithms that the package gives; empty
	// when it gives none. They were compared.
	Announced preservation.Digests
}

// Refusal says why a package is not taken: with every finding, notices included.
// The same package gives the same answer.
type Refusal struct{ Findings []preservation.Finding }

func (r *Refusal) Error() string {
	for _, f := range r.Findings {
		if f.Severity == preservation.Failed {
			return fmt.Sprintf("package refused, %d findings: %s: %s", len(r.Findings), f.Code, f.Detail)
		}
	}
	return "package refused"
}

// Reader opens packages. The zero Reader takes any within the default limits.
// It may be used concurrently.
type Reader struct {
	Limits Limits
	// Receivers are the names, short names and codes by which xdomea messages
	// address this archive; empty means that nobody looks.
	Receivers []string
	// Schemas validates xdomea messages; nil means that they are not validated.
	Schemas *xdomea.Schemas
}

// Open opens the package at path, which its sender called name (or nothing), and
// unpacks it into the empty folder dir. The caller removes dir, whatever Open
// returns, when it no longer needs the files. A package that must not be taken is
// a *Refusal; any other error is a fault of the machine or the end of the context
// and worth another try.
func (r *Reader) Open(ctx context.Context, path, name, dir string) (*Package, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	o := opening{Reader: r, name: name, dir: dir}
	if o.c, err = container.Open(in, st.Size(), r.Limits, &o.found); err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	if o.found.Failed() {
		return nil, &Refusal{o.found.All()}
	}
	read, root, err := o.detect()
	if err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	if o.found.Failed() {
		return nil, &Refusal{o.found.All()}
	}
	if err := o.c.Extract(ctx, dir, &o.found); err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	if err := read(ctx, root); err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	if o.found.Failed() {
		return nil, &Refusal{o.found.All()}
	}
	for i := range o.pkg.Units {
		o.bound(&o.pkg.Units[i])
	}
	o.pkg.Findings = o.found.All()
	return &o.pkg, nil
}

// opening is one package on its way.
type opening struct {
	*Reader
	name  string
	dir   string
	c     *container.Container
	found finding.List
	pkg   Package
}

// detect finds the form of the package and its folder. A bag may hold anything,
// an E-ARK package may hold xdomea messages: the outermost form counts.
func (o *opening) detect() (read func(context.Context, string) error, root string, err error) {
	messages, err := xdomea.Detect(o.c)
	if err != nil {
		return nil, "", err
	}
	for _, form := range []struct {
		roots []string
		read  func(context.Context, string) error
	}{{bagit.Detect(o.c), o.readBag}, {eark.Detect(o.c), o.readEARK}, {messages, o.readXdomea}} {
		switch {
		case len(form.roots) == 1 || slices.Contains(form.roots, ""):
			slices.Sort(form.roots)
			return form.read, form.roots[0], nil
		case len(form.roots) > 1:
			o.found.Fail(Several, "", "", "the ZIP holds %d packages; send each of them alone", len(form.roots))
			return nil, "", nil
		}
	}
	o.found.Fail(Unknown, "", "", "the ZIP is none of the packages that are taken: an xdomea message with its files, an E-ARK SIP (METS.xml), a bag (bagit.txt)")
	return nil, "", nil
}

// file returns an unpacked entry as a file of a unit.
func file(e *container.Entry, name string, announced map[string]string) File {
	return File{Name: name, Path: e.Path, Size: e.Size, Digests: e.Digests,
		Announced: preservation.Digests{SHA256: announced["sha256"], SHA512: announced["sha512"]}}
}

// extra collects fields of metadata; values of one label are joined.
type extra map[string]string

func (x extra) add(label, value string) {
	if value == "" {
		return
	}
	if have := x[label]; have != "" && have != value {
		value = have + "; " + value
	}
	x[label] = value
}

// first returns the first text that is none but empty.
func first(texts ...string) string { return cmp.Or(texts...) }
