package dip

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"bestand/preservation"
)

// A sender's name is any bytes, and not every file system can hold them. What could do
// harm, or would be lost where a package is unpacked, is written in a legible and
// reversible way: a character that looks like the other one, or the mark and what it
// marks. All other names stay as they are.
//
//	controls                        their pictures, U+2400 and up
//	\ : * ? " < > | %               their full-width forms, U+FF01 and up
//	blanks at the ends of a part    ␠ U+2420
//	. .. and a dot at the end       ． U+FF0E
//	other blanks at the end, bytes  mark and two hex digits for each byte
//	  that are not UTF-8, breaks of
//	  lines that XML or Unicode has
//	the characters above and the    mark and the character
//	  mark, where a name has them
//	names of devices (CON), empty   mark before them
//	  parts between two slashes
//
// (% is among them because writers and readers of bags disagree on it: RFC 8493, 2.1.3
// has it escaped, and many programs do not know.)
const mark = '‛' // U+201B

const (
	refused   = `\:*?"<>|%`
	wide      = 0xFEE0 // from an ASCII character to its full-width form
	pictures  = 0x2400 // from a control to its picture
	picDelete = '␡'
	picBlank  = '␠'
	wideDot   = '．'
)

// standsFor reports whether a character stands for another one in legible names.
func standsFor(r rune) bool {
	return r == mark || r >= pictures && r < pictures+0x20 || r == picDelete || r == picBlank || r == wideDot ||
		r > wide && r < wide+0x80 && strings.ContainsRune(refused, r-wide)
}

// legible writes a name with its folders so that it can be a path everywhere.
func legible(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = legiblePart(p)
	}
	return strings.Join(parts, "/")
}

func legiblePart(part string) string {
	if part == "" {
		return string(mark)
	}
	var b strings.Builder
	if device(part) {
		b.WriteRune(mark)
	}
	end := len(strings.TrimRightFunc(part, unicode.IsSpace)) // from here on blanks only
	for i, r := range part {
		n := utf8.RuneLen(r)
		if r == utf8.RuneError {
			_, n = utf8.DecodeRuneInString(part[i:]) // 1 for a byte that is not UTF-8
		}
		last := i+n == len(part)
		switch {
		case r == utf8.RuneError && n == 1, r >= 0x80 && r < 0xA0, r == '\u2028', r == '\u2029', r == 0xFFFE, r == 0xFFFF, i >= end && r > ' ':
			for _, c := range []byte(part[i : i+n]) {
				fmt.Fprintf(&b, "%c%02X", mark, c)
			}
		case standsFor(r):
			b.WriteRune(mark)
			b.WriteRune(r)
		case r < ' ':
			b.WriteRune(pictures + r)
		case r == 0x7F:
			b.WriteRune(picDelete)
		case r == ' ' && (i == 0 || i >= end):
			b.WriteRune(picBlank)
		case r == '.' && (last || part == ".."):
			b.WriteRune(wideDot)
		case strings.ContainsRune(refused, r):
			b.WriteRune(r + wide)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// device reports whether Windows would open a device instead of the file.
func device(part string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(part), ".")
	switch base = strings.TrimRight(base, " "); base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	number, ok := strings.CutPrefix(base, "COM")
	if !ok {
		number, ok = strings.CutPrefix(base, "LPT")
	}
	return ok && utf8.RuneCountInString(number) == 1 && strings.Contains("123456789¹²³", number)
}

const (
	maxPart = 255 // bytes that file systems allow
	maxPath = 1024
	maxDeep = 32 // folders
)

// places gives every file of a record a path of its own, also where a file system
// does not tell capitals from small letters (STRASSE, Straße), or composed from
// decomposed ones.
type places map[string]bool // folded paths; true for files, false for folders

// place returns the path of a file below a folder. It is the name; where another file
// has that, the name in a folder named by the file's identifier; and where no path
// can be made of it, the identifier.
func (p places) place(f preservation.File) string {
	name := legible(f.Name)
	for _, path := range []string{name, string(f.ID) + "/" + name} {
		if fits(path) && p.take(path) {
			return path
		}
	}
	path := string(f.ID) + extension(f.Path)
	for !p.take(path) {
		path = "_" + path
	}
	return path
}

// extension is that of a path in a package, which is plain.
func extension(path string) string {
	if i := strings.LastIndexAny(path, "./"); i >= 0 && path[i] == '.' {
		return path[i:]
	}
	return ""
}

func fits(path string) bool {
	parts := strings.Split(path, "/")
	for _, part := range parts {
		if len(part) > maxPart {
			return false
		}
	}
	return len(path) <= maxPath && len(parts) <= maxDeep
}

// take keeps a path for a file unless another one, or a folder of another one, has it.
func (p places) take(path string) bool {
	key := norm.NFC.String(cases.Fold().String(norm.NFD.String(path))) // (Unicode, 3.13, D145)
	if _, taken := p[key]; taken {
		return false
	}
	var folders []string
	for i := range key {
		if key[i] == '/' {
			if p[key[:i]] {
				return false
			}
			folders = append(folders, key[:i])
		}
	}
	for _, folder := range folders {
		p[folder] = false
	}
	p[key] = true
	return true
}
