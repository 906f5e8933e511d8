package image

import (
	"errors"
	"testing"

	"bestand/ingest/convert"
)

// FuzzAnswer reads what a child says that an image has taken over.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{``, `{}`, `null`, `{"Info":{"Pages":[{"Width":1,"Height":2,"DPIX":1e308}]}}`, `{"Fault":{"Code":"damaged","Page":-1}}`, `{"Info":{"Pages":[{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := parseAnswer(b)
		var no *convert.Refusal
		var fault *Fault
		if err != nil && !errors.As(err, &no) && !errors.As(err, &fault) {
			t.Errorf("%v", err)
		}
	})
}
