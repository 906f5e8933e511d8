package bagit

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/text/encoding"

	"bestand/ingest/sip/container"
	"bestand/ingest/sip/finding"
)

// Codes of findings. Those of the payload are failures.
const (
	BadDeclaration = "bag-declaration"  // bagit.txt is not as section 2.1.1 wants it
	BadTagFile     = "bag-tag-file"     // a tag file that cannot be read
	NoManifest     = "bag-no-manifest"  // no payload manifest with a known algorithm
	BadManifest    = "bag-manifest"     // a line that is none, a name twice, a path that leaves the bag
	Missing        = "bag-missing"      // a manifest lists it, the bag does not have it
	Unlisted       = "bag-unlisted"     // payload that a manifest does not list
	NoPayload      = "bag-no-payload"   // nothing below data/
	Fetch          = "bag-fetch"        // fetch.txt: parts of the bag lie elsewhere
	BadOxum        = "bag-oxum"         // Payload-Oxum contradicts the payload
	Mismatch       = "digest-mismatch"  // bytes that do not fit their checksum
	WeakDigest     = "weak-digest"      // notice: MD5 or SHA-1 only
	UnknownDigest  = "unknown-digest"   // notice: an algorithm that is not computed here
	LooseName      = "bag-name-variant" // notice: listed in another normalisation, encoding or escaping
	ByteOrderMark  = "bag-byte-order"   // notice: a mark that UTF-8 does not have
	AtRoot         = "bag-at-root"      // notice: no folder of its own
)

const declaration = "bagit.txt"

// Bag is a valid bag.
type Bag struct {
	Version string  // such as "1.0"
	Folder  string  // the name of its folder, or nothing
	Info    []Field // bag-info.txt in its order
	Payload []File  // what lies below data/
	Tags    []File  // everything else
}

// Field is one element of bag-info.txt.
type Field struct{ Label, Value string }

// Value returns the first value of any of the labels, in the order of the
// labels. Case does not matter (section 2.2.2).
func (b *Bag) Value(labels ...string) string {
	for _, label := range labels {
		for _, f := range b.Info {
			if strings.EqualFold(f.Label, label) && f.Value != "" {
				return f.Value
			}
		}
	}
	return ""
}

// File is a file of the bag.
type File struct {
	*container.Entry
	Name      string            // raw bytes, relative to the bag's folder
	Announced map[string]string // checksums by algorithm as in the names of manifests, lower-case hex
}

type reader struct {
	c       *container.Container
	root    string
	found   *finding.List
	bag     Bag
	strict  bool // 1.0, not a draft
	payload map[*container.Entry]*File
	tags    map[*container.Entry]*File

	encoding encoding.Encoding // of tag files, once bagit.txt was read
}

// Detect returns the folders, "" or with a slash, that are bags.
func Detect(c *container.Container) []string { return c.Roots(declaration) }

// Read reads the bag in the folder root of an unpacked container. The Bag means
// nothing when found has failed; an error is a fault of the machine.
func Read(ctx context.Context, c *container.Container, root string, found *finding.List) (*Bag, error) {
	r := &reader{c: c, root: root, found: found, payload: map[*container.Entry]*File{}, tags: map[*container.Entry]*File{}}
	r.bag.Folder = strings.TrimSuffix(root, "/")
	if root == "" {
		found.Note(AtRoot, "RFC 8493 4.2", "", "the ZIP has the bag at its top and not in one folder")
	}
	r.sort()
	steps := []func(context.Context) error{r.readDeclaration, r.readInfo, r.readManifests, r.checkFetch}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("read bag: %w", err)
		}
		if r.encoding == nil { // no declaration, no encoding
			return nil, nil
		}
	}
	r.checkOxum()
	for _, e := range c.Entries {
		if f := r.payload[e]; f != nil {
			r.bag.Payload = append(r.bag.Payload, *f)
		} else if f := r.tags[e]; f != nil {
			r.bag.Tags = append(r.bag.Tags, *f)
		}
	}
	return &r.bag, nil
}

// sort parts payload from tag files. Nothing may lie beside the bag.
func (r *reader) sort() {
	for _, e := range r.c.Entries {
		name, inside := strings.CutPrefix(e.Name, r.root)
		switch {
		case !inside:
			r.found.Fail("outside-package", "RFC 8493 2", e.Name, "the file lies beside the folder of the bag")
		case strings.HasPrefix(name, "data/"):
			r.payload[e] = &File{Entry: e, Name: name, Announced: map[string]string{}}
		default:
			r.tags[e] = &File{Entry: e, Name: name, Announced: map[string]string{}}
		}
	}
	if len(r.payload) == 0 {
		r.found.Fail(NoPayload, "RFC 8493 2.1.2", "data/", "the bag has no payload")
	}
}

var oxum = regexp.MustCompile(`^([0-9]{1,18})\.([0-9]{1,18})$`)

// checkOxum holds the count of bytes and files against the payload (section 2.2.2).
func (r *reader) checkOxum() {
	var size, n int64
	for _, f := range r.payload {
		size += f.Size
		n++
	}
	for _, f := range r.bag.Info {
		if !strings.EqualFold(f.Label, "Payload-Oxum") {
			continue
		}
		m := oxum.FindStringSubmatch(f.Value)
		if m == nil {
			r.found.Fail(BadOxum, "RFC 8493 2.2.2", "bag-info.txt", "Payload-Oxum is not of the form bytes.files")
			continue
		}
		wantSize, _ := strconv.ParseInt(m[1], 10, 64)
		want, _ := strconv.ParseInt(m[2], 10, 64)
		if wantSize != size || want != n {
			r.found.Fail(BadOxum, "RFC 8493 2.2.2", "bag-info.txt", "Payload-Oxum announces %d bytes in %d files; the bag has %d in %d", wantSize, want, size, n)
		}
	}
}
