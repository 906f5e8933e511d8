package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"mime"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"unicode/utf8"

	"bestand/preservation"
)

// content is stored bytes on their way to a client: whole, or one range.
type content struct {
	open   func(off, length int64) (io.ReadCloser, error)
	size   int64
	sha256 string
	media  string
	name   string
	inline bool
	head   bool         // only the headers were asked for
	sent   func() error // called once all of it was sent; nil: nobody wants to know

	ifNoneMatch, ifRange, rangeSpec string
}

// VisitGetFileResponse writes the answer of GET …/files/{file_id}.
func (c *content) VisitGetFileResponse(w http.ResponseWriter) error { return c.write(w) }

// VisitGetPackageResponse writes the answer of GET …/package.
func (c *content) VisitGetPackageResponse(w http.ResponseWriter) error { return c.write(w) }

// VisitGetSubmissionFileResponse writes the answer of GET …/submissions/{id}/files/{file_id}.
func (c *content) VisitGetSubmissionFileResponse(w http.ResponseWriter) error { return c.write(w) }

func (c *content) write(w http.ResponseWriter) error {
	etag := `"` + c.sha256 + `"`
	h := w.Header()
	h.Set("ETag", etag)
	h.Set("Cache-Control", "private, no-cache") // it may be kept, and has to be asked for each time: access is audited
	if matches(c.ifNoneMatch, etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	off, length, status := int64(0), c.size, http.StatusOK
	if c.rangeSpec != "" && (c.ifRange == "" || c.ifRange == etag) {
		var err error
		if off, length, status, err = parseRange(c.rangeSpec, c.size); err != nil {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", c.size))
			return err
		}
	}
	var r io.ReadCloser
	if !c.head && length > 0 {
		var err error
		if r, err = c.read(off, length); err != nil {
			return err
		}
		defer r.Close()
	}
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", c.media)
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	h.Set("Content-Disposition", disposition(c.inline, c.name))
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'self'")
	if status == http.StatusPartialContent {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, off+length-1, c.size))
	}
	w.WriteHeader(status)
	if r == nil {
		return nil
	}
	if _, err := io.CopyN(w, r, length); err != nil || c.sent == nil || length < c.size {
		return err // the answer is cut off then, which Content-Length shows
	}
	return c.sent()
}

// inMemory is the size in bytes up to which content is verified before the first
// byte of it is sent.
const inMemory = 8 << 20

// read opens a range of the content. Damage is found before it is handed out:
// small content is read whole and compared, large content that is asked for
// whole ends before its last bytes when they do not agree with the digest.
func (c *content) read(off, length int64) (io.ReadCloser, error) {
	if c.size > inMemory {
		r, err := c.open(off, length)
		if err != nil || length < c.size {
			return r, err
		}
		return &verified{r: bufio.NewReaderSize(r, 64<<10), Closer: r, left: length, h: sha256.New(), want: c.sha256}, nil
	}
	r, err := c.open(0, c.size)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != c.sha256 {
		return nil, fmt.Errorf("stored content with SHA-256 %s: %w", c.sha256, preservation.ErrCorrupt)
	}
	return io.NopCloser(bytes.NewReader(b[off : off+length])), nil
}

// verified hands content out and compares it before its last buffer.
type verified struct {
	r *bufio.Reader
	io.Closer
	left    int64
	h       hash.Hash
	want    string
	checked bool
}

func (v *verified) Read(p []byte) (int, error) {
	if !v.checked && v.left <= int64(v.r.Size()) {
		rest, err := v.r.Peek(int(v.left))
		if err != nil {
			return 0, err
		}
		v.h.Write(rest)
		if hex.EncodeToString(v.h.Sum(nil)) != v.want {
			return 0, fmt.Errorf("stored content with SHA-256 %s: %w", v.want, preservation.ErrCorrupt)
		}
		v.checked = true
	}
	if !v.checked { // leave something for the comparison
		p = p[:min(int64(len(p)), v.left-int64(v.r.Size())+1)]
	}
	n, err := v.r.Read(p)
	if !v.checked {
		v.h.Write(p[:n])
	}
	v.left -= int64(n)
	return n, err
}

// matches reports whether an If-None-Match lists the tag (RFC 9110 §13.1.2).
func matches(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		if tag = textproto.TrimString(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
			return true
		}
	}
	return false
}

// parseRange reads a Range header (RFC 9110 §14.2). What is not one range of
// bytes is ignored, as the RFC permits, and the whole is sent.
func parseRange(spec string, size int64) (off, length int64, status int, err error) {
	set, ok := strings.CutPrefix(spec, "bytes=")
	first, last, dash := strings.Cut(textproto.TrimString(set), "-")
	if !ok || !dash || strings.Contains(set, ",") {
		return 0, size, http.StatusOK, nil
	}
	end := size - 1
	if first == "" { // the last n bytes
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n < 0 {
			return 0, size, http.StatusOK, nil
		}
		off = size - min(n, size)
	} else {
		if off, err = strconv.ParseInt(first, 10, 64); err != nil || off < 0 {
			return 0, size, http.StatusOK, nil
		}
		if last != "" {
			given, err := strconv.ParseInt(last, 10, 64)
			if err != nil || given < off {
				return 0, size, http.StatusOK, nil
			}
			end = min(given, end)
		}
	}
	if off >= size {
		return 0, 0, 0, badRange.because("there are %d bytes", size)
	}
	return off, end - off + 1, http.StatusPartialContent, nil
}

// shown are the media types that a browser may show by itself. Everything else
// is an attachment, above all what could run: HTML, SVG, XML.
var shown = map[string]bool{
	"application/pdf": true, "text/plain": true,
	"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true, "image/tiff": true,
}

// mediaOf is the content type to serve a file with, and its bare media type.
func mediaOf(stored string) (full, bare string) {
	bare, params, err := mime.ParseMediaType(stored)
	if err != nil || !strings.Contains(bare, "/") {
		return "application/octet-stream", "application/octet-stream"
	}
	if charset := params["charset"]; charset != "" {
		return mime.FormatMediaType(bare, map[string]string{"charset": charset}), bare
	}
	return bare, bare
}

// disposition writes Content-Disposition (RFC 6266) for a name that may hold
// anything. Separators are taken out, since some clients take names for paths.
func disposition(inline bool, name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r == '/' || r == '\\' || r == utf8.RuneError {
			return '_'
		}
		return r
	}, name)
	if strings.Trim(name, ". ") == "" {
		name = "file"
	}
	plain := strings.Map(func(r rune) rune {
		if r > '~' || r == '"' || r == '%' {
			return '_'
		}
		return r
	}, name)
	kind := "attachment"
	if inline {
		kind = "inline"
	}
	return fmt.Sprintf(`%s; filename="%s"; filename*=UTF-8''%s`, kind, plain, extValue(name))
}

// extValue percent-encodes a name for filename* (RFC 8187 §3.2.1).
func extValue(name string) string {
	const attrChar = "!#$&+-.^_`|~"
	var b strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte(attrChar, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// headOnly reports whether only the headers were asked for.
func headOnly(ctx context.Context) bool { return note(ctx).method == http.MethodHead }
