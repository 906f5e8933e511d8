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

// asicManifest is an ASiCManifest (EN 319 162-1, A.4): what a CAdES signature or a
// time-stamp in a container is over, and which files are thereby signed or time-stamped.
// An ASiCArchiveManifest (A.7) is one for a time-stamp over signatures, too.
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

// attestation is what a file in META-INF that is no XML says of other files, by a kind of CMS.
type attestation struct {
	by      string          // what it is
	done    string          // what was done with the files
	covered map[string]bool // names of the files for which it is proven

	// check judges it over content, and says whether digest and value are right,
	// whoever made it.
	check func(raw []byte, content io.Reader) (found []preservation.Finding, proven bool)

	unsupported, missing, damaged string // codes of findings
}

// cades is a signature.
func (a *asic) cades() attestation {
	return attestation{by: "signature", done: "signed", covered: a.covered,
		unsupported: "signature-unsupported", missing: "signed-content-missing", damaged: "signed-content-damaged",
		check: func(raw []byte, content io.Reader) ([]preservation.Finding, bool) {
			return cades.Prove(raw, content, a.strangers())
		}}
}

// timeStamp is a time assertion: it says since when files are there, and not from whom.
func (a *asic) timeStamp() attestation {
	return attestation{by: "time-stamp", done: "time-stamped", covered: a.stamped,
		unsupported: "timestamp-unsupported", missing: "stamped-content-missing", damaged: "stamped-content-damaged",
		check: func(raw []byte, content io.Reader) ([]preservation.Finding, bool) {
			found, _, err := a.strangers().CheckStampOver(raw, content, "")
			passed := make(map[string]bool)
			for _, f := range found {
				passed[f.Code] = f.Severity == preservation.Passed
			}
			return found, err == nil && passed["imprint-match"] && passed["digest-match"] && passed["signature-match"]
		}}
}

// validateDetached checks a CAdES signature or a time-stamp token in the container: over
// an ASiCManifest with the digests of files (ASiC-E, EN 319 162-1, 4.4.4.2), or over the
// one file that there is (ASiC-S, 4.3.3.2).
func (a *asic) validateDetached(ctx context.Context, e *container.Entry, p attestation) error {
	if e.Size > cms.MaxSize {
		code := p.unsupported
		if p.by == "signature" {
			code = "signature-too-large"
		}
		a.note(code, finding.Printable(e.Name), fmt.Sprintf("it has more than %d bytes and was not validated: check it with another verifier", cms.MaxSize))
		return nil
	}
	raw, err := a.read(e, cms.MaxSize)
	if err != nil {
		return err
	}
	if err := a.readManifests(ctx); err != nil {
		return err
	}
	over, listed := a.manifests[e.Name]
	if !listed && a.unread {
		a.note(p.unsupported, finding.Printable(e.Name), "not supported: it may be over a manifest that was not read here: check it with another verifier")
		return nil
	}
	if !listed {
		over = a.single()
	}
	if over == "" {
		a.note(p.missing, finding.Printable(e.Name), "no manifest names it, and there is not just one file that it could be over")
		return nil
	}
	in, err := a.open(over)
	if err != nil {
		return a.unreadable(e, over, err, p)
	}
	defer in.Close()
	content := &watched{r: contextual{ctx, in}}
	found, proven := p.check(raw, content)
	if content.err != nil {
		return a.unreadable(e, over, content.err, p)
	}
	for _, f := range found {
		proven = proven && f.Severity != preservation.Failed
		f.Subject = strings.TrimSuffix(finding.Printable(e.Name)+", "+f.Subject, ", ")
		a.found = append(a.found, f)
	}
	if listed {
		return a.listed(ctx, e, over, proven, p)
	}
	if proven {
		p.covered[over] = true
		a.add(e, preservation.Passed, "digest-match", finding.Printable(over)+" is what was "+p.done)
	}
	return nil
}

// listed compares the files that a manifest lists with their digests there. They are
// what it says when the proof over the manifest is right.
func (a *asic) listed(ctx context.Context, e *container.Entry, manifest string, proven bool, p attestation) error {
	m, err := a.manifest(ctx, manifest)
	if err != nil {
		return a.unreadable(e, manifest, err, p)
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
			if err := a.unreadable(e, name, err, p); err != nil {
				return err
			}
		case string(sum.Sum(nil)) != string(want):
			a.add(e, preservation.Failed, "digest-mismatch", what+" is not what was "+p.done)
		case proven:
			p.covered[name] = true
			a.add(e, preservation.Passed, "digest-match", what+" is what was "+p.done)
		default:
			a.add(e, preservation.Passed, "digest-match", what+" is what the manifest lists, and the "+p.by+" over that is not proven")
		}
	}
	return nil
}

// unreadable tells of a file that it cannot be compared with what was signed or
// time-stamped. It returns the errors that say nothing of the file.
func (a *asic) unreadable(e *container.Entry, name string, err error, p attestation) error {
	what := finding.Printable(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.add(e, preservation.Notice, p.missing, what+" is "+p.done+" and not here")
	case errors.Is(err, xades.ErrDamaged):
		a.add(e, preservation.Failed, p.damaged, what+" is "+p.done+", and "+err.Error())
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

// readManifests finds out which manifest is that of which signature or time-stamp. What
// it cannot read it tells of and leaves out.
func (a *asic) readManifests(ctx context.Context) error {
	if a.manifests != nil {
		return nil
	}
	manifests := make(map[string]string)
	n := 0
	for _, e := range a.container.Entries {
		name, inside := strings.CutPrefix(e.Name, "META-INF/")
		name = strings.ToLower(name)
		if !inside || !strings.HasPrefix(name, "asicmanifest") && !strings.HasPrefix(name, "asicarchivemanifest") || path.Ext(name) != ".xml" {
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
