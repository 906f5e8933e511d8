package verapdf

import (
	"errors"
	"strings"
	"testing"
)

// TestAnswer: an answer is believed only as the answer to what was asked.
func TestAnswer(t *testing.T) {
	many := `{"claimed":"2b","flavour":"2b","valid":false,"failed":[` + strings.Repeat(`{"clause":"6.1"},`, maxRules) + `{}]}`
	for name, c := range map[string]struct {
		line  string
		asked Flavour
		ok    bool
	}{
		"valid":                      {`{"claimed":"2b","flavour":"2b","valid":true,"failed":[]}`, "2b", true},
		"not valid":                  {`{"claimed":"","flavour":"2b","valid":false,"failed":[{"clause":"6.6.4","test":1,"count":1}]}`, "2b", true},
		"no claim":                   {`{"claimed":""}`, Auto, true},
		"its own claim":              {`{"claimed":"3u","flavour":"3u","valid":true,"failed":[]}`, Auto, true},
		"valid in another flavour":   {`{"claimed":"1b","flavour":"1b","valid":true,"failed":[]}`, "2b", false},
		"valid in no flavour":        {`{"claimed":"","flavour":"","valid":true,"failed":[]}`, Auto, false},
		"valid with broken rules":    {`{"claimed":"2b","flavour":"2b","valid":true,"failed":[{"clause":"6.6.4","test":1,"count":1}]}`, "2b", false},
		"of another claim":           {`{"claimed":"1b","flavour":"2b","valid":true,"failed":[]}`, Auto, false},
		"nothing":                    {`{}`, "2b", false},
		"null":                       {`null`, "2b", false},
		"an error that nobody knows": {`{"error":"later"}`, "2b", false},
		"more rules than there are":  {many, "2b", false},
		"two answers":                {`{"claimed":""} {"claimed":""}`, Auto, false},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := parseAnswer([]byte(c.line), c.asked)
			var died *endError
			if c.ok != (err == nil) || err != nil && !errors.As(err, &died) || err != nil && v.Valid {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
}

// FuzzAnswer: no line makes a file valid that was not judged against the
// flavour wanted, and none is kept longer than a person reads.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"claimed":"2b","flavour":"2b","valid":true,"failed":[]}`), "2b")
	f.Add([]byte(`{"claimed":"1a","flavour":"1a","valid":false,"failed":[{"clause":"6.1.3","test":1,"count":7,"message":"The file trailer…"}]}`), "")
	f.Add([]byte(`{"error":"unreadable","detail":"IOException: `+strings.Repeat("ä", 2000)+`"}`), "3b")
	f.Add([]byte(`{"ERROR":"encrypted","valid":true}`), "2b")
	f.Fuzz(func(t *testing.T, line []byte, asked string) {
		v, err := parseAnswer(line, Flavour(asked))
		var died *endError
		switch {
		case errors.As(err, &died), errors.Is(err, ErrEncrypted), errors.Is(err, ErrUnreadable):
			if v.Valid || len(err.Error()) > 3*maxText {
				t.Errorf("%+v, %d bytes", v, len(err.Error()))
			}
		case err != nil:
			t.Errorf("nobody knows what to do about %v", err)
		case v.Valid && (v.Flavour == "" || asked != "" && string(v.Flavour) != asked || len(v.Failed) > 0):
			t.Errorf("valid: %+v, asked for %q", v, asked)
		}
	})
}
