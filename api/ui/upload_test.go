package ui

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestUploadNames wants every file to be handed on under the name that it has: what the
// page says of it in the field before it counts, then what the browser says, as it stands.
func TestUploadNames(t *testing.T) {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	file := func(exact, name, text string) {
		t.Helper()
		if exact != "" {
			if err := w.WriteField(exactName, url.PathEscape(exact)); err != nil {
				t.Fatal(err)
			}
		}
		part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="` + name + `"`}})
		if err == nil {
			_, err = io.WriteString(part, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	file("Akte/a\"b\r\nc\\(1).txt", "Akte/a%22b%0D%0Ac\\(1).txt", "1")
	file("", "50%22 mehr; ü.txt", "2")
	file("x\r\nContent-Type: text/html", "x", "3")
	w.Close()

	in := multipart.NewReader(&form, w.Boundary())
	values, first, err := fieldsBefore(in)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	var out bytes.Buffer
	to := multipart.NewWriter(&out)
	if err := passOn(to, []byte("{}"), in, first, values[exactName]); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := multipart.NewReader(&out, to.Boundary()); ; {
		part, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		text, _ := io.ReadAll(part)
		if len(part.Header) != 2 {
			t.Errorf("headers %v", part.Header)
		}
		_, encoded, _ := strings.Cut(part.Header.Get("Content-Disposition"), "filename*=UTF-8''")
		name, err := url.PathUnescape(encoded)
		if err != nil {
			t.Error(err)
		}
		got = append(got, name+"="+string(text))
	}
	if want := []string{"={}", "Akte/a\"b\r\nc\\(1).txt=1", "50%22 mehr; ü.txt=2", "x\r\nContent-Type: text/html=3"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
