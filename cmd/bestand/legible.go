package main

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"unicode/utf8"

	"bestand/preservation/verdict"
)

// legibleLines is verdict.Legible but for the ends of lines.
func legibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = verdict.Legible(lines[i])
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
	case verdict.Legible(path) != path:
		return sourceID("path:" + url.PathEscape(path))
	}
	return path
}
