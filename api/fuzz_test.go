package api

import (
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzForm reads forms that may be anything. What ends well had a final boundary.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"--b\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{}\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n",
		"--b--", "--b\r\n\r\n--b--\r\n", "--b\r\nContent-Disposition: form-data; name=file; filename*=UTF-8''%ff\r\n\r\n\r\n--b--",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		g := form{multipart.NewReader(&unended{ReadCloser: io.NopCloser(strings.NewReader(body))}, "b")}
		for range 100 {
			name, r, err := g.file()
			if err == io.EOF {
				if !strings.Contains(body, "--b--") {
					t.Errorf("%q ends well", body)
				}
				return
			}
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				return
			}
			_ = name
		}
	})
}

// FuzzRange: a range lies within what there is.
func FuzzRange(f *testing.F) {
	f.Add("bytes=0-1", int64(5))
	f.Add("bytes=-9223372036854775808", int64(1))
	f.Add("bytes=9223372036854775807-9223372036854775807", int64(9))
	f.Fuzz(func(t *testing.T, spec string, size int64) {
		if size < 0 {
			return
		}
		off, n, _, err := parseRange(spec, size)
		if err == nil && (off < 0 || n < 0 || off+n > size) {
			t.Errorf("%q of %d: %d %d", spec, size, off, n)
		}
	})
}

// FuzzDisposition: whatever a file is called, the header is one line and gives
// the name back as far as a header may.
func FuzzDisposition(f *testing.F) {
	for _, s := range []string{"a.txt", "ä\r\nX: y", `"\`, "\xff", "..", "\u202e", "%22"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		d := disposition(false, name)
		if strings.ContainsAny(d, "\r\n\x00") || !utf8.ValidString(d) || strings.ContainsFunc(d, func(r rune) bool { return r > '~' }) {
			t.Errorf("%q: %q", name, d)
		}
		if _, params, err := mime.ParseMediaType(d); err != nil || params["filename"] == "" || strings.ContainsAny(params["filename"], "/\\") {
			t.Errorf("%q: %q %v", name, d, err)
		}
	})
}

// FuzzSurrogate: what passes has nothing in it that encoding/json replaces.
func FuzzSurrogate(f *testing.F) {
	for _, s := range []string{`"\ud800"`, `"\ud83c\udfdb"`, `"\\ud800"`, `"\\\ud800"`, `"\udc00\ud800"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s string
		if !utf8.Valid(text) || loneSurrogate(text) >= 0 || json.Unmarshal(text, &s) != nil {
			return
		}
		if strings.ContainsRune(s, utf8.RuneError) && !strings.ContainsRune(string(text), utf8.RuneError) && !strings.Contains(strings.ToLower(string(text)), `\ufffd`) {
			t.Errorf("%q became %q", text, s)
		}
	})
}
