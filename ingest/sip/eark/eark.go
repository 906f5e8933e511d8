package eark

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"bestand/ingest/sip/container"
	"bestand/ingest/sip/finding"
	"bestand/ingest/xmltree"
)

// Codes of findings besides those of package xmltree.
const (
	BadMETS      = "mets-invalid"      // another root element, or without identifier
	NotSIP       = "eark-not-a-sip"    // OAISPACKAGETYPE is another
	BadReference = "mets-reference"    // a reference that leaves the package or is none
	Missing      = "mets-missing-file" // METS names it, the package does not have it
	NoDigest     = "mets-no-digest"    // METS names it without a checksum
	Mismatch     = "digest-mismatch"   // bytes that do not fit their checksum or size
	NoContent    = "eark-no-content"   // nothing in representations
	WeakDigest   = "weak-digest"       // notice: MD5 or SHA-1 only
	UnknownSum   = "unknown-digest"    // notice: an algorithm that is not computed here
	Unlisted     = "mets-unlisted"     // notice: a file that no METS names
	Profile      = "eark-profile"      // notice: PROFILE is not that of a SIP
	OtherFolder  = "eark-folder"       // notice: the root folder is not named as OBJID
	LooseName    = "mets-name-variant" // notice: named in another normalisation or encoding
)

const (
	csipNamespace  = "https://DILCIS.eu/XML/METS/CSIPExtensionMETS"
	xlinkNamespace = "http://www.w3.org/1999/xlink"
	metsNamespace  = "http://www.loc.gov/METS/"
	metsName       = "METS.xml"
)

// Package is a valid SIP.
type Package struct {
	ID      string // mets/@OBJID
	Label   string
	Version string // of the profile, such as "2.1.0"; empty when it does not tell
	Type    string // content category, such as "Textual works – Print"
	Content string // content information type
	Created string // metsHdr/@CREATEDATE
	Agents  []Agent
	Alt     []Field // altRecordID: TYPE and value
	Files   []File
	Described
}

// Agent is a metsHdr/agent.
type Agent struct{ Role, Type, Name string }

// Field is a named value.
type Field struct{ Label, Value string }

// Creator returns the name of the first agent that is an organisation or
// person, the archival creator before others.
func (p *Package) Creator() string {
	for _, role := range []string{"ARCHIVIST", "CREATOR", "IPOWNER", ""} {
		for _, a := range p.Agents {
			if (role == "" || a.Role == role) && (a.Type == "ORGANIZATION" || a.Type == "INDIVIDUAL") && a.Name != "" {
				return a.Name
			}
		}
	}
	return ""
}

// File is a file of the package.
type File struct {
	*container.Entry
	Name           string            // raw bytes, relative to the root folder
	Representation string            // its name, or nothing for what describes the package
	Data           bool              // content, not metadata, schema or documentation
	Announced      map[string]string // checksums by algorithm, lower-case
}

type reader struct {
	c      *container.Container
	root   string
	found  *finding.List
	pkg    Package
	files  map[*container.Entry]*File
	listed map[*container.Entry]bool

	weak    int    // files with MD5 or SHA-1 only
	unknown string // an algorithm that is not computed here
}

// Detect returns the folders, "" or with a slash, that hold a METS.xml.
func Detect(c *container.Container) []string { return c.Roots(metsName) }

// Read reads the package in the folder root of an unpacked container. The
// Package means nothing when found has failed; an error is a fault of the machine.
func Read(ctx context.Context, c *container.Container, root string, found *finding.List) (*Package, error) {
	r := &reader{c: c, root: root, found: found, files: map[*container.Entry]*File{}, listed: map[*container.Entry]bool{}}
	content := r.sort()
	var mets []*container.Entry
	for _, e := range c.Entries {
		if f := r.files[e]; f != nil && isMETS(f.Name) {
			mets = append(mets, e)
			r.listed[e] = true
		}
	}
	for _, e := range mets {
		if err := r.readMETS(ctx, r.files[e]); err != nil {
			return nil, fmt.Errorf("read E-ARK package: %w", err)
		}
	}
	if r.weak > 0 {
		found.Note(WeakDigest, "CSIP72", metsName, "%d checksums are MD5 or SHA-1, which protect from accidents only", r.weak)
	}
	if r.unknown != "" {
		found.Note(UnknownSum, "CSIP72", metsName, "%q is not computed here: its checksums are kept and not checked", r.unknown)
	}
	if content == 0 {
		found.Fail(NoContent, "CSIPSTR10", "representations/", "the package has no file in a representation")
	}
	for _, e := range c.Entries {
		f := r.files[e]
		if f == nil {
			continue
		}
		r.pkg.Files = append(r.pkg.Files, *f)
		if !r.listed[e] {
			found.Note(Unlisted, "CSIP58", f.Name, "no METS names it: it is kept, but nothing tells whether it arrived unchanged")
		}
	}
	return &r.pkg, nil
}

// isMETS reports whether a file is the METS of the package or of a representation.
func isMETS(name string) bool {
	parts := strings.Split(name, "/")
	return name == metsName || len(parts) == 3 && parts[0] == "representations" && parts[2] == metsName
}

var representation = regexp.MustCompile(`^representations/([^/]+)/(?:(data)/)?`)

// sort tells content from what describes it (CSIPSTR1 to CSIPSTR16) and returns
// how many files are content.
func (r *reader) sort() (content int) {
	for _, e := range r.c.Entries {
		name, inside := strings.CutPrefix(e.Name, r.root)
		if !inside {
			r.found.Fail("outside-package", "CSIPSTR1", e.Name, "the file lies beside the root folder of the package")
			continue
		}
		f := &File{Entry: e, Name: name, Announced: map[string]string{}}
		if m := representation.FindStringSubmatch(name); m != nil {
			f.Representation, f.Data = m[1], m[2] != ""
		}
		if f.Data {
			content++
		}
		r.files[e] = f
	}
	return content
}

// parse reads an XML file of the package; nil when it cannot be read, which is a finding.
func (r *reader) parse(ctx context.Context, f *File) (*xmltree.Element, error) {
	if f.Path == "" {
		return nil, nil // damaged, which is a finding already
	}
	in, err := os.Open(f.Path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	root, err := xmltree.Parse(ctx, in, xmltree.Limits{}, nil)
	var fault *xmltree.Fault
	if errors.As(err, &fault) {
		r.found.Fail(fault.Code, "", f.Name, "%s", fault.Detail)
		return nil, nil
	}
	return root, err
}
