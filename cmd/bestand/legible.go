package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// legible writes a text for a terminal: what a terminal would obey, what reverses
// the writing and what is not UTF-8 stands there as an escape. Names of files and
// answers of a server can hold anything.
func legible(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// legibleLines is legible but for the ends of lines.
func legibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = legible(lines[i])
	}
	return strings.Join(lines, "\n")
}

// sourceID makes the producer's identifier of a path: the path itself where
// metadata can hold it. Two paths never have the same one.
func sourceID(path string) string {
	switch {
	case utf8.RuneCountInString(path) > 500:
		sum := sha256.Sum256([]byte(path))
		return "path-sha256:" + hex.EncodeToString(sum[:])
	case legible(path) != path:
		return sourceID("path:" + url.PathEscape(path))
	}
	return path
}
