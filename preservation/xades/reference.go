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

// references checks every Reference in a SignedInfo or a Manifest, and keeps what they
// cover.
func (s *signature) references(in *node, deeper bool) {
	all := in.all(dsig, "Reference")
	if len(all) == 0 {
		s.failed("reference-malformed", "it refers to nothing", "XML Signature, 4.4.3")
		return
	}
	if s.referred += len(all); s.referred > maxReferences {
		s.judge(unsupported(fmt.Sprintf("more than %d references", maxReferences)), "reference", "", "XML Signature, 4.4.3")
		return
	}
	for _, r := range all {
		c, what, err := s.reference(r)
		var u unsupported
		var m malformed
		switch {
		case err == nil:
			s.add("digest-match", preservation.Passed, what+c.limits()+" is what was signed", "XML Signature, 3.2.1")
		case errors.As(err, &u):
			s.judge(fmt.Errorf("%s: %w", what, err), "reference", "", "XML Signature, 4.4.3")
			continue
		case errors.Is(err, fs.ErrNotExist):
			s.add("signed-content-missing", preservation.Notice, what+" is signed and not here", "XML Signature, 4.4.3.1")
			continue
		case errors.Is(err, ErrDamaged):
			s.failed("signed-content-damaged", what+" is signed, and "+err.Error(), "XML Signature, 3.2.1")
			continue
		case errors.Is(err, ErrTooMuch):
			s.add("reference-unsupported", s.trust.Unknown(), what+": "+err.Error()+": check it with another verifier", "XML Signature, 4.4.3")
			continue
		case errors.Is(err, errMismatch):
			s.failed("digest-mismatch", what+" is not what was signed", "XML Signature, 3.2.1")
			continue
		case errors.As(err, &m):
			s.failed("reference-malformed", what+": "+err.Error(), "XML Signature, 4.4.3")
			continue
		default:
			s.err = fmt.Errorf("read %s: %w", what, err)
			return
		}
		if c.apex == nil {
			s.files = append(s.files, what)
			continue
		}
		s.cover(c)
		if c.apex.is(dsig, "Manifest") && deeper {
			if s.references(c.apex, false); s.err != nil {
				return
			}
		}
	}
}

// reference compares the digest of one Reference. It returns what that covers, without
// an apex for a file, and how people name it, the file by its name.
func (s *signature) reference(r *node) (c cover, what string, err error) {
	d, what, err := s.resolve(r)
	if err != nil {
		return c, what, err
	}
	hash, err := digestMethod(r)
	if err != nil {
		return c, what, err
	}
	want, err := r.one(dsig, "DigestValue").binary()
	if err != nil {
		return c, what, err
	}
	if c.apex = d.apex; c.apex != nil {
		s.named = append(s.named, c.apex)
	}
	transforms := r.one(dsig, "Transforms").all(dsig, "Transform")
	if len(transforms) > maxTransforms {
		return c, what, unsupported(fmt.Sprintf("more than %d transforms", maxTransforms))
	}
	for _, t := range transforms {
		if err := s.transform(&d, t, s.node); err != nil {
			return c, what, err
		}
		if uri, _ := t.attr("Algorithm"); uri == dsig+"base64" {
			c.decoded = true
		}
		if c.apex != nil && len(d.without) > 0 {
			c.without = d.without
		}
	}
	got, err := s.digest(d, hash)
	if err != nil {
		return c, what, err
	}
	s.used(hash)
	if !bytes.Equal(got, want) {
		return c, what, errMismatch
	}
	return c, what, nil
}

func (v *verification) digest(d data, hash crypto.Hash) ([]byte, error) {
	if d.apex != nil {
		d = v.canonical(d, form{}) // XML Signature, 4.4.3.2
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
