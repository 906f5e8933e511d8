package mail

import (
	"bytes"
	"encoding/base64"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/charmap"
)

// transfer undoes a Content-Transfer-Encoding (RFC 2045, 6). It goes on after
// faults as mail readers do, and reports whether there were none.
func transfer(encoding string, b []byte) (out []byte, sound bool) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64Bytes(b)
	case "quoted-printable":
		return quotedPrintable(b)
	case "", "7bit", "8bit", "binary":
		return b, true
	}
	return b, false
}

// base64Bytes leaves out what is not of the alphabet. Padding in the middle
// ends a block, after which another one may follow.
func base64Bytes(b []byte) (out []byte, sound bool) {
	sound = true
	var block []byte
	flush := func() {
		if len(block)%4 == 1 {
			block, sound = block[:len(block)-1], false
		}
		n := len(out)
		out = append(out, make([]byte, base64.RawStdEncoding.DecodedLen(len(block)))...)
		k, err := base64.RawStdEncoding.Decode(out[n:], block)
		out, block = out[:n+k], block[:0]
		sound = sound && err == nil
	}
	padding := false
	for _, c := range b {
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
			if padding {
				flush()
				padding = false
			}
			block = append(block, c)
		case c == '=':
			padding = true
		case c == '\r', c == '\n', c == ' ', c == '\t':
		default:
			sound = false
		}
	}
	if len(block)%4 != 0 && !padding {
		sound = false
	}
	flush()
	return out, sound
}

func quotedPrintable(b []byte) (out []byte, sound bool) {
	sound = true
	for len(b) > 0 {
		line, rest, more := bytes.Cut(b, []byte("\n"))
		b = rest
		end := ""
		if more {
			end = "\n"
			if bytes.HasSuffix(line, []byte("\r")) {
				line, end = line[:len(line)-1], "\r\n"
			}
		}
		line = bytes.TrimRight(line, " \t") // RFC 2045, 6.7 (3)
		if bytes.HasSuffix(line, []byte("=")) {
			line, end = line[:len(line)-1], ""
		}
		for i := 0; i < len(line); i++ {
			if line[i] != '=' {
				out = append(out, line[i])
				continue
			}
			hi, lo := byte(255), byte(255)
			if i+2 < len(line) {
				hi, lo = unhex(line[i+1]), unhex(line[i+2])
			}
			if hi > 15 || lo > 15 {
				out, sound = append(out, '='), false
				continue
			}
			out = append(out, hi<<4|lo)
			i += 2
		}
		out = append(out, end...)
	}
	return out, sound
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// text converts to UTF-8 and reports whether the declared character set was
// there and held. Windows-1252 can read anything.
func text(b []byte, label string) (s string, sound bool) {
	label = strings.ToLower(strings.Trim(label, ` "'`))
	switch label {
	case "", "us-ascii", "ascii", "utf-8", "utf8":
		if utf8.Valid(b) {
			return string(b), label != "" || ascii(b)
		}
	default:
		if r, err := charset.NewReaderLabel(label, bytes.NewReader(b)); err == nil {
			if u, err := io.ReadAll(r); err == nil { // as long as b, or a small multiple
				return string(u), true
			}
		}
	}
	if utf8.Valid(b) {
		return string(b), false
	}
	u, err := charmap.Windows1252.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "\uFFFD"), false
	}
	return string(u), false
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
