package ingest

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"bestand/ingest/sip/container"
	"bestand/ingest/sip/finding"
	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/cades/cms"
	"bestand/preservation/xades"
)

const (
	maxManifest   = 16 << 20 // bytes of an ASiCManifest
	maxManifests  = 32       // in one container
	maxReferences = 1000     // in one ASiCManifest
)

// asicManifest is an ASiCManifest (EN 319 162-1, A.4): what a CAdES signature in a
// container is over, and which files it thereby signs.
type asicManifest struct {
	XMLName   xml.Name `xml:"http://uri.etsi.org/02918/v1.2.1# ASiCManifest"`
	Signature struct {
		URI string `xml:"URI,attr"`
	} `xml:"http://uri.etsi.org/02918/v1.2.1# SigReference"`
	Files asicReferences `xml:"http://uri.etsi.org/02918/v1.2.1# DataObjectReference"`
}

// asicReference is a file that a manifest lists.
type asicReference struct {
	URI    string `xml:"URI,attr"`
	Method struct {
		Algorithm string `xml:"Algorithm,attr"`
	} `xml:"http://www.w3.org/2000/09/xmldsig# DigestMethod"`
	Digest string `xml:"http://www.w3.org/2000/09/xmldsig# DigestValue"`
}

// asicReferences are the first maxReferences files that a manifest lists.
type asicReferences struct {
	all  []asicReference
	more bool // than those
}

// UnmarshalXML takes one more file in.
func (r *asicReferences) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	if len(r.all) == maxReferences {
		r.more = true
		return d.Skip()
	}
	var one asicReference
	err := d.DecodeElement(&one, &start)
	r.all = append(r.all, one)
	return err
}

// validateCAdES checks a CAdES signature in the container: over an ASiCManifest with the
// digests of files (ASiC-E, EN 319 162-1, 4.4.4.2), or over the one file that there is
// (ASiC-S, 4.3.3.2).
func (a *asic) validateCAdES(ctx context.Context, e *container.Entry) error {
	if e.Size > cms.MaxSize {
		a.note("signature-too-large", finding.Printable(e.Name), fmt.Sprintf("it has more than %d bytes and was not validated: check it with another verifier", cms.MaxSize))
		return nil
	}
	raw, err := a.read(e, cms.MaxSize)
	if err != nil {
		return err
	}
	if err := a.readManifests(ctx); err != nil {
		return err
	}
	signed, listed := a.manifests[e.Name]
	if !listed && a.unread {
		a.note("signature-unsupported", finding.Printable(e.Name), "not supported: it may be over a manifest that was not read here: check it with another verifier")
		return nil
	}
	if !listed {
		signed = a.single()
	}
	if signed == "" {
		a.note("signed-content-missing", finding.Printable(e.Name), "no manifest names it, and there is not just one file that it could sign")
		return nil
	}
	in, err := a.open(signed)
	if err != nil {
		return a.unreadable(e, signed, err)
	}
	defer in.Close()
	content := &watched{r: contextual{ctx, in}}
	found, proven := cades.Prove(raw, content, a.strangers())
	if content.err != nil {
		return a.unreadable(e, signed, content.err)
	}
	for _, f := range found {
		proven = proven && f.Severity != preservation.Failed
		f.Subject = strings.TrimSuffix(finding.Printable(e.Name)+", "+f.Subject, ", ")
		a.found = append(a.found, f)
	}
	if listed {
		return a.listed(ctx, e, signed, proven)
	}
	if proven {
		a.covered[signed] = true
		a.add(e, preservation.Passed, "digest-match", finding.Printable(signed)+" is what was signed")
	}
	return nil
}

// listed compares the files that a manifest lists with their digests there. They are
// signed when the signature over the manifest is proven.
func (a *asic) listed(ctx context.Context, e *container.Entry, manifest string, proven bool) error {
	m, err := a.manifest(ctx, manifest)
	if err != nil {
		return a.unreadable(e, manifest, err)
	}
	if m.Files.more {
		a.add(e, preservation.Notice, "reference-unsupported", fmt.Sprintf("not supported: %s lists more than %d files: check the rest with another verifier", finding.Printable(manifest), maxReferences))
	}
	for _, f := range m.Files.all {
		name, err := url.PathUnescape(f.URI)
		if err != nil {
			name = f.URI
		}
		name = path.Clean(name)
		what := finding.Printable(name)
		h, known := xades.Digest(f.Method.Algorithm)
		want, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(f.Digest), ""))
		if !known || err != nil {
			a.add(e, preservation.Notice, "reference-unsupported", fmt.Sprintf("%s: the digest %s is not supported: check it with another verifier", what, finding.Printable(f.Method.Algorithm)))
			continue
		}
		sum := h.New()
		in, err := a.open(name)
		if err == nil {
			_, err = io.Copy(sum, contextual{ctx, in})
			in.Close()
		}
		switch {
		case err != nil:
			if err := a.unreadable(e, name, err); err != nil {
				return err
			}
		case string(sum.Sum(nil)) != string(want):
			a.add(e, preservation.Failed, "digest-mismatch", what+" is not what was signed")
		case proven:
			a.covered[name] = true
			a.add(e, preservation.Passed, "digest-match", what+" is what was signed")
		default:
			a.add(e, preservation.Passed, "digest-match", what+" is what the manifest lists, and the signature over that is not proven")
		}
	}
	return nil
}

// unreadable tells of a signed file that it cannot be compared with what was signed. It
// returns the errors that say nothing of the file.
func (a *asic) unreadable(e *container.Entry, name string, err error) error {
	what := finding.Printable(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.add(e, preservation.Notice, "signed-content-missing", what+" is signed and not here")
	case errors.Is(err, xades.ErrDamaged):
		a.add(e, preservation.Failed, "signed-content-damaged", what+" is signed, and "+err.Error())
	case errors.Is(err, xades.ErrTooMuch):
		a.add(e, preservation.Notice, "reference-unsupported", what+": "+err.Error()+": check it with another verifier")
	default:
		return err
	}
	return nil
}

func (a *asic) add(e *container.Entry, sev preservation.Severity, code, detail string) {
	a.found = append(a.found, preservation.Finding{Code: code, Severity: sev, Subject: finding.Printable(e.Name), Detail: detail, Clause: "EN 319 162-1"})
}

// readManifests finds out which manifest is that of which signature. What it cannot
// read it tells of and leaves out.
func (a *asic) readManifests(ctx context.Context) error {
	if a.manifests != nil {
		return nil
	}
	manifests := make(map[string]string)
	n := 0
	for _, e := range a.container.Entries {
		name, inside := strings.CutPrefix(e.Name, "META-INF/")
		if !inside || !strings.HasPrefix(strings.ToLower(name), "asicmanifest") || path.Ext(name) != ".xml" {
			continue
		}
		if n++; n > maxManifests {
			a.unread = true
			a.add(e, preservation.Notice, "manifest-unsupported", fmt.Sprintf("not supported: more than %d manifests in one container: this one and all behind it were not read", maxManifests))
			break
		}
		m, err := a.manifest(ctx, e.Name)
		switch {
		case err == nil:
			uri, _ := url.PathUnescape(m.Signature.URI)
			if s, exact := a.container.Lookup(path.Clean(uri)); exact {
				manifests[s.Name] = e.Name
			}
			continue
		case errors.Is(err, errNoManifest), errors.Is(err, xades.ErrDamaged):
			a.add(e, preservation.Notice, "manifest-unreadable", finding.Printable(err.Error()))
		case errors.Is(err, xades.ErrTooMuch):
			a.add(e, preservation.Notice, "manifest-unsupported", err.Error()+": check it with another verifier")
		default:
			return err
		}
		a.unread = true
	}
	a.manifests = manifests
	return nil
}

var (
	errNoManifest       = errors.New("no ASiCManifest that can be read here")
	errTooLargeManifest = fmt.Errorf("%w: a manifest of more than %d", xades.ErrTooMuch, maxManifest)
)

// manifest reads a manifest to its end: errNoManifest when it is none.
func (a *asic) manifest(ctx context.Context, name string) (m asicManifest, err error) {
	if e, exact := a.container.Lookup(name); exact && e.Size > maxManifest {
		return m, errTooLargeManifest
	}
	in, err := a.open(name)
	if err != nil {
		return m, err
	}
	defer in.Close()
	content := contextual{ctx, in}
	bad := xml.NewDecoder(content).Decode(&m)
	if _, err := io.Copy(io.Discard, content); err != nil { // also where bytes went wrong before their checksum says so
		return m, err
	}
	if bad == nil {
		_, bad = url.PathUnescape(m.Signature.URI)
	}
	if bad == nil && m.Signature.URI == "" {
		bad = errors.New("it names no signature")
	}
	if bad != nil {
		return m, fmt.Errorf("%w: %v", errNoManifest, bad)
	}
	return m, nil
}

// single is the one file of the container that is none of its own; empty when there is
// none, or more.
func (a *asic) single() (name string) {
	for _, e := range a.container.Entries {
		if e.Name == "mimetype" || strings.HasPrefix(e.Name, "META-INF/") || strings.HasSuffix(e.Name, "/") {
			continue
		}
		if name != "" {
			return ""
		}
		name = e.Name
	}
	return name
}

// read returns a small file of the container.
func (a *asic) read(e *container.Entry, limit int64) ([]byte, error) {
	in, err := a.container.Reader(e)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", finding.Printable(e.Name), limit)
	}
	return data, err
}

// watched keeps the error of a reader.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}
