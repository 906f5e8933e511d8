package bagit

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"bestand/ingest/sip/container"
)

var manifestName = regexp.MustCompile(`^(tag)?manifest-([A-Za-z0-9_-]{1,40})\.txt$`)

// manifest is one list of checksums.
type manifest struct {
	*File
	algorithm string
	tag       bool
	listed    map[*container.Entry]string // checksums
}

// readManifests reads every manifest and holds its checksums against the files
// (sections 2.1.3, 2.2.1 and 3).
func (r *reader) readManifests(ctx context.Context) error {
	var all []*manifest
	for _, f := range r.tags {
		if m := manifestName.FindStringSubmatch(f.Name); m != nil {
			all = append(all, &manifest{File: f, tag: m[1] != "", algorithm: m[2], listed: map[*container.Entry]string{}})
		}
	}
	slices.SortFunc(all, func(a, b *manifest) int { return strings.Compare(a.Name, b.Name) })
	var usable, strong bool
	for _, m := range all {
		if m.Path == "" {
			continue // damaged, which is a finding already
		}
		if !container.Known(m.algorithm) {
			r.found.Note(UnknownDigest, "RFC 8493 2.4", m.Name, "%s is not computed here: these checksums are kept and not checked", m.algorithm)
			continue
		}
		if err := r.readManifest(ctx, m); err != nil {
			return err
		}
		if !m.tag {
			usable, strong = true, strong || !container.Weak(m.algorithm)
		}
	}
	switch {
	case !usable:
		r.found.Fail(NoManifest, "RFC 8493 2.1.3", "", "the bag needs a payload manifest, best manifest-sha256.txt or manifest-sha512.txt")
	case !strong:
		r.found.Note(WeakDigest, "RFC 8493 2.4", "", "MD5 and SHA-1 protect from accidents only; SHA-256 and SHA-512 are computed here from now on")
	}
	r.checkComplete(all)
	return nil
}

// readManifest reads one manifest as a stream: it has a line per file.
func (r *reader) readManifest(ctx context.Context, m *manifest) error {
	in, err := os.Open(m.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	s := bufio.NewScanner(r.text(in))
	s.Buffer(make([]byte, 0, 4096), maxLine)
	s.Split(scanLines)
	n := 0
	for s.Scan() {
		line := s.Text()
		if n++; n == 1 {
			line = r.cutMark(m.Name, line)
		}
		if !utf8.ValidString(line) {
			r.found.Fail(BadManifest, "RFC 8493 2.3", m.Name, "line %d is not in the encoding that bagit.txt declares", n)
			continue
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		if err := r.readLine(ctx, m, n, line); err != nil {
			return err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		r.found.Fail(BadManifest, "RFC 8493 2.1.3", m.Name, "line %d is longer than %d bytes", n+1, maxLine)
		return nil
	}
	return s.Err()
}

func (r *reader) readLine(ctx context.Context, m *manifest, n int, line string) error {
	i := strings.IndexAny(line, " \t")
	if i <= 0 {
		r.found.Fail(BadManifest, "RFC 8493 2.1.3", m.Name, "line %d is not of the form checksum filepath", n)
		return nil
	}
	want, path := strings.ToLower(line[:i]), strings.TrimLeft(line[i:], " \t")
	if p, ok := strings.CutPrefix(path, "*"); ok { // md5sum's mark of binary mode
		path = p
		r.found.Note(LooseName, "RFC 8493 6.1.3", path, "%s writes an asterisk before the name", m.Name)
	}
	if _, err := hex.DecodeString(want); err != nil || path == "" {
		r.found.Fail(BadManifest, "RFC 8493 2.1.3", m.Name, "line %d is not of the form checksum filepath", n)
		return nil
	}
	f := r.locate(m, path)
	if f == nil {
		return nil
	}
	if before, twice := m.listed[f.Entry]; twice {
		if r.strict || before != want {
			r.found.Fail(BadManifest, "RFC 8493 2.1.3", f.Name, "%s lists it twice", m.Name)
		} else {
			r.found.Note(LooseName, "RFC 8493 2.1.3", f.Name, "%s lists it twice, with the same checksum", m.Name)
		}
		return nil
	}
	m.listed[f.Entry] = want
	if f.Path == "" {
		return nil // damaged, which is a finding already
	}
	f.Announced[strings.ToLower(m.algorithm)] = want
	got, err := f.Sum(ctx, m.algorithm)
	if err != nil {
		return fmt.Errorf("digest %s: %w", m.algorithm, err)
	}
	if got != want {
		r.found.Fail(Mismatch, "RFC 8493 3", f.Name, "%s is %s, %s says %s; send it again", m.algorithm, got, m.Name, want)
	}
	return nil
}

// unescape undoes what section 2.1.3 wants escaped and nothing else.
var unescape = strings.NewReplacer("%0A", "\n", "%0a", "\n", "%0D", "\r", "%0d", "\r", "%25", "%")

// locate finds the file that a manifest means, exactly as it is written before
// any other reading. Failing to is a finding.
func (r *reader) locate(m *manifest, path string) *File {
	files, other := r.payload, r.tags
	if m.tag {
		files, other = other, files
	}
	plain := unescape.Replace(strings.TrimPrefix(path, "./"))
	if strings.HasPrefix(plain, "/") || strings.HasPrefix(plain, "~") || slices.Contains(strings.Split(plain, "/"), "..") {
		r.found.Fail(BadManifest, "RFC 8493 5.1", path, "%s lists a path that leaves the bag", m.Name)
		return nil
	}
	for i, name := range []string{plain, strings.TrimPrefix(path, "./")} {
		e, exact := r.c.Lookup(r.root + name)
		if e == nil {
			continue
		}
		f := files[e]
		if f == nil && other[e] != nil {
			kind := "payload"
			if m.tag {
				kind = "tag files"
			}
			r.found.Fail(BadManifest, "RFC 8493 2.1.3", path, "%s is a list of %s, and this is none", m.Name, kind)
			return nil
		}
		if f == nil {
			break
		}
		if !exact || i > 0 || strings.HasPrefix(path, "./") {
			r.found.Note(LooseName, "RFC 8493 6.1.1", f.Name, "%s writes the name in another way", m.Name)
		}
		return f
	}
	r.found.Fail(Missing, "RFC 8493 3", path, "%s lists it, and the bag does not have it", m.Name)
	return nil
}

// checkComplete finds what the manifests leave out.
func (r *reader) checkComplete(all []*manifest) {
	somewhere := map[*container.Entry]string{}
	for _, m := range all {
		if m.tag && container.Known(m.algorithm) && m.Path != "" {
			for _, p := range all {
				if !p.tag && m.listed[p.Entry] == "" {
					r.found.Fail(Unlisted, "RFC 8493 2.2.1", p.Name, "%s must list every payload manifest", m.Name)
				}
			}
		}
		if m.tag || !container.Known(m.algorithm) {
			continue
		}
		maps.Copy(somewhere, m.listed)
		if r.strict {
			r.checkPayload(m.Name, m.listed)
		}
	}
	if !r.strict && len(all) > 0 { // in drafts one manifest is enough for a file
		r.checkPayload("no manifest", somewhere)
	}
}

func (r *reader) checkPayload(by string, listed map[*container.Entry]string) {
	for _, e := range r.c.Entries {
		f := r.payload[e]
		switch {
		case f == nil || listed[e] != "":
		case by == "no manifest":
			r.found.Fail(Unlisted, "RFC 8493 3", f.Name, "no manifest lists it")
		default:
			r.found.Fail(Unlisted, "RFC 8493 3", f.Name, "%s does not list it", by)
		}
	}
}
