package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
)

// form reads a submission from multipart/form-data as it arrives: one part
// `metadata`, then parts `file`; or one part `package`.
type form struct {
	parts *multipart.Reader
}

// field is one part of a form.
type field struct {
	io.Reader
	header textproto.MIMEHeader
	params map[string]string // of Content-Disposition
}

const metadataMax = 1 << 20

// first opens the first part: metadata or package.
func (f form) first() (field, error) {
	part, err := f.next()
	if errors.Is(err, io.EOF) || err == nil && part.params["name"] != "metadata" && part.params["name"] != "package" {
		return part, invalid.in(fieldError("metadata", "required", "must be the first part, unless the only one is a package"))
	}
	return part, err
}

// decode reads the part metadata.
func (f form) decode(part field, schema *openapi3.Schema, m any) error {
	if t := mediaType(part.header); t != "application/json" && part.header.Get("Content-Type") != "" {
		return wrongType.because("part metadata must be application/json")
	}
	text, err := readBounded(part, metadataMax)
	if err != nil {
		return err
	}
	if err := checkJSON(text, schema); err != nil {
		return err
	}
	return json.Unmarshal(text, m)
}

// file opens the next file and returns its name as the sender wrote it. It
// returns io.EOF behind the final boundary and at no other place.
func (f form) file() (name string, r io.Reader, err error) {
	part, err := f.next()
	if err != nil {
		return "", nil, err
	}
	switch name := part.params["name"]; name {
	case "file":
	case "metadata":
		return "", nil, invalid.in(fieldError("metadata", "duplicate", "is given twice"))
	default:
		return "", nil, invalid.in(fieldError(shorten(name), "unknown-field", "there is no such part: send metadata, then file"))
	}
	if err := part.plain(); err != nil {
		return "", nil, err
	}
	name, err = part.fileName()
	return name, part, err
}

// end makes sure that nothing follows.
func (f form) end() error {
	part, err := f.next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = invalid.in(fieldError(shorten(part.params["name"]), "unknown-field", "nothing may follow the part package"))
	}
	return err
}

// plain refuses transfer encodings, which would change the bytes.
func (part field) plain() error {
	switch strings.ToLower(part.header.Get("Content-Transfer-Encoding")) {
	case "", "7bit", "8bit", "binary":
		return nil
	}
	return malformed.because("Content-Transfer-Encoding must be binary (RFC 7578 §4.7)")
}

// next opens the next part without decoding anything, or returns io.EOF behind
// the final boundary. It relies on unended.
func (f form) next() (field, error) {
	part, err := f.parts.NextRawPart()
	if err == io.EOF {
		return field{}, err
	}
	if err != nil {
		return field{}, brokenOff(err)
	}
	lines := part.Header.Values("Content-Disposition")
	if len(lines) != 1 {
		return field{}, malformed.because("a part needs one Content-Disposition")
	}
	params, ok := parameters(lines[0])
	if !ok {
		return field{}, malformed.because("Content-Disposition of a part cannot be read")
	}
	return field{body{part}, part.Header, params}, nil
}

// unended is the body of a form to whose end nobody may read. mime/multipart
// takes an end between two parts, or within the header of one, for the end of
// the form; with this body it only finds one at the final boundary. The line
// break that may be missing behind that boundary is added.
type unended struct {
	io.ReadCloser
	ended bool
	rest  string // of the line break
}

func (u *unended) Read(p []byte) (int, error) {
	if !u.ended {
		n, err := u.ReadCloser.Read(p)
		if err != io.EOF {
			return n, err
		}
		u.ended, u.rest = true, "\r\n"
		if n > 0 {
			return n, nil
		}
	}
	if u.rest == "" {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

// body is the content of a part. A connection that ends in the middle must not
// look like an end of the file to anyone: minio-go, for one, takes
// io.ErrUnexpectedEOF for one.
type body struct{ io.Reader }

func (b body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = brokenOff(err)
	}
	return n, err
}

// brokenOff says what ended a form too early.
func brokenOff(err error) error {
	var f *fault
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return malformed.because("the form ends before its final boundary")
	case strings.HasPrefix(err.Error(), "multipart: "), errors.As(err, new(textproto.ProtocolError)):
		return malformed.because("%v", err)
	}
	return err
}

func shorten(s string) string { return strings.ToValidUTF8(s[:min(len(s), 60)], "�") }

// fileName returns the file name of a part, byte for byte, or nothing. It is
// never used as a path, so nothing needs to be taken off it; mime/multipart
// would, and would guess at encodings as well.
//
// filename* (RFC 8187) wins over filename. In a quoted filename a backslash
// escapes a quote or a backslash and stands for itself before anything else,
// since browsers send Windows names unescaped.
func (f field) fileName() (string, error) {
	extended, ok := f.params["filename*"]
	if !ok {
		return f.params["filename"], nil
	}
	charset, rest, _ := strings.Cut(extended, "'")
	_, encoded, ok := strings.Cut(rest, "'")
	name, err := url.PathUnescape(encoded)
	if !ok || err != nil || !strings.EqualFold(charset, "utf-8") || !utf8.ValidString(name) {
		return "", malformed.because("filename* of a part is not UTF-8''… (RFC 8187)")
	}
	return name, nil
}

// parameters takes a header value such as `form-data; name="a"; filename="b"`
// apart. Names are lower-cased, values keep their bytes.
func parameters(header string) (params map[string]string, ok bool) {
	params = map[string]string{}
	_, rest, more := strings.Cut(header, ";")
	for more {
		var name, value string
		if name, rest, ok = strings.Cut(rest, "="); !ok {
			return params, strings.TrimSpace(name) == "" // a trailing semicolon
		}
		name = strings.ToLower(strings.TrimSpace(name))
		rest = strings.TrimLeft(rest, " \t")
		if strings.HasPrefix(rest, `"`) {
			if value, rest, ok = unquote(rest[1:]); !ok {
				return nil, false
			}
			var between string
			if between, rest, more = strings.Cut(rest, ";"); strings.TrimSpace(between) != "" {
				return nil, false
			}
		} else {
			value, rest, more = strings.Cut(rest, ";")
			value = strings.TrimRight(value, " \t")
		}
		if _, twice := params[name]; twice || name == "" {
			return nil, false
		}
		params[name] = value
	}
	return params, true
}

// unquote reads up to the closing quote and returns what follows it.
func unquote(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], true
		case c == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}
