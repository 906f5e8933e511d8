package container

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

const (
	maxName      = 4096
	maxComponent = 255
)

// nameFault says why an entry cannot be taken under its name, or nothing.
func nameFault(name string, depth int) string {
	switch {
	case name == "":
		return "an entry without a name"
	case len(name) > maxName:
		return "the name is longer than 4096 bytes"
	case strings.ContainsRune(name, 0):
		return "a NUL byte in the name"
	case strings.HasPrefix(name, "/"):
		return "an absolute path; names must be relative to the package"
	case strings.Contains(name, `\`):
		return "a backslash in the name; folders are separated by / in a ZIP (APPNOTE 4.4.17.1)"
	case len(name) >= 2 && name[1] == ':' && (name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z'):
		return "a drive letter; names must be relative to the package"
	}
	parts := strings.Split(name, "/")
	if len(parts) > depth+1 {
		return "too many folders in the path"
	}
	for _, p := range parts {
		switch {
		case p == "..":
			return "the path leaves the package"
		case p == "." || p == "":
			return "an empty part in the path"
		case len(p) > maxComponent:
			return "a part of the path is longer than 255 bytes"
		}
	}
	return ""
}

// Text returns the name of an entry as people read it: the bytes where they are
// UTF-8, else CP437, which APPNOTE Appendix D says they are.
func (e *Entry) Text() string {
	if utf8.ValidString(e.Name) {
		return e.Name
	}
	s, err := charmap.CodePage437.NewDecoder().String(e.Name)
	if err != nil {
		return strings.ToValidUTF8(e.Name, "\uFFFD")
	}
	return s
}

func looseName(e *Entry) string { return norm.NFC.String(e.Text()) }

// Lookup finds the entry that a manifest calls name. exact is false when only
// the encoding or the normalisation of the name was different (RFC 8493
// section 6.1.1 warns of it); such a match is made only if it is the only one.
func (c *Container) Lookup(name string) (e *Entry, exact bool) {
	if e := c.byName[name]; e != nil {
		return e, true
	}
	if m := c.loose[norm.NFC.String(name)]; len(m) == 1 {
		return m[0], false
	}
	return nil, false
}

// Roots returns the folders, with their slash, in which a file of that name
// stands at the top of the package: "" or "folder/".
func (c *Container) Roots(name string) []string {
	var roots []string
	for _, e := range c.Entries {
		if folder, ok := strings.CutSuffix(e.Name, name); ok && (folder == "" || strings.IndexByte(folder, '/') == len(folder)-1) {
			roots = append(roots, folder)
		}
	}
	return roots
}
