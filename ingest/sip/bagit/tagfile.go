package bagit

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/transform"

	"bestand/ingest/sip/container"
)

const (
	maxDeclaration = 1 << 10
	maxInfo        = 4 << 20
	maxLine        = 64 << 10 // of a manifest
)

var (
	versionLine  = regexp.MustCompile(`^BagIt-Version: ?([0-9]{1,4}\.[0-9]{1,4})$`)
	encodingLine = regexp.MustCompile(`^Tag-File-Character-Encoding: ?([A-Za-z0-9._:+-]{1,40})$`)
	supported    = []string{"0.93", "0.94", "0.95", "0.96", "0.97", "1.0"}
)

func (r *reader) entry(name string) *container.Entry {
	e, exact := r.c.Lookup(r.root + name)
	if !exact {
		return nil
	}
	return e
}

// readDeclaration reads bagit.txt: two lines and nothing else, UTF-8 without a
// byte order mark (section 2.1.1).
func (r *reader) readDeclaration(context.Context) error {
	const clause = "RFC 8493 2.1.1"
	fail := func(format string, args ...any) error {
		r.found.Fail(BadDeclaration, clause, declaration, format, args...)
		return nil
	}
	data, ok, err := readAll(r.entry(declaration), maxDeclaration)
	if err != nil {
		return err
	}
	if !ok {
		return fail("the declaration is missing or longer than %d bytes", maxDeclaration)
	}
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		fail("it begins with a byte order mark, which must not be there")
		data = data[len("\ufeff"):]
	}
	lines := splitLines(string(data))
	if len(lines) != 2 {
		return fail("it must have two lines: BagIt-Version and Tag-File-Character-Encoding")
	}
	version, label := versionLine.FindStringSubmatch(strings.TrimRight(lines[0], " \t")), encodingLine.FindStringSubmatch(strings.TrimRight(lines[1], " \t"))
	if version == nil || label == nil {
		return fail(`its lines must be "BagIt-Version: M.N" and "Tag-File-Character-Encoding: ENCODING"`)
	}
	r.bag.Version = version[1]
	r.strict = r.bag.Version == "1.0"
	if !slices.Contains(supported, r.bag.Version) {
		return fail("BagIt %s is not known here; known are %s", r.bag.Version, strings.Join(supported, ", "))
	}
	if r.encoding = encodingOf(label[1]); r.encoding == nil {
		return fail("encoding %s is not known here; use UTF-8", label[1])
	}
	return nil
}

// encodingOf returns an encoding by its IANA name, or nil when it is not known here.
func encodingOf(name string) encoding.Encoding {
	switch strings.ToUpper(name) {
	case "UTF-8", "UTF8", "US-ASCII":
		return encoding.Nop
	}
	enc, err := ianaindex.IANA.Encoding(name)
	if err != nil {
		return nil
	}
	return enc
}

// text returns the decoded text of a tag file. What is not text in the declared
// encoding comes as bytes that are not UTF-8, or as U+FFFD.
func (r *reader) text(in io.Reader) io.Reader {
	return transform.NewReader(in, r.encoding.NewDecoder())
}

// cutMark takes a byte order mark off the first line of a tag file.
func (r *reader) cutMark(name, line string) string {
	rest, ok := strings.CutPrefix(line, "\ufeff")
	if ok && r.encoding == encoding.Nop {
		r.found.Note(ByteOrderMark, "RFC 8493 2.3", name, "it begins with a byte order mark, which UTF-8 does not have")
	}
	return rest
}

// readInfo reads bag-info.txt (section 2.2.2).
func (r *reader) readInfo(context.Context) error {
	const name = "bag-info.txt"
	e := r.entry(name)
	if e == nil || e.Path == "" {
		return nil
	}
	data, ok, err := readAll(e, maxInfo)
	if err != nil {
		return err
	}
	if !ok {
		r.found.Fail(BadTagFile, "RFC 8493 2.2.2", name, "it is longer than %d bytes", maxInfo)
		return nil
	}
	decoded, err := io.ReadAll(r.text(bytes.NewReader(data)))
	if err != nil || !utf8.Valid(decoded) {
		r.found.Fail(BadTagFile, "RFC 8493 2.3", name, "it is not in the encoding that bagit.txt declares")
		return nil
	}
	for i, line := range splitLines(r.cutMark(name, string(decoded))) {
		if line == "" {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' { // the value goes on
			if n := len(r.bag.Info); n > 0 {
				r.bag.Info[n-1].Value = strings.TrimSpace(r.bag.Info[n-1].Value + " " + strings.TrimSpace(line))
				continue
			}
		}
		label, value, ok := strings.Cut(line, ":")
		if label = strings.TrimSpace(label); !ok || label == "" {
			r.found.Fail(BadTagFile, "RFC 8493 2.2.2", name, "line %d is not of the form Label: value", i+1)
			continue
		}
		r.bag.Info = append(r.bag.Info, Field{label, strings.TrimSpace(value)})
	}
	return nil
}

// checkFetch refuses bags that are not here as a whole (section 2.2.3).
func (r *reader) checkFetch(context.Context) error {
	e := r.entry("fetch.txt")
	if e == nil || e.Path == "" {
		return nil
	}
	data, ok, err := readAll(e, maxInfo)
	if err != nil {
		return err
	}
	if !ok || strings.TrimSpace(string(data)) != "" {
		r.found.Fail(Fetch, "RFC 8493 2.2.3", "fetch.txt", "parts of the bag lie elsewhere and are never fetched; send the bag complete and without fetch.txt")
	}
	return nil
}

// readAll reads a small file whole. ok is false when there is none or it is longer.
func readAll(e *container.Entry, limit int64) (data []byte, ok bool, err error) {
	if e == nil || e.Path == "" || e.Size > limit {
		return nil, false, nil
	}
	in, err := os.Open(e.Path)
	if err != nil {
		return nil, false, err
	}
	defer in.Close()
	data, err = io.ReadAll(io.LimitReader(in, limit))
	return data, err == nil, err
}

// splitLines parts a text at LF, CR and CRLF (section 2.1.1 allows all three)
// and drops the empty line after the last end.
func splitLines(text string) []string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// scanLines parts at the same ends as splitLines, for a bufio.Scanner.
func scanLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i < 0 && atEOF && len(data) > 0:
		return len(data), data, nil
	case i < 0:
		return 0, nil, nil
	case data[i] == '\r' && i+1 == len(data) && !atEOF:
		return 0, nil, nil // an LF may follow
	case data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	}
	return i + 1, data[:i], nil
}
