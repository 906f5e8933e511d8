package eark

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	"bestand/ingest/sip/container"
	"bestand/ingest/xmltree"
)

var profileVersion = regexp.MustCompile(`E-ARK-SIP(?:-v([0-9]+)-([0-9]+)-([0-9]+))?\.xml$`)

// readMETS reads one METS document and holds what it names against the files.
func (r *reader) readMETS(ctx context.Context, f *File) error {
	mets, err := r.parse(ctx, f)
	if mets == nil || err != nil {
		return err
	}
	if mets.Name.Space != metsNamespace || mets.Name.Local != "mets" {
		r.found.Fail(BadMETS, "CSIP1", f.Name, "its root element is not mets:mets")
		return nil
	}
	if f.Name == metsName {
		r.readHeader(mets)
	}
	for _, ref := range references(mets) {
		if err := r.check(ctx, f, ref); err != nil {
			return err
		}
	}
	r.checkPointers(f, mets)
	if f.Name == metsName {
		return r.readDescription(ctx, f, mets)
	}
	return nil
}

// readHeader reads what METS says of the package (CSIP1 to CSIP16, SIP1 to SIP9).
func (r *reader) readHeader(mets *xmltree.Element) {
	p := &r.pkg
	p.ID, p.Label, p.Type = strings.TrimSpace(mets.Attribute("", "OBJID")), mets.Attribute("", "LABEL"), mets.Attribute("", "TYPE")
	p.Content = mets.Attribute(csipNamespace, "CONTENTINFORMATIONTYPE")
	if p.Type == "OTHER" {
		p.Type = mets.Attribute(csipNamespace, "OTHERTYPE")
	}
	if p.Content == "OTHER" {
		p.Content = mets.Attribute(csipNamespace, "OTHERCONTENTINFORMATIONTYPE")
	}
	if p.ID == "" {
		r.found.Fail(BadMETS, "CSIP1", metsName, "mets/@OBJID, the identifier of the package, is missing")
	} else if folder := strings.TrimSuffix(r.root, "/"); folder != p.ID {
		r.found.Note(OtherFolder, "CSIPSTR2", folder, "the root folder should be named as mets/@OBJID, %q", p.ID)
	}
	if m := profileVersion.FindStringSubmatch(mets.Attribute("", "PROFILE")); m == nil {
		r.found.Note(Profile, "SIP2", metsName, "mets/@PROFILE is not that of an E-ARK SIP")
	} else if m[1] != "" {
		p.Version = strings.Join(m[1:], ".")
	}
	header := mets.One("metsHdr")
	if kind := header.Attribute(csipNamespace, "OAISPACKAGETYPE"); kind != "SIP" {
		r.found.Fail(NotSIP, "SIP4", metsName, "metsHdr/@csip:OAISPACKAGETYPE is %q; only SIP is taken in", kind)
	}
	p.Created = header.Attribute("", "CREATEDATE")
	for _, a := range header.All("agent") {
		p.Agents = append(p.Agents, Agent{a.Attribute("", "ROLE"), a.Attribute("", "TYPE"), a.Str("name")})
	}
	for _, a := range header.All("altRecordID") {
		p.Alt = append(p.Alt, Field{a.Attribute("", "TYPE"), a.Text})
	}
}

// reference is a file that METS names, with what it says of it.
type reference struct {
	href, checksum, algorithm, size string
}

func references(mets *xmltree.Element) []reference {
	var refs []reference
	add := func(href string, e *xmltree.Element) {
		refs = append(refs, reference{href, e.Attribute("", "CHECKSUM"), e.Attribute("", "CHECKSUMTYPE"), e.Attribute("", "SIZE")})
	}
	for _, section := range []string{"dmdSec/mdRef", "amdSec/digiprovMD/mdRef", "amdSec/rightsMD/mdRef", "amdSec/techMD/mdRef", "amdSec/sourceMD/mdRef"} {
		for _, e := range mets.All(section) {
			add(e.Attribute(xlinkNamespace, "href"), e)
		}
	}
	groups := mets.All("fileSec/fileGrp")
	for len(groups) > 0 { // groups may hold groups
		g := groups[0]
		groups = append(groups[1:], g.All("fileGrp")...)
		for _, e := range g.All("file") {
			for _, at := range e.All("FLocat") {
				add(at.Attribute(xlinkNamespace, "href"), e)
			}
		}
	}
	return refs
}

// check holds one reference against its file (CSIP27 to CSIP30, CSIP69 to CSIP79).
func (r *reader) check(ctx context.Context, from *File, ref reference) error {
	f := r.locate(from, ref.href)
	if f == nil || f.Path == "" {
		return nil
	}
	if size, err := strconv.ParseInt(ref.size, 10, 64); ref.size != "" && (err != nil || size != f.Size) {
		r.found.Fail(Mismatch, "CSIP69", f.Name, "it has %d bytes, %s says %q", f.Size, from.Name, ref.size)
	}
	if ref.checksum == "" {
		r.found.Fail(NoDigest, "CSIP71", f.Name, "%s names it without a checksum", from.Name)
		return nil
	}
	if !container.Known(ref.algorithm) {
		r.unknown = ref.algorithm
		return nil
	}
	want := strings.ToLower(strings.TrimSpace(ref.checksum))
	got, err := f.Sum(ctx, ref.algorithm)
	if err != nil {
		return fmt.Errorf("digest %s: %w", ref.algorithm, err)
	}
	if _, err := hex.DecodeString(want); err != nil || got != want {
		r.found.Fail(Mismatch, "CSIP71", f.Name, "its %s is %s, %s says %s; send it again", ref.algorithm, got, from.Name, want)
	} else if container.Weak(ref.algorithm) {
		r.weak++
	}
	f.Announced[strings.ReplaceAll(strings.ToLower(ref.algorithm), "-", "")] = want
	return nil
}

// locate finds the file that a METS means: a URL relative to its own folder.
func (r *reader) locate(from *File, href string) *File {
	if href == "" {
		r.found.Fail(BadReference, "CSIP79", from.Name, "a reference without xlink:href")
		return nil
	}
	local := strings.TrimPrefix(strings.TrimPrefix(href, "file://"), "file:")
	names := []string{local}
	if plain, err := url.PathUnescape(local); err == nil && plain != local {
		names = append(names, plain)
	}
	for i, name := range names {
		if u, err := url.Parse(name); strings.HasPrefix(name, "/") || strings.Contains(name, `\`) || i == 0 && err == nil && (u.Scheme != "" || u.Host != "") {
			r.found.Fail(BadReference, "CSIP79", href, "%s refers to what is not in the package", from.Name)
			return nil
		}
		names[i] = path.Join(path.Dir(from.Name), name)
		if names[i] == ".." || strings.HasPrefix(names[i], "../") {
			r.found.Fail(BadReference, "CSIP79", href, "%s refers to what is not in the package", from.Name)
			return nil
		}
	}
	for _, name := range names {
		e, exact := r.c.Lookup(r.root + name)
		f := r.files[e]
		if e == nil || f == nil {
			continue
		}
		if !exact {
			r.found.Note(LooseName, "CSIP79", f.Name, "%s writes the name in another way", from.Name)
		}
		r.listed[e] = true
		return f
	}
	r.found.Fail(Missing, "CSIP79", href, "%s names it, and the package does not have it", from.Name)
	return nil
}

// checkPointers makes sure that the METS of every representation that the
// package points to is there (CSIP109, CSIP110).
func (r *reader) checkPointers(f *File, mets *xmltree.Element) {
	divisions := mets.All("structMap/div")
	for len(divisions) > 0 {
		d := divisions[0]
		divisions = append(divisions[1:], d.All("div")...)
		for _, p := range d.All("mptr") {
			r.locate(f, p.Attribute(xlinkNamespace, "href"))
		}
	}
}
