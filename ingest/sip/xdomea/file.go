package xdomea

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"bestand/ingest/sip/container"
	"bestand/ingest/xmltree"
)

// primary reads a Primaerdokument: its file, and those of its signatures.
func (r *reader) primary(e *xmltree.Element, version string) []*Primary {
	h := e.One("Hash")
	algorithm := code(h.One("Algorithmus"))
	p := &Primary{Name: r.named(e.One("Dateiname")), Original: e.Str("DateinameOriginal"), Version: version,
		Announced: Announced{Algorithm: or(or(algorithm.Code, algorithm.Name), h.Str("SonstigerAlgorithmus")), Value: h.Str("Wert")}}
	all := []*Primary{p}
	for _, s := range e.All("SignaturSiegel/SignaturSiegelDatei") {
		all = append(all, &Primary{Name: r.named(s), Version: version, Signature: true})
	}
	for _, p := range all {
		r.locate(p)
	}
	return all
}

// named returns the name that an element gives a file. Blanks at its ends belong
// to the name when the container has a file of that name; otherwise they are what
// a writer of XML puts around any text.
func (r *reader) named(e *xmltree.Element) string {
	if e == nil {
		return ""
	}
	if _, exact := r.c.Lookup(r.root + e.Raw); exact {
		return e.Raw
	}
	return e.Text
}

// padded returns the only entry whose name is the given one between blanks, which
// programs that read XML by its schema do not keep.
func (r *reader) padded(name string) *container.Entry {
	if r.pads == nil {
		r.pads = map[string][]*container.Entry{}
		for _, e := range r.c.Entries {
			if base, inside := strings.CutPrefix(e.Name, r.root); inside && strings.TrimSpace(base) != base {
				r.pads[strings.TrimSpace(base)] = append(r.pads[strings.TrimSpace(base)], e)
			}
		}
	}
	if all := r.pads[name]; len(all) == 1 {
		return all[0]
	}
	return nil
}

// locate finds the entry that a Primaerdokument names.
func (r *reader) locate(p *Primary) {
	if !leadingUUID.MatchString(p.Name) {
		r.found.Fail(BadName, "xdomea 5.1", p.Name, "Dateiname must begin with a UUID")
	}
	e, exact := r.c.Lookup(r.root + p.Name)
	if e == nil {
		e = r.padded(p.Name)
	}
	switch {
	case p.Name == "" || e == nil || e == r.msg.Entry:
		r.found.Fail(MissingFile, "xdomea", p.Name, "the message names this file, and the container does not have it")
		return
	case !exact:
		r.found.Note(Loose, "xdomea", e.Name, "the message writes the name in another way")
	}
	if r.used[e] {
		r.found.Note(SharedFile, "xdomea 5.1", e.Name, "the message names this file more than once")
	}
	r.used[e] = true
	p.Entry = e
}

// checkFiles finds what the message does not name, and holds the announced
// digests against the bytes.
func (r *reader) checkFiles(ctx context.Context) error {
	for _, e := range r.c.Entries {
		if !r.used[e] {
			r.found.Fail(SurplusFile, "xdomea", e.Name, "the message does not name this file")
		}
	}
	for _, o := range r.msg.Objects {
		for of, p := range o.All() {
			if err := r.checkDigest(ctx, p); err != nil {
				return err
			}
			if r.msg.Version == "4.0.0" && strings.HasPrefix(strings.ToLower(p.Name), of.UUID) {
				r.found.Note(BadName, "xdomea 5.1", p.Name, "the file is named with the UUID of its Dokument; it must have one of its own")
			}
		}
	}
	for _, p := range r.msg.Enclosures {
		if err := r.checkDigest(ctx, p); err != nil {
			return err
		}
	}
	if r.weak > 0 {
		r.found.Note(WeakDigest, "xdomea 5.1", r.msg.Entry.Name, "%d values of Hash are MD5 or SHA-1, which protect from accidents only", r.weak)
	}
	return nil
}

// algorithms are the names that the code list gives (codes, and URIs of XML
// Encryption and XML Signature).
var algorithms = map[string]string{
	"sha256": "sha256", "sha384": "sha384", "sha512": "sha512", "sha224": "sha224", "sha1": "sha1", "md5": "md5",
}

// Canonical returns an algorithm as it is known here, such as sha256, or what
// the message calls it.
func (a Announced) Canonical() string {
	name := strings.ToLower(a.Algorithm)
	if i := strings.LastIndexAny(name, "#/"); i >= 0 {
		name = name[i+1:]
	}
	name = strings.NewReplacer("-", "", "_", "", " ", "").Replace(name)
	return or(algorithms[name], a.Algorithm)
}

// Hex returns the value as lower-case hex; the standard does not say whether it
// is hex or Base64.
func (a Announced) Hex(length int) string {
	v := strings.ToLower(strings.TrimSpace(a.Value))
	if b, err := hex.DecodeString(v); err == nil && len(b) == length {
		return v
	}
	if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(a.Value)); err == nil && len(b) == length {
		return hex.EncodeToString(b)
	}
	return v
}

func (r *reader) checkDigest(ctx context.Context, p *Primary) error {
	if p.Announced.Value == "" || p.Entry == nil || p.Path == "" {
		return nil
	}
	algorithm := p.Announced.Canonical()
	if !container.Known(algorithm) {
		r.found.Note(UnknownDigest, "xdomea 5.1", p.Entry.Name, "%q is not computed here: its Hash is kept and not checked", p.Announced.Algorithm)
		return nil
	}
	got, err := p.Sum(ctx, algorithm)
	if err != nil {
		return err
	}
	if want := p.Announced.Hex(len(got) / 2); got != want {
		r.found.Fail(Mismatch, "xdomea 5.1", p.Entry.Name, "its %s is %s, Hash says %s; send it again", algorithm, got, want)
	} else if container.Weak(algorithm) {
		r.weak++
	}
	return nil
}
