package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/richardlehane/siegfried"
	"github.com/richardlehane/siegfried/pkg/config"
	"github.com/richardlehane/siegfried/pkg/core"
	"github.com/richardlehane/siegfried/pkg/static"

	"bestand/ingest/sandbox"
	"bestand/preservation"
)

// Codes of the findings of an identification.
const (
	Empty             = "empty"              // no bytes at all
	ExtensionMismatch = "extension-mismatch" // the name says something else than the bytes
	UnknownFormat     = "unknown-format"     // neither PRONOM nor the first bytes tell
	Damaged           = "damaged"            // the name promises a format whose marks the bytes lack
	AmbiguousFormat   = "ambiguous-format"   // PRONOM names several formats, the first was taken
	Encrypted         = "encrypted"          // the content cannot be read without a password
	Unidentified      = "unidentified"       // the identification itself failed on it: perhaps a bomb
)

// Result is what is known about a file after identification.
type Result struct {
	preservation.Format
	Family    Family
	Encrypted bool   // a password or key is needed to read the content
	Charset   string // of text, as an IANA name, where the bytes prove it
	Root      Name   // root element of XML
	Findings  []preservation.Finding
}

// Name is the expanded name of an XML element.
type Name struct{ Space, Local string }

// Values of preservation.Format.Basis, strongest first.
const (
	BasisContainer = "container" // names and bytes of the parts of a ZIP or OLE2 file
	BasisSignature = "signature" // bytes at fixed places
	BasisSniffed   = "sniffed"   // our own look at the first bytes
	BasisText      = "text"      // nothing but characters
	BasisExtension = "extension" // the name alone
)

// Identifier identifies files. It may be used concurrently.
type Identifier struct {
	sf       *siegfried.Siegfried
	registry string
	box      *sandbox.Sandbox
}

// In returns an Identifier that has large files identified by a child of this
// program in the sandbox.
func (i *Identifier) In(box *sandbox.Sandbox) *Identifier {
	c := *i
	c.box = box
	return &c
}

// New loads the embedded signatures.
func New() (*Identifier, error) {
	sf := static.New()
	if sf == nil || len(sf.Identifiers()) == 0 {
		return nil, errors.New("load format signatures: the embedded release is unreadable")
	}
	id := sf.Identifiers()[0]
	return &Identifier{sf: sf, registry: strings.ToUpper(id[0]) + " " + id[1]}, nil
}

// Registry names the signature release, such as "PRONOM DROID_SignatureFile_V122.xml; …".
func (i *Identifier) Registry() string { return i.registry }

// Agent is the software that the identification event names.
func (i *Identifier) Agent() preservation.Agent {
	v := config.Version()
	return preservation.Agent{Type: preservation.Software, Name: "siegfried", Version: fmt.Sprintf("%d.%d.%d, %s", v[0], v[1], v[2], i.registry)}
}

// Identify reports what the file at path is. The name is the sender's: any
// bytes, of which only the extension is used. An error means that the file
// could not be read; an unknown format is a finding, not an error.
func (i *Identifier) Identify(ctx context.Context, path, name string) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return Result{}, fmt.Errorf("identify: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return Result{}, fmt.Errorf("identify: %w", err)
	}
	if !st.Mode().IsRegular() {
		return Result{}, errors.New("identify: not a regular file")
	}
	if st.Size() == 0 {
		r := Result{Family: Other}
		r.Registry = i.registry
		r.add(Empty, preservation.Failed, "the file has no bytes: ask the producer for it again")
		return r, nil
	}
	if i.box != nil && heavy(f, st.Size()) {
		return i.apart(ctx, path, name)
	}
	r, err := i.registered(f, name)
	if err != nil {
		return Result{}, err
	}
	cut, err := r.look(f, strings.ToLower(extension(name)))
	if err != nil {
		return Result{}, fmt.Errorf("identify: %w", err)
	}
	unproved := r.Basis == BasisExtension || r.PUID == "" && r.MIME == ""
	switch ext := extension(name); {
	case cut && !marked[strings.ToLower(ext)]:
		r.add(Damaged, preservation.Failed, "the bytes begin as a PDF and do not end as one: truncated or damaged; ask the producer for it again")
	case unproved && marked[strings.ToLower(ext)]:
		r.Format = preservation.Format{Registry: i.registry}
		r.add(Damaged, preservation.Failed, fmt.Sprintf("the name ends in %q, the bytes are no such file: truncated or damaged; ask the producer for it again", ext))
	case unproved:
		r.add(UnknownFormat, preservation.Notice, "the bytes match no known format; the original is kept as it is")
	}
	r.Family = FamilyOf(r.Format)
	if r.Encrypted = encrypted(f, st.Size(), r.Format); r.Encrypted {
		r.add(Encrypted, preservation.Failed, "the content is encrypted: ask the producer for a readable copy")
	}
	return r, nil
}

// marked are extensions of formats whose files always carry marks that PRONOM knows.
var marked = map[string]bool{
	"pdf": true, "docx": true, "xlsx": true, "pptx": true, "odt": true, "ods": true, "odp": true, "odg": true, "doc": true, "xls": true, "ppt": true,
	"rtf": true, "msg": true, "tif": true, "tiff": true, "jpg": true, "jpeg": true, "png": true, "gif": true, "zip": true,
}

// registered asks PRONOM.
func (i *Identifier) registered(f *os.File, name string) (r Result, err error) {
	ids, err := i.sf.Identify(f, neutralName(name), "")
	if err != nil && len(ids) == 0 {
		return r, fmt.Errorf("identify: %w", err)
	}
	r.Registry = i.registry
	var known []core.Identification
	for _, id := range ids {
		if id.Known() {
			known = append(known, id)
		}
	}
	if len(known) == 0 {
		return r, nil
	}
	v := known[0].Values() // namespace id format version mime class basis warning
	r.Format = preservation.Format{PUID: v[1], Name: v[2], Version: v[3], MIME: firstMIME(v[4]),
		Registry: i.registry, Basis: basis(v[6], v[7])}
	if strings.Contains(v[7], "extension mismatch") {
		r.add(ExtensionMismatch, preservation.Notice,
			fmt.Sprintf("the name ends in %q, the bytes are %s", extension(name), strings.TrimSpace(v[2]+" "+v[3])))
	}
	if len(known) > 1 {
		var also []string
		for _, id := range known[1:] {
			also = append(also, id.String())
		}
		r.add(AmbiguousFormat, preservation.Notice, "also possible: "+strings.Join(also, ", "))
	}
	return r, nil
}

func (r *Result) add(code string, s preservation.Severity, detail string) {
	r.Findings = append(r.Findings, preservation.Finding{Code: code, Severity: s, Detail: detail})
}

func (r *Result) drop(code string) {
	kept := r.Findings[:0]
	for _, f := range r.Findings {
		if f.Code != code {
			kept = append(kept, f)
		}
	}
	r.Findings = kept
}

// basis reduces siegfried's account of a match to its strongest kind.
func basis(account, warning string) string {
	switch {
	case strings.Contains(account, "container "):
		return BasisContainer
	case strings.Contains(account, "byte match"), strings.Contains(account, "xml match"), strings.Contains(account, "fourCC"):
		return BasisSignature
	case strings.Contains(account, "text match"):
		return BasisText
	case strings.Contains(warning, "match on"):
		return BasisExtension
	}
	return BasisExtension
}

func firstMIME(s string) string {
	s, _, _ = strings.Cut(s, ",")
	return strings.TrimSpace(s)
}

// neutralName keeps of the sender's name what identification needs: a short
// extension of ASCII letters and digits.
func neutralName(name string) string {
	if e := extension(name); e != "" {
		return "file." + e
	}
	return "file"
}

func extension(name string) string {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 || len(name)-dot-1 > 12 {
		return ""
	}
	e := strings.ToLower(name[dot+1:])
	for _, c := range []byte(e) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return ""
		}
	}
	return e
}

// head reads up to n bytes from the start.
func head(f io.ReaderAt, n int) ([]byte, error) {
	b := make([]byte, n)
	k, err := f.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	return b[:k], err
}
