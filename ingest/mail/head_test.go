package mail

import (
	"io"
	"strings"
	"testing"
)

func TestHeaded(t *testing.T) {
	const fields = "From: a@example.org\r\nSubject: Antrag\r\n folgt\r\nContent-Type: multipart/mixed; boundary=b\r\n"
	const parts = "--b\r\nContent-Type: text/plain\r\n\r\nText\r\n--b--\r\n"
	for name, tt := range map[string]struct{ in, want string }{
		"as it should be":                 {fields + "\r\n" + parts, fields + "\r\n" + parts},
		"no empty line":                   {fields + parts, fields + "\r\n" + parts},
		"no empty line before a preamble": {fields + "Dies ist eine Nachricht\r\n" + parts, fields + "\r\nDies ist eine Nachricht\r\n" + parts},
		"a broken field":                  {"From: a\r\nkaputt\r\n" + fields + "\r\n" + parts, "From: a\r\nkaputt\r\n" + fields + "\r\n" + parts},
		"mbox":                            {"From a@b Mon\r\n" + fields + "\r\n" + parts, "From a@b Mon\r\n" + fields + "\r\n" + parts},
		"nothing":                         {"", ""},
		"a long line":                     {"X: " + strings.Repeat("x", 300<<10) + "\r\n\r\nText", "X: " + strings.Repeat("x", 300<<10) + "\r\n\r\nText"},
	} {
		t.Run(name, func(t *testing.T) {
			r, repaired := headed(strings.NewReader(tt.in))
			got, err := io.ReadAll(r)
			if err != nil || string(got) != tt.want || repaired != (tt.in != tt.want) {
				t.Errorf("%.300q, %t, %v", got, repaired, err)
			}
		})
	}
}
