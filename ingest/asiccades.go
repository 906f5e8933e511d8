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
	"slices"
	"strings"

	"bestand/ingest/sip/container"
	"bestand/ingest/sip/finding"
	"bestand/preservation"
	"bestand/preservation/cades"
	"bestand/preservation/cades/cms"
	"bestand/preservation/xades"
)

const (
	asicNamespace = "http://uri.etsi.org/02918/v1.2.1#"
	maxManifest   = 16 << 20 // bytes of an ASiCManifest
)

// asicManifest is an ASiCManifest (EN 319 162-1, A.4): what a CAdES signature in a
// container is over, and which files it thereby signs.
type asicManifest struct {
	XMLName   xml.Name
	Signature struct {
		URI string `xml:"URI,attr"`
	} `xml:"SigReference"`
	Files []struct {
		URI    string `xml:"URI,attr"`
		Method struct {
			Algorithm string `xml:"Algorithm,attr"`
		} `xml:"DigestMethod"`
		Digest string `xml:"DigestValue"`
	} `xml:"DataObjectReference"`

	name string
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
	manifest, err := a.manifestOf(e.Name)
	if err != nil {
		return err
	}
	signed := a.single()
	if manifest != nil {
		signed = manifest.name
	}
	if signed == "" {
		a.note("signed-content-missing", finding.Printable(e.Name), "no manifest names it, and there is not just one file that it could sign")
		return nil
	}
	in, err := a.open(signed)
	if err != nil {
		return err
	}
	defer in.Close()
	content := &watched{r: contextual{ctx, in}}
	found := cades.Verify(raw, content, a.strangers())
	if content.err != nil {
		return content.err
	}
	stands := !slices.ContainsFunc(found, func(f preservation.Finding) bool { return f.Severity == preservation.Failed })
	for _, f := range found {
		f.Subject = strings.TrimSuffix(finding.Printable(e.Name)+", "+f.Subject, ", ")
		a.found = append(a.found, f)
	}
	if manifest == nil {
		if stands {
			a.covered[signed] = true
			a.add(e, preservation.Passed, "digest-match", finding.Printable(signed)+" is what was signed")
		}
		return nil
	}
	return a.listed(ctx, e, manifest, stands)
}

// listed compares the files that a manifest lists with their digests there.
func (a *asic) listed(ctx context.Context, e *container.Entry, m *asicManifest, stands bool) error {
	for _, f := range m.Files {
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
		in, err := a.open(name)
		if errors.Is(err, fs.ErrNotExist) {
			a.add(e, preservation.Notice, "signed-content-missing", what+" is signed and not here")
			continue
		}
		sum := h.New()
		if err == nil {
			_, err = io.Copy(sum, contextual{ctx, in})
			in.Close()
		}
		switch {
		case errors.Is(err, xades.ErrDamaged):
			a.add(e, preservation.Failed, "signed-content-damaged", what+" is signed, and "+err.Error())
		case errors.Is(err, xades.ErrTooMuch):
			a.add(e, preservation.Notice, "reference-unsupported", what+": "+err.Error()+": check it with another verifier")
		case err != nil:
			return err
		case string(sum.Sum(nil)) != string(want):
			a.add(e, preservation.Failed, "digest-mismatch", what+" is not what was signed")
		default:
			a.add(e, preservation.Passed, "digest-match", what+" is what was signed")
			a.covered[name] = a.covered[name] || stands
		}
	}
	return nil
}

func (a *asic) add(e *container.Entry, sev preservation.Severity, code, detail string) {
	a.found = append(a.found, preservation.Finding{Code: code, Severity: sev, Subject: finding.Printable(e.Name), Detail: detail, Clause: "EN 319 162-1"})
}

// manifestOf finds the manifest that names a signature; nil when there is none.
func (a *asic) manifestOf(signature string) (*asicManifest, error) {
	if a.manifests == nil {
		a.manifests = map[string]*asicManifest{}
		for _, e := range a.container.Entries {
			name, inside := strings.CutPrefix(e.Name, "META-INF/")
			if !inside || !strings.HasPrefix(strings.ToLower(name), "asicmanifest") || path.Ext(name) != ".xml" {
				continue
			}
			data, err := a.read(e, maxManifest)
			if err != nil {
				return nil, err
			}
			m := asicManifest{name: e.Name}
			if err := xml.Unmarshal(data, &m); err != nil || m.XMLName.Space != asicNamespace {
				a.add(e, preservation.Notice, "manifest-unreadable", fmt.Sprintf("no ASiCManifest: %v", err))
				continue
			}
			if uri, err := url.PathUnescape(m.Signature.URI); err == nil {
				a.manifests[path.Clean(uri)] = &m
			}
		}
	}
	return a.manifests[signature], nil
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
