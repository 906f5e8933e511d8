package xades

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"bestand/preservation"
)

// references checks every Reference in a SignedInfo or a Manifest, and returns the
// parts of the document that they cover.
func (s *signature) references(in *node, deeper bool) (covered []*node) {
	all := in.all(dsig, "Reference")
	if len(all) == 0 {
		s.failed("reference-malformed", "it refers to nothing", "XML Signature, 4.4.3")
		return nil
	}
	if s.referred += len(all); s.referred > maxReferences {
		s.judge(unsupported(fmt.Sprintf("more than %d references", maxReferences)), "reference", "", "XML Signature, 4.4.3")
		return nil
	}
	for _, r := range all {
		n, what, err := s.reference(r)
		var u unsupported
		var m malformed
		switch {
		case err == nil:
			s.add("digest-match", preservation.Passed, what+" is what was signed", "XML Signature, 3.2.1")
		case errors.As(err, &u):
			s.judge(fmt.Errorf("%s: %w", what, err), "reference", "", "XML Signature, 4.4.3")
			continue
		case errors.Is(err, fs.ErrNotExist):
			s.add("signed-content-missing", preservation.Notice, what+" is signed and not here", "XML Signature, 4.4.3.1")
			continue
		case errors.Is(err, errMismatch):
			s.failed("digest-mismatch", what+" is not what was signed", "XML Signature, 3.2.1")
			continue
		case errors.As(err, &m):
			s.failed("reference-malformed", what+": "+err.Error(), "XML Signature, 4.4.3")
			continue
		default:
			s.err = fmt.Errorf("read %s: %w", what, err)
			return covered
		}
		s.files = s.files || n == nil
		if n != nil {
			covered = append(covered, n)
		}
		if n != nil && n.is(dsig, "Manifest") && deeper {
			covered = append(covered, s.references(n, false)...)
		}
	}
	return covered
}

// reference compares the digest of one Reference. It returns the node that it
// covers, nil for a file, and what that is.
func (s *signature) reference(r *node) (covered *node, what string, err error) {
	d, what, err := s.resolve(r)
	if err != nil {
		return nil, what, err
	}
	hash, err := digestMethod(r)
	if err != nil {
		return nil, what, err
	}
	want, err := r.one(dsig, "DigestValue").binary()
	if err != nil {
		return nil, what, err
	}
	if covered = d.apex; covered != nil {
		s.named = append(s.named, covered)
	}
	transforms := r.one(dsig, "Transforms").all(dsig, "Transform")
	if len(transforms) > maxTransforms {
		return nil, what, unsupported(fmt.Sprintf("more than %d transforms", maxTransforms))
	}
	without := 0
	for _, t := range transforms {
		if err := s.transform(&d, t, s.node); err != nil {
			return nil, what, err
		}
		if uri, _ := t.attr("Algorithm"); uri == dsig+"base64" {
			what += ", decoded"
		}
		without = max(without, len(d.without))
	}
	switch {
	case without > 1:
		what += fmt.Sprintf(" without the %d signatures in it", without)
	case without == 1:
		what += " without the signature in it"
	}
	got, err := s.digest(d, hash)
	if err != nil {
		return nil, what, err
	}
	s.used(hash)
	if !bytes.Equal(got, want) {
		return nil, what, errMismatch
	}
	return covered, what, nil
}

func (v *verification) digest(d data, hash crypto.Hash) ([]byte, error) {
	if d.apex != nil {
		d = d.canonical(form{}) // XML Signature, 4.4.3.2
	}
	key := sum{d.file, hash}
	if known := v.sums[key]; known != nil {
		return known, nil
	}
	h := hash.New()
	var w io.Writer = h
	if d.file == "" {
		w = &budget{v, h}
	}
	if err := d.octets(w); err != nil {
		return nil, err
	}
	if d.file != "" {
		v.sums[key] = h.Sum(nil)
	}
	return h.Sum(nil), nil
}

// sum is what a digest was made of: the files beside the signature are read once.
type sum struct {
	file string
	hash crypto.Hash
}

// resolve finds what a Reference is about (XML Signature, 4.4.3.2 and 4.4.3.3).
func (s *signature) resolve(r *node) (d data, what string, err error) {
	uri, ok := r.attr("URI")
	if !ok {
		return d, "a reference without URI", unsupported("content that only the signer can name")
	}
	id, inside := strings.CutPrefix(uri, "#")
	switch {
	case uri == "":
		return data{apex: s.document}, "the whole document", nil
	case uri == "#xpointer(/)":
		return data{apex: s.document, comments: true}, "the whole document", nil
	case inside:
		pointer, comments := strings.CutPrefix(id, "xpointer(id(")
		if comments {
			if id, ok = strings.CutSuffix(pointer, "))"); !ok || len(id) < 2 || id[0] != id[len(id)-1] || !strings.Contains(`'"`, id[:1]) {
				return d, uri, unsupported("XPointer")
			}
			id = id[1 : len(id)-1]
		}
		n, err := s.byID(id)
		if err != nil {
			return d, uri, err
		}
		return data{apex: n, comments: comments}, fmt.Sprintf("%s (%s)", n.path(), id), nil
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" || path.IsAbs(u.Path) || u.Path == "" {
		return d, uri, unsupported("a URI that is no name beside the signature")
	}
	return data{file: u.Path, octets: func(w io.Writer) error {
		if s.options.Open == nil {
			return fs.ErrNotExist
		}
		in, err := s.options.Open(u.Path)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.Copy(w, contextual{s.ctx, in})
		return err
	}}, u.Path, nil
}

// contextual reads until the context ends.
type contextual struct {
	ctx context.Context
	r   io.Reader
}

func (c contextual) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// byID finds the element of an identifier. One that stands twice is refused: the
// signer meant one of them, and nobody can tell which.
func (v *verification) byID(id string) (*node, error) {
	switch all := v.ids[id]; len(all) {
	case 0:
		return nil, malformed("no element has this identifier")
	case 1:
		return all[0], nil
	}
	return nil, malformed("several elements have this identifier")
}

// identifiers collects all elements that have an attribute like Id, ID, id or xml:id:
// without a schema every one of them may be an identifier.
func identifiers(document *node) map[string][]*node {
	ids := make(map[string][]*node)
	document.walk(func(n *node) {
		var own []string
		for _, a := range n.attrs {
			if strings.EqualFold(a.local, "id") && !slices.Contains(own, a.value) {
				own = append(own, a.value)
				ids[a.value] = append(ids[a.value], n)
			}
		}
	})
	return ids
}
